//! save and restore. The file's head is a real xend's, so that others can see which domain it holds; instead of memory, of which an embedded
//! guest has none, there is a mark. A guest that is restored boots.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::config::{Config, Refusal, Writer};
use super::looks::Shown;
use super::{Found, Parts, Xend, life, ops};
use crate::model::DomId;
use crate::sim::machine::reason;
use crate::wire::saved::Head;
use crate::wire::sexpr::{Sexpr, text_of};
use crate::wire::xend_http::Received;

/// What stands where a real file has the guest's memory.
const BODY: &[u8] = b"an embedded guest of xenith\nend\n";

/// The largest file that is read back.
const MAX_FILE: u64 = 16 << 20;

/// A save that waits for its guest to suspend.
#[derive(Debug)]
pub(super) struct Saving {
    domid: DomId,
    whom: Found,
    file: File,
    bytes: Vec<u8>,
    /// Who asked, and what.
    pub(super) conn: u64,
    pub(super) request: Received,
}

/// What comes of an order to save.
pub(super) enum Begun {
    Waits(Saving),
    Refused(Refusal),
    /// A real xend's thread dies of it, and nobody is answered.
    Silence,
}

impl Xend {
    /// The domain that a request asks to save.
    pub(super) fn is_save(&self, request: &Received) -> Option<Found> {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["xend", "domain", key]
                if request.method == "POST" && ops::operation(request) == Some("save") =>
            {
                self.find(key)
            }
            _ => None,
        }
    }

    /// op=save: asks the guest to suspend.
    pub(super) fn begin_save(
        &self,
        whom: Found,
        request: &Received,
        conn: u64,
        parts: &mut Parts<'_>,
    ) -> Begun {
        let Some(path) = request.field("file").next() else { return Begun::Silence };
        let domid = match self.domid(whom) {
            Some(0) => return Begun::Refused("Cannot save privileged domain 0".into()),
            Some(domid) => domid,
            None => return Begun::Silence,
        };
        let Some(config) = self.live_config(domid) else { return Begun::Silence };
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                return Begun::Refused(format!("can't write guest state file {path}: {}", words(&error)));
            }
        };
        let mut bytes = Head::Xend(config.to_sexpr(self.habits, &Shown::Kept).to_bytes()).to_bytes();
        bytes.extend_from_slice(BODY);
        life::order(domid, "shutdown", "suspend", parts);
        Begun::Waits(Saving { domid, whom, file, bytes, conn, request: request.clone() })
    }

    /// A domain went down or is gone: a save that waited for that ends.
    pub(super) fn go_on_saving(&mut self, domid: DomId, why: Option<u8>, parts: &mut Parts<'_>) {
        let Some(at) = self.saves.iter().position(|saving| saving.domid == domid) else { return };
        let mut saving = self.saves.swap_remove(at);
        let name = self.name(saving.whom);
        let done = if why == Some(reason::SUSPEND) {
            match saving.file.write_all(&saving.bytes).and_then(|()| saving.file.sync_all()) {
                Ok(()) => self.end(domid, parts).map(drop),
                Err(error) => {
                    // It goes on as if nothing had been.
                    let _ = parts.machine.resume(domid);
                    Err(format!("/usr/lib/xen/bin/xc_save failed: {}", words(&error)))
                }
            }
        } else {
            Err(format!("Domain {domid} did not suspend"))
        };
        let done = done.map(|()| ops::Done::Accepted);
        let (reply, lingers) = self.reply("save", Some(&name), done, &saving.request, parts);
        if let Some(conn) = self.conns.get_mut(&saving.conn) {
            conn.answer(&reply, &saving.request, lingers);
            conn.waits = false;
        }
    }

    /// op=restore: the name of the domain that runs again.
    pub(super) fn restore(&mut self, request: &Received, parts: &mut Parts<'_>) -> Result<String, Refusal> {
        let path = ops::required(request, "file")?;
        let config = read(path, self)?;
        let check = || {
            let twin = self.by_name(&config.name).and_then(|twin| self.domid(Found::Guest(twin)));
            if let Some(domid) = twin.or_else(|| self.domid(Found::Guest(config.uuid))) {
                return Err(self.twin_words(&config.name, domid));
            }
            self.check_name_is_free(&config.name, config.uuid)
        };
        // These say no more than that it failed.
        let is_mute = self.habits.format >= 2 && !self.habits.at_least(3, 2);
        check().map_err(|words| if is_mute { "Restore failed".into() } else { words })?;
        let name = config.name.clone();
        let domid = self.begin(config, parts)?;
        parts.machine.unpause(domid).map_err(life::errno_tuple)?;
        Ok(name)
    }
}

/// The configuration in a file.
fn read(path: &str, xend: &Xend) -> Result<Config, Refusal> {
    let unread = |error: io::Error| format!("can't read guest state file {path}: {}", words(&error));
    // A pipe would hold the whole host up.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unread)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(unread)?;
    let invalid = || {
        let found = text_of(bytes.get(..16).unwrap_or(&bytes).to_vec());
        format!("not a valid guest state file: found '{found}'")
    };
    let Ok(Head::Xend(config)) = Head::read(&bytes) else { return Err(invalid()) };
    if !bytes.ends_with(BODY) {
        return Err("/usr/lib/xen/bin/xc_restore failed".into());
    }
    Config::from_sexpr(&Sexpr::parse_first(&config).map_err(|_| invalid())?, xend.habits, Writer::Itself)
}

/// An error as Python prints it.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

//! `xl save` and `xl restore`. The file's head is a real xl's, so that others can see which domain it holds; instead of memory, of which an
//! embedded guest has none, there is its configuration in xl's language.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use super::args::Args;
use super::lifecycle::{meant, tell};
use super::{Ended, Parts, Refused, Text, Waits, Xl, messages};
use crate::format::xl::{from_xl, to_xl};
use crate::model::{DomId, Guest, GuestType};
use crate::sim::machine::reason;
use crate::sim::release::Release;
use crate::wire::saved::Head;

/// How long libxl waits for a guest to suspend.
const PATIENCE: Duration = Duration::from_secs(60);

/// What stands where a real file has the guest's memory.
const BODY: &[u8] = b"an embedded guest of xenith\n";
/// And behind it.
const END: &[u8] = b"\nend\n";

/// The largest file that is read back.
const MAX_FILE: u64 = 16 << 20;

/// The shortest that can have a head: a magic of 32 bytes and four numbers.
const SHORTEST_HEAD: usize = 48;

/// A save under way.
#[derive(Debug)]
pub(super) struct Save {
    domid: DomId,
    file: File,
    bytes: Vec<u8>,
    /// The guest goes on after it.
    goes_on: bool,
    /// But paused.
    paused: bool,
    said: Text,
}

impl Xl {
    /// `save [-cp] DOM FILE`
    pub(super) fn save(&mut self, args: &Args, parts: &mut Parts<'_>) -> Result<Ended, Refused> {
        let domid = meant(args.at(0), parts)?;
        let path = PathBuf::from(args.at(1));
        let cannot = |words: String| Refused(1, Text::err(words));
        let life = self.lives.get(&domid).filter(|life| life.is_kept);
        let domain = parts.machine.get(domid).cloned();
        let (Some(life), Some(domain)) = (life, domain) else {
            return Err(cannot("unable to retrieve domain configuration\n".into()));
        };
        let guest = life.guest.clone();
        let unopened =
            |_: io::Error| cannot(format!("Failed to open temp file {} for writing\n", path.display()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.map_err(unopened)?;
        let json = self.described(&domain, parts.store).map(|json| json.to_text()).unwrap_or_default();
        let length = json.len() + 5;
        let mut bytes = Head::XlJson(json).to_bytes();
        bytes.extend_from_slice(BODY);
        let text =
            to_xl(&guest).map_err(|error| cannot(format!("the embedded xl cannot save this: {error}\n")))?;
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(END);
        let said = Text::err(format!(
            "Saving to {} new xl format (info 0x3/0x0/{length})\nxc: info: Saving domain {domid}, type x86 {}\n",
            path.display(),
            if guest.os.kind == GuestType::Pv { "PV" } else { "HVM" }
        ));
        let save =
            Save { domid, file, bytes, goes_on: args.has('c') || args.has('p'), paused: args.has('p'), said };
        if guest.is_hvm() && !parts.guests.is_up(domid) {
            // Without its drivers it is stopped where it is.
            let _ = parts.machine.shutdown(domid, reason::SUSPEND);
        } else {
            tell(domid, "control/shutdown", "suspend", parts);
        }
        Ok(self.go_on_saving(save, parts.machine.now() + PATIENCE, parts))
    }

    /// Writes the file once the guest has suspended.
    pub(super) fn go_on_saving(&mut self, mut save: Save, until: Duration, parts: &mut Parts<'_>) -> Ended {
        let domid = save.domid;
        let failed = |said: Text, words: &str| {
            Text::err(format!("{words}Failed to save domain, resuming domain\n")).after(said).exits(1)
        };
        match parts.machine.get(domid).map(|domain| domain.shutdown_reason()) {
            Some(Some(reason::SUSPEND)) => {}
            Some(None) if parts.machine.now() < until => {
                return Ended::Later(Waits::Suspend { save, until });
            }
            Some(None) => {
                tell(domid, "control/shutdown", "", parts);
                let words = format!(
                    "libxl: error: libxl_dom_suspend.c:331:domain_suspend_common_pvcontrol_suspending: Domain {domid}:guest didn't acknowledge suspend, cancelling request\n"
                );
                return failed(save.said, &words);
            }
            Some(Some(_)) | None => {
                let words = format!(
                    "libxl: error: libxl_dom_suspend.c:395:suspend_common_wait_guest_check: Domain {domid}:guest we were suspending has been destroyed\n"
                );
                return failed(save.said, &words);
            }
        }
        if let Err(error) = save.file.write_all(&save.bytes).and_then(|()| save.file.sync_all()) {
            // As it was before. What stands in the file is of no use to anybody, and xl leaves it there.
            let _ = parts.machine.resume(domid);
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            let words = format!(
                "xc: error: Failed to write page data to stream ({errno} = {0}): Internal error\n\
                 xc: error: Save failed ({errno} = {0}): Internal error\n\
                 libxl: error: libxl_stream_write.c:347:libxl__xc_domain_save_done: Domain {domid}:saving domain: domain responded to suspend request: {0}\n",
                messages::strerror(errno)
            );
            return failed(save.said, &words);
        }
        if !save.goes_on {
            self.end(domid, parts);
        } else {
            if save.paused {
                let _ = parts.machine.pause(domid);
            }
            let _ = parts.machine.resume(domid);
        }
        save.said.exits(0)
    }

    /// `restore [-pe] FILE`
    pub(super) fn restore(
        &mut self,
        words: &[String],
        args: &Args,
        parts: &mut Parts<'_>,
    ) -> Result<Ended, Refused> {
        let path = args.at(0);
        let Saved { guest, length } = read(path).map_err(|words| Refused(1, Text::err(words)))?;
        let said = Text::err(format!(
            "Loading new save file {path} (new xl fmt info 0x3/0x0/{length})\n Savefile contains xl domain config in JSON format\n\
             Parsing config from <saved>\n"
        ));
        let failed = |words: String| Refused(1, Text::err(words).after(said.clone()));
        let guest = guest.ok_or_else(|| {
            failed(
                "xc: error: Failed to read Record Header from stream (0 = Success): Internal error\n".into(),
            )
        })?;
        let (name, kind) = (guest.name.clone(), guest.os.kind);
        let domid = self.begin(guest, true, parts).map_err(&failed)?;
        if !args.has('e') {
            self.mind(domid, &name, words.iter().map(Into::into).collect());
        }
        if !args.has('p') {
            let _ = parts.machine.unpause(domid);
        }
        let kind = if kind == GuestType::Pv { "PV" } else { "HVM" };
        let Release { major, minor, .. } = parts.machine.release();
        let done = format!(
            "xc: info: Found x86 {kind} domain from Xen {major}.{minor}\nxc: info: Restoring domain\nxc: info: Restore successful\n"
        );
        Ok(Text::err(done).after(said).exits(0))
    }
}

/// What a file holds.
struct Saved {
    /// None: its head is whole, and its rest is not.
    guest: Option<Guest>,
    /// How long its configuration is.
    length: usize,
}

/// Reads a file. Errors: xl's words.
fn read(path: &str) -> Result<Saved, String> {
    let unopened = |error: io::Error| {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        format!("Can't open restore file: {}\n", messages::strerror(errno))
    };
    let unread = |why: &str, what: &str| {
        format!(
            "libxl: error: libxl_utils.c:505:libxl_read_exactly: {what}\n\
             xl: fatal error: xl_vmcontrol.c:713: {why}: libxl_read_exactly( ctx, restore_fd, &hdr, sizeof(hdr), restore_source, \"header\")\n"
        )
    };
    // A pipe would hold the whole host up.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unopened)?;
    let mut bytes = Vec::new();
    if let Err(error) = file.take(MAX_FILE).read_to_end(&mut bytes) {
        let why = messages::strerror(error.raw_os_error().unwrap_or(libc::EIO));
        return Err(unread(why, &format!("failed to read header from {path}: {why}")));
    }
    if bytes.len() < SHORTEST_HEAD {
        return Err(unread("Protocol error", &format!("file/stream truncated reading header from {path}")));
    }
    let Ok(Head::XlJson(json)) = Head::read(&bytes) else {
        return Err("File has wrong magic number - corrupt or too old?\n".into());
    };
    let length = json.len() + 5;
    let rest = bytes.get(SHORTEST_HEAD + 4 + length - 4..).unwrap_or_default();
    let text = rest.strip_prefix(BODY).and_then(|rest| rest.strip_suffix(END));
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    Ok(Saved { guest: text.and_then(|text| from_xl(text).ok()), length })
}

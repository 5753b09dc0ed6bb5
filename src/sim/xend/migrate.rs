//! dump and migrate. An embedded guest has no memory to dump; and there is no other host to go to, but a real xend can be told to
//! migrate a domain to the host that it is on already.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::checks::python_int;
use super::config::Refusal;
use super::ops::{NO_DOMID, required};
use super::{Found, Parts, Xend, life, save};
use crate::sim::machine::reason;
use crate::wire::xend_http::Received;

/// Where xends listen for each other.
const RELOCATION_PORT: i64 = 8002;

/// What stands where a real dump has the guest's memory.
const DUMP: &[u8] = b"an embedded guest of xenith has no memory to dump\n";

impl Xend {
    /// op=dump.
    pub(super) fn dump(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<(), Refusal> {
        let path = required(request, "file")?;
        let mut flags = Vec::new();
        for flag in self.habits.dump {
            flags.push((*flag, python_int(required(request, flag)?)? != 0));
        }
        let is_set = |wanted: &str| flags.iter().any(|(flag, set)| *flag == wanted && *set);
        let domid = match self.domid(whom) {
            Some(0) => return Err("Cannot dump core for privileged domain 0".into()),
            domid => domid.ok_or(NO_DOMID)?,
        };
        let failed = |error: std::io::Error| format!("Failed to dump core: {}", save::words(&error));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(DUMP).map_err(failed)?;
        if is_set("crash") {
            self.end(domid, parts)?;
        } else if is_set("reset") {
            // As a power cycle: it ends, and begins anew.
            parts.machine.shutdown(domid, reason::REBOOT).map_err(life::errno_tuple)?;
        }
        Ok(())
    }

    /// op=migrate.
    pub(super) fn migrate(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<(), Refusal> {
        let mut port = RELOCATION_PORT;
        for field in self.habits.migrate {
            let text = required(request, field)?;
            match *field {
                "destination" | "change_home_server" => {}
                "port" => port = python_int(text)?,
                _ => drop(python_int(text)?),
            }
        }
        let destination = required(request, "destination")?;
        let domid = match self.domid(whom) {
            Some(0) => return Err("Cannot migrate privileged domain 0".into()),
            domid => domid.ok_or(NO_DOMID)?,
        };
        let is_here = matches!(destination, "localhost" | "127.0.0.1") || destination == self.host_name;
        if !is_here {
            return Err("can't connect: [Errno -3] Temporary failure in name resolution".into());
        }
        if port != RELOCATION_PORT {
            return Err("can't connect: [Errno 111] Connection refused".into());
        }
        let share = parts.machine.get(domid).map(|domain| domain.share);
        let Some(old) = self.end(domid, parts)? else { return Err(NO_DOMID.into()) };
        let start_time = old.start_time;
        let domid = self.begin(old.config, parts)?;
        let uuid = self.live.get(&domid).copied();
        let live = uuid.and_then(|uuid| self.domains.get_mut(&uuid)).and_then(|known| known.live.as_mut());
        if let Some(live) = live {
            (live.start_time, live.migrated) = (start_time, true);
        }
        if let (Some(share), Ok(domain)) = (share, parts.machine.get_mut(domid)) {
            domain.share = share;
        }
        parts.machine.unpause(domid).map_err(life::errno_tuple)
    }
}

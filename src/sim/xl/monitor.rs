//! The process that a real xl leaves behind for each domain: it waits for the end of the life and does what the configuration says. It goes
//! on with the next life of the same domain. Nobody else restarts a domain.

use std::ffi::OsString;

use super::tree::Facts;
use super::{Parts, Xl};
use crate::model::guest::Lifecycle;
use crate::model::{DomId, Guest, Uuid};
use crate::sim::machine::reason;
use crate::wire::port::ToolMonitor;

/// One of them.
#[derive(Debug)]
pub(super) struct Monitor {
    pid: u32,
    /// The life that it waits for.
    pub(super) domid: DomId,
    args: Vec<OsString>,
    /// Its log is named after the domain's first name, and stays so.
    name: String,
}

impl Monitor {
    pub(super) fn to_tool(&self) -> ToolMonitor {
        ToolMonitor {
            pid: self.pid,
            args: self.args.clone(),
            log: Some(format!("/var/log/xen/xl-{}.log", self.name).into()),
            domid: Some(self.domid),
        }
    }
}

impl Xl {
    /// Leaves a monitor behind.
    pub(super) fn mind(&mut self, domid: DomId, name: &str, args: Vec<OsString>) {
        self.next_pid = self.next_pid.wrapping_add(1).max(super::FIRST_PID);
        let pid = self.next_pid;
        self.monitors.insert(pid, Monitor { pid, domid, args, name: name.to_owned() });
    }

    /// A guest went down.
    pub(super) fn shut_down(&mut self, domid: DomId, why: u8, parts: &mut Parts<'_>) {
        let Some(pid) = self.monitors.values().find(|monitor| monitor.domid == domid).map(|found| found.pid)
        else {
            return;
        };
        let Some(life) = self.lives.get(&domid) else { return };
        let guest = life.guest.clone();
        let action = match why {
            reason::POWEROFF => guest.on_poweroff,
            reason::REBOOT => guest.on_reboot,
            // Its next life is somebody else's.
            reason::SUSPEND => Lifecycle::Preserve,
            _ => guest.on_crash,
        };
        let next = match action {
            Lifecycle::Preserve => None,
            Lifecycle::Destroy | Lifecycle::CoredumpDestroy => {
                self.end(domid, parts);
                None
            }
            // No core is written: there is no memory.
            Lifecycle::Restart | Lifecycle::CoredumpRestart => {
                self.end(domid, parts);
                self.again(guest, parts)
            }
            Lifecycle::RenameRestart => {
                self.set_aside(domid, parts);
                self.again(guest, parts)
            }
        };
        match (next, self.monitors.get_mut(&pid)) {
            (Some(next), Some(monitor)) => monitor.domid = next,
            // It has nothing to wait for any more.
            _ => drop(self.monitors.remove(&pid)),
        }
    }

    /// The next life of a domain.
    fn again(&mut self, guest: Guest, parts: &mut Parts<'_>) -> Option<DomId> {
        // It can fail: somebody else may have taken the memory.
        let domid = self.begin(guest, false, parts).ok()?;
        let _ = parts.machine.unpause(domid);
        Some(domid)
    }

    /// Gives a dead domain another name and uuid, for those who want to look at it.
    fn set_aside(&mut self, domid: DomId, parts: &mut Parts<'_>) {
        let Some(life) = self.lives.get_mut(&domid) else { return };
        let name = life.guest.name.clone();
        let free = (1u32..)
            .map(|n| format!("{name}-{n}"))
            .find(|candidate| super::lifecycle::by_name(candidate, parts).is_none());
        life.guest.name = free.unwrap_or(name);
        let _ = parts.store.rm(0, &format!("/vm/{}", life.guest.uuid.unwrap_or_default()));
        let uuid = Uuid::new_v4();
        life.guest.uuid = Some(uuid);
        let _ = parts.machine.set_handle(domid, uuid);
        let facts = Facts { domid, start_time: super::seconds(), display: life.display };
        super::tree::identify(&life.guest, facts, parts.store);
    }
}

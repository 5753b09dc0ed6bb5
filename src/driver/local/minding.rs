//! Being a domain's monitor, and starting a process that is (docs/model.md, "The xl road").

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::routes::Op;
use super::{LocalDriver, unserved};
use crate::channel::xl::{self, MindLock, Minded, who_minds};
use crate::deadline::Deadline;
use crate::driver::monitor::{MindEnd, Todo, todo};
use crate::error::{Error, Result, Road, Status};
use crate::log::Level;
use crate::model::guest::Lifecycle;
use crate::model::{DomId, DomainInfo, Guest, Identity};

/// How often the hypervisor is asked about a life, which costs one hypercall, and how often whether to stop is looked at.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_FOR_STOP: Duration = Duration::from_millis(200);

/// How many questions in a row may fail.
const PATIENCE: u32 = 60;

/// How long a restart waits, and the first time between two tries of one that fails.
const PAUSE: Duration = Duration::from_secs(2);

/// How often a restart is tried that fails.
const TRIES: u32 = 5;

/// Where xl's monitors put the memory of guests that crashed.
const DUMPS: &str = "/var/lib/xen/dump";

impl LocalDriver {
    /// Starts a process that minds the domain.
    pub(super) fn start_a_monitor(&self, domain: &Identity, uri: &str) -> Result<()> {
        let life = self.life_to_mind(domain)?.0;
        if self.embedded.is_some() {
            let message =
                "nobody but 'xenith monitor' itself can be the monitor of an embedded host's domain";
            return Err(Error::new(Status::NotSupported, message));
        }
        if self.minded(&life)? {
            return Err(self.minded_already(&life));
        }
        xl::start_monitor(uri, life.uuid, &self.log, self.deadline())
    }

    /// See [`crate::driver::Driver::mind`].
    pub(super) fn mind_domain(&self, domain: &Identity, stop: &AtomicBool) -> Result<MindEnd> {
        let (life, domid, info) = self.life_to_mind(domain)?;
        // An embedded host's processes are not this machine's.
        let _lock = match self.embedded {
            Some(_) => None,
            None => Some(MindLock::take(life.uuid)?.ok_or_else(|| self.minded_already(&life))?),
        };
        if self.others_mind(&life, domid)? {
            return Err(self.minded_already(&life));
        }
        let Some(mut guest) = self.described_by_xl(domid, &info)? else { return Ok(MindEnd::Gone) };
        let (action, info) = match self.wait_for_action(&life, &guest, stop)? {
            Next::End(end) => return Ok(end),
            Next::Act(action, info) => (action, info),
        };
        // Devices may have come and gone since.
        if let Ok(Some(now)) = self.described_by_xl(domid, &info) {
            guest = now;
        }
        let (name, why) = (&guest.name, info.reason.name());
        self.log
            .say(Level::Info, format_args!("domain {domid} '{name}' has ended ({why}): {}", action.name()));
        if matches!(action, Lifecycle::CoredumpDestroy | Lifecycle::CoredumpRestart) {
            self.dump(&life, domid);
        }
        match action {
            Lifecycle::Preserve => Ok(MindEnd::Kept),
            Lifecycle::RenameRestart => {
                self.log.say(
                    Level::Error,
                    format_args!(
                        "domain {domid} '{name}' should be renamed and started again, which xenith cannot do: it is kept as it is"
                    ),
                );
                Ok(MindEnd::Kept)
            }
            Lifecycle::Destroy | Lifecycle::CoredumpDestroy => {
                self.act_by_xl(Op::Destroy, &life, domid)?;
                Ok(MindEnd::Gone)
            }
            Lifecycle::Restart | Lifecycle::CoredumpRestart => {
                // As xl's: a guest that ends as soon as it begins does not keep the host busy.
                if sleep_unless(stop, PAUSE) {
                    return Ok(MindEnd::Stopped);
                }
                // Somebody may have destroyed it meanwhile.
                if self.pinned_life(&life)?.is_none() {
                    return Ok(MindEnd::Gone);
                }
                self.act_by_xl(Op::Destroy, &life, domid)?;
                // The next life has xl's own monitor, as every one that xl begins.
                self.begin_again(&life, &guest)
            }
        }
    }

    /// The life that is to be minded.
    fn life_to_mind(&self, domain: &Identity) -> Result<(Identity, DomId, DomainInfo)> {
        match self.active(Op::Monitor)? {
            Road::Xl => {}
            road => return Err(unserved(Op::Monitor, road)),
        }
        let (domid, info) = self.life_to_act_on(domain)?;
        if domid == 0 {
            return Err(Error::invalid_arg("Domain-0 has no monitor: it is the host itself"));
        }
        Ok((Identity { uuid: info.uuid, domid: Some(domid) }, domid, info))
    }

    fn others_mind(&self, life: &Identity, domid: DomId) -> Result<bool> {
        if self.libvirt_minds(life) {
            return Ok(true);
        }
        let mut monitors = self.xl()?.monitors()?;
        if self.embedded.is_none() {
            monitors.retain(|monitor| monitor.pid != std::process::id());
        }
        let name = self.current_name(life).ok();
        let life = Minded { uuid: life.uuid, domid, name: name.as_deref() };
        Ok(who_minds(&monitors, &life).is_some())
    }

    fn minded_already(&self, life: &Identity) -> Error {
        let who = if self.libvirt_minds(life) { "is minded by libvirt" } else { "has a monitor already" };
        Error::new(Status::InvalidState, format!("the domain {} {who}", life.uuid)).on(Road::Xl)
    }

    fn wait_for_action(&self, life: &Identity, guest: &Guest, stop: &AtomicBool) -> Result<Next> {
        let mut failures = 0;
        loop {
            match self.pinned_life(life) {
                Ok(None) => return Ok(Next::End(MindEnd::Gone)),
                Ok(Some(info)) => {
                    failures = 0;
                    match todo(guest, info.state, info.reason) {
                        Todo::Wait => {}
                        Todo::Gone => return Ok(Next::End(MindEnd::Gone)),
                        Todo::Act(action) => return Ok(Next::Act(action, info)),
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures == PATIENCE {
                        return Err(error);
                    }
                }
            }
            if sleep_unless(stop, LOOK) {
                return Ok(Next::End(MindEnd::Stopped));
            }
        }
    }

    /// Begins the next life, from what xl knew of the last one.
    fn begin_again(&self, life: &Identity, guest: &Guest) -> Result<MindEnd> {
        let mut pause = PAUSE;
        let mut tries = 1;
        loop {
            match self.create_by_xl(guest, life.uuid, false) {
                Ok(_) => return Ok(MindEnd::Restarted),
                // Somebody else was faster.
                Err(error) if error.status == Status::Exists => return Ok(MindEnd::Gone),
                Err(error) if tries == TRIES => return Err(error),
                Err(error) => self.log.say(
                    Level::Error,
                    format_args!("domain '{}' could not be started again; once more: {error}", guest.name),
                ),
            }
            // There is no domain until this succeeds, so a wish to stop has to wait.
            std::thread::sleep(pause);
            pause *= 2;
            tries += 1;
        }
    }

    /// Keeps the memory of a guest that crashed. The file's name is made of numbers only: a domain's name is not for paths.
    fn dump(&self, life: &Identity, domid: DomId) {
        let file = PathBuf::from(DUMPS).join(format!("{}-{domid}.core", life.uuid));
        let deadline = Deadline::after(self.toolstack_timeout);
        if let Err(error) = self.xl().and_then(|xl| xl.dump_core(domid, &file, deadline)) {
            self.log
                .say(Level::Error, format_args!("the memory of domain {domid} could not be kept: {error}"));
        }
    }
}

/// What a wait for a life ended with.
enum Next {
    End(MindEnd),
    Act(Lifecycle, DomainInfo),
}

/// Sleeps; true when it was asked to stop.
fn sleep_unless(stop: &AtomicBool, time: Duration) -> bool {
    let deadline = Deadline::after(time);
    loop {
        if stop.load(Ordering::Relaxed) {
            return true;
        }
        if deadline.is_over() {
            return false;
        }
        std::thread::sleep(LOOK_FOR_STOP.min(deadline.remaining()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Driver, OpenOptions};

    const XML: &str = "<domain type='xen'><name>web</name><memory>65536</memory><os><type>linux</type>\
                       <kernel>/boot/vmlinuz</kernel></os></domain>";

    /// A domain on an embedded host, whose monitor was killed.
    fn orphan(driver: &LocalDriver) -> Identity {
        let life = driver.create(XML, false).unwrap();
        assert!(driver.has_monitor(&life).unwrap());
        let pid = driver.xl().unwrap().monitors().unwrap()[0].pid;
        assert!(driver.embedded.as_ref().unwrap().kill_monitor(pid).unwrap());
        assert!(!driver.has_monitor(&life).unwrap());
        life
    }

    fn host() -> LocalDriver {
        let xen = ("xen".to_owned(), "4.17".to_owned());
        crate::driver::local::embedded(&[xen], &OpenOptions::default()).unwrap()
    }

    fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Deadline::after(Duration::from_secs(60));
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(!deadline.is_over());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn a_domain_without_a_monitor_reboots_when_it_is_minded() {
        let driver = host();
        let life = orphan(&driver);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let minding = scope.spawn(|| driver.mind(&life, &stop));
            until(|| driver.reboot(&life).ok());
            let next = until(|| {
                let now = driver.lookup_by_uuid(life.uuid).ok()?;
                (now.domid != life.domid && now.domid.is_some()).then_some(now)
            });
            // The next life has a monitor of xl's own.
            assert_eq!(minding.join().unwrap().unwrap(), MindEnd::Restarted);
            assert!(driver.has_monitor(&next).unwrap());
            assert_eq!(driver.name(&next).unwrap(), "web");
        });
    }

    #[test]
    fn a_domain_that_powers_off_is_freed() {
        let driver = host();
        let life = orphan(&driver);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let minding = scope.spawn(|| driver.mind(&life, &stop));
            until(|| driver.shutdown(&life).ok());
            assert_eq!(minding.join().unwrap().unwrap(), MindEnd::Gone);
            assert_eq!(driver.lookup_by_uuid(life.uuid).unwrap_err().status, Status::NotFound);
        });
    }

    #[test]
    fn one_that_is_minded_is_not_minded_twice_and_minding_can_be_stopped() {
        let driver = host();
        let stop = AtomicBool::new(true);
        let minded = driver.create(&XML.replace("web", "other"), false).unwrap();
        assert_eq!(driver.mind(&minded, &stop).unwrap_err().status, Status::InvalidState);
        driver.destroy(&minded).unwrap();
        let life = orphan(&driver);
        assert_eq!(driver.mind(&life, &stop).unwrap(), MindEnd::Stopped);
        assert!(driver.id(&life).unwrap().is_some());
        let host = Identity { domid: Some(0), ..driver.lookup_by_id(0).unwrap() };
        assert_eq!(driver.mind(&host, &stop).unwrap_err().status, Status::InvalidArg);
    }
}

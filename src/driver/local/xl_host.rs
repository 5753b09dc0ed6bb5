//! What changes a host through xl (docs/model.md, "The xl road").

use std::path::Path;
use std::time::Duration;

use super::routes::Op;
use super::{LocalDriver, unserved};
use crate::channel::xl::{MindLock, Minded, Xl, who_minds};
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::format::xl;
use crate::log::Level;
use crate::model::{DomId, DomainInfo, DomainRow, Guest, GuestType, Identity, State, Uuid};
use crate::store::Entry;

/// How often the hypervisor is asked whether a life is over.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The least time for destroying a half-made domain: xl gives a backend 10 s to let go of a device before it takes it away.
const CLEANING: Duration = Duration::from_secs(20);

impl LocalDriver {
    /// The lives that xl lists, where it is asked in the hypervisor's place. Their kind is in xenstore; where that does not answer they have
    /// none.
    pub(super) fn xl_lives(&self) -> Result<Vec<DomainRow>> {
        let mut rows = self.xl()?.list(self.toolstack_deadline())?;
        if let Ok(xenstore) = self.xenstore() {
            let mut batch = xenstore.batch();
            let asked = rows.iter().filter_map(|row| {
                let place = batch.read(&format!("/libxl/{}/type", row.info.domid?)).ok()?;
                Some((row.info.domid, place))
            });
            let asked: Vec<_> = asked.collect();
            let replies = batch.send(self.deadline()).unwrap_or_default();
            for (domid, place) in asked {
                let told = replies.get(place).and_then(|reply| reply.outcome.as_ref().ok());
                let kind = told.and_then(|told| match told.as_slice() {
                    b"pv" => Some(GuestType::Pv),
                    b"hvm" => Some(GuestType::Hvm),
                    b"pvh" => Some(GuestType::Pvh),
                    _ => None,
                });
                if let Some(row) = rows.iter_mut().find(|row| row.info.domid == domid) {
                    row.info.guest_type = kind;
                }
            }
        }
        Ok(rows)
    }

    /// The life of that number, by xl.
    pub(super) fn xl_life(&self, domid: DomId) -> Result<Option<DomainInfo>> {
        Ok(self.xl_lives()?.into_iter().map(|row| row.info).find(|info| info.domid == Some(domid)))
    }

    /// Suspend (where no hypercall does it), resume, shutdown, reboot, destroy.
    pub(super) fn act_by_xl(&self, op: Op, life: &Identity, domid: DomId) -> Result<()> {
        let xl = self.xl()?;
        let deadline = self.toolstack_deadline();
        match op {
            Op::Shutdown => self.change(|| xl.shutdown(domid, deadline)).map_err(unanswered),
            Op::Reboot => self.change(|| xl.reboot(domid, deadline)).map_err(unanswered),
            Op::Resume => {
                self.change(|| xl.unpause(domid, deadline))?;
                // xl says 0 even when it did not.
                match self.pinned_life(life)? {
                    Some(info) if info.state == State::Paused => Err(Error::new(
                        Status::OperationFailed,
                        format!(
                            "domain {domid} is still paused: it was paused more than once, and each pause needs its resume"
                        ),
                    )
                    .on(Road::Xl)),
                    _ => Ok(()),
                }
            }
            Op::Destroy => self.destroy_by_xl(xl, life, domid, deadline),
            Op::Suspend => self.change(|| xl.pause(domid, deadline)),
            op => Err(unserved(op, Road::Xl)),
        }
    }

    /// Ends a life, and waits until the hypervisor shows it no longer. One that stays behind as a zombie (somebody still maps its memory)
    /// can never run again and cannot be destroyed any further: that is said in the log, and is no failure.
    fn destroy_by_xl(&self, xl: &Xl, life: &Identity, domid: DomId, deadline: Deadline) -> Result<()> {
        let done = self.change(|| xl.destroy(domid, deadline));
        let patience = if done.is_ok() { self.timeout } else { Duration::ZERO };
        match (done, self.wait_for_end(life, Deadline::after(patience))?) {
            (_, None) => Ok(()),
            (Err(error), Some(_)) => Err(error),
            (Ok(()), Some(info)) if info.state == State::Shutdown => {
                self.log.say(
                    Level::Warning,
                    format_args!("domain {domid} is destroyed, but Xen cannot free all of it: somebody still maps its memory"),
                );
                Ok(())
            }
            (Ok(()), Some(_)) => Err(Error::new(
                Status::OperationFailed,
                format!("xl says that it destroyed domain {domid}, and it is still there"),
            )
            .on(Road::Xl)),
        }
    }

    /// Waits until a life is over; what is left of it at the deadline.
    pub(super) fn wait_for_end(&self, life: &Identity, deadline: Deadline) -> Result<Option<DomainInfo>> {
        loop {
            match self.pinned_life(life)? {
                Some(_) if !deadline.is_over() => std::thread::sleep(LOOK_AGAIN.min(deadline.remaining())),
                left => return Ok(left),
            }
        }
    }

    /// Starts a transient domain.
    pub(super) fn create_by_xl(&self, guest: &Guest, uuid: Uuid, paused: bool) -> Result<Identity> {
        let config = xl::to_xl(guest)?;
        let deadline = self.toolstack_deadline();
        self.begin_by_xl(uuid, || self.xl()?.create(&config, uuid, &[], paused, deadline))
    }

    /// Starts a domain from its file, whose text xl gets as it is, with what it leaves open.
    pub(super) fn start_by_xl(&self, entry: &Entry, paused: bool) -> Result<Identity> {
        let overrides = xl::overrides(&entry.text, &entry.guest)?;
        let deadline = self.toolstack_deadline();
        let make = || self.xl()?.create(&entry.text, entry.uuid, &overrides, paused, deadline);
        self.begin_by_xl(entry.uuid, make).map_err(|mut error| {
            if error.status == Status::InvalidConfig {
                // xl calls the file by a number of its own.
                error.message = format!("{}: {}", entry.path.display(), error.message);
            }
            error
        })
    }

    /// Begins a life of that uuid, which has none, by a run of xl; finds it, or leaves nothing behind.
    pub(super) fn begin_by_xl(&self, uuid: Uuid, make: impl FnOnce() -> Result<()>) -> Result<Identity> {
        self.roads.xend.still_absent(self.deadline())?;
        // One that is being torn down still has the uuid.
        let before = self.lives_of(uuid)?;
        if let Err(error) = self.change(make) {
            return Err(self.clean_up_after_xl(uuid, &before, error));
        }
        let life = self.lives_since(uuid, &before)?.pop().ok_or_else(|| {
            let message = format!("xl started the domain {uuid}, and it ended at once");
            Error::new(Status::OperationFailed, message).on(Road::Xl)
        })?;
        Ok(Identity { uuid, domid: Some(life) })
    }

    fn lives_of(&self, uuid: Uuid) -> Result<Vec<DomId>> {
        let infos = self.lives()?;
        Ok(infos.iter().filter(|info| info.uuid == uuid).filter_map(|info| info.domid).collect())
    }

    /// The lives of that uuid that have begun since, without those that end already; the newest last.
    fn lives_since(&self, uuid: Uuid, before: &[DomId]) -> Result<Vec<DomId>> {
        let infos = self.lives()?.into_iter();
        let infos = infos.filter(|info| info.uuid == uuid && info.state != State::Shutdown);
        Ok(infos.filter_map(|info| info.domid).filter(|domid| !before.contains(domid)).collect())
    }

    /// After xl has failed: what it left of that uuid is destroyed, and what cannot be is named.
    ///
    /// xl takes away what it made, unless it was ended for being late. Where it was not, a life that is there may be somebody else's, who
    /// began it at the same moment: one that has a monitor is whole, and is left alone.
    fn clean_up_after_xl(&self, uuid: Uuid, before: &[DomId], mut error: Error) -> Error {
        if error.status == Status::Exists {
            return error;
        }
        let left = match self.lives_since(uuid, before) {
            Ok(left) => left,
            Err(second) => {
                let message =
                    format!("; and whether it left a half-made domain {uuid} cannot be told: {second}");
                error.message.push_str(&message);
                return error;
            }
        };
        for life in left {
            if error.status != Status::Timeout
                && self.minded(&Identity { uuid, domid: Some(life) }).unwrap_or(true)
            {
                error
                    .message
                    .push_str(&format!("; the domain {life} of that uuid was started by somebody else"));
                continue;
            }
            // A time of its own: the deadline of the creation may be what has just passed.
            let deadline = Deadline::after(self.timeout.max(CLEANING));
            let ended = self.change(|| self.xl()?.destroy(life, deadline));
            let over = self.wait_for_end(&Identity { uuid, domid: Some(life) }, deadline);
            match (ended, over) {
                (Err(second), Ok(Some(_)) | Err(_)) => {
                    self.log.say(
                        Level::Error,
                        format_args!("the half-made domain {life} ({uuid}) remains: {second}"),
                    );
                    let message = format!(
                        "; and the half-made domain {life} ({uuid}) could not be destroyed (try 'xl destroy {life}'): {second}"
                    );
                    error.message.push_str(&message);
                }
                _ => error.message.push_str(&format!("; the half-made domain {life} was destroyed")),
            }
        }
        error
    }
}

/// xl waits for a guest to take note of a request for a minute; our deadline may be shorter.
fn unanswered(mut error: Error) -> Error {
    if error.status == Status::Timeout {
        error.message.push_str("; it waits for the guest to take note of the request, which may not be up yet, or hangs ('destroy' ends it), or for xenstored");
    }
    error
}

impl LocalDriver {
    /// Whether libvirt minds that life, as it does with each one that it began: there is no process for it but libvirt's daemon. It keeps its
    /// own description of such a life among libxl's files.
    pub(super) fn libvirt_minds(&self, life: &Identity) -> bool {
        let Some(domid) = life.domid.filter(|_| self.embedded.is_none()) else { return false };
        Path::new(&format!("/var/lib/xen/userdata-d.{domid}.{}.libvirt-xml", life.uuid)).exists()
    }

    /// Whether a monitor minds that life, or libvirt.
    pub(super) fn minded(&self, life: &Identity) -> Result<bool> {
        let Some(domid) = life.domid else { return Ok(false) };
        let name = match self.names() {
            Ok(names) => names.name(domid, life.uuid, true, self.deadline()).unwrap_or_default(),
            Err(_) => None,
        };
        // Any program that has this library can be one.
        if self.embedded.is_none() && MindLock::is_held(life.uuid) || self.libvirt_minds(life) {
            return Ok(true);
        }
        let monitors = self.xl()?.monitors()?;
        let life = Minded { uuid: life.uuid, domid, name: name.as_deref() };
        Ok(who_minds(&monitors, &life).is_some())
    }
}

//! What changes a host: defining, starting, stopping.

use super::find::{Now, gone, taken_for_a_name, xend_key};
use super::routes::Op;
use super::xend_domain::XendDomain;
use super::{LocalDriver, unserved};
use crate::channel::xend::{ShutdownRequest, Xend};
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::format::{sxpr, xml};
use crate::log::Level;
use crate::model::{DomId, Guest, Identity, Uuid};

impl LocalDriver {
    /// Suspend, resume, shutdown, reboot, destroy: acts that are meant for one life.
    pub(super) fn act_on_live(&self, op: Op, domain: &Identity) -> Result<()> {
        let road = self.active(op)?;
        let life = self.life_to_act_on(domain)?;
        match road {
            Road::Xend => {
                let key = self.xend_key_of_life(domain.uuid, life)?;
                self.change(|| self.act_by_xend(op, &key))
            }
            Road::Hypercall | Road::Xenstore => {
                self.no_toolstack_minds(op, life)?;
                self.change(|| match road {
                    Road::Hypercall => self.act_by_hypercall(op, life),
                    _ => self.ask_guest(op, life),
                })
            }
            road => Err(unserved(op, road)),
        }
    }

    /// What xend calls that life by. xend takes what it is asked by for a name first, so a domain that somebody named like another
    /// one's uuid (or `0`) would be hit instead: xend's own record is looked at before it is told to do anything.
    fn xend_key_of_life(&self, uuid: Uuid, life: DomId) -> Result<String> {
        let key = xend_key(uuid, Some(life));
        let value = self.xend()?.domain(&key, self.deadline())?.ok_or_else(|| {
            let message = format!(
                "xend does not know the domain {key}, which runs as {life}: it was made behind xend's back"
            );
            Error::new(Status::OperationFailed, message).on(Road::Xend)
        })?;
        let found = XendDomain::read(&value)?;
        match found.info.domid {
            Some(domid) if found.info.uuid == uuid && domid == life => Ok(key),
            _ if found.info.uuid == uuid => Err(stale(life, uuid)),
            _ => Err(taken_for_a_name(&key, found.info.uuid)),
        }
    }

    /// Before an act on a host where none is known: no toolstack has come that would have to hear of it.
    fn no_toolstack_minds(&self, op: Op, life: DomId) -> Result<()> {
        self.roads.xend.still_absent(self.deadline())?;
        if op != Op::Destroy || self.xenstore().is_err() {
            return Ok(());
        }
        // The xl toolstack keeps this folder for each domain it made (facts: xen-abi.md 6), and its devices and device
        // model would stay behind.
        match self.xenstore()?.nodes(self.deadline()).read_optional(&format!("/libxl/{life}"))? {
            None => Ok(()),
            Some(_) => Err(Error::new(
                Status::NotSupported,
                format!(
                    "domain {life} belongs to the xl toolstack, which this version of xenith does not speak to: use 'xl destroy {life}'"
                ),
            )),
        }
    }

    /// The life that the caller means: the pinned one, or for a handle that was never pinned the one there is.
    fn life_to_act_on(&self, domain: &Identity) -> Result<DomId> {
        let info = match domain.domid {
            Some(domid) => self.pinned_life(domain)?.ok_or_else(|| stale(domid, domain.uuid))?,
            None => match self.now(domain)? {
                Now::Live(info) => info,
                Now::Inactive(_) => {
                    return Err(Error::new(
                        Status::InvalidState,
                        format!("the domain {} is not running", domain.uuid),
                    ));
                }
            },
        };
        info.domid.ok_or_else(|| gone(domain.uuid))
    }

    fn act_by_xend(&self, op: Op, key: &str) -> Result<()> {
        let xend = self.xend()?;
        let deadline = self.toolstack_deadline();
        match op {
            Op::Suspend => xend.pause(key, deadline),
            Op::Resume => xend.unpause(key, deadline),
            Op::Shutdown => xend.shutdown(key, ShutdownRequest::Poweroff, deadline),
            Op::Reboot => xend.shutdown(key, ShutdownRequest::Reboot, deadline),
            Op::Destroy => xend.destroy(key, deadline),
            op => Err(unserved(op, Road::Xend)),
        }
    }

    fn act_by_hypercall(&self, op: Op, domid: DomId) -> Result<()> {
        let hypervisor = self.hypervisor()?;
        match op {
            Op::Suspend => hypervisor.pause(domid),
            Op::Resume => hypervisor.unpause(domid),
            Op::Destroy => hypervisor.destroy(domid, self.toolstack_deadline()),
            op => Err(unserved(op, Road::Hypercall)),
        }
    }

    /// Without a toolstack the guest itself is asked (facts: xen-abi.md 6.3).
    fn ask_guest(&self, op: Op, domid: DomId) -> Result<()> {
        let word: &[u8] = match op {
            Op::Shutdown => b"poweroff",
            Op::Reboot => b"reboot",
            op => return Err(unserved(op, Road::Xenstore)),
        };
        self.xenstore()?.write(&format!("/local/domain/{domid}/control/shutdown"), word, self.deadline())
    }

    /// Makes a domain persistent. Names and uuids are checked before xend is asked: it would rename silently.
    pub(super) fn define_guest(&self, text: &str) -> Result<Identity> {
        let road = self.inactive(Op::Define)?;
        if road != Road::Xend {
            return Err(unserved(Op::Define, road));
        }
        let mut guest = xml::parse(text)?;
        refuse_uuid_as_name(&guest.name)?;
        let namesake = self.find_by_name(&guest.name)?;
        match (guest.uuid, namesake) {
            // The name says which domain is meant, if it is one that can be defined anew.
            (None, Some(known)) if self.is_remembered(&known)? => guest.uuid = Some(known.uuid),
            (uuid, Some(known)) if uuid != Some(known.uuid) => {
                return Err(name_taken(&guest.name, known.uuid));
            }
            _ => {}
        }
        let uuid = complete(&mut guest)?;
        let config = sxpr::to_sxpr(&guest, self.xend_format()?)?;
        let xend = self.xend()?;
        self.change(|| xend.define(&config, self.toolstack_deadline()))?;
        let life = self.life_of_uuid(uuid)?;
        Ok(Identity { uuid, domid: life.and_then(|info| info.domid) })
    }

    fn is_remembered(&self, domain: &Identity) -> Result<bool> {
        match domain.domid {
            None => Ok(true),
            Some(_) => self.xend()?.is_managed(domain.uuid),
        }
    }

    /// Forgets an inactive domain.
    pub(super) fn undefine_domain(&self, domain: &Identity) -> Result<()> {
        let road = self.inactive(Op::Undefine)?;
        match self.now(domain)? {
            Now::Live(_) => Err(Error::new(
                Status::InvalidState,
                format!(
                    "the domain {} is running, and xend cannot forget a running domain: shut it down first",
                    domain.uuid
                ),
            )),
            Now::Inactive(_) if road == Road::Xend => {
                let xend = self.xend()?;
                self.change(|| xend.delete(&xend_key(domain.uuid, None), self.toolstack_deadline()))
            }
            Now::Inactive(_) => Err(unserved(Op::Undefine, road)),
        }
    }

    /// Starts a defined domain.
    pub(super) fn start_domain(&self, domain: &Identity, paused: bool) -> Result<Identity> {
        let road = self.inactive(Op::Start)?;
        if paused {
            // xend takes `paused` only from its XML-RPC clients: over HTTP it compares text with a number (facts: xend.md 5).
            return Err(Error::new(
                Status::NotSupported,
                "xend cannot start a defined domain paused: create it from its XML with the paused flag instead",
            ));
        }
        match self.now(domain)? {
            Now::Live(info) => {
                let id = info.domid.unwrap_or_default();
                return Err(Error::new(
                    Status::InvalidState,
                    format!("the domain {} is running already, as {id}", domain.uuid),
                ));
            }
            Now::Inactive(_) if road == Road::Xend => {
                let xend = self.xend()?;
                self.change(|| xend.start(&xend_key(domain.uuid, None), self.toolstack_deadline()))?;
            }
            Now::Inactive(_) => return Err(unserved(Op::Start, road)),
        }
        let life = self.life_of_uuid(domain.uuid)?.ok_or_else(|| {
            Error::new(
                Status::OperationFailed,
                format!("xend started the domain {}, and it ended at once", domain.uuid),
            )
            .on(Road::Xend)
        })?;
        Ok(Identity { uuid: domain.uuid, domid: life.domid })
    }

    /// Starts a transient domain: made paused, its devices waited for, then let run. A half-made one is destroyed again.
    pub(super) fn create_guest(&self, text: &str, paused: bool) -> Result<Identity> {
        let road = self.active(Op::Create)?;
        if road != Road::Xend {
            return Err(unserved(Op::Create, road));
        }
        let mut guest = xml::parse(text)?;
        refuse_uuid_as_name(&guest.name)?;
        if let Some(known) = self.find_by_name(&guest.name)? {
            return Err(name_taken(&guest.name, known.uuid));
        }
        if let Some(uuid) = guest.uuid {
            match self.now(&Identity { uuid, domid: None }) {
                Err(error) if error.status == Status::NotFound => {}
                Ok(_) => {
                    return Err(Error::new(Status::Exists, format!("a domain has the uuid {uuid} already")));
                }
                Err(error) => return Err(error),
            }
        }
        let uuid = complete(&mut guest)?;
        let config = sxpr::to_sxpr(&guest, self.xend_format()?)?;
        let xend = self.xend()?;
        let deadline = self.toolstack_deadline();
        let made = self.change(|| xend.create(&config, deadline)).map_err(|mut error| {
            if matches!(error.status, Status::Timeout | Status::Closed) {
                // It cannot be told from here whether there will be a domain, so there is none to destroy.
                let left =
                    format!("; should it be made after all, it is left paused: look for the uuid {uuid}");
                error.message.push_str(&left);
            }
            error
        })?;
        let made = XendDomain::read(&made)?.info;
        let Some(life) = made.domid.filter(|_| made.uuid == uuid) else {
            let message = format!(
                "xend answered the creation of the domain {uuid} with the description of another one"
            );
            return Err(Error::new(Status::Protocol, message).on(Road::Xend));
        };
        let key = xend_key(uuid, None);
        let run = || {
            xend.wait_for_devices(&key, deadline)?;
            if paused { Ok(()) } else { xend.unpause(&key, deadline) }
        };
        match self.change(run) {
            Ok(()) => Ok(Identity { uuid, domid: Some(life) }),
            Err(error) => Err(self.clean_up(xend, uuid, life, error)),
        }
    }

    /// Destroys what a failed creation left, and says so where that fails as well. Only the life that was created: xend may have
    /// ended it by itself, and somebody else may have made a domain of that uuid since.
    fn clean_up(&self, xend: &Xend, uuid: Uuid, life: DomId, mut error: Error) -> Error {
        let left = self.pinned_life(&Identity { uuid, domid: Some(life) }).and_then(|left| match left {
            None => Ok(()),
            Some(_) => {
                let key = self.xend_key_of_life(uuid, life)?;
                // A time of its own: the deadline of the creation may be what has just passed.
                self.change(|| xend.destroy(&key, Deadline::after(self.timeout)))
            }
        });
        if let Err(second) = left
            && !matches!(second.status, Status::NotFound | Status::Stale)
        {
            self.log
                .say(Level::Error, format_args!("the half-made domain {life} ({uuid}) remains: {second}"));
            error.message = format!(
                "{}; and the half-made domain {life} ({uuid}) could not be destroyed: {second}",
                error.message
            );
        }
        error
    }
}

fn stale(domid: DomId, uuid: Uuid) -> Error {
    let message =
        format!("domain {domid} ({uuid}) is not the one that this handle was taken from: look it up again");
    Error::new(Status::Stale, message)
}

/// A name that reads as a uuid would keep xend from being asked for the domain of that uuid: it looks for names first.
fn refuse_uuid_as_name(name: &str) -> Result<()> {
    match Uuid::try_parse(name) {
        Err(_) => Ok(()),
        Ok(_) => Err(Error::new(
            Status::InvalidConfig,
            format!("the name '{name}' reads as a uuid, by which xend looks for domains: choose another"),
        )),
    }
}

/// Gives a guest the uuid and MAC addresses that its XML left open.
fn complete(guest: &mut Guest) -> Result<Uuid> {
    let mut failure = None;
    guest.fill_in(|bytes| failure = getrandom::fill(bytes).err().or(failure));
    if let Some(error) = failure {
        return Err(Error::new(
            Status::Internal,
            format!("no random numbers for a uuid or MAC address: {error}"),
        ));
    }
    guest.uuid.ok_or_else(|| Error::new(Status::Internal, "a completed guest has no uuid"))
}

fn name_taken(name: &str, uuid: Uuid) -> Error {
    Error::new(Status::Exists, format!("another domain has the name '{name}' already (uuid {uuid})"))
}

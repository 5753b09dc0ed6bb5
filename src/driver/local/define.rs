//! Defining, forgetting and beginning domains: what is checked whatever road is taken.

use super::find::{Inactive, Now};
use super::routes::Op;
use super::{LocalDriver, unserved};
use crate::error::{Error, Result, Road, Status};
use crate::format::xml;
use crate::model::{Guest, Identity, Uuid};

impl LocalDriver {
    /// Makes a domain persistent. Names and uuids are checked before anybody is asked.
    pub(super) fn define_guest(&self, text: &str) -> Result<Identity> {
        let road = self.inactive(Op::Define)?;
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
        match road {
            Road::Xend => self.define_by_xend(&guest)?,
            Road::Store => self.define_in_store(&guest, uuid)?,
            road => return Err(unserved(Op::Define, road)),
        }
        let life = self.life_of_uuid(uuid)?;
        Ok(Identity { uuid, domid: life.and_then(|info| info.domid) })
    }

    /// A running domain keeps its name until it is over: xenstore, its monitor and its log know it by that.
    fn define_in_store(&self, guest: &Guest, uuid: Uuid) -> Result<()> {
        let mut known = uuid;
        if let Some(info) = self.life_of_uuid(uuid)? {
            if let Some(entry) = self.entry_of(&info)? {
                known = entry.uuid;
            }
            let now = self.current_name(&Identity { uuid, domid: info.domid })?;
            if now != guest.name {
                return Err(Error::new(
                    Status::InvalidState,
                    format!(
                        "the domain {uuid} runs as '{now}' and cannot be renamed to '{}' before it is shut down",
                        guest.name
                    ),
                ));
            }
        }
        let store = self.store()?;
        self.change(|| store.define_as(known, guest, self.toolstack_deadline())).map(drop)
    }

    fn is_remembered(&self, domain: &Identity) -> Result<bool> {
        if domain.domid.is_none() {
            return Ok(true);
        }
        match self.inactive(Op::Define)? {
            Road::Xend => self.xend()?.is_managed(domain.uuid),
            _ => match self.pinned_life(domain)? {
                Some(info) => Ok(self.entry_of(&info)?.is_some()),
                None => Ok(true),
            },
        }
    }

    /// Forgets a domain: an inactive one, and where files remember domains a running one as well, which goes on as a transient one.
    pub(super) fn undefine_domain(&self, domain: &Identity) -> Result<()> {
        match self.inactive(Op::Undefine)? {
            Road::Xend => match self.now(domain)? {
                Now::Live(_) => Err(Error::new(
                    Status::InvalidState,
                    format!(
                        "the domain {} is running, and xend cannot forget a running domain: shut it down first",
                        domain.uuid
                    ),
                )),
                Now::Inactive(_) => {
                    let xend = self.xend()?;
                    self.change(|| xend.delete(&self.xend_key(domain.uuid, None)?, self.toolstack_deadline()))
                }
            },
            Road::Store => {
                let entry = self.entry_for(domain)?;
                let store = self.store()?;
                self.change(|| store.undefine(entry.uuid, self.toolstack_deadline()))
            }
            road => Err(unserved(Op::Undefine, road)),
        }
    }

    /// Whether the host starts the domain when it starts itself.
    pub(super) fn is_autostarted(&self, domain: &Identity) -> Result<bool> {
        match self.inactive(Op::Autostart)? {
            Road::Store => self.store()?.autostart(self.entry_for(domain)?.uuid),
            Road::Xend => self.autostarted_by_xend(domain.uuid),
            road => Err(unserved(Op::Autostart, road)),
        }
    }

    /// Sets whether the host starts the domain when it starts itself.
    pub(super) fn set_autostarted(&self, domain: &Identity, autostart: bool) -> Result<()> {
        match self.inactive(Op::Autostart)? {
            Road::Store => {
                let entry = self.entry_for(domain)?;
                self.store()?.set_autostart(entry.uuid, autostart, self.toolstack_deadline())
            }
            Road::Xend => self.set_autostarted_by_xend(domain, autostart),
            road => Err(unserved(Op::Autostart, road)),
        }
    }

    /// Starts a defined domain.
    pub(super) fn start_domain(&self, domain: &Identity, paused: bool) -> Result<Identity> {
        let road = self.inactive(Op::Start)?;
        match (self.now(domain)?, road) {
            (Now::Live(info), _) => {
                let id = info.domid.unwrap_or_default();
                Err(Error::new(
                    Status::InvalidState,
                    format!("the domain {} is running already, as {id}", domain.uuid),
                ))
            }
            (Now::Inactive(Inactive::Xend(_)), Road::Xend) => self.start_by_xend(domain.uuid, paused),
            (Now::Inactive(Inactive::Stored(entry)), Road::Xl) => self.start_by_xl(&entry, paused),
            (Now::Inactive(Inactive::Stored(entry)), Road::Xend) => self.start_stored_by_xend(&entry, paused),
            (Now::Inactive(_), road) => Err(unserved(Op::Start, road)),
        }
    }

    /// Starts a transient domain, whose name and uuid nobody else may have.
    pub(super) fn create_guest(&self, text: &str, paused: bool) -> Result<Identity> {
        let road = self.active(Op::Create)?;
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
        match road {
            Road::Xend => self.create_by_xend(&guest, uuid, paused),
            Road::Xl => self.create_by_xl(&guest, uuid, paused),
            road => Err(unserved(Op::Create, road)),
        }
    }
}

/// A name that reads as a uuid is a trap: xend looks for names before uuids, and so do people.
fn refuse_uuid_as_name(name: &str) -> Result<()> {
    match Uuid::try_parse(name) {
        Err(_) => Ok(()),
        Ok(_) => Err(Error::new(
            Status::InvalidConfig,
            format!("the name '{name}' reads as a uuid, by which domains are looked for: choose another"),
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

pub(super) fn name_taken(name: &str, uuid: Uuid) -> Error {
    Error::new(Status::Exists, format!("another domain has the name '{name}' already (uuid {uuid})"))
}

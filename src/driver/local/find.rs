//! Which domain is meant, and what it does now (docs/model.md, "Identity" and "Freshness").

use super::routes::{self, HostKind, Op};
use super::stored;
use super::xend_domain::XendDomain;
use super::{LocalDriver, unserved};
use crate::driver::ListFilter;
use crate::error::{Error, Result, Road, Status};
use crate::format::capabilities;
use crate::log::Level;
use crate::model::identity::{FIRST_RESERVED_DOMID, check_name};
use crate::model::{DomId, DomainInfo, DomainRow, Identity, State, Uuid};
use crate::store::Entry;

/// How often a domain is asked about that starts or stops between two questions, before that is said.
const RESTLESS: u32 = 20;

/// What a domain is at this moment.
pub(super) enum Now {
    /// It has a life.
    Live(DomainInfo),
    /// The host remembers it.
    Inactive(Inactive),
}

/// A domain that the host remembers and that does not run.
pub(super) enum Inactive {
    /// xend does.
    Xend(XendDomain),
    /// A file does.
    Stored(Entry),
}

impl Inactive {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        match self {
            Inactive::Xend(domain) => &domain.name,
            Inactive::Stored(entry) => &entry.guest.name,
        }
    }

    /// Its uuid, and the figures that its configuration gives.
    pub(super) fn info(&self) -> DomainInfo {
        match self {
            Inactive::Xend(domain) => domain.info,
            Inactive::Stored(entry) => stored::info(entry),
        }
    }
}

impl LocalDriver {
    /// What the domain is now. While the pinned life lasts this is one hypercall.
    pub(super) fn now(&self, domain: &Identity) -> Result<Now> {
        if let Some(info) = self.pinned_life(domain)? {
            return Ok(Now::Live(info));
        }
        self.look_for(domain.uuid, || self.life_of_uuid(domain.uuid))?.ok_or_else(|| gone(domain.uuid))
    }

    /// A life, as `life` finds one, or else the configuration of that uuid. They are two questions: a domain that starts between them is
    /// in neither answer, and both are put again.
    fn look_for(&self, uuid: Uuid, life: impl Fn() -> Result<Option<DomainInfo>>) -> Result<Option<Now>> {
        let deadline = self.deadline();
        for _ in 0..RESTLESS {
            if let Some(info) = life()? {
                return Ok(Some(Now::Live(info)));
            }
            if uuid.is_nil() {
                return Ok(None);
            }
            match routes::of(self.kind, Op::Info).inactive {
                Some(Road::Xend) => {}
                Some(Road::Store) => return self.stored_or_adopted(uuid),
                _ => return Ok(None),
            }
            let known = self.xend_record(&self.xend_key(uuid, None)?, deadline)?;
            let Some(known) = known.filter(|known| known.info.uuid == uuid) else { return Ok(None) };
            if known.info.domid.is_none() {
                return Ok(Some(Now::Inactive(Inactive::Xend(known))));
            }
            // Begun since, or being torn down.
            if let Some(info) = self.pinned_life(&Identity { uuid, domid: known.info.domid })? {
                return Ok(Some(Now::Live(info)));
            }
        }
        let message = format!(
            "the domain {uuid} starts and stops faster than can be asked: xend calls it running, the hypervisor does not"
        );
        Err(Error::new(Status::OperationFailed, message))
    }

    /// The record of the life that the handle is pinned to, if that life still lasts.
    pub(super) fn pinned_life(&self, domain: &Identity) -> Result<Option<DomainInfo>> {
        let Some(domid) = domain.domid else { return Ok(None) };
        let info = match self.active(Op::Info)? {
            Road::Hypercall => self.hypervisor()?.domain_info(domid)?,
            Road::Xend => self.xend_life(domid)?,
            Road::Xl => self.xl_life(domid)?,
            road => return Err(unserved(Op::Info, road)),
        };
        Ok(info.filter(|info| info.uuid == domain.uuid))
    }

    /// The newest life of that uuid which is not being torn down. A zero uuid names no domain (docs/model.md).
    pub(super) fn life_of_uuid(&self, uuid: Uuid) -> Result<Option<DomainInfo>> {
        if uuid.is_nil() {
            return Ok(None);
        }
        self.newest_life(uuid)
    }

    fn newest_life(&self, uuid: Uuid) -> Result<Option<DomainInfo>> {
        match self.active(Op::List)? {
            Road::Hypercall | Road::Xl => Ok(newest(self.lives()?.into_iter(), uuid)),
            Road::Xend => Ok(newest(self.xend_lives()?.into_iter().map(|found| found.info), uuid)),
            road => Err(unserved(Op::List, road)),
        }
    }

    /// The live domain of that number.
    pub(super) fn find_id(&self, domid: DomId) -> Result<Identity> {
        if domid >= FIRST_RESERVED_DOMID {
            let message =
                format!("{domid} is not a domain's number: they are 0 to {}", FIRST_RESERVED_DOMID - 1);
            return Err(Error::invalid_arg(message));
        }
        let info = match self.active(Op::Info)? {
            Road::Hypercall => self.hypervisor()?.domain_info(domid)?,
            Road::Xend => self.xend_life(domid)?,
            Road::Xl => self.xl_life(domid)?,
            road => return Err(unserved(Op::Info, road)),
        };
        let info = info.ok_or_else(|| {
            Error::new(Status::NotFound, format!("no running domain has the number {domid}"))
        })?;
        Ok(Identity { uuid: info.uuid, domid: Some(domid) })
    }

    /// The domain of that uuid: its newest life, else its configuration.
    pub(super) fn find_uuid(&self, uuid: Uuid) -> Result<Identity> {
        match self.look_for(uuid, || self.newest_life(uuid))? {
            // A file without a uuid may have been started by others, under another uuid than it has here.
            Some(Now::Live(info)) => Ok(Identity { uuid: info.uuid, domid: info.domid }),
            Some(Now::Inactive(_)) => Ok(Identity { uuid, domid: None }),
            None => Err(Error::new(Status::NotFound, format!("no domain has the uuid {uuid}"))),
        }
    }

    /// The domain of that name, behind a barrier: a rename a moment ago is seen.
    pub(super) fn find_name(&self, name: &str) -> Result<Identity> {
        self.find_by_name(name)?
            .ok_or_else(|| Error::new(Status::NotFound, format!("no domain has the name '{name}'")))
    }

    /// As [`Self::find_name`]; None where nothing has the name.
    pub(super) fn find_by_name(&self, name: &str) -> Result<Option<Identity>> {
        check_name(name).map_err(Error::invalid_arg)?;
        // Where xenstore is missing a xend still knows names; without either nobody does.
        let ask_xenstore = match self.kind {
            HostKind::Xl | HostKind::XlAlone | HostKind::Bare => true,
            HostKind::Xend | HostKind::OldXend => self.roads.xenstore.is_ok(),
            HostKind::XendAlone | HostKind::OldXendAlone => false,
        };
        if ask_xenstore && let Some(found) = self.life_of_name(name)? {
            return Ok(Some(found));
        }
        match routes::of(self.kind, Op::Info).inactive {
            Some(Road::Xend) => {}
            Some(Road::Store) => return self.stored_name(name),
            // It may still be the only one who knows the names of those that run.
            _ if !ask_xenstore => {}
            _ => return Ok(None),
        }
        // xend takes what it is asked for as a name, then as a number, then as a uuid.
        let found = self.xend_record(name, self.deadline())?;
        Ok(found
            .filter(|found| found.name == name)
            .map(|found| Identity { uuid: found.info.uuid, domid: found.info.domid }))
    }

    /// All domains that the filter names, each once. A domain that exists all the while is in the list, whatever it does meanwhile.
    pub(super) fn list_domains(&self, filter: ListFilter) -> Result<Vec<DomainRow>> {
        let remembered = routes::of(self.kind, Op::List).inactive.filter(|_| filter.inactive);
        let inactive = remembered.is_some();
        let mut rows = match (self.active(Op::List)?, remembered) {
            (Road::Hypercall, Some(Road::Xend)) => self.lives_and_others(filter.fresh)?,
            (Road::Hypercall | Road::Xl, Some(Road::Store)) => self.lives_and_stored(filter.fresh)?,
            (Road::Hypercall | Road::Xl, _) => self.named_lives(filter.fresh)?,
            (Road::Xend, _) => self.xend_domains(inactive)?.into_iter().map(XendDomain::into_row).collect(),
            (road, _) => return Err(unserved(Op::List, road)),
        };
        rows.retain(|row| if row.info.domid.is_some() { filter.active } else { inactive });
        Ok(rows)
    }

    /// Every live domain's record: the hypervisor's, or xl's. A hypervisor without a list is asked about each number that xenstore has a
    /// domain under.
    pub(super) fn lives(&self) -> Result<Vec<DomainInfo>> {
        if self.kind == HostKind::XlAlone {
            return Ok(self.xl_lives()?.into_iter().map(|row| row.info).collect());
        }
        let hypervisor = self.hypervisor()?;
        if hypervisor.has_list() {
            return hypervisor.list();
        }
        let nodes = self.xenstore()?.directory("/local/domain", self.deadline())?;
        let mut ids: Vec<DomId> = nodes.iter().filter_map(|node| node.parse().ok()).collect();
        ids.retain(|domid| *domid < FIRST_RESERVED_DOMID);
        ids.sort_unstable();
        let found = ids.into_iter().map(|domid| hypervisor.domain_info(domid));
        found.filter_map(Result::transpose).collect()
    }

    /// Every live domain with its name. Where names cannot be had they are absent, and the log says why.
    pub(super) fn named_lives(&self, fresh: bool) -> Result<Vec<DomainRow>> {
        if self.kind == HostKind::XlAlone {
            return self.xl_lives();
        }
        let infos = self.lives()?;
        let named = self.ask_names(|behind| {
            let names = self.names()?.refresh(lives(&infos), behind || fresh, self.due())?;
            let row = |info: &DomainInfo| DomainRow {
                name: info.domid.and_then(|domid| names.get(domid, info.uuid)).cloned(),
                info: *info,
            };
            Ok(infos.iter().map(row).collect())
        });
        named.or_else(|error| {
            self.log.say(Level::Warning, format_args!("domains are listed without names: {error}"));
            Ok(infos.into_iter().map(|info| DomainRow { name: None, info }).collect())
        })
    }

    /// The live domain of that name, behind a barrier. Without names the question cannot be answered: that is an error here.
    pub(super) fn life_of_name(&self, name: &str) -> Result<Option<Identity>> {
        if self.kind == HostKind::XlAlone {
            let rows = self.xl_lives()?.into_iter().filter(|row| row.name.as_deref() == Some(name));
            let best = rows.max_by_key(|row| (row.info.state != State::Shutdown, row.info.domid));
            return Ok(best.map(|row| Identity { uuid: row.info.uuid, domid: row.info.domid }));
        }
        let infos = self.lives()?;
        let names = self.names()?.refresh(lives(&infos), true, self.deadline())?;
        let life = |(domid, uuid)| infos.iter().find(|info| info.domid == Some(domid) && info.uuid == uuid);
        let found = names.find(name).filter_map(life);
        // A domain being torn down keeps its name until the end; its next life has it too.
        let best = found.max_by_key(|info| (info.state != State::Shutdown, info.domid));
        Ok(best.map(|info| Identity { uuid: info.uuid, domid: info.domid }))
    }

    /// The name now: the cache for a live domain, xend for an inactive one.
    pub(super) fn current_name(&self, domain: &Identity) -> Result<String> {
        let mut nameless = None;
        for _ in 0..RESTLESS {
            let info = match self.now(domain)? {
                Now::Inactive(found) => return Ok(found.name().to_owned()),
                Now::Live(info) => info,
            };
            if matches!(self.kind, HostKind::XendAlone | HostKind::OldXendAlone) {
                return Ok(XendDomain::read(&self.xend_value(info.uuid, info.domid)?)?.name);
            }
            let domid = info.domid.unwrap_or_default();
            if let Some(name) = self.name_of_life(domid, info.uuid)? {
                return Ok(name);
            }
            // A name goes when its domain does, so perhaps it has ended since. One that still lives has none.
            if nameless == Some(domid) {
                break;
            }
            nameless = Some(domid);
        }
        let domid = nameless.unwrap_or_default();
        Err(Error::new(
            Status::NotFound,
            format!("domain {domid} has no name in xenstore (yet, or any more)"),
        )
        .on(Road::Xenstore))
    }
    fn name_of_life(&self, domid: DomId, uuid: Uuid) -> Result<Option<String>> {
        if self.kind == HostKind::XlAlone {
            let mut rows = self.xl_lives()?.into_iter();
            let row = rows.find(|row| row.info.domid == Some(domid) && row.info.uuid == uuid);
            return Ok(row.and_then(|row| row.name).map(|name| name.to_string()));
        }
        let names = self.names()?;
        let name = self.ask_names(|behind| names.name(domid, uuid, behind, self.due()))?;
        Ok(name.map(|name| name.to_string()))
    }
}

/// Who lives, for the name cache.
fn lives(infos: &[DomainInfo]) -> impl Iterator<Item = (DomId, Uuid)> + Clone {
    infos.iter().filter_map(|info| Some((info.domid?, info.uuid)))
}

/// The machine type that the hypervisor's capability string tells, else this program's.
pub(super) fn machine_of(xen_caps: &str) -> String {
    let guests = capabilities::read_xen_caps(xen_caps, None);
    capabilities::machine_of(&guests).unwrap_or(std::env::consts::ARCH).to_owned()
}

fn newest(infos: impl Iterator<Item = DomainInfo>, uuid: Uuid) -> Option<DomainInfo> {
    infos.filter(|info| info.uuid == uuid && info.state != State::Shutdown).max_by_key(|info| info.domid)
}

pub(super) fn gone(uuid: Uuid) -> Error {
    Error::new(
        Status::NotFound,
        format!("the domain {uuid} is gone: it is neither running nor defined on this host"),
    )
}

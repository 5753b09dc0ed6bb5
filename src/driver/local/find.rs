//! Which domain is meant, and what it does now (docs/model.md, "Identity" and "Freshness").

use std::collections::HashSet;
use std::sync::Arc;

use super::routes::{HostKind, Op};
use super::xend_domain::XendDomain;
use super::{LocalDriver, unserved};
use crate::channel::xend::Listed;
use crate::deadline::Deadline;
use crate::driver::ListFilter;
use crate::error::{Error, Result, Road, Status};
use crate::format::capabilities::read_xen_caps;
use crate::format::{sxpr, xml};
use crate::log::Level;
use crate::model::guest::Live;
use crate::model::identity::{FIRST_RESERVED_DOMID, check_name};
use crate::model::{DomId, DomainInfo, DomainRow, Identity, State, Uuid};
use crate::wire::sexpr::Sexpr;

/// How often a domain is asked about that starts or stops between two questions, before that is said.
const RESTLESS: u32 = 20;

/// What a domain is at this moment.
pub(super) enum Now {
    /// It has a life.
    Live(DomainInfo),
    /// The host remembers it.
    Inactive(XendDomain),
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
            let known = self.known_to_xend(&xend_key(uuid, None), deadline)?;
            let Some(known) = known.filter(|known| known.info.uuid == uuid) else { return Ok(None) };
            if known.info.domid.is_none() {
                return Ok(Some(Now::Inactive(known)));
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
            Road::Hypercall => Ok(newest(self.hypervisor()?.list()?.into_iter(), uuid)),
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
            Some(Now::Live(info)) => Ok(Identity { uuid, domid: info.domid }),
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
        let ask_store =
            self.kind == HostKind::Bare || (self.kind == HostKind::Xend && self.roads.xenstore.is_ok());
        if ask_store && let Some(found) = self.life_of_name(name)? {
            return Ok(Some(found));
        }
        if self.roads.xend.absence().is_some() {
            return Ok(None);
        }
        // xend takes what it is asked for as a name, then as a number, then as a uuid.
        let found = self.xend_record(name, self.deadline())?;
        Ok(found
            .filter(|found| found.name == name)
            .map(|found| Identity { uuid: found.info.uuid, domid: found.info.domid }))
    }

    /// All domains that the filter names, each once. A domain that exists all the while is in the list, whatever it does meanwhile.
    pub(super) fn list_domains(&self, filter: ListFilter) -> Result<Vec<DomainRow>> {
        let inactive = filter.inactive && super::routes::of(self.kind, Op::List).inactive == Some(Road::Xend);
        let mut rows = match self.active(Op::List)? {
            Road::Hypercall if inactive => self.lives_and_others(filter.fresh)?,
            Road::Hypercall => self.named_lives(filter.fresh)?,
            Road::Xend => self.xend_domains(inactive)?.into_iter().map(XendDomain::into_row).collect(),
            road => return Err(unserved(Op::List, road)),
        };
        rows.retain(|row| if row.info.domid.is_some() { filter.active } else { inactive });
        Ok(rows)
    }

    /// The lives that the hypervisor shows, and what else xend knows.
    ///
    /// These cannot be one moment, so their order matters. The inactive ones first: one that starts meanwhile is shown as live. Then
    /// those that live. Then the names of all that xend knows: one that was in neither answer started and stopped meanwhile, or only
    /// stopped, and xend is asked about it.
    fn lives_and_others(&self, fresh: bool) -> Result<Vec<DomainRow>> {
        let deadline = self.deadline();
        let inactive = self.inactive_rows(deadline)?;
        let mut rows = self.named_lives(fresh)?;
        let mut shown: HashSet<Uuid> = rows.iter().map(|row| row.info.uuid).collect();
        rows.extend(inactive.into_iter().filter(|row| shown.insert(row.info.uuid)));
        let names: HashSet<Arc<str>> = rows.iter().filter_map(|row| row.name.clone()).collect();
        for name in self.xend()?.domain_names(Listed::All, deadline)? {
            if !names.contains(&*name)
                && let Some(found) = self.xend_record(&name, deadline)?
                && found.name == name
                && shown.insert(found.info.uuid)
            {
                rows.push(found.into_row());
            }
        }
        Ok(rows)
    }

    /// Every live domain with its name. Where names cannot be had they are absent, and the log says why.
    fn named_lives(&self, fresh: bool) -> Result<Vec<DomainRow>> {
        let infos = self.hypervisor()?.list()?;
        let named = self.ask_names(|behind| {
            let names = self.names()?.refresh(lives(&infos), behind || fresh, self.deadline())?;
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
    fn life_of_name(&self, name: &str) -> Result<Option<Identity>> {
        let infos = self.hypervisor()?.list()?;
        let names = self.names()?.refresh(lives(&infos), true, self.deadline())?;
        let life = |(domid, uuid)| infos.iter().find(|info| info.domid == Some(domid) && info.uuid == uuid);
        let found = names.find(name).filter_map(life);
        // A domain being torn down keeps its name until the end; its next life has it too.
        let best = found.max_by_key(|info| (info.state != State::Shutdown, info.domid));
        Ok(best.map(|info| Identity { uuid: info.uuid, domid: info.domid }))
    }

    fn inactive_rows(&self, deadline: Deadline) -> Result<Vec<DomainRow>> {
        let xend = self.xend()?;
        let mut rows = Vec::new();
        for state in [Listed::Halted, Listed::Suspended] {
            for name in xend.domain_names(state, deadline)? {
                // One that was undefined since the list is not there; one that started is shown as live.
                if let Some(found) = self.xend_record(&name, deadline)?
                    && found.name == name
                    && found.info.domid.is_none()
                {
                    rows.push(found.into_row());
                }
            }
        }
        Ok(rows)
    }

    /// xend's record of a domain, live or not; none on a host where nobody remembers domains.
    fn known_to_xend(&self, key: &str, deadline: Deadline) -> Result<Option<XendDomain>> {
        match super::routes::of(self.kind, Op::Info).inactive {
            Some(Road::Xend) => self.xend_record(key, deadline),
            _ => Ok(None),
        }
    }

    fn xend_record(&self, key: &str, deadline: Deadline) -> Result<Option<XendDomain>> {
        self.xend()?.domain(key, deadline)?.map(|value| XendDomain::read(&value)).transpose()
    }

    /// What xend says of the domain of that uuid, and of no other one.
    fn xend_value(&self, uuid: Uuid, life: Option<DomId>) -> Result<Sexpr> {
        let key = xend_key(uuid, life);
        let value = self.xend()?.domain(&key, self.deadline())?.ok_or_else(|| gone(uuid))?;
        match XendDomain::read(&value)?.info.uuid {
            found if found == uuid => Ok(value),
            other => Err(taken_for_a_name(&key, other)),
        }
    }

    /// The life of that number. xend takes the number for a name first: where a domain is named so, all are looked through.
    fn xend_life(&self, domid: DomId) -> Result<Option<DomainInfo>> {
        let value = self.xend()?.domain(&domid.to_string(), self.deadline())?;
        match value.map(|value| XendDomain::read(&value)).transpose()? {
            None => Ok(None),
            Some(found) if found.info.domid == Some(domid) => Ok(Some(found.info)),
            Some(_) => {
                let mut lives = self.xend_lives()?.into_iter().map(|found| found.info);
                Ok(lives.find(|info| info.domid == Some(domid)))
            }
        }
    }

    fn xend_lives(&self) -> Result<Vec<XendDomain>> {
        let mut found = self.xend_domains(false)?;
        found.retain(|found| found.info.domid.is_some());
        Ok(found)
    }

    /// All that xend knows, or all that is not halted.
    fn xend_domains(&self, halted: bool) -> Result<Vec<XendDomain>> {
        self.xend()?.domains_detailed(halted, self.deadline())?.iter().map(XendDomain::read).collect()
    }

    /// The name now: the cache for a live domain, xend for an inactive one.
    pub(super) fn current_name(&self, domain: &Identity) -> Result<String> {
        let mut nameless = None;
        for _ in 0..RESTLESS {
            let info = match self.now(domain)? {
                Now::Inactive(found) => return Ok(found.name),
                Now::Live(info) => info,
            };
            if self.kind == HostKind::XendAlone {
                return Ok(XendDomain::read(&self.xend_value(info.uuid, info.domid)?)?.name);
            }
            let names = self.names()?;
            let domid = info.domid.unwrap_or_default();
            let name = |behind| names.name(domid, info.uuid, behind, self.deadline());
            if let Some(name) = self.ask_names(name)? {
                return Ok(name.to_string());
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

    /// Domain XML: xend's configuration, and what only a running domain has.
    pub(super) fn domain_xml(&self, domain: &Identity, inactive: bool) -> Result<String> {
        let life = match self.now(domain)? {
            Now::Live(info) => info.domid,
            Now::Inactive(_) => None,
        };
        let road = if life.is_some() { self.active(Op::Xml)? } else { self.inactive(Op::Xml)? };
        if road != Road::Xend {
            return Err(unserved(Op::Xml, road));
        }
        let value = self.xend_value(domain.uuid, life)?;
        // What xend itself says must be understood: a failure here is no fault of the caller's.
        let (guest, mut live) = sxpr::from_sxpr(&value)
            .map_err(|error| Error { status: Status::Protocol, ..error }.on(Road::Xend))?;
        match life {
            Some(domid) if !inactive => self.add_live_facts(domid, &mut live),
            _ => live = Live::default(),
        }
        Ok(xml::write(&guest, &live))
    }

    /// What xenstore knows of a running domain's consoles. Absent facts stay absent: the XML is complete without them.
    fn add_live_facts(&self, domid: DomId, live: &mut Live) {
        live.domid = Some(domid);
        let Ok(xenstore) = self.xenstore() else { return };
        let console = format!("/local/domain/{domid}/console");
        let read = |node: &str| {
            let value = xenstore.read(&format!("{console}/{node}"), self.deadline()).ok()?;
            // These nodes can be written by a guest's device model: taken only in the form that they must have.
            String::from_utf8(value)
                .ok()
                .filter(|text| text.len() <= 64 && text.chars().all(|c| c.is_ascii_graphic()))
        };
        live.console_tty = read("tty").filter(|tty| tty.starts_with("/dev/")).or(live.console_tty.take());
        live.vnc_port = read("vnc-port").and_then(|port| port.parse().ok()).or(live.vnc_port);
    }
}

/// Who lives, for the name cache.
fn lives(infos: &[DomainInfo]) -> impl Iterator<Item = (DomId, Uuid)> + Clone {
    infos.iter().filter_map(|info| Some((info.domid?, info.uuid)))
}

/// What xend is asked by: the uuid, which outlives renames and numbers; a domain without one only has its number.
pub(super) fn xend_key(uuid: Uuid, domid: Option<DomId>) -> String {
    match domid {
        Some(domid) if uuid.is_nil() => domid.to_string(),
        _ => uuid.hyphenated().to_string(),
    }
}

/// The machine type that runs such guests: the widest architecture that the hypervisor lists.
pub(super) fn machine_of(xen_caps: &str) -> String {
    let widest = read_xen_caps(xen_caps).into_iter().max_by_key(|guest| guest.wordsize);
    widest.map_or_else(|| std::env::consts::ARCH.to_owned(), |guest| guest.arch.to_owned())
}

fn newest(infos: impl Iterator<Item = DomainInfo>, uuid: Uuid) -> Option<DomainInfo> {
    infos.filter(|info| info.uuid == uuid && info.state != State::Shutdown).max_by_key(|info| info.domid)
}

/// xend looks for names first, and somebody named a domain like what another one has to be asked by.
pub(super) fn taken_for_a_name(key: &str, other: Uuid) -> Error {
    let message = format!(
        "xend takes {key} for the name of the domain {other}, and cannot be asked for the one that is meant: rename that domain"
    );
    Error::new(Status::OperationFailed, message).on(Road::Xend)
}

pub(super) fn gone(uuid: Uuid) -> Error {
    Error::new(
        Status::NotFound,
        format!("the domain {uuid} is gone: it is neither running nor defined on this host"),
    )
}

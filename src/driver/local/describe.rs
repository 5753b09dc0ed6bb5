//! Domain XML: the toolstack's configuration, and what only a running domain has.

use super::find::{Inactive, Now, gone, machine_of};
use super::routes::{HostKind, Op};
use super::{LocalDriver, live, unserved};
use crate::error::{Error, Result, Road, Status};
use crate::format::{libxl_json, sxpr, xml};
use crate::log::Level;
use crate::model::guest::{Live, Os, Vcpus};
use crate::model::{DomId, DomainInfo, Guest, GuestType, Identity, Uuid};

/// How often a life may be over before its toolstack has described it.
const TRIES: u32 = 3;

impl LocalDriver {
    /// The description as it runs; with `inactive` the one that it starts with next, without what only a running one has.
    pub(super) fn domain_xml(&self, domain: &Identity, inactive: bool) -> Result<String> {
        for _ in 0..TRIES {
            let info = match self.now(domain)? {
                Now::Inactive(Inactive::Stored(entry)) => return Ok(self.stored_xml((*entry.guest).clone())),
                Now::Inactive(Inactive::Xend(_)) => return self.xend_xml(domain.uuid, None, true),
                Now::Live(info) => info,
            };
            if inactive && let Some(entry) = self.entry_of(&info)? {
                return Ok(self.stored_xml(Guest { uuid: Some(info.uuid), ..(*entry.guest).clone() }));
            }
            match self.active(Op::Xml)? {
                Road::Xend => return self.xend_xml(domain.uuid, info.domid, inactive),
                Road::Xl => {
                    if let Some(text) = self.xl_xml(&info, inactive)? {
                        return Ok(text);
                    }
                }
                road => return Err(unserved(Op::Xml, road)),
            }
        }
        let message = format!("the domain {} begins new lives faster than it can be described", domain.uuid);
        Err(Error::new(Status::OperationFailed, message))
    }

    fn xend_xml(&self, uuid: Uuid, life: Option<DomId>, inactive: bool) -> Result<String> {
        let value = self.xend_value(uuid, life)?;
        // What xend itself says must be understood: a failure here is no fault of the caller's.
        let (mut guest, mut live) = sxpr::from_sxpr(&value)
            .map_err(|error| Error { status: Status::Protocol, ..error }.on(Road::Xend))?;
        if let (HostKind::OldXend, Some(entry)) = (self.kind, self.snapshot()?.by_uuid(uuid)) {
            // They are with the file.
            (guest.title, guest.description) = (entry.guest.title.clone(), entry.guest.description.clone());
        }
        match life {
            Some(domid) if !inactive => self.add_live_facts(domid, &mut live),
            _ => live = Live::default(),
        }
        Ok(xml::write(&guest, &live))
    }

    /// What xl keeps about a life, whoever began it. None when that life is over and its number has another domain.
    fn xl_xml(&self, info: &DomainInfo, inactive: bool) -> Result<Option<String>> {
        let domid = info.domid.ok_or_else(|| gone(info.uuid))?;
        let Some(mut guest) = self.described_by_xl(domid, info)? else { return Ok(None) };
        // xl's language has no words for these: they are with the file.
        if let Some(entry) = self.entry_of(info)? {
            guest.title = entry.guest.title.clone();
            guest.description = entry.guest.description.clone();
        }
        let live = if inactive { Live::default() } else { self.live_facts(domid, &mut guest) };
        self.name_machine(&mut guest);
        Ok(Some(xml::write(&guest, &live)))
    }

    /// The description that a file has.
    fn stored_xml(&self, mut guest: Guest) -> String {
        self.name_machine(&mut guest);
        xml::write(&guest, &Live::default())
    }

    /// Says the architecture and the kind of machine, which xl's language leaves to the host, and which libvirt says of every domain. A
    /// description is complete without them.
    fn name_machine(&self, guest: &mut Guest) {
        if guest.os.arch.is_none() {
            let capabilities = match self.kind {
                HostKind::XlAlone => self
                    .xl()
                    .and_then(|xl| xl.info(self.toolstack_deadline()))
                    .map(|facts| facts.capabilities),
                _ => self.hypervisor().and_then(|hypervisor| hypervisor.capabilities()),
            };
            guest.os.arch = capabilities.ok().map(|capabilities| machine_of(&capabilities));
        }
        let machine = match guest.os.kind {
            GuestType::Pv => "xenpv",
            GuestType::Hvm => "xenfv",
            GuestType::Pvh => "xenpvh",
        };
        guest.os.machine.get_or_insert_with(|| machine.to_owned());
    }

    /// None when that life is over and its number has another domain.
    pub(super) fn described_by_xl(&self, domid: DomId, info: &DomainInfo) -> Result<Option<Guest>> {
        let told = match self.xl()?.configuration(domid, self.toolstack_deadline()) {
            Ok(text) => libxl_json::from_json(&text)
                .map_err(|error| Error { status: Status::Protocol, ..error.into() }.on(Road::Xl))?,
            // Not every domain is one of libxl's: what is known of it is said.
            Err(error) if error.status == Status::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let told = told.into_iter().find(|described| described.domid.is_none_or(|told| told == domid));
        let mut guest = match told {
            Some(described) => described.guest,
            None => known_guest(info),
        };
        if guest.uuid.is_some_and(|uuid| uuid != info.uuid) {
            return Ok(None);
        }
        guest.uuid = Some(info.uuid);
        if let Ok(names) = self.names()
            && let Ok(Some(name)) = self.ask_names(|behind| names.name(domid, info.uuid, behind, self.due()))
        {
            guest.name = name.to_string();
        }
        if domid == 0 {
            // libxl has no idea of Domain-0's limits and processors; the hypervisor has.
            let known = known_guest(info);
            guest = Guest { max_memory_kib: known.max_memory_kib, vcpus: known.vcpus, ..guest };
            guest.memory_kib = guest.memory_kib.min(guest.max_memory_kib);
        }
        if guest.name.is_empty() {
            let message =
                format!("domain {domid} ({}) has no name in xenstore, so it cannot be described", info.uuid);
            return Err(Error::new(Status::NotFound, message).on(Road::Xenstore));
        }
        Ok(Some(guest))
    }

    /// What xenstore knows of a running domain. The description is complete without it, so an xenstored that does not answer is only
    /// told to the log.
    fn live_facts(&self, domid: DomId, guest: &mut Guest) -> Live {
        let deadline = self.deadline();
        let told = self.xenstore().and_then(|xenstore| live::facts(xenstore, domid, guest, deadline));
        told.unwrap_or_else(|error| {
            self.log
                .say(Level::Warning, format_args!("domain {domid} is described without live facts: {error}"));
            Live { domid: Some(domid), ..Live::default() }
        })
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

/// What the hypervisor alone knows of a guest.
fn known_guest(info: &DomainInfo) -> Guest {
    let memory_kib = info.memory_kib.unwrap_or(0);
    let online = info.vcpus_online.filter(|online| *online > 0);
    let max = info.vcpus_max.or(online).unwrap_or(1).max(1);
    Guest {
        uuid: Some(info.uuid),
        memory_kib,
        max_memory_kib: info.max_memory_kib.unwrap_or(memory_kib).max(memory_kib),
        vcpus: Vcpus { max, current: online.filter(|online| *online < max), ..Vcpus::default() },
        os: Os { kind: info.guest_type.unwrap_or(GuestType::Pv), ..Os::default() },
        ..Guest::default()
    }
}

//! The unified Xen driver: this machine's host, or the embedded one, over the roads that were found at open.
//!
//! | file | subject |
//! | --- | --- |
//! | `routes` | which road serves an operation |
//! | `open` | the roads are found, and with them the kind of host |
//! | `find` | which domain is meant, and what it does now; `xend_known` and `stored` for those that xend or files remember |
//! | `describe` | domain XML |
//! | `capabilities` | capabilities XML |
//! | `define` | defining, forgetting, beginning: what is checked on every road |
//! | `act` | pausing and stopping |
//! | `save` | into a file and back |
//! | `xend_host`, `xl_host` | what changes a host, through its toolstack |
//! | `minding` | being the monitor of a domain that has lost its own |
//! | `report` | what `xenith doctor` shows |
//!
//! This file holds the roads and puts the operations together.

mod act;
mod capabilities;
mod define;
mod describe;
mod find;
mod live;
mod minding;
mod open;
mod report;
mod routes;
mod save;
mod stored;
mod xend_domain;
mod xend_host;
mod xend_known;
mod xend_road;
mod xl_host;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub(super) use open::{embedded, local};
pub(super) use report::{of_embedded, of_local};

use self::find::Now;
use self::routes::{HostKind, Op};
use self::xend_road::XendRoad;
use super::names::NameCache;
use super::{Counters, Driver, HostReport, ListFilter, MindEnd, OpenOptions};
use crate::channel::hypercall::Hypervisor;
use crate::channel::xend::{NodeFacts, Xend};
use crate::channel::xenstore::Xenstore;
use crate::channel::xl::Xl;
use crate::deadline::{Deadline, Due};
use crate::error::{Error, Result, Road, Status};
use crate::format::sxpr::XendFormat;
use crate::log::Log;
use crate::model::{DomId, DomainInfo, DomainRow, GuestType, Identity, NodeInfo, Uuid, XenVersion};
use crate::sim::SimHost;
use crate::store::Store;

/// The roads, or why each is not there.
struct Roads {
    hypervisor: Result<Hypervisor>,
    xenstore: Result<Arc<Xenstore>>,
    xend: XendRoad,
    xl: Result<Xl>,
    store: Result<Store>,
}

/// See the module's description.
pub(super) struct LocalDriver {
    kind: HostKind,
    roads: Roads,
    /// There where xenstore is.
    names: Option<NameCache>,
    /// How many changes were made through this connection, and how many of them the names are known to show. Names that lag
    /// behind are asked for behind a barrier, so that a caller always sees its own changes.
    own_changes: AtomicU64,
    changes_seen: AtomicU64,
    timeout: Duration,
    toolstack_timeout: Duration,
    log: Log,
    /// Declared last: the roads are let go before the host that they lead to.
    embedded: Option<SimHost>,
}

impl LocalDriver {
    fn new(kind: HostKind, roads: Roads, options: &OpenOptions, embedded: Option<SimHost>) -> Self {
        let names = roads
            .xenstore
            .as_ref()
            .ok()
            .map(|xenstore| NameCache::new(xenstore.clone(), options.log.clone()));
        LocalDriver {
            kind,
            roads,
            names,
            own_changes: AtomicU64::new(0),
            changes_seen: AtomicU64::new(0),
            timeout: options.timeout,
            toolstack_timeout: options.toolstack_timeout,
            log: options.log.clone(),
            embedded,
        }
    }

    fn hypervisor(&self) -> Result<&Hypervisor> {
        self.roads.hypervisor.as_ref().map_err(Clone::clone)
    }

    fn xenstore(&self) -> Result<&Xenstore> {
        self.roads.xenstore.as_deref().map_err(Clone::clone)
    }

    fn names(&self) -> Result<&NameCache> {
        match &self.roads.xenstore {
            Err(error) => Err(error.clone()),
            Ok(_) => self
                .names
                .as_ref()
                .ok_or_else(|| Error::new(Status::Internal, "xenstore without a name cache")),
        }
    }

    fn xend(&self) -> Result<&Xend> {
        self.roads.xend.reached(self.deadline()).map(|(xend, _)| xend)
    }

    fn xend_node(&self) -> Result<&NodeFacts> {
        self.roads.xend.reached(self.deadline()).map(|(_, node)| node)
    }

    fn xl(&self) -> Result<&Xl> {
        self.roads.xl.as_ref().map_err(Clone::clone)
    }

    fn store(&self) -> Result<&Store> {
        self.roads.store.as_ref().map_err(Clone::clone)
    }

    /// The form of configuration that this xend understands.
    fn xend_format(&self) -> Result<XendFormat> {
        let number = self.xend_node()?.config_format;
        XendFormat::from_number(Some(number)).ok_or_else(|| {
            Error::new(Status::NotSupported, format!("xend's configuration format {number} is not known"))
                .on(Road::Xend)
        })
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout)
    }

    /// The deadline of a quick call that mostly does not wait.
    fn due(&self) -> Due {
        Due::within(self.timeout)
    }

    fn toolstack_deadline(&self) -> Deadline {
        Deadline::after(self.toolstack_timeout)
    }

    /// The road of `op` for live domains and the host.
    fn active(&self, op: Op) -> Result<Road> {
        routes::of(self.kind, op).active.ok_or_else(|| self.no_road(op))
    }

    /// The road of `op` for inactive domains.
    fn inactive(&self, op: Op) -> Result<Road> {
        routes::of(self.kind, op).inactive.ok_or_else(|| self.no_road(op))
    }

    /// No road of this host serves `op`: says which toolstack is missed, and why it is not there.
    fn no_road(&self, op: Op) -> Error {
        if let (HostKind::OldXend | HostKind::OldXendAlone, Ok(node)) = (self.kind, self.xend_node())
            && routes::of(HostKind::Xend, op).inactive.is_some()
        {
            let remedy =
                "it remembers no domain that does not run; such a host keeps them as xm's files in /etc/xen";
            return node.age().lacks(&format!("'{}' of a domain that does not run", op.name()), remedy);
        }
        let why = match (self.roads.xend.absence(), op) {
            (None, Op::Monitor) => "xend restarts and frees domains itself, there are no monitors".to_owned(),
            (None, _) => "xend cannot do it".to_owned(),
            (Some(xend), _) => {
                format!("it needs a toolstack, and none is there ({xend}; {})", self.why_without_xl())
            }
        };
        Error::new(Status::NotSupported, format!("this host cannot do '{}': {why}", op.name()))
    }

    /// Why xl cannot be asked, and what to do about it.
    fn why_without_xl(&self) -> String {
        match &self.roads.xl {
            Ok(xl) => format!("{} is there, but this connection does not use it", xl.describe()),
            Err(error) if error.status == Status::NoConnect => {
                format!(
                    "{error}; install Xen's tools (on Debian the package xen-utils-VERSION) and open the connection again"
                )
            }
            Err(error) => error.to_string(),
        }
    }

    /// Makes a change, and remembers that names may be others now, whatever came of it: a change that failed may be half made.
    fn change<T>(&self, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let made = make();
        self.own_changes.fetch_add(1, Ordering::AcqRel);
        made
    }

    /// Asks for names; behind a barrier where changes of our own may not be among what xenstored has told yet. Two loads at
    /// rest: the cache lines stay shared among threads.
    fn ask_names<T>(&self, ask: impl FnOnce(bool) -> Result<T>) -> Result<T> {
        let changes = self.own_changes.load(Ordering::Acquire);
        let behind = self.changes_seen.load(Ordering::Acquire) < changes;
        let answer = ask(behind)?;
        if behind {
            self.changes_seen.fetch_max(changes, Ordering::AcqRel);
        }
        Ok(answer)
    }
}

/// A road that the table names for an operation that this code has no arm for: a defect, said as one.
fn unserved(op: Op, road: Road) -> Error {
    Error::new(
        Status::Internal,
        format!("the route table sends '{op:?}' over {}, which does not serve it", road.name()),
    )
}

impl Driver for LocalDriver {
    fn hostname(&self) -> Result<String> {
        match (&self.embedded, self.kind) {
            (Some(host), _) => Ok(host.host_name().to_owned()),
            (None, HostKind::XendAlone | HostKind::OldXendAlone) => Ok(self.xend_node()?.host.clone()),
            (None, _) => open::host_name(),
        }
    }

    fn version(&self) -> Result<XenVersion> {
        match self.active(Op::Version)? {
            Road::Hypercall => Ok(self.hypervisor()?.version().clone()),
            Road::Xend => Ok(self.xend_node()?.xen.clone()),
            Road::Xl => Ok(self.xl()?.info(self.toolstack_deadline())?.xen),
            road => Err(unserved(Op::Version, road)),
        }
    }

    fn capabilities(&self) -> Result<String> {
        self.host_capabilities()
    }

    fn max_vcpus(&self, kind: Option<GuestType>) -> Result<u32> {
        // The hypervisor does not tell. Before 4.0 every guest was bound by the 32 of public/arch-x86/xen.h
        // (XEN_LEGACY_MAX_VCPUS); since, HVM guests by HVM_MAX_VCPUS of public/hvm/hvm_info_table.h. PV guests have no
        // number there; libvirt answers 512.
        Ok(match kind {
            _ if self.version()?.major < 4 => 32,
            Some(GuestType::Pv) => 512,
            Some(GuestType::Hvm | GuestType::Pvh) | None => 128,
        })
    }

    fn node_info(&self) -> Result<NodeInfo> {
        match self.active(Op::NodeInfo)? {
            Road::Hypercall => {
                let hypervisor = self.hypervisor()?;
                let machine = find::machine_of(&hypervisor.capabilities()?);
                Ok(hypervisor.physinfo()?.node_info(&machine))
            }
            Road::Xend => Ok(self.xend_node()?.info.clone()),
            Road::Xl => Ok(self.xl()?.info(self.toolstack_deadline())?.info),
            road => Err(unserved(Op::NodeInfo, road)),
        }
    }

    fn list(&self, filter: ListFilter) -> Result<Vec<DomainRow>> {
        self.list_domains(filter)
    }

    fn lookup_by_id(&self, domid: DomId) -> Result<Identity> {
        self.find_id(domid)
    }

    fn lookup_by_uuid(&self, uuid: Uuid) -> Result<Identity> {
        self.find_uuid(uuid)
    }

    fn lookup_by_name(&self, name: &str) -> Result<Identity> {
        self.find_name(name)
    }

    fn define(&self, xml: &str) -> Result<Identity> {
        self.define_guest(xml)
    }

    fn undefine(&self, domain: &Identity) -> Result<()> {
        self.undefine_domain(domain)
    }

    fn start(&self, domain: &Identity, paused: bool) -> Result<Identity> {
        self.start_domain(domain, paused)
    }

    fn create(&self, xml: &str, paused: bool) -> Result<Identity> {
        self.create_guest(xml, paused)
    }

    fn suspend(&self, domain: &Identity) -> Result<()> {
        self.act_on_live(Op::Suspend, domain)
    }

    fn resume(&self, domain: &Identity) -> Result<()> {
        self.act_on_live(Op::Resume, domain)
    }

    fn shutdown(&self, domain: &Identity) -> Result<()> {
        self.act_on_live(Op::Shutdown, domain)
    }

    fn reboot(&self, domain: &Identity) -> Result<()> {
        self.act_on_live(Op::Reboot, domain)
    }

    fn destroy(&self, domain: &Identity) -> Result<()> {
        self.act_on_live(Op::Destroy, domain)
    }

    fn name(&self, domain: &Identity) -> Result<String> {
        self.current_name(domain)
    }

    fn id(&self, domain: &Identity) -> Result<Option<DomId>> {
        Ok(match self.now(domain)? {
            Now::Live(info) => info.domid,
            Now::Inactive(_) => None,
        })
    }

    fn os_type(&self, domain: &Identity) -> Result<GuestType> {
        let info = self.info(domain)?;
        info.guest_type.ok_or_else(|| {
            Error::new(Status::NotSupported, "this host does not tell what kind of guest the domain is")
        })
    }

    fn info(&self, domain: &Identity) -> Result<DomainInfo> {
        Ok(match self.now(domain)? {
            Now::Live(info) => info,
            Now::Inactive(domain) => domain.info(),
        })
    }

    fn xml(&self, domain: &Identity, inactive: bool) -> Result<String> {
        self.domain_xml(domain, inactive)
    }

    fn is_persistent(&self, domain: &Identity) -> Result<bool> {
        match self.now(domain)? {
            Now::Inactive(_) => Ok(true),
            Now::Live(info) => match routes::of(self.kind, Op::Info).inactive {
                Some(Road::Xend) => self.xend()?.is_managed(info.uuid),
                Some(_) => Ok(self.entry_of(&info)?.is_some()),
                None => Ok(false),
            },
        }
    }

    fn save(&self, domain: &Identity, file: &Path, uri: &str) -> Result<()> {
        self.save_domain(domain, file, uri)
    }

    fn restore(&self, file: &Path, paused: bool) -> Result<Identity> {
        self.restore_domain(file, paused)
    }

    fn autostart(&self, domain: &Identity) -> Result<bool> {
        self.is_autostarted(domain)
    }

    fn set_autostart(&self, domain: &Identity, autostart: bool) -> Result<()> {
        self.set_autostarted(domain, autostart)
    }

    fn has_monitor(&self, domain: &Identity) -> Result<bool> {
        match self.active(Op::Monitor)? {
            Road::Xl => {
                let (domid, info) = self.life_to_act_on(domain)?;
                self.minded(&Identity { uuid: info.uuid, domid: Some(domid) })
            }
            road => Err(unserved(Op::Monitor, road)),
        }
    }

    fn start_monitor(&self, domain: &Identity, uri: &str) -> Result<()> {
        self.start_a_monitor(domain, uri)
    }

    fn mind(&self, domain: &Identity, stop: &AtomicBool) -> Result<MindEnd> {
        self.mind_domain(domain, stop)
    }

    fn report(&self) -> Result<HostReport> {
        Ok(self.host_report())
    }

    fn counters(&self) -> Counters {
        Counters {
            hypercalls: self.roads.hypervisor.as_ref().map_or(0, Hypervisor::calls),
            xenstore_round_trips: self.roads.xenstore.as_ref().map_or(0, |xenstore| xenstore.round_trips()),
            xend_requests: self.roads.xend.requests(),
            xl_runs: self.roads.xl.as_ref().map_or(0, Xl::runs),
        }
    }
}

//! The operations a user can ask for, as one trait, and the two types that the C ABI, the command and Rust programs hold:
//! [`Connection`] and [`Domain`]. docs/model.md says what identity, persistence and freshness mean here.

mod capture;
mod connection;
mod local;
mod monitor;
pub mod names;
mod report;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use capture::CaptureCost;
pub use connection::{Connection, Domain};
pub use monitor::MindEnd;
pub use report::{HostReport, RoadReport, RouteReport};

use crate::error::Result;
use crate::log::Log;
use crate::model::{DomId, DomainInfo, DomainRow, GuestType, Identity, NodeInfo, Uuid, XenVersion};

/// How to open a connection.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The longest that a call may take that asks or changes something quick.
    pub timeout: Duration,
    /// The longest that a lifecycle call may take which waits for the host's toolstack (create, destroy, define).
    pub toolstack_timeout: Duration,
    /// Where log lines go.
    pub log: Log,
    /// Roads that must not be used, for tests and for hosts with a broken one.
    pub without: Vec<crate::error::Road>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions {
            timeout: Duration::from_secs(10),
            // xend waits up to 100 s for a device that does not cooperate.
            toolstack_timeout: Duration::from_secs(180),
            log: Log::default(),
            without: Vec::new(),
        }
    }
}

/// Which domains a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListFilter {
    /// Live ones.
    pub active: bool,
    /// Defined ones that are not running.
    pub inactive: bool,
    /// Make one barrier round trip first, so that another client's change of a moment ago is seen.
    pub fresh: bool,
}

/// How much a connection has asked of its roads; tests and benchmarks assert on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Hypercalls issued.
    pub hypercalls: u64,
    /// xenstore round trips made.
    pub xenstore_round_trips: u64,
    /// Requests sent to xend.
    pub xend_requests: u64,
    /// Runs of xl.
    pub xl_runs: u64,
}

/// Every operation on a host and its domains. Implementations: [`crate::driver`]'s local driver; later other hosts.
///
/// Acts on a live domain check in the hypervisor that `identity`'s life is still the one meant, and answer
/// [`crate::Status::Stale`] when it is over.
pub trait Driver: Send + Sync {
    /// The host's name; an embedded host says that it is a simulation.
    fn hostname(&self) -> Result<String>;
    /// The hypervisor's release.
    fn version(&self) -> Result<XenVersion>;
    /// libvirt's capabilities XML.
    fn capabilities(&self) -> Result<String>;
    /// The most vcpus that a guest of this kind may have.
    fn max_vcpus(&self, kind: Option<GuestType>) -> Result<u32>;
    /// Processors and memory.
    fn node_info(&self) -> Result<NodeInfo>;

    /// All domains that the filter names, as one snapshot.
    fn list(&self, filter: ListFilter) -> Result<Vec<DomainRow>>;
    /// The live domain of that number.
    fn lookup_by_id(&self, domid: DomId) -> Result<Identity>;
    /// The domain of that uuid, live or not.
    fn lookup_by_uuid(&self, uuid: Uuid) -> Result<Identity>;
    /// The domain of that name, live or not.
    fn lookup_by_name(&self, name: &str) -> Result<Identity>;

    /// Makes a domain persistent, or changes its configuration.
    fn define(&self, xml: &str) -> Result<Identity>;
    /// Forgets a persistent domain. A live one goes on as a transient one where the host can do that.
    fn undefine(&self, domain: &Identity) -> Result<()>;
    /// Starts a defined domain; returns its new life.
    fn start(&self, domain: &Identity, paused: bool) -> Result<Identity>;
    /// Starts a domain that exists only until it ends.
    fn create(&self, xml: &str, paused: bool) -> Result<Identity>;
    /// Pauses.
    fn suspend(&self, domain: &Identity) -> Result<()>;
    /// Unpauses.
    fn resume(&self, domain: &Identity) -> Result<()>;
    /// Asks the guest to power off; returns when it was asked.
    fn shutdown(&self, domain: &Identity) -> Result<()>;
    /// Asks the guest to reboot; returns when it was asked.
    fn reboot(&self, domain: &Identity) -> Result<()>;
    /// Ends a life at once; returns when it is over.
    fn destroy(&self, domain: &Identity) -> Result<()>;

    /// The domain's name now.
    fn name(&self, domain: &Identity) -> Result<String>;
    /// Its number if it is alive.
    fn id(&self, domain: &Identity) -> Result<Option<DomId>>;
    /// `linux`, `hvm` or `xenpvh`.
    fn os_type(&self, domain: &Identity) -> Result<GuestType>;
    /// State and figures.
    fn info(&self, domain: &Identity) -> Result<DomainInfo>;
    /// Its domain XML, without passwords: as it runs, or with `inactive` without what only a running domain has.
    fn xml(&self, domain: &Identity, inactive: bool) -> Result<String>;
    /// Whether the host remembers it when it is not running.
    fn is_persistent(&self, domain: &Identity) -> Result<bool>;

    /// Writes its state into a file and ends its life. A save that fails can cost it its monitor: then there is a new one, which
    /// connects to `uri`.
    fn save(&self, domain: &Identity, file: &Path, uri: &str) -> Result<()>;
    /// Begins the next life of a saved domain; returns it.
    fn restore(&self, file: &Path, paused: bool) -> Result<Identity>;
    /// Whether it is started with the host.
    fn autostart(&self, domain: &Identity) -> Result<bool>;
    /// Sets whether it is started with the host.
    fn set_autostart(&self, domain: &Identity, autostart: bool) -> Result<()>;
    /// Whether the process runs that the toolstack left to act when this life ends. [`crate::Status::NotSupported`] on hosts whose
    /// toolstack needs none.
    fn has_monitor(&self, domain: &Identity) -> Result<bool>;
    /// Starts a process that acts when this life ends, in the place of one that is missing: `xenith --connect URI monitor UUID`.
    /// Returns once it minds the domain.
    ///
    /// Errors: [`crate::Status::InvalidState`] where one minds it already, [`crate::Status::NoConnect`] where the command is not installed.
    fn start_monitor(&self, domain: &Identity, uri: &str) -> Result<()>;
    /// Is that process: waits for the life's end and does what the domain's configuration says for it. Ends then, or when `stop` is
    /// set, which is looked at five times a second.
    ///
    /// Errors: [`crate::Status::InvalidState`] where another process minds the domain already.
    fn mind(&self, domain: &Identity, stop: &AtomicBool) -> Result<MindEnd>;
    /// Each road and what serves each operation, and what is not as it should be.
    fn report(&self) -> Result<HostReport>;

    /// How much was asked of the roads so far.
    fn counters(&self) -> Counters;
}

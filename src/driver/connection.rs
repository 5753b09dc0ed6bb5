//! What a user holds: a connection, and domains on it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use super::{Counters, Driver, HostReport, ListFilter, MindEnd, OpenOptions};
use crate::error::{Error, Result, Road, Status};
use crate::fork::Epoch;
use crate::model::{DomId, DomainInfo, DomainRow, GuestType, Identity, NodeInfo, Uuid, XenVersion};
use crate::uri::{self, Remote, Target};

/// A connection to a host. Cheap to clone, usable from any thread; closed when the last clone is dropped.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    driver: Box<dyn Driver>,
    uri: String,
    /// After fork the child's copy shares sockets and locked memory with its parent: it is refused (docs/model.md).
    made_in: Epoch,
}

impl Connection {
    /// Opens `uri`; None or an empty string is `xen:///`, this host.
    ///
    /// Errors: [`Status::InvalidUri`]; [`Status::NoConnect`] or [`Status::AccessDenied`] when no road into the host is
    /// open, with each road and why; [`Status::NotSupported`] for other hosts, whose roads this version does not have.
    pub fn open(uri: Option<&str>, options: &OpenOptions) -> Result<Self> {
        let driver = match uri::parse(uri)? {
            Target::Local(local) => super::local::local(&local, options)?,
            Target::Sim(parameters) => super::local::embedded(&parameters, options)?,
            Target::Remote(remote) => return Err(not_built(&remote)),
        };
        let uri = uri.filter(|uri| !uri.is_empty()).unwrap_or("xen:///");
        Ok(Connection::from_driver(Box::new(driver), uri.to_owned()))
    }

    /// A connection over a driver of one's own; `uri` is what [`Connection::uri`] answers.
    pub fn from_driver(driver: Box<dyn Driver>, uri: String) -> Self {
        Connection(Arc::new(Inner { driver, uri, made_in: Epoch::now() }))
    }

    fn driver(&self) -> Result<&dyn Driver> {
        if self.0.made_in.is_over() {
            return Err(Error::new(
                Status::Closed,
                "this connection was opened before fork: the child process must open its own",
            ));
        }
        Ok(&*self.0.driver)
    }

    /// The URI that it was opened with, in full form.
    pub fn uri(&self) -> &str {
        &self.0.uri
    }

    /// How much it has asked of its roads so far.
    pub fn counters(&self) -> Counters {
        self.0.driver.counters()
    }

    /// See [`Driver::hostname`].
    pub fn hostname(&self) -> Result<String> {
        self.driver()?.hostname()
    }

    /// See [`Driver::version`].
    pub fn version(&self) -> Result<XenVersion> {
        self.driver()?.version()
    }

    /// See [`Driver::capabilities`].
    pub fn capabilities(&self) -> Result<String> {
        self.driver()?.capabilities()
    }

    /// See [`Driver::max_vcpus`].
    pub fn max_vcpus(&self, kind: Option<GuestType>) -> Result<u32> {
        self.driver()?.max_vcpus(kind)
    }

    /// See [`Driver::node_info`].
    pub fn node_info(&self) -> Result<NodeInfo> {
        self.driver()?.node_info()
    }

    /// See [`Driver::list`].
    pub fn list(&self, filter: ListFilter) -> Result<Vec<DomainRow>> {
        self.driver()?.list(filter)
    }

    /// See [`Driver::lookup_by_id`].
    pub fn lookup_by_id(&self, domid: DomId) -> Result<Domain> {
        Ok(self.domain(self.driver()?.lookup_by_id(domid)?))
    }

    /// See [`Driver::lookup_by_uuid`].
    pub fn lookup_by_uuid(&self, uuid: Uuid) -> Result<Domain> {
        Ok(self.domain(self.driver()?.lookup_by_uuid(uuid)?))
    }

    /// See [`Driver::lookup_by_name`].
    pub fn lookup_by_name(&self, name: &str) -> Result<Domain> {
        Ok(self.domain(self.driver()?.lookup_by_name(name)?))
    }

    /// See [`Driver::define`].
    pub fn define(&self, xml: &str) -> Result<Domain> {
        Ok(self.domain(self.driver()?.define(xml)?))
    }

    /// See [`Driver::create`].
    pub fn create(&self, xml: &str, paused: bool) -> Result<Domain> {
        Ok(self.domain(self.driver()?.create(xml, paused)?))
    }

    /// See [`Driver::restore`].
    pub fn restore(&self, file: &Path, paused: bool) -> Result<Domain> {
        Ok(self.domain(self.driver()?.restore(file, paused)?))
    }

    /// See [`Driver::report`].
    pub fn report(&self) -> Result<HostReport> {
        self.driver()?.report()
    }

    fn domain(&self, identity: Identity) -> Domain {
        Domain { connection: self.clone(), identity: Mutex::new(identity) }
    }
}

/// Why other hosts cannot be opened.
pub(super) fn not_built(remote: &Remote) -> Error {
    Error::new(
        Status::NotSupported,
        format!(
            "the remote road ({}) is not built into this version of xenith; on the host itself open xen:///",
            remote.transport
        ),
    )
    .on(Road::Remote)
}

/// A domain on a connection, pinned to one of its lives (docs/model.md, "Identity").
pub struct Domain {
    connection: Connection,
    identity: Mutex<Identity>,
}

impl Domain {
    fn driver(&self) -> Result<&dyn Driver> {
        self.connection.driver()
    }

    /// What it is pinned to.
    pub fn identity(&self) -> Identity {
        *self.identity.lock()
    }

    /// The connection it belongs to.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The uuid.
    pub fn uuid(&self) -> Uuid {
        self.identity().uuid
    }

    /// See [`Driver::name`].
    pub fn name(&self) -> Result<String> {
        self.driver()?.name(&self.identity())
    }

    /// See [`Driver::id`].
    pub fn id(&self) -> Result<Option<DomId>> {
        self.driver()?.id(&self.identity())
    }

    /// See [`Driver::os_type`].
    pub fn os_type(&self) -> Result<GuestType> {
        self.driver()?.os_type(&self.identity())
    }

    /// See [`Driver::info`].
    pub fn info(&self) -> Result<DomainInfo> {
        self.driver()?.info(&self.identity())
    }

    /// See [`Driver::xml`].
    pub fn xml(&self, inactive: bool) -> Result<String> {
        self.driver()?.xml(&self.identity(), inactive)
    }

    /// See [`Driver::is_persistent`].
    pub fn is_persistent(&self) -> Result<bool> {
        self.driver()?.is_persistent(&self.identity())
    }

    /// Whether it is alive.
    pub fn is_active(&self) -> Result<bool> {
        Ok(self.id()?.is_some())
    }

    /// See [`Driver::save`].
    pub fn save(&self, file: &Path) -> Result<()> {
        self.driver()?.save(&self.identity(), file, self.connection.uri())
    }

    /// See [`Driver::autostart`].
    pub fn autostart(&self) -> Result<bool> {
        self.driver()?.autostart(&self.identity())
    }

    /// See [`Driver::set_autostart`].
    pub fn set_autostart(&self, autostart: bool) -> Result<()> {
        self.driver()?.set_autostart(&self.identity(), autostart)
    }

    /// See [`Driver::has_monitor`].
    pub fn has_monitor(&self) -> Result<bool> {
        self.driver()?.has_monitor(&self.identity())
    }

    /// See [`Driver::start_monitor`].
    pub fn start_monitor(&self) -> Result<()> {
        self.driver()?.start_monitor(&self.identity(), self.connection.uri())
    }

    /// See [`Driver::mind`].
    pub fn mind(&self, stop: &AtomicBool) -> Result<MindEnd> {
        self.driver()?.mind(&self.identity(), stop)
    }

    /// Starts it; this handle is pinned to the new life.
    pub fn start(&self, paused: bool) -> Result<()> {
        let life = self.driver()?.start(&self.identity(), paused)?;
        *self.identity.lock() = life;
        Ok(())
    }

    /// See [`Driver::undefine`].
    pub fn undefine(&self) -> Result<()> {
        self.driver()?.undefine(&self.identity())
    }

    /// See [`Driver::suspend`].
    pub fn suspend(&self) -> Result<()> {
        self.driver()?.suspend(&self.identity())
    }

    /// See [`Driver::resume`].
    pub fn resume(&self) -> Result<()> {
        self.driver()?.resume(&self.identity())
    }

    /// See [`Driver::shutdown`].
    pub fn shutdown(&self) -> Result<()> {
        self.driver()?.shutdown(&self.identity())
    }

    /// See [`Driver::reboot`].
    pub fn reboot(&self) -> Result<()> {
        self.driver()?.reboot(&self.identity())
    }

    /// See [`Driver::destroy`].
    pub fn destroy(&self) -> Result<()> {
        self.driver()?.destroy(&self.identity())
    }
}

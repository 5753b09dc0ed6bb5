//! Hypercalls: the cheapest road into a host. Reads cost about as much as a system call.
//!
//! Nothing is locked while a hypercall runs: each one borrows its own buffer from a pool (`arena.rs`), so threads do not wait for
//! each other. A question about one domain allocates nothing.

mod arena;
pub mod capture;
mod detect;
mod door;
mod errors;
mod host;
mod privcmd;
mod vcpu;

pub use vcpu::Affinity;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arena::Pages;
use detect::Detected;
use door::Door;

use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::log::Log;
use crate::model::identity::FIRST_RESERVED_DOMID;
use crate::model::{DomId, DomainInfo, XenVersion};
use crate::wire::hypercall::layout::{Layout, Table};
use crate::wire::hypercall::tables::{getdomaininfo, physinfo};
use crate::wire::hypercall::{
    Dialect, DomainRecord, Domctl, DomctlCall, GENERATIONS, Generation, Known, VersionOp, errno, request,
};
use crate::wire::port::Hypercall;

/// Records that one list call makes room for.
///
/// A call that fills its room must be followed by another, because there may be more; one that does not has seen the end.
/// Room for one more than 1024 makes that rule cost at most ceil(N / 1024) calls for N domains: N = 1025 q + r takes
/// q + 1 calls, and ceil(N / 1024) = q + ceil((q + r) / 1024), which is no less as soon as there is one domain (and
/// Domain-0 always is).
const LIST_ROOM: usize = 1025;

/// A hypervisor, known by its version and spoken to in its generation's words.
///
/// After fork the child's copy answers [`Status::Closed`] and can be dropped: its buffers stayed with the parent.
pub struct Hypervisor {
    door: Door,
    version: XenVersion,
    dialect: Dialect,
    has_sysctl: bool,
    record: Layout,
    physinfo: Layout,
}

impl Hypervisor {
    /// Opens this host's hypervisor: the device `path`, or the usual ones.
    ///
    /// Errors: [`Status::NoConnect`] where there is no such device, [`Status::AccessDenied`] without rights,
    /// [`Status::NotSupported`] for a Xen that no row of [`GENERATIONS`] describes, and for i386 hosts.
    pub fn open(path: Option<&Path>, log: &Log) -> Result<Self> {
        if cfg!(target_pointer_width = "32") {
            let message = "this is a 32-bit program, and i386 hosts are not supported: an x86_64 or arm64 dom0 is needed";
            return Err(Error::new(Status::NotSupported, message).on(Road::Hypercall));
        }
        let privcmd = privcmd::Privcmd::open(path, log)?;
        let pages = privcmd.pages(log);
        Self::with_pages(Arc::new(privcmd), pages, Known(GENERATIONS), log)
    }

    /// Speaks to whatever answers `port`. Errors as for [`Hypervisor::open`].
    pub fn over(port: Arc<dyn Hypercall>, log: &Log) -> Result<Self> {
        Self::over_knowing(port, Known(GENERATIONS), log)
    }

    /// The same with other generations than those that this version knows: what the next one will be like.
    pub fn over_knowing(port: Arc<dyn Hypercall>, known: Known, log: &Log) -> Result<Self> {
        Self::with_pages(port, Pages::Locked, known, log)
    }

    fn with_pages(port: Arc<dyn Hypercall>, pages: Pages, known: Known, log: &Log) -> Result<Self> {
        let door = Door::new(port, pages, log)?;
        let Detected { version, generation, has_sysctl } = detect::detect(&door, known, log)?;
        let dialect = Dialect::here(generation);
        let layout = |table: &'static Table| {
            dialect.layout(table).ok_or_else(|| {
                Error::new(Status::Internal, format!("no layout of {} for Xen {generation}", table.name))
                    .on(Road::Hypercall)
            })
        };
        let record = layout(&getdomaininfo::TABLE)?;
        let physinfo = layout(&physinfo::TABLE)?;
        door.reserve_list(LIST_ROOM * record.size())?;
        Ok(Hypervisor { door, version, dialect, has_sysctl, record, physinfo })
    }

    /// The release that runs.
    pub fn version(&self) -> &XenVersion {
        &self.version
    }

    /// The interface that it speaks.
    pub fn generation(&self) -> &'static Generation {
        self.dialect.generation
    }

    /// Hypercalls issued so far, those of the detection included.
    pub fn calls(&self) -> u64 {
        self.door.calls()
    }

    /// The guest types that it runs, as it spells them: `xen-3.0-x86_64 hvm-3.0-x86_32 ...`
    pub fn capabilities(&self) -> Result<String> {
        self.door
            .version_text(VersionOp::Capabilities)
            .map_err(|errno| errors::refused("capabilities", errno))
    }

    /// The record of one domain; None when there is none of that number. One hypercall.
    pub fn domain_info(&self, domid: DomId) -> Result<Option<DomainInfo>> {
        let domain = ordinary(domid)?;
        let found =
            self.door.domctl(self.dialect, DomctlCall { domain, op: Domctl::GetDomainInfo }, |bytes| {
                DomainRecord::decode(self.record, request::payload(self.dialect, bytes)?)
            });
        match found {
            // Before 4.18 the answer is the next domain at or above the one asked for.
            Ok(Some(record)) if record.domain != domain => Ok(None),
            Ok(Some(record)) => Ok(Some(record.info(self.dialect))),
            Ok(None) => Err(errors::garbled("a domain's record")),
            Err(errno::ESRCH) => Ok(None),
            Err(errno) => Err(errors::refused(format_args!("reading the record of domain {domid}"), errno)),
        }
    }

    /// Whether [`Hypervisor::list`] can be asked: Xen 4.21 and later can be built without the hypercall for questions about the host.
    pub fn has_list(&self) -> bool {
        self.has_sysctl
    }

    /// The records of all domains, in the order of their numbers. At most ceil(N / 1024) hypercalls for N domains at rest.
    ///
    /// Errors: [`Status::NotSupported`] where there is no list ([`Hypervisor::has_list`]).
    pub fn list(&self) -> Result<Vec<DomainInfo>> {
        let dialect = self.sysctl()?;
        let mut rows = Vec::new();
        let mut first: u16 = 0;
        loop {
            let count = self
                .door
                .list(dialect, first, LIST_ROOM, |count, records| {
                    self.take_records(count, records, first, &mut rows)
                })
                .map_err(|errno| errors::refused("listing the domains", errno))??;
            let last = rows.last().and_then(|row| row.domid).unwrap_or(0);
            match u16::try_from(last + 1) {
                Ok(next) if count == LIST_ROOM && last + 1 < FIRST_RESERVED_DOMID => first = next,
                _ => return Ok(rows),
            }
        }
    }

    /// Decodes the `count` records of one call into `rows`. Numbers must rise from `first` on, as Xen's do: it is
    /// what makes the next call start beyond this one.
    fn take_records(
        &self,
        count: usize,
        records: &[u8],
        mut first: u16,
        rows: &mut Vec<DomainInfo>,
    ) -> Result<usize> {
        if count > LIST_ROOM {
            return Err(errors::garbled("the list of domains"));
        }
        rows.reserve(count);
        let mut strides = records.chunks_exact(self.record.size());
        for _ in 0..count {
            let record = strides
                .next()
                .and_then(|bytes| DomainRecord::decode(self.record, bytes))
                .filter(|record| record.domain >= first)
                .ok_or_else(|| errors::garbled("the list of domains"))?;
            first = record.domain.saturating_add(1);
            rows.push(record.info(self.dialect));
        }
        Ok(count)
    }

    /// Pauses a domain. From 4.5 (and 4.2.5, 4.3.3, 4.4.1) pauses are counted: each needs its unpause.
    pub fn pause(&self, domid: DomId) -> Result<()> {
        self.act(domid, Domctl::Pause, "pausing")
    }

    /// Takes one pause back.
    pub fn unpause(&self, domid: DomId) -> Result<()> {
        self.act(domid, Domctl::Unpause, "unpausing")
    }

    /// Ends a domain. Xen 3.2 to 4.5 free its memory in steps and want to be asked again after each; `deadline` bounds
    /// that, and what is left then goes on when asked again.
    pub fn destroy(&self, domid: DomId, deadline: Deadline) -> Result<()> {
        let call = DomctlCall { domain: ordinary(domid)?, op: Domctl::Destroy };
        loop {
            match self.door.domctl(self.dialect, call, |_| ()) {
                Ok(()) => return Ok(()),
                Err(errno::EAGAIN) if deadline.is_over() => {
                    let message = format!(
                        "Xen is still freeing the memory of domain {domid} after the deadline; destroy it again to go on"
                    );
                    return Err(Error::new(Status::Timeout, message)
                        .on(Road::Hypercall)
                        .with_errno(errno::EAGAIN));
                }
                Err(errno::EAGAIN) => std::thread::yield_now(),
                Err(errno) => return Err(errors::refused(format_args!("destroying domain {domid}"), errno)),
            }
        }
    }

    /// Limits a domain's memory. Less than it has takes nothing away; it only gets no more.
    pub fn set_max_memory(&self, domid: DomId, kib: u64) -> Result<()> {
        self.act(domid, Domctl::MaxMem { kib }, "limiting the memory of")
    }

    /// Sets how many vcpus a domain may have. Xen takes this once, before the domain first runs.
    pub fn set_max_vcpus(&self, domid: DomId, max: u32) -> Result<()> {
        self.act(domid, Domctl::MaxVcpus { max }, "setting the vcpus of")
    }

    fn act(&self, domid: DomId, op: Domctl, doing: &str) -> Result<()> {
        let call = DomctlCall { domain: ordinary(domid)?, op };
        self.door
            .domctl(self.dialect, call, |_| ())
            .map_err(|errno| errors::refused(format_args!("{doing} domain {domid}"), errno))
    }
}

impl fmt::Debug for Hypervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hypervisor(Xen {}, {} calls)", self.version, self.calls())
    }
}

/// The hypervisor has no sysctls.
fn no_sysctl(version: &XenVersion) -> Error {
    let message = format!(
        "Xen {version} was built without the hypercall for questions about the host (CONFIG_SYSCTL): there are no figures of the host, and \
         no list of domains but xenstore's"
    );
    Error::new(Status::NotSupported, message).on(Road::Hypercall).with_errno(errno::ENOSYS)
}

/// A domain's number as hypercalls carry it. Reserved ones mean other things to Xen ("myself", "anybody"), so they are refused here.
fn ordinary(domid: DomId) -> Result<u16> {
    match u16::try_from(domid) {
        Ok(domain) if domid < FIRST_RESERVED_DOMID => Ok(domain),
        _ => Err(Error::invalid_arg(format!(
            "{domid} is no domain's id: they are 0 to {}",
            FIRST_RESERVED_DOMID - 1
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::port::Memory;

    /// Xen 4.17 that answers everything with zeroes.
    struct Still;

    impl Hypercall for Still {
        fn call(&self, op: u64, args: [u64; 5], _: &mut Memory<'_>) -> Result<i64, i32> {
            Ok(if (op, args[0]) == (17, 0) { 4 << 16 | 17 } else { 0 })
        }
    }

    #[test]
    fn a_hypervisor_can_be_shared_by_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        let xen = Hypervisor::over(Arc::new(Still), &Log::default()).unwrap();
        shared(&xen);
        assert_eq!(format!("{xen:?}"), "Hypervisor(Xen 4.17, 4 calls)");
    }

    #[test]
    fn an_empty_list_is_no_error_and_is_asked_for_once() {
        let xen = Hypervisor::over(Arc::new(Still), &Log::default()).unwrap();
        assert_eq!(xen.list().unwrap(), []);
        assert_eq!(xen.calls(), 5);
    }

    #[test]
    fn without_a_device_the_error_names_the_usual_one() {
        if Path::new("/dev/xen").exists() || Path::new("/proc/xen/privcmd").exists() {
            return;
        }
        let error = Hypervisor::open(None, &Log::default()).unwrap_err();
        assert_eq!((error.status, error.road), (Status::NoConnect, Road::Hypercall));
        assert!(error.message.contains("/dev/xen/privcmd"), "{error}");
    }
}

//! Control hypercalls as bytes: what a toolstack asks the hypervisor, and what it answers, for every generation.
//!
//! Xen breaks these structures with nearly every release and tells generations apart by an interface version in each
//! request. What differs is data here: [`generation`] has one row per run of releases, [`tables`] one table per structure with a
//! column per layout, and there is one reader and writer over them ([`layout`]), on which requests and answers stand: [`request`],
//! and a module for each thing that they are about. Both ends of the road use them: the near end encodes requests and decodes
//! replies, the far end the reverse.
//!
//! The facts come from Xen's public headers (xen/include/public: xen.h, version.h, domctl.h, sysctl.h), compiled for each
//! release, and were seen again in the answers of real hypervisors (tests/hypercall_recordings.rs).

pub mod create;
pub mod domain;
pub mod generation;
pub mod host;
pub mod hw_cap;
pub mod layout;
pub mod other_tables;
pub mod others;
pub mod physinfo;
pub mod reads;
pub mod request;
pub mod scheduler;
pub mod state;
pub mod tables;
pub mod vcpu;

pub use create::CreateDomain;
pub use domain::DomainRecord;
pub use generation::{Arch, DOM0_OPS, Dialect, GENERATIONS, Generation, Known, Release};
pub use host::ListCall;
pub use hw_cap::CpuidWords;
pub use physinfo::PhysInfo;
pub use request::{Dom0Op, Domctl, DomctlCall, Refusal, Sysctl, VersionOp};
pub use vcpu::{VcpuAffinity, VcpuInfo};

/// Numbers of hypercalls (public/xen.h, `__HYPERVISOR_*`).
pub mod number {
    /// `dom0_op(ptr)`: 3.0.0 to 3.0.2. Newer Xens use the number for something else, with a version of its own.
    pub const DOM0_OP: u64 = 7;
    /// `memory_op(cmd, ptr)`.
    pub const MEMORY_OP: u64 = 12;
    /// `multicall(ptr, count)`.
    pub const MULTICALL: u64 = 13;
    /// `xen_version(cmd, ptr)`.
    pub const XEN_VERSION: u64 = 17;
    /// `sched_op(cmd, ptr)` (3.0.3 and later).
    pub const SCHED_OP: u64 = 29;
    /// `event_channel_op(cmd, ptr)` (3.0.3 and later).
    pub const EVENT_CHANNEL_OP: u64 = 32;
    /// `hvm_op(cmd, ptr)` (3.0.3 and later).
    pub const HVM_OP: u64 = 34;
    /// `sysctl(ptr)`.
    pub const SYSCTL: u64 = 35;
    /// `domctl(ptr)`.
    pub const DOMCTL: u64 = 36;
}

/// Errors as Xen returns them (public/errno.h); the numbers are Linux's.
pub mod errno {
    /// No right to do this.
    pub const EPERM: i32 = 1;
    /// No such thing.
    pub const ENOENT: i32 = 2;
    /// No such domain.
    pub const ESRCH: i32 = 3;
    /// Ask again: the operation is not finished.
    pub const EAGAIN: i32 = 11;
    /// Out of memory.
    pub const ENOMEM: i32 = 12;
    /// The request carries the wrong interface version; or a security policy denies it.
    pub const EACCES: i32 = 13;
    /// An address cannot be read or written.
    pub const EFAULT: i32 = 14;
    /// It cannot be changed any more.
    pub const EBUSY: i32 = 16;
    /// It exists already.
    pub const EEXIST: i32 = 17;
    /// Nonsense.
    pub const EINVAL: i32 = 22;
    /// It does not fit.
    pub const ENOSPC: i32 = 28;
    /// No such operation.
    pub const ENOSYS: i32 = 38;
    /// There is nothing to tell.
    pub const ENODATA: i32 = 61;
    /// The pause count is full (4.6 and later).
    pub const EOVERFLOW: i32 = 75;
    /// The pause count is full (4.2.5 to 4.5).
    pub const EUSERS: i32 = 87;
    /// Not on this machine, or not with these arguments.
    pub const EOPNOTSUPP: i32 = 95;
    /// The buffer is too small.
    pub const ENOBUFS: i32 = 105;
}

/// Bytes in a page of the figures that Xen gives, on every architecture.
pub const PAGE_SIZE: u64 = 4096;

/// KiB in `pages` pages; saturates.
pub fn pages_to_kib(pages: u64) -> u64 {
    pages.saturating_mul(PAGE_SIZE / 1024)
}

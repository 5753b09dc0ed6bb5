//! The figures' C form.
//!
//! Unsafe: implements a trait whose promise the compiler checks in `sized!`.
#![allow(unsafe_code)]

use std::ffi::c_char;

use super::sized::{SizedOut, sized};
use crate::model::{DomainInfo, NodeInfo};

/// `xenith_node_info.valid`: memory_kib is known.
pub const XENITH_NODE_INFO_MEMORY_KIB: u64 = 1;
/// `xenith_node_info.valid`: free_memory_kib is known.
pub const XENITH_NODE_INFO_FREE_MEMORY_KIB: u64 = 2;
/// `xenith_node_info.valid`: cpus is known.
pub const XENITH_NODE_INFO_CPUS: u64 = 4;
/// `xenith_node_info.valid`: mhz is known.
pub const XENITH_NODE_INFO_MHZ: u64 = 8;
/// `xenith_node_info.valid`: nodes is known.
pub const XENITH_NODE_INFO_NODES: u64 = 16;
/// `xenith_node_info.valid`: sockets is known.
pub const XENITH_NODE_INFO_SOCKETS: u64 = 32;
/// `xenith_node_info.valid`: cores is known.
pub const XENITH_NODE_INFO_CORES: u64 = 64;
/// `xenith_node_info.valid`: threads is known.
pub const XENITH_NODE_INFO_THREADS: u64 = 128;
/// `xenith_node_info.valid`: machine is known.
pub const XENITH_NODE_INFO_MACHINE: u64 = 256;

/// The host's processors and memory. A field means something only if its bit (`XENITH_NODE_INFO_*`)
/// is set in `valid`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xenith_node_info {
    /// Which fields are known: `XENITH_NODE_INFO_*`.
    pub valid: u64,
    /// All memory, KiB.
    pub memory_kib: u64,
    /// Memory that no domain has, KiB.
    pub free_memory_kib: u64,
    /// Processors that are online.
    pub cpus: u32,
    /// Clock, MHz.
    pub mhz: u32,
    /// NUMA nodes.
    pub nodes: u32,
    /// Sockets per node.
    pub sockets: u32,
    /// Cores per socket.
    pub cores: u32,
    /// Threads per core.
    pub threads: u32,
    /// The machine type, NUL-terminated: "x86_64", "i686", "aarch64".
    pub machine: [c_char; 32],
}

sized! {
    xenith_node_info {
        valid: u64, memory_kib: u64, free_memory_kib: u64, cpus: u32, mhz: u32, nodes: u32, sockets: u32, cores: u32,
        threads: u32, machine: [c_char; 32],
    }
}

/// `xenith_domain_info.valid`: memory_kib is known.
pub const XENITH_DOMAIN_INFO_MEMORY_KIB: u64 = 1;
/// `xenith_domain_info.valid`: max_memory_kib is known (Domain-0 has no limit).
pub const XENITH_DOMAIN_INFO_MAX_MEMORY_KIB: u64 = 2;
/// `xenith_domain_info.valid`: cpu_time_ns is known.
pub const XENITH_DOMAIN_INFO_CPU_TIME_NS: u64 = 4;
/// `xenith_domain_info.valid`: shared_kib is known.
pub const XENITH_DOMAIN_INFO_SHARED_KIB: u64 = 8;
/// `xenith_domain_info.valid`: paged_kib is known.
pub const XENITH_DOMAIN_INFO_PAGED_KIB: u64 = 16;
/// `xenith_domain_info.valid`: outstanding_kib is known.
pub const XENITH_DOMAIN_INFO_OUTSTANDING_KIB: u64 = 32;
/// `xenith_domain_info.valid`: state is known.
pub const XENITH_DOMAIN_INFO_STATE: u64 = 64;
/// `xenith_domain_info.valid`: reason is known.
pub const XENITH_DOMAIN_INFO_REASON: u64 = 128;
/// `xenith_domain_info.valid`: id is known, which it is for active domains only.
pub const XENITH_DOMAIN_INFO_ID: u64 = 256;
/// `xenith_domain_info.valid`: guest_type is known.
pub const XENITH_DOMAIN_INFO_GUEST_TYPE: u64 = 512;
/// `xenith_domain_info.valid`: vcpus_online is known.
pub const XENITH_DOMAIN_INFO_VCPUS_ONLINE: u64 = 1024;
/// `xenith_domain_info.valid`: vcpus_max is known.
pub const XENITH_DOMAIN_INFO_VCPUS_MAX: u64 = 2048;
/// `xenith_domain_info.valid`: cpupool is known.
pub const XENITH_DOMAIN_INFO_CPUPOOL: u64 = 4096;
/// `xenith_domain_info.valid`: ssidref is known.
pub const XENITH_DOMAIN_INFO_SSIDREF: u64 = 8192;
/// `xenith_domain_info.valid`: uuid is known.
pub const XENITH_DOMAIN_INFO_UUID: u64 = 16384;

/// A domain at one moment. A field means something only if its bit (`XENITH_DOMAIN_INFO_*`) is set
/// in `valid`: what the host does not tell is absent, not zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xenith_domain_info {
    /// Which fields are known: `XENITH_DOMAIN_INFO_*`.
    pub valid: u64,
    /// Memory that it has now, KiB.
    pub memory_kib: u64,
    /// The most memory that it may have, KiB.
    pub max_memory_kib: u64,
    /// Processor time used in this life, ns.
    pub cpu_time_ns: u64,
    /// Memory shared with other domains, KiB (Xen 4.0 and later).
    pub shared_kib: u64,
    /// Memory paged out, KiB (Xen 4.2 and later).
    pub paged_kib: u64,
    /// Memory claimed and not yet allocated, KiB (Xen 4.3 and later).
    pub outstanding_kib: u64,
    /// What it does: `XENITH_STATE_*`.
    pub state: u32,
    /// Why: `XENITH_REASON_*`.
    pub reason: u32,
    /// The number of its life, if it is active.
    pub id: u32,
    /// The kind of guest: `XENITH_GUEST_*`.
    pub guest_type: u32,
    /// Vcpus that are online.
    pub vcpus_online: u32,
    /// Vcpus that exist.
    pub vcpus_max: u32,
    /// The cpupool that it runs in (Xen 4.1 and later).
    pub cpupool: u32,
    /// The number of its security label.
    pub ssidref: u32,
    /// The uuid, in the order in which it is written. Zeroes for domains that were never given one,
    /// such as Domain-0.
    pub uuid: [u8; 16],
}

sized! {
    xenith_domain_info {
        valid: u64, memory_kib: u64, max_memory_kib: u64, cpu_time_ns: u64, shared_kib: u64, paged_kib: u64,
        outstanding_kib: u64, state: u32, reason: u32, id: u32, guest_type: u32, vcpus_online: u32, vcpus_max: u32,
        cpupool: u32, ssidref: u32, uuid: [u8; 16],
    }
}

/// `bit` if there is a value.
fn bit<T>(bit: u64, value: Option<T>) -> u64 {
    if value.is_some() { bit } else { 0 }
}

impl From<&DomainInfo> for xenith_domain_info {
    fn from(info: &DomainInfo) -> Self {
        let valid = XENITH_DOMAIN_INFO_STATE
            | XENITH_DOMAIN_INFO_REASON
            | XENITH_DOMAIN_INFO_UUID
            | bit(XENITH_DOMAIN_INFO_MEMORY_KIB, info.memory_kib)
            | bit(XENITH_DOMAIN_INFO_MAX_MEMORY_KIB, info.max_memory_kib)
            | bit(XENITH_DOMAIN_INFO_CPU_TIME_NS, info.cpu_time_ns)
            | bit(XENITH_DOMAIN_INFO_SHARED_KIB, info.shared_kib)
            | bit(XENITH_DOMAIN_INFO_PAGED_KIB, info.paged_kib)
            | bit(XENITH_DOMAIN_INFO_OUTSTANDING_KIB, info.outstanding_kib)
            | bit(XENITH_DOMAIN_INFO_ID, info.domid)
            | bit(XENITH_DOMAIN_INFO_GUEST_TYPE, info.guest_type)
            | bit(XENITH_DOMAIN_INFO_VCPUS_ONLINE, info.vcpus_online)
            | bit(XENITH_DOMAIN_INFO_VCPUS_MAX, info.vcpus_max)
            | bit(XENITH_DOMAIN_INFO_CPUPOOL, info.cpupool)
            | bit(XENITH_DOMAIN_INFO_SSIDREF, info.ssidref);
        xenith_domain_info {
            valid,
            memory_kib: info.memory_kib.unwrap_or(0),
            max_memory_kib: info.max_memory_kib.unwrap_or(0),
            cpu_time_ns: info.cpu_time_ns.unwrap_or(0),
            shared_kib: info.shared_kib.unwrap_or(0),
            paged_kib: info.paged_kib.unwrap_or(0),
            outstanding_kib: info.outstanding_kib.unwrap_or(0),
            state: info.state as u32,
            reason: info.reason as u32,
            id: info.domid.unwrap_or(0),
            guest_type: info.guest_type.map_or(0, |kind| kind as u32),
            vcpus_online: info.vcpus_online.unwrap_or(0),
            vcpus_max: info.vcpus_max.unwrap_or(0),
            cpupool: info.cpupool.unwrap_or(0),
            ssidref: info.ssidref.unwrap_or(0),
            uuid: info.uuid.into_bytes(),
        }
    }
}

impl From<&NodeInfo> for xenith_node_info {
    fn from(info: &NodeInfo) -> Self {
        let mut machine = [0; 32];
        // A name that does not fit is left out rather than cut: half a name would be another machine's.
        let fits = info.machine.len() < machine.len();
        if fits {
            machine.iter_mut().zip(info.machine.bytes()).for_each(|(to, from)| *to = from as c_char);
        }
        let valid = XENITH_NODE_INFO_MEMORY_KIB
            | XENITH_NODE_INFO_CPUS
            | XENITH_NODE_INFO_NODES
            | XENITH_NODE_INFO_SOCKETS
            | XENITH_NODE_INFO_CORES
            | XENITH_NODE_INFO_THREADS
            | bit(XENITH_NODE_INFO_FREE_MEMORY_KIB, info.free_memory_kib)
            | bit(XENITH_NODE_INFO_MHZ, info.mhz)
            | bit(XENITH_NODE_INFO_MACHINE, fits.then_some(()));
        xenith_node_info {
            valid,
            memory_kib: info.memory_kib,
            free_memory_kib: info.free_memory_kib.unwrap_or(0),
            cpus: info.cpus,
            mhz: info.mhz.unwrap_or(0),
            nodes: info.nodes,
            sockets: info.sockets,
            cores: info.cores,
            threads: info.threads,
            machine,
        }
    }
}

/// A struct of figures: a mask of valid fields first, and bit N of it speaks of field N + 1.
pub(super) trait Figures: super::sized::Growing {
    /// The mask.
    fn valid(&mut self) -> &mut u64;
}

impl Figures for xenith_domain_info {
    fn valid(&mut self) -> &mut u64 {
        &mut self.valid
    }
}

impl Figures for xenith_node_info {
    fn valid(&mut self) -> &mut u64 {
        &mut self.valid
    }
}

/// Writes `figures` to an output of the caller's size: a field that does not fit whole is not valid
/// there.
pub(super) fn put<T: Figures>(out: SizedOut, mut figures: T) {
    let ends = T::ENDS.iter().skip(1).enumerate();
    let held = ends.filter(|(_, end)| out.holds(**end)).fold(0, |mask, (bit, _)| mask | 1 << bit);
    *figures.valid() &= held;
    out.put(&figures);
}

#[cfg(test)]
mod tests {
    use super::super::sized::Growing as _;
    use super::*;
    use crate::model::{GuestType, Reason, State, Uuid};

    const INFO: DomainInfo = DomainInfo {
        domid: Some(7),
        uuid: Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        state: State::Blocked,
        reason: Reason::Idle,
        guest_type: Some(GuestType::Pv),
        memory_kib: Some(1),
        max_memory_kib: None,
        cpu_time_ns: Some(3),
        vcpus_online: Some(1),
        vcpus_max: Some(2),
        shared_kib: None,
        paged_kib: None,
        outstanding_kib: None,
        cpupool: Some(0),
        ssidref: Some(0),
    };

    #[test]
    fn what_is_unknown_is_absent_and_zero_is_a_value() {
        let info = xenith_domain_info::from(&INFO);
        assert_eq!(info.valid & XENITH_DOMAIN_INFO_MAX_MEMORY_KIB, 0);
        assert_ne!(info.valid & XENITH_DOMAIN_INFO_CPUPOOL, 0);
        assert_eq!((info.id, info.state, info.uuid[0], info.uuid[15]), (7, 2, 1, 16));
    }

    #[test]
    fn the_bits_are_numbered_by_field() {
        let all = xenith_domain_info::from(&DomainInfo {
            max_memory_kib: Some(1),
            shared_kib: Some(1),
            paged_kib: Some(1),
            outstanding_kib: Some(1),
            ..INFO
        });
        assert_eq!(all.valid, (1 << (xenith_domain_info::ENDS.len() - 1)) - 1);
        let node = NodeInfo { mhz: Some(1), free_memory_kib: Some(1), ..NodeInfo::default() };
        assert_eq!(xenith_node_info::from(&node).valid, (1 << (xenith_node_info::ENDS.len() - 1)) - 1);
    }

    #[test]
    fn a_field_that_does_not_fit_whole_is_not_valid() {
        let full = xenith_domain_info::from(&INFO);
        let mut place = full;
        let size = std::mem::offset_of!(xenith_domain_info, reason) + 2;
        // SAFETY: within the struct.
        let out = unsafe { SizedOut::new(&raw mut place, "info", size) }.unwrap();
        put(out, full);
        assert_ne!(place.valid & XENITH_DOMAIN_INFO_STATE, 0);
        assert_eq!(place.valid & !(XENITH_DOMAIN_INFO_REASON - 1), 0);
    }

    #[test]
    fn a_machine_name_that_does_not_fit_is_absent() {
        let long = NodeInfo { machine: "m".repeat(32), ..NodeInfo::default() };
        let long = xenith_node_info::from(&long);
        assert_eq!((long.valid & XENITH_NODE_INFO_MACHINE, long.machine[0]), (0, 0));
        let fits = NodeInfo { machine: "m".repeat(31), ..NodeInfo::default() };
        let fits = xenith_node_info::from(&fits);
        assert_ne!(fits.valid & XENITH_NODE_INFO_MACHINE, 0);
        assert_eq!((fits.machine[30], fits.machine[31]), (b'm' as c_char, 0));
    }
}

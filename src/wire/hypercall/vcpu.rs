//! One vcpu: its state, and the processors that it may run on.

use super::layout::record;

record! {
    /// A vcpu's state: the answer to getvcpuinfo (domctl.h, `struct xen_domctl_getvcpuinfo`).
    VcpuInfo of getvcpuinfo {
        /// It is up.
        online: bool = ONLINE,
        /// It waits for an event.
        blocked: bool = BLOCKED,
        /// It is on a processor now.
        running: bool = RUNNING,
        /// Processor time that it has used, ns.
        cpu_time_ns: u64 = CPU_TIME,
        /// The processor that it is on, or was last.
        cpu: u32 = CPU,
        /// The first 64 processors that it may run on (3.0.0 to 3.0.2; later it has an operation of its own).
        cpumap: Option<u64> = CPUMAP,
    }
}

/// [`VcpuAffinity::flags`] (domctl.h, `XEN_VCPUAFFINITY_*`).
pub mod affinity {
    /// The processors that it may run on.
    pub const HARD: u32 = 0x1;
    /// The processors that it should run on.
    pub const SOFT: u32 = 0x2;
    /// Even where something else pinned it (4.7 and later).
    pub const FORCE: u32 = 0x4;
}

record! {
    /// Sets or asks for a vcpu's affinity (domctl.h, `struct xen_domctl_vcpuaffinity`). Maps are bits in guest memory, the first processor's lowest.
    VcpuAffinity of vcpuaffinity {
        /// Which.
        vcpu: u32 = VCPU,
        /// The map itself (3.0.0 to 3.0.2).
        cpumap: Option<u64> = CPUMAP,
        /// The address of the map (3.0.3 to 4.4).
        map: Option<u64> = MAP,
        /// Bits in it.
        map_bits: Option<u32> = MAP_BITS,
        /// Which maps are meant: bits of [`affinity`] (4.5 and later).
        flags: Option<u32> = FLAGS,
        /// The address of the hard map (4.5 and later).
        hard: Option<u64> = HARD,
        /// Bits in it.
        hard_bits: Option<u32> = HARD_BITS,
        /// The address of the soft map (4.5 and later).
        soft: Option<u64> = SOFT,
        /// Bits in it.
        soft_bits: Option<u32> = SOFT_BITS,
    }
}

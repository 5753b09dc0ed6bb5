//! A Xen host as a whole.

use std::fmt;

/// A hypervisor release: 4.4 with extra version ".4" is Xen 4.4.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XenVersion {
    /// 4 in 4.17.
    pub major: u16,
    /// 17 in 4.17.
    pub minor: u16,
    /// What the hypervisor appends, such as ".5" or "-rc3".
    pub extra: String,
}

impl XenVersion {
    /// The leading number of `extra`: 4 in ".4-pre"; None where there is none.
    pub fn micro(&self) -> Option<u32> {
        let digits: String = self.extra.strip_prefix('.')?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    }

    /// As one number in libvirt's manner: major * 1,000,000 + minor * 1000 + micro.
    pub fn as_number(&self) -> u64 {
        u64::from(self.major) * 1_000_000
            + u64::from(self.minor) * 1000
            + u64::from(self.micro().unwrap_or(0).min(999))
    }
}

impl fmt::Display for XenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}{}", self.major, self.minor, self.extra)
    }
}

/// The host's processors and memory. What the road does not tell is None.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeInfo {
    /// The machine type: x86_64, i686, aarch64.
    pub machine: String,
    /// All memory, KiB.
    pub memory_kib: u64,
    /// Memory that no domain has, KiB.
    pub free_memory_kib: Option<u64>,
    /// Processors online.
    pub cpus: u32,
    /// Clock, MHz.
    pub mhz: Option<u32>,
    /// NUMA nodes.
    pub nodes: u32,
    /// Sockets per node.
    pub sockets: u32,
    /// Cores per socket.
    pub cores: u32,
    /// Threads per core.
    pub threads: u32,
}

/// What processors can do for virtual machines, as far as the capabilities show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuFeatures {
    /// Intel's hardware virtualization.
    pub vmx: bool,
    /// AMD's.
    pub svm: bool,
    /// Physical address extension.
    pub pae: bool,
    /// The hypervisor uses hardware-assisted paging (nested page tables).
    pub hap: bool,
}

impl CpuFeatures {
    /// What either says. Inside dom0 the kernel is not shown what the hypervisor keeps for itself, and the other way round an old
    /// hypervisor does not tell all.
    pub fn or(self, other: CpuFeatures) -> CpuFeatures {
        CpuFeatures {
            vmx: self.vmx || other.vmx,
            svm: self.svm || other.svm,
            pae: self.pae || other.pae,
            hap: self.hap || other.hap,
        }
    }
}

/// Where a processor is; None where the hypervisor does not tell, or it is offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuPlace {
    /// Its core, as numbered within the socket.
    pub core: Option<u32>,
    /// Its socket.
    pub socket: Option<u32>,
    /// Its NUMA node.
    pub node: Option<u32>,
}

/// A NUMA node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumaNode {
    /// Its memory, KiB; None for a node that is not there.
    pub memory_kib: Option<u64>,
    /// What of it no domain has, KiB.
    pub free_memory_kib: Option<u64>,
    /// How far each node is, by number: 10 is here. None where there is no way.
    pub distances: Vec<Option<u32>>,
}

//! The host's processors and memory: what physinfo answers.

use super::generation::Release;
use super::layout::Layout;
use super::tables::physinfo as at;
use super::{CpuidWords, pages_to_kib};
use crate::model::{CpuFeatures, NodeInfo};

/// The answer; what a generation does not tell is None.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PhysInfo {
    /// Threads of a core.
    pub threads_per_core: u32,
    /// Cores of a socket.
    pub cores_per_socket: u32,
    /// Processors online.
    pub cpus: u32,
    /// The highest possible processor's number.
    pub max_cpu_id: Option<u32>,
    /// NUMA nodes.
    pub nodes: u32,
    /// Clock, kHz.
    pub cpu_khz: u32,
    /// Pages of memory.
    pub total_pages: u64,
    /// Pages that are free.
    pub free_pages: u64,
    /// Freed pages that are still to be scrubbed (3.0.3 and later).
    pub scrub_pages: Option<u64>,
    /// Pages claimed and not yet given (4.3 and later).
    pub outstanding_pages: Option<u64>,
    /// The highest machine frame (4.10 and later).
    pub max_mfn: Option<u64>,
    /// The first processor's CPUID feature words, as Xen keeps them.
    pub hw_cap: [u32; 8],
    /// What the hardware can do (sysctl.h, `XEN_SYSCTL_PHYSCAP_*`): bit 0 is HVM (3.3 and later).
    pub capabilities: Option<u32>,
    /// What the architecture can do besides (4.17 and later).
    pub arch_capabilities: Option<u32>,
}

/// `XEN_SYSCTL_PHYSCAP_hvm`: the processors can run hardware-virtualized guests.
pub const CAP_HVM: u32 = 0x1;
/// `XEN_SYSCTL_PHYSCAP_hap`: they can translate such guests' addresses by themselves. From 4.13; no other meaning before.
pub const CAP_HAP: u32 = 0x8;

impl PhysInfo {
    /// From the payload of sysctl 3's answer. None when `bytes` are too few, or lack what every known generation has.
    pub fn decode(layout: Layout, bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..layout.size())?;
        let word = |field| layout.get(bytes, field);
        let half = |field| layout.get32(bytes, field);
        let threads_per_core = half(&at::THREADS_PER_CORE)?;
        let cores_per_socket = half(&at::CORES_PER_SOCKET)?;
        let nodes = match half(&at::NR_NODES) {
            Some(nodes) => nodes,
            None => half(&at::MAX_NODE_ID)?.saturating_add(1),
        };
        let cpus = match half(&at::NR_CPUS) {
            Some(cpus) => cpus,
            None => [threads_per_core, cores_per_socket, half(&at::SOCKETS_PER_NODE)?]
                .into_iter()
                .fold(nodes, u32::saturating_mul),
        };
        let hw_cap = layout.bytes(bytes, &at::HW_CAP)?;
        Some(PhysInfo {
            threads_per_core,
            cores_per_socket,
            cpus,
            max_cpu_id: half(&at::MAX_CPU_ID),
            nodes,
            cpu_khz: half(&at::CPU_KHZ)?,
            total_pages: word(&at::TOTAL_PAGES)?,
            free_pages: word(&at::FREE_PAGES)?,
            scrub_pages: word(&at::SCRUB_PAGES),
            outstanding_pages: word(&at::OUTSTANDING_PAGES),
            max_mfn: word(&at::MAX_MFN),
            hw_cap: std::array::from_fn(|word| {
                let bytes = hw_cap.get(word * 4..word * 4 + 4).and_then(|bytes| bytes.try_into().ok());
                u32::from_le_bytes(bytes.unwrap_or_default())
            }),
            capabilities: half(&at::CAPABILITIES),
            arch_capabilities: half(&at::ARCH_CAPABILITIES),
        })
    }

    /// Into the payload of an answer. None when `bytes` are too few.
    pub fn encode(&self, layout: Layout, bytes: &mut [u8]) -> Option<()> {
        let bytes = bytes.get_mut(..layout.size())?;
        bytes.fill(0);
        let per_node = self.sockets_per_node();
        let mut put = |field, value: Option<u64>| value.and_then(|value| layout.set(bytes, field, value));
        put(&at::THREADS_PER_CORE, Some(self.threads_per_core.into()));
        put(&at::CORES_PER_SOCKET, Some(self.cores_per_socket.into()));
        put(&at::NR_CPUS, Some(self.cpus.into()));
        put(&at::SOCKETS_PER_NODE, Some(per_node.into()));
        put(&at::MAX_CPU_ID, self.max_cpu_id.map(u64::from));
        put(&at::NR_NODES, Some(self.nodes.into()));
        put(&at::MAX_NODE_ID, Some(self.nodes.saturating_sub(1).into()));
        put(&at::CPU_KHZ, Some(self.cpu_khz.into()));
        put(&at::TOTAL_PAGES, Some(self.total_pages));
        put(&at::FREE_PAGES, Some(self.free_pages));
        put(&at::SCRUB_PAGES, self.scrub_pages);
        put(&at::OUTSTANDING_PAGES, self.outstanding_pages);
        put(&at::MAX_MFN, self.max_mfn);
        put(&at::CAPABILITIES, self.capabilities.map(u64::from));
        put(&at::ARCH_CAPABILITIES, self.arch_capabilities.map(u64::from));
        let hw_cap = self.hw_cap.iter().flat_map(|word| word.to_le_bytes());
        layout.bytes_mut(bytes, &at::HW_CAP)?.iter_mut().zip(hw_cap).for_each(|(to, from)| *to = from);
        Some(())
    }

    /// The host's figures; `machine` is its machine type, which physinfo does not tell.
    pub fn node_info(&self, machine: &str) -> NodeInfo {
        NodeInfo {
            machine: machine.into(),
            memory_kib: pages_to_kib(self.total_pages),
            // Pages yet to be scrubbed count as free: Xen scrubs them when they are asked for.
            free_memory_kib: Some(pages_to_kib(
                self.free_pages.saturating_add(self.scrub_pages.unwrap_or(0)),
            )),
            cpus: self.cpus,
            mhz: (self.cpu_khz > 0).then_some(self.cpu_khz / 1000),
            nodes: self.nodes.max(1),
            sockets: self.sockets_per_node().max(1),
            cores: self.cores_per_socket.max(1),
            threads: self.threads_per_core.max(1),
        }
    }

    /// What the processors can do; `release` is the one that answered.
    pub fn cpu_features(&self, release: Release) -> CpuFeatures {
        let hap = self.capabilities.is_some_and(|capabilities| capabilities & CAP_HAP != 0);
        CpuFeatures { hap, ..CpuidWords::read(&self.hw_cap, release).features() }
    }

    fn sockets_per_node(&self) -> u32 {
        let per_socket = self.threads_per_core.saturating_mul(self.cores_per_socket);
        self.cpus / per_socket.saturating_mul(self.nodes).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::GENERATIONS;
    use super::super::generation::Arch;
    use super::super::tables::physinfo::TABLE;
    use super::*;
    use proptest::prelude::*;

    fn host() -> PhysInfo {
        PhysInfo {
            threads_per_core: 2,
            cores_per_socket: 4,
            cpus: 16,
            max_cpu_id: Some(15),
            nodes: 2,
            cpu_khz: 2_400_000,
            total_pages: 1 << 22,
            free_pages: 1 << 20,
            scrub_pages: Some(16),
            outstanding_pages: Some(8),
            max_mfn: Some(1 << 23),
            hw_cap: [1, 2, 3, 4, 5, 6, 7, 0xffff_ffff],
            capabilities: Some(CAP_HVM),
            arch_capabilities: Some(3),
        }
    }

    #[test]
    fn an_answer_keeps_what_its_generation_can_say() {
        for row in GENERATIONS {
            let layout = TABLE.layout(row.from, Arch::X86_64).unwrap();
            let mut bytes = [0xff; 128];
            host().encode(layout, &mut bytes).unwrap();
            let back = PhysInfo::decode(layout, &bytes).unwrap();
            let expected = PhysInfo {
                scrub_pages: host().scrub_pages.filter(|_| row.since((3, 0, 3))),
                max_cpu_id: host().max_cpu_id.filter(|_| row.since((3, 2, 0))),
                capabilities: host().capabilities.filter(|_| row.since((3, 3, 0))),
                outstanding_pages: host().outstanding_pages.filter(|_| row.since((4, 3, 0))),
                max_mfn: host().max_mfn.filter(|_| row.since((4, 10, 0))),
                arch_capabilities: host().arch_capabilities.filter(|_| row.since((4, 17, 0))),
                ..host()
            };
            assert_eq!(back, expected, "{row}");
        }
    }

    #[test]
    fn nested_paging_is_told_by_a_flag_of_its_own() {
        let mut info = host();
        assert!(!info.cpu_features((4, 17, 0)).hap);
        info.capabilities = Some(CAP_HVM | CAP_HAP);
        assert!(info.cpu_features((4, 17, 0)).hap);
        info.capabilities = None;
        assert_eq!(info.cpu_features((3, 4, 0)), CpuidWords::read(&info.hw_cap, (3, 4, 0)).features());
    }

    #[test]
    fn sockets_are_counted_per_node() {
        let node = host().node_info("x86_64");
        assert_eq!((node.nodes, node.sockets, node.cores, node.threads), (2, 1, 4, 2));
        assert_eq!((node.memory_kib, node.mhz), (1 << 24, Some(2400)));
    }

    proptest! {
        #[test]
        fn any_bytes_of_the_right_length_are_an_answer(bytes in prop::collection::vec(any::<u8>(), 128), row in prop::sample::select(GENERATIONS.to_vec())) {
            let layout = TABLE.layout(row.from, Arch::X86_64).unwrap();
            let info = PhysInfo::decode(layout, &bytes);
            prop_assert!(info.is_some());
            let _ = info.map(|info| info.node_info("x86_64"));
        }
    }
}

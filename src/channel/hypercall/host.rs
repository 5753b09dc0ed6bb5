//! Questions about the host's processors, memory, schedulers and console.

use super::door::ROOM;
use super::errors::{garbled, refused};
use super::{Hypervisor, no_sysctl};
use crate::error::Result;
use crate::model::{CpuPlace, NumaNode};
use crate::wire::hypercall::host::{
    AvailHeap, CpuInfo, CpuInfoCall, CpuNodes, CpuTopoInfo, CpuTopology, INVALID, MemInfo, NumaInfo,
    ReadConsole, TopologyInfo,
};
use crate::wire::hypercall::scheduler::{HostHead, HostSchedulerOp, HostSchedulerParams};
use crate::wire::hypercall::{Dialect, PhysInfo, Sysctl, request};

/// Processors that are made room for.
const MAX_CPUS: u32 = 4096;

/// NUMA nodes that are made room for: Xen has 64 at most.
const MAX_NODES: u32 = 64;

impl Hypervisor {
    /// Processors and memory. One hypercall.
    pub fn physinfo(&self) -> Result<PhysInfo> {
        self.door
            .sysctl(self.sysctl()?, Sysctl::PhysInfo, |bytes| {
                PhysInfo::decode(self.physinfo, request::sysctl_payload(bytes)?)
            })
            .map_err(|errno| refused("reading the host's figures", errno))?
            .ok_or_else(|| garbled("the host's figures"))
    }

    /// Where each processor is, by its number. One hypercall. Xen 3.2 to 4.0 know the nodes only.
    ///
    /// Errors: [`crate::Status::NotSupported`] before 3.2.
    pub fn cpu_topology(&self) -> Result<Vec<CpuPlace>> {
        let dialect = self.sysctl()?;
        let asked = if dialect.layout(CpuTopoInfo::TABLE).is_some() {
            self.topology_of_today(dialect)
        } else if dialect.layout(TopologyInfo::TABLE).is_some() {
            self.topology_in_three(dialect)
        } else {
            self.nodes_of_processors(dialect)
        };
        asked
            .map_err(|errno| refused("asking where the processors are", errno))?
            .ok_or_else(|| garbled("where the processors are"))
    }

    fn topology_of_today(&self, dialect: Dialect) -> std::result::Result<Option<Vec<CpuPlace>>, i32> {
        let element = dialect.layout(CpuTopology::TABLE).map_or(0, |layout| layout.size());
        let ask = |address| Sysctl::CpuTopoInfo(CpuTopoInfo { num_cpus: MAX_CPUS, cputopo: address });
        self.door.sysctl_with(dialect, MAX_CPUS as usize * element, ask, |bytes, room| {
            let layout = dialect.layout(CpuTopoInfo::TABLE)?;
            let found = CpuTopoInfo::decode(layout, request::sysctl_payload(bytes)?)?;
            let layout = dialect.layout(CpuTopology::TABLE)?;
            let places = room.chunks_exact(element).take(count(found.num_cpus, MAX_CPUS)?);
            let places = places.map(|bytes| {
                let place = CpuTopology::decode(layout, bytes)?;
                Some(CpuPlace {
                    core: valid(place.core),
                    socket: valid(place.socket),
                    node: valid(place.node),
                })
            });
            places.collect()
        })
    }

    fn topology_in_three(&self, dialect: Dialect) -> std::result::Result<Option<Vec<CpuPlace>>, i32> {
        const EACH: u64 = MAX_CPUS as u64 * 4;
        let ask = |address| {
            Sysctl::TopologyInfo(TopologyInfo {
                max_cpu_index: MAX_CPUS - 1,
                cpu_to_core: address,
                cpu_to_socket: address + EACH,
                cpu_to_node: address + 2 * EACH,
            })
        };
        self.door.sysctl_with(dialect, 3 * EACH as usize, ask, |bytes, room| {
            let layout = dialect.layout(TopologyInfo::TABLE)?;
            let found = TopologyInfo::decode(layout, request::sysctl_payload(bytes)?)?;
            let cpus = count(found.max_cpu_index.checked_add(1)?, MAX_CPUS)?;
            let (cores, rest) = room.split_at_checked(EACH as usize)?;
            let (sockets, nodes) = rest.split_at_checked(EACH as usize)?;
            let places = words(cores).zip(words(sockets)).zip(words(nodes)).take(cpus);
            let places = places.map(|((core, socket), node)| CpuPlace {
                core: valid(core),
                socket: valid(socket),
                node: valid(node),
            });
            Some(places.collect())
        })
    }

    fn nodes_of_processors(&self, dialect: Dialect) -> std::result::Result<Option<Vec<CpuPlace>>, i32> {
        let ask = |address| Sysctl::CpuNodes(CpuNodes { max_cpu_id: MAX_CPUS - 1, cpu_to_node: address });
        self.door.sysctl_with(dialect, MAX_CPUS as usize * 4, ask, |bytes, room| {
            let layout = dialect.layout(CpuNodes::TABLE)?;
            let found = CpuNodes::decode(layout, request::sysctl_payload(bytes)?)?;
            let cpus = count(found.max_cpu_id.checked_add(1)?, MAX_CPUS)?;
            let places = words(room).take(cpus);
            Some(places.map(|node| CpuPlace { node: valid(node), ..CpuPlace::default() }).collect())
        })
    }

    /// The NUMA nodes, by number. One hypercall.
    ///
    /// Errors: [`crate::Status::NotSupported`] before 4.1.
    pub fn numa_nodes(&self) -> Result<Vec<NumaNode>> {
        // Two numbers of 64 bits for each node, then the distances.
        const SIZES: u64 = MAX_NODES as u64 * 16;
        const ROOM: u64 = SIZES + MAX_NODES as u64 * MAX_NODES as u64 * 4;
        let dialect = self.sysctl()?;
        let ask = |address| {
            Sysctl::NumaInfo(NumaInfo {
                max_node_index: Some(MAX_NODES - 1),
                node_to_memsize: Some(address),
                node_to_memfree: Some(address + SIZES / 2),
                node_to_node_distance: Some(address + SIZES),
                num_nodes: Some(MAX_NODES),
                meminfo: Some(address),
                distance: Some(address + SIZES),
            })
        };
        let answer = self.door.sysctl_with(dialect, ROOM as usize, ask, |bytes, room| {
            let found = NumaInfo::decode(dialect.layout(NumaInfo::TABLE)?, request::sysctl_payload(bytes)?)?;
            let (sizes, distances) = room.split_at_checked(SIZES as usize)?;
            let nodes = found.num_nodes.or_else(|| found.max_node_index?.checked_add(1))?;
            let nodes = count(nodes, MAX_NODES)?;
            let memory: Vec<(u64, u64)> = match dialect.layout(MemInfo::TABLE) {
                Some(layout) => sizes
                    .chunks_exact(layout.size())
                    .map_while(|bytes| MemInfo::decode(layout, bytes))
                    .map(|node| (node.memsize, node.memfree))
                    .collect(),
                None => {
                    let (all, free) = sizes.split_at_checked(SIZES as usize / 2)?;
                    longs(all).zip(longs(free)).collect()
                }
            };
            // The distance from i to j is at i * nodes + j, for as many nodes as there are (sysctl.h).
            let distances: Vec<u32> = words(distances).take(nodes * nodes).collect();
            let rows = distances.chunks_exact(nodes.max(1));
            let nodes = memory.into_iter().take(nodes).zip(rows).map(|((all, free), row)| NumaNode {
                memory_kib: memory_of(all),
                free_memory_kib: memory_of(all).and(memory_of(free)),
                distances: row.iter().copied().map(valid).collect(),
            });
            Some(nodes.collect())
        });
        answer
            .map_err(|errno| refused("asking for the NUMA nodes", errno))?
            .ok_or_else(|| garbled("the NUMA nodes"))
    }

    /// How long each processor has been idle since the hypervisor booted, ns, by its number. One hypercall. Xen up to 4.1 tells of more
    /// processors than there are (recorded on 4.0 and 4.1): those at the end with 0 are left out.
    ///
    /// Errors: [`crate::Status::NotSupported`] before 3.2.
    pub fn cpu_idle_times(&self) -> Result<Vec<u64>> {
        let dialect = self.sysctl()?;
        let ask = |info| Sysctl::CpuInfo(CpuInfoCall { max_cpus: MAX_CPUS, info, nr_cpus: 0 });
        let element = dialect.layout(CpuInfo::TABLE).map_or(8, |layout| layout.size());
        let answer = self.door.sysctl_with(dialect, MAX_CPUS as usize * element, ask, |bytes, room| {
            let layout = dialect.layout(CpuInfoCall::TABLE)?;
            let found = CpuInfoCall::decode(layout, request::sysctl_payload(bytes)?)?;
            let layout = dialect.layout(CpuInfo::TABLE)?;
            let cpus = room.chunks_exact(element).take(count(found.nr_cpus, MAX_CPUS)?);
            cpus.map(|bytes| CpuInfo::decode(layout, bytes).map(|cpu| cpu.idle_ns)).collect()
        });
        let answer: Option<Vec<u64>> =
            answer.map_err(|errno| refused("asking for the processors' idle times", errno))?;
        let mut times = answer.ok_or_else(|| garbled("the processors' idle times"))?;
        if !dialect.generation.since((4, 2, 0)) {
            times.truncate(times.iter().rposition(|idle| *idle != 0).map_or(0, |last| last + 1));
        }
        Ok(times)
    }

    /// Free memory in bytes, of one NUMA node or of all. One hypercall.
    ///
    /// Errors: [`crate::Status::NotSupported`] before 3.2.
    pub fn available_heap(&self, node: Option<u32>) -> Result<u64> {
        let dialect = self.sysctl()?;
        let node = node.map_or(-1, |node| i32::try_from(node).unwrap_or(i32::MAX));
        let answer = self.door.sysctl(
            dialect,
            Sysctl::AvailHeap(AvailHeap { node, ..AvailHeap::default() }),
            |bytes| {
                let layout = dialect.layout(AvailHeap::TABLE)?;
                AvailHeap::decode(layout, request::sysctl_payload(bytes)?).map(|heap| heap.avail_bytes)
            },
        );
        answer
            .map_err(|errno| refused("asking for free memory", errno))?
            .ok_or_else(|| garbled("free memory"))
    }

    /// The number of the scheduler of the usual cpupool ([`crate::wire::hypercall::scheduler::name`] has the words). One hypercall.
    pub fn scheduler(&self) -> Result<u32> {
        self.door
            .sysctl(self.sysctl()?, Sysctl::SchedId, request::sched_id)
            .map_err(|errno| refused("asking for the scheduler", errno))?
            .ok_or_else(|| garbled("the scheduler"))
    }

    /// How a cpupool's scheduler, whose number is `sched_id`, is set. One hypercall.
    ///
    /// Errors: [`crate::Status::NotSupported`] before 4.2, and for schedulers that have no such settings.
    pub fn pool_scheduler(&self, cpupool_id: u32, sched_id: u32) -> Result<HostSchedulerParams> {
        let dialect = self.sysctl()?;
        let doing = format_args!("asking for the settings of cpupool {cpupool_id}'s scheduler");
        let Some(layout) = dialect.layout(HostHead::TABLE).filter(|layout| {
            !matches!(
                HostSchedulerParams::decode(*layout, sched_id, &[0; 128]),
                None | Some(HostSchedulerParams::Arinc653(_))
            )
        }) else {
            return Err(refused(doing, crate::wire::hypercall::errno::ENOSYS));
        };
        let op = HostSchedulerOp { cpupool_id, sched_id, put: false, params: None };
        self.door
            .sysctl(dialect, Sysctl::Scheduler(op), |bytes| {
                HostSchedulerParams::decode(layout, sched_id, request::sysctl_payload(bytes)?)
            })
            .map_err(|errno| refused(doing, errno))?
            .ok_or_else(|| garbled("the scheduler's settings"))
    }

    /// What the hypervisor wrote on its console, the newest [`ROOM`] bytes. One hypercall.
    pub fn console(&self) -> Result<Vec<u8>> {
        let dialect = self.sysctl()?;
        let answer = self.door.sysctl_with(dialect, ROOM, read_console, |bytes, room| {
            let layout = dialect.layout(ReadConsole::TABLE)?;
            let found = ReadConsole::decode(layout, request::sysctl_payload(bytes)?)?;
            room.get(..usize::try_from(found.count).ok()?).map(<[u8]>::to_vec)
        });
        answer
            .map_err(|errno| refused("reading the hypervisor's console", errno))?
            .ok_or_else(|| garbled("the hypervisor's console"))
    }

    /// The dialect for sysctls. Errors: [`crate::Status::NotSupported`] where there are none.
    pub(super) fn sysctl(&self) -> Result<Dialect> {
        if self.has_sysctl { Ok(self.dialect) } else { Err(no_sysctl(&self.version)) }
    }
}

/// All of it from the beginning, and nothing is forgotten.
fn read_console(buffer: u64) -> Sysctl {
    Sysctl::ReadConsole(ReadConsole {
        clear_word: Some(0),
        clear: Some(0),
        incremental: Some(0),
        index: Some(0),
        buffer,
        count: ROOM as u32,
    })
}

/// `found` as a length, if it fits the room that was made.
fn count(found: u32, room: u32) -> Option<usize> {
    (found <= room).then(|| usize::try_from(found).ok())?
}

fn valid(number: u32) -> Option<u32> {
    (number != INVALID).then_some(number)
}

fn memory_of(bytes: u64) -> Option<u64> {
    // Not there: all ones, of 32 bits on newer Xens (which is no multiple of a page) and of 64 on older ones.
    (bytes != u64::from(INVALID) && bytes != u64::MAX).then_some(bytes / 1024)
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word))
}

fn longs(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word))
}

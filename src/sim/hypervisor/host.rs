//! Operations on the host: sysctls, and before 3.0.3 the dom0_ops that they were.

use super::super::machine::{HostShare, Machine, PAGE_SIZE};
use super::super::release::Release;
use super::record::{GPADDR_BITS, record};
use super::scheduler;
use crate::wire::hypercall::errno::{EFAULT, EINVAL, ENOSYS, ESRCH};
use crate::wire::hypercall::host::{
    AvailHeap, CpuInfo, CpuInfoCall, CpuNodes, CpuTopoInfo, CpuTopology, MemInfo, NumaInfo, ReadConsole,
    TopologyInfo,
};
use crate::wire::hypercall::layout::Layout;
use crate::wire::hypercall::physinfo::{CAP_HAP, CAP_HVM};
use crate::wire::hypercall::request;
use crate::wire::hypercall::scheduler::{HostCredit, HostCredit2, HostSchedulerOp, HostSchedulerParams, id};
use crate::wire::hypercall::tables::{getdomaininfo, physinfo, sysctl_scheduler_op};
use crate::wire::hypercall::{Dialect, ListCall, PhysInfo, Sysctl};
use crate::wire::port::Memory;

/// The distance of a node to itself.
const LOCAL_DISTANCE: u32 = 10;

/// Does what `call` asks; the answer is written into the request's `bytes`, and what it points to into `memory`.
pub(super) fn call(
    machine: &mut Machine,
    dialect: Dialect,
    call: Sysctl,
    bytes: &mut [u8],
    memory: &mut Memory<'_>,
) -> Result<(), i32> {
    let place = request::sysctl_payload_mut(bytes).ok_or(EFAULT)?;
    let layout = |table| dialect.layout(table).ok_or(ENOSYS);
    match call {
        Sysctl::SchedId => {
            request::set_sched_id(bytes, scheduler(machine.release()));
            Ok(())
        }
        Sysctl::PhysInfo => answer_physinfo(machine, dialect, place),
        Sysctl::CpuNodes(ask) => {
            let cpus = machine.physinfo().cpus;
            for cpu in 0..cpus.min(ask.max_cpu_id.saturating_add(1)) {
                put(&0u32.to_le_bytes(), element(ask.cpu_to_node, cpu, 4)?, memory)?;
            }
            answer_physinfo(machine, dialect, place)?;
            let answer = CpuNodes { max_cpu_id: cpus.saturating_sub(1), ..ask };
            answer.encode(layout(CpuNodes::TABLE)?, place).ok_or(EFAULT)
        }
        Sysctl::GetDomainInfoList(list) => {
            let count = write_list(machine, layout(&getdomaininfo::TABLE)?, list, memory)?;
            request::set_num_domains(bytes, count);
            Ok(())
        }
        Sysctl::ReadConsole(ask) => {
            let answer = read_console(machine, ask, memory)?;
            answer.encode(layout(ReadConsole::TABLE)?, place).ok_or(EFAULT)
        }
        Sysctl::CpuInfo(ask) => {
            let cpus = machine.physinfo().cpus;
            // Up to 4.1 as many are told as there was room for.
            let count = if machine.release().at_least(4, 2) { ask.max_cpus.min(cpus) } else { ask.max_cpus };
            let element_layout = layout(CpuInfo::TABLE)?;
            for cpu in 0..count {
                let idle_ns = if cpu < cpus { machine.idle_ns() } else { 0 };
                let at = element(ask.info, cpu, element_layout.size())?;
                let place = memory.slice(at, element_layout.size()).ok_or(EFAULT)?;
                CpuInfo { idle_ns }.encode(element_layout, place).ok_or(EFAULT)?;
            }
            CpuInfoCall { nr_cpus: count, ..ask }.encode(layout(CpuInfoCall::TABLE)?, place).ok_or(EFAULT)
        }
        Sysctl::AvailHeap(ask) => {
            let pages = if (-1..=0).contains(&ask.node) { machine.physinfo().free_pages } else { 0 };
            let answer = AvailHeap { avail_bytes: pages * PAGE_SIZE, ..ask };
            answer.encode(layout(AvailHeap::TABLE)?, place).ok_or(EFAULT)
        }
        Sysctl::TopologyInfo(ask) => {
            let cpus = machine.physinfo().cpus;
            for cpu in 0..cpus.min(ask.max_cpu_index.saturating_add(1)) {
                for (array, value) in [(ask.cpu_to_core, cpu), (ask.cpu_to_socket, 0), (ask.cpu_to_node, 0)] {
                    if array != 0 {
                        put(&value.to_le_bytes(), element(array, cpu, 4)?, memory)?;
                    }
                }
            }
            let answer = TopologyInfo { max_cpu_index: cpus.saturating_sub(1), ..ask };
            answer.encode(layout(TopologyInfo::TABLE)?, place).ok_or(EFAULT)
        }
        Sysctl::CpuTopoInfo(ask) => {
            let cpus = machine.physinfo().cpus;
            let mut answer = CpuTopoInfo { num_cpus: cpus, ..ask };
            if ask.cputopo != 0 {
                answer.num_cpus = cpus.min(ask.num_cpus);
                let element_layout = layout(CpuTopology::TABLE)?;
                for cpu in 0..answer.num_cpus {
                    let at = element(ask.cputopo, cpu, element_layout.size())?;
                    let place = memory.slice(at, element_layout.size()).ok_or(EFAULT)?;
                    CpuTopology { core: cpu, socket: 0, node: 0 }
                        .encode(element_layout, place)
                        .ok_or(EFAULT)?;
                }
            }
            answer.encode(layout(CpuTopoInfo::TABLE)?, place).ok_or(EFAULT)
        }
        Sysctl::NumaInfo(ask) => {
            let answer = numa(machine, dialect, ask, memory)?;
            answer.encode(layout(NumaInfo::TABLE)?, place).ok_or(EFAULT)
        }
        Sysctl::Scheduler(ask) => {
            let answer = host_share(machine, &ask)?;
            let layout = layout(&sysctl_scheduler_op::TABLE)?;
            answer.map_or(Ok(()), |answer| answer.encode(layout, place).ok_or(EFAULT))
        }
    }
}

/// Where element `index` of an array is.
fn element(array: u64, index: u32, size: usize) -> Result<u64, i32> {
    array.checked_add(u64::from(index) * size as u64).ok_or(EFAULT)
}

fn put(bytes: &[u8], at: u64, memory: &mut Memory<'_>) -> Result<(), i32> {
    memory.slice(at, bytes.len()).ok_or(EFAULT)?.copy_from_slice(bytes);
    Ok(())
}

/// Writes the records of a list where the caller wants them; returns how many.
fn write_list(
    machine: &Machine,
    layout: Layout,
    list: ListCall,
    memory: &mut Memory<'_>,
) -> Result<u32, i32> {
    let mut count = 0;
    let mut at = list.buffer;
    for domain in machine.domains_from(list.first.into()) {
        if count == list.max {
            break;
        }
        let place = memory.slice(at, layout.size()).ok_or(EFAULT)?;
        record(machine, domain).encode(layout, place).ok_or(EFAULT)?;
        layout.set(place, &getdomaininfo::GPADDR_BITS, GPADDR_BITS);
        at = at.checked_add(layout.size() as u64).ok_or(EFAULT)?;
        count += 1;
    }
    Ok(count)
}

fn read_console(
    machine: &mut Machine,
    ask: ReadConsole,
    memory: &mut Memory<'_>,
) -> Result<ReadConsole, i32> {
    let is = |byte: Option<u8>| byte.is_some_and(|byte| byte != 0);
    let from = if is(ask.incremental) { ask.index.unwrap_or(0) } else { 0 };
    let text = machine.console(from as usize);
    let count = text.len().min(ask.count as usize);
    let place = memory.slice(ask.buffer, count).ok_or(EFAULT)?;
    place.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    let index = machine.console_at(from as usize) + count;
    if is(ask.clear) || ask.clear_word.is_some_and(|word| word != 0) {
        machine.clear_console();
    }
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(ReadConsole { index: ask.index.map(|_| narrow(index)), count: narrow(count), ..ask })
}

fn numa(
    machine: &Machine,
    dialect: Dialect,
    ask: NumaInfo,
    memory: &mut Memory<'_>,
) -> Result<NumaInfo, i32> {
    let host = machine.physinfo();
    let (size, free) = (host.total_pages * PAGE_SIZE, host.free_pages * PAGE_SIZE);
    let there = |address: Option<u64>| address.filter(|address| *address != 0);
    for (address, bytes) in [(ask.node_to_memsize, size), (ask.node_to_memfree, free)] {
        if let Some(address) = there(address) {
            put(&bytes.to_le_bytes(), address, memory)?;
        }
    }
    // Where nothing is wanted, only the number of nodes is.
    let wants = there(ask.meminfo).is_some() || there(ask.distance).is_some();
    let room = !wants || ask.num_nodes.is_none_or(|nodes| nodes > 0);
    if let (Some(address), true) = (there(ask.meminfo), room) {
        let layout = dialect.layout(MemInfo::TABLE).ok_or(ENOSYS)?;
        let place = memory.slice(address, layout.size()).ok_or(EFAULT)?;
        MemInfo { memsize: size, memfree: free }.encode(layout, place).ok_or(EFAULT)?;
    }
    if let (Some(address), true) = (there(ask.distance.or(ask.node_to_node_distance)), room) {
        put(&LOCAL_DISTANCE.to_le_bytes(), address, memory)?;
    }
    Ok(NumaInfo {
        max_node_index: ask.max_node_index.map(|_| host.nodes.saturating_sub(1)),
        num_nodes: ask.num_nodes.map(|_| if room { host.nodes } else { 0 }),
        ..ask
    })
}

/// Sets what is asked of the one pool's scheduler, or tells it.
fn host_share(machine: &mut Machine, ask: &HostSchedulerOp) -> Result<Option<HostSchedulerParams>, i32> {
    let sched_id = scheduler(machine.release());
    if ask.cpupool_id != 0 {
        return Err(ESRCH);
    }
    if ask.sched_id != sched_id {
        return Err(EINVAL);
    }
    let share = machine.host_share();
    if !ask.put {
        let HostShare { tslice_ms, ratelimit_us, migration_delay_us } = share;
        return Ok(Some(match sched_id {
            id::CREDIT2 => HostSchedulerParams::Credit2(HostCredit2 { ratelimit_us }),
            _ => HostSchedulerParams::Credit(HostCredit {
                tslice_ms,
                ratelimit_us,
                vcpu_migr_delay_us: Some(migration_delay_us),
            }),
        }));
    }
    machine.set_host_share(match ask.params {
        Some(HostSchedulerParams::Credit(params)) => HostShare {
            tslice_ms: params.tslice_ms,
            ratelimit_us: params.ratelimit_us,
            migration_delay_us: params.vcpu_migr_delay_us.unwrap_or(share.migration_delay_us),
        },
        Some(HostSchedulerParams::Credit2(params)) => {
            HostShare { ratelimit_us: params.ratelimit_us, ..share }
        }
        _ => return Err(EINVAL),
    });
    Ok(None)
}

fn answer_physinfo(machine: &Machine, dialect: Dialect, place: &mut [u8]) -> Result<(), i32> {
    let layout = dialect.layout(&physinfo::TABLE).ok_or(ENOSYS)?;
    let release = machine.release();
    let host = machine.physinfo();
    let answer = PhysInfo {
        threads_per_core: host.threads_per_core,
        cores_per_socket: host.cores_per_socket,
        cpus: host.cpus,
        max_cpu_id: Some(match (release.major, release.minor) {
            // Recorded: the most that 4.1 could have.
            (4, 1) => 127,
            _ => host.cpus.saturating_sub(1),
        }),
        nodes: host.nodes,
        cpu_khz: host.cpu_khz,
        total_pages: host.total_pages,
        free_pages: host.free_pages,
        scrub_pages: Some(host.scrub_pages),
        outstanding_pages: Some(0),
        max_mfn: Some(machine.highest_frame()),
        // The words stand where this release's interface has them.
        hw_cap: host.cpuid.arrange(dialect.generation.from),
        capabilities: Some(if host.hvm { capabilities(release) } else { 0 }),
        arch_capabilities: Some(0),
    };
    answer.encode(layout, place).ok_or(EFAULT)?;
    if release.at_least(4, 1) {
        // Recorded: the most nodes that it could have.
        layout.set(place, &physinfo::MAX_NODE_ID, 63);
    }
    Ok(())
}

/// What the machine can do, in the release's bits: HVM guests always; it has no IOMMU. Bit 1 says from 4.12 on that PV guests can run.
fn capabilities(release: Release) -> u32 {
    const PV: u32 = 0x2;
    const SHADOW: u32 = 0x10;
    const GNTTAB_V1_AND_V2: u32 = 0x300;
    let since = |(major, minor), bits| if release.at_least(major, minor) { bits } else { 0 };
    let shadow = if release.at_least(4, 17) { 0 } else { since((4, 13), SHADOW) };
    CAP_HVM | since((4, 12), PV) | since((4, 13), CAP_HAP) | shadow | since((4, 16), GNTTAB_V1_AND_V2)
}

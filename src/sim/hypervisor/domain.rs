//! Operations on one domain: domctls, and before 3.0.3 the dom0_ops that they were.

use super::super::machine::{Affinity, Domain, Machine, PAGE_KIB, Share};
use super::super::release::Release;
use super::record::{GPADDR_BITS, find, record};
use super::{create, scheduler};
use crate::model::{DomId, Uuid};
use crate::wire::hypercall::errno::{EFAULT, EINVAL, ENOENT, ENOSYS, ESRCH};
use crate::wire::hypercall::request;
use crate::wire::hypercall::scheduler::{
    Credit2Params, CreditParams, SchedulerAsk, SchedulerOp, SchedulerParams, id,
};
use crate::wire::hypercall::state::{DomainState, bit};
use crate::wire::hypercall::tables::{getdomaininfo, scheduler_op};
use crate::wire::hypercall::vcpu::affinity;
use crate::wire::hypercall::{CreateDomain, Dialect, Domctl, DomctlCall, VcpuAffinity, VcpuInfo};
use crate::wire::port::Memory;

/// `DOMID_INVALID` of 4.0.2 and later: as a question about states, any domain whose state changed.
const DOMID_INVALID: DomId = 0x7ff4;

/// Does what `call` asks; the answer is written into the request's `bytes`, and what it points to into `memory`.
pub(super) fn call(
    machine: &mut Machine,
    dialect: Dialect,
    call: DomctlCall,
    bytes: &mut [u8],
    memory: &mut Memory<'_>,
) -> Result<(), i32> {
    let domid = DomId::from(call.domain);
    match call.op {
        Domctl::Create(new) => {
            let (domid, answer) = create::create(machine, dialect.generation, call.domain, &new)?;
            request::set_domain(dialect, bytes, u16::try_from(domid).unwrap_or(u16::MAX));
            let layout = dialect.layout(CreateDomain::TABLE).ok_or(ENOSYS)?;
            answer.encode(layout, payload(dialect, bytes)?).ok_or(EFAULT)
        }
        Domctl::Destroy => machine.destroy(domid),
        Domctl::Pause => machine.pause(domid),
        Domctl::Unpause => machine.unpause(domid),
        // A page that is not whole is not counted.
        Domctl::MaxMem { kib } => machine.set_max_mem(domid, kib / PAGE_KIB),
        Domctl::MaxVcpus { max } => machine.set_max_vcpus(domid, max),
        Domctl::SetHandle { handle } => machine.set_handle(domid, Uuid::from_bytes(handle)),
        Domctl::GetDomainInfo => {
            let found = find(machine, domid)?;
            let record = record(machine, found);
            request::set_domain(dialect, bytes, record.domain);
            let layout = dialect.layout(&getdomaininfo::TABLE).ok_or(ENOSYS)?;
            let place = payload(dialect, bytes)?;
            record.encode(layout, place).ok_or(EFAULT)?;
            layout.set(place, &getdomaininfo::GPADDR_BITS, GPADDR_BITS);
            Ok(())
        }
        Domctl::GetVcpuInfo { vcpu } => {
            let info = vcpu_info(machine, machine.get(domid).ok_or(ESRCH)?, vcpu)?;
            let layout = dialect.layout(VcpuInfo::TABLE).ok_or(ENOSYS)?;
            info.encode(layout, payload(dialect, bytes)?).ok_or(EFAULT)
        }
        Domctl::SetVcpuAffinity(ask) => set_affinity(machine, domid, &ask, memory),
        Domctl::GetVcpuAffinity(ask) => get_affinity(machine, domid, &ask, memory),
        Domctl::Scheduler(ask) => {
            let share = share(machine, domid, &ask)?;
            let layout = dialect.layout(&scheduler_op::TABLE).ok_or(ENOSYS)?;
            share.map_or(Ok(()), |share| share.encode(layout, payload(dialect, bytes)?).ok_or(EFAULT))
        }
        Domctl::GetDomainState => {
            let layout = dialect.layout(DomainState::TABLE).ok_or(ENOSYS)?;
            state(machine, domid)?.encode(layout, payload(dialect, bytes)?).ok_or(EFAULT)
        }
    }
}

fn payload(dialect: Dialect, bytes: &mut [u8]) -> Result<&mut [u8], i32> {
    request::payload_mut(dialect, bytes).ok_or(EFAULT)
}

fn vcpu_info(machine: &Machine, domain: &Domain, vcpu: u32) -> Result<VcpuInfo, i32> {
    if vcpu >= domain.max_vcpus {
        return Err(no_vcpu(machine.release(), domain, vcpu));
    }
    let online = vcpu < domain.online_vcpus;
    let bits = machine.bits(domain);
    let runs = online && bits.running;
    Ok(VcpuInfo {
        online,
        // Each of a running domain's vcpus runs or waits; here the first one runs.
        blocked: online && (bits.blocked || (runs && vcpu > 0)),
        running: runs && vcpu == 0,
        cpu_time_ns: machine.cpu_time_ns(domain) / u64::from(domain.max_vcpus),
        cpu: if online { vcpu % machine.physinfo().cpus.max(1) } else { 0 },
        cpumap: Some(cpus_of(machine.physinfo().cpus)),
    })
}

/// What a question about a vcpu is answered with that is not there.
fn no_vcpu(release: Release, domain: &Domain, vcpu: u32) -> i32 {
    if release.at_least(4, 22) {
        return ENOENT;
    }
    // One that the domain may have, and that was not made yet.
    let allowed = domain.allowed_vcpus.unwrap_or(domain.max_vcpus);
    if release.at_least(4, 12) && vcpu < allowed { ESRCH } else { EINVAL }
}

/// A bit for each of the first 64 processors.
fn cpus_of(cpus: u32) -> u64 {
    if cpus >= 64 { u64::MAX } else { (1 << cpus) - 1 }
}

/// Sets what is asked, or tells it; None where there is nothing to tell.
fn share(machine: &mut Machine, domid: DomId, ask: &SchedulerOp) -> Result<Option<SchedulerParams>, i32> {
    let sched_id = scheduler(machine.release());
    let most = 100 * machine.physinfo().cpus;
    let domain = machine.get_mut(domid)?;
    if ask.sched_id != sched_id {
        return Err(EINVAL);
    }
    let (weight, cap) = match ask.ask {
        SchedulerAsk::Get => {
            let Share { weight, cap } = domain.share;
            return Ok(Some(match sched_id {
                id::CREDIT2 => SchedulerParams::Credit2(Credit2Params { weight, cap: Some(cap) }),
                _ => SchedulerParams::Credit(CreditParams { weight, cap }),
            }));
        }
        SchedulerAsk::Put(SchedulerParams::Credit(CreditParams { weight, cap })) => (weight, cap),
        SchedulerAsk::Put(SchedulerParams::Credit2(Credit2Params { weight, cap })) => {
            (weight, cap.unwrap_or(0))
        }
        // Only rtds has shares of single vcpus.
        _ => return Err(EINVAL),
    };
    // No weight and all ones: as it was.
    let cap = if cap == u16::MAX { domain.share.cap } else { cap };
    if u32::from(cap) > most {
        return Err(EINVAL);
    }
    let weight = if weight == 0 { domain.share.weight } else { weight };
    domain.share = Share { weight, cap };
    Ok(None)
}

/// The stable question of 4.21.
fn state(machine: &Machine, domid: DomId) -> Result<DomainState, i32> {
    if domid == DOMID_INVALID {
        // It is for who is bound to VIRQ_DOM_EXC: nobody is, here.
        return Err(ENOENT);
    }
    let domain = machine.get(domid).ok_or(ESRCH)?;
    let bits = [
        (true, bit::EXIST),
        (domain.shutdown_reason().is_some(), bit::SHUTDOWN),
        (domain.is_torn_down() && !domain.is_zombie(), bit::DYING),
        (domain.is_zombie(), bit::DEAD),
    ];
    const CONTROL_AND_HARDWARE: u16 = 3;
    const XENSTORE: u16 = 4;
    Ok(DomainState {
        state: bits.into_iter().filter(|(is, _)| *is).fold(0, |all, (_, bit)| all | bit),
        caps: match domain.domid {
            0 => CONTROL_AND_HARDWARE,
            _ if domain.xenstore => XENSTORE,
            _ => 0,
        },
        unique_id: domain.unique_id,
    })
}

fn set_affinity(
    machine: &mut Machine,
    domid: DomId,
    ask: &VcpuAffinity,
    memory: &mut Memory<'_>,
) -> Result<(), i32> {
    let cpus = machine.physinfo().cpus;
    let domain = machine.get_mut(domid)?;
    if ask.vcpu >= domain.max_vcpus {
        return Err(EINVAL);
    }
    let before = domain.affinity.get(&ask.vcpu).cloned().unwrap_or(Affinity { hard: None, soft: None });
    if let Some(cpumap) = ask.cpumap {
        let hard = usable(cpumap.to_le_bytes().to_vec(), cpus)?;
        domain.affinity.insert(ask.vcpu, Affinity { hard: Some(hard), ..before });
        return Ok(());
    }
    let Some(flags) = ask.flags else {
        let map = read_map(ask.map, ask.map_bits, memory)?;
        // Bits for processors that are not there are kept, up to 4.4.
        domain.affinity.insert(ask.vcpu, Affinity { hard: Some(usable(map, cpus)?), ..before });
        return Ok(());
    };
    let (sets_hard, sets_soft) = (flags & affinity::HARD != 0, flags & affinity::SOFT != 0);
    if !sets_hard && !sets_soft {
        return Err(EINVAL);
    }
    let take = |map, bits, memory: &mut Memory<'_>| {
        usable(read_map(map, bits, memory)?, cpus).map(|map| Some(online(&map, cpus)))
    };
    let hard = if sets_hard { take(ask.hard, ask.hard_bits, memory)? } else { before.hard };
    let soft = if sets_soft { take(ask.soft, ask.soft_bits, memory)? } else { before.soft };
    // What comes of it is told where the maps were: where it may run, and of that where it would rather.
    let all = online(&[u8::MAX; 64], cpus);
    let may = hard.clone().unwrap_or_else(|| all.clone());
    if sets_hard {
        write_map(&may, ask.hard, ask.hard_bits, memory)?;
    }
    if sets_soft {
        let rather = soft.clone().unwrap_or(all);
        let both: Vec<u8> = rather.iter().zip(&may).map(|(rather, may)| rather & may).collect();
        write_map(&both, ask.soft, ask.soft_bits, memory)?;
    }
    machine.get_mut(domid)?.affinity.insert(ask.vcpu, Affinity { hard, soft });
    Ok(())
}

fn get_affinity(
    machine: &Machine,
    domid: DomId,
    ask: &VcpuAffinity,
    memory: &mut Memory<'_>,
) -> Result<(), i32> {
    let (release, cpus) = (machine.release(), machine.physinfo().cpus);
    let domain = machine.get(domid).ok_or(ESRCH)?;
    if ask.vcpu >= domain.max_vcpus {
        return Err(EINVAL);
    }
    let affinity = domain.affinity.get(&ask.vcpu);
    let (hard, soft) =
        affinity.map_or((None, None), |affinity| (affinity.hard.as_ref(), affinity.soft.as_ref()));
    let everywhere = vec![u8::MAX; 64];
    let hard = hard.unwrap_or(&everywhere);
    if ask.flags.is_none() {
        // Up to 4.1 a map is told as it was set, up to 4.3 in whole bytes.
        let map = match () {
            () if release.at_least(4, 4) => online(hard, cpus),
            () if release.at_least(4, 2) => hard.iter().take(cpus.div_ceil(8) as usize).copied().collect(),
            () => hard.clone(),
        };
        return write_map(&map, ask.map, ask.map_bits, memory);
    }
    let flags = ask.flags.unwrap_or(0);
    if flags & affinity::HARD != 0 {
        write_map(&online(hard, cpus), ask.hard, ask.hard_bits, memory)?;
    }
    if flags & affinity::SOFT != 0 {
        write_map(&online(soft.unwrap_or(&everywhere), cpus), ask.soft, ask.soft_bits, memory)?;
    }
    Ok(())
}

/// The map, where it names a processor that is there.
fn usable(map: Vec<u8>, cpus: u32) -> Result<Vec<u8>, i32> {
    if online(&map, cpus).iter().any(|byte| *byte != 0) { Ok(map) } else { Err(EINVAL) }
}

/// The map less the processors that are not there.
fn online(map: &[u8], cpus: u32) -> Vec<u8> {
    let mask = |index: usize| {
        let there = (cpus as usize).saturating_sub(index * 8).min(8);
        ((1u16 << there) - 1) as u8
    };
    map.iter().enumerate().map(|(index, byte)| byte & mask(index)).collect()
}

/// A map in the caller's memory. At most 512 processors are looked at: more, no machine here has.
pub(super) fn read_map(at: Option<u64>, bits: Option<u32>, memory: &mut Memory<'_>) -> Result<Vec<u8>, i32> {
    let size = (bits.unwrap_or(0).min(512) as usize).div_ceil(8);
    memory.slice(at.unwrap_or(0), size).map(|bytes| bytes.to_vec()).ok_or(EFAULT)
}

/// Writes as much of a map as the caller has room for, and zeroes behind it.
pub(super) fn write_map(
    map: &[u8],
    at: Option<u64>,
    bits: Option<u32>,
    memory: &mut Memory<'_>,
) -> Result<(), i32> {
    let size = (bits.unwrap_or(0).min(512) as usize).div_ceil(8);
    let place = memory.slice(at.unwrap_or(0), size).ok_or(EFAULT)?;
    place.fill(0);
    place.iter_mut().zip(map).for_each(|(to, from)| *to = *from);
    Ok(())
}

//! What this library does not ask by hypercall, and others do: builders of domains, and tools. Recorded from 4.0.4 on, unless a comment says
//! otherwise; facts: xen-abi.md sections 2.4, 2.5 and 9.

use super::super::machine::{Machine, PAGE_SIZE};
use super::super::release::Release;
use super::domain::{read_map, write_map};
use super::scheduler;
use crate::model::{DomId, GuestType};
use crate::wire::hypercall::errno::{
    EFAULT, EINVAL, ENOBUFS, ENODATA, ENOENT, ENOSPC, ENOSYS, EOPNOTSUPP, ESRCH,
};
use crate::wire::hypercall::others::{
    AddressSize, CpuFeatureset, CpupoolOp, DomainCpuPolicy, GuestTscInfo, HostCpuPolicy, HvmContext,
    NodeAffinity, PagingMempool, SendTrigger, SetDebugging, ShadowOp, TRIGGER_POWER, TscInfo, TscInfoCall,
    VcpuContext, cpupool, domctl, shadow, sysctl,
};
use crate::wire::hypercall::{Dialect, request};
use crate::wire::port::Memory;

/// Bytes of a PV vcpu's registers on x86_64 (`struct vcpu_guest_context`).
const VCPU_CONTEXT_SIZE: usize = 5168;

/// Domctl `cmd` on `domid`; the answer is written into the request's `bytes`.
pub(super) fn domctl(
    machine: &mut Machine,
    dialect: Dialect,
    cmd: u32,
    domid: DomId,
    bytes: &mut [u8],
    memory: &mut Memory<'_>,
) -> Result<(), i32> {
    let release = machine.release();
    let is_hvm = machine.get(domid).ok_or(ESRCH)?.is_hvm();
    let place = request::payload_mut(dialect, bytes).ok_or(EFAULT)?;
    macro_rules! ask {
        ($record:ident) => {{
            let layout = dialect.layout($record::TABLE).ok_or(ENOSYS)?;
            ($record::decode(layout, place).ok_or(EFAULT)?, layout)
        }};
    }
    match cmd {
        domctl::SHADOW_OP => {
            let (ask, layout) = ask!(ShadowOp);
            let domain = machine.get_mut(domid)?;
            if !is_hvm || domain.max_vcpus == 0 {
                return Err(EINVAL);
            }
            match ask.op {
                shadow::GET_ALLOCATION => {
                    let mb = u32::try_from(domain.paging_pool.div_ceil(1 << 20)).unwrap_or(u32::MAX);
                    ShadowOp { mb, ..ask }.encode(layout, place).ok_or(EFAULT)
                }
                shadow::SET_ALLOCATION => {
                    domain.paging_pool = u64::from(ask.mb) << 20;
                    Ok(())
                }
                // Log-dirty: nothing moves a simulated guest.
                _ => Err(EINVAL),
            }
        }
        domctl::GET_VCPU_CONTEXT => {
            let (ask, _) = ask!(VcpuContext);
            let domain = machine.get(domid).ok_or(ESRCH)?;
            if ask.vcpu >= domain.max_vcpus || domid == 0 {
                return Err(EINVAL);
            }
            if ask.vcpu >= domain.online_vcpus {
                return Err(ENODATA);
            }
            // Nothing runs in there: its registers are zero.
            memory.slice(ask.ctxt, VCPU_CONTEXT_SIZE).ok_or(EFAULT)?.fill(0);
            Ok(())
        }
        domctl::SET_DEBUGGING => {
            let (ask, _) = ask!(SetDebugging);
            machine.get_mut(domid)?.debugged = ask.enable;
            Ok(())
        }
        domctl::ARCH_SETUP if release.at_least(4, 12) => Err(EINVAL),
        domctl::SET_TIME_OFFSET => Ok(()),
        domctl::RESUME if release.at_least(3, 1) => machine.resume(domid),
        domctl::SEND_TRIGGER if release.at_least(3, 1) => {
            let (ask, _) = ask!(SendTrigger);
            match ask.trigger {
                TRIGGER_POWER => machine.press_power(domid),
                _ => Err(ENOSYS),
            }
        }
        domctl::GET_HVM_CONTEXT if release.at_least(3, 1) => {
            if !is_hvm {
                return Err(EINVAL);
            }
            let (ask, layout) = ask!(HvmContext);
            let context = hvm_context(machine);
            let size = u32::try_from(context.len()).unwrap_or(u32::MAX);
            if ask.buffer != 0 {
                if ask.size < size {
                    return Err(ENOSPC);
                }
                memory.slice(ask.buffer, context.len()).ok_or(EFAULT)?.copy_from_slice(&context);
            }
            HvmContext { size, ..ask }.encode(layout, place).ok_or(EFAULT)
        }
        domctl::SET_ADDRESS_SIZE if release.at_least(3, 1) => {
            let (ask, _) = ask!(AddressSize);
            set_address_size(machine, domid, ask.size)
        }
        domctl::GET_ADDRESS_SIZE if release.at_least(3, 1) => {
            if is_hvm && release.at_least(4, 12) {
                return Err(EOPNOTSUPP);
            }
            let (_, layout) = ask!(AddressSize);
            let size = machine.get(domid).ok_or(ESRCH)?.address_size;
            AddressSize { size }.encode(layout, place).ok_or(EFAULT)
        }
        domctl::GET_TSC_INFO if release.at_least(4, 0) => {
            let gtsc_khz = machine.physinfo().cpu_khz;
            let elapsed_nsec = u64::try_from(machine.now().as_nanos()).unwrap_or(u64::MAX);
            let (ask, layout) = ask!(TscInfoCall);
            let Some(address) = ask.out_info else {
                let answer = TscInfo { tsc_mode: 0, gtsc_khz, incarnation: 1, elapsed_nsec };
                return answer.encode(layout, place).ok_or(EFAULT);
            };
            let answer = GuestTscInfo { tsc_mode: 0, gtsc_khz, incarnation: 1, elapsed_nsec };
            let layout = dialect.layout(GuestTscInfo::TABLE).ok_or(ENOSYS)?;
            let place = memory.slice(address, layout.size()).ok_or(EFAULT)?;
            answer.encode(layout, place).ok_or(EFAULT)
        }
        domctl::SET_NODE_AFFINITY if release.at_least(4, 3) => {
            let (ask, _) = ask!(NodeAffinity);
            let map = read_map(Some(ask.map), Some(ask.bits), memory)?;
            // There is one node.
            if map.first().is_some_and(|nodes| nodes & 1 != 0) { Ok(()) } else { Err(EINVAL) }
        }
        domctl::GET_NODE_AFFINITY if release.at_least(4, 3) => {
            let (ask, _) = ask!(NodeAffinity);
            write_map(&[1], Some(ask.map), Some(ask.bits), memory)
        }
        domctl::SET_MAX_EVTCHN if release.at_least(4, 4) && !release.at_least(4, 12) => Ok(()),
        domctl::SET_GNTTAB_LIMITS if release.at_least(4, 10) && !release.at_least(4, 12) => Ok(()),
        domctl::GET_CPU_POLICY if release.at_least(4, 12) => {
            let (ask, layout) = ask!(DomainCpuPolicy);
            let (nr_leaves, nr_msrs) = policy(release, ask.leaves, ask.msrs)?;
            DomainCpuPolicy { nr_leaves, nr_msrs, ..ask }.encode(layout, place).ok_or(EFAULT)
        }
        domctl::GET_PAGING_MEMPOOL | domctl::SET_PAGING_MEMPOOL if release.at_least(4, 17) => {
            // A PV guest has none.
            if !is_hvm {
                return Err(EOPNOTSUPP);
            }
            let (ask, layout) = ask!(PagingMempool);
            let domain = machine.get_mut(domid)?;
            if cmd == domctl::GET_PAGING_MEMPOOL {
                return PagingMempool { size: domain.paging_pool }.encode(layout, place).ok_or(EFAULT);
            }
            if ask.size % PAGE_SIZE != 0 {
                return Err(EINVAL);
            }
            domain.paging_pool = ask.size;
            Ok(())
        }
        _ => Err(no_such_domctl(release)),
    }
}

/// What a domctl is answered with that the release does not have.
pub(super) fn no_such_domctl(release: Release) -> i32 {
    if release.at_least(4, 13) && !release.at_least(4, 15) { EOPNOTSUPP } else { ENOSYS }
}

/// Sysctl `cmd`; the answer is written into the request's `bytes`.
pub(super) fn sysctl(
    machine: &mut Machine,
    dialect: Dialect,
    cmd: u32,
    bytes: &mut [u8],
    memory: &mut Memory<'_>,
) -> Result<(), i32> {
    let release = machine.release();
    let place = request::sysctl_payload_mut(bytes).ok_or(EFAULT)?;
    match cmd {
        sysctl::CPUPOOL_OP if release.at_least(4, 1) => {
            let layout = dialect.layout(CpupoolOp::TABLE).ok_or(ENOSYS)?;
            let ask = CpupoolOp::decode(layout, place).ok_or(EFAULT)?;
            let cpus = machine.physinfo().cpus;
            match ask.op {
                // The one pool has every processor.
                cpupool::INFO if ask.cpupool_id == 0 => {
                    let map: Vec<u8> = (0..cpus.div_ceil(8))
                        .map(|byte| (0xffu16 >> (8 - (cpus - byte * 8).min(8))) as u8)
                        .collect();
                    write_map(&map, Some(ask.map), Some(ask.bits), memory)?;
                    let n_dom = u32::try_from(machine.domain_count()).unwrap_or(u32::MAX);
                    let answer = CpupoolOp { sched_id: scheduler(release), n_dom, ..ask };
                    answer.encode(layout, place).ok_or(EFAULT)
                }
                cpupool::INFO => Err(ENOENT),
                cpupool::FREEINFO => write_map(&[], Some(ask.map), Some(ask.bits), memory),
                _ => Err(ENOSYS),
            }
        }
        sysctl::GET_CPU_FEATURESET if release.at_least(4, 7) => {
            let layout = dialect.layout(CpuFeatureset::TABLE).ok_or(ENOSYS)?;
            let ask = CpuFeatureset::decode(layout, place).ok_or(EFAULT)?;
            // How many words each release has.
            let words: usize = match (release.major, release.minor) {
                (4, ..=12) => 10,
                (4, 13) => 11,
                (4, ..=16) => 18,
                _ => 19,
            };
            if ask.features != 0 {
                let room = ask.nr_features as usize;
                let known = machine.physinfo().cpuid.arrange(dialect.generation.from);
                let all = known.into_iter().chain(std::iter::repeat(0)).take(words.min(room));
                let bytes: Vec<u8> = all.flat_map(u32::to_le_bytes).collect();
                memory.slice(ask.features, bytes.len()).ok_or(EFAULT)?.copy_from_slice(&bytes);
                if room < words {
                    return Err(ENOBUFS);
                }
            }
            CpuFeatureset { nr_features: words as u32, ..ask }.encode(layout, place).ok_or(EFAULT)
        }
        sysctl::GET_CPU_POLICY if release.at_least(4, 12) => {
            let layout = dialect.layout(HostCpuPolicy::TABLE).ok_or(ENOSYS)?;
            let ask = HostCpuPolicy::decode(layout, place).ok_or(EFAULT)?;
            let (nr_leaves, nr_msrs) = policy(release, ask.leaves, ask.msrs)?;
            HostCpuPolicy { nr_leaves, nr_msrs, ..ask }.encode(layout, place).ok_or(EFAULT)
        }
        _ => Err(ENOSYS),
    }
}

/// How many CPUID leaves and MSRs a policy has. What stands in them is not simulated.
fn policy(release: Release, leaves: u64, msrs: u64) -> Result<(u32, u32), i32> {
    if leaves != 0 || msrs != 0 {
        return Err(EOPNOTSUPP);
    }
    let count = match (release.major, release.minor) {
        (4, 12) => 0x71,
        (4, 13) => 0x72,
        _ => 0x78,
    };
    Ok((count, 2))
}

fn set_address_size(machine: &mut Machine, domid: DomId, size: u32) -> Result<(), i32> {
    let release = machine.release();
    let domain = machine.get_mut(domid)?;
    if domain.guest_type != GuestType::Pv || !matches!(size, 32 | 64) {
        return Err(EINVAL);
    }
    if size == domain.address_size {
        return Ok(());
    }
    // 32-bit PV guests are off from 4.14 on, and from 4.10 on there is no way back.
    if size == 32 && release.at_least(4, 14) {
        return Err(EOPNOTSUPP);
    }
    if size == 64 && release.at_least(4, 10) {
        return Err(EINVAL);
    }
    domain.address_size = size;
    Ok(())
}

/// The state of an HVM guest without devices: the header and the end of the stream (public/hvm/save.h).
fn hvm_context(machine: &Machine) -> Vec<u8> {
    const MAGIC: u32 = 0x5438_1286;
    const HEADER: u16 = 1;
    const END: u16 = 0;
    let mut stream = Vec::new();
    let mut record = |kind: u16, content: &[u8]| {
        stream.extend_from_slice(&kind.to_le_bytes());
        stream.extend_from_slice(&0u16.to_le_bytes());
        stream.extend_from_slice(&u32::try_from(content.len()).unwrap_or(0).to_le_bytes());
        stream.extend_from_slice(content);
    };
    let mut header = Vec::new();
    header.extend_from_slice(&MAGIC.to_le_bytes());
    header.extend_from_slice(&1u32.to_le_bytes());
    // No changeset is known.
    header.extend_from_slice(&u64::MAX.to_le_bytes());
    header.extend_from_slice(&0x0006_0fb1u32.to_le_bytes());
    header.extend_from_slice(&machine.physinfo().cpu_khz.to_le_bytes());
    record(HEADER, &header);
    record(END, &[]);
    stream
}

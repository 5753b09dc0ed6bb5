//! The other hypercalls: memory_op, event_channel_op, sched_op, hvm_op (public/memory.h, event_channel.h, sched.h, hvm/hvm_op.h).

use super::super::machine::Machine;
use crate::model::DomId;
use crate::wire::hypercall::errno::{EFAULT, EINVAL, ENOSYS, ESRCH};
use crate::wire::hypercall::layout::Layout;
use crate::wire::hypercall::others::{
    ALLOC_UNBOUND, AllocUnbound, HvmParam, MemoryReservation, REMOTE_SHUTDOWN, RemoteShutdown, hvm,
    memory as op,
};
use crate::wire::hypercall::{Dialect, others};
use crate::wire::port::Memory;

/// `DOMID_SELF`: whoever asks, which is Domain-0.
const DOMID_SELF: DomId = 0x7ff0;

/// Parameters of an HVM guest are numbered below this (`HVM_NR_PARAMS` of 4.22).
const HVM_PARAMS: u32 = 39;

/// memory_op `cmd`.
pub(super) fn memory_op(
    machine: &mut Machine,
    dialect: Dialect,
    cmd: u64,
    address: u64,
    memory: &mut Memory<'_>,
) -> Result<i64, i32> {
    let narrow = |pages: u64| i64::try_from(pages).map_err(|_| EINVAL);
    match cmd {
        op::MAXIMUM_RAM_PAGE => narrow(machine.highest_frame() + 1),
        op::CURRENT_RESERVATION | op::MAXIMUM_RESERVATION | op::MAXIMUM_GPFN => {
            let bytes = memory.slice(address, 2).and_then(|bytes| bytes.try_into().ok()).ok_or(EFAULT)?;
            let domain = machine.get(meant(u16::from_le_bytes(bytes))).ok_or(ESRCH)?;
            match cmd {
                op::CURRENT_RESERVATION => narrow(domain.tot_pages),
                // Up to 4.0 no limit is -1, later it is what 32 bits hold.
                op::MAXIMUM_RESERVATION if !machine.release().at_least(4, 1) => {
                    Ok(i64::from(domain.max_pages as u32 as i32))
                }
                op::MAXIMUM_RESERVATION => narrow(domain.max_pages),
                _ if domain.domid == 0 || domain.is_hvm() => narrow(domain.tot_pages.saturating_sub(1)),
                // A PV guest that has not said how many it has.
                _ if machine.release().at_least(4, 1) => Ok(0),
                _ => Ok(-1),
            }
        }
        op::POPULATE_PHYSMAP => {
            let layout = dialect.layout(MemoryReservation::TABLE).ok_or(ENOSYS)?;
            let ask = decode(layout, address, memory, MemoryReservation::decode)?;
            let domid = meant(ask.domid);
            let each = 1u64.checked_shl(ask.extent_order).filter(|pages| *pages <= 1 << 18).ok_or(EINVAL)?;
            let extents = (machine.room(domid)? / each).min(ask.nr_extents);
            // An HVM guest says at which of its own frames it wants them.
            let is_pv = !machine.get(domid).ok_or(ESRCH)?.is_hvm();
            let frames = machine.next_frames(extents * each);
            for extent in (0..extents).filter(|_| is_pv) {
                let at = ask.extent_start.checked_add(extent * 8).ok_or(EFAULT)?;
                let place = memory.slice(at, 8).ok_or(EFAULT)?;
                place.copy_from_slice(&(frames + extent * each).to_le_bytes());
            }
            machine.populate(domid, extents * each)?;
            narrow(extents)
        }
        _ => Err(ENOSYS),
    }
}

/// event_channel_op `cmd`.
pub(super) fn event_channel_op(
    machine: &mut Machine,
    dialect: Dialect,
    cmd: u64,
    address: u64,
    memory: &mut Memory<'_>,
) -> Result<i64, i32> {
    if cmd != ALLOC_UNBOUND {
        return Err(ENOSYS);
    }
    let layout = dialect.layout(AllocUnbound::TABLE).ok_or(ENOSYS)?;
    let ask = decode(layout, address, memory, AllocUnbound::decode)?;
    let domain = machine.get_mut(meant(ask.dom))?;
    domain.last_port += 1;
    let answer = AllocUnbound { port: domain.last_port, ..ask };
    encode(layout, address, memory, |layout, place| answer.encode(layout, place))
}

/// sched_op `cmd`.
pub(super) fn sched_op(
    machine: &mut Machine,
    dialect: Dialect,
    cmd: u64,
    address: u64,
    memory: &mut Memory<'_>,
) -> Result<i64, i32> {
    if cmd != REMOTE_SHUTDOWN {
        return Err(ENOSYS);
    }
    let layout = dialect.layout(RemoteShutdown::TABLE).ok_or(ENOSYS)?;
    let ask = decode(layout, address, memory, RemoteShutdown::decode)?;
    machine.shutdown(ask.domain.into(), (ask.reason & 0xff) as u8)?;
    Ok(0)
}

/// hvm_op `cmd`.
pub(super) fn hvm_op(
    machine: &mut Machine,
    dialect: Dialect,
    cmd: u64,
    address: u64,
    memory: &mut Memory<'_>,
) -> Result<i64, i32> {
    if !matches!(cmd, hvm::SET_PARAM | hvm::GET_PARAM) {
        return Err(ENOSYS);
    }
    let layout = dialect.layout(HvmParam::TABLE).ok_or(ENOSYS)?;
    let ask = decode(layout, address, memory, HvmParam::decode)?;
    let domain = machine.get_mut(meant(ask.domid))?;
    if ask.index >= HVM_PARAMS || !domain.is_hvm() {
        return Err(EINVAL);
    }
    if cmd == hvm::SET_PARAM {
        domain.hvm_params.insert(ask.index, ask.value);
        return Ok(0);
    }
    let value = domain.hvm_params.get(&ask.index).copied().unwrap_or(0);
    let answer = HvmParam { value, ..ask };
    encode(layout, address, memory, |layout, place| answer.encode(layout, place))
}

/// Which domain is meant.
fn meant(domid: u16) -> DomId {
    match DomId::from(domid) {
        DOMID_SELF => 0,
        other => other,
    }
}

fn decode<T>(
    layout: Layout,
    address: u64,
    memory: &mut Memory<'_>,
    decode: impl FnOnce(Layout, &[u8]) -> Option<T>,
) -> Result<T, i32> {
    let bytes = memory.slice(address, layout.size()).ok_or(EFAULT)?;
    decode(layout, bytes).ok_or(EFAULT)
}

fn encode(
    layout: Layout,
    address: u64,
    memory: &mut Memory<'_>,
    encode: impl FnOnce(Layout, &mut [u8]) -> Option<()>,
) -> Result<i64, i32> {
    let place = memory.slice(address, layout.size()).ok_or(EFAULT)?;
    encode(layout, place).ok_or(EFAULT)?;
    Ok(0)
}

/// One hypercall of a multicall, and where its entry is.
pub(super) struct Entry {
    pub(super) op: u64,
    pub(super) args: [u64; 5],
    address: u64,
    layout: Layout,
    entry: others::MulticallEntry,
}

impl Entry {
    /// Entry `index` of the array at `array`.
    pub(super) fn read(
        dialect: Dialect,
        array: u64,
        index: u64,
        memory: &mut Memory<'_>,
    ) -> Result<Entry, i32> {
        let layout = dialect.layout(others::MulticallEntry::TABLE).ok_or(ENOSYS)?;
        let address = index.checked_mul(layout.size() as u64).and_then(|at| array.checked_add(at));
        let address = address.ok_or(EFAULT)?;
        let entry = decode(layout, address, memory, others::MulticallEntry::decode)?;
        let args = [entry.first, entry.second, entry.third, entry.fourth, entry.fifth];
        Ok(Entry { op: entry.op, args, address, layout, entry })
    }

    /// Writes its result.
    pub(super) fn answer(self, result: Result<i64, i32>, memory: &mut Memory<'_>) -> Result<(), i32> {
        let word = result.unwrap_or_else(|errno| -i64::from(errno));
        let answer = others::MulticallEntry { result: word as u64, ..self.entry };
        encode(self.layout, self.address, memory, |layout, place| answer.encode(layout, place)).map(drop)
    }
}

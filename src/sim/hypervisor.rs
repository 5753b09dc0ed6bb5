//! The simulated hypervisor's byte side: takes the request bytes that the real one would, answers the same bytes and errnos.
//!
//! What it says of a domain is [`Machine`]'s; how that looks in bytes is the release's, by [`crate::wire::hypercall`]'s tables.
//! Where releases differ in behaviour it follows recordings of real ones (tests/hypercall_replay.rs sends it every request of them).
//!
//! | file | what is in there |
//! | --- | --- |
//! | `calls` | memory_op, event_channel_op, sched_op, hvm_op |
//! | `create` | what each release makes of a createdomain |
//! | `domain` | operations on a domain that this library makes too |
//! | `host` | the same on the host |
//! | `record` | getdomaininfo's record |
//! | `seldom` | operations that only others make |
//! | `version` | xen_version |

mod calls;
mod create;
mod domain;
mod host;
mod record;
mod seldom;
mod version;

pub(super) use version::capabilities;

use super::machine::Machine;
use super::release::Release;
use crate::wire::hypercall::errno::{EACCES, EFAULT, EINVAL, ENOSYS};
use crate::wire::hypercall::request::{self, DOMCTL_SIZE, SYSCTL_SIZE};
use crate::wire::hypercall::scheduler::id;
use crate::wire::hypercall::{
    Arch, Dialect, Dom0Op, DomctlCall, GENERATIONS, Generation, Refusal, Sysctl, number,
};
use crate::wire::port::Memory;

/// The interface version of platform_op, which has had dom0_op's number since 3.0.3.
const PLATFORM_OP_VERSION: u32 = 0x0300_0001;

/// The most hypercalls of one multicall: a bound for a caller that counts wrong.
const MAX_MULTICALL: u64 = 1024;

/// Hypercall `op` with `args`, as Domain-0 makes it through Linux's privcmd: its value, or Xen's errno (positive). Addresses are looked up
/// in `memory`, and what is not there is EFAULT.
pub fn call(machine: &mut Machine, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
    let value = hypercall(machine, op, args, memory)?;
    // What an ioctl returns is an int: a value that is wider is cut, and can look like an error (facts: section 9).
    let cut = value as i32;
    if (-4095..0).contains(&cut) { Err(-cut) } else { Ok(cut.into()) }
}

/// What a hypervisor of the next generation says to a control hypercall, whose interface versions nobody here knows; None for others. A
/// probe in its own version is let in and does nothing.
pub(super) fn refused_by_the_next(
    op: u64,
    args: [u64; 5],
    memory: &mut Memory<'_>,
) -> Option<Result<i64, i32>> {
    let newest = |of: fn(&Generation) -> u32| GENERATIONS.last().map_or(0, of);
    let next = match op {
        number::DOMCTL => newest(|row| row.domctl) + 1,
        number::SYSCTL => newest(|row| row.sysctl) + 1,
        _ => return None,
    };
    let asked = args[0].checked_add(4).and_then(|at| memory.slice(at, 4));
    Some(match asked {
        Some(version) if version == next.to_le_bytes() => Ok(0),
        Some(_) => Err(EACCES),
        None => Err(EFAULT),
    })
}

fn hypercall(machine: &mut Machine, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
    let [first, second, ..] = args;
    if op == number::XEN_VERSION {
        return version::call(machine, first, second, memory);
    }
    let dialect = dialect(machine.release())?;
    let old = dialect.generation.has_dom0_op();
    match op {
        number::DOM0_OP if old => dom0_op(machine, dialect, first, memory),
        number::DOM0_OP => platform_op(first, memory),
        number::DOMCTL if !old => domctl(machine, dialect, first, memory),
        number::SYSCTL if !old => sysctl(machine, dialect, first, memory),
        number::MEMORY_OP => calls::memory_op(machine, dialect, first, second, memory),
        number::MULTICALL => {
            if second > MAX_MULTICALL {
                return Err(EINVAL);
            }
            for index in 0..second {
                let entry = calls::Entry::read(dialect, first, index, memory)?;
                // None within another.
                let result = match entry.op {
                    number::MULTICALL => Err(ENOSYS),
                    op => hypercall(machine, op, entry.args, memory),
                };
                entry.answer(result, memory)?;
            }
            Ok(0)
        }
        number::EVENT_CHANNEL_OP => calls::event_channel_op(machine, dialect, first, second, memory),
        number::SCHED_OP => calls::sched_op(machine, dialect, first, second, memory),
        number::HVM_OP => calls::hvm_op(machine, dialect, first, second, memory),
        _ => Err(ENOSYS),
    }
}

/// The tables' row of a release; one without has no control interface that anybody could speak.
fn dialect(release: Release) -> Result<Dialect, i32> {
    let generation = Generation::at((release.major, release.minor, release.point())).ok_or(ENOSYS)?;
    Ok(Dialect { generation, arch: Arch::HERE })
}

/// The scheduler that the release has where nobody chooses: its number (`XEN_SCHEDULER_*`).
fn scheduler(release: Release) -> u32 {
    match () {
        () if release.at_least(4, 12) => id::CREDIT2,
        () if release.at_least_point(3, 0, 3) => id::CREDIT,
        () => id::SEDF,
    }
}

/// The caller's request, to read; what is answered goes back when the operation succeeds.
fn request<const SIZE: usize>(address: u64, memory: &mut Memory<'_>) -> Result<[u8; SIZE], i32> {
    memory.slice(address, SIZE).and_then(|bytes| bytes.try_into().ok()).ok_or(EFAULT)
}

fn answer(bytes: &[u8], address: u64, memory: &mut Memory<'_>) -> Result<i64, i32> {
    memory.slice(address, bytes.len()).ok_or(EFAULT)?.copy_from_slice(bytes);
    Ok(0)
}

fn domctl(
    machine: &mut Machine,
    dialect: Dialect,
    address: u64,
    memory: &mut Memory<'_>,
) -> Result<i64, i32> {
    let mut bytes: [u8; DOMCTL_SIZE] = request(address, memory)?;
    match DomctlCall::decode(dialect, &bytes) {
        Ok(call) => domain::call(machine, dialect, call, &mut bytes, memory)?,
        Err(Refusal::Unknown(cmd)) => {
            let domid = request::domain(dialect, &bytes).ok_or(EFAULT)?;
            seldom::domctl(machine, dialect, cmd, domid.into(), &mut bytes, memory)?;
        }
        Err(refusal) => return Err(errno(refusal)),
    }
    answer(&bytes, address, memory)
}

fn sysctl(
    machine: &mut Machine,
    dialect: Dialect,
    address: u64,
    memory: &mut Memory<'_>,
) -> Result<i64, i32> {
    let mut bytes: [u8; SYSCTL_SIZE] = request(address, memory)?;
    match Sysctl::decode(dialect, &bytes) {
        Ok(call) => host::call(machine, dialect, call, &mut bytes, memory)?,
        Err(Refusal::Unknown(cmd)) => seldom::sysctl(machine, dialect, cmd, &mut bytes, memory)?,
        Err(refusal) => return Err(errno(refusal)),
    }
    answer(&bytes, address, memory)
}

/// The one hypercall of 3.0.0 to 3.0.2 for both.
fn dom0_op(
    machine: &mut Machine,
    dialect: Dialect,
    address: u64,
    memory: &mut Memory<'_>,
) -> Result<i64, i32> {
    let mut bytes: [u8; SYSCTL_SIZE] = request(address, memory)?;
    match Dom0Op::decode(dialect, &bytes).map_err(errno)? {
        Dom0Op::Domain(call) => domain::call(machine, dialect, call, &mut bytes, memory)?,
        Dom0Op::Host(call) => host::call(machine, dialect, call, &mut bytes, memory)?,
    }
    answer(&bytes, address, memory)
}

/// What dom0_op's number became: nothing of it is simulated, but that it refuses another version before all else.
fn platform_op(address: u64, memory: &mut Memory<'_>) -> Result<i64, i32> {
    let head: [u8; 8] = request(address, memory)?;
    let [.., a, b, c, d] = head;
    match u32::from_le_bytes([a, b, c, d]) {
        PLATFORM_OP_VERSION => Err(ENOSYS),
        _ => Err(EACCES),
    }
}

/// Why a request was not even looked at.
fn errno(refusal: Refusal) -> i32 {
    match refusal {
        Refusal::Short => EFAULT,
        Refusal::Version(_) => EACCES,
        Refusal::Unknown(_) => ENOSYS,
        Refusal::Invalid => EINVAL,
    }
}

#[cfg(test)]
mod tests;

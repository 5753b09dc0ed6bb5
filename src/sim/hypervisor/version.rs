//! xen_version (hypercall 17): what the hypervisor says of itself to anybody (public/version.h; facts: xen-abi.md section 1.4).

use super::super::machine::Machine;
use super::super::release::Release;
use crate::wire::hypercall::errno::{EFAULT, EINVAL, ENOBUFS, ENOSYS};
use crate::wire::port::Memory;

/// The sub-operations' numbers (`XENVER_*`).
mod cmd {
    pub(super) const VERSION: u64 = 0;
    pub(super) const EXTRAVERSION: u64 = 1;
    pub(super) const COMPILE_INFO: u64 = 2;
    pub(super) const CAPABILITIES: u64 = 3;
    pub(super) const CHANGESET: u64 = 4;
    pub(super) const PLATFORM_PARAMETERS: u64 = 5;
    pub(super) const GET_FEATURES: u64 = 6;
    pub(super) const PAGESIZE: u64 = 7;
    pub(super) const GUEST_HANDLE: u64 = 8;
    pub(super) const COMMANDLINE: u64 = 9;
    pub(super) const BUILD_ID: u64 = 10;
    pub(super) const EXTRAVERSION2: u64 = 11;
    pub(super) const CAPABILITIES2: u64 = 12;
    pub(super) const CHANGESET2: u64 = 13;
    pub(super) const COMMANDLINE2: u64 = 14;
}

/// What the host was booted with.
const COMMANDLINE: &str = "simulated=xenith";

/// Where a 64-bit hypervisor's own addresses begin.
const VIRT_START: u64 = 0xffff_8000_0000_0000;

/// Bytes of a build id: an SHA-1.
const BUILD_ID_SIZE: usize = 20;

/// Sub-operation `cmd` with its buffer.
pub(super) fn call(machine: &Machine, cmd: u64, buffer: u64, memory: &mut Memory<'_>) -> Result<i64, i32> {
    let release = machine.release();
    match cmd {
        cmd::VERSION => Ok(i64::from(release.major) << 16 | i64::from(release.minor)),
        cmd::EXTRAVERSION => text(release, release.extra, 16, buffer, memory),
        cmd::COMPILE_INFO => {
            // The compiler, who called it, where, and when.
            let mut at = buffer;
            for (words, size) in [("rustc", 64), ("xenith", 16), ("simulation", 32), ("", 32)] {
                text(release, words, size, at, memory)?;
                at = at.checked_add(size as u64).ok_or(EFAULT)?;
            }
            Ok(0)
        }
        cmd::CAPABILITIES => text(release, capabilities(release), 1024, buffer, memory),
        cmd::CHANGESET => text(release, changeset(release), 64, buffer, memory),
        cmd::PLATFORM_PARAMETERS => put(&VIRT_START.to_le_bytes(), buffer, memory),
        cmd::GET_FEATURES if release.at_least_point(3, 0, 2) => features(release, buffer, memory),
        cmd::PAGESIZE if release.at_least_point(3, 0, 3) => Ok(4096),
        cmd::GUEST_HANDLE if release.at_least_point(3, 0, 3) => {
            let handle = machine.get(0).map(|dom0| *dom0.handle.as_bytes()).unwrap_or_default();
            put(&handle, buffer, memory)
        }
        cmd::COMMANDLINE if release.at_least(4, 0) => text(release, COMMANDLINE, 1024, buffer, memory),
        cmd::BUILD_ID if release.at_least(4, 7) => sized(&build_id(release), buffer, memory),
        cmd::EXTRAVERSION2..=cmd::COMMANDLINE2 if release.at_least(4, 20) => {
            let words = match cmd {
                cmd::EXTRAVERSION2 => release.extra,
                cmd::CAPABILITIES2 => capabilities(release),
                cmd::CHANGESET2 => changeset(release),
                _ => COMMANDLINE,
            };
            sized(words.as_bytes(), buffer, memory)
        }
        _ => Err(ENOSYS),
    }
}

/// The guests that it runs. 32-bit PV guests are off from 4.14 on.
pub(in crate::sim) fn capabilities(release: Release) -> &'static str {
    if release.at_least(4, 14) {
        "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 "
    } else if release.at_least(3, 1) {
        "xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 "
    } else {
        // A 64-bit hypervisor runs 32-bit PV guests from 3.1 on.
        "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 "
    }
}

fn changeset(release: Release) -> &'static str {
    if release.at_least(4, 3) { "" } else { "unavailable" }
}

/// Feature bits (`XENFEAT_*`) of a PV Domain-0, as they were recorded from 4.0.4 on: the facts say with which release each came.
fn features(release: Release, buffer: u64, memory: &mut Memory<'_>) -> Result<i64, i32> {
    // mmu_pt_update_preserve_ad; highmem_assist and gnttab_map_avail_bits; dom0; memory_op_vnode_supported; direct_mapped;
    // runstate_phys_area and vcpu_time_phys_area; dm_msix_all_writes.
    let bits = [
        ((3, 0), 0x10),
        ((3, 3), 0x20),
        ((3, 4), 0xc0),
        ((4, 2), 0x800),
        ((4, 6), 0x2000),
        ((4, 16), 0x2_0000),
        ((4, 18), 0xc_0000),
        ((4, 19), 0x10_0000),
    ];
    let asked = memory.slice(buffer, 8).ok_or(EFAULT)?;
    if asked.get(..4) != Some(&[0; 4]) {
        return Err(EINVAL);
    }
    let has = bits.into_iter().filter(|((major, minor), _)| release.at_least(*major, *minor));
    put(&has.fold(0u32, |all, (_, bit)| all | bit).to_le_bytes(), buffer.saturating_add(4), memory)
}

/// Something of that size that is another one for each release.
fn build_id(release: Release) -> [u8; BUILD_ID_SIZE] {
    let mut id = [0; BUILD_ID_SIZE];
    id.iter_mut().zip(format!("xenith-sim {release}").bytes()).for_each(|(to, from)| *to = from);
    id
}

/// A text with its NUL, in a buffer of that size.
fn text(
    release: Release,
    words: &str,
    size: usize,
    buffer: u64,
    memory: &mut Memory<'_>,
) -> Result<i64, i32> {
    let place = memory.slice(buffer, size).ok_or(EFAULT)?;
    // Up to 4.2 what follows the NUL is whatever lay on Xen's stack.
    place.fill(if release.at_least(4, 3) { 0 } else { b'U' });
    let bytes = words.bytes().take(size.saturating_sub(1)).chain([0]);
    place.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    Ok(0)
}

/// Bytes behind a word that says for how many there is room; without a buffer, only their number. The number is the result.
fn sized(bytes: &[u8], buffer: u64, memory: &mut Memory<'_>) -> Result<i64, i32> {
    let size = i64::try_from(bytes.len()).map_err(|_| EINVAL)?;
    if buffer == 0 {
        return Ok(size);
    }
    let room = memory.slice(buffer, 4).and_then(|room| room.try_into().ok()).map(u32::from_le_bytes);
    if i64::from(room.ok_or(EFAULT)?) < size {
        return Err(ENOBUFS);
    }
    put(bytes, buffer.saturating_add(4), memory)?;
    Ok(size)
}

fn put(bytes: &[u8], at: u64, memory: &mut Memory<'_>) -> Result<i64, i32> {
    memory.slice(at, bytes.len()).ok_or(EFAULT)?.copy_from_slice(bytes);
    Ok(0)
}

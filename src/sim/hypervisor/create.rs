//! createdomain: what each release makes, and what it refuses (facts: xen-abi.md sections 2.3 and 9; recorded from 4.0.4 on).

use super::super::machine::{Machine, NewDomain};
use super::super::release::Release;
use crate::model::identity::FIRST_RESERVED_DOMID;
use crate::model::{DomId, GuestType, Uuid};
use crate::wire::hypercall::create::{ANY_DOMAIN, EMULATES_LAPIC_ONLY, flag};
use crate::wire::hypercall::errno::{EEXIST, EINVAL, EOPNOTSUPP};
use crate::wire::hypercall::{CreateDomain, Generation};

/// `XEN_DOMCTL_CDF_s3_integrity`, from 3.4 on.
const S3_INTEGRITY: u32 = 0x4;
/// `XEN_DOMCTL_CDF_oos_off`, from 4.0 on: page tables of a guest whose memory is translated in software are never out of step.
const OOS_OFF: u32 = 0x8;
/// `XEN_DOMCTL_CDF_nested_virt`, from 4.15 on.
const NESTED: u32 = 0x40;
/// `XEN_DOMCTL_CDF_vpmu`, from 4.16 on.
const VPMU: u32 = 0x80;
/// `XEN_DOMCTL_CDF_trap_unmapped_accesses`, from 4.21 on, and only on Arm.
const TRAP_UNMAPPED: u32 = 0x100;

/// `XEN_X86_EMU_PIT`: what a PV guest may have.
const EMULATES_PIT: u32 = 0x100;

/// Makes a domain: its number, and its request as Xen hands it back.
pub(super) fn create(
    machine: &mut Machine,
    generation: &Generation,
    asked: u16,
    new: &CreateDomain,
) -> Result<(DomId, CreateDomain), i32> {
    let release = machine.release();
    let order = DomId::from(asked);
    let chosen = match release.at_least(4, 22) {
        true => (asked != ANY_DOMAIN).then_some(order),
        false => (order > 0 && order < FIRST_RESERVED_DOMID).then_some(order),
    };
    if chosen.is_some_and(|domid| domid == 0 || domid >= FIRST_RESERVED_DOMID || machine.get(domid).is_some())
    {
        return Err(if release.at_least(4, 14) { EEXIST } else { EINVAL });
    }
    let flags = new.flags.unwrap_or(0);
    // Up to 4.11 this is looked at before a domid is taken.
    if !release.at_least(4, 12) && flags & !known_flags(release) != 0 {
        return Err(EINVAL);
    }
    let guest_type = guest_type(release, generation, new);
    if let Err(errno) = check(release, guest_type, new) {
        if chosen.is_none() {
            machine.use_up_domid()?;
        }
        return Err(errno);
    }
    let xenstore_bit = if release.at_least(4, 9) { 0x10 } else { 0x20 };
    let domid = machine.create(&NewDomain {
        ssidref: new.ssidref,
        domid: chosen,
        max_vcpus: new.max_vcpus,
        hap: flags & flag::HAP != 0,
        xenstore: release.at_least(4, 7) && flags & xenstore_bit != 0,
        emulation: new.emulation_flags.unwrap_or(0),
        ..NewDomain::new(Uuid::from_bytes(new.handle), guest_type)
    })?;
    let mut answer = *new;
    if release.at_least(4, 13) && guest_type == GuestType::Pv {
        answer.flags = Some(flags | OOS_OFF);
    }
    Ok((domid, answer))
}

/// The flags that the release knows.
fn known_flags(release: Release) -> u32 {
    let since = |(major, minor), flags| if release.at_least(major, minor) { flags } else { 0 };
    let within = |from, (major, minor), flags| {
        if release.at_least(major, minor) { 0 } else { since(from, flags) }
    };
    let hvm = if release.at_least_point(3, 0, 4) { flag::HVM } else { 0 };
    hvm | since((3, 3), flag::HAP)
        | since((3, 4), S3_INTEGRITY)
        | since((4, 0), OOS_OFF)
        | within((4, 4), (4, 9), flag::PVH_GUEST)
        // A xenstore domain.
        | within((4, 7), (4, 9), 0x20)
        | since((4, 9), 0x10)
        | since((4, 13), flag::IOMMU)
        | since((4, 15), NESTED)
        | since((4, 16), VPMU)
        | since((4, 21), TRAP_UNMAPPED)
}

/// Before 4.9 an HVM guest without devices is one all the same.
fn guest_type(release: Release, generation: &Generation, new: &CreateDomain) -> GuestType {
    match new.guest_type(generation) {
        GuestType::Pvh if !release.at_least(4, 9) && new.flags.unwrap_or(0) & flag::HVM != 0 => {
            GuestType::Hvm
        }
        kind => kind,
    }
}

fn check(release: Release, guest_type: GuestType, new: &CreateDomain) -> Result<(), i32> {
    let flags = new.flags.unwrap_or(0);
    let has = |bit: u32| flags & bit != 0;
    if flags & !known_flags(release) != 0 {
        return Err(EINVAL);
    }
    let is_pv = guest_type == GuestType::Pv;
    // The old PVH guest needs its memory translated by the processor.
    let old_pvh = guest_type == GuestType::Pvh && !release.at_least(4, 9);
    let wrong = (old_pvh && !has(flag::HAP))
        || (is_pv && has(flag::HAP))
        || (is_pv && has(S3_INTEGRITY) && release.at_least(4, 17))
        // This machine has no IOMMU and no virtual performance counters, and is no Arm.
        || (release.at_least(4, 13) && has(flag::IOMMU))
        || (release.at_least(4, 15) && has(NESTED) && (is_pv || !has(flag::HAP)))
        || (release.at_least(4, 16) && has(VPMU))
        || (release.at_least(4, 21) && has(TRAP_UNMAPPED));
    if wrong {
        return Err(EINVAL);
    }
    if new.max_vcpus == Some(0) {
        return Err(EINVAL);
    }
    // The highest version of grant tables: 1 or 2.
    if new.grant_opts.is_some_and(|opts| !(1..=2).contains(&(opts & 0xf))) {
        return Err(EINVAL);
    }
    // There is one pool.
    if new.cpupool_id.is_some_and(|pool| pool != 0) {
        return Err(EINVAL);
    }
    if let Some(emulation) = new.emulation_flags {
        check_emulation(release, is_pv, emulation)?;
    }
    // From 4.17 on hypervisors are built without translation in software.
    if !is_pv && !has(flag::HAP) && release.at_least(4, 17) {
        return Err(if release.at_least(4, 22) { EINVAL } else { EOPNOTSUPP });
    }
    Ok(())
}

/// Which devices each release emulates for whom (4.7 and later).
fn check_emulation(release: Release, is_pv: bool, emulation: u32) -> Result<(), i32> {
    const OLD_PC: u32 = 0x1ff;
    const PC: u32 = 0x3ff;
    let known = match (release.major, release.minor) {
        (4, ..=8) => OLD_PC,
        (4, ..=10) => PC,
        _ => 0x7ff,
    };
    if emulation & !known != 0 {
        return Err(EINVAL);
    }
    let allowed: &[u32] = match (release.major, release.minor) {
        _ if is_pv => &[0, EMULATES_PIT],
        (4, 7) => &[0, OLD_PC],
        (4, 8) => &[EMULATES_LAPIC_ONLY, OLD_PC],
        // Recorded: 4.10.0 takes none at all as well, 4.9.4 and 4.10.4 do not.
        (4, 10) if release.point() == 0 => &[0, EMULATES_LAPIC_ONLY, PC],
        (4, ..=18) => &[EMULATES_LAPIC_ONLY, PC],
        _ => &[EMULATES_LAPIC_ONLY, OLD_PC, PC],
    };
    if allowed.contains(&emulation) { Ok(()) } else { Err(EOPNOTSUPP) }
}

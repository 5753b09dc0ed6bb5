//! What a release says of a domain: getdomaininfo's record, and whom it is about.

use super::super::machine::{Domain, Machine};
use super::super::release::Release;
use crate::model::{DomId, GuestType, identity::FIRST_RESERVED_DOMID};
use crate::wire::hypercall::DomainRecord;
use crate::wire::hypercall::domain::{NO_VCPUS, flag};
use crate::wire::hypercall::errno::{EINVAL, ESRCH};

/// Bits of a guest's physical addresses (4.16 and later tell it).
pub(super) const GPADDR_BITS: u64 = 40;

/// The flag of a domain that a debugger is attached to (3.2 and later).
const DEBUGGED: u32 = 0x40;

/// The domain that a question about `domid` is answered with.
pub(super) fn find(machine: &Machine, domid: DomId) -> Result<&Domain, i32> {
    let release = machine.release();
    if domid >= FIRST_RESERVED_DOMID {
        // Recorded: EINVAL from 4.8 to 4.17, ESRCH before and after.
        return Err(if release.at_least(4, 8) && release.scans_upwards() { EINVAL } else { ESRCH });
    }
    let found = if release.scans_upwards() { machine.domains_from(domid).next() } else { machine.get(domid) };
    found.ok_or(ESRCH)
}

/// What the release says of a domain. Figures that its records have no place for are left out by the layout.
pub(super) fn record(machine: &Machine, domain: &Domain) -> DomainRecord {
    let release = machine.release();
    DomainRecord {
        domain: u16::try_from(domain.domid).unwrap_or(u16::MAX),
        flags: flags(machine, domain),
        tot_pages: domain.tot_pages,
        max_pages: domain.max_pages,
        outstanding_pages: Some(0),
        shr_pages: Some(0),
        paged_pages: Some(0),
        shared_info_frame: domain.shared_info_frame,
        cpu_time: machine.cpu_time_ns(domain),
        nr_online_vcpus: domain.online_vcpus,
        max_vcpu_id: match domain.max_vcpus.checked_sub(1) {
            Some(highest) => highest,
            None if marks_no_vcpus(release) => NO_VCPUS,
            // Left as the zeroed request had it.
            None => 0,
        },
        ssidref: domain.ssidref,
        handle: *domain.handle.as_bytes(),
        cpupool: Some(domain.cpupool),
        emulation_flags: Some(domain.emulation),
    }
}

/// Since 4.3.4, 4.4.2 and 4.5 a domain without vcpus is marked as such.
fn marks_no_vcpus(release: Release) -> bool {
    match (release.major, release.minor) {
        (4, 3) => release.point() >= 4,
        (4, 4) => release.point() >= 2,
        _ => release.at_least(4, 5),
    }
}

fn flags(machine: &Machine, domain: &Domain) -> u32 {
    let release = machine.release();
    let bits = machine.bits(domain);
    let kind = match domain.guest_type {
        GuestType::Pv => 0,
        GuestType::Pvh if release.at_least(4, 4) && !release.at_least(4, 9) => flag::PVH_GUEST,
        // 3.0.3 and before do not say.
        GuestType::Hvm | GuestType::Pvh if !release.at_least_point(3, 0, 4) => 0,
        GuestType::Hvm | GuestType::Pvh => flag::HVM_GUEST,
    };
    let reason = match bits.shutdown {
        true => u32::from(bits.shutdown_reason) << flag::SHUTDOWN_SHIFT,
        // Recorded from 4.0.4 on; before, the byte is 0.
        false if release.at_least(4, 0) => flag::NO_REASON,
        false => 0,
    };
    // The bits behind the old PVH's were given away twice (facts: section 3.1).
    let (xenstore, hap) = match (release.major, release.minor) {
        (4, 7) => (0x100, 0),
        (4, 8) => (0x100, 0x200),
        _ if release.at_least(4, 9) => (0x80, 0x100),
        _ => (0, 0),
    };
    [
        (bits.dying, flag::DYING),
        (bits.shutdown, flag::SHUTDOWN),
        (bits.paused, flag::PAUSED),
        (bits.blocked, flag::BLOCKED),
        (bits.running, flag::RUNNING),
        (domain.debugged && release.at_least(3, 2), DEBUGGED),
        (domain.xenstore, xenstore),
        (domain.hap, hap),
    ]
    .into_iter()
    .filter(|(is, _)| *is)
    .fold(kind | reason, |flags, (_, bit)| flags | bit)
}

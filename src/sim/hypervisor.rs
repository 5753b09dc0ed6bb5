//! The simulated hypervisor's byte side: takes the request bytes that the real one would, answers the same bytes and errnos.
//!
//! What it says of a domain is [`Machine`]'s; how that looks in bytes is the release's, by [`crate::wire::hypercall`]'s tables.
//! Where releases differ in behaviour it follows recordings of real ones (tests/data/hypercall).

use super::machine::{Domain, Machine};
use super::release::Release;
use crate::model::{DomId, GuestType, Uuid, identity::FIRST_RESERVED_DOMID};
use crate::wire::hypercall::domain::{EMULATES_LAPIC_ONLY, NO_VCPUS, flag};
use crate::wire::hypercall::errno::{EACCES, EFAULT, EINVAL, ENOSYS, EOPNOTSUPP, ESRCH};
use crate::wire::hypercall::layout::Layout;
use crate::wire::hypercall::physinfo::CAP_HVM;
use crate::wire::hypercall::request::{self, DOMCTL_SIZE, SYSCTL_SIZE};
use crate::wire::hypercall::tables::{getdomaininfo, physinfo};
use crate::wire::hypercall::{
    Arch, Dialect, DomainRecord, Domctl, DomctlCall, Generation, ListCall, PhysInfo, Refusal, Sysctl,
    VcpuInfo, VersionOp, number,
};
use crate::wire::port::Memory;

/// Hypercall `op` with `args`, as Domain-0 makes it: its value, or Xen's errno (positive). Addresses are looked up in `memory`,
/// and what is not there is EFAULT.
pub fn call(machine: &mut Machine, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
    let [first, second, ..] = args;
    match op {
        number::XEN_VERSION => version(machine.release(), first, second, memory),
        number::DOMCTL => {
            let dialect = dialect(machine.release())?;
            domctl(machine, dialect, first, memory)
        }
        number::SYSCTL => {
            let dialect = dialect(machine.release())?;
            sysctl(machine, dialect, first, memory)
        }
        _ => Err(ENOSYS),
    }
}

/// The tables' row of a release; one without has no control interface that anybody could speak.
fn dialect(release: Release) -> Result<Dialect, i32> {
    let generation = Generation::at((release.major, release.minor, release.point())).ok_or(ENOSYS)?;
    Ok(Dialect { generation, arch: Arch::HERE })
}

fn version(release: Release, cmd: u64, buffer: u64, memory: &mut Memory<'_>) -> Result<i64, i32> {
    let text = match VersionOp::from_number(cmd).ok_or(ENOSYS)? {
        VersionOp::Version => return Ok(i64::from(release.major) << 16 | i64::from(release.minor)),
        VersionOp::ExtraVersion => release.extra,
        VersionOp::Capabilities if release.at_least(4, 14) => {
            "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 "
        }
        VersionOp::Capabilities => {
            "xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 "
        }
    };
    let size = VersionOp::from_number(cmd).map_or(0, VersionOp::buffer_size);
    let place = memory.slice(buffer, size).ok_or(EFAULT)?;
    // Up to 4.2 what follows the NUL is whatever lay on Xen's stack.
    place.fill(if release.at_least(4, 3) { 0 } else { b'U' });
    let bytes = text.bytes().take(size.saturating_sub(1)).chain([0]);
    place.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    Ok(0)
}

fn domctl(
    machine: &mut Machine,
    dialect: Dialect,
    address: u64,
    memory: &mut Memory<'_>,
) -> Result<i64, i32> {
    let bytes = memory.slice(address, DOMCTL_SIZE).ok_or(EFAULT)?;
    let release = machine.release();
    let DomctlCall { domain, op } = DomctlCall::decode(dialect, bytes).map_err(|refusal| match refusal {
        Refusal::Short => EFAULT,
        Refusal::Version(_) => EACCES,
        Refusal::Unknown(_) if release.at_least(4, 13) && !release.at_least(4, 15) => EOPNOTSUPP,
        Refusal::Unknown(_) => ENOSYS,
        Refusal::Invalid => EINVAL,
    })?;
    let domid = DomId::from(domain);
    match op {
        Domctl::Destroy => machine.destroy(domid)?,
        Domctl::Pause => machine.pause(domid)?,
        Domctl::Unpause => machine.unpause(domid)?,
        // A page that is not whole is not counted.
        Domctl::MaxMem { kib } => machine.set_max_mem(domid, kib / super::machine::PAGE_KIB)?,
        Domctl::MaxVcpus { max } => machine.set_max_vcpus(domid, max)?,
        Domctl::GetDomainInfo => {
            let found = find(machine, domid)?;
            let layout = dialect.layout(&getdomaininfo::TABLE).ok_or(ENOSYS)?;
            let record = record(machine, found);
            request::set_domain(dialect, bytes, record.domain);
            request::payload_mut(dialect, bytes)
                .and_then(|payload| record.encode(layout, payload))
                .ok_or(EFAULT)?;
        }
        Domctl::GetVcpuInfo { vcpu } => {
            let info = vcpu_info(machine, machine.get(domid).ok_or(ESRCH)?, vcpu)?;
            let layout = dialect.layout(VcpuInfo::TABLE).ok_or(ENOSYS)?;
            request::payload_mut(dialect, bytes)
                .and_then(|payload| info.encode(layout, payload))
                .ok_or(EFAULT)?;
        }
        Domctl::SetHandle { handle } => machine.set_handle(domid, Uuid::from_bytes(handle))?,
        Domctl::Create(_)
        | Domctl::SetVcpuAffinity(_)
        | Domctl::GetVcpuAffinity(_)
        | Domctl::Scheduler(_)
        | Domctl::GetDomainState => return Err(ENOSYS),
    }
    Ok(0)
}

/// The domain that a question about `domid` is answered with.
fn find(machine: &Machine, domid: DomId) -> Result<&Domain, i32> {
    let release = machine.release();
    if domid >= FIRST_RESERVED_DOMID {
        // Recorded: EINVAL from 4.8 to 4.17, ESRCH before and after.
        return Err(if release.at_least(4, 8) && release.scans_upwards() { EINVAL } else { ESRCH });
    }
    let found = if release.scans_upwards() { machine.domains_from(domid).next() } else { machine.get(domid) };
    found.ok_or(ESRCH)
}

fn vcpu_info(machine: &Machine, domain: &Domain, vcpu: u32) -> Result<VcpuInfo, i32> {
    if vcpu >= domain.max_vcpus {
        return Err(EINVAL);
    }
    let online = vcpu < domain.online_vcpus;
    let bits = machine.bits(domain);
    Ok(VcpuInfo {
        online,
        blocked: online && bits.blocked,
        running: online && bits.running,
        cpu_time_ns: machine.cpu_time_ns(domain) / u64::from(domain.max_vcpus),
        cpu: vcpu % machine.physinfo().cpus.max(1),
        cpumap: None,
    })
}

fn sysctl(machine: &Machine, dialect: Dialect, address: u64, memory: &mut Memory<'_>) -> Result<i64, i32> {
    let bytes = memory.slice(address, SYSCTL_SIZE).ok_or(EFAULT)?;
    let call = Sysctl::decode(dialect, bytes).map_err(|refusal| match refusal {
        Refusal::Short => EFAULT,
        Refusal::Version(_) => EACCES,
        Refusal::Unknown(_) => ENOSYS,
        Refusal::Invalid => EINVAL,
    })?;
    match call {
        Sysctl::SchedId => request::set_sched_id(bytes, scheduler(machine.release())),
        Sysctl::PhysInfo => {
            let layout = dialect.layout(&physinfo::TABLE).ok_or(ENOSYS)?;
            let payload = request::sysctl_payload_mut(bytes).ok_or(EFAULT)?;
            physical(machine, dialect).encode(layout, payload).ok_or(EFAULT)?;
        }
        Sysctl::GetDomainInfoList(list) => {
            let layout = dialect.layout(&getdomaininfo::TABLE).ok_or(ENOSYS)?;
            let count = write_list(machine, layout, list, memory)?;
            request::set_num_domains(memory.slice(address, SYSCTL_SIZE).ok_or(EFAULT)?, count);
        }
        _ => return Err(ENOSYS),
    }
    Ok(0)
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
        at = at.checked_add(layout.size() as u64).ok_or(EFAULT)?;
        count += 1;
    }
    Ok(count)
}

/// What the release says of a domain. Figures that its records have no place for are left out by the layout.
fn record(machine: &Machine, domain: &Domain) -> DomainRecord {
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
        emulation_flags: Some(match domain.guest_type {
            GuestType::Pv => 0,
            // All devices that a hypervisor of 4.11 and later gives to an ordinary HVM guest.
            GuestType::Hvm => 0x3ff,
            GuestType::Pvh => EMULATES_LAPIC_ONLY,
        }),
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
        GuestType::Hvm | GuestType::Pvh => flag::HVM_GUEST,
    };
    let reason = match bits.shutdown {
        true => u32::from(bits.shutdown_reason) << flag::SHUTDOWN_SHIFT,
        // Recorded from 4.0.4 on; before, the byte is 0.
        false if release.at_least(4, 0) => flag::NO_REASON,
        false => 0,
    };
    [
        (bits.dying, flag::DYING),
        (bits.shutdown, flag::SHUTDOWN),
        (bits.paused, flag::PAUSED),
        (bits.blocked, flag::BLOCKED),
        (bits.running, flag::RUNNING),
    ]
    .into_iter()
    .filter(|(is, _)| *is)
    .fold(kind | reason, |flags, (_, bit)| flags | bit)
}

fn physical(machine: &Machine, dialect: Dialect) -> PhysInfo {
    let host = machine.physinfo();
    PhysInfo {
        threads_per_core: host.threads_per_core,
        cores_per_socket: host.cores_per_socket,
        cpus: host.cpus,
        max_cpu_id: Some(host.cpus.saturating_sub(1)),
        nodes: host.nodes,
        cpu_khz: host.cpu_khz,
        total_pages: host.total_pages,
        free_pages: host.free_pages,
        scrub_pages: Some(host.scrub_pages),
        outstanding_pages: Some(0),
        // The words stand where this release's interface has them.
        hw_cap: host.cpuid.arrange(dialect.generation.from),
        capabilities: Some(if host.hvm { CAP_HVM } else { 0 }),
        ..PhysInfo::default()
    }
}

/// `XEN_SCHEDULER_*`: credit (5), and from 4.12 credit2 (6).
fn scheduler(release: Release) -> u32 {
    if release.at_least(4, 12) { 6 } else { 5 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::machine::{MachineSize, NewDomain};
    use proptest::prelude::*;

    const BASE: u64 = 0x1000_0000;

    const RELEASES: [Release; 4] = [Release::XEN_3_4, Release::XEN_4_1, Release::XEN_4_4, Release::XEN_4_17];

    fn machine(release: Release) -> Machine {
        Machine::with_stepped_clock(release, MachineSize { memory_kib: 4 << 20, cpus: 2 })
    }

    fn guest(machine: &mut Machine, guest_type: GuestType) -> DomId {
        let domid = machine.create(&NewDomain::new(Uuid::from_u128(0x1234), guest_type)).unwrap();
        machine.set_max_mem(domid, 1 << 12).unwrap();
        machine.populate(domid, 1 << 11).unwrap();
        domid
    }

    fn ask(machine: &mut Machine, call: DomctlCall) -> Result<[u8; DOMCTL_SIZE], i32> {
        let mut bytes = [0; DOMCTL_SIZE];
        call.encode(dialect(machine.release()).unwrap(), &mut bytes).unwrap();
        super::call(machine, number::DOMCTL, [BASE, 0, 0, 0, 0], &mut Memory::new(BASE, &mut bytes))?;
        Ok(bytes)
    }

    fn record_of(machine: &mut Machine, domid: DomId) -> Result<DomainRecord, i32> {
        let layout = dialect(machine.release()).unwrap().layout(&getdomaininfo::TABLE).unwrap();
        let bytes = ask(machine, DomctlCall { domain: domid as u16, op: Domctl::GetDomainInfo })?;
        let dialect = dialect(machine.release()).unwrap();
        assert_eq!(
            request::domain(dialect, &bytes),
            Some(DomainRecord::decode(layout, &bytes[16..]).unwrap().domain)
        );
        Ok(DomainRecord::decode(layout, &bytes[16..]).unwrap())
    }

    #[test]
    fn every_release_that_is_simulated_has_a_generation() {
        for release in RELEASES {
            assert!(dialect(release).is_ok(), "{release}");
        }
    }

    #[test]
    fn another_interface_version_is_eacces_before_anything_else() {
        for release in RELEASES {
            let mut machine = machine(release);
            let row = dialect(release).unwrap();
            for version in 0..0x40 {
                let mut bytes = [0; DOMCTL_SIZE];
                DomctlCall { domain: 99, op: Domctl::Pause }.encode(row, &mut bytes).unwrap();
                request::set_version(&mut bytes, version);
                let mut memory = Memory::new(BASE, &mut bytes);
                let answer = call(&mut machine, number::DOMCTL, [BASE, 0, 0, 0, 0], &mut memory);
                assert_eq!(
                    answer,
                    Err(if version == row.generation.domctl { ESRCH } else { EACCES }),
                    "{release} {version}"
                );
            }
        }
    }

    #[test]
    fn what_lies_outside_the_callers_memory_is_efault() {
        let mut machine = machine(Release::XEN_4_4);
        let mut bytes = [0; 256];
        for address in [0, BASE - 1, BASE + 200, u64::MAX] {
            let mut memory = Memory::new(BASE, &mut bytes);
            for op in [number::DOMCTL, number::SYSCTL] {
                assert_eq!(call(&mut machine, op, [address, 0, 0, 0, 0], &mut memory), Err(EFAULT));
            }
            assert_eq!(
                call(&mut machine, number::XEN_VERSION, [3, address, 0, 0, 0], &mut memory),
                Err(EFAULT)
            );
        }
        let list = ListCall { first: 0, max: 4, buffer: BASE + 200 };
        let (request, _) = bytes.split_first_chunk_mut().unwrap();
        Sysctl::GetDomainInfoList(list).encode(dialect(Release::XEN_4_4).unwrap(), request).unwrap();
        let mut memory = Memory::new(BASE, &mut bytes);
        assert_eq!(call(&mut machine, number::SYSCTL, [BASE, 0, 0, 0, 0], &mut memory), Err(EFAULT));
        assert_eq!(call(&mut machine, 99, [0; 5], &mut memory), Err(ENOSYS));
    }

    #[test]
    fn a_question_scans_upwards_and_ends_with_esrch() {
        for release in RELEASES {
            let mut machine = machine(release);
            guest(&mut machine, GuestType::Pv);
            let last = guest(&mut machine, GuestType::Pv);
            machine.destroy_all(1).unwrap();
            assert_eq!(record_of(&mut machine, 1).unwrap().domain, last as u16);
            assert_eq!(record_of(&mut machine, last + 1), Err(ESRCH));
            let reserved = if release == Release::XEN_4_17 { EINVAL } else { ESRCH };
            assert_eq!(record_of(&mut machine, 0x7ff0), Err(reserved), "{release}");
        }
    }

    #[test]
    fn flags_look_as_they_do_in_each_release() {
        for (release, guest_type, flags) in [
            (Release::XEN_3_4, GuestType::Pv, 0x8),
            (Release::XEN_3_4, GuestType::Hvm, 0xa),
            (Release::XEN_4_1, GuestType::Pv, 0xffff_0008),
            (Release::XEN_4_4, GuestType::Pvh, 0xffff_0088),
            (Release::XEN_4_17, GuestType::Pvh, 0xffff_000a),
        ] {
            let mut machine = machine(release);
            let domid = guest(&mut machine, guest_type);
            assert_eq!(record_of(&mut machine, domid).unwrap().flags, flags, "{release} {guest_type:?}");
            machine.shutdown(domid, 3).unwrap();
            let down = record_of(&mut machine, domid).unwrap();
            assert_eq!(down.flags, flags & 0xffff | 0x3_0004, "{release}");
            let row = dialect(release).unwrap();
            assert_eq!(down.guest_type(row), Some(guest_type), "{release}");
        }
    }

    #[test]
    fn a_domain_without_vcpus_says_so_where_the_release_does() {
        for (release, id) in
            [(Release::XEN_4_1, 0), (Release::XEN_4_4, NO_VCPUS), (Release::XEN_4_17, NO_VCPUS)]
        {
            let mut machine = machine(release);
            let domid = guest(&mut machine, GuestType::Pv);
            assert_eq!(record_of(&mut machine, domid).unwrap().max_vcpu_id, id, "{release}");
        }
    }

    #[test]
    fn the_texts_end_with_a_nul_and_older_releases_leave_garbage_behind_it() {
        for release in RELEASES {
            let mut machine = machine(release);
            let mut bytes = [0xee; 32];
            let mut memory = Memory::new(BASE, &mut bytes);
            assert_eq!(call(&mut machine, number::XEN_VERSION, [1, BASE, 0, 0, 0], &mut memory), Ok(0));
            let nul = release.extra.len();
            assert_eq!(&bytes[..=nul], [release.extra.as_bytes(), b"\0"].concat());
            assert_eq!(bytes[nul + 1], if release.at_least(4, 3) { 0 } else { b'U' });
            assert_eq!(bytes[16], 0xee, "16 bytes and no more");
        }
    }

    proptest! {
        #[test]
        fn no_request_makes_it_panic(
            op in prop_oneof![Just(17u64), Just(35), Just(36), any::<u64>()],
            args: [u64; 5],
            inside in 0u64..300,
            mut bytes in prop::collection::vec(any::<u8>(), 0..300),
            cmd in 0u8..20,
        ) {
            for release in RELEASES {
                let mut machine = machine(release);
                guest(&mut machine, GuestType::Hvm);
                let row = dialect(release).unwrap();
                let _ = call(&mut machine, op, args, &mut Memory::new(BASE, &mut bytes));
                // With a header that is let in.
                for (op, version) in [(number::DOMCTL, row.generation.domctl), (number::SYSCTL, row.generation.sysctl)] {
                    if let Some(header) = bytes.get_mut(..12) {
                        header[..4].copy_from_slice(&[cmd, 0, 0, 0]);
                        header[4..8].copy_from_slice(&version.to_le_bytes());
                        header[9] = 0;
                    }
                    let _ = call(&mut machine, op, [BASE, 0, 0, 0, 0], &mut Memory::new(BASE, &mut bytes));
                }
                let _ = call(&mut machine, number::XEN_VERSION, [cmd.into(), BASE + inside, 0, 0, 0], &mut Memory::new(BASE, &mut bytes));
            }
        }
    }
}

//! The byte side, release by release. What real hypervisors answered is in tests/hypercall_replay.rs; here is what was not recorded, and what no
//! caller should be able to do.

use super::*;
use crate::model::{DomId, GuestType, Uuid};
use crate::sim::machine::{MachineSize, NewDomain};
use crate::sim::release::AGES;
use crate::wire::hypercall::domain::NO_VCPUS;
use crate::wire::hypercall::errno::{EPERM, ESRCH};
use crate::wire::hypercall::others::memory as memory_ops;
use crate::wire::hypercall::tables::getdomaininfo;
use crate::wire::hypercall::{CreateDomain, DomainRecord, Domctl, ListCall};
use proptest::prelude::*;

const BASE: u64 = 0x1000_0000;

fn releases() -> impl Iterator<Item = Release> {
    AGES.iter().map(|age| age.release)
}

fn machine(release: Release) -> Machine {
    Machine::with_stepped_clock(release, MachineSize { memory_kib: 4 << 20, cpus: 2 })
}

fn guest(machine: &mut Machine, guest_type: GuestType) -> DomId {
    let domid = machine.create(&NewDomain::new(Uuid::from_u128(0x1234), guest_type)).unwrap();
    machine.set_max_mem(domid, 1 << 12).unwrap();
    machine.populate(domid, 1 << 11).unwrap();
    domid
}

/// Asks in the words of the machine's release.
fn ask(machine: &mut Machine, call: DomctlCall) -> Result<[u8; DOMCTL_SIZE], i32> {
    let dialect = dialect(machine.release()).unwrap();
    let mut bytes = [0; DOMCTL_SIZE];
    call.encode(dialect, &mut bytes).unwrap();
    let number = dialect.generation.domctl_number();
    super::call(machine, number, [BASE, 0, 0, 0, 0], &mut Memory::new(BASE, &mut bytes))?;
    Ok(bytes)
}

fn act(machine: &mut Machine, domid: DomId, op: Domctl) -> Result<(), i32> {
    ask(machine, DomctlCall { domain: domid as u16, op }).map(drop)
}

fn record_of(machine: &mut Machine, domid: DomId) -> Result<DomainRecord, i32> {
    let bytes = ask(machine, DomctlCall { domain: domid as u16, op: Domctl::GetDomainInfo })?;
    let dialect = dialect(machine.release()).unwrap();
    let layout = dialect.layout(&getdomaininfo::TABLE).unwrap();
    let record = DomainRecord::decode(layout, request::payload(dialect, &bytes).unwrap()).unwrap();
    assert_eq!(request::domain(dialect, &bytes), Some(record.domain));
    Ok(record)
}

#[test]
fn every_age_has_a_generation() {
    for release in releases() {
        assert!(dialect(release).is_ok(), "{release}");
    }
}

#[test]
fn another_interface_version_is_eacces_before_anything_else() {
    for release in releases() {
        let mut machine = machine(release);
        let row = dialect(release).unwrap();
        for version in (0..0x40).chain([0x0300_0000, 0x0300_0001]) {
            let mut bytes = [0; DOMCTL_SIZE];
            DomctlCall { domain: 99, op: Domctl::Pause }.encode(row, &mut bytes).unwrap();
            request::set_version(&mut bytes, version);
            let mut memory = Memory::new(BASE, &mut bytes);
            let number = row.generation.domctl_number();
            let answer = call(&mut machine, number, [BASE, 0, 0, 0, 0], &mut memory);
            let expected = Err(if version == row.generation.domctl { ESRCH } else { EACCES });
            assert_eq!(answer, expected, "{release} {version}");
        }
    }
}

#[test]
fn domctl_and_sysctl_came_with_3_0_3_and_their_ancestors_number_is_another_hypercall_since() {
    for release in releases() {
        let mut machine = machine(release);
        let mut bytes = [0; DOMCTL_SIZE];
        let mut knock = |op| call(&mut machine, op, [BASE, 0, 0, 0, 0], &mut Memory::new(BASE, &mut bytes));
        let answers = [number::DOM0_OP, number::DOMCTL, number::SYSCTL].map(&mut knock);
        let old = !release.at_least_point(3, 0, 3);
        let ctl = Err(if old { ENOSYS } else { EACCES });
        assert_eq!(answers, [Err(EACCES), ctl, ctl], "{release}");
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
        assert_eq!(call(&mut machine, number::XEN_VERSION, [3, address, 0, 0, 0], &mut memory), Err(EFAULT));
    }
    let list = ListCall { first: 0, max: 4, buffer: BASE + 200 };
    let (request, _) = bytes.split_first_chunk_mut().unwrap();
    Sysctl::GetDomainInfoList(list).encode(dialect(Release::XEN_4_4).unwrap(), request).unwrap();
    let mut memory = Memory::new(BASE, &mut bytes);
    assert_eq!(call(&mut machine, number::SYSCTL, [BASE, 0, 0, 0, 0], &mut memory), Err(EFAULT));
    assert_eq!(call(&mut machine, 99, [0; 5], &mut memory), Err(ENOSYS));
}

#[test]
fn a_question_scans_upwards_before_4_18_and_ends_with_esrch() {
    for release in releases() {
        let mut machine = machine(release);
        guest(&mut machine, GuestType::Pv);
        let last = guest(&mut machine, GuestType::Pv);
        machine.destroy_all(1).unwrap();
        let found = record_of(&mut machine, 1).map(|record| record.domain);
        let expected = if release.at_least(4, 18) { Err(ESRCH) } else { Ok(last as u16) };
        assert_eq!(found, expected, "{release}");
        assert_eq!(record_of(&mut machine, last + 1), Err(ESRCH));
        let strict = release.at_least(4, 8) && !release.at_least(4, 18);
        let reserved = if strict { EINVAL } else { ESRCH };
        assert_eq!(record_of(&mut machine, 0x7ff0), Err(reserved), "{release}");
    }
}

#[test]
fn flags_look_as_they_do_in_each_release() {
    let of = |word| Release::of_age(word).unwrap();
    for (release, guest_type, flags) in [
        (of("3.0.1"), GuestType::Hvm, 0x8),
        (of("3.0.4"), GuestType::Hvm, 0xa),
        (of("3.4"), GuestType::Pv, 0x8),
        (of("3.4"), GuestType::Hvm, 0xa),
        (of("4.1"), GuestType::Pv, 0xffff_0008),
        (of("4.4"), GuestType::Pvh, 0xffff_0088),
        (of("4.8"), GuestType::Hvm, 0xffff_020a),
        (of("4.17"), GuestType::Pvh, 0xffff_010a),
    ] {
        let mut machine = machine(release);
        let domid = guest(&mut machine, guest_type);
        assert_eq!(record_of(&mut machine, domid).unwrap().flags, flags, "{release} {guest_type:?}");
        machine.shutdown(domid, 3).unwrap();
        let down = record_of(&mut machine, domid).unwrap();
        assert_eq!(down.flags, flags & 0xffff | 0x3_0004, "{release}");
        let told = release.at_least_point(3, 0, 4).then_some(guest_type);
        assert_eq!(down.guest_type(dialect(release).unwrap()), told, "{release}");
    }
}

#[test]
fn a_domain_without_vcpus_says_so_where_the_release_does() {
    for release in releases() {
        let mut machine = machine(release);
        let domid = guest(&mut machine, GuestType::Pv);
        // The last point releases of 4.3 and 4.4 do.
        let expected = if release.at_least(4, 3) { NO_VCPUS } else { 0 };
        assert_eq!(record_of(&mut machine, domid).unwrap().max_vcpu_id, expected, "{release}");
    }
}

#[test]
fn the_first_releases_make_lead_and_end_a_domain_by_dom0_op() {
    for release in releases().filter(|release| !release.at_least_point(3, 0, 3)) {
        let mut machine = machine(release);
        let dialect = dialect(release).unwrap();
        let new = CreateDomain { handle: [7; 16], ..CreateDomain::default() };
        let made = ask(&mut machine, DomctlCall { domain: 0, op: Domctl::Create(new) }).unwrap();
        assert_eq!(request::domain(dialect, &made), Some(1));
        act(&mut machine, 1, Domctl::MaxVcpus { max: 2 }).unwrap();
        act(&mut machine, 1, Domctl::MaxMem { kib: 4096 }).unwrap();
        act(&mut machine, 1, Domctl::SetHandle { handle: [9; 16] }).unwrap();
        act(&mut machine, 1, Domctl::Unpause).unwrap();
        let record = record_of(&mut machine, 1).unwrap();
        assert_eq!((record.handle, record.max_pages, record.max_vcpu_id), ([9; 16], 1024, 1));
        assert_eq!(record.flags & 0xff, 0, "neither paused nor able to run: no vcpu is up");
        act(&mut machine, 1, Domctl::Destroy).unwrap();
        assert_eq!(act(&mut machine, 1, Domctl::Pause), Err(ESRCH));
    }
}

#[test]
fn a_result_that_is_wider_than_an_int_is_cut_and_a_multicall_keeps_it() {
    let mut machine = machine(Release::XEN_4_17);
    let mut bytes = [0; 256];
    let maximum = memory_ops::MAXIMUM_RESERVATION;
    let mut memory = Memory::new(BASE, &mut bytes);
    // Of Domain-0: it has no limit, which is all ones in 32 bits.
    assert_eq!(call(&mut machine, number::MEMORY_OP, [maximum, BASE, 0, 0, 0], &mut memory), Err(EPERM));
    for (at, word) in [(8, number::MEMORY_OP), (24, maximum), (32, BASE)] {
        memory.slice(BASE + at, 8).unwrap().copy_from_slice(&word.to_le_bytes());
    }
    assert_eq!(call(&mut machine, number::MULTICALL, [BASE + 8, 1, 0, 0, 0], &mut memory), Ok(0));
    assert_eq!(memory.slice(BASE + 16, 8), Some(0xffff_ffffu64.to_le_bytes().as_mut_slice()));
}

#[test]
fn the_texts_end_with_a_nul_and_older_releases_leave_garbage_behind_it() {
    for release in releases() {
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
        release in prop::sample::select(AGES.iter().map(|age| age.release).collect::<Vec<_>>()),
        op in prop_oneof![0u64..40, any::<u64>()],
        args: [u64; 5],
        inside in 0u64..300,
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        cmd in 0u8..100,
        points_inside: bool,
    ) {
        let mut machine = machine(release);
        let domid = guest(&mut machine, GuestType::Hvm);
        machine.set_max_vcpus(domid, 1).unwrap();
        let row = dialect(release).unwrap().generation;
        let _ = call(&mut machine, op, args, &mut Memory::new(BASE, &mut bytes));
        let _ = call(&mut machine, op, [cmd.into(), BASE + inside, 1, 0, 0], &mut Memory::new(BASE, &mut bytes));
        // With a header that is let in, and addresses that are.
        for (op, version) in [(row.domctl_number(), row.domctl), (row.sysctl_number(), row.sysctl)] {
            for domain in [0, domid as u8] {
                if let Some(header) = bytes.get_mut(..12) {
                    header[..4].copy_from_slice(&[cmd, 0, 0, 0]);
                    header[4..8].copy_from_slice(&version.to_le_bytes());
                    header[8..10].copy_from_slice(&[domain, 0]);
                }
                if points_inside {
                    for word in bytes.get_mut(16..).unwrap_or_default().chunks_exact_mut(8) {
                        if word[7] & 1 == 0 {
                            word.copy_from_slice(&(BASE + u64::from(word[0])).to_le_bytes());
                        } else {
                            word[1..].fill(0);
                        }
                    }
                }
                let _ = call(&mut machine, op, [BASE, 0, 0, 0, 0], &mut Memory::new(BASE, &mut bytes));
            }
        }
    }
}

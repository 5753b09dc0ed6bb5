//! What the machine does, release by release.

use super::*;
use crate::model::identity::FIRST_RESERVED_DOMID;

const GIB: u64 = 1 << 20;

fn machine(release: Release) -> Machine {
    Machine::with_stepped_clock(release, MachineSize { memory_kib: 8 * GIB, cpus: 4 })
}

fn guest(machine: &mut Machine, mib: u64) -> DomId {
    let domid = machine.create(&NewDomain::new(Uuid::from_u128(7), GuestType::Pv)).unwrap();
    machine.set_max_mem(domid, mib << 8).unwrap();
    machine.populate(domid, mib << 8).unwrap();
    machine.set_max_vcpus(domid, 1).unwrap();
    machine.set_online_vcpus(domid, 1).unwrap();
    domid
}

fn bits(machine: &Machine, domid: DomId) -> LiveBits {
    machine.bits(machine.get(domid).unwrap())
}

fn cpu(machine: &Machine, domid: DomId) -> u64 {
    machine.cpu_time_ns(machine.get(domid).unwrap())
}

#[test]
fn domain_0_runs_from_the_start_without_a_uuid_and_without_a_limit() {
    let machine = machine(Release::XEN_3_4);
    let dom0 = machine.get(0).unwrap();
    assert!(dom0.handle.is_nil());
    assert_eq!(dom0.max_pages * PAGE_KIB / 1024, 16_777_215);
    assert!(bits(&machine, 0).running);
    assert_eq!(dom0.online_vcpus, 4);
}

#[test]
fn memory_is_finite_and_destroy_frees_it() {
    let mut machine = machine(Release::XEN_4_1);
    let free = machine.physinfo().free_pages;
    let first = guest(&mut machine, 4096);
    assert_eq!(machine.physinfo().free_pages, free - (4096 << 8));
    let second = machine.create(&NewDomain::new(Uuid::nil(), GuestType::Hvm)).unwrap();
    assert_eq!(machine.populate(second, 1), Err(libc::ENOMEM), "it may not have any yet");
    machine.set_max_mem(second, 8192 << 8).unwrap();
    assert_eq!(machine.populate(second, 8192 << 8), Err(libc::ENOMEM), "the host has not so much");
    assert_eq!(machine.get(second).unwrap().tot_pages, 0);
    machine.destroy_all(first).unwrap();
    machine.destroy_all(second).unwrap();
    assert_eq!(machine.physinfo().free_pages, free);
    assert_eq!(machine.destroy(first), Err(libc::ESRCH));
    assert_eq!(machine.destroy(0), Err(libc::EINVAL));
}

#[test]
fn a_large_domain_wants_to_be_destroyed_again_and_looks_paused_meanwhile() {
    let mut old = machine(Release::XEN_3_4);
    let domid = guest(&mut old, 1024);
    old.unpause(domid).unwrap();
    assert_eq!(old.destroy(domid), Err(libc::EAGAIN));
    let half = bits(&old, domid);
    assert!(half.paused && !half.dying && !half.running && !half.blocked);
    assert_eq!(old.destroy(domid), Ok(()));
    let mut new = machine(Release::XEN_4_17);
    let order = NewDomain { max_vcpus: Some(1), ..NewDomain::new(Uuid::nil(), GuestType::Pv) };
    let domid = new.create(&order).unwrap();
    new.set_max_mem(domid, 1024 << 8).unwrap();
    new.populate(domid, 1024 << 8).unwrap();
    assert_eq!(new.destroy(domid), Ok(()));
}

#[test]
fn domids_go_upwards_and_come_back_only_after_they_wrapped() {
    let mut machine = machine(Release::XEN_4_1);
    let order = NewDomain::new(Uuid::nil(), GuestType::Pv);
    assert_eq!(machine.create(&order), Ok(1));
    machine.destroy(1).unwrap();
    assert_eq!(machine.create(&order), Ok(2));
    let chosen = NewDomain { domid: Some(FIRST_RESERVED_DOMID - 1), ..order };
    assert_eq!(machine.create(&chosen), Ok(FIRST_RESERVED_DOMID - 1));
    assert_eq!(machine.create(&chosen), Err(libc::EINVAL));
    machine.rover = FIRST_RESERVED_DOMID - 2;
    assert_eq!(machine.create(&order), Ok(1), "the last one is taken: begin again");
    assert_eq!(machine.create(&order), Ok(3), "2 is taken");
    let reserved = NewDomain { domid: Some(FIRST_RESERVED_DOMID), ..order };
    assert_eq!(machine.create(&reserved), Err(libc::EINVAL));
}

#[test]
fn when_every_domid_is_taken_there_is_no_other() {
    let mut machine = machine(Release::XEN_4_1);
    let order = NewDomain::new(Uuid::nil(), GuestType::Pv);
    for _ in 1..FIRST_RESERVED_DOMID {
        machine.create(&order).unwrap();
    }
    assert_eq!(machine.create(&order), Err(libc::ENOMEM));
    machine.destroy(77).unwrap();
    assert_eq!(machine.create(&order), Ok(77));
}

#[test]
fn pauses_count_where_the_release_counts_them() {
    let mut old = machine(Release::XEN_4_1);
    let domid = guest(&mut old, 16);
    assert_eq!(bits(&old, domid).state().0, crate::model::State::Paused);
    old.pause(domid).unwrap();
    old.pause(domid).unwrap();
    old.unpause(domid).unwrap();
    assert!(!bits(&old, domid).paused);
    assert_eq!(old.unpause(domid), Ok(()), "recorded: 4.1 does not mind");

    let mut new = machine(Release::XEN_4_4);
    let domid = guest(&mut new, 16);
    new.pause(domid).unwrap();
    new.unpause(domid).unwrap();
    assert!(bits(&new, domid).paused);
    new.unpause(domid).unwrap();
    assert!(!bits(&new, domid).paused);
    assert_eq!(new.unpause(domid), Err(libc::EINVAL));
    for _ in 0..255 {
        new.pause(domid).unwrap();
    }
    assert_eq!(new.pause(domid), Err(libc::EUSERS), "recorded: 4.4.4");
    assert_eq!(new.pause(0), Err(libc::EINVAL));
}

#[test]
fn processor_time_grows_while_a_domain_runs_and_only_then() {
    let mut machine = machine(Release::XEN_3_4);
    let domid = guest(&mut machine, 16);
    let second = Duration::from_secs(1);
    machine.advance(second);
    assert_eq!(cpu(&machine, domid), 0, "paused");
    machine.unpause(domid).unwrap();
    machine.set_load(domid, Load::Busy).unwrap();
    machine.advance(second);
    assert_eq!(cpu(&machine, domid), 800_000_000);
    assert!(bits(&machine, domid).running);
    machine.set_load(domid, Load::Idle).unwrap();
    machine.advance(second);
    assert_eq!(cpu(&machine, domid), 820_000_000);
    assert!(bits(&machine, domid).blocked);
    machine.pause(domid).unwrap();
    machine.advance(second);
    assert_eq!(cpu(&machine, domid), 820_000_000);
    machine.unpause(domid).unwrap();
    machine.shutdown(domid, reason::POWEROFF).unwrap();
    machine.advance(second);
    assert_eq!(cpu(&machine, domid), 820_000_000);
}

#[test]
fn the_first_shutdown_reason_stays_and_a_suspended_domain_can_go_on() {
    let mut machine = machine(Release::XEN_4_1);
    let domid = guest(&mut machine, 16);
    machine.unpause(domid).unwrap();
    machine.shutdown(domid, reason::SUSPEND).unwrap();
    machine.shutdown(domid, reason::CRASH).unwrap();
    assert_eq!(bits(&machine, domid).shutdown_reason, reason::SUSPEND);
    machine.resume(domid).unwrap();
    assert!(machine.get(domid).unwrap().runs());
}

#[test]
fn events_tell_what_happened_in_order() {
    let mut machine = machine(Release::XEN_4_1);
    let domid = guest(&mut machine, 16);
    machine.unpause(domid).unwrap();
    machine.unpause(domid).unwrap();
    machine.pause(domid).unwrap();
    machine.unpause(domid).unwrap();
    machine.shutdown(domid, reason::CRASH).unwrap();
    machine.destroy(domid).unwrap();
    let events: Vec<Happened> = machine.take_events().into_iter().map(|event| event.what).collect();
    use Happened::{Created, Destroyed, Paused, Runs, Shutdown};
    assert_eq!(events, [Created, Runs, Paused, Runs, Shutdown(3), Destroyed]);
    assert!(!machine.has_events());
}

#[test]
fn vcpus_do_not_grow_after_3_4_and_never_shrink() {
    for (release, more) in [(Release::XEN_3_4, Ok(())), (Release::XEN_4_1, Err(libc::EBUSY))] {
        let mut machine = machine(release);
        let domid = machine.create(&NewDomain::new(Uuid::nil(), GuestType::Pv)).unwrap();
        assert_eq!(machine.set_max_vcpus(domid, 0), Err(libc::EINVAL));
        assert_eq!(machine.set_max_vcpus(domid, 2), Ok(()));
        assert_eq!(machine.set_max_vcpus(domid, 1), Err(libc::EINVAL));
        assert_eq!(machine.set_max_vcpus(domid, 3), more);
    }
}

//! The hypercall road from one end to the other: the library's near end over the simulated hypervisor, and over hypervisors that
//! misbehave.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use xenith::channel::hypercall::Hypervisor;
use xenith::deadline::Deadline;
use xenith::log::Log;
use xenith::model::{DomId, GuestType, Reason, State, Uuid};
use xenith::sim::hypervisor;
use xenith::sim::machine::{Machine, MachineSize, NewDomain};
use xenith::sim::release::{AGES, Release};
use xenith::wire::hypercall::{GENERATIONS, errno, number};
use xenith::wire::port::{Hypercall, Memory};
use xenith::{Road, Status};

fn releases() -> impl Iterator<Item = Release> {
    AGES.iter().map(|age| age.release)
}

/// The embedded hypervisor behind the trait where a host's roads meet.
struct Host(Mutex<Machine>);

impl Host {
    fn new(release: Release) -> Arc<Host> {
        let size = MachineSize { memory_kib: 64 << 20, cpus: 4 };
        Arc::new(Host(Mutex::new(Machine::with_stepped_clock(release, size))))
    }

    fn guest(&self, number: u128, kind: GuestType, kib: u64) -> DomId {
        let mut machine = self.0.lock();
        let domid = machine.create(&NewDomain::new(Uuid::from_u128(number), kind)).unwrap();
        machine.set_max_mem(domid, kib / 4).unwrap();
        machine.populate(domid, kib / 4).unwrap();
        domid
    }

    fn boot(&self, domid: DomId) {
        let mut machine = self.0.lock();
        if !machine.release().at_least(4, 12) {
            machine.set_max_vcpus(domid, 2).unwrap();
            machine.set_online_vcpus(domid, 1).unwrap();
        }
        machine.unpause(domid).unwrap();
    }
}

impl Hypercall for Host {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
        hypervisor::call(&mut self.0.lock(), op, args, memory)
    }
}

/// A hypervisor that answers as a function says.
struct Odd<F>(F);

impl<F: Fn(u64, [u64; 5], &mut Memory<'_>) -> Result<i64, i32> + Send + Sync> Hypercall for Odd<F> {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
        (self.0)(op, args, memory)
    }
}

fn over(host: Arc<dyn Hypercall>) -> xenith::Result<Hypervisor> {
    Hypervisor::over(host, &Log::default())
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

#[test]
fn each_release_is_recognized_in_four_hypercalls() {
    let mut rows = BTreeSet::new();
    for release in releases() {
        let xen = over(Host::new(release)).unwrap();
        assert_eq!(xen.calls(), 4, "{release}");
        assert_eq!(xen.version().to_string(), release.to_string());
        rows.insert(xen.generation().from);
        let capabilities = xen.capabilities().unwrap();
        assert!(
            capabilities.starts_with("xen-3.0-x86_64") && !capabilities.contains('U'),
            "{capabilities:?}"
        );
    }
    assert_eq!(rows.len(), GENERATIONS.len(), "every generation");
}

#[test]
fn a_version_that_no_xen_has_is_refused_as_nonsense() {
    let rubbish = Odd(|_, _: [u64; 5], memory: &mut Memory<'_>| {
        memory.bytes().fill(0xa5);
        Ok(0xa5)
    });
    let error = over(Arc::new(rubbish)).unwrap_err();
    assert_eq!((error.status, error.road), (Status::Protocol, Road::Hypercall));
}

#[test]
fn a_domain_is_read_in_one_hypercall_and_says_what_the_machine_knows() {
    for release in releases() {
        let host = Host::new(release);
        let xen = over(host.clone()).unwrap();
        let domid = host.guest(77, GuestType::Hvm, 1 << 20);
        let info = |domid| {
            let before = xen.calls();
            let info = xen.domain_info(domid).unwrap();
            assert_eq!(xen.calls(), before + 1);
            info
        };
        let made = info(domid).unwrap();
        assert_eq!((made.domid, made.uuid), (Some(domid), Uuid::from_u128(77)));
        assert_eq!((made.state, made.reason), (State::Paused, Reason::PausedByToolstack));
        assert_eq!((made.memory_kib, made.max_memory_kib), (Some(1 << 20), Some(1 << 20)));
        // 3.0.3 and before have no bit for it, and 4.10.0 none that tells PVH from it.
        let tells = release.at_least_point(3, 0, 4) && release.to_string() != "4.10.0";
        assert_eq!(made.guest_type, tells.then_some(GuestType::Hvm), "{release}");
        assert_eq!(made.cpupool.is_some(), release.at_least(4, 1), "{release}");
        assert_eq!(made.shared_kib.is_some(), release.at_least(4, 0), "{release}");
        assert_eq!(made.outstanding_kib.is_some(), release.at_least(4, 3), "{release}");

        let dom0 = info(0).unwrap();
        assert_eq!((dom0.state, dom0.reason, dom0.max_memory_kib), (State::Running, Reason::OnCpu, None));
        assert_eq!(dom0.vcpus_max, Some(4));

        assert_eq!(info(domid + 1), None, "{release}: none at or above");
        host.guest(78, GuestType::Pv, 4);
        host.0.lock().destroy_all(domid).unwrap();
        assert_eq!(info(domid), None, "{release}: the next one above is not it");
        for reserved in [0x7ff0, 0x7fff, u32::MAX] {
            let before = xen.calls();
            assert_eq!(xen.domain_info(reserved).unwrap_err().status, Status::InvalidArg);
            assert_eq!(xen.calls(), before);
        }
    }
}

#[test]
fn a_list_costs_at_most_a_call_for_each_1024_domains() {
    let host = Host::new(Release::XEN_4_4);
    let xen = over(host.clone()).unwrap();
    let mut there = 1;
    for count in [1, 2, 1023, 1024, 1025, 1026, 2047, 2048, 2049, 2050, 2051, 3072, 4096, 5120, 10_240] {
        while there < count {
            host.guest(there as u128, GuestType::Pv, 64);
            there += 1;
        }
        let before = xen.calls();
        let rows = xen.list().unwrap();
        let calls = (xen.calls() - before) as usize;
        assert_eq!(rows.len(), count);
        assert!(rows.iter().enumerate().all(|(index, row)| row.domid == Some(index as u32)));
        assert!(rows.iter().all(|row| row.uuid.as_u128() == u128::from(row.domid.unwrap())));
        assert!(calls <= count.div_ceil(1024), "{count} domains took {calls} calls");
    }
}

#[test]
fn a_list_of_every_possible_domain_ends() {
    let host = Host::new(Release::XEN_4_17);
    let xen = over(host.clone()).unwrap();
    for number in 1..0x7ff0 {
        host.guest(number, GuestType::Pvh, 4);
    }
    let rows = xen.list().unwrap();
    assert_eq!(rows.len(), 0x7ff0);
    assert_eq!(rows.last().unwrap().guest_type, Some(GuestType::Pvh));
}

#[test]
fn figures_of_the_host_are_the_machines() {
    for release in releases() {
        let host = Host::new(release);
        let xen = over(host.clone()).unwrap();
        let before = xen.calls();
        let node = xen.physinfo().unwrap().node_info("x86_64");
        assert_eq!(xen.calls(), before + 1);
        assert_eq!((node.memory_kib, node.cpus, node.mhz), (64 << 20, 4, Some(2400)), "{release}");
        assert_eq!((node.nodes, node.sockets, node.cores, node.threads), (1, 1, 4, 1), "{release}");
        assert_eq!(node.free_memory_kib, Some(host.0.lock().physinfo().free_pages * 4));
    }
}

#[test]
fn acts_change_the_machine() {
    for release in releases() {
        let host = Host::new(release);
        let xen = over(host.clone()).unwrap();
        let domid = host.guest(1, GuestType::Pv, 2 << 20);
        let state = |domid| xen.domain_info(domid).unwrap().map(|info| info.state);
        if !release.at_least(4, 12) {
            xen.set_max_vcpus(domid, 2).unwrap();
        }
        host.boot(domid);
        if !release.at_least(4, 12) {
            assert_eq!(state(domid), Some(State::Blocked), "{release}");
        }
        xen.pause(domid).unwrap();
        assert_eq!(state(domid), Some(State::Paused));
        xen.unpause(domid).unwrap();
        assert_ne!(state(domid), Some(State::Paused));
        xen.set_max_memory(domid, 3 << 20).unwrap();
        assert_eq!(xen.domain_info(domid).unwrap().unwrap().max_memory_kib, Some(3 << 20));
        host.0.lock().shutdown(domid, 3).unwrap();
        assert_eq!(state(domid), Some(State::Crashed));

        let free = xen.physinfo().unwrap().free_pages;
        let before = xen.calls();
        xen.destroy(domid, soon()).unwrap();
        let asked = xen.calls() - before;
        let in_steps = release.at_least(3, 2) && !release.at_least(4, 6);
        assert_eq!(asked > 1, in_steps, "{release}: 2 GiB are freed in steps from 3.2 to 4.5");
        assert_eq!(state(domid), None);
        assert_eq!(xen.physinfo().unwrap().free_pages - free, 2 << 18);
        for gone in
            [xen.pause(domid), xen.unpause(domid), xen.destroy(domid, soon()), xen.set_max_memory(domid, 4)]
        {
            let error = gone.unwrap_err();
            assert_eq!((error.status, error.errno), (Status::NotFound, Some(errno::ESRCH)));
            assert!(error.message.contains(&format!("domain {domid}")), "{error}");
        }
    }
}

#[test]
fn a_destroy_that_never_ends_meets_its_deadline() {
    let host = Host::new(Release::XEN_4_4);
    let endless = Odd(move |op, args: [u64; 5], memory: &mut Memory<'_>| match memory.slice(args[0], 4) {
        Some([2, 0, 0, 0]) if op == number::DOMCTL => Err(errno::EAGAIN),
        _ => host.call(op, args, memory),
    });
    let xen = over(Arc::new(endless)).unwrap();
    let error = xen.destroy(5, Deadline::after(Duration::from_millis(20))).unwrap_err();
    assert_eq!((error.status, error.errno), (Status::Timeout, Some(errno::EAGAIN)));
}

#[test]
fn memory_that_xen_could_not_reach_is_offered_twice_more() {
    for (failures, succeeds) in [(1, true), (2, true), (3, false)] {
        let host = Host::new(Release::XEN_4_1);
        let left = Arc::new(AtomicU64::new(0));
        let (inner, faults) = (host.clone(), left.clone());
        let flaky = Odd(move |op, args: [u64; 5], memory: &mut Memory<'_>| {
            if faults.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                // What was there is gone: the request must be written anew.
                memory.bytes().fill(0xff);
                return Err(errno::EFAULT);
            }
            inner.call(op, args, memory)
        });
        let xen = over(Arc::new(flaky)).unwrap();
        let before = xen.calls();
        left.store(failures, Ordering::Relaxed);
        let answer = xen.domain_info(0);
        assert_eq!(xen.calls() - before, (failures + 1).min(3));
        match answer {
            Ok(info) => assert!(succeeds && info.is_some()),
            Err(error) => assert!(!succeeds && error.errno == Some(errno::EFAULT), "{error}"),
        }
    }
}

#[test]
fn a_list_that_cannot_be_true_is_refused() {
    // A full batch of domain 0 again and again, and more records than there was room for.
    for count in [1025u32, 1026, u32::MAX] {
        let host = Host::new(Release::XEN_4_4);
        let rubbish = Odd(move |op, args: [u64; 5], memory: &mut Memory<'_>| {
            if op == number::SYSCTL && memory.slice(args[0], 4).is_some_and(|cmd| cmd == [6, 0, 0, 0]) {
                memory.slice(args[0] + 24, 4).unwrap().copy_from_slice(&count.to_le_bytes());
                return Ok(0);
            }
            host.call(op, args, memory)
        });
        let error = over(Arc::new(rubbish)).unwrap().list().unwrap_err();
        assert_eq!((error.status, error.road), (Status::Protocol, Road::Hypercall));
    }
}

#[test]
fn eight_threads_ask_at_the_same_time_and_each_gets_its_own_answer() {
    // Each call stays inside the hypervisor until all eight are there: if one waited for another's buffer, none would come back.
    let host = Host::new(Release::XEN_4_4);
    let ids: Vec<DomId> = (0..8).map(|number| host.guest(number, GuestType::Pv, 64)).collect();
    let together = std::sync::Barrier::new(8);
    let crowd = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (inner, crowded) = (host.clone(), crowd.clone());
    let meeting = Odd(move |op, args: [u64; 5], memory: &mut Memory<'_>| {
        if crowded.load(Ordering::Relaxed) {
            together.wait();
        }
        inner.call(op, args, memory)
    });
    let xen = over(Arc::new(meeting)).unwrap();
    crowd.store(true, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for (number, domid) in ids.iter().enumerate() {
            let xen = &xen;
            scope.spawn(move || {
                for _ in 0..50 {
                    let info = xen.domain_info(*domid).unwrap().unwrap();
                    assert_eq!(info.uuid.as_u128(), number as u128);
                    assert_eq!(xen.list().unwrap().len(), 9);
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_hypervisor_answers_the_near_end_neither_panics_nor_loops(
        release in prop::sample::select(releases().collect::<Vec<_>>()),
        seed: u64,
        result in prop_oneof![Just(Ok(0)), Just(Ok(-1)), (1..140i32).prop_filter("endless", |errno| *errno != errno::EAGAIN).prop_map(Err)],
    ) {
        let host = Host::new(release);
        let known = AtomicU64::new(4);
        let state = AtomicU64::new(seed | 1);
        let rubbish = Odd(move |op, args: [u64; 5], memory: &mut Memory<'_>| {
            if known.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                return host.call(op, args, memory);
            }
            // xorshift: cheap noise over everything that was lent.
            let mut noise = state.load(Ordering::Relaxed);
            for byte in memory.bytes() {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                *byte = noise as u8;
            }
            state.store(noise, Ordering::Relaxed);
            result
        });
        let xen = over(Arc::new(rubbish)).unwrap();
        let _ = xen.capabilities();
        let _ = xen.domain_info(3);
        let _ = xen.list();
        let _ = xen.physinfo().map(|info| info.node_info("x86_64"));
        let _ = (xen.cpu_topology(), xen.numa_nodes(), xen.cpu_idle_times(), xen.available_heap(Some(1)), xen.console());
        let _ = (xen.scheduler(), xen.pool_scheduler(0, 5), xen.domain_scheduler(1, 6), xen.vcpu_affinity(1, 0), xen.vcpu_info(1, 0));
        let _ = xen.domain_state(1);
        let _ = (xen.pause(1), xen.unpause(1), xen.destroy(1, soon()), xen.set_max_memory(1, 1), xen.set_max_vcpus(1, 1));
        prop_assert!(xen.calls() < 100);
    }
}

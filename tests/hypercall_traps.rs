//! Where releases of Xen trap those who ask them (facts: xen-abi.md section 8), tried on the embedded host of every age. Which of the list is where:
//!
//! | trap | where |
//! | --- | --- |
//! | 1, 2 stride of the list, 4.10.0 and 4.10.1 | here |
//! | 3 interface versions that releases share | here; tests/xen_abi.rs for 4.6 and 4.7 |
//! | 4 renumbered flags | here |
//! | 5 questions that scan upwards, domids used again | here |
//! | 6 pauses that count | here |
//! | 7 a destroy that wants to be asked again | here |
//! | 8 garbage for a reason, hidden dying | here |
//! | 9 the stable question's version | here |
//! | 10 results that an ioctl cuts | src/sim/hypervisor/tests.rs: nothing that this library asks has so wide a result |
//! | 12 EFAULT for no reason | tests/hypercall_sim.rs |
//! | 14, 15 limits, grant options, the paging pool's unit | tests/hypercall_replay.rs, which makes domains of each release; this library has toolstacks make them |
//! | 17 numbers used again | here |
//! | 18 reserved domids | here |
//! | 20 what oxenstored lacks, values without NUL, signed frames | tests/xenstore_client.rs |
//! | 21 sysctl compiled out | here, and tests/hypercall_detect.rs for a whole host |
//! | 22 privcmd outside Domain-0 | tests/hypercall_detect.rs: EPERM |
//!
//! 11 (MMAPBATCH), 13 (the e820 map), 16 (save records) are about what this library does not do, and 19 (i386) is refused by
//! name (tests/hypercall_detect.rs).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{ALL, LIVE, Scratch, eventually, guest, open};
use parking_lot::Mutex;
use xenith::Status;
use xenith::channel::hypercall::Hypervisor;
use xenith::deadline::Deadline;
use xenith::log::Log;
use xenith::model::{DomId, GuestType, Reason, State, Uuid};
use xenith::sim::machine::{Machine, MachineSize, NewDomain, reason};
use xenith::sim::release::AGES;
use xenith::sim::{Release, SimConfig, SimHost, hypervisor};
use xenith::wire::hypercall::request::{self, DOMCTL_SIZE};
use xenith::wire::hypercall::state::{DomainState, bit};
use xenith::wire::hypercall::tables::{cputopoinfo, getdomaininfo, topologyinfo};
use xenith::wire::hypercall::{
    CreateDomain, Dialect, DomainRecord, Domctl, DomctlCall, Generation, errno, number,
};
use xenith::wire::port::{Hypercall, Memory};

/// The embedded hypervisor behind the trait where a host's roads meet.
struct Host(Mutex<Machine>);

impl Host {
    fn new(release: Release) -> Arc<Host> {
        let size = MachineSize { memory_kib: 8 << 20, cpus: 4 };
        Arc::new(Host(Mutex::new(Machine::with_stepped_clock(release, size))))
    }

    fn make(&self, new: NewDomain, kib: u64) -> DomId {
        let mut machine = self.0.lock();
        let domid = machine.create(&new).unwrap();
        machine.set_max_mem(domid, kib / 4).unwrap();
        machine.populate(domid, kib / 4).unwrap();
        machine.set_max_vcpus(domid, 1).unwrap();
        machine.set_online_vcpus(domid, 1).unwrap();
        domid
    }

    fn guest(&self, number: u128) -> DomId {
        self.make(NewDomain::new(Uuid::from_u128(number), GuestType::Pv), 64)
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

fn over(host: Arc<dyn Hypercall>) -> Hypervisor {
    Hypervisor::over(host, &Log::default()).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

fn releases() -> impl Iterator<Item = Release> {
    AGES.iter().map(|age| age.release)
}

fn of(word: &str) -> Release {
    Release::of_age(word).unwrap()
}

fn dialect(release: Release) -> Dialect {
    Dialect::here(Generation::at((release.major, release.minor, release.point())).unwrap())
}

/// Asks past the library, as another program would.
fn raw(host: &dyn Hypercall, release: Release, call: DomctlCall) -> Result<[u8; DOMCTL_SIZE], i32> {
    const BASE: u64 = 0x1000;
    let dialect = dialect(release);
    let mut bytes = [0; DOMCTL_SIZE];
    call.encode(dialect, &mut bytes).unwrap();
    host.call(dialect.generation.domctl_number(), [BASE, 0, 0, 0, 0], &mut Memory::new(BASE, &mut bytes))?;
    Ok(bytes)
}

/// Makes a domain past the toolstack.
fn create(host: &dyn Hypercall, release: Release, domid: DomId, uuid: Uuid) -> Result<DomId, i32> {
    let new = CreateDomain {
        handle: *uuid.as_bytes(),
        flags: Some(0),
        max_vcpus: Some(1),
        max_grant_frames: Some(-1),
        max_maptrack_frames: Some(-1),
        max_evtchn_port: Some(1023),
        grant_opts: Some(2),
        ..CreateDomain::default()
    };
    let made = raw(host, release, DomctlCall { domain: domid as u16, op: Domctl::Create(new) })?;
    Ok(request::domain(dialect(release), &made).unwrap().into())
}

#[test]
fn trap_1_a_series_that_changed_its_records_is_read_by_point_release() {
    for (word, domctl, size) in [("4.10.0", 0xe, 96), ("4.10", 0xf, 104)] {
        let host = Host::new(of(word));
        let xen = over(host.clone());
        assert_eq!(xen.generation().domctl, domctl);
        assert_eq!(dialect(of(word)).layout(&getdomaininfo::TABLE).unwrap().size(), size);
        (1..=3).for_each(|number| assert!(host.guest(number) > 0));
        let uuids: Vec<u128> = xen.list().unwrap().iter().map(|row| row.uuid.as_u128()).collect();
        assert_eq!(uuids, [0, 1, 2, 3]);
    }
    // A vendor's 4.10.0 that has the security fix which changed them: what it speaks is asked, not believed.
    let host = Host::new(of("4.10"));
    let inner = host.clone();
    let vendor = Odd(move |op, args: [u64; 5], memory: &mut Memory<'_>| {
        let answer = inner.call(op, args, memory)?;
        if (op, args[0]) == (number::XEN_VERSION, 1) {
            memory.slice(args[1], 3).unwrap().copy_from_slice(b".0\0");
        }
        Ok(answer)
    });
    let xen = over(Arc::new(vendor));
    assert_eq!((xen.version().to_string().as_str(), xen.generation().domctl), ("4.10.0", 0xf));
    (1..=3).for_each(|number| assert!(host.guest(number) > 0));
    assert_eq!(xen.list().unwrap()[3].uuid, Uuid::from_u128(3));
}

#[test]
fn trap_2_a_list_has_each_releases_stride_and_nothing_is_written_past_it() {
    for release in releases() {
        let host = Host::new(release);
        (1..=5).for_each(|number| assert!(host.guest(number) > 0));
        let size = dialect(release).layout(&getdomaininfo::TABLE).unwrap().size();
        let inner = host.clone();
        let lists = Arc::new(AtomicUsize::new(0));
        let seen = lists.clone();
        let watched = Odd(move |op, args: [u64; 5], memory: &mut Memory<'_>| {
            let list = memory.slice(args[0], 32).map(|bytes| bytes.to_vec()).unwrap_or_default();
            let generation = dialect(release).generation;
            let cmd = if generation.has_dom0_op() { 38 } else { 6 };
            if op != generation.sysctl_number() || list.first() != Some(&cmd) {
                return inner.call(op, args, memory);
            }
            let buffer = u64::from_le_bytes(list[16..24].try_into().unwrap());
            let guard = memory.slice(buffer, 7 * size).unwrap();
            guard.fill(0xa5);
            let answer = inner.call(op, args, memory);
            let written = memory.slice(buffer, 7 * size).unwrap();
            let (records, behind) = written.split_at(6 * size);
            assert!(behind.iter().all(|byte| *byte == 0xa5), "{release}");
            for (number, record) in records.chunks_exact(size).enumerate() {
                assert_eq!(record[..2], (number as u16).to_le_bytes(), "{release}");
            }
            seen.fetch_add(1, Ordering::Relaxed);
            answer
        });
        let rows = over(Arc::new(watched)).list().unwrap();
        let uuids: Vec<u128> = rows.iter().map(|row| row.uuid.as_u128()).collect();
        assert_eq!(uuids, [0, 1, 2, 3, 4, 5], "{release}");
        assert_eq!(lists.load(Ordering::Relaxed), 1, "{release}");
    }
}

#[test]
fn trap_3_each_release_gets_its_own_row_although_versions_are_shared() {
    for release in releases() {
        let xen = over(Host::new(release));
        let row = xen.generation();
        let point = (release.major, release.minor, release.point());
        assert!(row.from <= point && point < row.before, "{release} got the row of Xen {row}");
        assert!(xen.calls() <= 4, "{release}");
    }
    let shared = |left, right| {
        let [left, right] = [left, right].map(|word| over(Host::new(of(word))).generation());
        assert_eq!((left.domctl, left.sysctl), (right.domctl, right.sysctl));
        assert_ne!(left, right);
    };
    shared("3.2", "3.3");
    shared("4.3", "4.4");
}

#[test]
fn trap_4_a_flag_means_what_it_means_in_its_release() {
    for release in releases() {
        let host = Host::new(release);
        let xen = over(host.clone());
        let tells = release.at_least_point(3, 0, 4);
        let kind = |domid| xen.domain_info(domid).unwrap().unwrap().guest_type;
        let made = |kind| NewDomain::new(Uuid::from_u128(1), kind);
        // Bit 7 is PVH from 4.4 to 4.8, and a xenstore domain later; bit 8 is one in 4.7 and 4.8, and address translation later, which was
        // bit 9 in 4.8.
        // 4.10.0 makes PVH guests, and its records do not tell them from HVM.
        let tells_hvm = tells && release != of("4.10.0");
        let hvm = host.make(made(GuestType::Hvm), 64);
        assert_eq!(kind(hvm), tells_hvm.then_some(GuestType::Hvm), "{release}");
        let shadow = host.make(NewDomain { hap: false, ..made(GuestType::Hvm) }, 64);
        assert_eq!(kind(shadow), tells_hvm.then_some(GuestType::Hvm), "{release}");
        let store = host.make(NewDomain { xenstore: true, ..made(GuestType::Pv) }, 64);
        assert_eq!(kind(store), tells.then_some(GuestType::Pv), "{release}");
        // The first kind of PVH ended with 4.8, the second came with 4.10.
        if release.at_least(4, 4) && !release.at_least(4, 9) || release.at_least(4, 10) {
            let pvh = host.make(made(GuestType::Pvh), 64);
            assert_eq!(kind(pvh), tells_hvm.then_some(GuestType::Pvh), "{release}");
        }
    }
}

#[test]
fn trap_5_a_question_about_a_domain_that_is_gone_is_not_answered_with_the_next_one() {
    for release in releases() {
        let host = Host::new(release);
        let (gone, next) = (host.guest(1), host.guest(2));
        host.0.lock().unpause(next).unwrap();
        host.0.lock().destroy_all(gone).unwrap();
        let xen = over(host.clone());
        // What it says itself:
        let call = DomctlCall { domain: gone as u16, op: Domctl::GetDomainInfo };
        let answered = raw(&*host, release, call).map(|bytes| request::domain(dialect(release), &bytes));
        let scans = !release.at_least(4, 18);
        assert_eq!(answered, if scans { Ok(Some(next as u16)) } else { Err(errno::ESRCH) }, "{release}");
        // What is made of it:
        let before = xen.calls();
        assert_eq!(xen.domain_info(gone).unwrap(), None, "{release}");
        assert_eq!(xen.calls(), before + 1);
        for act in [xen.pause(gone), xen.set_max_memory(gone, 4), xen.destroy(gone, soon())] {
            assert_eq!(act.unwrap_err().status, Status::NotFound, "{release}");
        }
        let info = xen.domain_info(next).unwrap().unwrap();
        assert_eq!((info.uuid.as_u128(), info.max_memory_kib), (2, Some(64)), "{release}");
        assert_ne!(info.state, State::Paused, "{release}");
    }
}

/// An embedded host that is served, and the hypercalls of somebody else in its Domain-0.
struct Served {
    uri: String,
    hypercalls: Arc<dyn Hypercall>,
    release: Release,
    _server: xenith::sim::Server,
    _folder: Scratch,
}

impl Served {
    fn new(name: &str, age: &str, more: &[(&str, &str)]) -> Served {
        let folder = Scratch::new(&format!("traps-{name}-{age}"));
        let options = [("xen", age)].into_iter().chain(more.iter().copied());
        let config = SimConfig::from_query(options).unwrap();
        let release = config.release;
        let server = xenith::sim::serve(config, &folder.0).unwrap();
        Served {
            uri: format!("xen+sim:///?dir={}", folder.0.display()),
            hypercalls: SimHost::join(&folder.0).unwrap().hypercall_port(),
            release,
            _server: server,
            _folder: folder,
        }
    }

    fn act(&self, domid: DomId, op: Domctl) -> Result<(), i32> {
        let call = DomctlCall { domain: domid as u16, op };
        loop {
            match raw(&*self.hypercalls, self.release, call) {
                Err(errno::EAGAIN) => {}
                answer => return answer.map(drop),
            }
        }
    }

    fn record(&self, domid: DomId) -> DomainRecord {
        let call = DomctlCall { domain: domid as u16, op: Domctl::GetDomainInfo };
        let bytes = raw(&*self.hypercalls, self.release, call).unwrap();
        let dialect = dialect(self.release);
        let layout = dialect.layout(&getdomaininfo::TABLE).unwrap();
        DomainRecord::decode(layout, request::payload(dialect, &bytes).unwrap()).unwrap()
    }
}

#[test]
fn trap_5_a_domid_that_was_used_again_between_the_list_and_the_act_is_stale() {
    for age in ["3.0.4", "3.2", "3.4", "4.1", "4.4", "4.5", "4.10.0", "4.17", "4.18", "4.22"] {
        let served = Served::new("reused", age, &[]);
        let host = open(&served.uri);
        let made = host.create(&guest("one", None), false).unwrap();
        let listed = host.list(LIVE).unwrap();
        let domid = made.id().unwrap().unwrap();
        assert!(listed.iter().any(|row| row.info.domid == Some(domid)));
        // Its life ends behind the caller's back, and another one gets its number.
        served.act(domid, Domctl::Destroy).unwrap();
        let other = Uuid::from_u128(0xbad);
        assert_eq!(create(&*served.hypercalls, served.release, domid, other), Ok(domid), "{age}");
        served.act(domid, Domctl::MaxVcpus { max: 1 }).unwrap();
        for act in [made.suspend(), made.resume(), made.shutdown(), made.destroy()] {
            assert_eq!(act.unwrap_err().status, Status::Stale, "{age}");
        }
        let record = served.record(domid);
        assert_eq!(record.handle, *other.as_bytes(), "{age}");
        assert!(!record.live_bits().shutdown, "{age}");
        // It is seen as what it is.
        eventually("the list is of the other one", || {
            let rows = host.list(ALL).unwrap();
            rows.iter().any(|row| row.info.uuid == other)
                && rows.iter().all(|row| row.info.uuid != made.uuid())
        });
    }
}

#[test]
fn trap_6_pauses_count_where_they_do() {
    let backports = [
        (2, ".4", false),
        (2, ".5", true),
        (3, ".2", false),
        (3, ".3", true),
        (4, ".0", false),
        (4, ".1", true),
    ];
    let points = backports.map(|(minor, extra, counts)| (Release { major: 4, minor, extra }, counts));
    let ages = releases().map(|release| (release, release.at_least(4, 2)));
    for (release, counts) in ages.chain(points) {
        let host = Host::new(release);
        let xen = over(host.clone());
        let domid = host.guest(1);
        let paused = || xen.domain_info(domid).unwrap().unwrap().state == State::Paused;
        xen.unpause(domid).unwrap();
        assert!(!paused());
        xen.pause(domid).unwrap();
        xen.pause(domid).unwrap();
        xen.unpause(domid).unwrap();
        assert_eq!(paused(), counts, "{release}");
        if counts {
            xen.unpause(domid).unwrap();
            assert!(!paused());
            assert_eq!(xen.unpause(domid).unwrap_err().errno, Some(errno::EINVAL), "{release}");
        } else {
            // One too many does no harm.
            xen.unpause(domid).unwrap();
        }
        let full = (0..300).find_map(|_| xen.pause(domid).err()).map(|error| error.errno);
        let expected = match () {
            () if !counts => None,
            () if release.at_least(4, 6) => Some(Some(errno::EOVERFLOW)),
            () => Some(Some(errno::EUSERS)),
        };
        assert_eq!(full, expected, "{release}");
    }
}

#[test]
fn trap_6_a_domain_that_others_paused_as_well_is_still_paused_after_a_resume_which_says_so() {
    for (age, counts) in [("4.1", false), ("4.4", true), ("4.17", true)] {
        let served = Served::new("paused", age, &[("toolstack", "xl")]);
        let host = open(&served.uri);
        let domain = host.create(&guest("paused", None), false).unwrap();
        let domid = domain.id().unwrap().unwrap();
        domain.suspend().unwrap();
        served.act(domid, Domctl::Pause).unwrap();
        let resumed = domain.resume();
        assert_eq!(domain.info().unwrap().state == State::Paused, counts, "{age}");
        match resumed {
            Ok(()) => assert!(!counts, "{age}"),
            Err(error) => assert!(counts && error.message.contains("still paused"), "{age}: {error}"),
        }
    }
}

#[test]
fn trap_7_a_large_domain_is_destroyed_in_as_many_calls_as_it_takes() {
    for release in releases() {
        let host = Host::new(release);
        let xen = over(host.clone());
        let free = host.0.lock().physinfo().free_pages;
        let domid = host.make(NewDomain::new(Uuid::from_u128(1), GuestType::Pv), 2 << 20);
        let before = xen.calls();
        xen.destroy(domid, soon()).unwrap();
        let asks_again = release.at_least(3, 2) && !release.at_least(4, 6);
        assert_eq!(xen.calls() - before > 1, asks_again, "{release}");
        assert_eq!(host.0.lock().physinfo().free_pages, free, "{release}");
        assert_eq!(xen.domain_info(domid).unwrap(), None);
    }
}

#[test]
fn trap_8_a_reason_is_only_one_when_the_domain_is_down_and_dying_hides() {
    for release in releases() {
        let host = Host::new(release);
        let xen = over(host.clone());
        let live = host.guest(1);
        host.0.lock().unpause(live).unwrap();
        let call = DomctlCall { domain: live as u16, op: Domctl::GetDomainInfo };
        let bytes = raw(&*host, release, call).unwrap();
        let layout = dialect(release).layout(&getdomaininfo::TABLE).unwrap();
        let record =
            DomainRecord::decode(layout, request::payload(dialect(release), &bytes).unwrap()).unwrap();
        assert_eq!(record.flags >> 16 == 0xffff, release.at_least(4, 0), "{release}: {:#x}", record.flags);
        let state = |domid| {
            let info = xen.domain_info(domid).unwrap().unwrap();
            (info.state, info.reason)
        };
        assert!(matches!(state(live).0, State::Running | State::Blocked), "{release}");
        host.0.lock().shutdown(live, reason::CRASH).unwrap();
        assert_eq!(state(live), (State::Crashed, Reason::Crash), "{release}");

        // Half torn down: dying up to 3.1, merely paused from 3.2 on; from 4.6 on one call does it all.
        let large = host.make(NewDomain::new(Uuid::from_u128(2), GuestType::Pv), 2 << 20);
        if host.0.lock().destroy(large) == Err(errno::EAGAIN) {
            assert_eq!(state(large), (State::Paused, Reason::PausedByToolstack), "{release}");
        }
        // What somebody has mapped stays, and is seen to be dying at every age.
        let zombie = host.guest(3);
        host.0.lock().map(zombie, 1).unwrap();
        host.0.lock().destroy_all(zombie).unwrap();
        assert_eq!(state(zombie), (State::Shutdown, Reason::TearingDown), "{release}");
        assert_eq!(xen.list().unwrap().last().unwrap().state, State::Shutdown, "{release}");
        host.0.lock().unmap(zombie).unwrap();
        assert_eq!(xen.domain_info(zombie).unwrap(), None, "{release}");
    }
}

#[test]
fn trap_9_the_stable_question_has_version_0_and_its_answer_tells_lives_apart() {
    const BASE: u64 = 0x1000;
    for release in releases().filter(|release| release.at_least_point(3, 0, 3)) {
        let host = Host::new(release);
        let domid = host.guest(1);
        let ask = |domid: DomId, version: u32| {
            let mut bytes = [0; DOMCTL_SIZE];
            bytes[..4].copy_from_slice(&90u32.to_le_bytes());
            bytes[4..8].copy_from_slice(&version.to_le_bytes());
            bytes[8..10].copy_from_slice(&(domid as u16).to_le_bytes());
            let answer = host.call(number::DOMCTL, [BASE, 0, 0, 0, 0], &mut Memory::new(BASE, &mut bytes));
            answer.map(|_| bytes)
        };
        let versioned = ask(domid, dialect(release).generation.domctl).map(drop);
        if !release.at_least(4, 21) {
            assert_eq!(ask(domid, 0).map(drop), Err(errno::EACCES), "{release}");
            assert!(matches!(versioned, Err(errno::ENOSYS | errno::EOPNOTSUPP)), "{release}");
            continue;
        }
        assert_eq!(versioned, Err(errno::EACCES), "{release}");
        let layout = dialect(release).layout(DomainState::TABLE).unwrap();
        let state = |domid| ask(domid, 0).map(|bytes| DomainState::decode(layout, &bytes[16..]).unwrap());
        let first = state(domid).unwrap();
        assert_eq!(first.state, bit::EXIST);
        host.0.lock().shutdown(domid, reason::POWEROFF).unwrap();
        assert_eq!(state(domid).unwrap().state, bit::EXIST | bit::SHUTDOWN);
        host.0.lock().destroy_all(domid).unwrap();
        assert_eq!(state(domid), Err(errno::ESRCH));
        let again = NewDomain { domid: Some(domid), ..NewDomain::new(Uuid::from_u128(1), GuestType::Pv) };
        host.make(again, 64);
        assert_ne!(state(domid).unwrap().unique_id, first.unique_id, "same number, same uuid, another life");
    }
}

#[test]
fn trap_17_sysctl_16_is_two_questions_and_each_release_is_asked_its_own() {
    for release in releases().filter(|release| release.at_least(4, 1)) {
        let there =
            [&topologyinfo::TABLE, &cputopoinfo::TABLE].map(|table| dialect(release).layout(table).is_some());
        assert_eq!(there, [!release.at_least(4, 6), release.at_least(4, 6)], "{release}");
        let rows = over(Host::new(release)).cpu_topology().unwrap();
        let cores: Vec<u32> = rows.iter().filter_map(|row| row.core).collect();
        assert_eq!(cores, [0, 1, 2, 3], "{release}");
    }
}

#[test]
fn trap_18_reserved_domids_are_nobody_at_any_age() {
    for release in releases() {
        let host = Host::new(release);
        let xen = over(host.clone());
        let before = xen.calls();
        for reserved in [0x7ff0, 0x7ff4, 0x7ff5, 0x7fff] {
            assert_eq!(xen.domain_info(reserved).unwrap_err().status, Status::InvalidArg, "{release}");
            assert_eq!(xen.pause(reserved).unwrap_err().status, Status::InvalidArg, "{release}");
        }
        assert_eq!(xen.calls(), before, "{release}: Xen would act on who asks");
        // To who makes a domain they mean: choose one. 4.22 takes only 0x7ff5 for that.
        for (order, chooses) in
            [(0x7ff5, true), (0x7ff4, !release.at_least(4, 22)), (0, !release.at_least(4, 22))]
        {
            let made = create(&*host, release, order, Uuid::from_u128(9));
            assert_eq!(made.is_ok(), chooses, "{release} {order:#x}: {made:?}");
        }
    }
}

#[test]
fn trap_21_without_sysctl_single_domains_are_still_found_and_acted_on() {
    for word in ["4.21", "4.22"] {
        let host = Host::new(of(word));
        let inner = host.clone();
        let bare = Odd(move |op, args: [u64; 5], memory: &mut Memory<'_>| match op {
            number::SYSCTL => Err(errno::ENOSYS),
            _ => inner.call(op, args, memory),
        });
        let xen = over(Arc::new(bare));
        assert!(!xen.has_list());
        assert_eq!(xen.list().unwrap_err().status, Status::NotSupported);
        let domid = host.guest(7);
        assert_eq!(xen.domain_info(domid).unwrap().unwrap().uuid, Uuid::from_u128(7));
        xen.unpause(domid).unwrap();
        xen.destroy(domid, soon()).unwrap();
        assert_eq!(xen.domain_info(domid).unwrap(), None);
    }
}

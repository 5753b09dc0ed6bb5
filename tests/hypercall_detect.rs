//! Which Xen is it, and what then: hypervisors of every age that speak what their release speaks, something else, too much, or nothing to
//! us. The far end is a stand-in of a few lines over the same tables, so that it can be of ages that there never were.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use xenith::channel::hypercall::Hypervisor;
use xenith::log::{Level, Log};
use xenith::model::Uuid;
use xenith::wire::hypercall::request::{self, DOMCTL_SIZE, SYSCTL_SIZE};
use xenith::wire::hypercall::state::DomainState;
use xenith::wire::hypercall::{
    Arch, Dialect, Dom0Op, DomainRecord, Domctl, DomctlCall, GENERATIONS, Generation, Known, PhysInfo,
    Refusal, Release, Sysctl, VcpuInfo, errno, number, tables,
};
use xenith::wire::port::{Hypercall, Memory};
use xenith::{Road, Status};

/// A hypervisor with two domains, 0 and 7.
#[derive(Clone)]
struct Standin {
    /// What it calls itself.
    release: Release,
    /// What it speaks.
    dialect: Dialect,
    /// What it answers whatever it is asked besides its version.
    refusal: Option<i32>,
    /// What a security policy answers to requests on domains that are otherwise right.
    policy: Option<i32>,
    sysctl_is_missing: bool,
    capabilities: &'static str,
}

impl Standin {
    fn new(generation: &'static Generation) -> Standin {
        Standin {
            release: generation.from,
            dialect: Dialect { generation, arch: Arch::HERE },
            refusal: None,
            policy: None,
            sysctl_is_missing: false,
            capabilities: "xen-3.0-x86_64 hvm-3.0-x86_64",
        }
    }

    fn at(release: Release) -> Standin {
        Standin::new(Generation::at(release).unwrap())
    }

    fn domctl(&self, address: u64, memory: &mut Memory<'_>, call: DomctlCall) -> Result<i64, i32> {
        if let Some(errno) = self.policy {
            return Err(errno);
        }
        let size = if self.dialect.generation.has_dom0_op() { SYSCTL_SIZE } else { DOMCTL_SIZE };
        let bytes = memory.slice(address, size).ok_or(errno::EFAULT)?;
        let scans = !self.dialect.generation.since((4, 18, 0));
        match call.op {
            Domctl::GetVcpuInfo { vcpu: 0 } => {
                let info =
                    VcpuInfo { online: true, cpu_time_ns: 5, cpumap: Some(0b11), ..VcpuInfo::default() };
                let layout = self.dialect.layout(VcpuInfo::TABLE).unwrap();
                info.encode(layout, request::payload_mut(self.dialect, bytes).unwrap()).unwrap();
            }
            Domctl::GetDomainInfo => {
                let found = [0, 7].into_iter().find(|id| *id == call.domain || scans && *id > call.domain);
                let found = found.ok_or(errno::ESRCH)?;
                let layout = self.dialect.layout(&tables::getdomaininfo::TABLE).unwrap();
                record(found).encode(layout, request::payload_mut(self.dialect, bytes).unwrap()).unwrap();
                request::set_domain(self.dialect, bytes, found);
            }
            Domctl::GetDomainState => {
                let state = DomainState { state: 1, caps: 0, unique_id: 0x1234 };
                let layout = self.dialect.layout(DomainState::TABLE).unwrap();
                state.encode(layout, request::payload_mut(self.dialect, bytes).unwrap()).unwrap();
            }
            _ => return Err(errno::EINVAL),
        }
        Ok(0)
    }

    fn sysctl(&self, address: u64, memory: &mut Memory<'_>, call: Sysctl) -> Result<i64, i32> {
        match call {
            Sysctl::SchedId => request::set_sched_id(memory.slice(address, SYSCTL_SIZE).unwrap(), 5),
            Sysctl::PhysInfo => {
                let info = PhysInfo {
                    cpus: 4,
                    threads_per_core: 1,
                    cores_per_socket: 4,
                    nodes: 1,
                    ..PhysInfo::default()
                };
                let layout = self.dialect.layout(&tables::physinfo::TABLE).unwrap();
                let bytes = memory.slice(address, SYSCTL_SIZE).unwrap();
                info.encode(layout, request::sysctl_payload_mut(bytes).unwrap()).unwrap();
            }
            Sysctl::GetDomainInfoList(list) => {
                let layout = self.dialect.layout(&tables::getdomaininfo::TABLE).unwrap();
                let ids: Vec<u16> = [0, 7].into_iter().filter(|id| *id >= list.first).collect();
                for (index, id) in ids.iter().enumerate() {
                    let at = list.buffer + (index * layout.size()) as u64;
                    record(*id)
                        .encode(layout, memory.slice(at, layout.size()).ok_or(errno::EFAULT)?)
                        .unwrap();
                }
                request::set_num_domains(memory.slice(address, SYSCTL_SIZE).unwrap(), ids.len() as u32);
            }
            _ => return Err(errno::EINVAL),
        }
        Ok(0)
    }
}

fn record(domain: u16) -> DomainRecord {
    let handle = *Uuid::from_u128(u128::from(domain)).as_bytes();
    DomainRecord { domain, handle, tot_pages: 512, max_pages: 1024, cpu_time: 9, ..DomainRecord::default() }
}

fn errno_of(refusal: Refusal) -> i32 {
    match refusal {
        Refusal::Version(_) => errno::EACCES,
        Refusal::Short => errno::EFAULT,
        Refusal::Unknown(_) => errno::ENOSYS,
        Refusal::Invalid => errno::EINVAL,
    }
}

impl Hypercall for Standin {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
        let (major, minor, point) = self.release;
        if op == number::XEN_VERSION {
            let text = match args[0] {
                0 => return Ok(i64::from(major) << 16 | i64::from(minor)),
                1 => format!(".{point}"),
                3 => self.capabilities.to_owned(),
                _ => return Err(errno::ENOSYS),
            };
            memory.slice(args[1], text.len()).unwrap().copy_from_slice(text.as_bytes());
            return Ok(0);
        }
        if let Some(errno) = self.refusal {
            return Err(errno);
        }
        let old = self.dialect.generation.has_dom0_op();
        let size = match op {
            number::DOM0_OP => SYSCTL_SIZE,
            number::DOMCTL if !old => DOMCTL_SIZE,
            number::SYSCTL if !old && !self.sysctl_is_missing => SYSCTL_SIZE,
            _ => return Err(errno::ENOSYS),
        };
        let bytes = memory.slice(args[0], size).ok_or(errno::EFAULT)?;
        match op {
            // Later it is platform_op, which has another version.
            number::DOM0_OP if !old => Err(errno::EACCES),
            number::DOM0_OP => match Dom0Op::decode(self.dialect, bytes).map_err(errno_of)? {
                Dom0Op::Domain(call) => self.domctl(args[0], memory, call),
                Dom0Op::Host(call) => self.sysctl(args[0], memory, call),
            },
            number::DOMCTL => {
                let call = DomctlCall::decode(self.dialect, bytes).map_err(errno_of)?;
                self.domctl(args[0], memory, call)
            }
            _ => {
                let call = Sysctl::decode(self.dialect, bytes).map_err(errno_of)?;
                self.sysctl(args[0], memory, call)
            }
        }
    }
}

fn over(standin: Standin) -> xenith::Result<Hypervisor> {
    Hypervisor::over(Arc::new(standin), &Log::default())
}

/// Everything that the road reads, of a stand-in.
fn read_everything(xen: &Hypervisor) {
    let rows = xen.list().unwrap();
    assert_eq!(rows.iter().map(|row| row.domid).collect::<Vec<_>>(), [Some(0), Some(7)]);
    let info = xen.domain_info(7).unwrap().unwrap();
    assert_eq!((info.uuid, info.memory_kib), (Uuid::from_u128(7), Some(2048)));
    assert_eq!(info.max_memory_kib, Some(4096));
    assert_eq!(xen.domain_info(3).unwrap(), None);
    assert_eq!(xen.physinfo().unwrap().cpus, 4);
    assert_eq!(xen.scheduler().unwrap(), 5);
    assert!(xen.vcpu_info(0, 0).unwrap().unwrap().online);
}

#[test]
fn every_generation_is_recognized_in_at_most_four_hypercalls_and_read() {
    for generation in GENERATIONS {
        // Arm is known from 4.5 on.
        if Arch::HERE == Arch::Arm64 && !generation.since((4, 5, 0)) {
            continue;
        }
        let xen = over(Standin::new(generation)).unwrap();
        assert!(xen.calls() <= 4, "Xen {generation}: {} calls", xen.calls());
        assert_eq!(xen.generation(), generation);
        read_everything(&xen);
        // It is not found out again.
        assert!(xen.calls() <= 11, "Xen {generation}: {} calls", xen.calls());
    }
}

#[test]
fn dom0_op_tells_a_vcpus_affinity_with_its_state() {
    let xen = over(Standin::at((3, 0, 2))).unwrap();
    assert_eq!(xen.vcpu_affinity(0, 0).unwrap().hard, [0, 1].into());
    // What it does not have is not asked.
    let before = xen.calls();
    assert_eq!(xen.domain_scheduler(0, 5).unwrap_err().status, Status::NotSupported);
    assert_eq!(xen.cpu_topology().unwrap_err().status, Status::NotSupported);
    assert_eq!(xen.available_heap(None).unwrap_err().status, Status::NotSupported);
    assert_eq!(xen.calls(), before);
}

#[test]
fn a_made_up_next_release_takes_one_row() {
    let next = Generation { from: (4, 23, 0), before: (4, 24, 0), domctl: 0x19, sysctl: 0x17 };
    let known: &'static [Generation] = Vec::leak([GENERATIONS, &[next]].concat());
    let generation = known.last().unwrap();
    // Without the row it is met with its number.
    let error = over(Standin::new(generation)).unwrap_err();
    assert_eq!((error.status, error.road), (Status::NotSupported, Road::Hypercall));

    let xen =
        Hypervisor::over_knowing(Arc::new(Standin::new(generation)), Known(known), &Log::default()).unwrap();
    assert_eq!((xen.calls(), xen.generation()), (4, generation));
    read_everything(&xen);
    assert_eq!(xen.domain_state(7).unwrap().unwrap().unique_id, 0x1234);
    // Each structure is the one of the release before, until a column says otherwise.
    for table in tables::ALL {
        for arch in [Arch::X86_64, Arch::Arm64] {
            assert_eq!(table.layout((4, 23, 0), arch), table.layout((4, 22, 0), arch), "{}", table.name);
        }
    }
}

#[test]
fn an_interface_newer_than_any_known_is_named_with_what_still_works() {
    for (domctl, sysctl, named) in [
        (0x19, 0x16, "speaks domctl version 0x19 that is newer"),
        (0x1a, 0x17, "domctl version 0x1a and sysctl version 0x17"),
    ] {
        let next = Generation { from: (4, 23, 0), before: (4, 24, 0), domctl, sysctl };
        let next: &'static Generation = Box::leak(Box::new(next));
        let error = over(Standin::new(next)).unwrap_err();
        assert_eq!(
            (error.status, error.road, error.errno),
            (Status::NotSupported, Road::Hypercall, Some(errno::EACCES))
        );
        for part in
            ["4.23.0", "newer", named, "3.0.0 to 4.22", "domctl version 0x18", "xenstore", "xl toolstack"]
        {
            assert!(error.message.contains(part), "'{part}': {error}");
        }
    }
    // So far ahead that the number is not found either.
    let far = Generation { from: (5, 0, 0), before: (5, 1, 0), domctl: 0x99, sysctl: 0x99 };
    let error = over(Standin::new(Box::leak(Box::new(far)))).unwrap_err();
    assert!(
        error.message.contains("5.0.0 speaks an interface that is newer") && error.message.contains("0x18"),
        "{error}"
    );
}

#[test]
fn a_build_that_speaks_another_releases_interface_is_spoken_with_and_said() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = lines.clone();
    let log = Log::to(move |level, line| heard.lock().push((level, line.to_owned())));
    // A snapshot of what became 4.23 with the interface of 4.22; a vendor's 3.1 with that of 3.0.4; 4.10.0 patched to 4.10.1's interface.
    for (named, speaks) in
        [((4, 23, 0), (4, 22, 0)), ((3, 1, 2), (3, 0, 4)), ((4, 10, 0), (4, 10, 1)), ((3, 0, 0), (3, 0, 3))]
    {
        if Arch::HERE == Arch::Arm64 && speaks < (4, 5, 0) {
            continue;
        }
        lines.lock().clear();
        let standin = Standin { release: named, ..Standin::at(speaks) };
        let xen = Hypervisor::over(Arc::new(standin), &log).unwrap();
        assert_eq!(xen.generation().from, speaks);
        read_everything(&xen);
        let words = format!("Xen {}.{}.{}", named.0, named.1, named.2);
        let said = lines.lock().iter().any(|(level, line)| *level == Level::Warning && line.contains(&words));
        assert!(said, "{named:?}: {:?}", lines.lock());
    }
}

#[test]
fn of_two_releases_with_the_same_versions_the_nearest_one_is_meant() {
    // 3.4's versions were 3.2's: whose structures it has, the release says.
    let xen = over(Standin { release: (3, 4, 2), ..Standin::at((3, 3, 0)) }).unwrap();
    assert_eq!(xen.generation().from, (3, 3, 0));
    let xen = over(Standin { release: (4, 9, 0), ..Standin::at((4, 4, 0)) }).unwrap();
    assert_eq!(xen.generation().from, (4, 4, 0), "and not 4.3");
}

#[test]
fn no_right_a_wrong_version_and_a_policy_are_told_apart() {
    let known = || Standin::at((4, 17, 0));
    let error = over(Standin { refusal: Some(errno::EPERM), ..known() }).unwrap_err();
    assert_eq!((error.status, error.errno), (Status::AccessDenied, Some(errno::EPERM)));
    assert!(error.message.contains("root") && !error.message.contains("XSM"), "{error}");

    for policy in [
        Standin { refusal: Some(errno::EACCES), ..known() },
        Standin { policy: Some(errno::EACCES), ..known() },
    ] {
        let some = policy.policy.is_some();
        let error = over(policy).unwrap_err();
        assert_eq!((error.status, error.errno), (Status::AccessDenied, Some(errno::EACCES)));
        for part in [
            "4.17",
            "XSM",
            "dom0",
            if some { "some of the control calls" } else { "this domain control calls" },
        ] {
            assert!(error.message.contains(part), "'{part}': {error}");
        }
    }

    // The policy allows the probe and denies what comes after it.
    let xen = over(known()).unwrap();
    assert!(xen.domain_info(7).is_ok());
    let error = Hypervisor::over(Arc::new(Later::new(known(), 4, errno::EACCES)), &Log::default())
        .unwrap()
        .domain_info(7)
        .unwrap_err();
    assert_eq!(error.status, Status::AccessDenied);
    assert!(error.message.contains("XSM"), "{error}");
}

/// Refuses everything after the first calls.
struct Later {
    standin: Standin,
    left: AtomicU64,
    errno: i32,
}

impl Later {
    fn new(standin: Standin, calls: u64, errno: i32) -> Later {
        Later { standin, left: AtomicU64::new(calls), errno }
    }
}

impl Hypercall for Later {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => self.standin.call(op, args, memory),
            Err(_) => Err(self.errno),
        }
    }
}

#[test]
fn a_hypervisor_without_sysctls_goes_on_with_what_needs_none() {
    let xen = over(Standin { sysctl_is_missing: true, ..Standin::at((4, 21, 0)) }).unwrap();
    assert_eq!((xen.calls(), xen.has_list()), (4, false));
    assert_eq!(xen.domain_info(7).unwrap().unwrap().uuid, Uuid::from_u128(7));
    assert!(xen.domain_state(7).unwrap().is_some());
    let before = xen.calls();
    for error in [xen.list().unwrap_err(), xen.physinfo().unwrap_err(), xen.numa_nodes().unwrap_err()] {
        assert_eq!((error.status, error.errno), (Status::NotSupported, Some(errno::ENOSYS)));
        assert!(error.message.contains("CONFIG_SYSCTL") && error.message.contains("xenstore"), "{error}");
    }
    assert_eq!(xen.calls(), before, "nothing is asked in vain");
    // No Xen before 4.21 can be built so: there it is something else that does not fit.
    let error = over(Standin { sysctl_is_missing: true, ..Standin::at((4, 17, 0)) }).unwrap_err();
    assert_eq!((error.status, error.errno), (Status::NotSupported, Some(errno::ENOSYS)));
    assert!(error.message.contains("has no sysctl"), "{error}");
}

#[test]
fn an_i386_hypervisor_is_refused_by_name() {
    let capabilities = "xen-3.0-x86_32p hvm-3.0-x86_32";
    // 3.0.2, whose one interface is spoken; 3.0.4, which answers in structures of its own; one that refuses to be asked at all.
    let old = Standin { capabilities, ..Standin::at((3, 0, 2)) };
    let refusing = Standin { capabilities, refusal: Some(errno::EACCES), ..Standin::at((3, 2, 0)) };
    for i386 in [old, refusing] {
        let error = over(i386).unwrap_err();
        assert_eq!(error.status, Status::NotSupported);
        assert!(error.message.contains("i386") && error.message.contains("x86_32p"), "{error}");
    }
    let short = Standin { capabilities, ..Standin::at((3, 0, 4)) };
    let odd = Shorter(short);
    let error = Hypervisor::over(Arc::new(odd), &Log::default()).unwrap_err();
    assert!(error.message.contains("i386"), "{error}");
}

/// Answers domctls in a container of 140 bytes, as i386 has it up to 3.0.4: four bytes too early for the caller.
struct Shorter(Standin);

impl Hypercall for Shorter {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
        let answer = self.0.call(op, args, memory);
        if op == number::DOMCTL {
            let bytes = memory.slice(args[0], DOMCTL_SIZE).unwrap();
            bytes.copy_within(16..DOMCTL_SIZE, 12);
        }
        answer
    }
}

#[test]
fn what_was_found_out_holds_for_the_whole_connection() {
    let counted = Arc::new(Counted { standin: Standin::at((4, 4, 0)), versions: AtomicU64::new(0) });
    let xen = Hypervisor::over(counted.clone(), &Log::default()).unwrap();
    for _ in 0..5 {
        read_everything(&xen);
    }
    assert_eq!(counted.versions.load(Ordering::Relaxed), 2);
}

/// Counts the questions for the version.
struct Counted {
    standin: Standin,
    versions: AtomicU64,
}

impl Hypercall for Counted {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
        if op == number::XEN_VERSION {
            self.versions.fetch_add(1, Ordering::Relaxed);
        }
        self.standin.call(op, args, memory)
    }
}

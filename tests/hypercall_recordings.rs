//! The near end of the hypercall road against recordings of real hypervisors (tests/data/hypercall): what the library asks must be, byte
//! for byte, what the recording's own program asked, and what Xen answered must mean what the recorded story says. The far end is led through
//! the same story in tests/hypercall_replay.rs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod recorded;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use xenith::Status;
use xenith::deadline::Deadline;
use xenith::model::{DomainInfo, GuestType, State, Uuid};
use xenith::wire::hypercall::request::{self, DOMCTL_SIZE, SYSCTL_SIZE};
use xenith::wire::hypercall::tables::{getdomaininfo, physinfo};
use xenith::wire::hypercall::{
    DomainRecord, Domctl, DomctlCall, ListCall, PhysInfo, Sysctl, VcpuInfo, errno, number,
};

use recorded::{Recording, Replay, Step};

/// The uuids that the recording program gave.
const FIRST_UUID: &str = "0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0";
const SECOND_UUID: &str = "10325476-98ba-4cdc-afef-cdab89674523";

/// Recorded calls, by number.
const OP_CREATE: u64 = 1;
const OP_SET_HANDLE: u64 = 17;
const OP_RESUME: u64 = 27;
const MEMORY_OP: u64 = 12;
const SCHED_OP: u64 = 29;

#[test]
fn our_requests_are_the_recorded_bytes() {
    for recording in Recording::all() {
        let mut compared = BTreeMap::<String, usize>::new();
        for step in &recording.steps {
            let ours = if let Some(call) = step.domctl(recording.dialect) {
                assert_eq!(Some(call.domain), step.domain, "step {}", step.number);
                let mut bytes = [0xee; DOMCTL_SIZE];
                call.encode(recording.dialect, &mut bytes).unwrap();
                bytes.to_vec()
            } else if let Some(call) = step.sysctl(recording.dialect) {
                let mut bytes = [0xee; SYSCTL_SIZE];
                call.encode(recording.dialect, &mut bytes).unwrap();
                bytes.to_vec()
            } else {
                continue;
            };
            assert_eq!(ours, step.request, "Xen {}, step {}, {}", recording.name, step.number, step.op);
            *compared.entry(format!("{} {}", step.hypercall, step.cmd.unwrap())).or_default() += 1;
        }
        // Domctls 1 to 5, 9, 11, 14 to 17, 25 and sysctls 1, 3, 4, 6, 8, 9, from 4.1 on 16, 17 and 19, from 4.21 on domctl 90: each of
        // them was there.
        let since = |release| recording.dialect.generation.since(release);
        let kinds = 18 + if since((4, 1, 0)) { 3 } else { 0 } + usize::from(since((4, 21, 0)));
        assert_eq!(compared.len(), kinds, "Xen {}: {compared:?}", recording.name);
        assert!(compared.values().sum::<usize>() > 150, "{compared:?}");
    }
}

#[test]
fn the_arguments_of_requests_are_what_the_recording_program_meant() {
    for recording in Recording::all() {
        let domctl = |op: &str| recording.step(op).1.domctl(recording.dialect).unwrap().op;
        assert_eq!(domctl("max_mem"), Domctl::MaxMem { kib: 16 * 1024 });
        assert_eq!(domctl("max_vcpus"), Domctl::MaxVcpus { max: 1 });
        assert_eq!(domctl("max_vcpus.more"), Domctl::MaxVcpus { max: 2 });
        assert_eq!(domctl("pausedomain"), Domctl::Pause);
        assert_eq!(domctl("unpausedomain"), Domctl::Unpause);
        assert_eq!(domctl("destroydomain"), Domctl::Destroy);
        let list = ListCall { first: 0, max: 16, buffer: recording.buffer_va };
        assert_eq!(
            recording.step("getdomaininfolist.two").1.sysctl(recording.dialect),
            Some(Sysctl::GetDomainInfoList(list))
        );
        let list = ListCall { first: 21, ..list };
        assert_eq!(
            recording.step("getdomaininfolist.from").1.sysctl(recording.dialect),
            Some(Sysctl::GetDomainInfoList(list))
        );
        assert_eq!(recording.step("physinfo").1.args, [recording.request_va]);
    }
}

/// What the recorded requests have made of a domain so far.
#[derive(Debug, Default, Clone)]
struct Expected {
    uuid: Uuid,
    hvm: bool,
    max_kib: u64,
    kib: u64,
    max_vcpus: u32,
    shutdown: Option<u32>,
}

#[test]
fn recorded_records_say_what_the_recorded_requests_made_of_each_domain() {
    for recording in Recording::all() {
        let mut domains = BTreeMap::<u16, Expected>::new();
        let mut compared = 0;
        for step in &recording.steps {
            if step.op.contains("zombie") || step.op.contains("many") {
                break;
            }
            follow(&mut domains, recording, step);
            let payload = request::payload(recording.dialect, &step.reply);
            if let (Some(Domctl::GetDomainInfo), Ok(_), Some(payload)) =
                (step.domctl(recording.dialect).map(|call| call.op), step.result, payload)
            {
                let record = recording.record(payload);
                assert_eq!(Some(record.domain), request::domain(recording.dialect, &step.reply));
                check(recording, &record, &domains, step);
                compared += 1;
            }
            if let (Some(Sysctl::GetDomainInfoList(list)), Ok(_)) =
                (step.sysctl(recording.dialect), step.result)
            {
                let count = request::num_domains(&step.reply).unwrap() as usize;
                let stride = recording.dialect.layout(&getdomaininfo::TABLE).unwrap().size();
                let found: Vec<u16> = step
                    .buffer
                    .chunks(stride)
                    .take(count)
                    .map(|bytes| {
                        let record = recording.record(bytes);
                        check(recording, &record, &domains, step);
                        record.domain
                    })
                    .collect();
                let mut there = vec![0];
                there.extend(domains.keys());
                there.retain(|domain| *domain >= list.first);
                there.truncate(list.max as usize);
                assert_eq!(found, there, "Xen {}, step {}", recording.name, step.number);
                compared += count;
            }
        }
        assert!(compared > 40, "Xen {}: {compared} records", recording.name);
    }
}

/// Keeps `domains` as the recorded step leaves them.
fn follow(domains: &mut BTreeMap<u16, Expected>, recording: &Recording, step: &Step) {
    if step.result.is_err() {
        return;
    }
    let half = |at: usize| u32::from_le_bytes(step.request[at..at + 4].try_into().unwrap());
    let payload = DOMCTL_SIZE - 128;
    match (step.hypercall, step.cmd) {
        (number::DOMCTL, Some(OP_CREATE)) => {
            let uuid = Uuid::from_slice(&step.request[payload + 4..payload + 20]).unwrap();
            let made = Expected { uuid, hvm: half(payload + 20) & 1 != 0, ..Expected::default() };
            domains.insert(request::domain(recording.dialect, &step.reply).unwrap(), made);
        }
        (number::DOMCTL, Some(cmd)) => {
            let Some(domain) = step.domain.and_then(|domain| domains.get_mut(&domain)) else { return };
            match (cmd, step.domctl(recording.dialect).map(|call| call.op)) {
                (OP_SET_HANDLE, _) => {
                    domain.uuid = Uuid::from_slice(&step.request[payload..payload + 16]).unwrap()
                }
                (OP_RESUME, _) => domain.shutdown = None,
                (_, Some(Domctl::MaxMem { kib })) => domain.max_kib = kib,
                (_, Some(Domctl::MaxVcpus { max })) => domain.max_vcpus = max,
                (_, Some(Domctl::Destroy)) => {
                    domains.remove(&step.domain.unwrap());
                }
                _ => {}
            }
        }
        (MEMORY_OP, Some(6)) => {
            // populate_physmap: its value is how many pages it gave.
            let domain = domains.get_mut(&(half(24) as u16)).unwrap();
            domain.kib += 4 * step.result.unwrap() as u64;
        }
        (SCHED_OP, Some(4)) => domains.get_mut(&(half(0) as u16)).unwrap().shutdown = Some(half(4)),
        _ => {}
    }
}

fn check(recording: &Recording, record: &DomainRecord, domains: &BTreeMap<u16, Expected>, step: &Step) {
    let at = format!("Xen {}, step {}, domain {}", recording.name, step.number, record.domain);
    let info = record.info(recording.dialect);
    if record.domain == 0 {
        assert_eq!((info.memory_kib, info.max_memory_kib), (Some(512 << 10), None), "{at}");
        assert_eq!((info.vcpus_online, info.vcpus_max), (Some(2), Some(2)), "{at}");
        assert_eq!(
            (info.state, info.guest_type, info.uuid),
            (State::Running, Some(GuestType::Pv), Uuid::nil()),
            "{at}"
        );
        assert!(info.cpu_time_ns > Some(1_000_000_000), "{at}");
        return;
    }
    let expected = domains.get(&record.domain).unwrap_or_else(|| panic!("{at} is not there"));
    assert_eq!(info.uuid, expected.uuid, "{at}");
    assert_eq!(info.memory_kib, Some(expected.kib), "{at}");
    assert_eq!(info.max_memory_kib, Some(expected.max_kib), "{at}");
    assert_eq!(info.guest_type == Some(GuestType::Pv), !expected.hvm, "{at}");
    assert_eq!((info.ssidref, info.cpu_time_ns), (Some(0), Some(0)), "{at}");
    // From 4.3.4, 4.4.2 and 4.5 on.
    let marked = recording.dialect.generation.since((4, 3, 0));
    assert_eq!(
        info.vcpus_max,
        Some(if marked { expected.max_vcpus } else { expected.max_vcpus.max(1) }),
        "{at}"
    );
    assert_eq!(
        record.outstanding_pages,
        (recording.dialect.generation.since((4, 3, 0))).then_some(0),
        "{at}"
    );
    let pools = recording.dialect.generation.since((4, 1, 0));
    assert_eq!(info.cpupool, pools.then_some(0), "{at}");
    let bits = record.live_bits();
    assert_eq!(bits.shutdown.then_some(u32::from(bits.shutdown_reason)), expected.shutdown, "{at}");
}

#[test]
fn recorded_figures_of_the_host_are_those_of_its_machine() {
    for recording in Recording::all() {
        for op in ["physinfo", "physinfo.end"] {
            let (_, step) = recording.step(op);
            let layout = recording.dialect.layout(&physinfo::TABLE).unwrap();
            let info = PhysInfo::decode(layout, request::sysctl_payload(&step.reply).unwrap()).unwrap();
            // QEMU with 2 processors and 1024 MiB, of which Domain-0 has 512.
            assert_eq!((info.cpus, info.nodes, info.threads_per_core, info.cores_per_socket), (2, 1, 1, 2));
            let node = info.node_info("x86_64");
            assert!((900 << 10..=1 << 20).contains(&node.memory_kib), "{node:?}");
            assert!(node.free_memory_kib.unwrap() < 512 << 10, "{node:?}");
            assert!((500..10_000).contains(&node.mhz.unwrap()), "{node:?}");
            assert_eq!(info.capabilities.unwrap() & 1, 1, "HVM: qemu64 with svm");
            // CPUID's leaf 1 EDX: FPU and PAE at least.
            assert_eq!(info.hw_cap[0] & 0x41, 0x41, "Xen {}: {:x?}", recording.name, info.hw_cap);
        }
        let (_, step) = recording.step("getvcpuinfo");
        assert!(
            VcpuInfo::decode(
                recording.dialect.layout(VcpuInfo::TABLE).unwrap(),
                request::payload(recording.dialect, &step.reply).unwrap()
            )
            .unwrap()
            .online
        );
    }
}

#[test]
fn the_near_end_reads_a_recorded_host() {
    for recording in Recording::all() {
        let name = recording.name.as_str();
        let (replay, hypervisor) = Replay::hypervisor(recording);
        assert_eq!(hypervisor.calls(), 4, "detection");
        let version = hypervisor.version().to_string();
        assert!(version == name || name == "4.17-debian" && version.starts_with("4.17."), "{version}");
        assert_eq!(hypervisor.generation().domctl, replay.recording.dialect.generation.domctl);
        assert_eq!(hypervisor.generation().sysctl, replay.recording.dialect.generation.sysctl);
        replay.go_to(0);
        let capabilities = hypervisor.capabilities().unwrap();
        assert!(
            capabilities.starts_with("xen-3.0-x86_64 ") && capabilities.ends_with("hvm-3.0-x86_64"),
            "{capabilities}"
        );
        assert_eq!(hypervisor.physinfo().unwrap().cpus, 2);

        let list = |op: &str| {
            replay.go_to(replay.recording.step(op).0);
            let before = hypervisor.calls();
            let rows = hypervisor.list().unwrap();
            assert_eq!(hypervisor.calls(), before + 1);
            rows
        };
        let ids = |rows: &[DomainInfo]| rows.iter().map(|row| row.domid.unwrap()).collect::<Vec<_>>();
        assert_eq!(ids(&list("getdomaininfolist.first0")), [0]);
        let three = list("getdomaininfolist.three");
        assert_eq!(three.len(), 3);
        assert_eq!(three[1].uuid.to_string(), SECOND_UUID);
        assert_eq!((three[1].state, three[2].domid), (State::Paused, Some(23)));
        assert_eq!((three[1].memory_kib, three[1].max_memory_kib), (Some(64), Some(16 << 10)));
        let shut = list("getdomaininfolist.two_shutdown");
        assert_eq!(shut[1].state, State::Shutoff);
    }
}

#[test]
fn the_near_end_asks_and_understands_each_recorded_call_on_a_domain() {
    for recording in Recording::all() {
        let name = recording.name.as_str();
        let (replay, hypervisor) = Replay::hypervisor(recording);
        let mut asked = 0;
        for (index, step) in recording.steps.iter().enumerate() {
            let Some(DomctlCall { domain, op }) = step.domctl(recording.dialect) else { continue };
            if step.version != Some(recording.dialect.generation.domctl) {
                continue;
            }
            replay.go_to(index);
            let domid = u32::from(domain);
            let deadline = Deadline::after(Duration::from_secs(5));
            let answer = match op {
                Domctl::GetDomainInfo => hypervisor.domain_info(domid).map(|info| {
                    let there = step.result.is_ok()
                        && request::domain(recording.dialect, &step.reply) == Some(domain);
                    assert_eq!(info.is_some(), there, "step {}", step.number);
                }),
                Domctl::Pause => hypervisor.pause(domid),
                Domctl::Unpause => hypervisor.unpause(domid),
                Domctl::Destroy => hypervisor.destroy(domid, deadline),
                Domctl::MaxMem { kib } => hypervisor.set_max_memory(domid, kib),
                Domctl::MaxVcpus { max } => hypervisor.set_max_vcpus(domid, max),
                _ => continue,
            };
            asked += 1;
            let at = format!("Xen {name}, step {}, {}", step.number, step.op);
            if domid >= 0x7ff0 {
                assert_eq!(answer.unwrap_err().status, Status::InvalidArg, "{at}");
                assert_eq!(replay.at.load(Ordering::Relaxed), index, "{at}: nothing is asked");
                continue;
            }
            match (step.result, op) {
                (Ok(_), _) => assert_eq!(answer, Ok(()), "{at}"),
                (Err(errno::ESRCH), Domctl::GetDomainInfo) => assert_eq!(answer, Ok(()), "{at}"),
                // Asked again, and done by then.
                (Err(errno::EAGAIN), Domctl::Destroy) => assert_eq!(answer, Ok(()), "{at}"),
                (Err(errno), _) => {
                    let error = answer.unwrap_err();
                    assert_eq!(error.errno, Some(errno), "{at}");
                    assert_ne!(error.status, Status::Internal, "{at}: {error}");
                }
            }
        }
        assert!(asked > 80, "Xen {name}: {asked}");
    }
}

#[test]
fn the_uuids_of_the_recording_are_read_in_the_order_of_their_digits() {
    for recording in Recording::all() {
        let created = recording.steps.iter().position(|step| step.op == "createdomain").unwrap();
        let after = &recording.steps[created + 1];
        let info = recording
            .record(request::payload(recording.dialect, &after.reply).unwrap())
            .info(recording.dialect);
        assert_eq!(info.uuid.to_string(), FIRST_UUID);
    }
}

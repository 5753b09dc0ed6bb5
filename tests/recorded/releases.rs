//! What each recorded release answered, read by the near end and by the tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use xenith::Status;
use xenith::model::{CpuPlace, State};
use xenith::wire::hypercall::host::*;
use xenith::wire::hypercall::scheduler::*;
use xenith::wire::hypercall::state::{DomainState, bit};
use xenith::wire::hypercall::{
    CreateDomain, Domctl, PhysInfo, Sysctl, VcpuAffinity, VcpuInfo, errno, number, request,
};

use super::{Recording, Replay, Step, domain_of, here, of, shared};

/// The operations of which an extract holds the first step: what the near end asks for, and what it needs to get so far.
const EXTRACTED: [&str; 25] = [
    "xen_version.version",
    "xen_version.extraversion",
    "xen_version.capabilities",
    "sched_id",
    "physinfo",
    "physinfo.with_cpu_to_node",
    "topologyinfo",
    "cputopoinfo",
    "numainfo",
    "getcpuinfo",
    "availheap",
    "readconsole",
    "sysctl.scheduler_op.get",
    "getdomaininfolist.first0",
    "getdomaininfolist.three",
    "createdomain",
    "getvcpuinfo",
    "getvcpuaffinity",
    "setvcpuaffinity",
    "scheduler_op.put",
    "max_mem",
    "max_vcpus",
    "setdomainhandle",
    "get_domain_state.created",
    "get_domain_state.dom0",
];

/// Every release: the whole recording where there is one, else its extract.
fn each() -> Vec<&'static Recording> {
    let mut each: Vec<&'static Recording> = Recording::all().collect();
    let extracts: &'static [Recording] = Box::leak(of(&here().join("short")).into_boxed_slice());
    each.extend(extracts.iter().filter(|extract| Recording::all().all(|whole| whole.name != extract.name)));
    assert_eq!(each.len(), 21, "20 releases, one of them in two builds");
    each
}

#[test]
fn the_near_end_reads_every_recorded_release() {
    for recording in each() {
        let (replay, xen) = Replay::hypervisor(recording);
        let name = recording.name.as_str();
        assert_eq!(xen.calls(), 4, "Xen {name}: detection");
        assert_eq!(xen.generation(), recording.dialect.generation);
        let since = |release| recording.dialect.generation.since(release);
        let one_call = |op: &str| {
            replay.go_to(recording.step(op).0);
            xen.calls()
        };

        // QEMU with 2 processors on one node, and 1024 MiB, of which Domain-0 has 512.
        one_call("physinfo");
        let host = xen.physinfo().unwrap();
        assert_eq!((host.cpus, host.nodes), (2, 1), "Xen {name}");
        replay.go_to(0);
        match since((4, 1, 0)) {
            true => {
                let place = |core| CpuPlace { core: Some(core), socket: Some(0), node: Some(0) };
                assert_eq!(xen.cpu_topology().unwrap(), [place(0), place(1)], "Xen {name}");
                replay.go_to(0);
                let nodes = xen.numa_nodes().unwrap();
                assert_eq!(nodes.len(), 1, "Xen {name}");
                assert!((1000 << 10..=1 << 20).contains(&nodes[0].memory_kib.unwrap()), "{nodes:?}");
                assert!(nodes[0].free_memory_kib < Some(512 << 10), "{nodes:?}");
                assert_eq!(nodes[0].distances, [Some(10)], "Xen {name}");
            }
            // 4.0 tells the nodes with physinfo.
            false => {
                let place = CpuPlace { node: Some(0), ..CpuPlace::default() };
                assert_eq!(xen.cpu_topology().unwrap(), [place, place]);
                assert_eq!(xen.numa_nodes().unwrap_err().status, Status::NotSupported);
            }
        }
        one_call("getcpuinfo");
        let idle = xen.cpu_idle_times().unwrap();
        assert!(idle.len() == 2 && idle.iter().all(|ns| *ns > 1_000_000), "Xen {name}: {idle:?}");
        let before = one_call("availheap");
        let free = xen.available_heap(None).unwrap();
        assert!((256 << 20..512 << 20).contains(&free), "Xen {name}: {free}");
        assert_eq!(xen.calls(), before + 1);
        one_call("readconsole");
        let console = String::from_utf8_lossy(&xen.console().unwrap()).into_owned();
        assert!(console.len() >= 200 && console.is_ascii(), "Xen {name}: {console:?}");

        one_call("sched_id");
        let scheduler = xen.scheduler().unwrap();
        assert_eq!(scheduler, if since((4, 12, 0)) { id::CREDIT2 } else { id::CREDIT }, "Xen {name}");
        replay.go_to(0);
        let pool = xen.pool_scheduler(0, scheduler);
        match scheduler {
            id::CREDIT if since((4, 2, 0)) => {
                let vcpu_migr_delay_us = since((4, 11, 0)).then_some(0);
                let expected = HostCredit { tslice_ms: 30, ratelimit_us: 1000, vcpu_migr_delay_us };
                assert_eq!(pool, Ok(HostSchedulerParams::Credit(expected)), "Xen {name}");
            }
            id::CREDIT => assert_eq!(pool.unwrap_err().status, Status::NotSupported, "Xen {name}"),
            _ => {
                let expected = HostSchedulerParams::Credit2(HostCredit2 { ratelimit_us: 1000 });
                assert_eq!(pool, Ok(expected), "Xen {name}");
            }
        }

        // Domain-0 and the domain that the program made.
        let (at, created) = recording.step("createdomain");
        let domid = u32::from(domain_of(recording, created).unwrap());
        replay.go_to(0);
        let all = xen.vcpu_affinity(0, 0).unwrap();
        assert!(all.hard.contains(&0) && all.hard.contains(&1), "Xen {name}: {all:?}");
        assert_eq!(all.soft.is_some(), since((4, 5, 0)), "Xen {name}");
        replay.go_to(at);
        let share = xen.domain_scheduler(domid, scheduler).unwrap();
        assert_eq!(share, usual_share(recording, scheduler), "Xen {name}");
        replay.go_to(0);
        let vcpu = xen.vcpu_info(0, 0).unwrap().unwrap();
        assert!(vcpu.online && vcpu.cpu_time_ns > 0 && vcpu.cpu < 2, "Xen {name}: {vcpu:?}");
        replay.go_to(at);
        let made = xen.domain_info(domid).unwrap().unwrap();
        assert_eq!((made.state, made.memory_kib), (State::Paused, Some(0)), "Xen {name}");
        assert_eq!(made.uuid.to_string(), crate::FIRST_UUID, "Xen {name}");
        let before = one_call("getdomaininfolist.three");
        let rows = xen.list().unwrap();
        assert_eq!(xen.calls(), before + 1);
        assert_eq!(rows.iter().map(|row| row.domid).collect::<Vec<_>>(), [Some(0), Some(domid), Some(23)]);
        assert_eq!(rows[1].uuid.to_string(), crate::SECOND_UUID, "Xen {name}");

        // The stable interface, where there is one.
        replay.go_to(at);
        let state = xen.domain_state(domid);
        match since((4, 21, 0)) {
            true => {
                let state = state.unwrap().unwrap();
                assert_eq!((state.state, state.caps), (bit::EXIST, 0), "Xen {name}");
                replay.go_to(0);
                let own = xen.domain_state(0).unwrap().unwrap();
                assert_ne!(own.unique_id, state.unique_id, "Xen {name}");
            }
            false => assert_eq!(state.unwrap_err().status, Status::NotSupported, "Xen {name}"),
        }
    }
}

/// What every domain has until somebody says otherwise.
fn usual_share(recording: &Recording, scheduler: u32) -> SchedulerParams {
    match scheduler {
        id::CREDIT => SchedulerParams::Credit(CreditParams { weight: 256, cap: 0 }),
        _ => {
            let cap = recording.dialect.generation.since((4, 10, 0)).then_some(0);
            SchedulerParams::Credit2(Credit2Params { weight: 256, cap })
        }
    }
}

/// What the recorded requests have set so far, of one domain.
#[derive(Default)]
struct Set {
    affinity: BTreeMap<u32, (u64, Option<u64>)>,
    share: Option<SchedulerParams>,
}

/// Every answer of every operation that the library has, in all recordings that are here: the part that came back is read, and says what was
/// asked for or set before.
#[test]
fn every_recorded_answer_is_decoded_and_says_what_was_set() {
    let (mut decoded, mut answers) = (BTreeMap::<String, usize>::new(), 0);
    for recording in each() {
        let mut domains = BTreeMap::<u16, Set>::new();
        for step in recording.steps.iter().filter(|step| step.result.is_ok()) {
            let at = format!("Xen {}, step {}, {}", recording.name, step.number, step.op);
            let known = if let Some(call) = step.domctl(recording.dialect) {
                answers += 1;
                let set = domains.entry(call.domain).or_default();
                domain_answer(recording, step, &call.op, set).unwrap_or_else(|| panic!("{at}"));
                true
            } else if let Some(call) = step.sysctl(recording.dialect) {
                answers += 1;
                host_answer(recording, step, &call).unwrap_or_else(|| panic!("{at}"));
                true
            } else {
                false
            };
            let ours: &[u64] = match step.hypercall {
                number::DOMCTL => &[1, 2, 3, 4, 5, 9, 11, 14, 15, 16, 17, 25, 90],
                number::SYSCTL => &[1, 3, 4, 6, 8, 9, 16, 17, 19],
                _ => &[],
            };
            assert_eq!(known, step.cmd.is_some_and(|cmd| ours.contains(&cmd)), "{at}");
            if known {
                *decoded.entry(format!("{} {}", step.hypercall, step.cmd.unwrap())).or_default() += 1;
            }
        }
    }
    println!("{} of {answers} answers decoded: {decoded:?}", decoded.values().sum::<usize>());
    assert_eq!(decoded.values().sum::<usize>(), answers);
    // Domctls 1 to 5, 9, 11, 14 to 17, 25 and 90, and sysctls 1, 3, 4, 6, 8, 9, 16, 17 and 19.
    assert_eq!(decoded.len(), 22, "{decoded:?}");
    let whole = shared().is_some();
    assert!(answers > if whole { 2800 } else { 900 }, "{answers}");
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn domain_answer(recording: &Recording, step: &Step, op: &Domctl, set: &mut Set) -> Option<()> {
    let dialect = recording.dialect;
    let payload = request::payload(dialect, &step.reply)?;
    let place = |address: u64| usize::try_from(address.checked_sub(recording.buffer_va)?).ok();
    match op {
        Domctl::Create(asked) => {
            let made = CreateDomain::decode(dialect.layout(CreateDomain::TABLE)?, payload)?;
            assert_eq!((made.handle, made.ssidref), (asked.handle, asked.ssidref));
            let kept = |flags: Option<u32>| flags.map(|flags| flags & !0x8);
            // Bit 3 comes back set from 4.13 on (recorded).
            assert_eq!(kept(made.flags), kept(asked.flags));
            let domain = request::domain(dialect, &step.reply)?;
            assert!((1..0x7ff0).contains(&domain));
            *set = Set::default();
        }
        Domctl::GetDomainInfo => {
            let record = recording.record(payload);
            assert!(record.domain >= step.domain?, "scanned upwards at most");
        }
        Domctl::GetVcpuInfo { .. } => {
            let info = VcpuInfo::decode(dialect.layout(VcpuInfo::TABLE)?, payload)?;
            assert!(info.cpu < 2 && !(info.blocked && info.running), "{info:?}");
        }
        Domctl::SetVcpuAffinity(asked) => {
            let told = VcpuAffinity::decode(dialect.layout(VcpuAffinity::TABLE)?, payload)?;
            assert_eq!(told.vcpu, asked.vcpu);
            // What was asked for; from 4.5 on the answer has what came of it in its place. Bits beyond the two processors say nothing.
            let map = word(&step.buffer, place(asked.map.or(asked.hard)?)?)?;
            if let Some(before) = step.buffer_before.as_ref().filter(|_| asked.flags.is_none()) {
                assert_eq!(word(before, 0), Some(map));
            }
            let hard = asked.flags.is_none_or(|flags| flags & 1 != 0).then_some(map & 3);
            let soft = asked.soft.filter(|_| asked.flags.is_some_and(|flags| flags & 2 != 0));
            let soft = soft.and_then(|soft| word(&step.buffer, place(soft)?));
            let old = set.affinity.get(&asked.vcpu).copied().unwrap_or((3, Some(3)));
            set.affinity.insert(asked.vcpu, (hard.unwrap_or(old.0), soft.or(old.1)));
        }
        Domctl::GetVcpuAffinity(asked) => {
            let map = word(&step.buffer, place(asked.map.or(asked.hard)?)?)?;
            let (hard, _) = set.affinity.get(&asked.vcpu).copied().unwrap_or((3, None));
            assert_eq!(map & 3, hard, "the hard map");
        }
        Domctl::Scheduler(SchedulerOp { ask: SchedulerAsk::Put(params), .. }) => set.share = Some(*params),
        Domctl::Scheduler(SchedulerOp { sched_id, ask: SchedulerAsk::Get }) => {
            let told = SchedulerParams::decode(dialect.layout(Head::TABLE)?, *sched_id, payload)?;
            let expected = set.share.unwrap_or_else(|| usual_share(recording, *sched_id));
            assert_eq!(told, expected);
        }
        Domctl::GetDomainState => {
            let state = DomainState::decode(dialect.layout(DomainState::TABLE)?, payload)?;
            assert!(state.state & bit::EXIST != 0 && state.unique_id != 0, "{state:?}");
            assert_eq!(state.caps, if step.domain == Some(0) { 3 } else { 0 });
            assert_eq!(state.state & bit::SHUTDOWN != 0, step.op.contains("shutdown"), "{state:?}");
        }
        // Nothing comes back; the domain's record shows what they did (tests/hypercall_recordings.rs).
        Domctl::Destroy
        | Domctl::Pause
        | Domctl::Unpause
        | Domctl::MaxMem { .. }
        | Domctl::MaxVcpus { .. }
        | Domctl::SetHandle { .. } => {}
        Domctl::Scheduler(_) => return None,
    }
    Some(())
}

fn host_answer(recording: &Recording, step: &Step, call: &Sysctl) -> Option<()> {
    let dialect = recording.dialect;
    let payload = request::sysctl_payload(&step.reply)?;
    let null = |address: u64| address == 0;
    match call {
        Sysctl::ReadConsole(asked) => {
            let told = ReadConsole::decode(dialect.layout(ReadConsole::TABLE)?, payload)?;
            assert!(told.count > 0 && told.count <= asked.count && told.buffer == asked.buffer);
            assert_eq!(told.incremental, asked.incremental);
        }
        Sysctl::PhysInfo => {
            let told = PhysInfo::decode(
                dialect.layout(&xenith::wire::hypercall::tables::physinfo::TABLE)?,
                payload,
            )?;
            // The highest processor that could be plugged in, on some.
            assert!((told.cpus, told.nodes) == (2, 1) && told.max_cpu_id >= Some(1), "{told:?}");
            assert!(told.total_pages > told.free_pages && told.capabilities? & 1 == 1);
        }
        Sysctl::CpuNodes(_) => {
            let told = CpuNodes::decode(dialect.layout(CpuNodes::TABLE)?, payload)?;
            assert_eq!((told.max_cpu_id, word(&step.buffer, 0)), (1, Some(0)));
        }
        Sysctl::SchedId => {
            let expected = if dialect.generation.since((4, 12, 0)) { id::CREDIT2 } else { id::CREDIT };
            assert_eq!(request::sched_id(&step.reply), Some(expected));
            assert!(name(expected).is_some());
        }
        Sysctl::GetDomainInfoList(list) => {
            let count = request::num_domains(&step.reply)?;
            assert!(count <= list.max);
            let stride = dialect.layout(&xenith::wire::hypercall::tables::getdomaininfo::TABLE)?.size();
            let records = step.buffer.chunks_exact(stride).take(count as usize);
            let ids: Vec<u16> = records.map(|bytes| recording.record(bytes).domain).collect();
            assert!(ids.len() == count as usize && ids.is_sorted() && ids.iter().all(|id| *id >= list.first));
            // What lies behind the last record was not written: the stride is right.
            if step.op.ends_with("guard") {
                let rest = &step.buffer[count as usize * stride..];
                assert!(!rest.is_empty() && rest.iter().all(|byte| *byte == rest[0]), "{rest:x?}");
            }
        }
        Sysctl::CpuInfo(asked) => {
            let told = CpuInfoCall::decode(dialect.layout(CpuInfoCall::TABLE)?, payload)?;
            assert!(
                told.nr_cpus == 2 || told.nr_cpus == asked.max_cpus && !dialect.generation.since((4, 2, 0))
            );
            let layout = dialect.layout(CpuInfo::TABLE)?;
            assert!(CpuInfo::decode(layout, &step.buffer)?.idle_ns > 0);
        }
        Sysctl::AvailHeap(_) => {
            let told = AvailHeap::decode(dialect.layout(AvailHeap::TABLE)?, payload)?;
            assert!(told.node == -1 && told.avail_bytes > 100 << 20, "{told:?}");
        }
        Sysctl::TopologyInfo(_) => {
            let told = TopologyInfo::decode(dialect.layout(TopologyInfo::TABLE)?, payload)?;
            assert_eq!(told.max_cpu_index, 1);
        }
        Sysctl::CpuTopoInfo(asked) => {
            let told = CpuTopoInfo::decode(dialect.layout(CpuTopoInfo::TABLE)?, payload)?;
            assert_eq!(told.num_cpus, if step.op.ends_with("short") { 1 } else { 2 });
            if !null(asked.cputopo) {
                let first = CpuTopology::decode(dialect.layout(CpuTopology::TABLE)?, &step.buffer)?;
                assert_eq!((first.core, first.socket, first.node), (0, 0, 0));
            }
        }
        Sysctl::NumaInfo(_) => {
            let told = NumaInfo::decode(dialect.layout(NumaInfo::TABLE)?, payload)?;
            assert_eq!(told.num_nodes.or(told.max_node_index.map(|index| index + 1)), Some(1));
        }
        Sysctl::Scheduler(asked) => {
            let told = HostSchedulerParams::decode(dialect.layout(HostHead::TABLE)?, asked.sched_id, payload);
            // 4.1 has the operation and nothing to say.
            assert_eq!(told.is_some(), dialect.generation.since((4, 2, 0)));
        }
    }
    Some(())
}

/// Wrong arguments are refused with errors that were recorded; the near end turns each into words. Here: that nothing succeeded that could not.
#[test]
fn another_interface_version_was_refused_by_every_recorded_release() {
    for recording in Recording::all() {
        let generation = recording.dialect.generation;
        let mut probes = 0;
        for step in recording.steps.iter().filter(|step| step.op.starts_with("probe.")) {
            let own = match step.hypercall {
                number::DOMCTL => generation.domctl,
                _ => generation.sysctl,
            };
            let expected = if step.version == Some(own) { Ok(0) } else { Err(errno::EACCES) };
            assert_eq!(step.result, expected, "Xen {}, step {}", recording.name, step.number);
            probes += 1;
        }
        assert!(probes > 60, "Xen {}: {probes}", recording.name);
    }
}

#[test]
fn the_readme_names_the_recorded_releases() {
    let readme = include_str!("../../README.md");
    let (_, table) = readme.split_once("| generation | interface | real hypervisors |").unwrap();
    let table = table.split("\n\n").next().unwrap();
    for recording in each().iter().filter(|recording| recording.name != "4.17-debian") {
        assert!(table.contains(&recording.name), "{}", recording.name);
    }
    for generation in xenith::wire::hypercall::GENERATIONS {
        let (major, minor, _) = generation.from;
        let range = |text: &str| text.contains(&format!("{major}.{minor}"));
        // Ranges name their ends.
        let within = matches!((major, minor), (4, 5..=7 | 12 | 13));
        assert!(range(table) || within, "{generation}");
    }
}

/// The extracts are made of the whole recordings that lie beside a checkout; where one is not what they say, it is made anew with XENITH_WRITE=1.
#[test]
fn the_extracts_are_what_the_recordings_say() {
    let Some(folder) = shared() else {
        eprintln!(
            "SKIPPED: no recordings beside this checkout; whether the extracts are current was not looked at"
        );
        return;
    };
    let mut size = 0;
    for recording in Recording::all().filter(|recording| !super::WHOLE.contains(&recording.name.as_str())) {
        let file = format!("xen-{}.jsonl", recording.name);
        let text = extract(&std::fs::read_to_string(folder.join(&file)).unwrap(), recording);
        let path = here().join("short").join(&file);
        if std::env::var_os("XENITH_WRITE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        size += text.len();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap_or_default(),
            text,
            "{file}: write it anew with XENITH_WRITE=1"
        );
    }
    assert!(size < 300_000, "the extracts take {size} bytes");
}

/// The first step of each operation that the near end needs, without the zeroes at the end of what was asked and answered.
fn extract(text: &str, recording: &Recording) -> String {
    let mut lines = text.lines();
    let mut out = format!("{}\n", lines.next().unwrap());
    let (created, _) = recording.step("createdomain");
    let mut taken = Vec::new();
    for (index, line) in lines.enumerate() {
        let step = &recording.steps[index];
        let mut value: Value = serde_json::from_str(line).unwrap();
        // Of those about a domain the first after the first domain was made is wanted as well.
        let phase = (step.op.clone(), index > created);
        let twice = ["getvcpuaffinity", "getdomaininfo", "scheduler_op.get", "getvcpuinfo"];
        let wanted = EXTRACTED.contains(&step.op.as_str()) && !taken.iter().any(|(op, _)| *op == step.op)
            || twice.contains(&step.op.as_str()) && !taken.contains(&phase)
            || step.op.starts_with("probe.") && step.result == Ok(0);
        if !wanted || step.result.is_err() {
            continue;
        }
        if !step.op.starts_with("probe.") {
            taken.push(phase);
        }
        for key in ["request", "reply"] {
            let hex = value[key].as_str().unwrap_or_default();
            let kept = hex.trim_end_matches('0').len().next_multiple_of(2);
            value[key] = json!(hex.get(..kept).unwrap_or_default());
        }
        if let Some(hex) = value["buffer"].as_str().filter(|hex| hex.len() > 128) {
            let kept = hex.trim_end_matches('0').len().next_multiple_of(2);
            (value["buffer_size"], value["buffer"]) = (json!(hex.len() / 2), json!(hex[..kept]));
        }
        writeln!(out, "{value}").unwrap();
    }
    out
}

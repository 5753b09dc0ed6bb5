//! The embedded hypervisor of each release is sent every hypercall that was recorded from a real one, in order, and must answer the same: value
//! or errno, and every byte of the request and of the buffer that the caller gets back.
//!
//! What depends on the machine, on its build or on the moment is masked by [`mask`], field by field with a reason; [`exception`] has the
//! steps that are not compared at all. The recordings of four releases are in tests/data/hypercall; where ../shared/vectors/hypercall is
//! there, it has more.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use xenith::model::DomId;
use xenith::sim::hypervisor;
use xenith::sim::machine::{Machine, MachineSize};
use xenith::sim::release::AGES;
use xenith::wire::hypercall::layout::{Field, Layout};
use xenith::wire::hypercall::tables::{
    self, availheap, getdomaininfo, getvcpuinfo, guest_tsc_info, hvmcontext, physinfo, readconsole, tsc_info,
};
use xenith::wire::hypercall::{Arch, Dialect, Generation, errno, number};
use xenith::wire::port::Memory;

/// The recorded machine: QEMU with 1 GiB and two processors.
const SIZE: MachineSize = MachineSize { memory_kib: 1 << 20, cpus: 2 };

/// Where a domctl's and a sysctl's own structure begin.
const DOMCTL_PAYLOAD: usize = 16;
const SYSCTL_PAYLOAD: usize = 8;

struct Step {
    number: u64,
    op: String,
    hypercall: u64,
    args: [u64; 5],
    cmd: Option<u64>,
    domain: Option<DomId>,
    request: Vec<u8>,
    reply: Vec<u8>,
    /// The buffer before and after.
    given: Vec<u8>,
    buffer: Vec<u8>,
    result: Result<i64, i32>,
}

struct Recording {
    name: String,
    release: String,
    request_va: u64,
    buffer_va: u64,
    steps: Vec<Step>,
}

/// Every recording that there is.
fn recordings() -> Vec<Recording> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("../shared/vectors/hypercall"), root.join("tests/data/hypercall")];
    let folder = folders.iter().find(|folder| folder.is_dir()).unwrap();
    if *folder != folders[0] {
        eprintln!(
            "skipped: {} is not there; only the recordings in tests/data are replayed",
            folders[0].display()
        );
    }
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<Recording> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .map(|path| Recording::load(&path))
        .collect();
    all.sort_by_key(|recording| (dialect(&recording.release).generation.from, recording.name.clone()));
    all
}

impl Recording {
    fn load(path: &std::path::Path) -> Recording {
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let head = lines.next().unwrap();
        let address = |key: &str| hex_number(head[key].as_str().unwrap());
        Recording {
            name: head["xen"].as_str().unwrap().into(),
            release: head["xen_reported"].as_str().unwrap().into(),
            request_va: address("request_va"),
            buffer_va: address("buffer_va"),
            steps: lines.map(|line| Step::read(&line)).collect(),
        }
    }
}

impl Step {
    fn read(line: &Value) -> Step {
        let bytes = |key: &str| hex(line[key].as_str().unwrap_or_default());
        let mut args = [0; 5];
        for (arg, raw) in args.iter_mut().zip(line["args"]["raw"].as_array().unwrap()) {
            *arg = hex_number(raw.as_str().unwrap());
        }
        let buffer = bytes("buffer");
        let mut given = bytes("buffer_in");
        given.resize(buffer.len(), 0);
        Step {
            number: line["step"].as_u64().unwrap(),
            op: line["op"].as_str().unwrap().into(),
            hypercall: line["hypercall"].as_u64().unwrap(),
            args,
            cmd: line["args"]["cmd"].as_u64(),
            domain: line["args"]["domain"].as_u64().map(|domid| domid as DomId),
            request: bytes("request"),
            reply: bytes("reply"),
            given,
            buffer,
            result: match line["ret"].as_i64().unwrap() {
                value if value >= 0 => Ok(value),
                _ => Err(line["errno"].as_i64().unwrap() as i32),
            },
        }
    }

    fn is(&self, hypercall: u64, cmd: u64) -> bool {
        (self.hypercall, self.cmd) == (hypercall, Some(cmd))
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn hex_number(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

fn dialect(release: &str) -> Dialect {
    let numbers: Vec<u32> = release.split('.').map(|part| part.parse().unwrap()).collect();
    let release = (numbers[0] as u16, numbers[1] as u16, numbers[2]);
    Dialect { generation: Generation::at(release).unwrap(), arch: Arch::X86_64 }
}

/// Why a step is not compared.
fn exception(step: &Step) -> Option<&'static str> {
    match step.op.as_str() {
        op if op.starts_with("privcmd.") => Some("an ioctl of Linux, and no hypercall"),
        "memory_op.maximum_reservation.raw_syscall" => {
            Some("made past the C library, to see what the kernel does to a wide result: no errno was kept")
        }
        _ => None,
    }
}

/// The value of a result that depends on the machine is not compared, only that there is one.
fn is_the_machines(step: &Step) -> bool {
    let of_dom0 = || step.request.starts_with(&[0, 0]) || step.request.starts_with(&[0xf0, 0x7f]);
    match step.op.as_str() {
        "memory_op.maximum_ram_page" => true,
        "memory_op.current_reservation" | "memory_op.maximum_gpfn" => of_dom0(),
        // How long its command line is.
        "xen_version.commandline2" => true,
        _ => false,
    }
}

/// A place that is not compared: both sides get the same bytes there.
struct Masks<'a> {
    ours: &'a mut [u8],
    theirs: &'a mut [u8],
}

impl Masks<'_> {
    fn bytes(&mut self, at: usize, len: usize) {
        for side in [&mut *self.ours, &mut *self.theirs] {
            let end = side.len().min(at + len);
            if let Some(place) = side.get_mut(at..end) {
                place.fill(0);
            }
        }
    }

    fn field(&mut self, base: usize, layout: Layout, field: &Field) {
        if let Some(at) = layout.offset(field) {
            self.bytes(base + at, field.width);
        }
    }

    /// What stands behind the NUL of a text, of whatever length it is.
    fn behind_text(&mut self, at: usize, len: usize) {
        for side in [&mut *self.ours, &mut *self.theirs] {
            let Some(text) = side.get_mut(at..at + len) else { continue };
            let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            text[end..].fill(0);
        }
    }
}

/// Masks what depends on the machine, its build or the moment, in the request as it came back and in the buffer.
fn mask(step: &Step, dialect: Dialect, request: &mut Masks<'_>, buffer: &mut Masks<'_>) {
    let layout = |table| dialect.layout(table).unwrap();
    match step.op.as_str() {
        // The texts of another build; and up to 4.2 what lay on the stack behind them.
        "xen_version.extraversion" => buffer.behind_text(0, 16),
        "xen_version.capabilities" => buffer.behind_text(0, 1024),
        "xen_version.changeset" => buffer.behind_text(0, 64),
        "xen_version.compile_info" | "xen_version.commandline" => buffer.bytes(0, 1024),
        "xen_version.build_id" | "xen_version.commandline2" => request.bytes(4, 1024),
        _ => {}
    }
    if step.is(number::DOMCTL, 5) && step.result.is_ok() {
        mask_record(layout(&getdomaininfo::TABLE), DOMCTL_PAYLOAD, request);
    }
    if step.is(number::SYSCTL, 6) {
        let layout = layout(&getdomaininfo::TABLE);
        let room = buffer.theirs.len() / layout.size();
        let count = u32::from_le_bytes(step.reply[24..28].try_into().unwrap()) as usize;
        assert!(count <= room);
        for at in (0..count).map(|index| index * layout.size()) {
            mask_record(layout, at, buffer);
            if !dialect.generation.since((4, 3, 0)) {
                // Up to 4.2 what lay on the stack stands between the fields, and in 4.0 behind the last one.
                buffer.bytes(at + 2, 2);
                let end = layout.offset(&getdomaininfo::HANDLE).unwrap() + 16;
                let cpupool = layout.offset(&getdomaininfo::CPUPOOL).map_or(0, |_| 4);
                buffer.bytes(at + end + cpupool, layout.size() - end - cpupool);
            }
        }
    }
    if step.is(number::SYSCTL, 3) {
        // How much memory the machine has and how fast it is, its processor's features.
        let layout = layout(&physinfo::TABLE);
        for field in [
            &physinfo::CPU_KHZ,
            &physinfo::TOTAL_PAGES,
            &physinfo::FREE_PAGES,
            &physinfo::SCRUB_PAGES,
            &physinfo::MAX_MFN,
            &physinfo::HW_CAP,
        ] {
            request.field(SYSCTL_PAYLOAD, layout, field);
        }
    }
    if step.is(number::SYSCTL, 9) {
        request.field(SYSCTL_PAYLOAD, layout(&availheap::TABLE), &availheap::AVAIL_BYTES);
    }
    if step.is(number::SYSCTL, 1) {
        // The text, and how often the ring that holds it was full.
        request.field(SYSCTL_PAYLOAD, layout(&readconsole::TABLE), &readconsole::INDEX);
        buffer.bytes(0, 1024);
    }
    if step.is(number::SYSCTL, 8) {
        // Idle times of the two processors.
        buffer.bytes(0, 16);
    }
    if step.op == "numainfo" {
        // The one node's memory, all and free: in one array from 4.6 on, in two before.
        buffer.bytes(0, if dialect.generation.since((4, 6, 0)) { 16 } else { 8 });
        if !dialect.generation.since((4, 6, 0)) {
            buffer.bytes(0x80, 8);
        }
    }
    if step.op == "get_cpu_featureset" {
        buffer.bytes(0, 1024);
    }
    if step.is(number::DOMCTL, 14) {
        let layout = layout(&getvcpuinfo::TABLE);
        request.field(DOMCTL_PAYLOAD, layout, &getvcpuinfo::CPU_TIME);
        request.field(DOMCTL_PAYLOAD, layout, &getvcpuinfo::CPU);
        if step.domain == Some(0) {
            // Which of its vcpus asks.
            request.field(DOMCTL_PAYLOAD, layout, &getvcpuinfo::BLOCKED);
            request.field(DOMCTL_PAYLOAD, layout, &getvcpuinfo::RUNNING);
        }
    }
    if step.is(number::DOMCTL, 59) {
        // The clock; 4.1.6.1 left what lay on its stack between the fields.
        let inside = layout(&tsc_info::TABLE);
        request.field(DOMCTL_PAYLOAD, inside, &tsc_info::GTSC_KHZ);
        request.field(DOMCTL_PAYLOAD, inside, &tsc_info::ELAPSED_NSEC);
        let outside = layout(&guest_tsc_info::TABLE);
        buffer.field(0, outside, &guest_tsc_info::GTSC_KHZ);
        buffer.field(0, outside, &guest_tsc_info::ELAPSED_NSEC);
        buffer.bytes(12, 4);
    }
    if step.is(number::DOMCTL, 33) && step.result.is_ok() {
        // What the processor and each device have to say: a simulated guest has none.
        request.field(DOMCTL_PAYLOAD, layout(&hvmcontext::TABLE), &hvmcontext::SIZE);
        buffer.bytes(0, 8192);
    }
    if step.is(number::DOMCTL, 90) && step.result.is_ok() {
        // Random from boot on.
        request.bytes(
            DOMCTL_PAYLOAD
                + layout(&tables::get_domain_state::TABLE)
                    .offset(&tables::get_domain_state::UNIQUE_ID)
                    .unwrap(),
            8,
        );
    }
    if step.is(number::MEMORY_OP, 6) {
        // Which frames were free.
        buffer.bytes(0, 1024);
    }
    if step.op == "multicall.current_reservation" {
        // Of Domain-0.
        request.bytes(8, 8);
    }
}

/// One domain's record: which frame it got, what its processors did; and how much memory Domain-0 was booted with.
fn mask_record(layout: Layout, at: usize, masks: &mut Masks<'_>) {
    masks.field(at, layout, &getdomaininfo::CPU_TIME);
    // None is all ones.
    if layout.get(&masks.theirs[at..], &getdomaininfo::SHARED_INFO_FRAME) != Some(u64::MAX) {
        masks.field(at, layout, &getdomaininfo::SHARED_INFO_FRAME);
    }
    if layout.get(&masks.theirs[at..], &getdomaininfo::DOMAIN) == Some(0) {
        masks.field(at, layout, &getdomaininfo::TOT_PAGES);
    }
}

/// What a replay found.
#[derive(Default)]
struct Score {
    compared: usize,
    excepted: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

fn replay(recording: &Recording) -> Score {
    let age = AGES.iter().find(|age| age.release.to_string() == recording.release);
    let release = age.unwrap_or_else(|| panic!("there is no age of {}", recording.release)).release;
    let dialect = dialect(&recording.release);
    let mut machine = Machine::with_stepped_clock(release, SIZE);
    let mut score = Score::default();
    // Domains whose destruction took the real one more than a call.
    let mut ended_early = Vec::new();
    for step in &recording.steps {
        if let Some(why) = exception(step) {
            // What it maps keeps the domain as a zombie.
            if step.op == "privcmd.mmapbatch_v2" {
                let domid = u16::from_le_bytes(step.request[4..6].try_into().unwrap());
                machine.map(domid.into(), 1).unwrap();
            }
            *score.excepted.entry(why).or_default() += 1;
            continue;
        }
        if step.op == "getdomaininfo.zombie_released" {
            machine.unmap(step.domain.unwrap()).unwrap();
        }
        let offset = (recording.buffer_va - recording.request_va) as usize;
        let ask = |machine: &mut Machine| {
            let mut bytes = step.request.clone();
            bytes.resize(offset, 0);
            bytes.extend_from_slice(&step.given);
            let mut memory = Memory::new(recording.request_va, &mut bytes);
            (hypervisor::call(machine, step.hypercall, step.args, &mut memory), bytes)
        };
        let (mut answer, mut bytes) = ask(&mut machine);
        // The recording program paused it 255 times and more, and kept a few of the calls.
        if step.op == "pausedomain.many" && step.result.is_err() {
            for _ in 0..300 {
                if answer.is_err() {
                    break;
                }
                (answer, bytes) = ask(&mut machine);
            }
        }
        let at = format!("Xen {}, step {}, {}", recording.name, step.number, step.op);
        if step.is(number::DOMCTL, 2) {
            // How much of a destroy one call does depends on the moment: this one does small domains at once.
            if step.result == Err(errno::EAGAIN) && answer == Ok(0) {
                ended_early.push(step.domain.unwrap());
                *score.excepted.entry("a destroy that was finished at the first call").or_default() += 1;
                continue;
            }
            if answer == Err(errno::ESRCH) && ended_early.contains(&step.domain.unwrap()) {
                assert!(matches!(step.result, Ok(0) | Err(errno::EAGAIN)), "{at}");
                *score.excepted.entry("a destroy that was finished at the first call").or_default() += 1;
                continue;
            }
        }
        score.compared += 1;
        let same = match (answer, step.result) {
            (Ok(_), Ok(_)) if is_the_machines(step) => true,
            (ours, theirs) => ours == theirs,
        };
        if !same {
            score.wrong.push(format!("{at}: {answer:?} instead of {:?}", step.result));
            continue;
        }
        let size = step.request.len();
        let (mut their_request, mut their_buffer) = (step.reply.clone(), step.buffer.clone());
        let (ours, our_buffer) = bytes.split_at_mut(offset);
        let mut request = Masks { ours: &mut ours[..size], theirs: &mut their_request };
        let mut buffer = Masks { ours: our_buffer, theirs: &mut their_buffer };
        mask(step, dialect, &mut request, &mut buffer);
        for (what, masks) in [("request", &request), ("buffer", &buffer)] {
            if let Some(first) = (0..masks.theirs.len()).find(|byte| masks.ours[*byte] != masks.theirs[*byte])
            {
                let end = (first + 16).min(masks.theirs.len());
                score.wrong.push(format!(
                    "{at}: {what} byte {first}: {:02x?} instead of {:02x?}",
                    &masks.ours[first..end],
                    &masks.theirs[first..end]
                ));
            }
        }
    }
    score
}

#[test]
fn the_embedded_hypervisor_of_each_release_answers_every_recorded_hypercall_as_the_real_one_did() {
    let all = recordings();
    let mut wrong = Vec::new();
    for recording in &all {
        let score = replay(recording);
        let excepted: usize = score.excepted.values().sum();
        eprintln!(
            "Xen {:12} {} of {} recorded hypercalls answered alike, {excepted} not compared",
            recording.name,
            score.compared - score.wrong.len(),
            score.compared
        );
        assert_eq!(score.compared + excepted, recording.steps.len());
        assert!(excepted <= 12, "{:?}", score.excepted);
        wrong.extend(score.wrong);
    }
    assert!(all.len() >= 4);
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

//! Recordings of real hypervisors: reading them, and answering from them.

mod releases;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use serde_json::Value;
use xenith::channel::hypercall::Hypervisor;
use xenith::log::Log;
use xenith::wire::hypercall::request::{self, DOMCTL_SIZE, SYSCTL_SIZE};
use xenith::wire::hypercall::tables::getdomaininfo;
use xenith::wire::hypercall::{Arch, Dialect, DomainRecord, Domctl, DomctlCall, Generation, Sysctl, number};
use xenith::wire::port::{Hypercall, Memory};

/// The recordings that are kept whole here. Of the others there is an extract (tests/data/hypercall/short), and the whole of them beside a
/// checkout.
const WHOLE: [&str; 4] = ["4.1.6.1", "4.4.4", "4.17.7", "4.17-debian"];

/// One call.
pub(crate) struct Step {
    pub(crate) number: usize,
    pub(crate) op: String,
    pub(crate) hypercall: u64,
    pub(crate) args: Vec<u64>,
    pub(crate) cmd: Option<u64>,
    pub(crate) version: Option<u32>,
    pub(crate) domain: Option<u16>,
    pub(crate) request: Vec<u8>,
    pub(crate) reply: Vec<u8>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) buffer_before: Option<Vec<u8>>,
    pub(crate) result: Result<i64, i32>,
}

/// One hypervisor's calls, in order.
pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) dialect: Dialect,
    pub(crate) request_va: u64,
    pub(crate) buffer_va: u64,
    pub(crate) steps: Vec<Step>,
}

/// Where the whole recordings of all releases are, if they are.
fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("XENITH_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    Some(shared.join("vectors/hypercall")).filter(|folder| folder.is_dir())
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hypercall")
}

/// The recordings of a folder, by release.
fn of(folder: &Path) -> Vec<Recording> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files.iter().map(|file| Recording::read(file)).collect()
}

impl Recording {
    /// Every whole recording that is here or beside the checkout.
    pub(crate) fn all() -> impl Iterator<Item = &'static Recording> {
        static ALL: LazyLock<Vec<Recording>> = LazyLock::new(|| {
            let mut all = of(&here());
            assert_eq!(all.len(), WHOLE.len());
            match shared() {
                Some(folder) => {
                    let others =
                        of(&folder).into_iter().filter(|other| !WHOLE.contains(&other.name.as_str()));
                    all.extend(others);
                }
                None => eprintln!(
                    "SKIPPED: no recordings beside this checkout; of most releases only extracts are read"
                ),
            }
            all
        });
        ALL.iter()
    }

    fn read(path: &Path) -> Recording {
        let name = path.file_stem().unwrap().to_string_lossy();
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let head = lines.next().unwrap();
        let address = |key: &str| hex_number(head[key].as_str().unwrap());
        Recording {
            name: name.trim_start_matches("xen-").to_owned(),
            dialect: dialect_of(&head),
            request_va: address("request_va"),
            buffer_va: address("buffer_va"),
            steps: lines.map(|line| Step::read(&line)).collect(),
        }
    }

    pub(crate) fn step(&self, op: &str) -> (usize, &Step) {
        let found = self.steps.iter().enumerate().find(|(_, step)| step.op == op);
        found.unwrap_or_else(|| panic!("Xen {} has no {op}", self.name))
    }

    pub(crate) fn record(&self, bytes: &[u8]) -> DomainRecord {
        DomainRecord::decode(self.dialect.layout(&getdomaininfo::TABLE).unwrap(), bytes).unwrap()
    }
}

/// The dialect of the release that a recording's first line names: its row must have the interface versions that were seen.
fn dialect_of(head: &Value) -> Dialect {
    let numbers: Vec<u32> =
        head["xen_reported"].as_str().unwrap().split('.').map_while(|part| part.parse().ok()).collect();
    let release = (numbers[0] as u16, numbers[1] as u16, numbers.get(2).copied().unwrap_or(0));
    let generation = Generation::at(release).unwrap();
    let versions = (head["domctl"].as_u64().unwrap(), head["sysctl"].as_u64().unwrap());
    assert_eq!((u64::from(generation.domctl), u64::from(generation.sysctl)), versions, "{generation}");
    Dialect { generation, arch: Arch::X86_64 }
}

impl Step {
    fn read(line: &Value) -> Step {
        let hypercall = line["hypercall"].as_u64().unwrap();
        let size = match hypercall {
            number::DOMCTL => DOMCTL_SIZE,
            number::SYSCTL => SYSCTL_SIZE,
            _ => 0,
        };
        let bytes = |key: &str, size: usize| {
            let mut bytes = hex(line[key].as_str().unwrap_or_default());
            // An extract leaves out the zeroes at the end.
            bytes.resize(bytes.len().max(size), 0);
            bytes
        };
        let args = &line["args"];
        let raw = args["raw"].as_array().unwrap().iter();
        Step {
            number: line["step"].as_u64().unwrap() as usize,
            op: line["op"].as_str().unwrap().into(),
            hypercall,
            args: raw.map(|arg| hex_number(arg.as_str().unwrap())).collect(),
            cmd: args["cmd"].as_u64(),
            version: args["interface_version"].as_u64().map(|version| version as u32),
            domain: args["domain"].as_u64().map(|domain| domain as u16),
            request: bytes("request", size),
            reply: bytes("reply", size),
            buffer: bytes("buffer", line["buffer_size"].as_u64().unwrap_or(0) as usize),
            buffer_before: line["buffer_in"].as_str().map(hex),
            result: match line["ret"].as_i64().unwrap() {
                value if value >= 0 => Ok(value),
                _ => Err(line["errno"].as_i64().unwrap() as i32),
            },
        }
    }

    /// The request as the library understands it; None for operations that it does not have.
    pub(crate) fn domctl(&self, dialect: Dialect) -> Option<DomctlCall> {
        let known = self.hypercall == number::DOMCTL && self.request.len() == DOMCTL_SIZE;
        known.then(|| DomctlCall::decode(dialect, &self.request).ok())?
    }

    /// As [`Step::domctl`].
    pub(crate) fn sysctl(&self, dialect: Dialect) -> Option<Sysctl> {
        let known = self.hypercall == number::SYSCTL && self.request.len() == SYSCTL_SIZE;
        known.then(|| Sysctl::decode(dialect, &self.request).ok())?
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn hex_number(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

/// A hypervisor that answers from a recording: the first step from `at` on that asks the same.
pub(crate) struct Replay {
    pub(crate) recording: &'static Recording,
    pub(crate) at: AtomicUsize,
}

impl Replay {
    pub(crate) fn hypervisor(recording: &'static Recording) -> (Arc<Replay>, Hypervisor) {
        let replay = Arc::new(Replay { recording, at: AtomicUsize::new(0) });
        let hypervisor = Hypervisor::over(replay.clone(), &Log::default()).unwrap();
        (replay, hypervisor)
    }

    pub(crate) fn go_to(&self, step: usize) {
        self.at.store(step, Ordering::Relaxed);
    }
}

impl Hypercall for Replay {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
        let size = match op {
            number::DOMCTL => DOMCTL_SIZE,
            number::SYSCTL => SYSCTL_SIZE,
            _ => 0,
        };
        let dialect = self.recording.dialect;
        let asked = memory.slice(args[0], size).map(|bytes| bytes.to_vec()).unwrap_or_default();
        let from = self.at.load(Ordering::Relaxed);
        let same = |step: &&Step| {
            step.hypercall == op
                && match op {
                    number::XEN_VERSION => step.args[0] == args[0],
                    _ => question(op, dialect, &step.request) == question(op, dialect, &asked),
                }
        };
        let (passed, step) =
            self.recording.steps[from..].iter().enumerate().find(|(_, step)| same(step)).unwrap_or_else(
                || {
                    panic!(
                        "Xen {}: nobody asked hypercall {op} {asked:x?} after step {from}",
                        self.recording.name
                    )
                },
            );
        self.go_to(from + passed + 1);
        if op == number::XEN_VERSION {
            if args[1] != 0 {
                memory.slice(args[1], step.buffer.len()).unwrap().copy_from_slice(&step.buffer);
            }
            return step.result;
        }
        memory.slice(args[0], size).unwrap().copy_from_slice(&step.reply);
        // Each part of the recorded buffer goes where this caller wants it.
        let theirs = handles(op, dialect, &step.request);
        for (index, (their, our)) in theirs.iter().zip(handles(op, dialect, &asked)).enumerate() {
            let at = |address: u64| ((address - self.recording.buffer_va) as usize).min(step.buffer.len());
            let end = theirs.get(index + 1).map_or(step.buffer.len(), |next| at(*next));
            if let Some(part) = step.buffer.get(at(*their)..end) {
                memory.slice(our, part.len()).unwrap().copy_from_slice(part);
            }
        }
        step.result
    }
}

/// The addresses in a request, as far as they are given.
fn handles(op: u64, dialect: Dialect, request: &[u8]) -> Vec<u64> {
    let given = match op {
        number::SYSCTL => match Sysctl::decode(dialect, request) {
            Ok(Sysctl::GetDomainInfoList(call)) => vec![call.buffer],
            Ok(Sysctl::ReadConsole(call)) => vec![call.buffer],
            Ok(Sysctl::CpuInfo(call)) => vec![call.info],
            Ok(Sysctl::CpuNodes(call)) => vec![call.cpu_to_node],
            Ok(Sysctl::CpuTopoInfo(call)) => vec![call.cputopo],
            Ok(Sysctl::TopologyInfo(call)) => vec![call.cpu_to_core, call.cpu_to_socket, call.cpu_to_node],
            Ok(Sysctl::NumaInfo(call)) => [
                call.node_to_memsize,
                call.node_to_memfree,
                call.node_to_node_distance,
                call.meminfo,
                call.distance,
            ]
            .into_iter()
            .flatten()
            .collect(),
            _ => vec![],
        },
        _ => match DomctlCall::decode(dialect, request).map(|call| call.op) {
            Ok(Domctl::GetVcpuAffinity(maps)) => {
                [maps.map, maps.hard, maps.soft].into_iter().flatten().collect()
            }
            _ => vec![],
        },
    };
    given.into_iter().filter(|address| *address != 0).collect()
}

/// A request less what no two programs share: how much room they make, and where. With how many addresses it gives.
fn question(op: u64, dialect: Dialect, request: &[u8]) -> (Vec<u8>, usize) {
    let handles = handles(op, dialect, request);
    let mut bytes = request.to_vec();
    if !handles.is_empty() {
        // What stands before the room: whose list, whether to forget, which vcpu and maps. Counts of processors are room.
        let keep = match (op, Sysctl::decode(dialect, request)) {
            (number::DOMCTL, _) => 16 + if handles.len() == 2 { 8 } else { 4 },
            (_, Ok(Sysctl::GetDomainInfoList(_) | Sysctl::ReadConsole(_))) => 12,
            _ => 8,
        };
        bytes[keep..].fill(0);
    }
    (bytes, handles.len())
}

/// The domain number in the answer of a step.
pub(crate) fn domain_of(recording: &Recording, step: &Step) -> Option<u16> {
    request::domain(recording.dialect, &step.reply)
}

//! Every recorded request goes, in order, to the embedded xend of the recording's age, which must answer as the real one did: status, reason,
//! the headers that matter, and the tree of values.
//!
//! What has to agree is every request of a kind that xenith sends; the score over all is printed as well. What depends on the recorded
//! machine or on the moment is in the lists below, each with its reason, and nothing else is left out.
//!
//! The recordings are those in `tests/data/xend`, and in `../shared/vectors/xend` those that are not; a new one there needs no change here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // A test fails by panicking.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use xenith::model::Uuid;
use xenith::sim::guest::Guests;
use xenith::sim::machine::{Machine, MachineSize};
use xenith::sim::release::Release;
use xenith::sim::xend::{Parts, StateDir, Xend};
use xenith::sim::xenstored::{Xenstored, XenstoredAge};
use xenith::wire::sexpr::Sexpr;
use xenith::wire::xend_http::{
    Answer, MAX_ANSWER, Received, Request, RequestReader, Response, ResponseReader, interpret,
};

/// What xenith asks of xends: GET of these, and these operations. (facts: classic-driver.md has the same.)
const OPERATIONS: [&str; 23] = [
    "new",
    "create",
    "start",
    "delete",
    "destroy",
    "pause",
    "unpause",
    "shutdown",
    "wait_for_devices",
    "rename",
    "save",
    "restore",
    "dump",
    "migrate",
    "maxmem_set",
    "mem_target_set",
    "set_vcpus",
    "pincpu",
    "domain_sched_credit_get",
    "domain_sched_credit_set",
    "device_create",
    "device_configure",
    "device_destroy",
];

/// Values that are the recorded machine's, that moment's, or made up anew each time: that they are there is compared, what they are
/// is not.
const MASKED: [&str; 30] = [
    // Made up for each domain and device; an address where the configuration has none.
    "uuid",
    "mac",
    // Which number a domain has depends on how many the recorded host had had.
    "domid",
    // Time.
    "start_time",
    "up_time",
    "cpu_time",
    // Where the hypervisor found room, and what the recorded kernel says of itself.
    "store_mfn",
    "console_mfn",
    "notes",
    // How much the guest has just then, and how many vcpus it has got up.
    "memory_dynamic_min",
    "online_vcpus",
    // The host: its hardware, its name, its compiler.
    "host",
    "release",
    "version",
    "nr_cpus",
    "cores_per_socket",
    "cpu_mhz",
    "hw_caps",
    "total_memory",
    "free_memory",
    "cpu_topology",
    "node_to_cpu",
    "node_to_memory",
    "xen_major",
    "xen_minor",
    "xen_extra",
    "xen_changeset",
    "xen_commandline",
    "cc_compiler",
    "cc_compile_date",
];

/// The same, of Domain-0 alone.
const MASKED_OF_DOMAIN_0: [&str; 4] = ["memory", "maxmem", "cpus", "memory_dynamic_max"];

/// What the answer to create has or has not by chance: it is made while the domain is.
const CHANCE_IN_CREATE: [&str; 5] = ["cpu_time", "online_vcpus", "state", "rtc_timeoffset", "console"];

/// Cases by the beginnings of their names, the recordings (none: all), and the reason.
type Exceptions = &'static [(&'static [&'static str], &'static [&'static str], &'static str)];

/// Requests that are not sent, so that what they would do is not done either.
const NOT_PLAYED: Exceptions = &[
    (
        &["sxp-new-hvm", "sxp-new-all-common", "x-new-hvm", "x-new-common"],
        &["4.1", "4.2", "4.4"],
        "that host had no device model, and its xend took no HVM guest",
    ),
    (&["create-badkernel"], &[], "a disk image as a kernel: the embedded xend reads no files"),
];

/// Requests whose answers cannot agree.
const LEFT_OUT: Exceptions = &[
    (
        &["create-toomuchmem"],
        &[],
        "the words have the host's own amounts of memory, and in 3.0.4 and 3.1 are about a file that newer kernels lack",
    ),
    (
        &["get-rebooting", "get-shuttingdown", "get-after-reboot"],
        &[],
        "asked after fixed times, whether or not the guest was down yet, or the next life built: any of them is chance",
    ),
    (
        &["shutdown-poweroff"],
        &["3.0.4", "3.1"],
        "the guest took longer to reboot than the recorder waited, so that it was there, and then not",
    ),
    (
        &["get-after-migrate", "list-detail-after-migrate"],
        &["4.1", "4.4"],
        "the guest had arrived and did not run yet",
    ),
    (
        &["get-after-devs"],
        &["3.1"],
        "half of an interface was left there, because the guest had no driver to let it go",
    ),
    (
        &["list-after-poweroff"],
        &["3.0.2"],
        "xend had died and was started again before (facts: xend.md 1), and knew less of the guests",
    ),
];

#[test]
fn every_recorded_request_that_xenith_sends_is_answered_as_by_the_real_xend() {
    let mut wrong = Vec::new();
    for (version, path) in recordings() {
        let mut replay = Replay::new(&version);
        let cases = read(&path);
        let (mut ours, mut of_ours, mut all, mut of_all) = (0, 0, 0, 0);
        for (case, is_up) in cases.iter().zip(guests_are_up(&cases)) {
            let Some(difference) = replay.play(case, is_up) else { continue };
            let agrees = difference.is_empty();
            all += usize::from(agrees);
            of_all += 1;
            if is_sent_by_xenith(case) && !is_among(LEFT_OUT, &version, case) {
                ours += usize::from(agrees);
                of_ours += 1;
                if !agrees {
                    wrong.push(format!("xend {version} {}: {}\n{difference}", case.name, case.line()));
                }
            }
        }
        println!("xend {version}: {ours} of {of_ours} requests that xenith sends, {all} of all {of_all}");
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn is_among(exceptions: Exceptions, version: &str, case: &Case) -> bool {
    let name = case.name.split_once('-').unwrap().1;
    exceptions.iter().any(|(names, versions, reason)| {
        assert!(!reason.is_empty());
        let is_named = names.iter().any(|begins| name.starts_with(begins));
        is_named && (versions.is_empty() || versions.contains(&version))
    })
}

/// For each case, whether the recorded guests had drivers for their devices: what the next answer of the session about a device says.
fn guests_are_up(cases: &[Case]) -> Vec<bool> {
    let says = |case: &Case, state: &str| {
        ["(backend /local", "(backend-id"]
            .iter()
            .any(|next| contains(&case.response, format!("(state {state}) {next}").as_bytes()))
    };
    let mut up = Vec::new();
    let mut is_up = false;
    for case in cases.iter().rev() {
        if case.name.ends_with("node-log-end") || says(case, "1") {
            is_up = false;
        }
        is_up |= says(case, "4");
        up.push(is_up);
    }
    up.reverse();
    up
}

/// Whether xenith sends such a request: that operation or page, a form, no browser's headers, one request on the connection.
fn is_sent_by_xenith(case: &Case) -> bool {
    let head = case.head().to_ascii_lowercase();
    let is_plain = !["user-agent", "connection:", "expect", "multipart", "range:", "accept-encoding"]
        .iter()
        .any(|other| head.contains(other));
    let Some(received) = case.received.as_ref().filter(|_| is_plain) else { return false };
    let path: Vec<&str> = received.path.iter().map(String::as_str).collect();
    let ops: Vec<&str> = received.field("op").collect();
    match (received.method.as_str(), path.as_slice(), ops.as_slice()) {
        ("GET", ["xend", "node" | "domain"], []) | ("GET", ["xend", "domain", _], []) => true,
        ("POST", ["xend", "domain"] | ["xend", "domain", _], [op]) => OPERATIONS.contains(op),
        _ => false,
    }
}

/// A host without a thread: time stands still unless it is moved.
struct Host {
    machine: Machine,
    store: Xenstored,
    guests: Guests,
    xend: Xend,
    folder: PathBuf,
}

impl Host {
    fn new(version: &str) -> Host {
        let folder = std::env::temp_dir().join(format!("xenith-replay-{}", Uuid::new_v4()));
        // All but that of 4.4 were recorded on a hypervisor of 4.1 (facts: xend.md 1).
        let hypervisor = if version == "4.4" { Release::XEN_4_4 } else { Release::XEN_4_1 };
        let size = MachineSize { memory_kib: 4 << 20, cpus: 1 };
        let mut machine = Machine::with_stepped_clock(hypervisor, size);
        let mut store = Xenstored::new(XenstoredAge::of(hypervisor.major, hypervisor.minor));
        store.observe_changes();
        let mut told = Vec::new();
        let mut parts = Parts { machine: &mut machine, store: &mut store, told: &mut told };
        let release = Release::of_age(version).unwrap();
        let mut xend = Xend::new(release, "xendlab", StateDir::Kept(folder.clone()), &mut parts);
        xend.refuse_short_lives();
        let guests = Guests::new(Duration::from_millis(20), Duration::from_millis(50));
        Host { machine, store, guests, xend, folder }
    }

    /// Bytes in, bytes out.
    fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        let conn = self.xend.connect();
        let mut told = Vec::new();
        let mut parts = Parts { machine: &mut self.machine, store: &mut self.store, told: &mut told };
        self.xend.feed(conn, bytes, &mut parts);
        let mut out = Vec::new();
        self.settle(told);
        self.xend.take_output(conn, &mut out);
        // A save is answered when the guest has suspended.
        for _ in 0..10 {
            if !out.is_empty() {
                break;
            }
            self.pass(Duration::from_millis(20));
            self.xend.take_output(conn, &mut out);
        }
        self.xend.disconnect(conn);
        out
    }

    fn settle(&mut self, mut told: Vec<String>) {
        loop {
            let events = self.machine.take_events();
            if events.is_empty() && told.is_empty() {
                break;
            }
            for path in std::mem::take(&mut told) {
                self.guests.changed(&path, &mut self.machine, &mut self.store);
            }
            for event in events {
                self.guests.happened(event, &mut self.machine, &mut self.store);
                let mut parts = Parts { machine: &mut self.machine, store: &mut self.store, told: &mut told };
                self.xend.happened(event, &mut parts);
            }
        }
        self.store.take_changes();
    }

    fn pass(&mut self, time: Duration) {
        self.machine.advance(time);
        self.guests.tick(self.machine.now(), &mut self.machine, &mut self.store);
        self.settle(Vec::new());
    }

    fn halted(&mut self) -> Vec<String> {
        let request = Request::get(&["xend", "domain"], &[("state", "halted")]).to_bytes().unwrap();
        match interpret(&response(&request, &self.send(&request))).unwrap() {
            Answer::Value(Sexpr::List(names)) => {
                names.iter().filter_map(Sexpr::as_atom).map(str::to_owned).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The recorder's host, and what the recorder did besides what was recorded.
struct Replay {
    version: String,
    host: Host,
    /// How it made the guest that it experimented with.
    create: Option<Vec<u8>>,
    /// How many sessions were recorded, and whether the last one is over.
    sessions: u32,
    ended: bool,
}

impl Replay {
    fn new(version: &str) -> Replay {
        Replay {
            version: version.to_owned(),
            host: Host::new(version),
            create: None,
            sessions: 1,
            ended: false,
        }
    }

    /// Plays a case, and says what differs. None: nothing was recorded.
    ///
    /// `is_up`: the guests had booted, and had drivers for their devices.
    fn play(&mut self, case: &Case, is_up: bool) -> Option<String> {
        let name = case.name.split_once('-').unwrap().1;
        // Behind the last request of a session, another one was recorded on the host booted anew, with the guest made again.
        if self.ended {
            self.sessions += 1;
            self.host = Host::new(&self.version);
            if let Some(create) = self.create.clone() {
                self.host.send(&create);
                let unpause = Request::post(&["xend", "domain", "pv1"], &[("op", b"unpause")]);
                self.host.send(&unpause.to_bytes().unwrap());
            }
        }
        self.ended = name == "node-log-end";
        // It tidied up behind each experiment with configurations, all but one.
        if ["sxp-new-", "sxp-bad-", "new-inactive"].iter().any(|kind| name.starts_with(kind))
            && !matches!(self.version.as_str(), "3.0.1" | "3.0.2" | "3.0.3")
        {
            for name in self.host.halted().iter().filter(|name| *name != "Domain-Unnamed") {
                let delete = Request::post(&["xend", "domain", name], &[("op", b"delete")]);
                self.host.send(&delete.to_bytes().unwrap());
            }
        }
        if name == "create" {
            self.create = Some(case.request.clone());
        }
        if is_up {
            self.host.pass(Duration::from_millis(20));
        }
        if case.response.is_empty() || case.received.is_none() || is_among(NOT_PLAYED, &self.version, case) {
            return None;
        }
        if name == "shutdown-reboot" {
            // Its log says that the guest of the second session had lived for 20 seconds; those of the first had for minutes.
            self.host.pass(Duration::from_secs(if self.sessions == 1 { 600 } else { 20 }));
        }
        let real = response(&case.request, &case.response);
        let (request, there) = self.here(case);
        let ours = self.host.send(&request);
        if ours.is_empty() {
            return Some(format!("  {}\n  nothing", heads(&real)));
        }
        let ours_response = response(&case.request, &ours);
        if ["shutdown-reboot", "shutdown-poweroff", "shutdown-halt"].contains(&name) {
            // The recorder waited: the guest boots, if it has not, and goes down.
            self.host.pass(Duration::from_millis(20));
            self.host.pass(Duration::from_millis(50));
        }
        let is_create =
            case.received.as_ref().is_some_and(|request| request.field("op").any(|op| op == "create"));
        let trees = match (interpret(&real).unwrap(), interpret(&ours_response).unwrap()) {
            (Answer::Value(real), Answer::Value(ours)) => {
                (comparable(&real, is_create, false), comparable(&ours, is_create, false))
            }
            (real, ours) => (format!("{real:?}"), format!("{ours:?}").replace(&there, "/root/")),
        };
        // Whether the connection is left open depends on when Python collects its garbage (facts: xend.md 2).
        let lines = |raw: &[u8], response: &Response| {
            let text = String::from_utf8_lossy(raw).into_owned();
            let head = text.split("\r\n\r\n").next().unwrap_or_default().to_owned();
            let mut kept: Vec<String> = head
                .lines()
                .filter(|line| line.starts_with("Location: ") || line.starts_with("Connection: "))
                // The host and port are those that the server believes to have: 8080 on its unix socket.
                .map(|line| line.replace("http://localhost:8080/", "http://localhost:8000/"))
                .collect();
            kept.sort();
            format!("{} {}", heads(response), kept.join(" "))
        };
        let heads = (lines(&case.response, &real), lines(&ours, &ours_response));
        let agrees = heads.0 == heads.1 && trees.0 == trees.1;
        Some(if agrees {
            String::new()
        } else {
            format!("  {}\n  {}\n{}", heads.0, heads.1, apart(&trees.0, &trees.1))
        })
    }
}

impl Replay {
    /// The request with the files of the recorder's home in a folder of this test's own, and what that folder is called.
    fn here(&self, case: &Case) -> (Vec<u8>, String) {
        let folder = self.host.folder.join("root");
        let there = format!("{}/", folder.display());
        let text: String = case.request.iter().map(|byte| char::from(*byte)).collect();
        if !text.contains("file=%2Froot%2F") {
            return (case.request.clone(), there);
        }
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("disk2.img"), [0; 512]).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let body = body.replace("file=%2Froot%2F", &format!("file={}", there.replace('/', "%2F")));
        let lines =
            head.split("\r\n").map(|line| match line.to_ascii_lowercase().starts_with("content-length") {
                true => format!("Content-Length: {}", body.len()),
                false => line.to_owned(),
            });
        let head = lines.collect::<Vec<_>>().join("\r\n");
        (format!("{head}\r\n\r\n{body}").into_bytes(), there)
    }
}

fn heads(response: &Response) -> String {
    format!("{} {} {:?}", response.status, response.reason, response.content_type)
}

/// Two texts, from a little before where they part.
fn apart(a: &str, b: &str) -> String {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(60);
    let cut = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[same.min(text.len())..])
            .chars()
            .take(400)
            .collect::<String>()
    };
    format!("    {}\n    {}", cut(a), cut(b))
}

/// The tree without what is the recorded machine's own, children in the order of their names: Python's order is that of a hash.
fn comparable(value: &Sexpr, is_create: bool, is_dom0: bool) -> String {
    let Sexpr::List(items) = value else {
        let Sexpr::Atom(text) = value else { unreachable!() };
        return format!("{text:?}");
    };
    let is_dom0 = is_dom0 || value.value("domid") == Some("0");
    let name = value.name().unwrap_or_default();
    if MASKED.contains(&name) || is_dom0 && MASKED_OF_DOMAIN_0.contains(&name) {
        return format!("({name} *)");
    }
    if name == "state" {
        // Whether it just ran or just waited.
        let letters = value.text().unwrap_or_default().replace(['r', 'b'], "-");
        return format!("(state {letters})");
    }
    let by_chance = |item: &Sexpr| {
        let inner = item.args().first().filter(|_| item.name() == Some("device")).unwrap_or(item);
        is_create && inner.name().is_some_and(|name| CHANCE_IN_CREATE.contains(&name))
    };
    let kept = items.iter().filter(|item| !by_chance(item));
    let mut items: Vec<String> = kept.map(|item| comparable(item, is_create, is_dom0)).collect();
    // `(key )` is `(key '')`.
    if items.len() == 1 && value.name().is_some() {
        items.push("\"\"".into());
    }
    let from = usize::from(value.name().is_some());
    if items.len() > 1 + from {
        items[from..].sort();
    }
    // 3.0.4 says (cpus ...) once more each time that it is defined.
    items.dedup_by(|a, b| a == b && a.starts_with("(\"cpus\""));
    format!("({})", items.join(" "))
}

fn response(request: &[u8], bytes: &[u8]) -> Response {
    let mut reader = match request.starts_with(b"HEAD ") {
        true => ResponseReader::for_head_request(),
        false => ResponseReader::new(MAX_ANSWER),
    };
    reader.feed(bytes).unwrap().expect("a whole answer")
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}

struct Case {
    name: String,
    request: Vec<u8>,
    response: Vec<u8>,
    /// The request as xend reads it; None for one that is none.
    received: Option<Received>,
}

impl Case {
    fn head(&self) -> String {
        let text = String::from_utf8_lossy(&self.request).into_owned();
        text.split("\r\n\r\n").next().unwrap_or_default().to_owned()
    }

    fn line(&self) -> String {
        let fields = self.received.iter().flat_map(|received| &received.fields);
        let fields: Vec<String> = fields.map(|(key, value)| format!("{key}={value}")).collect();
        format!("{} {:.300}", self.head().lines().next().unwrap_or_default(), fields.join("&"))
    }
}

/// Versions in the order of their ages, and their files.
fn recordings() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    for folder in [root.join("../shared/vectors/xend"), root.join("tests/data/xend")] {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            println!(
                "{} is not there: only the recordings of this repository are replayed",
                folder.display()
            );
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if let Some(version) = name.strip_prefix("xend-").and_then(|name| name.strip_suffix(".jsonl")) {
                let age: Vec<u32> = version.split('.').map(|number| number.parse().unwrap()).collect();
                found.insert(age, (version.to_owned(), path));
            }
        }
    }
    assert!(found.len() >= 8, "the recordings in tests/data/xend are part of the repository");
    found.into_values().collect()
}

fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let latin1 = |value: &serde_json::Value| -> Vec<u8> {
        value.as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    };
    let lines = text.lines().map(|line| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let request = latin1(&json["request"]);
        Case {
            name: json["case"].as_str().unwrap().to_owned(),
            response: latin1(&json["response"]),
            received: RequestReader::default().feed(&request).ok().flatten(),
            request,
        }
    });
    lines.collect()
}

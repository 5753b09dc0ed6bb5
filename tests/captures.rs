//! Captures: what they hold and what not, that taking one changes nothing, and that one stands in for its host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{ALL, Scratch, guest, open, seed};
use parking_lot::Mutex;
use xenith::channel::hypercall::Hypervisor;
use xenith::channel::hypercall::capture::Questions;
use xenith::driver::{Connection, HostReport, OpenOptions};
use xenith::format::capture::{Capture, Record, Value};
use xenith::log::Log;
use xenith::sim::{SimConfig, SimHost, serve};
use xenith::wire::hypercall::reads::is_read;
use xenith::wire::port::{Hypercall, Memory};
use xenith::{Road, Status};

const SECRET_UUID: &str = "9a0df5b2-3c4d-4e5f-8a9b-0c1d2e3f4a5b";

fn take(uri: &str) -> Capture {
    Capture::of(Some(uri), &OpenOptions::default()).unwrap_or_else(|error| panic!("{uri}: {error}")).0
}

/// The captures that are kept, and their files.
fn kept() -> Vec<(PathBuf, Capture)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let capture = Capture::from_text(&fs::read_to_string(&path).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, capture)
        })
        .collect()
}

/// How many domains the recorded lists hold.
fn listed(capture: &Capture) -> usize {
    let records = capture.records.iter().filter_map(|record| match record {
        Record::Hypercall(answered) => Some(answered.buffers.first()?.len() / answered.record_bytes?),
        _ => None,
    });
    records.sum()
}

/// The release that the recorded answers name.
fn release(capture: &Capture) -> (u16, u16) {
    let version = capture.records.iter().find_map(|record| match record {
        Record::Hypercall(answered) if answered.cmd == Some(0) => Some(answered.value),
        _ => None,
    });
    let version = version.expect("a capture with a hypervisor");
    ((version >> 16) as u16, (version & 0xffff) as u16)
}

/// A capture as a file, opened as the host that it stands for, must be what it was taken from.
fn replays(path: &Path, capture: &Capture, original: Option<&Connection>) {
    let shown = path.display();
    let uri = format!("xen+sim:///?capture={shown}");
    let has_hypervisor = capture.records.iter().any(|record| matches!(record, Record::Hypercall(_)));
    if has_hypervisor {
        let query = [("capture", path.to_str().unwrap())];
        let host = SimHost::start(SimConfig::from_query(query).unwrap()).unwrap();
        let xen = Hypervisor::over(host.hypercall_port(), &Log::default())
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_eq!((xen.version().major, xen.version().minor), release(capture), "{shown}");
        let generation = xen.generation();
        assert!((generation.from.0, generation.from.1) <= release(capture), "{shown}: {generation}");
        assert!(generation.before > (xen.version().major, xen.version().minor, 0), "{shown}: {generation}");
        assert_eq!(xen.list().unwrap().len(), listed(capture), "{shown}");
        let physinfo = xen.physinfo().unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(physinfo.cpus > 0 && physinfo.total_pages > 0, "{shown}: {physinfo:?}");
        for info in xen.list().unwrap() {
            let domid = info.domid.unwrap();
            assert_eq!(
                xen.domain_info(domid).unwrap().map(|one| one.uuid),
                Some(info.uuid),
                "{shown}: {domid}"
            );
        }
        assert_eq!(xen.pause(0).unwrap_err().status, Status::AccessDenied, "{shown}");
    }
    let report = HostReport::of(Some(&uri), &OpenOptions::default()).unwrap();
    assert_eq!(report.failure, None, "{shown}");
    let host = open(&uri);
    if has_hypervisor {
        assert_eq!(host.version().unwrap().minor, release(capture).1, "{shown}");
        let live = host.list(common::LIVE).unwrap();
        assert_eq!(live.len(), listed(capture), "{shown}");
        assert!(live.iter().any(|row| row.name.as_deref() == Some("Domain-0")), "{shown}: {live:?}");
    }
    // Also those that do not run, or the reason why they cannot be told.
    let all = |host: &Connection| host.list(ALL).map(|rows| rows.len()).map_err(|error| error.status);
    match original {
        Some(original) => assert_eq!(all(&host), all(original), "{shown}"),
        None => assert!(all(&host).is_ok(), "{shown}: {:?}", all(&host)),
    }
    assert!(host.capabilities().unwrap().contains("<arch>"), "{shown}");
    drop(host);

    let again = take(&uri);
    for (one, other) in capture.records.iter().zip(&again.records) {
        assert_eq!(one, other, "{shown}");
    }
    assert_eq!(again.records.len(), capture.records.len(), "{shown}");
}

#[test]
fn kept_captures_stand_in_for_their_hosts() {
    let kept = kept();
    assert!(!kept.is_empty());
    let lab = kept
        .iter()
        .find(|(path, _)| path.ends_with("xen-4.17-lab.jsonl"))
        .map(|(_, capture)| capture)
        .unwrap();
    assert_eq!((release(lab), listed(lab)), ((4, 17), 5));
    for (path, capture) in &kept {
        replays(path, capture, None);
    }
}

#[test]
fn captures_of_embedded_hosts_stand_in_for_them() {
    let scratch = Scratch::new("captures");
    fs::create_dir(&scratch.0).unwrap();
    for age in ["3.0.1", "3.0.3", "3.0.4", "3.1", "3.2", "3.4", "4.1", "4.4", "4.6", "4.10.0", "4.17", "4.22"]
    {
        let uri = format!("xen+sim:///?xen={age}&domains=3");
        let capture = take(&uri);
        let path = scratch.0.join(format!("{age}.jsonl"));
        capture.write(&path, false).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(Capture::from_text(&text).unwrap(), capture, "{age}");
        assert_eq!(listed(&capture), 4, "{age}");
        replays(&path, &capture, Some(&open(&uri)));
    }
}

#[test]
fn nothing_in_a_capture_names_a_guest() {
    let dir = Scratch::new("captures-names");
    for age in ["3.4", "4.4", "4.17"] {
        let server = serve(SimConfig::from_query([("xen", age)]).unwrap(), &dir.0).unwrap();
        let uri = format!("xen+sim:///?dir={}", dir.0.display());
        let host = open(&uri);
        let xml = seed("pv-direct-kernel");
        host.create(&guest("zanzibar-payroll", Some(SECRET_UUID)), false).unwrap();
        host.define(&xml.replace("<name>", "<name>quokka-")).unwrap();
        let capture = take(&uri);
        let text = capture.to_text();
        let names = host.list(ALL).unwrap();
        assert!(names.len() >= 3, "{age}");
        for row in &names {
            let uuid = row.info.uuid;
            let name = row.name.as_deref().unwrap();
            if name != "Domain-0" {
                assert!(!text.contains(name), "{age}: {name}");
                assert!(
                    !text.contains(&uuid.to_string()) && !text.contains(&uuid.simple().to_string()),
                    "{age}"
                );
            }
        }
        let hex: String = SECRET_UUID.replace('-', "");
        for secret in ["zanzibar", "quokka", SECRET_UUID, &hex, "/boot/vmlinuz", "xenbr0", "xenith-sim"] {
            assert!(!text.contains(secret), "{age}: {secret}");
        }
        assert!(text.contains("guest-1"), "{age}");
        drop(host);
        drop(server);
    }
}

#[test]
fn the_same_name_is_replaced_by_the_same_everywhere() {
    let capture = take("xen+sim:///?xen=3.4&domains=1");
    let kept = |path: &str| {
        capture.records.iter().find_map(|record| match record {
            Record::Node(node) if node.path == path => match &node.value {
                Value::Kept(text) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        })
    };
    let vm = kept("/local/domain/1/vm").unwrap();
    assert_eq!(kept("/local/domain/1/name").as_deref(), Some("guest-1"));
    assert!(vm.starts_with("/vm/00000000-0000-4000-8000-"), "{vm}");
    let uuid = uuid_bytes(&vm);
    let record = capture.records.iter().find_map(|record| match record {
        Record::Hypercall(answered) if answered.op == "sysctl.getdomaininfolist" => {
            Some(&answered.buffers[0])
        }
        _ => None,
    });
    let record = record.unwrap();
    assert!(record.windows(16).any(|bytes| bytes == uuid), "the list has the uuid of {vm}");
}

fn uuid_bytes(path: &str) -> Vec<u8> {
    let hex: String =
        path.trim_start_matches("/vm/").chars().filter(char::is_ascii_hexdigit).take(32).collect();
    (0..16).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Passes hypercalls on, and refuses to see one that changes something.
struct Watchful {
    port: Arc<dyn Hypercall>,
    calls: AtomicU64,
    changes: Mutex<Vec<String>>,
}

impl Hypercall for Watchful {
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let request = memory.slice(args[0], 16).map(|bytes| bytes.to_vec()).unwrap_or_default();
        if !is_read(op, args[0], &request) {
            self.changes.lock().push(format!("{op} {request:x?}"));
        }
        self.port.call(op, args, memory)
    }
}

#[test]
fn taking_a_capture_changes_nothing() {
    for age in ["3.0.1", "3.4", "4.4", "4.17"] {
        let host = SimHost::start(SimConfig::from_query([("xen", age), ("domains", "2")]).unwrap()).unwrap();
        let watchful = Arc::new(Watchful {
            port: host.hypercall_port(),
            calls: AtomicU64::new(0),
            changes: Mutex::default(),
        });
        let mut questions = Questions::over(watchful.clone(), &Log::default()).unwrap();
        let answers = questions.ask_all(|_, _, _| None, &[0, 1, 2]).unwrap();
        assert_eq!(*watchful.changes.lock(), [] as [String; 0], "{age}");
        assert_eq!(watchful.calls.load(Ordering::Relaxed), questions.calls());
        // Probes of every interface version, and some twenty questions and three of each domain.
        assert!((80..160).contains(&questions.calls()), "{age}: {}", questions.calls());
        assert_eq!(answers.version.unwrap().major, age[..1].parse::<u16>().unwrap());
    }
}

#[test]
fn a_host_is_the_same_after_a_capture() {
    let dir = Scratch::new("captures-same");
    for age in ["3.4", "4.17"] {
        let server = serve(SimConfig::from_query([("xen", age), ("domains", "3")]).unwrap(), &dir.0).unwrap();
        let uri = format!("xen+sim:///?dir={}", dir.0.display());
        let host = open(&uri);
        host.lookup_by_id(2).unwrap().suspend().unwrap();
        let states = |host: &Connection| -> Vec<_> {
            host.list(ALL)
                .unwrap()
                .into_iter()
                .map(|row| (row.name, row.info.domid, row.info.state))
                .collect()
        };
        let before = (tree(server.host().unwrap()), states(&host));
        let (capture, cost) = Capture::of(Some(&uri), &OpenOptions::default()).unwrap();
        assert_eq!((tree(server.host().unwrap()), states(&host)), before, "{age}");
        assert_eq!(listed(&capture), 4, "{age}");
        assert!((80..160).contains(&cost.hypercalls), "{cost:?}");
        assert!(cost.xenstore_round_trips < 400, "{cost:?}");
        drop(host);
        drop(server);
    }
}

/// What xenstore holds.
fn tree(host: &SimHost) -> Vec<(String, Vec<u8>)> {
    use xenith::channel::xenstore::Xenstore;
    use xenith::deadline::Deadline;
    let xenstore = Xenstore::over(host.xenstore_dial(), Log::default());
    let deadline = || Deadline::after(std::time::Duration::from_secs(10));
    let (mut found, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        for child in xenstore.directory(if folder.is_empty() { "/" } else { &folder }, deadline()).unwrap() {
            let path = format!("{folder}/{child}");
            found.push((path.clone(), xenstore.read(&path, deadline()).unwrap()));
            folders.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn roads_that_are_not_there_are_failures_in_a_capture() {
    let capture = take(
        "xen:///?privcmd=/nonexistent/alice&xenstore=/nonexistent/alice&xl=/nonexistent/alice&store=/nonexistent/alice&xend=/nonexistent/alice",
    );
    let failures: Vec<_> = capture
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Failure(failure) => Some((failure.road.as_str(), failure.status.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        failures,
        [
            ("xenstore", "no_connect"),
            ("hypercall", "no_connect"),
            ("xend", "no_connect"),
            ("xl", "no_connect"),
            ("store", "no_connect")
        ]
    );
    assert!(!capture.to_text().contains("alice"));
    assert!(
        capture
            .records
            .iter()
            .any(|record| matches!(record, Record::Machine(machine) if !machine.simulation))
    );
    // Roads with a fault, and roads that the caller leaves out.
    for fault in ["hypercall:fail,xenstore:fail", "hypercall:rubbish,xenstore:rubbish", "xenstore:close"] {
        let capture = take(&format!("xen+sim:///?xen=4.17&fault={fault}"));
        assert!(capture.records.iter().any(|record| matches!(record, Record::Failure(_))), "{fault}");
        assert_eq!(Capture::from_text(&capture.to_text()).unwrap(), capture);
    }
    let options = OpenOptions { without: vec![Road::Hypercall, Road::Xenstore], ..OpenOptions::default() };
    let (capture, cost) = Capture::of(Some("xen+sim:///?xen=4.4"), &options).unwrap();
    assert_eq!((cost.hypercalls, cost.xenstore_round_trips), (0, 0));
    assert!(capture.records.iter().any(|record| matches!(record, Record::Xend(_))));
}

#[test]
fn a_capture_is_a_private_file_that_is_not_overwritten() {
    let scratch = Scratch::new("captures-file");
    fs::create_dir(&scratch.0).unwrap();
    let path = scratch.0.join("host.jsonl");
    let capture = take("xen+sim:///");
    capture.write(&path, false).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(capture.write(&path, false).unwrap_err().status, Status::Exists);
    capture.write(&path, true).unwrap();
    let counts = capture.counts();
    assert_eq!(counts[0], ("machine", 1));
    assert!(counts.iter().any(|(kind, count)| *kind == "node" && *count > 10), "{counts:?}");
}

#[test]
fn what_is_no_capture_is_no_host() {
    let scratch = Scratch::new("captures-bad");
    fs::create_dir(&scratch.0).unwrap();
    let path = scratch.0.join("bad.jsonl");
    fs::write(&path, "{\"xenith_capture\":1}\n{\"record\":\"node\"}\n").unwrap();
    let refused = |uri: String| Connection::open(Some(&uri), &OpenOptions::default()).err().unwrap();
    let error = refused(format!("xen+sim:///?capture={}", path.display()));
    assert!(error.message.contains("line 2"), "{error}");
    for (query, why) in [("capture=relative", "absolute"), ("capture=/nonexistent/x", "cannot read")] {
        let error = refused(format!("xen+sim:///?{query}"));
        assert!(error.message.contains(why), "{query}: {error}");
    }
    fs::write(&path, Capture::default().to_text()).unwrap();
    let error = refused(format!("xen+sim:///?capture={}&domains=3", path.display()));
    assert!(error.message.contains("'domains' does not go with it"), "{error}");
}

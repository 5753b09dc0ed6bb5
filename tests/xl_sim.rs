//! The embedded xl at its public face, held against what a real xl 4.17 said (tests/data/xl) and wrote into xenstore.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // A test fails by panicking.

mod common;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::{Scratch, eventually};
use xenith::Status;
use xenith::channel::hypercall::Hypervisor;
use xenith::channel::xenstore::Xenstore;
use xenith::deadline::Deadline;
use xenith::format::libxl_json::from_json;
use xenith::log::Log;
use xenith::model::{GuestType, State};
use xenith::sim::{SimConfig, SimHost, serve};
use xenith::wire::port::{CONFIG_PATH, ToolExit, ToolMonitor, ToolOutcome, ToolRun, Toolstack};
use xenith::wire::saved::Head;

const SOON: Duration = Duration::from_secs(20);

struct Host {
    host: SimHost,
    xl: Arc<dyn Toolstack>,
    hypervisor: Hypervisor,
    store: Xenstore,
}

impl Host {
    fn new(query: &[(&str, &str)]) -> Host {
        let mut options = vec![("xen", "4.17"), ("memory", "4G")];
        options.extend(query);
        Host::of(SimHost::start(SimConfig::from_query(options).unwrap()).unwrap())
    }

    fn of(host: SimHost) -> Host {
        let xl = host.toolstack().expect("a host of Xen 4.17 has xl");
        let hypervisor = Hypervisor::over(host.hypercall_port(), &Log::default()).unwrap();
        let store = Xenstore::over(host.xenstore_dial(), Log::default());
        Host { host, xl, hypervisor, store }
    }

    fn run(&self, args: &[&str], config: Option<&str>) -> ToolOutcome {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let run = ToolRun { args: &args, config: config.map(str::as_bytes) };
        self.xl.run(run, Deadline::after(SOON)).unwrap()
    }

    /// A run that must do what it is told.
    fn does(&self, args: &[&str], config: Option<&str>) -> String {
        let outcome = self.run(args, config);
        assert_eq!(outcome.exit, ToolExit::Code(0), "{args:?}: {}", text(&outcome.stderr));
        text(&outcome.stdout)
    }

    fn create(&self, config: &str, more: &[&str]) -> u32 {
        let args: Vec<&str> = ["create", CONFIG_PATH].into_iter().chain(more.iter().copied()).collect();
        self.does(&args, Some(config));
        let rows = self.hypervisor.list().unwrap();
        rows.iter().map(|row| row.domid.unwrap()).max().unwrap()
    }

    fn node(&self, path: &str) -> Option<String> {
        self.store.read(path, Deadline::after(SOON)).ok().map(|value| text(&value))
    }

    fn write(&self, path: &str, value: &str) {
        self.store.write(path, value.as_bytes(), Deadline::after(SOON)).unwrap();
    }

    fn state(&self, domid: u32) -> Option<State> {
        self.hypervisor.domain_info(domid).unwrap().map(|info| info.state)
    }

    fn domid(&self, name: &str) -> Option<u32> {
        let outcome = self.run(&["domid", name], None);
        (outcome.exit == ToolExit::Code(0)).then(|| text(&outcome.stdout).trim().parse().unwrap())
    }

    fn monitors(&self) -> Vec<ToolMonitor> {
        self.xl.monitors().unwrap()
    }

    /// A guest that has booted.
    fn boots(&self, domid: u32) {
        eventually("the guest has booted", || self.state(domid) == Some(State::Blocked));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/xl/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn guest(name: &str, more: &str) -> String {
    format!("name='{name}'\ntype='pvh'\nkernel='/boot/vmlinuz'\nmemory=64\n{more}\n")
}

/// A recorded run.
struct Recorded {
    config: String,
    args: Vec<String>,
    out: String,
    err: String,
    status: i32,
}

fn recorded() -> Vec<Recorded> {
    let text = data("runs-4.17.txt");
    let mut runs = Vec::new();
    for block in text.split("\n\n").filter(|block| block.contains("$ xl")) {
        let lines = |tag: &str| -> String {
            let lines = block.lines().filter_map(|line| line.strip_prefix(tag));
            lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
        };
        let args = lines("$ xl");
        let status = lines("status").trim().parse().unwrap();
        let args = args.split_whitespace().map(str::to_owned).collect();
        runs.push(Recorded { config: lines("cfg:"), args, out: lines("out:"), err: lines("err:"), status });
    }
    runs
}

/// Text without what differs from machine to machine: numbers of domains and processes, times, and the names of what is not there.
fn plain(text: &str) -> String {
    let mut out =
        text.replace("/nonexistent/none", "/boot/none").replace("device nonexistent", "device none0");
    for before in
        ["Domain ", "domain ", "/libxl/", "domid=", "bootloader.", " [", "\"domid\": ", "\"uuid\": \"4c"]
    {
        let mut rest = std::mem::take(&mut out);
        while let Some(at) = rest.find(before) {
            let (head, tail) = rest.split_at(at + before.len());
            out.push_str(head);
            let tail = tail.trim_start_matches(|c: char| c.is_ascii_digit());
            let is_number = tail.len() + head.len() < rest.len();
            out.push_str(if is_number { "N" } else { "" });
            rest = tail.to_owned();
        }
        out.push_str(&rest);
    }
    out.replace(CONFIG_PATH, "FILE")
}

/// The columns of `xl list` without numbers, times and states, which are not those of another machine.
fn names_listed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn each_verb_says_and_ends_as_the_real_one_did() {
    let host = Host::new(&[("boot", "600000")]);
    let scratch = Scratch::new("xl-said");
    std::fs::create_dir_all(&scratch.0).unwrap();
    let junk = scratch.0.join("junk");
    std::fs::write(&junk, "junk\n").unwrap();
    let mut compared = 0;
    for run in recorded() {
        let config = run.config.replace("/boot/none", "/nonexistent/none").replace("none0", "nonexistent");
        let has_config = !config.is_empty();
        let mut paths = Vec::new();
        let args: Vec<String> = run
            .args
            .iter()
            .map(|arg| match arg.as_str() {
                "/tmp/junk" => junk.to_str().unwrap().to_owned(),
                path if path.ends_with(".cfg") && has_config => {
                    paths.push(path.to_owned());
                    CONFIG_PATH.to_owned()
                }
                other => other.to_owned(),
            })
            .collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let outcome = host.run(&args, has_config.then_some(config.as_str()));
        let said = format!("xl {}", run.args.join(" "));
        let (out, err) = (text(&outcome.stdout), text(&outcome.stderr));
        assert_eq!(outcome.exit, ToolExit::Code(run.status), "{said}: {err}");
        let mut expected = plain(&run.err);
        for path in paths {
            expected = expected.replace(&path, "FILE");
        }
        assert_eq!(plain(&err).replace(junk.to_str().unwrap(), "/tmp/junk"), expected, "{said}");
        match run.args[..] {
            [ref verb] | [ref verb, _] if verb == "list" => {
                assert_eq!(names_listed(&out), names_listed(&run.out), "{said}");
            }
            [ref verb, _] if verb == "domid" => {}
            _ => assert_eq!(without_uuid(&plain(&out)), without_uuid(&plain(&run.out)), "{said}"),
        }
        compared += 1;
    }
    assert!(compared > 40, "{compared} runs were compared");
}

/// The uuid that xl made up is not the one that the real one made up.
fn without_uuid(text: &str) -> String {
    text.lines().filter(|line| !line.contains("\"uuid\"")).map(|line| format!("{line}\n")).collect()
}

/// Paths, values and rights of a recorded tree of domain `recorded`, as they are for domain `domid`.
fn recorded_tree(name: &str, domid: u32, recorded: u32) -> BTreeMap<String, (String, String)> {
    let (from, to) = (recorded.to_string(), domid.to_string());
    let mine = |text: &str| {
        let parts: Vec<&str> =
            text.split('/').map(|part| if part == from { to.as_str() } else { part }).collect();
        parts.join("/")
    };
    let mut tree = BTreeMap::new();
    for line in data(name).lines().filter(|line| line.starts_with('/')) {
        let (path, rest) = line.split_once(" = \"").unwrap();
        let (value, rights) = rest.rsplit_once("\"   (").unwrap();
        let rights = rights.trim_end_matches(')').replace(&format!("r{from}"), &format!("r{to}"));
        tree.insert(mine(path), (mine(value), rights.replace(&format!("n{from}"), &format!("n{to}"))));
    }
    tree
}

/// What a daemon, a driver or a script chose, and would choose otherwise elsewhere.
fn is_chosen(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let chosen = ["ring-ref", "start_time", "tty", "device-model-pid", "node", "vnc-port"];
    chosen.contains(&last)
        || last.starts_with("physical-device")
        || (path.contains("/backend/vif/") && last == "hotplug-status")
}

#[test]
fn xenstore_holds_what_libxl_writes_key_by_key_and_right_by_right() {
    let runs = recorded();
    let config = |name: &str| {
        let said = format!("name=\"{name}\"");
        runs.iter().find(|run| run.config.contains(&said) && run.status == 0).unwrap().config.clone()
    };
    let host = Host::new(&[]);
    for (name, file, recorded, uuid) in [
        ("pv1", "tree-pv-4.17.txt", 10, "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"),
        ("hvm1", "tree-hvm-4.17.txt", 11, "4c55da2c-569b-4dea-a7ae-bcbebb62d74d"),
    ] {
        let domid = host.create(&config(name), &["-p", &format!("uuid=\"{uuid}\"")]);
        let expected = recorded_tree(file, domid, recorded);
        let found = host.store_tree(domid, uuid);
        let (keys, wanted): (Vec<_>, Vec<_>) = (found.keys().collect(), expected.keys().collect());
        assert_eq!(keys, wanted, "{name}: which nodes there are");
        for (path, (value, rights)) in &expected {
            let (found_value, found_rights) = &found[path];
            assert_eq!(found_rights, rights, "{path}");
            if !is_chosen(path) {
                assert_eq!(found_value, value, "{path}");
            }
        }
    }
}

impl Host {
    fn directory(&self, path: &str) -> Vec<String> {
        self.store.directory(path, Deadline::after(SOON)).unwrap_or_default()
    }

    fn rights(&self, path: &str) -> String {
        let perms = self.store.get_perms(path, Deadline::after(SOON)).unwrap();
        perms.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// Everything in xenstore that belongs to a domain.
    fn store_tree(&self, domid: u32, uuid: &str) -> BTreeMap<String, (String, String)> {
        let mut roots = vec![
            format!("/local/domain/{domid}"),
            format!("/libxl/{domid}"),
            format!("/vm/{uuid}"),
            format!("/local/domain/0/device-model/{domid}/state"),
        ];
        for kind in self.directory("/local/domain/0/backend") {
            roots.push(format!("/local/domain/0/backend/{kind}/{domid}"));
        }
        let mut tree = BTreeMap::new();
        while let Some(path) = roots.pop() {
            let Some(value) = self.node(&path) else { continue };
            roots.extend(self.directory(&path).into_iter().map(|name| format!("{path}/{name}")));
            let rights = self.rights(&path);
            tree.insert(path, (value, rights));
        }
        tree
    }
}

#[test]
fn a_domain_is_created_runs_and_is_destroyed_and_its_memory_is_free_again() {
    let host = Host::new(&[]);
    let free = host.hypervisor.physinfo().unwrap().free_pages * 4;
    for kind in ["pv", "pvh", "hvm"] {
        let domid =
            host.create(&guest("one", &format!("type='{kind}'\nvcpus=2\nmaxmem=128")), &["-p", "memory=96"]);
        assert_eq!(host.state(domid), Some(State::Paused), "{kind}");
        let info = host.hypervisor.domain_info(domid).unwrap().unwrap();
        assert_eq!((info.memory_kib, info.max_memory_kib), (Some(96 << 10), Some(129 << 10)), "{kind}");
        let now = host.hypervisor.physinfo().unwrap().free_pages * 4;
        assert!(free - now >= 96 << 10, "{kind}");
        host.does(&["unpause", "one"], None);
        host.boots(domid);
        assert_eq!(host.domid("one"), Some(domid));
        assert_eq!(host.does(&["domname", &domid.to_string()], None), "one\n");
        assert_eq!(host.monitors().len(), 1, "{kind}");
        host.does(&["destroy", &domid.to_string()], None);
        assert_eq!(host.state(domid), None);
        assert_eq!(host.node(&format!("/local/domain/{domid}/name")), None);
        assert_eq!(host.node(&format!("/libxl/{domid}")), None);
        assert_eq!(host.monitors(), []);
        assert_eq!(host.hypervisor.physinfo().unwrap().free_pages * 4, free, "{kind}");
    }
}

#[test]
fn a_guest_that_is_asked_goes_down_or_begins_its_next_life() {
    let host = Host::new(&[]);
    let first = host.create(&guest("one", ""), &[]);
    host.boots(first);
    host.does(&["reboot", "one"], None);
    eventually("it begins another life", || host.domid("one").is_some_and(|domid| domid != first));
    let second = host.domid("one").unwrap();
    let [monitor] = &host.monitors()[..] else { panic!("one monitor") };
    assert_eq!(monitor.domid, Some(second));
    assert_eq!(monitor.args[0], "create");
    assert_eq!(monitor.log.as_deref(), Some("/var/log/xen/xl-one.log".as_ref()));
    host.boots(second);
    host.does(&["shutdown", "-w", "one"], None);
    eventually("it is gone", || host.state(second).is_none());
    assert_eq!(host.monitors(), []);
}

#[test]
fn the_ends_of_lives_are_as_configured() {
    let host = Host::new(&[]);
    let ends = "on_poweroff='preserve'\non_crash='restart'\non_reboot='rename-restart'";
    let first = host.create(&guest("one", ends), &[]);
    let crash = |domid: u32| {
        host.boots(domid);
        host.write(&format!("/local/domain/{domid}/control/sysrq"), "c");
    };
    crash(first);
    eventually("it is restarted", || host.domid("one").is_some_and(|domid| domid != first));
    let second = host.domid("one").unwrap();
    host.boots(second);
    host.does(&["reboot", "one"], None);
    eventually("another is started beside it", || host.domid("one").is_some_and(|domid| domid != second));
    assert_eq!(host.domid("one-1"), Some(second));
    assert_eq!(host.state(second), Some(State::Shutoff));
    let third = host.domid("one").unwrap();
    let uuids = host.hypervisor.list().unwrap();
    let uuid = |domid: u32| uuids.iter().find(|row| row.domid == Some(domid)).unwrap().uuid;
    assert_ne!(uuid(second), uuid(third), "what is kept to be looked at is another domain");
    assert_eq!(host.node(&format!("/local/domain/{second}/vm")), Some(format!("/vm/{}", uuid(second))));
    assert_eq!(host.node(&format!("/vm/{}/name", uuid(third))).as_deref(), Some("one"));
    host.boots(third);
    host.does(&["shutdown", "one"], None);
    eventually("it is down", || host.state(third) == Some(State::Shutoff));
    assert_eq!(host.monitors(), [], "a monitor has nothing to wait for then");
}

#[test]
fn without_its_monitor_nobody_restarts_a_guest() {
    let host = Host::new(&[]);
    let domid = host.create(&guest("one", ""), &[]);
    host.boots(domid);
    let pid = host.monitors()[0].pid;
    assert!(host.host.kill_monitor(pid).unwrap());
    assert!(!host.host.kill_monitor(pid).unwrap());
    host.does(&["reboot", "one"], None);
    eventually("it is down", || host.state(domid) == Some(State::Shutoff));
    assert_eq!(host.domid("one"), Some(domid));
    // And one that nobody wanted to be minded.
    let lonely = host.create(&guest("two", ""), &["-e"]);
    assert_eq!(host.monitors(), []);
    host.does(&["destroy", "two"], None);
    assert_eq!(host.state(lonely), None);
}

#[test]
fn an_hvm_guest_listens_once_its_drivers_are_up() {
    let host = Host::new(&[("boot", "300")]);
    let domid = host.create(&guest("one", "type='hvm'"), &[]);
    let early = host.run(&["shutdown", "one"], None);
    assert_eq!(early.exit, ToolExit::Code(1));
    host.boots(domid);
    host.does(&["shutdown", "one"], None);
    eventually("it is gone", || host.state(domid).is_none());
}

#[test]
fn a_saved_guest_goes_on_where_it_was() {
    let host = Host::new(&[]);
    let scratch = Scratch::new("xl-save");
    std::fs::create_dir_all(&scratch.0).unwrap();
    let path = scratch.0.join("saved");
    let file = path.to_str().unwrap();
    let config =
        guest("one", "uuid='00000000-0000-0000-0000-000000000077'\nvif=['']\ndisk=['/dev/vg/one,,xvda,w']");
    let first = host.create(&config, &[]);
    host.boots(first);
    let mac = host.node(&format!("/local/domain/{first}/device/vif/0/mac")).unwrap();
    host.does(&["save", "one", file], None);
    assert_eq!(host.state(first), None);
    assert_eq!(host.monitors(), []);
    let Head::XlJson(json) = Head::read(&std::fs::read(&path).unwrap()).unwrap() else { panic!("JSON") };
    let saved = from_json(&json).unwrap();
    assert_eq!(saved[0].guest.name, "one");

    host.does(&["restore", "-p", file], None);
    let second = host.domid("one").unwrap();
    assert_eq!(host.state(second), Some(State::Paused));
    let rows = host.hypervisor.list().unwrap();
    assert_eq!(rows.last().unwrap().uuid.as_u128(), 0x77);
    host.does(&["unpause", "one"], None);
    host.boots(second);
    let vif = format!("/local/domain/{second}/device/vif/0");
    assert_eq!(host.node(&format!("{vif}/mac")), Some(mac));
    eventually("it is connected", || host.node(&format!("{vif}/state")).as_deref() == Some("4"));
    assert_eq!(host.monitors()[0].args[0], "restore");

    let taken = host.run(&["restore", file], None);
    assert_eq!(taken.exit, ToolExit::Code(1));
    assert!(text(&taken.stderr).contains("Domain with name \"one\" already exists."));
    host.does(&["save", "-c", "one", file], None);
    host.boots(second);
    host.does(&["destroy", "one"], None);
    // A file that lost its end, and one that never had a beginning.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(host.run(&["restore", file], None).exit, ToolExit::Code(1));
    std::fs::write(&path, [b'x'; 100]).unwrap();
    let outcome = host.run(&["restore", file], None);
    assert_eq!(outcome.exit, ToolExit::Code(1));
    assert!(text(&outcome.stderr).contains("wrong magic"));
    assert_eq!(host.hypervisor.list().unwrap().len(), 1, "nothing is left");
}

#[test]
fn a_save_that_cannot_be_written_leaves_the_guest_running() {
    let host = Host::new(&[]);
    let domid = host.create(&guest("one", ""), &[]);
    host.boots(domid);
    // Everything that is written there is one byte too much.
    let outcome = host.run(&["save", "one", "/dev/full"], None);
    assert_eq!(outcome.exit, ToolExit::Code(1));
    assert!(text(&outcome.stderr).contains("No space left on device"), "{}", text(&outcome.stderr));
    host.boots(domid);
    let nowhere = host.run(&["save", "one", "/nonexistent/x"], None);
    assert_eq!(text(&nowhere.stderr), "Failed to open temp file /nonexistent/x for writing\n");
}

#[test]
fn what_list_prints_of_a_domain_says_what_its_configuration_said() {
    let host = Host::new(&[]);
    let more = "vcpus=2\nmaxvcpus=4\nmaxmem=256\ncmdline='quiet \"x\"'\nvif=['mac=00:16:3e:00:00:01,bridge=br1']\n\
                disk=['/dev/vg/one,,xvda,w', '/tmp/two.qcow2,qcow2,xvdb,r']\non_crash='preserve'";
    let domid = host.create(&guest("one", more), &["uuid='00000000-0000-0000-0000-000000000001'"]);
    let listed = from_json(&host.does(&["list", "-l"], None)).unwrap();
    assert_eq!(listed.iter().map(|found| found.domid).collect::<Vec<_>>(), [Some(0), Some(domid)]);
    let found = &listed[1].guest;
    assert_eq!(found.name, "one");
    assert_eq!(found.os.kind, GuestType::Pvh);
    assert_eq!(found.os.cmdline.as_deref(), Some("quiet \"x\""));
    assert_eq!((found.memory_kib, found.max_memory_kib), (64 << 10, 256 << 10));
    assert_eq!((found.vcpus.max, found.vcpus.current), (4, Some(2)));
    assert_eq!(found.disks.len(), 2);
    assert_eq!(found.disks[1].format.as_deref(), Some("qcow2"));
    assert!(found.disks[1].readonly && !found.disks[0].readonly);
    assert_eq!(found.interfaces[0].mac.unwrap().to_string(), "00:16:3e:00:00:01");
    assert_eq!(found.on_crash, xenith::model::guest::Lifecycle::Preserve);
    host.does(&["rename", "one", "other"], None);
    let one = from_json(&host.does(&["list", "-l", "other"], None)).unwrap();
    assert_eq!((one.len(), one[0].guest.name.as_str()), (1, "other"));
}

#[test]
fn every_fault_is_what_it_is_called() {
    let run = |fault: &str, args: &[&str]| {
        let host = Host::new(&[("fault", fault)]);
        let config = guest("one", "");
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let run = ToolRun { args: &args, config: Some(config.as_bytes()) };
        let outcome = host.xl.run(run, Deadline::after(Duration::from_millis(300))).unwrap();
        (host, outcome)
    };
    let (_, failed) = run("xl:fail", &["list"]);
    assert_eq!(failed.exit, ToolExit::Code(1));
    assert!(text(&failed.stderr).contains("cannot init xl context"));
    let (host, late) = run("xl:hang", &["list"]);
    assert_eq!(late.exit, ToolExit::Late);
    assert_eq!(host.monitors(), [], "others are still answered");
    let (_, rubbish) = run("xl:rubbish", &["list", "-l"]);
    assert_eq!(rubbish.exit, ToolExit::Code(0));
    assert!(std::str::from_utf8(&rubbish.stdout).is_err());
    let (_, killed) = run("xl:close", &["list"]);
    assert_eq!(killed.exit, ToolExit::Signal(9));
    for (fault, exit) in [("xl:half", ToolExit::Signal(9)), ("xl:stuck", ToolExit::Late)] {
        let (host, outcome) = run(fault, &["create", CONFIG_PATH]);
        assert_eq!(outcome.exit, exit, "{fault}");
        let domid = host.domid("one").unwrap();
        assert_eq!(host.state(domid), Some(State::Paused));
        assert_eq!(host.monitors(), []);
        assert_eq!(host.node(&format!("/local/domain/{domid}/domid")), None, "half made");
        host.does(&["destroy", &domid.to_string()], None);
        assert_eq!(host.state(domid), None, "{fault}");
    }
}

#[test]
fn a_host_without_xl_says_so() {
    for query in [[("xen", "4.4"), ("toolstack", "xend")], [("xen", "4.17"), ("toolstack", "none")]] {
        let host = SimHost::start(SimConfig::from_query(query).unwrap()).unwrap();
        assert!(host.toolstack().is_none());
        assert_eq!(host.kill_monitor(1).unwrap_err().status, Status::NotSupported);
    }
    let host = SimHost::start(SimConfig::from_query([("xen", "4.17")]).unwrap()).unwrap();
    let refused = host.xend_dial().dial(Deadline::after(SOON)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn guests_that_run_from_the_start_are_xls() {
    let host = Host::new(&[("domains", "2")]);
    let listed = from_json(&host.does(&["list", "-l"], None)).unwrap();
    assert_eq!(listed[2].guest.name, "guest-00002");
    assert_eq!(host.monitors().len(), 2);
    host.does(&["shutdown", "guest-00001"], None);
    eventually("it is gone", || host.state(1).is_none());
}

#[test]
fn a_served_host_runs_xl_for_all_who_join_it() {
    let scratch = Scratch::new("xl-served");
    let config = SimConfig::from_query([("xen", "4.17"), ("boot", "1")]).unwrap();
    let server = serve(config, &scratch.0).unwrap();
    let (one, other) =
        (Host::of(SimHost::join(&scratch.0).unwrap()), Host::of(SimHost::join(&scratch.0).unwrap()));
    let domid = one.create(&guest("shared", ""), &[]);
    assert_eq!(other.domid("shared"), Some(domid));
    let late = [OsString::from("shutdown"), "-w".into(), "0".into()];
    let outcome =
        one.xl.run(ToolRun { args: &late, config: None }, Deadline::after(Duration::from_millis(100)));
    assert_eq!(outcome.unwrap().exit, ToolExit::Late);
    other.boots(domid);
    assert!(other.host.kill_monitor(one.monitors()[0].pid).unwrap());
    assert_eq!(one.monitors(), []);
    let etc = one.host.etc_xen().unwrap();
    assert_eq!(etc, other.host.etc_xen().unwrap());
    std::fs::write(etc.join("kept.cfg"), "name='kept'\n").unwrap();
    drop(server);
    let gone = one.xl.run(ToolRun { args: &late, config: None }, Deadline::after(SOON));
    assert!(gone.is_err(), "its server is gone");
    assert!(
        etc.join("kept.cfg").exists() && etc.join("auto").is_dir(),
        "it outlives the server, as /etc does"
    );
}

#[test]
fn the_folder_of_domain_files_goes_with_a_host_of_one_process() {
    let host = SimHost::start(SimConfig::from_query([("xen", "4.17")]).unwrap()).unwrap();
    let etc: PathBuf = host.etc_xen().unwrap();
    assert_eq!(etc, host.clone().etc_xen().unwrap());
    assert!(etc.join("auto").is_dir());
    std::fs::write(etc.join("one.cfg"), "name='one'\n").unwrap();
    drop(host);
    assert!(!etc.exists());
}

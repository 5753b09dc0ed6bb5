//! Hosts of the xl toolstack: what is left when xl fails, whose life a file's domain is, and what the report says.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{ALL, LIVE, Scratch, eventually, guest};
use xenith::channel::xl::Xl;
use xenith::deadline::Deadline;
use xenith::driver::{Connection, HostReport, OpenOptions};
use xenith::error::{Road, Status};
use xenith::model::{State, Uuid};
use xenith::sim::{Server, SimConfig, SimHost};

/// A served embedded host of today.
struct Host {
    scratch: Scratch,
    _server: Server,
}

impl Host {
    fn new(name: &str, more: &[(&str, &str)]) -> Host {
        let scratch = Scratch::new(name);
        let options = [("xen", "4.17")].into_iter().chain(more.iter().copied());
        let server = xenith::sim::serve(SimConfig::from_query(options).unwrap(), &scratch.0).unwrap();
        Host { scratch, _server: server }
    }

    fn uri(&self) -> String {
        format!("xen+sim:///?dir={}", self.scratch.0.display())
    }

    fn open(&self) -> Connection {
        common::open(&self.uri())
    }

    fn far(&self) -> SimHost {
        SimHost::join(&self.scratch.0).unwrap()
    }

    /// xl as an administrator runs it.
    fn xl(&self) -> Xl {
        Xl::over(self.far().toolstack().unwrap())
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.far().etc_xen().unwrap().join(file);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

const FILE: &str =
    "name = 'web'\ntype = 'pv'\nkernel = '/boot/vmlinuz'\nmemory = 64\nvcpus = 2\nvif = ['bridge=xenbr0']\n";

#[test]
fn what_xl_leaves_half_made_is_destroyed_whether_it_failed_or_did_not_end() {
    for (fault, status) in [("xl:half", None), ("xl:stuck", Some(Status::Timeout))] {
        let host = Host::new(&fault.replace(':', "-"), &[("fault", fault)]);
        let options = OpenOptions { toolstack_timeout: Duration::from_secs(2), ..OpenOptions::default() };
        let connection = Connection::open(Some(&host.uri()), &options).unwrap();
        let free = connection.node_info().unwrap().free_memory_kib;
        let error = connection.create(&guest("halved", None), false).err().unwrap();
        assert_eq!(error.road, Road::Xl, "{fault}: {error}");
        assert!(status.is_none_or(|status| error.status == status), "{fault}: {error}");
        assert!(!error.message.contains("could not be destroyed"), "{fault}: {error}");
        assert_eq!(connection.list(ALL).unwrap().len(), 1, "{fault}: only Domain-0");
        eventually("the memory is free", || connection.node_info().unwrap().free_memory_kib == free);

        // A defined one is as inactive as before.
        let domain = connection.define(&guest("halved", None)).unwrap();
        assert!(domain.start(false).is_err(), "{fault}");
        assert!(!domain.is_active().unwrap(), "{fault}");
        assert_eq!(connection.list(ALL).unwrap().len(), 2, "{fault}");
    }
}

#[test]
fn an_xl_that_does_not_answer_at_all_is_not_waited_for_beyond_the_deadline() {
    let host = Host::new("xl-hang", &[("fault", "xl:hang")]);
    let options = OpenOptions {
        timeout: Duration::from_secs(1),
        toolstack_timeout: Duration::from_secs(1),
        ..OpenOptions::default()
    };
    let connection = Connection::open(Some(&host.uri()), &options).unwrap();
    assert_eq!(connection.create(&guest("hung", None), false).err().unwrap().status, Status::Timeout);
    assert_eq!(connection.lookup_by_id(0).unwrap().xml(false).unwrap_err().status, Status::Timeout);
    assert_eq!(connection.list(LIVE).unwrap().len(), 1, "what needs no xl is served");
}

#[test]
fn the_xml_of_a_domain_says_its_machine_whether_it_runs_or_not() {
    let host = Host::new("machine", &[]);
    host.write("web.cfg", FILE);
    let connection = host.open();
    let domain = connection.lookup_by_name("web").unwrap();
    let kind = "<type arch='x86_64' machine='xenpv'>linux</type>";
    assert!(domain.xml(true).unwrap().contains(kind));
    domain.start(false).unwrap();
    for inactive in [true, false] {
        let xml = domain.xml(inactive).unwrap();
        assert!(xml.contains(kind), "{xml}");
    }
}

#[test]
fn a_file_without_a_uuid_is_started_with_a_derived_one_each_time() {
    let host = Host::new("derived", &[]);
    host.write("web.cfg", FILE);
    let connection = host.open();
    let domain = connection.lookup_by_name("web").unwrap();
    let (uuid, xml) = (domain.uuid(), domain.xml(true).unwrap());
    assert!(xml.contains("<mac address='00:16:3e:"), "{xml}");
    let info = domain.info().unwrap();
    assert_eq!((info.memory_kib, info.vcpus_max), (Some(65536), Some(2)));
    for _ in 0..2 {
        domain.start(false).unwrap();
        assert_eq!(connection.lookup_by_name("web").unwrap().identity(), domain.identity());
        assert_eq!(connection.list(ALL).unwrap().len(), 2, "there is no second one beside it");
        assert!(domain.is_persistent().unwrap());
        let live = domain.xml(false).unwrap();
        let mac = xml.split("<mac").nth(1).unwrap().split("/>").next().unwrap();
        assert!(live.contains(mac), "{mac} is not in {live}");
        domain.destroy().unwrap();
        assert_eq!(domain.uuid(), uuid);
    }
}

#[test]
fn a_life_that_somebody_else_began_from_a_file_without_a_uuid_is_that_files() {
    let host = Host::new("adopted", &[]);
    host.write("web.cfg", FILE);
    let connection = host.open();
    let before = connection.lookup_by_name("web").unwrap();
    let theirs = Uuid::from_u128(7);
    host.xl().create(FILE, theirs, &[], false, soon()).unwrap();

    let live = connection.lookup_by_name("web").unwrap();
    assert_eq!(live.uuid(), theirs);
    assert!(live.is_persistent().unwrap());
    let rows = connection.list(ALL).unwrap();
    assert_eq!(rows.iter().filter(|row| row.name.as_deref() == Some("web")).count(), 1, "{rows:?}");
    assert_eq!(connection.lookup_by_uuid(before.uuid()).unwrap().identity(), live.identity());
    assert_eq!(before.id().unwrap(), live.id().unwrap());
    assert_eq!(before.start(false).unwrap_err().status, Status::InvalidState);
    live.set_autostart(true).unwrap();
    assert!(live.autostart().unwrap());

    live.destroy().unwrap();
    assert!(!before.is_active().unwrap());
    assert_eq!(connection.lookup_by_name("web").unwrap().uuid(), before.uuid());
    assert_eq!(live.info().unwrap_err().status, Status::NotFound, "that uuid went with the life");
}

#[test]
fn a_broken_file_hides_nothing_and_is_named_with_its_place() {
    let host = Host::new("broken", &[]);
    host.write("web.cfg", FILE);
    host.write("bad.cfg", "name = 'bad'\nmemory = \n");
    let auto = host.far().etc_xen().unwrap().join("auto");
    std::os::unix::fs::symlink("/nowhere/old.cfg", auto.join("old.cfg")).unwrap();
    let connection = host.open();
    assert_eq!(connection.list(ALL).unwrap().len(), 2);
    let error = connection.lookup_by_name("bad").err().unwrap();
    assert_eq!(error.status, Status::InvalidConfig);
    assert!(error.message.contains("bad.cfg"), "{error}");
    assert_eq!(connection.define(&guest("bad", None)).err().unwrap().status, Status::InvalidConfig);
    assert_eq!(connection.create(&guest("web", None), false).err().unwrap().status, Status::Exists);

    let problems = connection.report().unwrap().problems;
    for wanted in ["bad.cfg", "old.cfg"] {
        assert!(problems.iter().any(|problem| problem.contains(wanted)), "{wanted} is not in {problems:?}");
    }
}

#[test]
fn a_life_without_its_monitor_is_reported_with_the_remedy() {
    let host = Host::new("monitors", &[]);
    let connection = host.open();
    let domain = connection.create(&guest("alone", None), false).unwrap();
    eventually("it is minded", || domain.has_monitor().unwrap());
    assert_eq!(connection.report().unwrap().problems, Vec::<String>::new());
    for monitor in host.xl().monitors().unwrap() {
        assert!(host.far().kill_monitor(monitor.pid).unwrap());
    }
    assert!(!domain.has_monitor().unwrap());
    let problems = connection.report().unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("xenith monitor --detach alone")), "{problems:?}");
}

#[test]
fn the_report_names_each_road_once_and_what_serves_each_operation() {
    let host = Host::new("report", &[]);
    let report = HostReport::of(Some(&host.uri()), &OpenOptions::default()).unwrap();
    assert_eq!(report.failure, None);
    assert!(report.host.contains("xl") && report.host.contains("simulation"), "{}", report.host);
    let roads: Vec<(Road, bool)> = report.roads.iter().map(|road| (road.road, road.found)).collect();
    let [hypercall, xenstore, xl, store] =
        [Road::Hypercall, Road::Xenstore, Road::Xl, Road::Store].map(|road| (road, true));
    assert_eq!(roads, [hypercall, xenstore, (Road::Xend, false), xl, store, (Road::Remote, false)]);
    let create = report.routes.iter().find(|route| route.operation == "create").unwrap();
    assert_eq!((create.active, create.inactive), (Some(Road::Xl), None));
    assert_eq!(host.open().report().unwrap(), report);
}

#[test]
fn where_nothing_can_be_opened_the_report_says_why_of_each_road() {
    let nothing =
        "xen:///?privcmd=/nowhere/privcmd&xenstore=/nowhere/socket&xend=/nowhere/xend&xl=/nowhere/xl";
    let options = OpenOptions::default();
    let error = Connection::open(Some(nothing), &options).err().unwrap();
    let report = HostReport::of(Some(nothing), &options).unwrap();
    assert_eq!(report.failure, Some(error));
    assert!(report.routes.is_empty());
    for road in &report.roads[..4] {
        assert!(!road.found && !road.detail.is_empty(), "{road:?}");
    }
    let remote = HostReport::of(Some("xen+ssh://example.org/"), &options).unwrap();
    assert_eq!(remote.failure.map(|error| error.status), Some(Status::NotSupported));
    assert_eq!(HostReport::of(Some("qemu:///system"), &options).err().unwrap().status, Status::InvalidUri);
}

#[test]
fn a_host_without_a_toolstack_remembers_domains_and_says_what_it_cannot_do() {
    let host = Host::new("bare", &[]);
    let options = OpenOptions { without: vec![Road::Xl], ..OpenOptions::default() };
    let bare = Connection::open(Some(&host.uri()), &options).unwrap();
    let domain = bare.define(&guest("kept", None)).unwrap();
    assert_eq!(bare.lookup_by_name("kept").unwrap().identity(), domain.identity());
    assert_eq!(bare.list(ALL).unwrap().len(), 2);
    let error = domain.start(false).unwrap_err();
    assert_eq!(error.status, Status::NotSupported);
    assert!(error.message.contains("xl"), "{error}");

    let live = host.open().lookup_by_name("kept").unwrap();
    live.start(false).unwrap();
    let seen = bare.lookup_by_name("kept").unwrap();
    assert!(seen.is_persistent().unwrap());
    assert_eq!(seen.xml(false).unwrap_err().status, Status::NotSupported);
    assert!(seen.xml(true).unwrap().contains("<name>kept</name>"));
    seen.suspend().unwrap();
    seen.suspend().unwrap();
    seen.resume().unwrap();
    assert_ne!(seen.info().unwrap().state, State::Paused);
    assert_eq!(seen.destroy().unwrap_err().status, Status::NotSupported, "xl made it");
    live.destroy().unwrap();
}

#[test]
fn a_list_of_live_domains_costs_no_run_of_xl_and_one_of_all_none_either() {
    let host = Host::new("costs", &[]);
    let connection = host.open();
    connection.define(&guest("kept", None)).unwrap();
    connection.list(ALL).unwrap();
    let before = connection.counters();
    assert_eq!(connection.list(ALL).unwrap().len(), 2);
    let after = connection.counters();
    assert_eq!((after.xl_runs, after.xenstore_round_trips), (before.xl_runs, before.xenstore_round_trips));
    assert_eq!(after.hypercalls - before.hypercalls, 1);
}

#[test]
fn a_save_that_fails_leaves_the_domain_running_and_no_half_file() {
    let host = Host::new("unsaved", &[]);
    let connection = host.open();
    let domain = connection.create(&guest("stays", None), false).unwrap();
    let missing = host.scratch.0.join("no-folder").join("file");
    let error = domain.save(&missing).unwrap_err();
    assert!(error.message.contains("goes on"), "{error}");
    assert!(domain.is_active().unwrap() && !missing.exists());
    domain.destroy().unwrap();
}

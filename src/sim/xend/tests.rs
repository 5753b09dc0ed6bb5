//! The embedded xend by itself: requests as bytes, answers as bytes, on a machine and a xenstored. That it answers as the recorded ones is
//! tests/xend_replay.rs's business.

use std::path::PathBuf;

use super::*;
use crate::sim::guest::Guests;
use crate::sim::machine::MachineSize;
use crate::sim::xenstored::XenstoredAge;
use crate::wire::xend_http::{Answer, MAX_ANSWER, Request, Response, ResponseReader, interpret};

/// Every age with managed domains.
fn releases() -> impl Iterator<Item = Release> {
    ages().filter(|release| release.at_least_point(3, 0, 4))
}

fn ages() -> impl Iterator<Item = Release> {
    let with_xend = crate::sim::release::AGES.iter().filter(|age| !age.release.at_least(4, 5));
    with_xend.map(|age| age.release)
}

fn age(word: &str) -> Release {
    Release::of_age(word).unwrap()
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
    fn new(release: Release) -> Host {
        let folder = std::env::temp_dir().join(format!("xenith-sim-xend-{}", Uuid::new_v4()));
        Host::at(release, folder)
    }

    fn at(release: Release, folder: PathBuf) -> Host {
        let size = MachineSize { memory_kib: 4 << 20, cpus: 1 };
        let mut machine = Machine::with_stepped_clock(release, size);
        let mut store = Xenstored::new(XenstoredAge::of(release.major, release.minor));
        store.observe_changes();
        let mut told = Vec::new();
        let mut parts = Parts { machine: &mut machine, store: &mut store, told: &mut told };
        let xend = Xend::new(release, "simulated", StateDir::Kept(folder.clone()), &mut parts);
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
        self.xend.take_output(conn, &mut out);
        self.xend.disconnect(conn);
        for path in told {
            self.guests.changed(&path, &mut self.machine, &mut self.store);
        }
        self.settle();
        out
    }

    fn settle(&mut self) {
        while self.machine.has_events() {
            for event in self.machine.take_events() {
                self.guests.happened(event, &mut self.machine, &mut self.store);
                let mut told = Vec::new();
                let mut parts = Parts { machine: &mut self.machine, store: &mut self.store, told: &mut told };
                self.xend.happened(event, &mut parts);
            }
        }
    }

    fn after(&mut self, millis: u64) {
        self.machine.advance(Duration::from_millis(millis));
        self.guests.tick(self.machine.now(), &mut self.machine, &mut self.store);
        self.settle();
    }

    fn ask(&mut self, request: &Request) -> (Response, Answer) {
        let out = self.send(&request.to_bytes().unwrap());
        let response = ResponseReader::new(MAX_ANSWER).feed(&out).unwrap().expect("a whole answer");
        let answer = interpret(&response).unwrap();
        (response, answer)
    }

    fn get(&mut self, domain: &str) -> Option<Sexpr> {
        match self.ask(&Request::get(&["xend", "domain", domain], &[])) {
            (_, Answer::Value(value)) => Some(value),
            (response, _) => {
                // 3.1 to 3.3 have this for nothing else.
                assert!(response.status == 404 || response.reason == "Internal server error");
                None
            }
        }
    }

    fn names(&mut self, state: &str) -> String {
        let (response, _) = self.ask(&Request::get(&["xend", "domain"], &[("state", state)]));
        String::from_utf8(response.body).unwrap()
    }

    fn op(&mut self, domain: &str, fields: &[(&str, &str)]) -> Result<Option<Sexpr>, String> {
        let fields: Vec<(&str, &[u8])> = fields.iter().map(|(key, value)| (*key, value.as_bytes())).collect();
        let path: &[&str] = if domain.is_empty() { &["xend", "domain"] } else { &["xend", "domain", domain] };
        match self.ask(&Request::post(path, &fields)).1 {
            Answer::Value(value) => Ok(Some(value)),
            Answer::Empty => Ok(None),
            Answer::Error { message, .. } => Err(message),
            Answer::Text(text) => panic!("a text: {text:?}"),
        }
    }

    fn node(&mut self, path: &str) -> Option<String> {
        self.store.read(0, path).ok().map(|value| String::from_utf8(value).unwrap())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

const UUID: &str = "11111111-2222-3333-4444-555555555555";

fn config(extra: &str) -> String {
    format!(
        "(vm (name web1) (uuid {UUID}) (memory 128) (maxmem 256) (vcpus 2) (image (linux (kernel /boot/vmlinuz))) \
         (device (vbd (dev xvda) (uname phy:/dev/vg/web1) (mode w))) \
         (device (vif (mac 00:16:3e:00:00:01) (bridge xenbr0) (script vif-bridge))) {extra})"
    )
}

#[test]
fn a_managed_domain_is_defined_started_shut_down_and_deleted() {
    for release in releases() {
        let mut host = Host::new(release);
        assert_eq!(host.op("", &[("op", "new"), ("config", &config(""))]), Ok(None));
        assert_eq!(host.names("halted"), "(web1)");
        let inactive = host.get(UUID).unwrap();
        assert_eq!((inactive.value("domid"), inactive.value("status")), (None, Some("0")));
        assert_eq!(host.op("web1", &[("op", "start")]), Ok(None));
        assert_eq!(host.op("web1", &[("op", "start")]), Err("Domain is already running".into()));
        let refusal = host.op("web1", &[("op", "delete")]).unwrap_err();
        assert!(
            ["Domain is not halted.", "Domain is still running"].contains(&refusal.as_str()),
            "{refusal}"
        );
        let live = host.get("web1").unwrap();
        assert_eq!((live.value("domid"), live.value("state")), (Some("1"), Some("r-----")));
        assert_eq!((live.value("memory"), live.value("maxmem")), (Some("128"), Some("256")));
        assert_eq!(host.names("running"), "(Domain-0 web1)");
        host.after(20);
        assert_eq!(host.get("1").unwrap().value("state"), Some("-b----"));
        assert_eq!(host.op("web1", &[("op", "shutdown"), ("reason", "poweroff")]), Ok(None));
        assert_eq!(host.names("running"), "(Domain-0 web1)", "it was only asked");
        host.after(50);
        assert_eq!(host.names("running"), "(Domain-0)");
        assert_eq!(host.get("web1").unwrap().value("domid"), None);
        assert_eq!(host.machine.domain_count(), 1);
        assert_eq!(host.op("web1", &[("op", "delete")]), Ok(None), "{release}");
        assert_eq!(host.get("web1"), None);
    }
}

#[test]
fn a_created_domain_is_paused_and_gone_when_it_ends() {
    let mut host = Host::new(Release::XEN_4_1);
    let domain = host.op("", &[("op", "create"), ("config", &config(""))]).unwrap().unwrap();
    assert_eq!((domain.value("domid"), domain.value("state")), (Some("1"), Some("------")));
    assert_eq!(host.names("paused"), "(web1)");
    assert_eq!(host.get("web1").unwrap().value("state"), Some("--p---"));
    let again = host.op("", &[("op", "create"), ("config", &config(""))]);
    assert_eq!(again, Err("Error creating domain: Domain 'web1' already exists with ID '1'".into()));
    assert_eq!(host.op("web1", &[("op", "wait_for_devices")]), Ok(None));
    assert_eq!(host.op("web1", &[("op", "unpause")]), Ok(None));
    host.after(20);
    assert_eq!(host.op("web1", &[("op", "destroy")]), Ok(None));
    assert_eq!(host.get("web1"), None);
    assert!(host.folder.symlink_metadata().is_err(), "nothing is kept of a transient domain");
}

#[test]
fn xenstore_shows_a_domain_while_it_lives() {
    let mut host = Host::new(Release::XEN_4_1);
    let vnc = "(device (vfb (vnc 1) (vncunused 1))) (device (vkbd))";
    host.op("", &[("op", "create"), ("config", &config(vnc))]).unwrap();
    for (path, value) in [
        ("/local/domain/1/name", "web1"),
        ("/local/domain/1/domid", "1"),
        ("/local/domain/1/memory/target", "131072"),
        ("/local/domain/1/control/shutdown", ""),
        ("/local/domain/1/console/port", "2"),
        ("/local/domain/1/console/vnc-port", "5901"),
        ("/local/domain/1/device/vbd/51712/state", "1"),
        ("/local/domain/1/device/vif/0/mac", "00:16:3e:00:00:01"),
        ("/local/domain/0/backend/vbd/1/51712/params", "/dev/vg/web1"),
        ("/local/domain/0/backend/vif/1/0/script", "/etc/xen/scripts/vif-bridge"),
        ("/local/domain/0/backend/vif/1/0/frontend", "/local/domain/1/device/vif/0"),
        ("/local/domain/1/cpu/1/availability", "online"),
    ] {
        assert_eq!(host.node(path).as_deref(), Some(value), "{path}");
    }
    assert_eq!(host.node("/local/domain/1/vm"), Some(format!("/vm/{UUID}")));
    assert_eq!(host.node(&format!("/vm/{UUID}/name")).as_deref(), Some("web1"));
    assert!(host.store.is_introduced(1));
    host.op("web1", &[("op", "unpause")]).unwrap();
    host.after(20);
    assert_eq!(host.node("/local/domain/1/console/tty").as_deref(), Some("/dev/pts/1"));
    assert_eq!(host.node("/local/domain/1/device/vif/0/state").as_deref(), Some("4"));
    host.op("web1", &[("op", "rename"), ("name", "web2")]).unwrap();
    assert_eq!(host.node("/local/domain/1/name").as_deref(), Some("web2"));
    host.op("web2", &[("op", "destroy")]).unwrap();
    for path in ["/local/domain/1", "/local/domain/0/backend/vbd/1", "/local/domain/0/backend/vif/1"] {
        assert_eq!(host.node(path), None, "{path}");
    }
    assert_eq!(host.node(&format!("/vm/{UUID}")), None);
    assert!(!host.store.is_introduced(1));
}

#[test]
fn what_happens_at_the_end_of_a_life_is_as_configured() {
    for (order, extra, after) in [
        ("reboot", "", Some(("2", "-b----"))),
        ("reboot", "(on_reboot destroy)", None),
        ("poweroff", "(on_poweroff restart)", Some(("2", "-b----"))),
        ("poweroff", "(on_poweroff preserve)", Some(("1", "---s--"))),
    ] {
        let mut host = Host::new(Release::XEN_4_4);
        host.op("", &[("op", "create"), ("config", &config(extra))]).unwrap();
        host.op("web1", &[("op", "unpause")]).unwrap();
        host.after(20);
        host.op("web1", &[("op", "shutdown"), ("reason", order)]).unwrap();
        host.after(50);
        host.after(20);
        let found = host.get(UUID);
        let found =
            found.as_ref().map(|domain| (domain.value("domid").unwrap(), domain.value("state").unwrap()));
        assert_eq!(found, after, "{order} {extra}");
    }
    let mut host = Host::new(Release::XEN_4_4);
    host.op("", &[("op", "create"), ("config", &config("(on_crash preserve)"))]).unwrap();
    host.op("web1", &[("op", "unpause")]).unwrap();
    host.after(20);
    host.op("web1", &[("op", "sysrq"), ("key", "99")]).unwrap();
    let crashed = host.get("web1").unwrap();
    assert_eq!((crashed.value("state"), crashed.value("status")), (Some("---sc-"), Some("5")));
}

#[test]
fn managed_domains_outlive_xend_and_rubbish_in_its_folder_does_not_matter() {
    let folder = std::env::temp_dir().join(format!("xenith-sim-xend-{}", Uuid::new_v4()));
    let before = {
        let mut host = Host::at(Release::XEN_3_4, folder.clone());
        host.op("", &[("op", "new"), ("config", &config("(on_crash preserve)"))]).unwrap();
        let before = host.get("web1").unwrap();
        host.folder = PathBuf::from("/nonexistent");
        before
    };
    let rubbish = folder.join("domains/00000000-0000-0000-0000-000000000001");
    std::fs::create_dir_all(&rubbish).unwrap();
    std::fs::write(rubbish.join("config.sxp"), "((((").unwrap();
    let mut host = Host::at(Release::XEN_3_4, folder);
    assert_eq!(host.names("all"), "(Domain-0 web1)");
    assert_eq!(host.get("web1").unwrap(), before);
    assert!(host.folder.join(format!("domains/{UUID}/config.sxp")).exists());
    host.op("web1", &[("op", "delete")]).unwrap();
    assert!(!host.folder.join(format!("domains/{UUID}")).exists());
    assert!(rubbish.exists());
}

#[test]
fn a_redefined_running_domain_starts_with_the_new_configuration_next_time() {
    let mut host = Host::new(Release::XEN_4_1);
    host.op("", &[("op", "new"), ("config", &config(""))]).unwrap();
    host.op("web1", &[("op", "start")]).unwrap();
    let more = config("").replace("(maxmem 256)", "(maxmem 512)");
    host.op("", &[("op", "new"), ("config", &more)]).unwrap();
    assert_eq!(host.get("web1").unwrap().value("maxmem"), Some("256"));
    host.op("web1", &[("op", "destroy")]).unwrap();
    assert_eq!(host.get("web1").unwrap().value("maxmem"), Some("512"));
}

#[test]
fn memory_is_finite_in_xends_words() {
    let mut host = Host::new(Release::XEN_4_4);
    let free = host.machine.physinfo().free_pages;
    let much = config("").replace("(memory 128) (maxmem 256)", "(memory 900000)");
    let words = host.op("", &[("op", "create"), ("config", &much)]).unwrap_err();
    assert!(
        words.starts_with("Error creating domain: I need 921600000 KiB, but dom0_min_mem is "),
        "{words}"
    );
    assert_eq!(host.machine.physinfo().free_pages, free);
    assert_eq!(host.get("web1"), None);
}

#[test]
fn a_domain_that_was_destroyed_by_a_hypercall_is_gone_here_too() {
    let mut host = Host::new(Release::XEN_3_4);
    host.op("", &[("op", "new"), ("config", &config(""))]).unwrap();
    host.op("web1", &[("op", "start")]).unwrap();
    host.machine.destroy_all(1).unwrap();
    host.settle();
    assert_eq!(host.get("web1").unwrap().value("domid"), None);
    assert_eq!(host.node("/local/domain/1/name"), None);
    assert_eq!(host.op("web1", &[("op", "start")]), Ok(None));
}

#[test]
fn limits_of_a_live_domain_reach_the_machine_and_the_guest() {
    let mut host = Host::new(Release::XEN_4_1);
    host.op("", &[("op", "new"), ("config", &config(""))]).unwrap();
    host.op("web1", &[("op", "start")]).unwrap();
    host.after(20);
    assert_eq!(host.op("web1", &[("op", "maxmem_set"), ("memory", "512")]), Ok(Some(Sexpr::atom("0"))));
    assert_eq!(host.machine.get(1).unwrap().max_pages, 512 << 8);
    host.op("web1", &[("op", "mem_target_set"), ("target", "300")]).unwrap();
    assert_eq!(host.machine.get(1).unwrap().tot_pages, 300 << 8);
    host.op("web1", &[("op", "set_vcpus"), ("vcpus", "1")]).unwrap();
    assert_eq!(host.machine.get(1).unwrap().online_vcpus, 1);
    let live = host.get("web1").unwrap();
    assert_eq!((live.value("memory"), live.value("online_vcpus")), (Some("300"), Some("1")));
    host.op("web1", &[("op", "destroy")]).unwrap();
    assert_eq!(host.get("web1").unwrap().value("maxmem"), Some("512"), "and were kept");
}

#[test]
fn a_connection_is_closed_or_left_open_as_by_real_xends() {
    let mut host = Host::new(Release::XEN_4_4);
    for (request, closes) in [
        (Request::get(&["xend", "domain"], &[]), true),
        (Request::post(&["xend", "domain", "Domain-0"], &[("op", b"pause")]), false),
    ] {
        let conn = host.xend.connect();
        let mut told = Vec::new();
        let mut parts = Parts { machine: &mut host.machine, store: &mut host.store, told: &mut told };
        let mut bytes = request.to_bytes().unwrap();
        bytes.extend(request.to_bytes().unwrap());
        host.xend.feed(conn, &bytes, &mut parts);
        let mut out = Vec::new();
        host.xend.take_output(conn, &mut out);
        let mut reader = ResponseReader::new(MAX_ANSWER);
        assert!(reader.feed(&out).unwrap().is_some());
        assert_eq!(reader.feed(&[]).unwrap(), None, "a second request is not answered");
        assert_eq!(host.xend.wants_close(conn), closes, "{request}");
    }
}

#[test]
fn the_oldest_xends_know_live_domains_alone_by_name_and_number() {
    for word in ["3.0.1", "3.0.2", "3.0.3"] {
        let mut host = Host::new(age(word));
        for op in ["new", "start", "delete", "dump"] {
            let path: &[&str] =
                if op == "new" { &["xend", "domain"] } else { &["xend", "domain", "Domain-0"] };
            let (response, _) = host.ask(&Request::post(path, &[("op", op.as_bytes())]));
            assert_eq!(response.status, 501, "{word} {op}");
        }
        host.op("", &[("op", "create"), ("config", &config(""))]).unwrap();
        assert_eq!(host.names("halted"), "(Domain-0 web1)", "no state is asked for");
        assert_eq!(host.get(UUID), None, "nor a uuid known");
        assert_eq!(host.get("1").unwrap().value("uuid"), Some(UUID));
        let (response, _) = host.ask(&Request::post(&["xend", "domain", "web1"], &[("op", b"shutdown")]));
        assert_eq!(
            response.status,
            if word == "3.0.3" { 500 } else { 202 },
            "it fails, and says so in the body"
        );
        assert!(response.body.starts_with(b"(xend.err "));
        host.op("web1", &[("op", "unpause")]).unwrap();
        host.after(20);
        host.op("web1", &[("op", "shutdown"), ("reason", "poweroff")]).unwrap();
        host.after(50);
        assert_eq!(host.get("web1"), None);
        assert!(host.folder.symlink_metadata().is_err(), "nothing is kept");
    }
}

#[test]
fn the_host_says_how_old_its_language_is_from_3_0_3_on() {
    for release in ages() {
        let mut host = Host::new(release);
        let (_, answer) = host.ask(&Request::get(&["xend", "node"], &[]));
        let Answer::Value(node) = answer else { panic!("{answer:?}") };
        let format = node.number::<u32>("xend_config_format");
        assert_eq!(format.unwrap_or(1), Habits::of(release).format, "{release}");
        assert_eq!(format.is_some(), release.at_least_point(3, 0, 3), "{release}");
    }
}

#[test]
fn devices_come_and_go_while_the_guest_runs() {
    for release in ages() {
        let mut host = Host::new(release);
        host.op("", &[("op", "create"), ("config", &config(""))]).unwrap();
        host.op("web1", &[("op", "unpause")]).unwrap();
        host.after(20);
        let disk = "(vbd (dev xvdb) (uname file:/b) (mode w))";
        let made = host.op("web1", &[("op", "device_create"), ("config", disk)]).unwrap().unwrap();
        assert_eq!(made.to_string(), "(vbd (dom 1 id 51728))", "{release}");
        assert_eq!(host.node("/local/domain/1/device/vbd/51728/state").as_deref(), Some("4"));
        let again = host.op("web1", &[("op", "device_create"), ("config", disk)]).unwrap_err();
        assert!(again.contains("already"), "{release}: {again}");
        let missing = "(vbd (dev xvdc) (uname file:/nonexistent/c) (mode w))";
        let words = host.op("web1", &[("op", "device_create"), ("config", missing)]).unwrap_err();
        assert!(words.starts_with("Device 51744 (vbd) could not be connected. "), "{release}: {words}");
        let mut fields = vec![("op", "device_destroy"), ("type", "vbd"), ("dev", "xvdb")];
        if release.at_least(3, 3) {
            assert_eq!(host.op("web1", &fields), Err("Missing parameter: force".into()));
            fields.extend([("force", "0"), ("rm_cfg", "1")]);
        }
        assert_eq!(host.op("web1", &fields), Ok(None), "{release}");
        assert_eq!(host.node("/local/domain/1/device/vbd/51728/state"), None, "{release}");
        assert_eq!(host.node("/local/domain/0/backend/vbd/1/51728/state"), None, "{release}");
        assert!(host.op("web1", &fields).unwrap_err().ends_with("not connected"), "{release}");
    }
}

#[test]
fn vcpus_are_pinned_with_commas_from_3_4_on_and_never_before() {
    for release in releases() {
        let mut host = Host::new(release);
        host.op("", &[("op", "create"), ("config", &config(""))]).unwrap();
        let done = host.op("web1", &[("op", "pincpu"), ("vcpu", "1"), ("cpumap", "0")]);
        assert_eq!(done.is_ok(), release.at_least(3, 4), "{release}: {done:?}");
        let list = host.op("web1", &[("op", "pincpu"), ("vcpu", "1"), ("cpumap", "[0]")]);
        assert!(list.is_err(), "{release}");
        if release.at_least(3, 4) {
            let domain = host.get("web1").unwrap();
            assert_eq!(domain.child("cpus").unwrap().to_string(), "(cpus (() (0)))");
        }
    }
}

#[test]
fn a_domain_that_reboots_too_soon_is_only_destroyed_when_that_was_asked_for() {
    for (refuses, lived, after) in [(false, 1, Some("2")), (true, 1, None), (true, 61, Some("2"))] {
        let mut host = Host::new(Release::XEN_4_1);
        if refuses {
            host.xend.refuse_short_lives();
        }
        host.op("", &[("op", "create"), ("config", &config(""))]).unwrap();
        host.op("web1", &[("op", "unpause")]).unwrap();
        host.after(lived * 1000);
        host.op("web1", &[("op", "shutdown"), ("reason", "reboot")]).unwrap();
        host.after(50);
        let found = host.get("web1");
        assert_eq!(found.as_ref().and_then(|domain| domain.value("domid")), after, "{refuses} {lived}");
    }
}

#[test]
fn a_domain_is_dumped_and_migrates_to_its_own_host() {
    for release in releases() {
        let mut host = Host::new(release);
        let path = std::env::temp_dir().join(format!("xenith-dump-{}", Uuid::new_v4()));
        host.op("", &[("op", "new"), ("config", &config(""))]).unwrap();
        host.op("web1", &[("op", "start")]).unwrap();
        let file = path.to_str().unwrap();
        let mut dump = vec![("op", "dump"), ("file", file), ("live", "0"), ("crash", "0")];
        if release.at_least(3, 4) {
            assert_eq!(host.op("web1", &dump), Err("Missing parameter: reset".into()));
            dump.push(("reset", "0"));
        }
        assert_eq!(host.op("web1", &dump), Ok(None), "{release}");
        assert!(std::fs::read(&path).unwrap().starts_with(b"an embedded guest"));
        std::fs::remove_file(&path).unwrap();
        let mut migrate = vec![("op", "migrate"), ("destination", "localhost"), ("port", "8002")];
        migrate.extend([
            ("live", "0"),
            ("resource", "0"),
            ("node", "-1"),
            ("ssl", "0"),
            ("change_home_server", "0"),
        ]);
        assert_eq!(host.op("web1", &migrate), Ok(None), "{release}");
        assert_eq!(host.get("web1").unwrap().value("domid"), Some("2"), "{release}");
        migrate[1].1 = "elsewhere";
        assert!(host.op("web1", &migrate).unwrap_err().starts_with("can't connect"), "{release}");
    }
}

#[test]
fn files_below_nonexistent_are_not_there() {
    let mut host = Host::new(Release::XEN_3_4);
    let without_kernel = config("").replace("/boot/vmlinuz", "/nonexistent/vmlinuz");
    let words = host.op("", &[("op", "create"), ("config", &without_kernel)]).unwrap_err();
    assert_eq!(words, "Error creating domain: Kernel image does not exist: /nonexistent/vmlinuz");
    let without_disk = config("").replace("phy:/dev/vg/web1", "file:/nonexistent/disk");
    host.op("", &[("op", "new"), ("config", &without_disk)]).unwrap();
    let words = host.op("web1", &[("op", "start")]).unwrap_err();
    assert_eq!(words, "Device 51712 (vbd) could not be connected. /nonexistent/disk does not exist.");
    assert_eq!(host.get("web1").unwrap().value("domid"), None, "and nothing is left of it");
    assert_eq!(host.machine.domain_count(), 1);
}

#[test]
fn xen_3_3_pins_a_domain_that_does_not_run_to_text_and_cannot_start_it() {
    let mut host = Host::new(age("3.3"));
    host.op("", &[("op", "new"), ("config", &config(""))]).unwrap();
    let far = host.op("web1", &[("op", "pincpu"), ("vcpu", "9"), ("cpumap", "0")]);
    assert!(far.unwrap_err().ends_with("list assignment index out of range"));
    let zero = Ok(Some(Sexpr::atom("0")));
    assert_eq!(host.op("web1", &[("op", "pincpu"), ("vcpu", "0"), ("cpumap", "[0]")]), zero);
    assert_eq!(host.op("web1", &[("op", "start")]), Err("(22, 'Invalid argument')".into()));
    assert_eq!(host.get("web1").unwrap().value("domid"), None);
}

#[test]
fn what_the_scheduler_is_told_reaches_the_machine() {
    for release in releases() {
        let mut host = Host::new(release);
        host.op("", &[("op", "new"), ("config", &config("(cpus '0') (cpu_weight 300) (cpu_cap 20)"))])
            .unwrap();
        host.op("web1", &[("op", "start")]).unwrap();
        let domain = host.machine.get(1).unwrap();
        let hard = domain.affinity.get(&0).and_then(|affinity| affinity.hard.clone());
        assert_eq!(hard, Some(vec![1]), "{release}");
        // 3.0.4 does not look for them in a configuration.
        let told = if release.at_least(3, 1) { (300, 20) } else { (256, 0) };
        assert_eq!((domain.share.weight, domain.share.cap), told, "{release}");
        let fields = [("op", "domain_sched_credit_set"), ("weight", "512"), ("cap", "50")];
        host.op("web1", &fields).unwrap();
        let share = host.machine.get(1).unwrap().share;
        let cap = if release.at_least(3, 2) { 50 } else { told.1 };
        assert_eq!((share.weight, share.cap), (512, cap), "{release}");
    }
}

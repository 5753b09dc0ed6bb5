//! The embedded host from outside, over its roads: guests that live, faults on order, one host for many processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // A test fails by panicking.
#![allow(unsafe_code)] // fork

mod common;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::Scratch;
use xenith::channel::hypercall::Hypervisor;
use xenith::channel::stream::Stream;
use xenith::channel::xend::{Listed, ShutdownRequest, Xend};
use xenith::deadline::Deadline;
use xenith::log::Log;
use xenith::model::{Reason, State, Uuid};
use xenith::sim::{SimConfig, SimHost, serve};
use xenith::wire::port::Dial;
use xenith::wire::sexpr::Sexpr;
use xenith::wire::xenstore::{Decoder, Frame, Kind, Request};
use xenith::{Error, Status};

const SOON: Duration = Duration::from_secs(10);

fn config(query: &[(&str, &str)]) -> SimConfig {
    SimConfig::from_query(query.iter().copied()).unwrap()
}

fn host(query: &[(&str, &str)]) -> SimHost {
    SimHost::start(config(query)).unwrap()
}

fn hypervisor(host: &SimHost) -> Hypervisor {
    Hypervisor::over(host.hypercall_port(), &Log::default()).unwrap()
}

fn state(hypervisor: &Hypervisor, domid: u32) -> (State, Reason) {
    let info = hypervisor.domain_info(domid).unwrap().unwrap();
    (info.state, info.reason)
}

/// Asks again and again until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The plainest client of xenstored: one request at a time.
struct Store {
    stream: Stream,
    decoder: Decoder,
    events: Vec<String>,
}

impl Store {
    fn open(host: &SimHost) -> Store {
        let stream = Stream::connect(&*host.xenstore_dial(), Deadline::after(SOON)).unwrap();
        Store { stream, decoder: Decoder::default(), events: Vec::new() }
    }

    fn frame(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return frame;
            }
            let mut buffer = [0; 4096];
            let read = self.stream.read(&mut buffer, Deadline::after(SOON)).unwrap();
            assert!(read > 0, "xenstored hung up");
            self.decoder.push(&buffer[..read]);
        }
    }

    fn ask(&mut self, request: &Request<'_>) -> Result<String, String> {
        let frame = Frame { kind: request.kind().number(), req_id: 1, tx_id: 0, payload: request.payload() };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.stream.write_all(&bytes, Deadline::after(SOON)).unwrap();
        loop {
            let frame = self.frame();
            let text = String::from_utf8(frame.payload).unwrap();
            match Kind::from_number(frame.kind) {
                Some(Kind::WatchEvent) => self.events.push(text),
                Some(Kind::Error) => return Err(text),
                _ => return Ok(text),
            }
        }
    }

    fn read(&mut self, path: &str) -> Result<String, String> {
        self.ask(&Request::Read(path))
    }

    fn write(&mut self, path: &str, value: &str) {
        self.ask(&Request::Write { path, value: value.as_bytes() }).unwrap();
    }

    /// Waits for an event of that watch.
    fn event(&mut self, path: &str) {
        let wanted = format!("{path}\0token\0");
        loop {
            if let Some(at) = self.events.iter().position(|event| *event == wanted) {
                self.events.remove(at);
                return;
            }
            let frame = self.frame();
            assert_eq!(Kind::from_number(frame.kind), Some(Kind::WatchEvent));
            self.events.push(String::from_utf8(frame.payload).unwrap());
        }
    }
}

#[test]
fn a_host_has_domain_0_and_the_guests_that_were_ordered() {
    for (xen, version) in [("3.4", 3_004_004), ("4.1", 4_001_006), ("4.4", 4_004_004), ("4.17", 4_017_007)] {
        let host = host(&[("xen", xen), ("domains", "3")]);
        assert_eq!(host.host_name(), "xenith-sim");
        let hypervisor = hypervisor(&host);
        assert_eq!(hypervisor.version().as_number(), version);
        let rows = hypervisor.list().unwrap();
        assert_eq!(rows.iter().map(|row| row.domid.unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(state(&hypervisor, 2), (State::Blocked, Reason::Idle));
        let mut store = Store::open(&host);
        assert_eq!(store.read("/local/domain/0/name").unwrap(), "Domain-0");
        let vm = store.read("/local/domain/2/vm").unwrap();
        assert_eq!(vm, format!("/vm/{}", rows[2].uuid));
        assert_eq!(store.read("/local/domain/2/name").unwrap(), "guest-00002");
    }
}

#[test]
fn a_guest_answers_a_shutdown_request_after_a_moment_and_xenstore_tells() {
    let host = host(&[("domains", "1"), ("shutdown", "200")]);
    let hypervisor = hypervisor(&host);
    let mut store = Store::open(&host);
    store.ask(&Request::Watch { path: "@releaseDomain", token: b"token", depth: None }).unwrap();
    store.event("@releaseDomain");
    let asked = Instant::now();
    store.write("/local/domain/1/control/shutdown", "poweroff");
    assert_eq!(store.read("/local/domain/1/control/shutdown").unwrap(), "", "the guest has understood");
    assert_eq!(state(&hypervisor, 1).0, State::Running);
    store.event("@releaseDomain");
    assert!(asked.elapsed() >= Duration::from_millis(200));
    assert_eq!(hypervisor.domain_info(1).unwrap(), None, "xend destroys a domain that powered off");
    assert_eq!(store.read("/local/domain/1/name").unwrap_err(), "ENOENT\0");
}

#[test]
fn a_guest_crashes_on_order_and_xend_restarts_it() {
    let host = host(&[("xen", "3.4"), ("domains", "1")]);
    let hypervisor = hypervisor(&host);
    let uuid = hypervisor.domain_info(1).unwrap().unwrap().uuid;
    Store::open(&host).write("/local/domain/1/control/sysrq", "c");
    let rows = hypervisor.list().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[1].domid, rows[1].uuid), (Some(2), uuid), "a new life of the same domain");
}

#[test]
fn destroying_by_hypercall_frees_memory_and_xenstored_tells() {
    let host = host(&[("domains", "2")]);
    let hypervisor = hypervisor(&host);
    let mut store = Store::open(&host);
    store.ask(&Request::Watch { path: "@releaseDomain", token: b"token", depth: None }).unwrap();
    store.event("@releaseDomain");
    let before = hypervisor.physinfo().unwrap().free_pages;
    hypervisor.destroy(1, Deadline::after(SOON)).unwrap();
    store.event("@releaseDomain");
    assert_eq!(hypervisor.physinfo().unwrap().free_pages, before + (64 << 8));
    assert_eq!(hypervisor.domain_info(1).unwrap(), None);
    assert_eq!(store.ask(&Request::IsDomainIntroduced(1)).unwrap(), "F\0");
}

#[test]
fn a_paused_guest_answers_only_when_it_is_unpaused() {
    let host = host(&[("domains", "1"), ("shutdown", "0")]);
    let hypervisor = hypervisor(&host);
    let mut store = Store::open(&host);
    hypervisor.pause(1).unwrap();
    let burnt = hypervisor.domain_info(1).unwrap().unwrap().cpu_time_ns;
    store.write("/local/domain/1/control/shutdown", "reboot");
    std::thread::sleep(Duration::from_millis(30));
    let info = hypervisor.domain_info(1).unwrap().unwrap();
    assert_eq!((info.state, info.cpu_time_ns), (State::Paused, burnt));
    hypervisor.unpause(1).unwrap();
    until("it has rebooted into a new life", || {
        hypervisor.domain_info(1).unwrap().is_none() && hypervisor.domain_info(2).unwrap().is_some()
    });
}

/// A guest as xend is told of it.
fn vm(name: &str, uuid: u128, memory: u64, more: &str) -> Sexpr {
    let uuid = Uuid::from_u128(uuid);
    let text = format!(
        "(vm (name {name}) (uuid {uuid}) (memory {memory}) (vcpus 2) {more}
         (image (linux (kernel /boot/vmlinuz)))
         (device (vbd (dev xvda) (uname phy:/dev/vg/{name}) (mode w)))
         (device (vif (mac 00:16:3e:00:00:01) (bridge xenbr0))))"
    );
    Sexpr::parse_first(text.as_bytes()).unwrap()
}

fn xend(host: &SimHost) -> Xend {
    Xend::new(host.xend_dial(), Some(host.xend_state_dir().join("domains")))
}

fn soon() -> Deadline {
    Deadline::after(SOON)
}

#[test]
fn a_defined_guest_starts_boots_runs_and_shuts_down_over_every_road() {
    for xen in ["3.4", "4.1", "4.4"] {
        let host = host(&[("xen", xen)]);
        let (xend, hypervisor) = (xend(&host), hypervisor(&host));
        let free = hypervisor.physinfo().unwrap().free_pages;
        let uuid = Uuid::from_u128(0x77);
        assert!(!xend.is_managed(uuid).unwrap());
        xend.define(&vm("web1", 0x77, 256, ""), soon()).unwrap();
        assert!(xend.is_managed(uuid).unwrap());
        assert_eq!(xend.domain_names(Listed::Halted, soon()).unwrap(), ["web1"]);
        xend.start("web1", soon()).unwrap();
        let info = hypervisor.domain_info(1).unwrap().unwrap();
        assert_eq!((info.uuid, info.memory_kib), (uuid, Some(256 << 10)));
        assert_eq!(free - hypervisor.physinfo().unwrap().free_pages, 256 << 8);
        let mut store = Store::open(&host);
        assert_eq!(store.read("/local/domain/1/name").unwrap(), "web1");
        until("its devices are connected", || {
            store.read("/local/domain/1/device/vif/0/state").unwrap() == "4"
        });
        assert_eq!(store.read("/local/domain/0/backend/vif/1/0/state").unwrap(), "4");
        assert!(store.read("/local/domain/1/console/tty").unwrap().starts_with("/dev/pts/"));
        assert_eq!(state(&hypervisor, 1), (State::Blocked, Reason::Idle));
        xend.pause("web1", soon()).unwrap();
        assert_eq!(state(&hypervisor, 1).0, State::Paused);
        xend.unpause("web1", soon()).unwrap();
        assert_eq!(state(&hypervisor, 1).0, State::Blocked);
        xend.shutdown("web1", ShutdownRequest::Poweroff, soon()).unwrap();
        until("it is down", || hypervisor.domain_info(1).unwrap().is_none());
        assert_eq!(xend.domain_names(Listed::Halted, soon()).unwrap(), ["web1"]);
        assert_eq!(hypervisor.physinfo().unwrap().free_pages, free);
        xend.delete("web1", soon()).unwrap();
        assert!(!xend.is_managed(uuid).unwrap());
    }
}

#[test]
fn a_transient_guest_is_created_paused_and_gone_when_it_is_destroyed() {
    let host = host(&[("xen", "3.4"), ("boot", "60000")]);
    let (xend, hypervisor) = (xend(&host), hypervisor(&host));
    let answer = xend.create(&vm("brief", 5, 64, ""), soon()).unwrap();
    assert_eq!(answer.value("domid"), Some("1"));
    assert_eq!(state(&hypervisor, 1).0, State::Paused);
    xend.wait_for_devices("brief", soon()).unwrap();
    xend.unpause("brief", soon()).unwrap();
    assert_eq!(state(&hypervisor, 1), (State::Running, Reason::OnCpu), "it boots");
    xend.destroy("brief", soon()).unwrap();
    assert_eq!(hypervisor.list().unwrap().len(), 1);
    assert_eq!(xend.domain("brief", soon()).unwrap(), None);
}

#[test]
fn a_guest_that_went_behind_xends_back_is_not_there_for_xend_either() {
    let host = host(&[("xen", "3.4"), ("domains", "1")]);
    let xend = xend(&host);
    assert_eq!(xend.domains_detailed(false, soon()).unwrap().len(), 2);
    hypervisor(&host).destroy(1, soon()).unwrap();
    assert_eq!(xend.domain("guest-00001", soon()).unwrap(), None);
}

#[test]
fn more_memory_than_there_is_is_refused_in_xends_words() {
    let host = host(&[("xen", "3.4"), ("memory", "1G")]);
    let refused = xend(&host).create(&vm("big", 6, 4096, ""), soon()).unwrap_err();
    assert!(refused.message.contains("I need 4194304 KiB"), "{refused}");
    assert_eq!(hypervisor(&host).list().unwrap().len(), 1);
}

#[test]
fn processor_time_grows_by_itself() {
    let host = host(&[("domains", "1")]);
    let hypervisor = hypervisor(&host);
    let burnt = || hypervisor.domain_info(1).unwrap().unwrap().cpu_time_ns.unwrap();
    let before = burnt();
    until("the guest burns time", || burnt() > before);
}

#[test]
fn ten_thousand_domains_start_and_list_quickly() {
    let start = Instant::now();
    let host = host(&[("domains", "10000")]);
    let hypervisor = hypervisor(&host);
    assert_eq!(hypervisor.list().unwrap().len(), 10_001);
    let mut store = Store::open(&host);
    for domid in 1..=10_000 {
        let path = format!("/local/domain/{domid}/name");
        store.ask(&Request::Watch { path: &path, token: b"token", depth: None }).unwrap();
    }
    // Seconds, unoptimized; the bound is for a busy machine, and far below what work that grows with the square would take.
    assert!(start.elapsed() < 3 * SOON, "{:?}", start.elapsed());
    store.write("/local/domain/9999/name", "renamed");
    store.event("/local/domain/9999/name");
}

#[test]
fn memory_that_does_not_hold_the_ordered_guests_is_an_error() {
    let error = SimHost::start(config(&[("memory", "512M"), ("domains", "100")])).unwrap_err();
    assert_eq!(error.status, Status::NoMemory);
    assert!(error.message.contains("of 100"), "{error}");
}

#[test]
fn every_fault_on_order_is_seen_at_the_near_end() {
    let permission = Hypervisor::over(host(&[("fault", "hypercall:fail")]).hypercall_port(), &Log::default());
    assert_eq!(permission.err().unwrap().status, Status::AccessDenied);
    let rubbish = Hypervisor::over(host(&[("fault", "hypercall:rubbish")]).hypercall_port(), &Log::default());
    assert!(rubbish.is_err());

    for road in ["xenstore", "xend"] {
        let start = |kind: &str| {
            let host = host(&[("xen", "3.4"), ("fault", &format!("{road}:{kind}"))]);
            let dial = if road == "xend" { host.xend_dial() } else { host.xenstore_dial() };
            (host, dial)
        };
        let refused = start("fail").1.dial(soon()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let ask = |dial: Arc<dyn Dial>, patience: Duration| {
            let stream = Stream::connect(&*dial, soon()).unwrap();
            stream.write_all(&[0; 16], soon()).unwrap();
            let mut answer = [0; 64];
            stream.read(&mut answer, Deadline::after(patience)).map(|read| answer[..read].to_vec())
        };
        assert_eq!(ask(start("hang").1, Duration::from_millis(50)).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(ask(start("close").1, SOON).unwrap(), b"");
        assert_eq!(ask(start("rubbish").1, SOON).unwrap(), [0xa5; 64]);
    }
}

#[test]
fn a_client_that_asks_without_end_and_never_reads_is_held_back_and_delays_nobody() {
    let host = host(&[]);
    Store::open(&host).write("/tool/long", &"x".repeat(3000));
    let mut request = Vec::new();
    let payload = Request::Read("/tool/long").payload();
    Frame { kind: Kind::Read.number(), req_id: 1, tx_id: 0, payload }.encode(&mut request);
    let requests = request.repeat(1000);
    let greedy = Stream::connect(&*host.xenstore_dial(), soon()).unwrap();
    let mut written = 0;
    let mut refused = Instant::now();
    // Until nothing more was taken for a while.
    while refused.elapsed() < Duration::from_millis(300) {
        match greedy.write_now(&requests[written % request.len()..]) {
            Ok(count) => (written, refused) = (written + count, Instant::now()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1))
            }
            Err(error) => panic!("after {written} bytes: {error}"),
        }
        assert!(written < 16 << 20, "the host takes whatever comes");
    }
    let start = Instant::now();
    Store::open(&host).read("/local/domain/0/name").unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn dropping_the_last_of_a_host_ends_its_thread() {
    let host = host(&[]);
    let port = host.hypercall_port();
    let stream = Stream::connect(&*host.xenstore_dial(), Deadline::after(SOON)).unwrap();
    let mut byte = [0];
    drop(host);
    assert_eq!(
        stream.read_now(&mut byte).unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "a port keeps it alive"
    );
    drop(port);
    assert_eq!(stream.read_now(&mut byte).unwrap(), 0, "the thread is gone and with it the far end");
}

#[test]
fn a_forked_child_can_drop_its_copy_and_harms_nobody() {
    let host = host(&[("domains", "1")]);
    let (hypercalls, dial) = (host.hypercall_port(), host.xenstore_dial());
    // SAFETY: the child makes a few calls of this crate, none of which waits for a lock, and leaves without
    // running anything of its parent's.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut bytes = [0; 64];
        let refused =
            hypercalls.call(17, [0; 5], &mut xenith::wire::port::Memory::new(0, &mut bytes)).is_err()
                && dial.dial(Deadline::after(SOON)).is_err();
        drop((hypercalls, dial, host));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) };
    }
    let mut status = 0;
    until("the child ends", || {
        // SAFETY: `status` is valid for writes.
        unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) == child }
    });
    assert_eq!(status, 0);
    assert_eq!(state(&hypervisor(&host), 1).0, State::Blocked);
    Store::open(&host).read("/local/domain/1/name").unwrap();
}

fn joined(dir: &Path) -> Result<SimHost, Error> {
    SimHost::open(SimConfig { dir: Some(dir.into()), ..SimConfig::default() })
}

#[test]
fn a_served_host_is_one_host_for_all_who_join() {
    let scratch = Scratch::new("serve");
    let missing = joined(&scratch.0).unwrap_err();
    assert_eq!(missing.status, Status::NoConnect);
    assert!(missing.message.contains("xenith sim --dir"), "{missing}");

    let server = serve(config(&[("xen", "4.1"), ("domains", "1500")]), &scratch.0).unwrap();
    let (one, two) = (joined(&scratch.0).unwrap(), joined(&scratch.0).unwrap());
    assert_eq!(one.release().to_string(), "4.1.6.1");
    assert_eq!(one.host_name(), "xenith-sim");
    let (first, second) = (hypervisor(&one), hypervisor(&two));
    assert_eq!(first.list().unwrap().len(), 1501);
    first.pause(7).unwrap();
    assert_eq!(state(&second, 7).0, State::Paused);
    Store::open(&one).write("/tool/seen", "by one");
    assert_eq!(Store::open(&two).read("/tool/seen").unwrap(), "by one");

    let again = serve(config(&[]), &scratch.0).unwrap_err();
    assert_eq!(again.status, Status::Exists);
    let own = server.host().unwrap();
    assert_eq!(state(&hypervisor(own), 7).0, State::Paused);

    let xend_of_one = xend(&one);
    xend_of_one.define(&vm("kept", 8, 64, ""), soon()).unwrap();
    assert!(xend(&two).is_managed(Uuid::from_u128(8)).unwrap());
    xend(&two).start("kept", soon()).unwrap();

    drop(server);
    assert_eq!(joined(&scratch.0).unwrap_err().status, Status::NoConnect);
    let gone = second.domain_info(7).unwrap_err();
    assert_eq!(gone.status, Status::Closed, "{gone:?}");
    let left: Vec<String> = std::fs::read_dir(&scratch.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["xend"], "its sockets are gone, its managed domains are not");
    let other = serve(config(&[("xen", "3.4")]), &scratch.0).unwrap();
    assert_eq!(first.list().unwrap_err().status, Status::Closed, "that is not the host that was joined");
    drop(other);
    let _again = serve(config(&[("xen", "4.1")]), &scratch.0).unwrap();
    assert_eq!(
        first.list().unwrap().len(),
        1,
        "a connection of the former server's is replaced at the first call"
    );
    let third = joined(&scratch.0).unwrap();
    assert_eq!(xend(&third).domain_names(Listed::Halted, soon()).unwrap(), ["kept"], "xend remembers");
    assert_eq!(hypervisor(&third).list().unwrap().len(), 1, "the hypervisor does not");
}

#[test]
fn a_host_of_one_process_leaves_nothing_behind() {
    let host = host(&[("xen", "3.4")]);
    assert!(!host.etc_xen().unwrap().exists(), "xend keeps the domains");
    let folder = host.xend_state_dir();
    assert!(!folder.exists());
    xend(&host).define(&vm("kept", 9, 64, ""), soon()).unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    drop(host);
    assert!(!folder.exists());

    let host = self::host(&[]);
    let folder = host.etc_xen().unwrap();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert!(folder.join("auto").is_dir());
    drop(host);
    assert!(!folder.exists());
}

/// Tells the other process to end without closing anything.
const ABANDON: &str = "XENITH_TEST_ABANDON";

#[test]
fn what_a_process_left_that_closed_nothing_the_next_host_removes() {
    let scratch = Scratch::new("abandoned");
    std::fs::create_dir(&scratch.0).unwrap();
    let left = || std::fs::read_dir(&scratch.0).unwrap().count();
    let run = |how: &str| {
        let other = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_other_process_defines_a_domain", "--nocapture"])
            .envs([(ABANDON, how.as_ref()), ("TMPDIR", scratch.0.as_os_str())])
            .output()
            .unwrap();
        assert!(other.status.success(), "{}", String::from_utf8_lossy(&other.stdout));
    };
    run("exit");
    assert_eq!(left(), 1);
    run("exit");
    assert_eq!(left(), 1, "the first one's is gone");
    run("close");
    assert_eq!(left(), 0);
}

/// Does something only where the test above runs it.
#[test]
fn the_other_process_defines_a_domain() {
    let Some(how) = std::env::var_os(ABANDON) else { return };
    let host = host(&[("xen", "3.4")]);
    xend(&host).define(&vm("kept", 9, 64, ""), soon()).unwrap();
    assert!(host.xend_state_dir().exists());
    if how == "exit" {
        std::process::exit(0);
    }
}

#[test]
fn what_a_killed_server_left_behind_is_replaced() {
    let scratch = Scratch::new("stale");
    drop(serve(config(&[]), &scratch.0).unwrap());
    // As a kill leaves it: a description, and sockets that nobody listens at.
    std::fs::write(scratch.0.join("host"), "xenith-sim 2\nxen 4.17\ntoolstack xl\nname xenith-sim\npid 1\n")
        .unwrap();
    for name in ["hypercall.sock", "xenstored.sock", "xend.sock", "xl.sock"] {
        drop(std::os::unix::net::UnixListener::bind(scratch.0.join(name)).unwrap());
    }
    assert_eq!(joined(&scratch.0).unwrap_err().status, Status::NoConnect);
    let _server = serve(config(&[]), &scratch.0).unwrap();
    assert_eq!(hypervisor(&joined(&scratch.0).unwrap()).list().unwrap().len(), 1);
}

#[test]
fn a_served_host_can_be_broken_on_order_too() {
    let scratch = Scratch::new("broken");
    let server =
        serve(config(&[("xen", "3.4"), ("fault", "hypercall:fail,xenstore:fail,xend:close")]), &scratch.0)
            .unwrap();
    let host = joined(server.dir()).unwrap();
    let refused = host.xenstore_dial().dial(soon()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(xend(&host).node(soon()).is_err());
    let denied = Hypervisor::over(host.hypercall_port(), &Log::default()).err().unwrap();
    assert_eq!(denied.status, Status::AccessDenied);
}

#[test]
fn a_host_of_another_version_is_refused_by_number() {
    let scratch = Scratch::new("version");
    let _server = serve(config(&[]), &scratch.0).unwrap();
    std::fs::write(scratch.0.join("host"), "xenith-sim 999\nxen 9.9\nname x\n").unwrap();
    let other = joined(&scratch.0).unwrap_err();
    assert_eq!(other.status, Status::NotSupported);
    assert!(other.message.contains("999"), "{other}");
    std::fs::write(scratch.0.join("host"), "hello").unwrap();
    assert_eq!(joined(&scratch.0).unwrap_err().status, Status::Protocol);
}

/// Names the directory in the environment of the other process.
const OTHER: &str = "XENITH_TEST_JOIN";

#[test]
fn two_processes_share_a_served_host() {
    let scratch = Scratch::new("processes");
    let _server = serve(config(&[("domains", "2")]), &scratch.0).unwrap();
    // The other process is this program again, in the test below.
    let other = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_other_process_pauses_domain_2", "--nocapture"])
        .env(OTHER, &scratch.0)
        .output()
        .unwrap();
    assert!(other.status.success(), "{}", String::from_utf8_lossy(&other.stdout));
    assert_eq!(state(&hypervisor(&joined(&scratch.0).unwrap()), 2).0, State::Paused);
}

/// Does something only where the test above runs it.
#[test]
fn the_other_process_pauses_domain_2() {
    if let Some(dir) = std::env::var_os(OTHER) {
        let host = joined(Path::new(&dir)).unwrap();
        hypervisor(&host).pause(2).unwrap();
        assert_eq!(Store::open(&host).read("/local/domain/2/name").unwrap(), "guest-00002");
    }
}

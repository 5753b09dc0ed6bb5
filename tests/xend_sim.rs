//! The xend road from one end to the other: the client, a socket, the embedded host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // A test fails by panicking.

use std::time::{Duration, Instant};

use xenith::Status;
use xenith::channel::xend::{Listed, ShutdownRequest, Xend};
use xenith::deadline::Deadline;
use xenith::model::Uuid;
use xenith::sim::{SimConfig, SimHost, serve};
use xenith::wire::sexpr::Sexpr;

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn host(query: &[(&str, &str)]) -> SimHost {
    SimHost::start(SimConfig::from_query(query.iter().copied()).unwrap()).unwrap()
}

fn xend(host: &SimHost) -> Xend {
    Xend::new(host.xend_dial(), Some(host.xend_state_dir().join("domains")))
}

fn guest(name: &str, uuid: Uuid) -> Sexpr {
    let text = format!(
        "(vm (name {name}) (uuid {uuid}) (memory 128) (vcpus 1) (on_reboot restart) \
         (image (linux (kernel /boot/vmlinuz))) (device (vif (mac 00:16:3e:00:00:01))))"
    );
    Sexpr::parse_first(text.as_bytes()).unwrap()
}

fn until<T>(what: &str, mut so: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = so() {
            return value;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_domain_lives_its_whole_life_on_every_age_of_host() {
    for release in ["3.0.4", "3.1", "3.2", "3.3", "3.4", "4.0", "4.1", "4.2", "4.3", "4.4"] {
        let host = host(&[("xen", release)]);
        let xend = xend(&host);
        let node = xend.node(soon()).unwrap();
        let format = if release == "3.0.4" { 3 } else { 4 };
        assert_eq!((node.config_format, node.host.as_str()), (format, "xenith-sim"));
        assert!(node.xen.to_string().starts_with(release), "{}", node.xen);
        assert_eq!((node.info.cpus, node.info.memory_kib), (4, 16 << 20));

        let uuid = Uuid::from_u128(0x1234_5678);
        let key = uuid.to_string();
        xend.define(&guest("web1", uuid), soon()).unwrap();
        assert!(xend.is_managed(uuid).unwrap());
        assert_eq!(xend.domain_names(Listed::Halted, soon()).unwrap(), ["web1"]);
        xend.start(&key, soon()).unwrap();
        let domid = |xend: &Xend| -> Option<u32> { xend.domain(&key, soon()).unwrap()?.number("domid") };
        let first = domid(&xend).unwrap();
        assert_eq!(xend.domains_detailed(false, soon()).unwrap().len(), 2);
        xend.pause(&key, soon()).unwrap();
        assert_eq!(xend.domain_names(Listed::Paused, soon()).unwrap(), ["web1"]);
        let all = xend.domains_detailed(false, soon()).unwrap();
        let names: Vec<_> = all.iter().map(|domain| domain.value("name").unwrap()).collect();
        assert_eq!(names, ["Domain-0", "web1"], "paused ones are alive, too");
        xend.unpause(&key, soon()).unwrap();
        xend.shutdown(&key, ShutdownRequest::Reboot, soon()).unwrap();
        until("reboot", || domid(&xend).filter(|domid| *domid != first));
        xend.shutdown(&key, ShutdownRequest::Poweroff, soon()).unwrap();
        until("power off", || domid(&xend).is_none().then_some(()));
        xend.delete(&key, soon()).unwrap();
        assert!(!xend.is_managed(uuid).unwrap());
        assert_eq!(xend.domain(&key, soon()).unwrap(), None);
    }
}

#[test]
fn errors_keep_their_kind_over_the_road() {
    let host = host(&[("xen", "4.4")]);
    let xend = xend(&host);
    let status = |result: xenith::Result<()>| result.unwrap_err().status;
    xend.define(&guest("web1", Uuid::from_u128(1)), soon()).unwrap();
    assert_eq!(status(xend.define(&guest("web1", Uuid::from_u128(2)), soon())), Status::Exists);
    assert_eq!(status(xend.start("web2", soon())), Status::NotFound);
    assert_eq!(status(xend.pause("web1", soon())), Status::InvalidState);
    assert_eq!(status(xend.destroy("web1", soon())), Status::InvalidState);
    xend.start("web1", soon()).unwrap();
    assert_eq!(status(xend.start("web1", soon())), Status::InvalidState);
    assert_eq!(status(xend.delete("web1", soon())), Status::InvalidState);
    let much = "(vm (name big) (memory 900000) (vcpus 1) (image (linux (kernel k))))";
    let much = Sexpr::parse_first(much.as_bytes()).unwrap();
    assert_eq!(xend.create(&much, soon()).unwrap_err().status, Status::NoMemory);
}

#[test]
fn guests_that_were_there_before_xend_are_known_to_it() {
    let host = host(&[("xen", "3.4"), ("domains", "3")]);
    let xend = xend(&host);
    let names = xend.domain_names(Listed::Running, soon()).unwrap();
    assert_eq!(names, ["Domain-0", "guest-00001", "guest-00002", "guest-00003"]);
    let second = xend.domain("guest-00002", soon()).unwrap().unwrap();
    assert_eq!((second.value("memory"), second.value("domid")), (Some("64"), Some("2")));
    xend.destroy("guest-00002", soon()).unwrap();
    assert_eq!(xend.domain("guest-00002", soon()).unwrap(), None);
}

#[test]
fn broken_xends_are_errors_and_never_hang() {
    for (fault, expected) in [
        ("xend:fail", Status::NoConnect),
        ("xend:hang", Status::Timeout),
        ("xend:close", Status::Closed),
        ("xend:rubbish", Status::Protocol),
    ] {
        let host = host(&[("xen", "3.4"), ("fault", fault)]);
        let error = xend(&host).node(Deadline::after(Duration::from_millis(200))).unwrap_err();
        assert_eq!(error.status, expected, "{fault}: {error}");
    }
}

#[test]
fn what_one_process_defines_is_there_when_the_host_is_served_again() {
    let dir = std::env::temp_dir().join(format!("xenith-xend-sim-{}", Uuid::new_v4()));
    let config = || SimConfig::from_query([("xen", "4.1")]).unwrap();
    let uuid = Uuid::from_u128(77);
    {
        let server = serve(config(), &dir).unwrap();
        xend(&SimHost::join(server.dir()).unwrap()).define(&guest("web1", uuid), soon()).unwrap();
    }
    let server = serve(config(), &dir).unwrap();
    let joined = SimHost::join(server.dir()).unwrap();
    let xend = xend(&joined);
    assert_eq!(xend.domain_names(Listed::Halted, soon()).unwrap(), ["web1"]);
    assert!(xend.is_managed(uuid).unwrap());
    xend.start("web1", soon()).unwrap();
    drop(server);
    std::fs::remove_dir_all(&dir).unwrap();
}

//! Opening: what a caller hears when a road is missing, broken, or somebody else's.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, Instant};

use common::{ALL, LIVE, guest, open};
use xenith::channel::xend::Xend;
use xenith::channel::xenstore::Xenstore;
use xenith::deadline::Deadline;
use xenith::driver::{Connection, Domain, OpenOptions};
use xenith::log::Log;
use xenith::{Road, Status};

fn refusal(uri: &str) -> xenith::Error {
    Connection::open(Some(uri), &OpenOptions::default()).err().unwrap_or_else(|| panic!("{uri} opens"))
}

fn quick() -> OpenOptions {
    let timeout = Duration::from_millis(300);
    OpenOptions { timeout, toolstack_timeout: timeout, ..OpenOptions::default() }
}

#[test]
fn a_machine_without_xen_names_every_road_and_what_to_do() {
    let error = refusal(
        "xen:///?privcmd=/nonexistent/privcmd&xenstore=/nonexistent/xenstored&xend=/nonexistent/xend",
    );
    assert_eq!(error.status, Status::NoConnect);
    for word in [
        "hypercall",
        "/nonexistent/privcmd",
        "dom0",
        "xenstore",
        "/nonexistent/xenstored",
        "xend",
        "/nonexistent/xend",
    ] {
        assert!(error.to_string().contains(word), "no '{word}' in: {error}");
    }
}

#[test]
fn remote_hosts_are_understood_and_refused_by_name() {
    for uri in ["xen://host.example.org/", "xen+tcp://host/", "xen+ssh://root@host/", "xen+unix:///"] {
        let error = refusal(uri);
        assert_eq!((error.status, error.road), (Status::NotSupported, Road::Remote), "{uri}");
        assert!(error.message.contains("not built into this version"), "{error}");
    }
}

#[test]
fn options_of_the_embedded_host_that_mean_nothing_are_refused() {
    for uri in
        ["xen+sim:///?xen=2.0", "xen+sim:///?colour=red", "xen+sim:///?memory=-1", "xen+sim:///?domains=many"]
    {
        assert_eq!(refusal(uri).status, Status::InvalidUri, "{uri}");
    }
    assert_eq!(refusal("xen+sim:///?dir=/nonexistent/host").status, Status::NoConnect);
}

#[test]
fn without_xend_a_host_still_tells_figures_and_names_what_it_cannot_do() {
    let options = OpenOptions { without: vec![Road::Xend], ..OpenOptions::default() };
    let host = Connection::open(Some("xen+sim:///?xen=3.4&domains=2"), &options).unwrap();
    assert_eq!(host.list(ALL).unwrap().len(), 3);
    let domain = host.lookup_by_id(1).unwrap();
    domain.suspend().unwrap();
    assert_eq!(domain.info().unwrap().state, xenith::model::State::Paused);
    domain.resume().unwrap();
    let error = host.create(&guest("x", None), false).err().unwrap();
    assert_eq!(error.status, Status::NotSupported);
    assert!(error.message.contains("toolstack"), "{error}");
    assert_eq!(domain.xml(false).unwrap_err().status, Status::NotSupported);
    let capabilities = host.capabilities().unwrap();
    assert!(!capabilities.contains("migration") && !capabilities.contains("qemu-dm"), "{capabilities}");
    assert!(!domain.is_persistent().unwrap());
    domain.shutdown().unwrap();
    common::eventually("the guest is down", || {
        domain.info().map_or(true, |info| info.state == xenith::model::State::Shutoff)
    });
    let other = host.lookup_by_id(2).unwrap();
    other.destroy().unwrap();
    assert_eq!(other.info().unwrap_err().status, Status::NotFound);
}

#[test]
fn without_xenstore_domains_are_listed_without_names() {
    let options = OpenOptions { without: vec![Road::Xenstore], ..OpenOptions::default() };
    let host = Connection::open(Some("xen+sim:///?domains=2"), &options).unwrap();
    let rows = host.list(LIVE).unwrap();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.name.is_none()));
}

#[test]
fn without_hypercalls_xend_alone_serves_the_host() {
    let options = OpenOptions { without: vec![Road::Hypercall, Road::Xenstore], ..OpenOptions::default() };
    let host = Connection::open(Some("xen+sim:///?xen=3.4"), &options).unwrap();
    let domain = host.define(&guest("lonely", None)).unwrap();
    domain.start(false).unwrap();
    assert_eq!(domain.name().unwrap(), "lonely");
    assert_eq!(host.lookup_by_name("lonely").unwrap().identity(), domain.identity());
    assert_eq!(domain.info().unwrap().memory_kib, Some(65536));
    assert_eq!(host.list(ALL).unwrap().len(), 2);
    domain.suspend().unwrap();
    assert_eq!(domain.info().unwrap().state, xenith::model::State::Paused);
    domain.destroy().unwrap();
    assert!(!domain.is_active().unwrap());
}

#[test]
fn a_xend_that_never_answers_costs_no_more_than_the_deadline() {
    let start = Instant::now();
    let host = Connection::open(Some("xen+sim:///?xen=3.4&fault=xend:hang"), &quick()).unwrap();
    assert_eq!(host.list(LIVE).unwrap().len(), 1, "status does not need xend");
    let error = host.define(&guest("x", None)).err().unwrap();
    assert_eq!((error.status, error.road), (Status::Timeout, Road::Xend), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn nothing_is_done_behind_the_back_of_a_xend_that_cannot_be_spoken_with() {
    for (fault, status) in
        [("hang", Status::Timeout), ("rubbish", Status::Protocol), ("close", Status::Closed)]
    {
        let uri = format!("xen+sim:///?xen=3.4&domains=1&fault=xend:{fault}");
        let host = Connection::open(Some(&uri), &quick()).unwrap();
        let domain = host.lookup_by_id(1).unwrap();
        for act in [Domain::suspend, Domain::resume, Domain::shutdown, Domain::reboot, Domain::destroy] {
            let error = act(&domain).unwrap_err();
            assert_eq!((error.status, error.road), (status, Road::Xend), "{fault}: {error}");
        }
        assert_ne!(domain.info().unwrap().state, xenith::model::State::Paused, "{fault}");
        let error = host.list(ALL).unwrap_err();
        assert_eq!(error.status, status, "{fault}: inactive domains are not known to be none: {error}");
    }
}

/// A served host whose xend can be taken away and put back.
struct Served {
    dir: std::path::PathBuf,
    server: Option<xenith::sim::Server>,
}

impl Served {
    fn new(name: &str, query: &[(&str, &str)]) -> Self {
        let dir = std::env::temp_dir().join(format!("xenith-{name}-{}", std::process::id()));
        let config = xenith::sim::SimConfig::from_query(query.iter().copied()).unwrap();
        let server = Some(xenith::sim::serve(config, &dir).unwrap());
        Served { dir, server }
    }

    fn open(&self) -> Connection {
        Connection::open(Some(&format!("xen+sim:///?dir={}", self.dir.display())), &quick()).unwrap()
    }

    fn take_xend_away(&self) {
        std::fs::rename(self.dir.join("xend.sock"), self.dir.join("away")).unwrap();
    }

    fn put_xend_back(&self) {
        std::fs::rename(self.dir.join("away"), self.dir.join("xend.sock")).unwrap();
    }

    fn far(&self) -> xenith::sim::SimHost {
        xenith::sim::SimHost::join(&self.dir).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server = None;
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

#[test]
fn a_xend_that_answers_later_serves_from_then_on() {
    let served = Served::new("later", &[("xen", "3.4")]);
    served.take_xend_away();
    let deaf = std::os::unix::net::UnixListener::bind(served.dir.join("xend.sock")).unwrap();
    let host = served.open();
    assert_eq!(host.define(&guest("x", None)).err().unwrap().status, Status::Timeout);
    drop(deaf);
    served.put_xend_back();
    host.define(&guest("x", None)).unwrap().start(false).unwrap();
}

#[test]
fn a_xend_that_comes_to_a_host_without_one_is_not_worked_behind() {
    let served = Served::new("comes", &[("xen", "3.4"), ("domains", "1")]);
    served.take_xend_away();
    let host = served.open();
    let domain = host.lookup_by_id(1).unwrap();
    domain.suspend().unwrap();
    domain.resume().unwrap();
    served.put_xend_back();
    for act in [Domain::suspend, Domain::shutdown, Domain::destroy] {
        let error = act(&domain).unwrap_err();
        assert_eq!(error.status, Status::InvalidState, "{error}");
        assert!(error.message.contains("open the connection again"), "{error}");
    }
    assert!(domain.is_active().unwrap());
    served.open().lookup_by_id(1).unwrap().destroy().unwrap();
}

#[test]
fn a_domain_of_the_xl_toolstack_is_not_destroyed_behind_its_back() {
    let served = Served::new("xl", &[("xen", "3.4"), ("domains", "2")]);
    served.take_xend_away();
    let xenstore = Xenstore::over(served.far().xenstore_dial(), Log::default());
    xenstore.write("/libxl/1/type", "pv", Deadline::after(Duration::from_secs(10))).unwrap();
    let host = served.open();
    let error = host.lookup_by_id(1).unwrap().destroy().unwrap_err();
    assert_eq!(error.status, Status::NotSupported);
    assert!(error.message.contains("xl destroy 1"), "{error}");
    host.lookup_by_id(2).unwrap().destroy().unwrap();
    assert_eq!(host.list(LIVE).unwrap().len(), 2);
}

#[test]
fn a_domain_named_like_another_ones_uuid_or_number_is_not_hit_in_its_place() {
    const UUID: &str = "11111111-1111-4111-8111-111111111111";
    let served = Served::new("shadow", &[("xen", "3.4")]);
    let host = served.open();
    let error = host.define(&guest(UUID, None)).err().unwrap();
    assert_eq!(error.status, Status::InvalidConfig, "{error}");
    assert_eq!(host.create(&guest(UUID, None), false).err().unwrap().status, Status::InvalidConfig);

    let victim = host.create(&guest("victim", Some(UUID)), false).unwrap();
    let id = victim.id().unwrap().unwrap().to_string();
    // Other programs may name them so.
    let xend = Xend::new(served.far().xend_dial(), None);
    let deadline = Deadline::after(Duration::from_secs(10));
    for name in [UUID, "0", &id] {
        host.create(&guest("other", None), false).unwrap();
        xend.rename("other", name, deadline).unwrap();
    }
    let error = victim.destroy().unwrap_err();
    assert_eq!(error.status, Status::OperationFailed);
    assert!(error.message.contains("rename"), "{error}");
    let error = victim.xml(false).unwrap_err();
    assert_eq!(error.status, Status::OperationFailed, "nor is it described as if it were the one: {error}");
    let zero = host.lookup_by_id(0).unwrap();
    let error = zero.suspend().unwrap_err();
    assert_eq!(error.status, Status::OperationFailed);
    assert!(
        error.message.contains("rename"),
        "the one named 0 was not paused, and xend was not asked: {error}"
    );
    assert_eq!(host.list(LIVE).unwrap().len(), 5, "nobody was hit");
    assert!(host.list(LIVE).unwrap().iter().all(|row| row.info.state != xenith::model::State::Paused));

    let options = OpenOptions { without: vec![Road::Hypercall, Road::Xenstore], ..quick() };
    let alone = Connection::open(Some(host.uri()), &options).unwrap();
    let again = alone.lookup_by_id(id.parse().unwrap()).unwrap();
    assert_eq!(again.identity(), victim.identity());
    assert_eq!(again.name().unwrap_err().status, Status::OperationFailed);
}

#[test]
fn rubbish_and_hang_ups_are_errors_of_their_road() {
    for (age, toolstack) in [("3.4", "xend"), ("4.17", "xl")] {
        for road in [toolstack, "xenstore"] {
            for kind in ["rubbish", "close", "fail", "hang"] {
                let uri = format!("xen+sim:///?xen={age}&fault={road}:{kind}");
                let host =
                    Connection::open(Some(&uri), &quick()).unwrap_or_else(|error| panic!("{uri}: {error}"));
                assert_eq!(host.list(LIVE).unwrap_or_else(|error| panic!("{uri}: {error}")).len(), 1);
            }
        }
    }
    for age in ["3.4", "4.17"] {
        let uri = format!("xen+sim:///?xen={age}&fault=hypercall:fail,xend:fail");
        let error = Connection::open(Some(&uri), &quick()).err().unwrap();
        assert!(error.to_string().contains("hypercall") && error.message.contains("xend:"), "{error}");
    }
}

#[test]
fn eight_threads_share_one_connection() {
    for age in ["3.4", "4.17"] {
        eight_threads_share(&open(&format!("xen+sim:///?xen={age}&domains=50")));
    }
}

fn eight_threads_share(host: &Connection) {
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let host = host.clone();
            scope.spawn(move || {
                for round in 0..5 {
                    assert!(host.list(LIVE).unwrap().len() > 50);
                    let name = format!("t{thread}-{round}");
                    let domain = host.create(&guest(&name, None), false).unwrap();
                    assert_eq!(host.lookup_by_name(&name).unwrap().identity(), domain.identity());
                    assert_eq!(domain.name().unwrap(), name);
                    domain.suspend().unwrap();
                    domain.resume().unwrap();
                    domain.destroy().unwrap();
                    assert_eq!(domain.info().unwrap_err().status, Status::NotFound);
                }
            });
        }
    });
    assert_eq!(host.list(LIVE).unwrap().len(), 51);
}

#[test]
fn what_is_opened_is_closed_again() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let use_one = |age| open(&format!("xen+sim:///?xen={age}&domains=3")).list(ALL).unwrap();
    use_one("4.17");
    let before = descriptors();
    for age in ["3.4", "4.17"].repeat(10) {
        use_one(age);
    }
    // Other tests of this program open and close meanwhile: a leak of one for each round would show.
    assert!(descriptors() < before + 20 * 2, "{before} descriptors became {}", descriptors());
}

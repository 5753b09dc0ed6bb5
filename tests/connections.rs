//! Opening: what a caller hears when a road is missing, broken, or somebody else's.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, Instant};

use common::{ALL, LIVE, guest, open};
use xenith::driver::{Connection, OpenOptions};
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
        assert!(error.message.contains(word), "no '{word}' in: {error}");
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
    let host = Connection::open(Some("xen+sim:///?domains=2"), &options).unwrap();
    assert_eq!(host.list(ALL).unwrap().len(), 3);
    let domain = host.lookup_by_id(1).unwrap();
    domain.suspend().unwrap();
    assert_eq!(domain.info().unwrap().state, xenith::model::State::Paused);
    domain.resume().unwrap();
    let error = host.define(&guest("x", None)).err().unwrap();
    assert_eq!(error.status, Status::NotSupported);
    assert!(error.message.contains("toolstack"), "{error}");
    assert_eq!(domain.xml(false).unwrap_err().status, Status::NotSupported);
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
    let host = Connection::open(Some("xen+sim:///"), &options).unwrap();
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
    let host = Connection::open(Some("xen+sim:///?fault=xend:hang"), &quick()).unwrap();
    assert_eq!(host.list(LIVE).unwrap().len(), 1, "status does not need xend");
    let error = host.define(&guest("x", None)).err().unwrap();
    assert_eq!(error.status, Status::NotSupported, "found hanging at open, it is no road: {error}");
    assert!(error.message.contains("xend"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn rubbish_and_hang_ups_are_errors_of_their_road() {
    for fault in [
        "xend:rubbish",
        "xend:close",
        "xend:fail",
        "xenstore:hang",
        "xenstore:rubbish",
        "xenstore:close",
        "xenstore:fail",
    ] {
        let host = Connection::open(Some(&format!("xen+sim:///?fault={fault}")), &quick())
            .unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_eq!(host.list(LIVE).unwrap_or_else(|error| panic!("{fault}: {error}")).len(), 1);
    }
    let error = Connection::open(Some("xen+sim:///?fault=hypercall:fail,xend:fail"), &quick()).err().unwrap();
    assert!(error.message.contains("hypercall") && error.message.contains("xend"), "{error}");
}

#[test]
fn eight_threads_share_one_connection() {
    let host = open("xen+sim:///?domains=50");
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
    drop(open("xen+sim:///"));
    let before = descriptors();
    for _ in 0..20 {
        let host = open("xen+sim:///?domains=3");
        host.list(ALL).unwrap();
    }
    // Other tests of this program open and close meanwhile: a leak of one for each round would show.
    assert!(descriptors() < before + 20 * 2, "{before} descriptors became {}", descriptors());
}

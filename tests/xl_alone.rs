//! Hosts whose hypercalls are of no use to us, or of little: an interface newer than any that is known, hypercalls that the caller left
//! out, a hypervisor without sysctls. What needs none goes on by xl, xenstore and the domain files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{ALL, LIVE, seed};
use xenith::driver::{Connection, OpenOptions};
use xenith::model::{GuestType, State, Uuid};
use xenith::{Road, Status};

const NEWER: &str = "xen+sim:///?xen=4.22&domains=2&fault=hypercall:newer";

fn open(uri: &str, without: &[Road]) -> Connection {
    let options = OpenOptions { without: without.to_vec(), ..OpenOptions::default() };
    Connection::open(Some(uri), &options).unwrap_or_else(|error| panic!("{uri}: {error}"))
}

/// Both ways to be without hypercalls on a host that has xl.
fn hosts() -> [Connection; 2] {
    [open(NEWER, &[]), open("xen+sim:///?xen=4.17&domains=2", &[Road::Hypercall])]
}

#[test]
fn a_newer_hypervisor_is_said_with_its_number_and_the_host_is_served_by_xl() {
    let host = open(NEWER, &[]);
    let report = host.report().unwrap();
    assert!(report.failure.is_none() && report.host.contains("xl toolstack alone"), "{}", report.host);
    let hypercall = report.roads.iter().find(|road| road.road == Road::Hypercall).unwrap();
    assert!(!hypercall.found);
    for part in
        ["4.22.0", "domctl version 0x19", "sysctl version 0x17", "3.0.0 to 4.22", "newer xenith is needed"]
    {
        assert!(hypercall.detail.contains(part), "'{part}': {}", hypercall.detail);
    }
    assert!(report.problems.iter().any(|problem| problem.contains("run of xl")), "{:?}", report.problems);
    for route in &report.routes {
        assert!(![route.active, route.inactive].contains(&Some(Road::Hypercall)), "{}", route.operation);
    }

    let version = host.version().unwrap();
    assert_eq!((version.major, version.minor), (4, 22));
    let node = host.node_info().unwrap();
    assert_eq!(node.machine, "x86_64");
    assert!(node.memory_kib > 0 && node.free_memory_kib.unwrap() < node.memory_kib, "{node:?}");
    let capabilities = host.capabilities().unwrap();
    assert!(capabilities.contains("<arch name=\"x86_64\">"), "{capabilities}");
}

#[test]
fn running_domains_are_listed_and_found_by_xl() {
    for host in hosts() {
        let rows = host.list(LIVE).unwrap();
        let seen: Vec<_> =
            rows.iter().map(|row| (row.info.domid.unwrap(), row.name.as_deref().unwrap())).collect();
        assert_eq!(seen[0], (0, "Domain-0"));
        assert_eq!(seen.len(), 3, "{seen:?}");
        let (domid, name) = seen[1];
        assert_eq!(rows[1].info.guest_type, Some(GuestType::Pv));
        assert!(rows[1].info.memory_kib > Some(0) && rows[1].info.uuid != Uuid::nil());

        let domain = host.lookup_by_name(name).unwrap();
        assert_eq!(domain.identity().domid, Some(domid));
        assert_eq!(domain.name().unwrap(), name);
        assert_eq!(host.lookup_by_id(domid).unwrap().identity(), domain.identity());
        assert_eq!(host.lookup_by_uuid(rows[1].info.uuid).unwrap().identity(), domain.identity());
        let info = domain.info().unwrap();
        assert!(matches!(info.state, State::Running | State::Blocked), "{info:?}");
        assert_eq!(host.lookup_by_id(77).err().unwrap().status, Status::NotFound);
        assert_eq!(host.lookup_by_name("nobody").err().unwrap().status, Status::NotFound);
        assert!(host.counters().xl_runs > 0);
    }
}

#[test]
fn a_domain_goes_through_its_life_without_a_hypercall() {
    for host in hosts() {
        let calls = host.counters().hypercalls;
        let domain = host.create(&seed("pv-direct-kernel"), true).unwrap();
        let state = || domain.info().unwrap().state;
        assert_eq!(state(), State::Paused);
        domain.resume().unwrap();
        assert_ne!(state(), State::Paused);
        domain.suspend().unwrap();
        assert_eq!(state(), State::Paused);
        assert_eq!(domain.resume(), Ok(()));
        assert_eq!(domain.resume().unwrap_err().status, Status::InvalidState);
        let xml = domain.xml(false).unwrap();
        assert!(
            xml.contains("<name>") && xml.contains("arch='x86_64'") || xml.contains("arch=\"x86_64\""),
            "{xml}"
        );
        let identity = domain.identity();
        domain.destroy().unwrap();
        assert_eq!(host.lookup_by_id(identity.domid.unwrap()).err().unwrap().status, Status::NotFound);
        assert_eq!(domain.destroy().unwrap_err().status, Status::Stale);
        assert_eq!(host.counters().hypercalls, calls, "not one");
    }
}

#[test]
fn definitions_live_in_files_and_are_started_by_xl() {
    for host in hosts() {
        let domain = host.define(&seed("pv-direct-kernel")).unwrap();
        let name = domain.name().unwrap();
        assert!(
            host.list(ALL)
                .unwrap()
                .iter()
                .any(|row| row.info.domid.is_none() && row.name.as_deref() == Some(&name))
        );
        domain.start(false).unwrap();
        assert!(domain.is_persistent().unwrap() && domain.id().unwrap().is_some());
        // Its life and its file are one row.
        let rows = host.list(ALL).unwrap();
        assert_eq!(rows.iter().filter(|row| row.name.as_deref() == Some(&name)).count(), 1);
        domain.destroy().unwrap();
        assert_eq!(domain.id().unwrap(), None);
        domain.undefine().unwrap();
        assert_eq!(host.lookup_by_name(&name).err().unwrap().status, Status::NotFound);
    }
}

#[test]
fn without_a_toolstack_a_newer_hypervisor_is_an_error_that_names_it() {
    let error =
        Connection::open(Some(NEWER), &OpenOptions { without: vec![Road::Xl], ..OpenOptions::default() });
    let error = error.err().unwrap();
    assert_eq!((error.status, error.road), (Status::NotSupported, Road::Hypercall));
    assert!(error.message.contains("0x19") && error.message.contains("xl"), "{error}");
    // No right to hypercalls is no right to xl.
    let uri = "xen+sim:///?xen=4.22&fault=hypercall:fail";
    let error = Connection::open(Some(uri), &OpenOptions::default()).err().unwrap();
    assert_eq!(error.status, Status::AccessDenied);
}

#[test]
fn without_sysctls_domains_are_listed_by_xenstore_and_asked_about_by_hypercall() {
    let host = open("xen+sim:///?xen=4.21&domains=2&fault=hypercall:nosysctl", &[]);
    let rows = host.list(LIVE).unwrap();
    assert_eq!(rows.iter().map(|row| row.info.domid.unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(
        rows.iter()
            .all(|row| row.name.is_some() && row.info.max_memory_kib.is_some() || row.info.domid == Some(0))
    );
    let domain = host.lookup_by_uuid(rows[2].info.uuid).unwrap();
    assert_eq!(domain.info().unwrap().domid, Some(2));
    domain.suspend().unwrap();
    assert_eq!(domain.info().unwrap().state, State::Paused);
    let error = host.node_info().unwrap_err();
    assert_eq!(error.status, Status::NotSupported);
    assert!(error.message.contains("CONFIG_SYSCTL"), "{error}");
    assert!(host.capabilities().is_ok());
    let report = host.report().unwrap();
    let hypercall = report.roads.iter().find(|road| road.road == Road::Hypercall).unwrap();
    assert!(hypercall.found && hypercall.detail.contains("without sysctls"), "{}", hypercall.detail);
}

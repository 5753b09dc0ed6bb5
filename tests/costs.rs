//! The number of hypercalls and round trips on each hot path: these are promises (docs/model.md, "Freshness").
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use xenith::driver::{Connection, Counters, ListFilter, OpenOptions};

const LIVE: ListFilter = ListFilter { active: true, inactive: false, fresh: false };

/// A host with xl, and one with xend, of so many domains: Domain-0 is one of them.
fn hosts(domains: usize) -> [Connection; 2] {
    ["4.17", "3.4"].map(|age| {
        let uri = format!("xen+sim:///?xen={age}&domains={}", domains - 1);
        Connection::open(Some(&uri), &OpenOptions::default()).unwrap()
    })
}

fn cost(connection: &Connection, run: impl FnOnce()) -> Counters {
    let before = connection.counters();
    run();
    let after = connection.counters();
    Counters {
        hypercalls: after.hypercalls - before.hypercalls,
        xenstore_round_trips: after.xenstore_round_trips - before.xenstore_round_trips,
        xend_requests: after.xend_requests - before.xend_requests,
        xl_runs: after.xl_runs - before.xl_runs,
    }
}

#[test]
fn get_info_is_one_hypercall() {
    for connection in hosts(3) {
        let domain = connection.lookup_by_id(2).unwrap();
        let spent = cost(&connection, || assert!(domain.info().unwrap().domid.is_some()));
        assert_eq!(spent, Counters { hypercalls: 1, ..Counters::default() });
    }
}

#[test]
fn lookup_by_id_and_state_need_no_daemon() {
    for connection in hosts(3) {
        let spent = cost(&connection, || {
            let domain = connection.lookup_by_id(1).unwrap();
            assert!(domain.is_active().unwrap());
            domain.os_type().unwrap();
        });
        assert_eq!(spent, Counters { hypercalls: 3, ..Counters::default() });
    }
}

#[test]
fn a_list_at_rest_is_a_hypercall_for_each_1024_domains_and_no_round_trip() {
    for domains in [1, 2, 1000, 1023, 1024, 1025, 2048, 3000] {
        for connection in hosts(domains) {
            let rows = connection.list(LIVE).unwrap();
            assert_eq!(rows.len(), domains);
            assert!(rows.iter().all(|row| row.name.is_some()), "every name is known after the first list");
            let spent = cost(&connection, || assert_eq!(connection.list(LIVE).unwrap().len(), domains));
            let most = domains.div_ceil(1024) as u64;
            assert!(spent.hypercalls <= most, "{domains} domains: {spent:?}");
            assert_eq!(
                spent,
                Counters { hypercalls: spent.hypercalls, ..Counters::default() },
                "{domains} domains"
            );
        }
    }
}

#[test]
fn the_first_names_of_a_thousand_domains_come_in_a_handful_of_round_trips() {
    for connection in hosts(1000) {
        let spent = cost(&connection, || drop(connection.list(LIVE).unwrap()));
        assert!(spent.xenstore_round_trips <= 10, "{spent:?}");
        assert_eq!((spent.xend_requests, spent.xl_runs), (0, 0), "{spent:?}");
    }
}

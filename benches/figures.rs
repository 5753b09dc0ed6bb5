//! What status costs on the embedded host: `make bench`.
//!
//! Each figure is a median, and the list stands beside the hypercalls that it is made of, decoded but without names: the ratio is
//! what names and rows add. The embedded hypervisor answers on the caller's thread, so the figures hold its work too; what a
//! real hypercall costs is the lab's to measure.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use xenith::channel::hypercall::Hypervisor;
use xenith::driver::{Connection, ListFilter, OpenOptions};
use xenith::log::Log;
use xenith::sim::{SimConfig, SimHost};

const LIVE: ListFilter = ListFilter { active: true, inactive: false, fresh: false };

fn main() {
    println!(
        "{:>8} {:>12} {:>12} {:>14} {:>18} {:>11} {:>11}",
        "domains", "get info", "list", "list, a row", "list / hypercalls", "hypercalls", "round trips"
    );
    for domains in [1, 100, 1000, 10_000_usize] {
        // Domain-0 is one of them.
        let guests = (domains - 1).to_string();
        let connection =
            Connection::open(Some(&format!("xen+sim:///?domains={guests}")), &OpenOptions::default())
                .unwrap();
        let host = SimHost::start(SimConfig::from_query([("domains", guests.as_str())]).unwrap()).unwrap();
        let bare = Hypervisor::over(host.hypercall_port(), &Log::default()).unwrap();

        let rows = connection.list(LIVE).unwrap();
        assert_eq!(rows.len(), domains);
        let domain = connection.lookup_by_id(rows[rows.len() / 2].info.domid.unwrap()).unwrap();

        let before = connection.counters();
        drop(black_box(connection.list(LIVE).unwrap()));
        let after = connection.counters();

        let runs = if domains > 1000 { 41 } else { 201 };
        let [list, hypercalls] =
            medians(runs, [&|| drop(black_box(connection.list(LIVE))), &|| drop(black_box(bare.list()))]);
        let [info] = medians(2001, [&|| drop(black_box(domain.info()))]);
        println!(
            "{domains:>8} {:>9.2} us {:>9.1} us {:>11.1} ns {:>18.2} {:>11} {:>11}",
            micros(info),
            micros(list),
            micros(list) * 1000.0 / domains as f64,
            list.as_secs_f64() / hypercalls.as_secs_f64(),
            after.hypercalls - before.hypercalls,
            after.xenstore_round_trips - before.xenstore_round_trips,
        );
    }
}

/// The median of each, their runs interleaved so that a drifting machine moves all of them.
fn medians<const N: usize>(runs: usize, work: [&dyn Fn(); N]) -> [Duration; N] {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::with_capacity(runs));
    work.iter().for_each(|run| run());
    for _ in 0..runs {
        for (run, times) in work.iter().zip(&mut times) {
            let start = Instant::now();
            run();
            times.push(start.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[runs / 2]
    })
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

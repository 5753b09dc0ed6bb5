//! Processes that share a served host: many threads of each change it at once, and the host dies under them.
//!
//! The other processes are this program again, in the tests at the end that do nothing unless a role is given.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{ALL, LIVE, Scratch, eventually, guest, open};
use xenith::driver::{Connection, ListFilter, OpenOptions};
use xenith::model::{DomainRow, State, Uuid};
use xenith::sim::{SimConfig, serve};
use xenith::{Error, Status};

const THREADS: usize = 8;
const ROUNDS: usize = 6;

/// Where the host is, for the processes that the tests start.
const DIR: &str = "XENITH_TEST_DIR";
/// And of what age.
const AGE: &str = "XENITH_TEST_AGE";

fn start(test: &str, dir: &Path, age: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(DIR, dir)
        .env(AGE, age)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn uri(dir: &Path) -> String {
    format!("xen+sim:///?dir={}", dir.display())
}

#[test]
fn eight_threads_in_each_of_two_processes_change_one_host_with_xend_and_see_their_own_changes() {
    hammer("3.4");
}

#[test]
fn eight_threads_in_each_of_two_processes_change_one_host_with_xl_and_see_their_own_changes() {
    hammer("4.17");
}

fn hammer(age: &str) {
    let scratch = Scratch::new(&format!("hammer-{age}"));
    let server = serve(SimConfig::from_query([("xen", age)]).unwrap(), &scratch.0).unwrap();
    let mut others: Vec<Child> = (0..2).map(|_| start("process_that_hammers", &scratch.0, age)).collect();
    for other in &mut others {
        assert!(other.wait().unwrap().success());
    }
    let rows = open(&uri(&scratch.0)).list(ALL).unwrap();
    assert_eq!(rows.len(), 1, "only Domain-0 is left: {rows:?}");
    drop(server);
}

#[test]
fn process_that_hammers() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let host = open(&uri(Path::new(&dir)));
    // One domain that is started and stopped all the time, and must be in every list of all domains, once.
    let pulse = Uuid::from_u128(u128::from(std::process::id()) << 8 | 1);
    let pulse_name = format!("pulse-{pulse}");
    let pulsing = host.define(&guest(&pulse_name, Some(&pulse.to_string()))).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                pulsing.start(false).unwrap();
                pulsing.destroy().unwrap();
            }
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let host = &host;
                let pulse_name = &pulse_name;
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let number = u128::from(std::process::id()) << 32 | (thread * 1000 + round) as u128;
                        one_life(host, Uuid::from_u128(number << 16));
                        let rows = host.list(ALL).unwrap();
                        check(&rows);
                        let pulses: Vec<_> = rows.iter().filter(|row| row.info.uuid == pulse).collect();
                        assert_eq!(pulses.len(), 1, "a domain that is always defined: {pulses:?}");
                        // Whatever it does now, it is there.
                        let found = host.lookup_by_uuid(pulse).unwrap();
                        found.info().unwrap();
                        assert_eq!(found.name().unwrap(), *pulse_name);
                        assert_eq!(host.lookup_by_name(pulse_name).unwrap().uuid(), pulse);
                    }
                })
            })
            .collect();
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        over.store(true, Ordering::Relaxed);
        assert!(ends.iter().all(|end| end.is_ok()));
    });
    pulsing.undefine().unwrap();
}

/// Creates a domain, finds it in every way, destroys it, and finds it in no way.
fn one_life(host: &Connection, uuid: Uuid) {
    let name = format!("g-{uuid}");
    let made = host.create(&guest(&name, Some(&uuid.to_string())), false).unwrap();
    let row = |rows: Vec<DomainRow>| {
        check(&rows);
        rows.into_iter().find(|row| row.info.uuid == uuid)
    };
    let listed = row(host.list(LIVE).unwrap()).expect("what was created is listed");
    assert_eq!(listed.name.as_deref(), Some(&*name), "with its name");
    assert_eq!(host.lookup_by_name(&name).unwrap().identity(), made.identity());
    assert_eq!(host.lookup_by_uuid(uuid).unwrap().identity(), made.identity());
    assert_eq!(made.name().unwrap(), name);
    made.destroy().unwrap();
    assert_eq!(host.lookup_by_name(&name).map(|_| ()).unwrap_err().status, Status::NotFound);
    assert_eq!(row(host.list(LIVE).unwrap()).map(|row| row.info.state), None);
    assert_eq!(made.destroy().unwrap_err().status, Status::Stale);
}

/// What every list must be, whatever happens on the host: each number once, each uuid once, and nobody under another's name.
fn check(rows: &[DomainRow]) {
    let mut ids = HashMap::new();
    let mut uuids = HashMap::new();
    for row in rows {
        if let Some(id) = row.info.domid {
            assert!(ids.insert(id, row).is_none(), "{rows:?}");
        }
        assert!(uuids.insert(row.info.uuid, row).is_none() || row.info.uuid.is_nil(), "{rows:?}");
        if let Some((_, uuid)) = row.name.as_deref().and_then(|name| name.split_once('-'))
            && let Ok(uuid) = Uuid::try_parse(uuid)
        {
            assert_eq!(uuid, row.info.uuid, "the name of another life");
        }
    }
}

#[test]
fn when_a_host_with_xend_is_killed_every_call_ends_and_when_it_is_back_every_road_works_again() {
    kill_and_serve_again("3.4");
}

#[test]
fn when_a_host_with_xl_is_killed_every_call_ends_and_when_it_is_back_every_road_works_again() {
    kill_and_serve_again("4.17");
}

fn kill_and_serve_again(age: &str) {
    let scratch = Scratch::new(&format!("killed-{age}"));
    let mut server = start("process_that_serves", &scratch.0, age);
    let serves = || Connection::open(Some(&uri(&scratch.0)), &OpenOptions::default()).is_ok();
    eventually("the host is served", serves);
    let host = open(&uri(&scratch.0));
    host.define(&guest("kept", None)).unwrap();
    let killed = AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (host, killed) = (&host, &killed);
                scope.spawn(move || {
                    let name = format!("t-{thread}");
                    let mut longest = Duration::ZERO;
                    loop {
                        let after = killed.load(Ordering::Acquire);
                        let start = Instant::now();
                        let ends = [
                            host.list(ListFilter { fresh: true, ..ALL }).map(drop),
                            host.create(&guest(&name, None), false).and_then(|made| made.destroy()),
                            host.lookup_by_name("kept").map(drop),
                        ];
                        longest = longest.max(start.elapsed());
                        for error in ends.into_iter().filter_map(Result::err) {
                            assert!(is_honest(&error), "{error:?}");
                        }
                        if after {
                            return longest;
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(200));
        server.kill().unwrap();
        server.wait().unwrap();
        killed.store(true, Ordering::Release);
        callers.into_iter().map(|caller| caller.join().unwrap()).max().unwrap()
    });
    assert!(longest < Duration::from_secs(5), "a host that is gone is no reason to wait {longest:?}");

    let mut server = start("process_that_serves", &scratch.0, age);
    eventually("the host is served again", serves);
    // Each road at the first call: what is known to be dead is dialled anew.
    assert_eq!(host.list(LIVE).unwrap()[0].name.as_deref(), Some("Domain-0"));
    let kept = host.lookup_by_name("kept").unwrap();
    kept.start(false).unwrap();
    assert_ne!(kept.info().unwrap().state, State::Shutoff);
    server.kill().unwrap();
    server.wait().unwrap();
}

/// What may be said while a host dies.
fn is_honest(error: &Error) -> bool {
    matches!(
        error.status,
        Status::NoConnect
            | Status::Closed
            | Status::OperationFailed
            | Status::NotFound
            | Status::Exists
            | Status::Stale
    )
}

#[test]
fn process_that_serves() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let age = std::env::var(AGE).unwrap();
    let _server = serve(SimConfig::from_query([("xen", age.as_str())]).unwrap(), Path::new(&dir)).unwrap();
    // Killed long before; but never left behind by a test that failed.
    std::thread::sleep(Duration::from_secs(60));
}

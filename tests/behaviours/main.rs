//! What a host does, whatever it is made of: one list of behaviours, run here on the embedded host of every age, and on a real one
//! that the environment names:
//!
//! - `XENITH_BEHAVIOURS_URI`: the host, `xen:///` in a dom0. It is taken for one of the xl toolstack.
//! - `XENITH_BEHAVIOURS_GUEST`: a file with the domain XML of a small guest that answers to shutdown, reboot and sysrq; `@NAME@` stands
//!   for its name, it has no uuid and no `<on_crash>`.
//! - `XENITH_BEHAVIOURS_ONLY`: a part of the names of those to run.
#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod list;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use common::{ALL, Scratch, XEND_AGES, guest};
use list::{BEHAVIOURS, Lab, Traits};
use xenith::channel::xenstore::Xenstore;
use xenith::deadline::Deadline;
use xenith::driver::{Connection, OpenOptions};
use xenith::log::Log;
use xenith::model::DomId;

/// What a host with xend is like.
const XEND: Traits = Traits {
    forgets_running: false,
    starts_paused: false,
    renames_running: true,
    saves: true,
    has_monitors: false,
    memory_slack_kib: 0,
};

/// What a host of the xl toolstack is like.
const XL: Traits = Traits {
    forgets_running: true,
    starts_paused: true,
    renames_running: false,
    saves: true,
    has_monitors: true,
    memory_slack_kib: 0,
};

#[test]
fn the_embedded_host_of_every_age_behaves() {
    let ages = XEND_AGES.map(|age| (age, XEND)).into_iter().chain([("4.17", XL)]);
    for (age, traits) in ages {
        let dir = std::env::temp_dir().join(format!("xenith-behaviours-{age}-{}", std::process::id()));
        let config = xenith::sim::SimConfig::from_query([("xen", age)]).unwrap();
        let server = xenith::sim::serve(config, &dir).unwrap();
        let far = xenith::sim::SimHost::join(&dir).unwrap();
        let xenstore = Xenstore::over(far.xenstore_dial(), Log::default());
        let uri = format!("xen+sim:///?dir={}", dir.display());
        behave(&format!("Xen {age}"), &uri, traits, &|name| guest(name, None), &xenstore);
        drop(server);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn the_host_that_the_environment_names_behaves() {
    let Ok(uri) = std::env::var("XENITH_BEHAVIOURS_URI") else {
        eprintln!("skipped: XENITH_BEHAVIOURS_URI names no host");
        return;
    };
    let template =
        std::env::var("XENITH_BEHAVIOURS_GUEST").expect("XENITH_BEHAVIOURS_GUEST names a guest's XML");
    let template = std::fs::read_to_string(&template).unwrap_or_else(|error| panic!("{template}: {error}"));
    assert!(template.contains("@NAME@"), "the guest's name is @NAME@ in its XML");
    let xenstore = Xenstore::open(None, Log::default()).unwrap();
    // Xen itself keeps some pages more or less.
    let traits = Traits { memory_slack_kib: 8 << 10, ..XL };
    behave(&uri, &uri, traits, &|name| template.replace("@NAME@", name), &xenstore);
}

fn behave(shown: &str, uri: &str, traits: Traits, guest: &dyn Fn(&str) -> String, xenstore: &Xenstore) {
    let crash = |id: DomId| {
        let deadline = Deadline::after(Duration::from_secs(10));
        xenstore.write(&format!("/local/domain/{id}/control/sysrq"), "c", deadline).unwrap();
    };
    let open = || Connection::open(Some(uri), &OpenOptions::default()).unwrap();
    let (host, other) = (open(), open());
    let scratch = Scratch::new("behaviours");
    std::fs::create_dir_all(&scratch.0).unwrap();
    let lab = Lab { host: &host, other: &other, guest, crash: &crash, traits, folder: &scratch.0 };
    let only = std::env::var("XENITH_BEHAVIOURS_ONLY").unwrap_or_default();
    // Behind the words of the test harness.
    eprintln!("\n{shown}:");
    let mut failed = Vec::new();
    for (name, behaviour) in BEHAVIOURS.iter().filter(|(name, _)| name.contains(&only)) {
        let start = Instant::now();
        let before = host.list(ALL).unwrap().len();
        // One that fails does not hide what the others do: a real host takes minutes to come up again.
        let tried = catch_unwind(AssertUnwindSafe(|| {
            behaviour(&lab);
            assert_eq!(host.list(ALL).unwrap().len(), before, "what was made is still there");
        }));
        let word = if tried.is_ok() { "ok" } else { "FAILED" };
        eprintln!("    {word:6} {name} ({:.1} s)", start.elapsed().as_secs_f64());
        if tried.is_err() {
            failed.push(*name);
            remove_all(&host);
        }
    }
    assert!(failed.is_empty(), "{shown}: failed: {failed:#?}");
}

/// Removes what a failed behaviour left behind, as far as that can be done.
fn remove_all(host: &Connection) {
    for row in host.list(ALL).unwrap_or_default() {
        if row.name.is_some_and(|name| name.starts_with("b-"))
            && let Ok(domain) = host.lookup_by_uuid(row.info.uuid)
        {
            let _ = domain.destroy();
            let _ = domain.undefine();
        }
    }
}

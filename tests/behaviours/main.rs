//! What a host does, whatever it is made of: one list of behaviours, run here on the embedded host of every age with each of its
//! toolstacks, and on a real one that the environment names:
//!
//! - `XENITH_BEHAVIOURS_URI`: the host, `xen:///` in a dom0. It is taken for one of the xl toolstack.
//! - `XENITH_BEHAVIOURS_GUEST`: a file with the domain XML of a small guest that answers to shutdown, reboot and sysrq; `@NAME@` stands
//!   for its name, it has no uuid and no `<on_crash>`.
//! - `XENITH_BEHAVIOURS_ONLY`: a part of the names of those to run.
//! - `XENITH_BEHAVIOURS_AGES`: the ages of the embedded host, with commas between them, instead of all: `3.0.2,4.17`.
#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod list;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::{ALL, Scratch, guest};
use list::{BEHAVIOURS, Lab, Traits};
use xenith::channel::xenstore::Xenstore;
use xenith::deadline::Deadline;
use xenith::driver::{Connection, OpenOptions};
use xenith::log::Log;
use xenith::model::DomId;
use xenith::sim::release::AGES;
use xenith::sim::{Release, SimConfig, Tools};

/// What a host with xend is like.
const XEND: Traits = Traits {
    remembers: true,
    forgets_running: false,
    starts_paused: false,
    restores_paused: false,
    renames_running: true,
    saves: true,
    has_monitors: false,
    tells_guest_type: true,
    memory_slack_kib: 0,
};

/// What a host of the xl toolstack is like.
const XL: Traits = Traits {
    remembers: true,
    forgets_running: true,
    starts_paused: true,
    restores_paused: true,
    renames_running: false,
    saves: true,
    has_monitors: true,
    tells_guest_type: true,
    memory_slack_kib: 0,
};

/// How many embedded hosts are tried at once: they wait most of the time.
const AT_ONCE: usize = 8;

/// What a host of that age and toolstack is like.
fn traits(release: Release, tools: Tools) -> Traits {
    match tools {
        Tools::Xl => XL,
        // Up to 3.0.3 xm's files keep domains that do not run, and a domain's record has no bit for HVM.
        _ if !release.at_least_point(3, 0, 4) => Traits {
            forgets_running: true,
            starts_paused: true,
            renames_running: false,
            tells_guest_type: false,
            ..XEND
        },
        _ => XEND,
    }
}

/// Every age with each toolstack that it had.
fn embedded() -> Vec<SimConfig> {
    let mut all = Vec::new();
    for age in AGES {
        for tools in ["xend", "xl"] {
            // Those that an age did not have are refused.
            all.extend(SimConfig::from_query([("xen", age.word), ("toolstack", tools)]));
        }
    }
    all
}

#[test]
fn the_embedded_host_of_every_age_behaves() {
    let mut all = embedded();
    // 13 ages with xend, 23 with xl; 4.1 to 4.4 had both.
    assert_eq!((all.len(), AGES.len()), (36, 32));
    if let Ok(only) = std::env::var("XENITH_BEHAVIOURS_AGES") {
        all.retain(|config| only.split(',').any(|age| age == config.release.word()));
        assert!(!all.is_empty(), "XENITH_BEHAVIOURS_AGES={only} names no age");
    }
    all.reverse();
    let (left, failed) = (Mutex::new(all), Mutex::new(Vec::new()));
    let next = || left.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(config) = next() {
                    let these = try_embedded(config);
                    failed.lock().unwrap().extend(these);
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// What fails on one embedded host.
fn try_embedded(config: SimConfig) -> Vec<String> {
    let (release, tools) = (config.release, config.tools());
    let shown = format!("Xen {}, {}", release.word(), tools.name());
    let dir = Scratch::new(&format!("behaviours-{}-{}", release.word(), tools.name()));
    let server = xenith::sim::serve(config, &dir.0).unwrap();
    let far = xenith::sim::SimHost::join(&dir.0).unwrap();
    let xenstore = Xenstore::over(far.xenstore_dial(), Log::default());
    let uri = format!("xen+sim:///?dir={}", dir.0.display());
    let mut lines = format!("\n{shown}:\n");
    let say = |line: String| writeln!(lines, "{line}").unwrap();
    let failed = behave(&shown, &uri, traits(release, tools), &|name| guest(name, None), &xenstore, say);
    eprint!("{lines}");
    drop(server);
    failed
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
    // Behind the words of the test harness.
    eprintln!("\n{uri}:");
    let say = |line: String| eprintln!("{line}");
    let failed = behave(&uri, &uri, traits, &|name| template.replace("@NAME@", name), &xenstore, say);
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// Runs the list on a host, saying how each one goes; which failed.
fn behave(
    shown: &str,
    uri: &str,
    traits: Traits,
    guest: &dyn Fn(&str) -> String,
    xenstore: &Xenstore,
    mut say: impl FnMut(String),
) -> Vec<String> {
    let crash = |id: DomId| {
        let deadline = Deadline::after(Duration::from_secs(10));
        xenstore.write(&format!("/local/domain/{id}/control/sysrq"), "c", deadline).unwrap();
    };
    let open = || Connection::open(Some(uri), &OpenOptions::default()).unwrap();
    let (host, other) = (open(), open());
    let scratch = Scratch::new(&format!("behaviours-files-{}", shown.replace(['/', ' '], "-")));
    std::fs::create_dir_all(&scratch.0).unwrap();
    let lab = Lab { host: &host, other: &other, guest, crash: &crash, traits, folder: &scratch.0 };
    let only = std::env::var("XENITH_BEHAVIOURS_ONLY").unwrap_or_default();
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
        say(format!("    {word:6} {name} ({:.1} s)", start.elapsed().as_secs_f64()));
        if tried.is_err() {
            failed.push(format!("{shown}: {name}"));
            remove_all(&host);
        }
    }
    failed
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

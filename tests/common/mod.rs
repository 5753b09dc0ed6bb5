//! What the crate's tests share.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use xenith::driver::{Connection, ListFilter, OpenOptions};

pub const ALL: ListFilter = ListFilter { active: true, inactive: true, fresh: false };
pub const LIVE: ListFilter = ListFilter { active: true, inactive: false, fresh: false };

/// The releases that the embedded host plays with xend, and all of them: the last one has xl.
pub const XEND_AGES: [&str; 3] = ["3.4", "4.1", "4.4"];
pub const AGES: [&str; 4] = ["3.4", "4.1", "4.4", "4.17"];

/// The four guests of the Xen driver's documentation.
pub const SEEDS: [&str; 4] = ["pv-bootloader", "pv-direct-kernel", "hvm-bios", "hvm-direct-kernel"];

pub fn seed(name: &str) -> String {
    let path = format!("{}/tests/data/seeds/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A small PV guest; a uuid of its own when `uuid` is given.
pub fn guest(name: &str, uuid: Option<&str>) -> String {
    let uuid = uuid.map(|uuid| format!("<uuid>{uuid}</uuid>")).unwrap_or_default();
    format!(
        "<domain type='xen'><name>{name}</name>{uuid}<memory>65536</memory><vcpu>1</vcpu>\
         <os><type>linux</type><kernel>/boot/vmlinuz</kernel></os></domain>"
    )
}

pub fn open(uri: &str) -> Connection {
    Connection::open(Some(uri), &OpenOptions::default()).unwrap_or_else(|error| panic!("{uri}: {error}"))
}

/// Waits until `done`: simulated guests take their time, the machine that runs the test takes more.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    // A real host may itself be emulated, and its guests take minutes to boot.
    let patience = if std::env::var_os("XENITH_BEHAVIOURS_URI").is_some() { 240 } else { 30 };
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(patience), "still not so after {patience} s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The path of a folder that is not there yet, and is removed at the end however the test ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("xenith-test-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

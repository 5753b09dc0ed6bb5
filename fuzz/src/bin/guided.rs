//! libFuzzer over one target, which the variable XENITH_FUZZ names; the arguments are libFuzzer's. Built by scripts/fuzz.sh.

#![no_main]
#![allow(clippy::panic)]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use xenith_fuzz::TARGETS;

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let run = RUN.get_or_init(|| {
        let name = std::env::var("XENITH_FUZZ").unwrap_or_default();
        match TARGETS.iter().find(|target| target.name == name) {
            Some(target) => target.run,
            None => panic!("XENITH_FUZZ='{name}' is no target: {:?}", TARGETS.map(|target| target.name)),
        }
    });
    run(bytes);
});

//! Arbitrary bytes for every reader of xenith: what comes from a file, a caller, a guest or another daemon must never make it panic or
//! hang, whatever it is, and what a reader accepts must mean the same when it is written and read again.
//!
//! | | |
//! | --- | --- |
//! | [`targets`] | one function for each reader |
//! | [`corpus`] | the texts to start from: `fuzz/corpus/TARGET/`, with all that was ever found |
//! | [`mutate`] | changes them, the same way for the same seed |
//!
//! `cargo test -p xenith-fuzz` reads the corpus and some thousand changed texts (part of `make test`). `make fuzz FUZZ=xml SECONDS=600` lets libFuzzer
//! look for new ones, guided by which code they reach; without FUZZ it goes through all targets.

pub mod corpus;
pub mod mutate;
pub mod targets;

pub use targets::{TARGETS, Target};

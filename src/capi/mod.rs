//! The C ABI: pointers in, driver calls, pointers out; no logic.
//!
//! Each function is the same three steps: [`boundary::call`] with a closure that checks its arguments through [`args`],
//! calls the driver, and writes its outputs last. So outputs are written on success only, an error becomes a status and an
//! object in one place, and no panic passes.
//!
//! `include/xenith.h` is generated from this folder (`make header`): the doc comments here are the C programmer's
//! manual, written for doxygen. Constants stand as literals because the generator cannot evaluate `Status::X as u32`;
//! [`constants`] holds the compiler to both being the same.
//!
//! What is not given here on purpose: a function for what two others already do, a global state, a thread.

// The generator takes what is `pub`; the linker, what is `no_mangle`. Neither asks whether Rust could reach it.
#![allow(unreachable_pub)]
// The names are C's.
#![allow(non_camel_case_types)]

mod args;
mod boundary;
mod capture;
mod connect;
mod constants;
mod convert;
mod domain;
mod error;
mod info;
mod library;
mod list;
mod lives;
mod options;
mod problems;
mod report;
mod sized;
#[cfg(test)]
mod tests;

//! Writes `include/xenith.h` from `src/capi`.
fn main() {}

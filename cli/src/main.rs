//! The `xenith` command.
fn main() {}

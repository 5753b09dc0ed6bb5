//! Bytes <-> structs, no I/O. Both ends of each road are written on these, and fuzzing aims here.

pub mod hypercall;
pub mod port;
pub mod saved;
pub mod sexpr;
pub mod xend_http;
pub mod xenstore;

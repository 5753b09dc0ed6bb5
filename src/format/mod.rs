//! Text <-> model, one file or folder per language.
//!
//! Reading is strict: what a language's reader does not know, or what the model cannot hold, is an error with its place and name. Each
//! language's module says what it leaves out on purpose, and why.

#[cfg(test)]
mod arbitrary;
mod beyond;
pub mod capabilities;
pub mod capture;
mod chardev;
mod complete;
mod config;
pub mod convert;
mod cpuset;
mod error;
pub mod libxl_json;
mod problem;
mod reduce;
pub mod sxpr;
pub mod validate;
pub mod xenvm;
pub mod xl;
pub mod xm;
pub mod xml;

pub use error::{Place, SyntaxError};
pub use problem::{Examined, MAX_PROBLEMS, Picture, Problem, Severity};

//! xenith manages Xen hosts: any Xen from 3.0.1 on, over the roads that the host offers.
//!
//! The rooms of the house, lowest first; imports go only downwards in this list:
//!
//! | room | what it holds |
//! | --- | --- |
//! | [`error`], [`uri`], [`deadline`], [`log`] | what every room may use |
//! | [`model`] | guests, their state and identity, hosts: plain data, no I/O, no text |
//! | [`wire`] | bytes <-> structs, no I/O: hypercall layouts, xenstore frames, xend's HTTP and S-expressions |
//! | [`format`](mod@format) | text <-> model: domain XML, xend's S-expressions, the languages of xl and xenvm, libxl's JSON; conversion, validation |
//! | [`channel`] | the near end of each road into a host: I/O |
//! | [`store`] | where inactive domains live when no daemon keeps them: domain files in /etc/xen |
//! | [`sim`] | the far end of each road: the embedded Xen host |
//! | [`driver`] | the operations a user can ask for, and the table that says which road serves each |
//! | `capi` | the C ABI: pointers in, driver calls, pointers out |
//!
//! (`fork`, private: whether this process is a child of the one that made something.)
//!
//! `channel` and `sim` never see each other: they meet as bytes, at the traits of [`wire::port`].

pub mod channel;
pub mod deadline;
pub mod driver;
pub mod error;
pub mod format;
pub mod log;
pub mod model;
pub mod sim;
pub mod store;
pub mod uri;
pub mod wire;

mod capi;
mod fork;

pub use error::{Error, Result, Road, Status};

//! The embedded Xen host: the far end of the roads.
//!
//! Everything in here receives the bytes that a real host would receive and answers the bytes that it would answer.
//! It says plainly that it is a simulation, in its host name and capabilities; the truth about Xen is the real one.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`config`] | how big and how old the host is, which faults were ordered |
//! | [`guest`] | the lives of the guests: they boot, run, answer, end |
//! | [`host`] | the assembled host: its thread, and the ports of its roads |
//! | [`hypervisor`] | its byte side: hypercalls |
//! | [`machine`] | what the hypervisor knows: domains, memory, processors |
//! | [`release`] | the releases of Xen that it can be of |
//! | `replay` | a host of recorded answers in the place of a simulated one |
//! | [`serve`](mod@serve) | one host for many processes |
//! | [`xend`] | the toolstack daemon: HTTP, S-expressions, domains that are kept |
//! | [`xl`] | the toolstack command: arguments and a configuration in, a status and text out; its monitors |
//! | [`xenstored`] | the store daemon: a tree of values, watches, transactions |

pub mod config;
pub mod guest;
pub mod host;
pub mod hypervisor;
pub mod machine;
pub mod release;
pub mod serve;
pub mod xend;
pub mod xenstored;
pub mod xl;

mod population;
mod reactor;
mod relay;
mod replay;
mod scratch;
mod sys;
mod world;

pub use config::{SimConfig, Tools};
pub use host::SimHost;
pub use release::Release;
pub use serve::{Server, serve};

//! Captures: what a host answered to questions that change nothing, for somebody who does not have that host (docs/capture.md).
//!
//! One JSON object a line, made to be read by a person before it is sent. Nothing of it names anybody: what is kept is on lists
//! ([`words`]), everything else is replaced ([`Disguise`]) or only measured ([`Kind`]). A capture is also a stand-in for its host: `sim` answers from it.

mod disguise;
mod node;
mod shape;
mod text;
pub mod words;
mod xend;

pub use disguise::Disguise;
pub use node::{disguised_path, disguised_value};
pub use shape::Kind;
pub use text::{FORMAT, MAX_CAPTURE};
pub use xend::disguised_tree;

/// A capture: who took it, and what the host answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capture {
    /// The version of the library that took it.
    pub xenith: String,
    /// In the order in which they were taken.
    pub records: Vec<Record>,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The machine that it was taken on.
    Machine(Machine),
    /// Which toolstacks are there.
    Toolstack(Toolstack),
    /// What a folder of configurations holds, by kinds.
    Files(Files),
    /// Which interface versions a control interface took.
    Probe(Probe),
    /// A hypercall and its answer.
    Hypercall(Answered),
    /// A node of xenstore.
    Node(Node),
    /// A request to xend and its answer.
    Xend(XendAnswer),
    /// What could not be looked at.
    Failure(Failure),
}

/// The machine that a capture was taken on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// It is an embedded host: a simulation.
    pub simulation: bool,
    /// Its architecture, as this program was built for it.
    pub arch: String,
    /// The numbers of the kernel's release: `6.1.0`.
    pub kernel: Option<String>,
    /// What the kernel says that it may control, where it says so: `control_d`.
    pub control: Option<String>,
    /// Which of the usual files, devices and sockets are there.
    pub found: Vec<String>,
}

/// Which toolstacks are there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Toolstack {
    /// Where xl is, when that is a usual place; `elsewhere` otherwise.
    pub xl: Option<String>,
    /// A xend answers.
    pub xend: bool,
}

/// What a folder of configurations holds. Names are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// Ordinary files by the ending of their names, where that is a usual one, else `other`; `none` without one. Sorted.
    pub endings: Vec<(String, u64)>,
    /// Folders in it.
    pub folders: u64,
    /// Symbolic links in it.
    pub links: u64,
    /// Files that are read as domains.
    pub domains: u64,
    /// Files that cannot be read as the domains that they should be.
    pub broken: u64,
}

/// Which interface versions a control interface took: one hypercall each, of an operation that only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `sysctl` or `domctl`.
    pub interface: String,
    /// The interface version and the errno of the answer, 0 where it was taken.
    pub answers: Vec<(u32, i32)>,
}

/// A hypercall and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answered {
    /// What it asked: `sysctl.physinfo`.
    pub op: String,
    /// Its number.
    pub number: u64,
    /// Its first argument, where that is no address.
    pub cmd: Option<u64>,
    /// The request's bytes, without zeroes at their end, addresses in it replaced by the number of the buffer that they point to (from 1).
    pub request: Vec<u8>,
    /// The same bytes after the call, likewise; empty where it failed.
    pub reply: Vec<u8>,
    /// What the call wrote into each buffer that the request points to.
    pub buffers: Vec<Vec<u8>>,
    /// Of a list of domains: bytes of one record, where that is known.
    pub record_bytes: Option<usize>,
    /// The call's value.
    pub value: i64,
    /// The errno; 0 where it succeeded.
    pub errno: i32,
}

/// A node of xenstore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its path, disguised.
    pub path: String,
    /// What is said of its value.
    pub value: Value,
}

/// What is said of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// All of it: it is harmless, or disguised.
    Kept(String),
    /// What kind of value it is, and how many bytes it has.
    Shape(Kind, usize),
    /// It could not be read: the errno.
    Unread(i32),
}

/// A request to xend and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XendAnswer {
    /// What was asked for, disguised: `/xend/domain?detail=1`.
    pub path: String,
    /// The answer, disguised, as an S-expression.
    pub body: String,
}

/// What could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The road.
    pub road: String,
    /// What was being done there, in words of this library's own.
    pub doing: String,
    /// The kind of failure, as the command names it.
    pub status: String,
    /// The errno, where there was one.
    pub errno: Option<i32>,
}

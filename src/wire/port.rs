//! Where the near end of a road (`channel`) meets its far end (a real host, or `sim`): four small traits.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;

use crate::deadline::Deadline;

/// Makes connections to one daemon: a unix socket, a TCP port, a device node, the embedded host.
pub trait Dial: Send + Sync {
    /// A fresh connection: a descriptor to read, write and poll. Close-on-exec, non-blocking.
    fn dial(&self, deadline: Deadline) -> io::Result<OwnedFd>;

    /// What it dials, for messages: `/var/run/xenstored/socket`.
    fn describe(&self) -> String;

    /// Whether the far side is an ordinary socket (so `send` with MSG_NOSIGNAL works) and not a device.
    fn is_socket(&self) -> bool {
        true
    }
}

/// Issues hypercalls: the kernel's privcmd, or the embedded hypervisor.
pub trait Hypercall: Send + Sync {
    /// Hypercall number `op` with up to five arguments. Arguments that are addresses point into `memory`, and so do the
    /// guest handles inside the structures there. Returns the hypercall's value, or the errno (positive).
    fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32>;
}

/// The one buffer that a hypercall may point into, by the addresses that the caller sees.
///
/// The kernel resolves addresses itself; the embedded hypervisor does so here, and everything outside is EFAULT, as
/// it is for the real one.
#[derive(Debug)]
pub struct Memory<'a> {
    base: u64,
    bytes: &'a mut [u8],
}

impl<'a> Memory<'a> {
    /// `bytes` as seen at address `base`.
    pub fn new(base: u64, bytes: &'a mut [u8]) -> Self {
        Memory { base, bytes }
    }

    /// The address of the first byte.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// All of it.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.bytes
    }

    /// `len` bytes at address `at`, or None where any of them is outside.
    pub fn slice(&mut self, at: u64, len: usize) -> Option<&mut [u8]> {
        let from = usize::try_from(at.checked_sub(self.base)?).ok()?;
        self.bytes.get_mut(from..from.checked_add(len)?)
    }
}

/// Where a run of a toolstack's command finds the configuration that it was given: an open file of no name, which ends with the
/// run, so that nothing is left of it and nobody else can read it.
pub const CONFIG_PATH: &str = "/proc/self/fd/3";

/// One run of a toolstack's command.
#[derive(Debug, Clone, Copy)]
pub struct ToolRun<'a> {
    /// Its arguments, without the command itself.
    pub args: &'a [OsString],
    /// What it reads from [`CONFIG_PATH`], where that stands among the arguments.
    pub config: Option<&'a [u8]>,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutcome {
    /// How it ended.
    pub exit: ToolExit,
    /// What it wrote to its standard output, up to [`MAX_TOOL_OUTPUT`] bytes.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error, likewise.
    pub stderr: Vec<u8>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolExit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Not in time: it was ended, and all that it had started and still waited for.
    Late,
}

/// How much of a run's output is kept.
pub const MAX_TOOL_OUTPUT: usize = 16 << 20;

/// A process that a toolstack left behind to act when a domain's life ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolMonitor {
    /// Its process.
    pub pid: u32,
    /// Its arguments, without the command itself.
    pub args: Vec<OsString>,
    /// Where its standard output goes: xl's log of the domain, which says which one it minds (`/var/log/xen/xl-NAME.log`).
    pub log: Option<OsString>,
    /// The life that it says to wait for, where it says one: xl writes the number into that log. It can lag behind while the
    /// monitor starts the next life.
    pub domid: Option<u32>,
}

/// Runs a host's toolstack command (`xl`): the real one, or the embedded host's.
pub trait Toolstack: Send + Sync {
    /// Runs it and waits until it has ended, at most until the deadline. What it leaves running on purpose (monitors, device
    /// models) goes on, whatever becomes of this process.
    fn run(&self, run: ToolRun<'_>, deadline: Deadline) -> io::Result<ToolOutcome>;

    /// The monitors that run now.
    fn monitors(&self) -> io::Result<Vec<ToolMonitor>>;

    /// What is run, for messages: `/usr/sbin/xl`.
    fn describe(&self) -> String;
}

//! Where the near end of a road (`channel`) meets its far end (a real host, or `sim`): three small traits.

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

//! Whether this process was forked since something was made.
//!
//! Asking for the process id would say so too, but it is a system call: as dear as the hypercall that it would guard.
//!
//! `unsafe` here: registering a handler for fork.
#![allow(unsafe_code)]

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many forks lie between this process and the first one that asked.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that something was made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u32);

impl Epoch {
    /// This process.
    pub(crate) fn now() -> Self {
        static REGISTERED: Once = Once::new();
        extern "C" fn in_child() {
            FORKS.fetch_add(1, Ordering::Relaxed);
        }
        REGISTERED.call_once(|| {
            // SAFETY: the handler only touches an atomic, and the library is never unloaded (-z nodelete). It fails only for lack
            // of memory.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
        Epoch(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this is a forked child of that process. Children that were made without libc's fork are not seen.
    pub(crate) fn is_over(self) -> bool {
        self.0 != FORKS.load(Ordering::Relaxed)
    }
}

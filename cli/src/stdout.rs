//! Standard output, closed or not.
//!
//! Unsafe: looks at a descriptor before `main`. Rust's runtime opens /dev/null in the place of a standard descriptor that
//! is closed, so from `main` on `xenith list >&-` looks as if its output had arrived.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

static CLOSED: AtomicBool = AtomicBool::new(false);

extern "C" fn look() {
    // SAFETY: asks about the number 1 and touches no memory.
    #[allow(unsafe_code)]
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    CLOSED.store(flags == -1, Ordering::Relaxed);
}

/// What the loader calls before `main`.
// SAFETY: the section holds addresses of functions that are called before `main`, and this is one. It needs nothing of what the
// runtime sets up later.
#[allow(unsafe_code)]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look;

/// Writes to standard output and flushes. A reader that has gone away (`xenith list | head -1`) is no failure; an output that is
/// closed, or full, is one.
pub(crate) fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    if bytes.is_empty() {
        return Ok(());
    }
    if CLOSED.load(Ordering::Relaxed) {
        return Err(Failure::failed("cannot write to standard output: it is closed"));
    }
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

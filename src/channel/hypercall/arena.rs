//! Buffers that a hypercall may point into.
//!
//! Xen reads and writes a caller's memory by its virtual addresses, at a moment when nothing can be paged in: a page that is
//! swapped out, or shared with a forked child and not yet copied, is EFAULT. So requests and answers live in the kernel's own buffers, which
//! it never moves (/dev/xen/hypercall, Linux 4.18 and later); where it has none, in anonymous pages that are locked, kept out of
//! children, and written to once so that they are this process's own. The kernel may still move such a page at the wrong
//! moment, which the caller of this module meets by asking again. (Facts: xen-abi.md 4.3.)
//!
//! `unsafe` here: mmap and its relatives, and a slice over the pages that they gave.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::fork::Epoch;
use crate::log::{Level, Log};
use crate::wire::port::Memory;

/// The pool belongs to the process that this one was forked from. No errno of Xen's.
pub(super) const FORKED: i32 = libc::ENOTCONN;

/// Where the pages of buffers come from.
#[derive(Debug, Clone, Default)]
pub(super) enum Pages {
    /// The process's own memory, locked.
    #[default]
    Locked,
    /// The kernel's device for such buffers.
    Kernel(Arc<File>),
}

/// Buffers of one size, lent to one hypercall at a time. Empty-handed, it makes another; a few are kept.
#[derive(Debug)]
pub(super) struct Pool {
    size: usize,
    pages: Pages,
    idle: Mutex<Vec<Buffer>>,
    epoch: Epoch,
    log: Log,
    said: AtomicBool,
}

impl Pool {
    /// A pool of buffers of at least `size` bytes, of which up to `keep` wait for use. The first is made now.
    pub(super) fn new(size: usize, keep: usize, pages: Pages, log: &Log) -> io::Result<Self> {
        let pool = Pool {
            size,
            pages,
            idle: Mutex::new(Vec::with_capacity(keep)),
            epoch: Epoch::now(),
            log: log.clone(),
            said: AtomicBool::new(false),
        };
        pool.give_back(pool.make()?);
        Ok(pool)
    }

    /// Lends a buffer to `use_it`. The pool's lock is not held meanwhile. Errors are an errno, as a hypercall's are:
    /// [`FORKED`] in a forked child, and mmap's.
    pub(super) fn with<R>(&self, use_it: impl FnOnce(&mut Buffer) -> R) -> Result<R, i32> {
        if self.epoch.is_over() {
            return Err(FORKED);
        }
        let idle = self.idle.lock().pop();
        let mut buffer = match idle {
            Some(buffer) => buffer,
            None => self.make().map_err(|error| error.raw_os_error().unwrap_or(libc::ENOMEM))?,
        };
        let result = use_it(&mut buffer);
        self.give_back(buffer);
        Ok(result)
    }

    fn make(&self) -> io::Result<Buffer> {
        if let Pages::Kernel(device) = &self.pages {
            match Buffer::from_kernel(device, self.size) {
                Ok(buffer) => return Ok(buffer),
                Err(error) => self.say_once(format_args!(
                    "the kernel gives no buffers for hypercalls ({error}): locked memory takes their place"
                )),
            }
        }
        let (buffer, unlocked) = Buffer::locked(self.size)?;
        if let Some(error) = unlocked {
            self.say_once(format_args!(
                "cannot lock {} bytes of memory ({error}): hypercalls may fail under memory pressure; raise RLIMIT_MEMLOCK",
                self.size
            ));
        }
        Ok(buffer)
    }

    /// A warning that would be the same for each buffer.
    fn say_once(&self, what: std::fmt::Arguments<'_>) {
        if !self.said.swap(true, Ordering::Relaxed) {
            self.log.say(Level::Warning, what);
        }
    }

    fn give_back(&self, buffer: Buffer) {
        let mut idle = self.idle.lock();
        if idle.len() < idle.capacity() {
            idle.push(buffer);
        }
    }
}

/// Whole pages, zeroed at first.
#[derive(Debug)]
pub(super) struct Buffer {
    base: NonNull<u8>,
    len: usize,
    epoch: Epoch,
}

// SAFETY: the pages belong to this value alone; the pointer is as good in one thread as in another.
unsafe impl Send for Buffer {}

impl Buffer {
    /// Pages of this process, with the reason where they could not be locked.
    fn locked(size: usize) -> io::Result<(Self, Option<io::Error>)> {
        let mut buffer = Self::map(size, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)?;
        // SAFETY: the mapping just made.
        let locked = unsafe { libc::mlock(buffer.base.as_ptr().cast(), buffer.len) } == 0;
        let unlocked = (!locked).then(io::Error::last_os_error);
        buffer.touch();
        Ok((buffer, unlocked))
    }

    /// Pages that the kernel keeps for hypercalls: the device maps them shared only.
    fn from_kernel(device: &File, size: usize) -> io::Result<Self> {
        Self::map(size, libc::MAP_SHARED, device.as_raw_fd())
    }

    fn map(size: usize, flags: libc::c_int, fd: libc::c_int) -> io::Result<Self> {
        let epoch = Epoch::now();
        let len = size.max(1).next_multiple_of(page_size());
        // SAFETY: a new mapping at an address of the kernel's choice.
        let pages =
            unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, fd, 0) };
        let base = match NonNull::new(pages.cast::<u8>()) {
            Some(base) if pages != libc::MAP_FAILED => base,
            _ => return Err(io::Error::last_os_error()),
        };
        // Before anything is locked: a child that forks in between must not share these pages. A kernel without the advice
        // (before 2.6.16) runs no Xen that this library knows, so its failure has no meaning of its own.
        // SAFETY: the mapping made above.
        unsafe { libc::madvise(pages, len, libc::MADV_DONTFORK) };
        Ok(Buffer { base, len, epoch })
    }

    /// Writes to each page, so that it is present and this process's own.
    pub(super) fn touch(&mut self) {
        let step = page_size();
        for page in self.bytes().chunks_mut(step) {
            if let Some(byte) = page.first_mut() {
                let address = ptr::from_mut(byte);
                // SAFETY: `address` comes from a valid reference; volatile, so that the write of an unchanged value happens.
                unsafe { address.write_volatile(address.read_volatile()) };
            }
        }
    }

    /// All of it.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `len` bytes at `base` are mapped for as long as `self`, initialized (zero at first), and borrowed from nowhere else.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }

    /// Where it stands.
    pub(super) fn address(&self) -> u64 {
        // Xen and the kernel write through this number, so it must count as exposed.
        self.base.as_ptr().expose_provenance() as u64
    }

    /// As a hypercall sees it.
    pub(super) fn memory(&mut self) -> Memory<'_> {
        Memory::new(self.address(), self.bytes())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // In a forked child these addresses are free or somebody else's by now (MADV_DONTFORK).
        if !self.epoch.is_over() {
            // SAFETY: mapped by `map` with this length, and nobody can reach it any more.
            unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
        }
    }
}

fn page_size() -> usize {
    // SAFETY: no preconditions.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_whole_pages_and_are_used_again() {
        let pool = Pool::new(10, 2, Pages::Locked, &Log::default()).unwrap();
        let first = pool
            .with(|buffer| {
                assert_eq!(buffer.bytes().len(), page_size());
                assert!(buffer.bytes().iter().all(|&byte| byte == 0));
                assert_eq!(buffer.address() % page_size() as u64, 0);
                buffer.address()
            })
            .unwrap();
        assert_eq!(pool.with(|buffer| buffer.address()).unwrap(), first);
    }

    #[test]
    fn callers_at_the_same_time_have_buffers_of_their_own() {
        let pool = Pool::new(4096, 1, Pages::Locked, &Log::default()).unwrap();
        let (one, two) = pool
            .with(|outer| {
                let inner = pool.with(|inner| inner.address()).unwrap();
                (outer.address(), inner)
            })
            .unwrap();
        assert_ne!(one, two);
        assert_eq!(pool.idle.lock().len(), 1, "no more than one is kept");
    }

    #[test]
    fn the_kernels_buffers_are_taken_where_it_gives_them_and_missed_where_it_does_not() {
        // A file stands in for the device: its pages show what was written into the buffer.
        let folder = std::env::temp_dir().join(format!("xenith-arena-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("hypercall");
        std::fs::write(&path, vec![0; page_size()]).unwrap();
        let device = File::options().read(true).write(true).open(&path).unwrap();
        let pool = Pool::new(4096, 1, Pages::Kernel(Arc::new(device)), &Log::default()).unwrap();
        pool.with(|buffer| buffer.bytes()[..5].copy_from_slice(b"hello")).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(b"hello"));
        std::fs::remove_dir_all(&folder).unwrap();

        let no_device = File::open("/proc/self/status").unwrap();
        let pool = Pool::new(4096, 1, Pages::Kernel(Arc::new(no_device)), &Log::default()).unwrap();
        pool.with(|buffer| assert_eq!(buffer.bytes()[0], 0)).unwrap();
        assert!(pool.said.load(Ordering::Relaxed), "a warning says that something else was taken");
    }

    #[test]
    fn a_forked_child_is_refused_and_can_drop_the_pool() {
        let pool = Pool::new(4096, 1, Pages::Locked, &Log::default()).unwrap();
        // SAFETY: the child calls nothing that could wait for another thread's lock, and leaves with _exit.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let refused = pool.with(|_| ()) == Err(FORKED);
            // Its own allocator is copied in whatever state other threads left it: forget rather than free the list.
            if let Some(mut idle) = pool.idle.try_lock() {
                idle.pop();
            }
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if refused { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: `status` is valid for writes, and `child` is this process's child.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!((waited, status), (child, 0));
        assert!(pool.with(|_| ()).is_ok());
    }
}

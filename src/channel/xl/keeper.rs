//! A process between this one and the command that it runs: it alone waits for the command, and tells how it ended.
//!
//! The library is a guest in any program. Where that program ignores SIGCHLD, a child's status is lost; where another of its
//! threads waits for any child, that thread takes it. So the command is a child of a *keeper*: a copy of this process made by
//! clone with no exit signal, which the kernel neither discards by the program's SIGCHLD nor shows to a wait for ordinary children (it
//! takes `__WCLONE`). A pidfd alone would not do: the command's own exit signal is SIGCHLD again as soon as it is executed.
//!
//! The keeper does only what is safe after a clone of a program with threads: system calls on memory that was made ready
//! before. It holds no descriptor but the command's and its own socket, it is in a session of its own, and it needs
//! nobody: when this process is killed, the command goes on and the keeper ends with it.
//!
//! `unsafe` here: the system calls for all that.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::null_mut;

use libc::{c_char, c_int, c_long, c_void, pid_t};

use crate::deadline::Deadline;

/// What a keeper says: what it is about, and a number or two.
type Message = [i32; 3];
/// The command's process: its number, which is its session's and process group's as well.
const STARTED: i32 = 1;
/// The command could not be started: the errno.
const FAILED: i32 = 2;
/// The command has ended: si_code and si_status of waitid(2). Its number stays taken until the keeper is let go.
const ENDED: i32 = 3;

/// Where the keeper's socket is in the keeper, after the command's 0 to 3. Closed when the command is executed.
const SOCKET: RawFd = 4;
/// From here on nothing is left open.
const FIRST_CLOSED: c_long = 5;
/// Where descriptors are put aside while 0 to 4 are given out.
const ASIDE: c_int = 16;

/// A command to be run.
pub(super) struct Command {
    path: CString,
    args: Vec<CString>,
    environment: Vec<CString>,
}

/// The descriptors that a command starts with; it has no others.
#[derive(Clone, Copy)]
pub(super) struct Descriptors<'a> {
    pub(super) stdin: BorrowedFd<'a>,
    pub(super) stdout: BorrowedFd<'a>,
    pub(super) stderr: BorrowedFd<'a>,
    /// Descriptor 3.
    pub(super) config: Option<BorrowedFd<'a>>,
}

/// What has become of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It runs, as this process.
    Started(pid_t),
    /// It has ended by itself, with this status.
    Exited(i32),
    /// It was ended by this signal.
    Killed(i32),
}

/// A keeper. Dropping it lets the command go on alone.
pub(super) struct Keeper {
    pid: pid_t,
    socket: OwnedFd,
}

impl Command {
    /// `args` includes the name that the command goes by; `environment` is all that it gets.
    ///
    /// Errors: a NUL among them.
    pub(super) fn new<'a>(
        path: &[u8],
        args: impl IntoIterator<Item = &'a [u8]>,
        environment: &[&str],
    ) -> io::Result<Command> {
        let text = |bytes: &[u8]| {
            CString::new(bytes).map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidInput, "a command's argument cannot hold a NUL")
            })
        };
        Ok(Command {
            path: text(path)?,
            args: args.into_iter().map(text).collect::<io::Result<_>>()?,
            environment: environment.iter().map(|entry| text(entry.as_bytes())).collect::<io::Result<_>>()?,
        })
    }
}

impl Command {
    pub(super) fn path(&self) -> &CStr {
        &self.path
    }
}

/// What the keeper works from: numbers and addresses, all of them made before it.
struct Plan {
    path: *const c_char,
    args: *const *const c_char,
    environment: *const *const c_char,
    descriptors: [RawFd; 5],
    socket: RawFd,
}

impl Keeper {
    /// Starts `command` under a keeper. What goes wrong from then on is told by [`Keeper::news`].
    pub(super) fn start(command: &Command, descriptors: Descriptors<'_>) -> io::Result<Keeper> {
        let args = pointers(&command.args);
        let environment = pointers(&command.environment);
        let (socket, far) = socket_pair()?;
        let plan = Plan {
            path: command.path.as_ptr(),
            args: args.as_ptr(),
            environment: environment.as_ptr(),
            descriptors: [
                descriptors.stdin.as_raw_fd(),
                descriptors.stdout.as_raw_fd(),
                descriptors.stderr.as_raw_fd(),
                descriptors.config.map_or(-1, |fd| fd.as_raw_fd()),
                far.as_raw_fd(),
            ],
            socket: far.as_raw_fd(),
        };
        // The program's handlers must not run in the copy, so no signal arrives there until each has its default again.
        let mask = block_signals()?;
        // No exit signal: see the module's description.
        // SAFETY: without CLONE_VM this is a fork: the copy has its own memory. It calls `keep`, which makes system calls on `plan` only and never
        // returns, so no lock that another thread held at this moment is waited for.
        let pid = unsafe { clone_process(0) };
        if pid == 0 {
            // SAFETY: this is the copy, and all that `plan` points to is alive in it.
            unsafe { keep(&plan) }
        }
        let failure = io::Error::last_os_error();
        // SAFETY: `mask` is what this thread's mask was.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &mask, null_mut()) };
        if pid < 0 {
            return Err(failure);
        }
        Ok(Keeper { pid, socket })
    }

    /// Waits for news until the deadline: None when there is none.
    ///
    /// Errors: why the command could not be started; `UnexpectedEof` when the keeper was killed.
    pub(super) fn news(&self, deadline: Deadline) -> io::Result<Option<News>> {
        loop {
            let mut polled = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: `polled` is one pollfd that outlives the call.
            let ready = unsafe { libc::poll(&mut polled, 1, deadline.poll_millis()) };
            if ready < 0 {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            if ready == 0 {
                if deadline.is_over() {
                    return Ok(None);
                }
                continue;
            }
            let mut message: Message = [0; 3];
            // SAFETY: `message` is valid for writes of its size; the socket is open as long as `self`.
            let got = unsafe {
                libc::recv(
                    self.socket.as_raw_fd(),
                    message.as_mut_ptr().cast(),
                    size_of::<Message>(),
                    libc::MSG_DONTWAIT,
                )
            };
            return match (got, message) {
                (-1, _) => {
                    let error = io::Error::last_os_error();
                    if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) {
                        continue;
                    }
                    Err(error)
                }
                (0, _) => Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the process that waited for it was killed; it may still run",
                )),
                (_, [STARTED, pid, _]) => Ok(Some(News::Started(pid))),
                (_, [FAILED, errno, _]) => Err(io::Error::from_raw_os_error(errno)),
                (_, [ENDED, libc::CLD_EXITED, status]) => Ok(Some(News::Exited(status))),
                (_, [ENDED, _, signal]) => Ok(Some(News::Killed(signal))),
                (_, other) => Err(io::Error::other(format!("the keeper said {other:?}"))),
            };
        }
    }

    /// Lets the keeper go after the command's end: the command's process is gone then. Answers the keeper's number
    /// where that did not end at once.
    pub(super) fn finish(self) -> Option<pid_t> {
        let pid = self.pid;
        drop(self.socket);
        // It waits for nothing but a child that is dead.
        (!reap(pid, 0)).then_some(pid)
    }

    /// Ends the keeper and lets the command go on without one.
    pub(super) fn release(self) {
        // SAFETY: no pointers. The keeper was not waited for, so the number is still its own.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        reap(self.pid, 0);
    }

    /// Leaves a command that does not end to itself. Answers the keeper's number: it is to be reaped some time.
    pub(super) fn leave(self) -> pid_t {
        self.pid
    }
}

/// Takes a keeper off the table of processes if it has ended; false while it runs. `options` as for waitpid(2).
pub(super) fn reap(pid: pid_t, options: c_int) -> bool {
    loop {
        // SAFETY: no status is asked for. `__WCLONE` keeps this from meeting an ordinary child of the program that got the number.
        let got = unsafe { libc::waitpid(pid, null_mut(), libc::__WCLONE | options) };
        if got != -1 {
            return got == pid;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            // A thread of the program waits for every kind of child and has taken it.
            return true;
        }
    }
}

/// Sends a signal to the process group of a command; only while its keeper is held, so that the number is its own.
pub(super) fn signal_group(pid: pid_t, signal: c_int) {
    // SAFETY: no pointers.
    unsafe {
        if libc::kill(-pid, signal) != 0 {
            // It has not come to make its group yet.
            libc::kill(pid, signal);
        }
    }
}

/// A list of addresses that ends with NULL, as execve(2) wants it.
fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut pair = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: `pair` has room for the two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let [near, far] = pair;
    // SAFETY: socketpair just returned these and nobody else has them.
    Ok(unsafe { (OwnedFd::from_raw_fd(near), OwnedFd::from_raw_fd(far)) })
}

/// Blocks every signal for this thread; answers its mask before.
fn block_signals() -> io::Result<libc::sigset_t> {
    // SAFETY: sigset_t is a plain bit set, for which zeroes are a value; both sets live on this stack.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        match libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before) {
            0 => Ok(before),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// A fork by the system call itself: the C library's would run the program's atfork handlers, which may wait for locks, and has no
/// way to ask for no exit signal.
///
/// # Safety
///
/// The copy must make system calls only, and end by `_exit` or execve.
unsafe fn clone_process(exit_signal: c_long) -> pid_t {
    let none: c_long = 0;
    // SAFETY: no memory is shared and no pointer passed; the new process goes on on its own copy of this stack.
    let pid = unsafe {
        // s390 alone has the first two the other way round, and no Xen.
        libc::syscall(libc::SYS_clone, exit_signal, none, none, none, none)
    };
    pid as pid_t
}

// ---- in the keeper: system calls only; nothing that allocates, locks, formats or panics ----

/// The keeper's life.
///
/// # Safety
///
/// To be called in a process that `clone_process` made, with a plan whose addresses are good.
unsafe fn keep(plan: &Plan) -> ! {
    // SAFETY: the system calls get addresses of this stack or of the plan, which the caller vouches for.
    unsafe {
        default_dispositions();
        // A caller that is gone is no reason to end.
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, c"xenith-keeper".as_ptr());
        if !arrange(&plan.descriptors) {
            tell(plan.socket, [FAILED, errno(), 0]);
            libc::_exit(1);
        }
        libc::umask(0o077);
        libc::chdir(c"/".as_ptr());

        let pid = clone_process(c_long::from(libc::SIGCHLD));
        if pid == 0 {
            become_command(plan);
        }
        if pid < 0 {
            tell(SOCKET, [FAILED, errno(), 0]);
            libc::_exit(1);
        }
        tell(SOCKET, [STARTED, pid, 0]);
        let mut end: libc::siginfo_t = std::mem::zeroed();
        // Not taken off the table yet: as long as its caller may want to signal it, its number must not go to another.
        while libc::waitid(libc::P_PID, pid as libc::id_t, &mut end, libc::WEXITED | libc::WNOWAIT) != 0 {
            if errno() != libc::EINTR {
                libc::_exit(1);
            }
        }
        tell(SOCKET, [ENDED, end.si_code, end.si_status()]);
        let mut word = 0u8;
        while libc::recv(SOCKET, (&raw mut word).cast(), 1, 0) < 0 && errno() == libc::EINTR {}
        libc::waitpid(pid, null_mut(), 0);
        libc::_exit(0);
    }
}

/// # Safety
///
/// As [`keep`], in the keeper's child.
unsafe fn become_command(plan: &Plan) -> ! {
    // SAFETY: as in `keep`.
    unsafe {
        libc::setsid();
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, null_mut());
        libc::execve(plan.path, plan.args, plan.environment);
        tell(SOCKET, [FAILED, errno(), 0]);
        libc::_exit(127);
    }
}

/// Every signal does what it does by default, and a blocked one that has arrived does nothing.
///
/// # Safety
///
/// Changes the whole process.
unsafe fn default_dispositions() {
    // The kernel's own structure is smaller than this; zeroes in it mean the default. By the system call, because the C library
    // refuses the two signals that it keeps for itself, which its posix_spawn leaves ignored.
    let default = [0u64; 8];
    let size_of_mask: c_long = 8;
    let mut signal: c_long = 1;
    while signal <= 64 {
        // SAFETY: `default` is valid for reads of more than the structure's size.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                null_mut::<c_void>(),
                size_of_mask,
            )
        };
        signal += 1;
    }
}

/// Gives out descriptors 0 to 4, -1 for none, and closes all others. False with errno where that fails.
///
/// # Safety
///
/// Closes what others may hold.
unsafe fn arrange(wanted: &[RawFd; 5]) -> bool {
    let mut aside = [-1; 5];
    // SAFETY: descriptors only.
    unsafe {
        for (from, to) in wanted.iter().zip(aside.iter_mut()) {
            if *from >= 0 {
                *to = libc::fcntl(*from, libc::F_DUPFD_CLOEXEC, ASIDE);
                if *to < 0 {
                    return false;
                }
            }
        }
        for (place, from) in (0..).zip(aside) {
            if from < 0 {
                libc::close(place);
            } else if libc::dup3(from, place, if place == SOCKET { libc::O_CLOEXEC } else { 0 }) < 0 {
                return false;
            }
        }
        close_from_five();
    }
    true
}

/// # Safety
///
/// As [`arrange`].
unsafe fn close_from_five() {
    // SAFETY: `entries` is valid for writes of its size; the kernel fills it with whole records.
    unsafe {
        // Linux 5.9.
        if libc::syscall(libc::SYS_close_range, FIRST_CLOSED, c_long::from(u32::MAX), 0 as c_long) == 0 {
            return;
        }
        let folder = libc::open(c"/proc/self/fd".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY);
        if folder < 0 {
            // No /proc: as many as a process usually has at most.
            let mut fd = FIRST_CLOSED as c_int;
            while fd < 65536 {
                libc::close(fd);
                fd += 1;
            }
            return;
        }
        let mut entries = [0u8; 4096];
        loop {
            let got = libc::syscall(
                libc::SYS_getdents64,
                c_long::from(folder),
                entries.as_mut_ptr(),
                entries.len(),
            );
            if got <= 0 {
                break;
            }
            let mut rest = entries.get(..got as usize).unwrap_or_default();
            // struct linux_dirent64: inode, offset, the record's length at 16, type, name at 19.
            while let Some(&[low, high]) = rest.get(16..18) {
                let len = usize::from(u16::from_ne_bytes([low, high]));
                let fd = number(rest.get(19..len).unwrap_or_default());
                if fd >= FIRST_CLOSED as c_int && fd != folder {
                    libc::close(fd);
                }
                rest = rest.get(len.max(19)..).unwrap_or_default();
            }
        }
        libc::close(folder);
    }
}

/// The decimal number before a NUL; -1 for other text.
fn number(text: &[u8]) -> c_int {
    let mut value: c_int = -1;
    for byte in text {
        match byte {
            0 => break,
            b'0'..=b'9' => value = value.max(0).wrapping_mul(10).wrapping_add(c_int::from(byte & 0xf)),
            _ => return -1,
        }
    }
    value
}

/// # Safety
///
/// None but that of system calls.
unsafe fn tell(socket: RawFd, message: Message) {
    // SAFETY: `message` is valid for reads of its size.
    unsafe {
        libc::send(
            socket,
            (&raw const message).cast::<c_void>(),
            size_of::<Message>(),
            libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
        );
    }
}

fn errno() -> c_int {
    // SAFETY: the address of this thread's errno is always good.
    unsafe { *libc::__errno_location() }
}

/// The name of a process, also of one that has ended and was not waited for: what it executed last.
pub(super) fn process_name(pid: pid_t) -> Option<Vec<u8>> {
    let mut name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    while name.last() == Some(&b'\n') {
        name.pop();
    }
    Some(name)
}

/// What [`process_name`] answers for a file of that path: the kernel keeps 15 bytes.
pub(super) fn process_name_of(path: &CStr) -> Vec<u8> {
    let name = path.to_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.iter().copied().take(15).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_descriptors_are_read_and_nothing_else_is() {
        assert_eq!(number(b"17\0rest"), 17);
        assert_eq!(number(b"."), -1);
        assert_eq!(number(b"..\0"), -1);
        assert_eq!(number(b""), -1);
    }

    #[test]
    fn a_long_name_is_cut_as_the_kernel_cuts_it() {
        assert_eq!(process_name_of(c"/usr/bin/systemd-run"), b"systemd-run");
        assert_eq!(process_name_of(c"/a/a-very-long-name-of-a-file"), b"a-very-long-nam");
    }
}

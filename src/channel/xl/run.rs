//! Runs this machine's xl: one process for each call, and nothing of it left but what xl leaves on purpose.
//!
//! The command gets /dev/null to read, files without a name to write to and to read its configuration from, a small environment,
//! the folder `/`, a session of its own, and no other descriptor. So neither the end of this process nor a reader that does not
//! read stops it: it finishes what it has begun. `keeper` says who waits for it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;

use super::keeper::{Command, Descriptors, Keeper, News, process_name, process_name_of, reap, signal_group};
use super::{anonymous, find, monitors};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::log::{Level, Log};
use crate::wire::port::{MAX_TOOL_OUTPUT, ToolExit, ToolMonitor, ToolOutcome, ToolRun, Toolstack};

/// All that the command sees of an environment. xl's scripts look for `ip`, `brctl` and `losetup` along the path; its messages are read
/// in no language but C's.
pub(super) const ENVIRONMENT: [&str; 3] =
    ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/"];

/// How long a command that is late has to end by itself, and then to be gone. What the kernel does not let go of even then (a process
/// in the middle of an I/O that hangs) is left behind.
const GRACE: [(i32, Duration); 2] =
    [(libc::SIGTERM, Duration::from_millis(1000)), (libc::SIGKILL, Duration::from_millis(2000))];

/// How often the size of the output is looked at, and when it is too much: the files lie in memory.
const LOOK: Duration = Duration::from_secs(1);
const TOO_MUCH: u64 = 4 * MAX_TOOL_OUTPUT as u64;

/// Where systemd can be asked for a scope.
const SYSTEMD: &str = "/run/systemd/system";
const SYSTEMD_RUN: [&str; 2] = ["/usr/bin/systemd-run", "/bin/systemd-run"];

/// What is asked of systemd-run. At the host's shutdown all scopes are ended side by side with the service that saves the domains, and
/// monitors and device models with them; what is before it when it starts is ended after it.
pub(super) const SCOPE: [&str; 5] = [
    "--scope",
    "--collect",
    "--quiet",
    "--property=Before=xendomains.service",
    "--description=A Xen domain's monitor and device model",
];

/// systemd-run, where systemd runs this machine and this process may ask it.
pub(super) fn systemd_run() -> Option<PathBuf> {
    if !Path::new(SYSTEMD).is_dir() || !is_root() {
        return None;
    }
    SYSTEMD_RUN.iter().map(PathBuf::from).find(|path| find::runnable(path).is_ok())
}

/// This machine's xl command.
pub struct LocalXl {
    path: PathBuf,
    /// systemd-run, where what leaves a process behind is to run in a scope of its own.
    scopes: Option<PathBuf>,
    log: Log,
    /// Keepers of commands that could not be ended.
    left: Mutex<Vec<i32>>,
}

impl LocalXl {
    /// `path`, or where it usually is; see [`super::Xl::find`].
    pub fn find(path: Option<&Path>, log: &Log) -> Result<LocalXl> {
        let path = find::find(path)?;
        Ok(LocalXl { path, scopes: systemd_run(), log: log.clone(), left: Mutex::default() })
    }

    /// Another systemd-run, or none.
    #[must_use]
    pub fn with_scopes(mut self, systemd_run: Option<PathBuf>) -> LocalXl {
        self.scopes = systemd_run;
        self
    }

    /// Runs it by way of systemd-run: the outcome, and whether xl came to run at all.
    fn run_in_scope(
        &self,
        systemd_run: &Path,
        options: &[&str],
        run: ToolRun<'_>,
        deadline: Deadline,
    ) -> io::Result<(ToolOutcome, bool)> {
        let unit = format!("--unit={}", unit_name(run.args));
        let words = SCOPE
            .into_iter()
            .chain([unit.as_str()])
            .chain(options.iter().copied())
            .chain(["--"])
            .map(str::as_bytes);
        let args = [systemd_run.as_os_str().as_bytes()]
            .into_iter()
            .chain(words)
            .chain([self.path.as_os_str().as_bytes()])
            .chain(run.args.iter().map(|arg| arg.as_bytes()));
        let command = Command::new(systemd_run.as_os_str().as_bytes(), args, &ENVIRONMENT)?;
        self.run_command(&command, run.config, deadline)
            .map(|done| (done.outcome, done.name.is_none_or(|name| name != process_name_of(command.path()))))
    }

    fn run_plainly(&self, run: ToolRun<'_>, deadline: Deadline) -> io::Result<ToolOutcome> {
        let path = self.path.as_os_str().as_bytes();
        let args = [path].into_iter().chain(run.args.iter().map(|arg| arg.as_bytes()));
        let command = Command::new(path, args, &ENVIRONMENT)?;
        self.run_command(&command, run.config, deadline).map(|done| done.outcome)
    }

    fn run_command(&self, command: &Command, config: Option<&[u8]>, deadline: Deadline) -> io::Result<Done> {
        self.left.lock().retain(|pid| !reap(*pid, libc::WNOHANG));
        let mut output = Output::new()?;
        let config = config.map(anonymous::holding).transpose()?;
        let null = File::open("/dev/null")?;
        let keeper = Keeper::start(
            command,
            Descriptors {
                stdin: null.as_fd(),
                stdout: output.stdout.as_fd(),
                stderr: output.stderr.as_fd(),
                config: config.as_ref().map(AsFd::as_fd),
            },
        )?;
        let mut pid = None;
        let followed = follow(&keeper, &mut pid, &output, deadline);
        // Before the keeper is let go: the process is not off the table yet.
        let name = pid.and_then(process_name);
        let exit = match followed {
            Ok(Some(exit)) => {
                self.left.lock().extend(keeper.finish());
                exit
            }
            Ok(None) => {
                self.left.lock().push(keeper.leave());
                ToolExit::Late
            }
            Err(error) => {
                let keeper = keeper.leave();
                if !reap(keeper, libc::WNOHANG) {
                    self.left.lock().push(keeper);
                }
                return Err(error);
            }
        };
        let (stdout, stderr) = output.read()?;
        Ok(Done { outcome: ToolOutcome { exit, stdout, stderr }, name })
    }
}

struct Done {
    outcome: ToolOutcome,
    /// What the process was when it ended, where that is known.
    name: Option<Vec<u8>>,
}

impl Toolstack for LocalXl {
    fn run(&self, run: ToolRun<'_>, deadline: Deadline) -> io::Result<ToolOutcome> {
        let Some(systemd_run) = self.scopes.as_deref().filter(|_| leaves_a_monitor(run.args)) else {
            return self.run_plainly(run, deadline);
        };
        // From 254 on systemd-run may take `$` in the command for a variable, and has an option against it; before, it has neither.
        let dollar = run.args.iter().any(|arg| arg.as_bytes().contains(&b'$'));
        let options: &[&[&str]] = if dollar { &[&["--expand-environment=no"], &[]] } else { &[&[]] };
        let mut said = String::new();
        for options in options {
            match self.run_in_scope(systemd_run, options, run, deadline) {
                Ok((outcome, true)) => return Ok(outcome),
                Ok((outcome, false)) if outcome.exit == ToolExit::Late => return Ok(outcome),
                Ok((outcome, false)) => {
                    said = String::from_utf8_lossy(&outcome.stderr).lines().take(1).collect()
                }
                Err(error) => said = error.to_string(),
            }
        }
        self.log.say(
            Level::Warning,
            format_args!(
                "xl runs without a scope of its own, so that stopping this service would end the domain's monitor: {} says: {said}",
                systemd_run.display()
            ),
        );
        self.run_plainly(run, deadline)
    }

    fn monitors(&self) -> io::Result<Vec<ToolMonitor>> {
        monitors::running(Path::new("/proc"))
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

/// Waits for the command's end, and brings it about when it is late. None: not even that worked.
fn follow(
    keeper: &Keeper,
    pid: &mut Option<i32>,
    output: &Output,
    deadline: Deadline,
) -> io::Result<Option<ToolExit>> {
    loop {
        match keeper.news(deadline.min(Deadline::after(LOOK)))? {
            Some(News::Started(started)) => *pid = Some(started),
            Some(News::Exited(code)) => return Ok(Some(ToolExit::Code(code))),
            Some(News::Killed(signal)) => return Ok(Some(ToolExit::Signal(signal))),
            None if deadline.is_over() => {
                return end(keeper, pid).map(|ended| ended.then_some(ToolExit::Late));
            }
            None if output.is_too_much() => {
                return end(keeper, pid).map(|ended| ended.then_some(ToolExit::Signal(libc::SIGXFSZ)));
            }
            None => {}
        }
    }
}

/// Ends a command and all that it waits for: its process group. Monitors and device models have sessions of their own.
fn end(keeper: &Keeper, pid: &mut Option<i32>) -> io::Result<bool> {
    for (signal, grace) in GRACE {
        if let Some(pid) = *pid {
            signal_group(pid, signal);
        }
        let deadline = Deadline::after(grace);
        loop {
            match keeper.news(deadline)? {
                Some(News::Started(started)) => {
                    *pid = Some(started);
                    signal_group(started, signal);
                }
                Some(News::Exited(_) | News::Killed(_)) => {
                    // What it had started may be of a tougher kind.
                    if let Some(pid) = *pid {
                        signal_group(pid, libc::SIGKILL);
                    }
                    return Ok(true);
                }
                None => break,
            }
        }
    }
    Ok(false)
}

/// The files that a command writes to.
struct Output {
    stdout: File,
    stderr: File,
}

impl Output {
    fn new() -> io::Result<Output> {
        Ok(Output { stdout: anonymous::file()?, stderr: anonymous::file()? })
    }

    fn is_too_much(&self) -> bool {
        [&self.stdout, &self.stderr]
            .iter()
            .any(|file| file.metadata().is_ok_and(|metadata| metadata.len() > TOO_MUCH))
    }

    fn read(&mut self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        Ok((
            anonymous::content(&mut self.stdout, MAX_TOOL_OUTPUT)?,
            anonymous::content(&mut self.stderr, MAX_TOOL_OUTPUT)?,
        ))
    }
}

/// Whether xl leaves a process behind that acts when the domain ends.
fn leaves_a_monitor(args: &[OsString]) -> bool {
    args.iter()
        .map(OsString::as_os_str)
        .find(|arg| !arg.as_bytes().starts_with(b"-"))
        .is_some_and(|verb| verb == OsStr::new("create") || verb == OsStr::new("restore"))
}

/// A name for the scope that no other has: those of the domain's former lives may still be ending.
pub(super) fn unit_name(args: &[OsString]) -> String {
    let mut random = [0; 6];
    // Without random numbers the process and the moment tell it apart.
    if getrandom::fill(&mut random).is_err() {
        let moment = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64);
        let moment = (moment ^ (u64::from(std::process::id()) << 24)).to_be_bytes();
        random.iter_mut().zip(moment.into_iter().skip(2)).for_each(|(to, from)| *to = from);
    }
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    match monitors::uuid_among(args) {
        Some(uuid) => format!("xenith-{uuid}-{random}"),
        None => format!("xenith-{random}"),
    }
}

#[allow(unsafe_code, reason = "the standard library does not tell the user")]
fn is_root() -> bool {
    // SAFETY: no pointers, and it cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn only_what_begins_a_life_leaves_a_monitor() {
        assert!(leaves_a_monitor(&args(&["create", "-p", "/proc/self/fd/3"])));
        assert!(leaves_a_monitor(&args(&["-v", "restore", "/f"])));
        assert!(!leaves_a_monitor(&args(&["destroy", "create"])));
        assert!(!leaves_a_monitor(&[]));
    }

    #[test]
    fn each_scope_has_a_name_of_its_own_that_names_the_domain() {
        let create = args(&["create", "f", "uuid=\"4dea22b3-1d52-d8f3-2516-782e98ab3fa0\""]);
        let (one, two) = (unit_name(&create), unit_name(&create));
        assert!(one.starts_with("xenith-4dea22b3-1d52-d8f3-2516-782e98ab3fa0-"), "{one}");
        assert_ne!(one, two);
        assert!(unit_name(&args(&["restore", "f"])).starts_with("xenith-"));
    }
}

//! A process of our own that minds a domain, in the place of a monitor of xl's that is missing: starting it, and seeing to it that
//! there is one.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keeper::{Command, Descriptors, Keeper, News, signal_group};
use super::run::{ENVIRONMENT, SCOPE, systemd_run, unit_name};
use super::{anonymous, find};
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::log::{Level, Log};
use crate::model::Uuid;

/// Where the locks are: a folder that the next start of the host finds empty, and that only root writes to.
const LOCKS: &str = "/run/xenith";

/// Where the installed command is: beside this library by its build, or where `make install` and packages put it.
const USUAL: [&str; 2] = ["/usr/local/bin", "/usr/bin"];

/// Where xl's monitors write as well.
const LOGS: &str = "/var/log/xen";

/// How often a new process is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How much of what it said is told.
const MAX_WORDS: u64 = 4096;

/// Says that this process minds a domain, to all others, until it is dropped or the process ends.
#[derive(Debug)]
pub struct MindLock {
    path: PathBuf,
    _file: File,
}

impl MindLock {
    /// Takes the domain's lock; None where another process of ours has it.
    pub fn take(uuid: Uuid) -> Result<Option<MindLock>> {
        Self::take_in(Path::new(LOCKS), uuid)
            .map_err(|error| Error::from_io(Road::Xl, format_args!("cannot make a lock in {LOCKS}"), &error))
    }

    fn take_in(folder: &Path, uuid: Uuid) -> io::Result<Option<MindLock>> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let path = lock_path(folder, uuid);
        loop {
            let file = open_lock(OpenOptions::new().write(true).create(true), &path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => return Ok(None),
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
            // Its last owner may have removed it between the two steps: then it is nobody's file any more.
            let inode = file.metadata()?.ino();
            if path.symlink_metadata().is_ok_and(|now| now.ino() == inode) {
                return Ok(Some(MindLock { path, _file: file }));
            }
        }
    }

    /// Whether a process of ours minds the domain.
    pub fn is_held(uuid: Uuid) -> bool {
        Self::is_taken(Path::new(LOCKS), uuid)
    }

    fn is_taken(folder: &Path, uuid: Uuid) -> bool {
        // Not taken even for a moment: its owner might just come for it.
        open_lock(OpenOptions::new().read(true), &lock_path(folder, uuid))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }
}

impl Drop for MindLock {
    fn drop(&mut self) {
        // Still locked: see `take_in`.
        let _ = fs::remove_file(&self.path);
    }
}

fn lock_path(folder: &Path, uuid: Uuid) -> PathBuf {
    folder.join(format!("monitor-{uuid}.lock"))
}

fn open_lock(how: &mut OpenOptions, path: &Path) -> io::Result<File> {
    how.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
}

/// Starts `xenith --connect URI monitor UUID` as a process of its own, and waits until it minds the domain.
///
/// Errors: [`Status::NoConnect`] where the command is not installed, [`Status::OperationFailed`] with its words when it ends,
/// [`Status::Timeout`].
pub fn start_monitor(uri: &str, uuid: Uuid, log: &Log, deadline: Deadline) -> Result<()> {
    let command = own_command()?;
    start(&command, systemd_run().as_deref(), Path::new(LOCKS), uri, uuid, log, deadline)
}

/// The installed xenith command.
fn own_command() -> Result<PathBuf> {
    let folders = option_env!("XENITH_BINDIR").into_iter().chain(USUAL);
    let candidates: Vec<PathBuf> = folders.map(|folder| Path::new(folder).join("xenith")).collect();
    candidates.iter().find(|path| find::runnable(path).is_ok()).cloned().ok_or_else(|| {
        let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        let message = format!(
            "the xenith command, which would be the monitor, is not installed: looked for {}",
            looked.join(", ")
        );
        Error::new(Status::NoConnect, message).on(Road::Xl)
    })
}

fn start(
    command: &Path,
    systemd_run: Option<&Path>,
    locks: &Path,
    uri: &str,
    uuid: Uuid,
    log: &Log,
    deadline: Deadline,
) -> Result<()> {
    let failed = |error: io::Error| {
        Error::from_io(Road::Xl, format_args!("cannot start {}", command.display()), &error)
    };
    let uuid_text = uuid.to_string();
    let monitor: [&[u8]; 5] =
        [command.as_os_str().as_bytes(), b"--connect", uri.as_bytes(), b"monitor", uuid_text.as_bytes()];
    if let Some(systemd_run) = systemd_run {
        let unit = format!("--unit={}", unit_name(&[OsString::from(format!("uuid={uuid}"))]));
        let words = SCOPE.into_iter().chain([unit.as_str(), "--"]).map(str::as_bytes);
        let args = [systemd_run.as_os_str().as_bytes()].into_iter().chain(words).chain(monitor);
        let scoped = Command::new(systemd_run.as_os_str().as_bytes(), args, &ENVIRONMENT).map_err(failed)?;
        match start_one(&scoped, locks, uuid, deadline) {
            Err(error) if error.status != Status::Timeout => log.say(
                Level::Warning,
                format_args!("a monitor in a scope of its own could not be started: {error}"),
            ),
            done => return done,
        }
    }
    let plain = Command::new(command.as_os_str().as_bytes(), monitor, &ENVIRONMENT).map_err(failed)?;
    start_one(&plain, locks, uuid, deadline)
}

fn start_one(command: &Command, locks: &Path, uuid: Uuid, deadline: Deadline) -> Result<()> {
    let failed = |error: io::Error| Error::from_io(Road::Xl, "cannot start a monitor", &error);
    let null = File::open("/dev/null").map_err(failed)?;
    let (mut words, before) = log_file(uuid).map_err(failed)?;
    let keeper = Keeper::start(
        command,
        Descriptors { stdin: null.as_fd(), stdout: words.as_fd(), stderr: words.as_fd(), config: None },
    )
    .map_err(failed)?;
    let mut pid = None;
    loop {
        match keeper.news(deadline.min(Deadline::after(LOOK))) {
            Ok(Some(News::Started(started))) => pid = Some(started),
            Ok(Some(News::Exited(_) | News::Killed(_))) => {
                keeper.finish();
                let said = said_since(&mut words, before);
                let message = format!("the new monitor ended at once: {said}");
                return Err(Error::new(Status::OperationFailed, message).on(Road::Xl));
            }
            Ok(None) if MindLock::is_taken(locks, uuid) => {
                keeper.release();
                return Ok(());
            }
            Ok(None) if deadline.is_over() => {
                if let Some(pid) = pid {
                    signal_group(pid, libc::SIGKILL);
                }
                keeper.release();
                let message = "the new monitor did not come to mind the domain in time, and was ended";
                return Err(Error::new(Status::Timeout, message).on(Road::Xl));
            }
            Ok(None) => {}
            Err(error) => {
                keeper.release();
                return Err(failed(error));
            }
        }
    }
}

/// Where a monitor writes, beside xl's logs, and how much is there already. Where that cannot be, into a file that ends with it.
fn log_file(uuid: Uuid) -> io::Result<(File, u64)> {
    let path = Path::new(LOGS).join(format!("xenith-{uuid}.log"));
    let file = open_lock(OpenOptions::new().read(true).append(true).create(true), &path)
        .or_else(|_| anonymous::file())?;
    let before = file.metadata()?.len();
    Ok((file, before))
}

fn said_since(file: &mut File, before: u64) -> String {
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(before)).and_then(|_| file.take(MAX_WORDS).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match read {
        Ok(_) if !lines.is_empty() => {
            lines.join("; ").chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
        }
        _ => "it said nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xenith-own-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn one_process_minds_a_domain_and_leaves_no_lock_behind() {
        let folder = folder("locks");
        let uuid = Uuid::from_u128(1);
        let lock = MindLock::take_in(&folder, uuid).unwrap().unwrap();
        assert!(MindLock::is_taken(&folder, uuid));
        assert!(MindLock::take_in(&folder, uuid).unwrap().is_none());
        assert!(MindLock::take_in(&folder, Uuid::from_u128(2)).unwrap().is_some());
        drop(lock);
        assert!(!MindLock::is_taken(&folder, uuid));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        assert!(MindLock::take_in(&folder, uuid).unwrap().is_some());
        fs::remove_dir_all(folder).unwrap();
    }

    /// A stand-in for the command, written by another process: see tests/xl_runner.rs.
    fn stand_in(folder: &Path, script: &str) -> PathBuf {
        let (source, path) = (folder.join("source"), folder.join("xenith"));
        fs::write(&source, format!("#!/bin/bash\n{script}\n")).unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).unwrap();
        let copied = std::process::Command::new("cp").arg("-p").args([&source, &path]).status().unwrap();
        assert!(copied.success());
        path
    }

    fn try_start(folder: &Path, script: &str, seconds: f64) -> Result<()> {
        let command = stand_in(folder, script);
        let deadline = Deadline::after(Duration::from_secs_f64(seconds));
        start(&command, None, folder, "xen:///?store=/a b", Uuid::from_u128(7), &Log::default(), deadline)
    }

    #[test]
    fn a_monitor_is_there_once_it_holds_the_lock_and_lives_on() {
        let folder = folder("start");
        let at = folder.display();
        let script = format!(
            "printf '%s|' \"$@\" > {at}/args; echo $$ > {at}/pid\n\
             exec flock {at}/monitor-$4.lock sleep 1000"
        );
        try_start(&folder, &script, 60.0).unwrap();
        let args = fs::read_to_string(folder.join("args")).unwrap();
        assert_eq!(args, "--connect|xen:///?store=/a b|monitor|00000000-0000-0000-0000-000000000007|");
        let pid = fs::read_to_string(folder.join("pid")).unwrap();
        assert!(Path::new("/proc").join(pid.trim()).exists());
        // The group of it: flock and its sleep.
        std::process::Command::new("kill").args(["--", &format!("-{}", pid.trim())]).status().unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_monitor_that_ends_or_never_minds_is_an_error_with_its_words() {
        let folder = folder("fail");
        let error = try_start(&folder, "echo 'no such domain' >&2; exit 1", 60.0).unwrap_err();
        assert_eq!(error.status, Status::OperationFailed);
        assert!(error.message.ends_with("ended at once: no such domain"), "{error}");
        let error = try_start(&folder, "exec sleep 1000", 1.0).unwrap_err();
        assert_eq!(error.status, Status::Timeout);
        fs::remove_dir_all(folder).unwrap();
        // What a root's run of this test leaves among the logs.
        let _ = fs::remove_file(Path::new(LOGS).join(format!("xenith-{}.log", Uuid::from_u128(7))));
    }
}

//! The folder of a host that lives in one process. The process may end without closing anything, so nothing here relies on being
//! dropped: while a folder is in use it is locked (flock, which ends with the process), and whoever makes one first removes those
//! of the same user that nobody holds any more.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sys;

/// Names are this, the process's number, a dot, and 32 hexadecimal digits.
const PREFIX: &str = "xenith-sim.";

/// How often it is tried to get the lock of a folder just made: somebody who sweeps may hold it for a moment.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// A name that nobody else can guess, in the folder for temporary files. Nothing is made yet.
pub(super) fn path() -> PathBuf {
    let unique = uuid::Uuid::new_v4().simple();
    sys::temp_dir().join(format!("{PREFIX}{}.{unique}", std::process::id()))
}

/// Makes the folder `path`, for its owner alone; it is in use until the file is closed. Folders beside it that are in nobody's use
/// any more are removed before.
pub(super) fn make(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        sweep(parent);
    }
    for _ in 0..TRIES {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // Gone or locked: somebody swept it away between its making and its locking.
        match lock(path) {
            Ok(Some(file)) => return Ok(file),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::thread::sleep(PAUSE),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Removes the folders in `parent` whose processes have ended. What cannot be removed stays: it is in nobody's way.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !is_ours(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        if let Ok(Some(_held)) = lock(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn is_ours(name: &std::ffi::OsStr) -> bool {
    let Some((pid, unique)) =
        name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    pid.parse::<u32>().is_ok() && unique.len() == 32 && unique.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Takes the lock of a folder of this user's. None where somebody has it, where it is another user's, and where the folder that was
/// locked is no longer the one of that name: who sweeps holds the lock until it is gone.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let folder = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let held = folder.metadata()?;
    if held.uid() != sys::user() || !sys::try_lock(&folder)? {
        return Ok(None);
    }
    let there = fs::symlink_metadata(path)?;
    Ok(((there.dev(), there.ino()) == (held.dev(), held.ino())).then_some(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder for temporary files of a test's own.
    fn parent(name: &str) -> PathBuf {
        let parent = std::env::temp_dir().join(format!("xenith-scratch-{name}-{}", std::process::id()));
        fs::create_dir(&parent).unwrap();
        parent
    }

    fn name(n: u32) -> String {
        format!("{PREFIX}1.{n:032x}")
    }

    #[test]
    fn a_folder_lasts_while_it_is_in_use_and_the_next_host_removes_it_after() {
        let parent = parent("use");
        let [one, two, three] = [1, 2, 3].map(|n| parent.join(name(n)));
        let held = make(&one).unwrap();
        fs::create_dir(one.join("domains")).unwrap();
        let other = make(&two).unwrap();
        assert!(one.exists(), "somebody uses it");
        drop(held);
        let _third = make(&three).unwrap();
        assert!(!one.exists() && two.exists());
        assert_eq!(three.metadata().unwrap().mode() & 0o777, 0o700);
        drop(other);
        fs::remove_dir_all(&parent).unwrap();
    }

    #[test]
    fn nothing_else_is_swept_away() {
        let parent = parent("else");
        let others =
            ["xenith-sim.1.short", "xenith-sim-xend", "xenith-sim.x.0123456789abcdef0123456789abcdef"];
        for other in others {
            fs::create_dir(parent.join(other)).unwrap();
        }
        let aim = parent.join("xenith-sim.x.0123456789abcdef0123456789abcdef");
        std::os::unix::fs::symlink(&aim, parent.join(name(7))).unwrap();
        fs::write(parent.join(name(8)), "a file").unwrap();
        sweep(&parent);
        for kept in others.map(str::to_owned).into_iter().chain([name(7), name(8)]) {
            assert!(parent.join(&kept).symlink_metadata().is_ok(), "{kept}");
        }
        fs::remove_dir_all(&parent).unwrap();
    }

    #[test]
    fn who_makes_a_folder_has_it_however_many_sweep_meanwhile() {
        let parent = parent("race");
        std::thread::scope(|scope| {
            for maker in 0..4 {
                let parent = &parent;
                scope.spawn(move || {
                    for round in 0..50 {
                        let path = parent.join(name(maker * 1000 + round));
                        let held = make(&path).unwrap();
                        sweep(parent);
                        fs::write(path.join("mine"), "").unwrap();
                        assert!(path.join("mine").exists());
                        drop(held);
                    }
                });
            }
        });
        sweep(&parent);
        assert_eq!(fs::read_dir(&parent).unwrap().count(), 0, "nobody's any more");
        fs::remove_dir_all(&parent).unwrap();
    }
}

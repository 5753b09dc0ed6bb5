//! Where inactive domains live when no daemon keeps them: domain files in /etc/xen (docs/model.md, "Domain files").
//!
//! | file | what it does |
//! | --- | --- |
//! | `scan` | finds the domains in the folder, and what clashes |
//! | `watch` | whether the folder has changed since |
//! | `snapshot` | what was found, and the questions about it |
//! | `change` | define and undefine |
//! | `autostart` | the links that the xendomains service reads |
//! | `file`, `atomic`, `lock` | reading, writing, and who may write |
//! | `language` | xl's or xm's |
//! | `names`, `identity`, `sidecar` | files' names, derived uuids and addresses, what no such language can say |

mod atomic;
mod autostart;
mod change;
mod file;
mod identity;
mod language;
mod lock;
mod names;
mod scan;
pub mod sidecar;
mod snapshot;
mod watch;

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use once_cell::sync::OnceCell;
use parking_lot::Mutex;

pub use language::Language;
pub use snapshot::{Entry, Lives, Problem, Snapshot};

use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::log::{Level, Log};
use crate::model::{Guest, Uuid};
use scan::Scan;
use watch::Watch;

/// The usual folder.
pub const DEFAULT_FOLDER: &str = "/etc/xen";

/// The longest file that is read, bytes.
const MAX_FILE: usize = 1 << 20;
/// How many files of a folder are read at most, and how many names are looked at for that.
const MAX_FILES: usize = 10_000;
const MAX_NAMES: usize = 100_000;
/// How many bytes of domain files are kept at most.
const MAX_TEXT: usize = 64 << 20;

/// What is known of the folder.
#[derive(Debug, Default)]
struct Seen {
    /// What the last look found.
    scan: Arc<Scan>,
    /// Tells whether that is still so; None where nothing can.
    watch: Option<Watch>,
    /// The watch has been quiet since before that look began.
    is_sure: bool,
    /// How many looks have begun: one that another has overtaken is sure of nothing.
    looks: u64,
}

/// A folder of domain files. Usable from any thread; held open between calls is what tells whether the folder has changed, one descriptor.
pub struct Store {
    folder: PathBuf,
    language: Language,
    log: Log,
    last: Mutex<Seen>,
    machine: OnceCell<String>,
}

impl Store {
    /// The store in that folder, of files in xl's language. Nothing is read yet; a folder that is not there holds nothing.
    pub fn new(folder: &Path, log: Log) -> Store {
        let (last, machine) = (Mutex::default(), OnceCell::new());
        Store { folder: folder.to_owned(), language: Language::Xl, log, last, machine }
    }

    /// The same of files in another language.
    pub fn in_language(self, language: Language) -> Store {
        Store { language, ..self }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything. Files that did not change since the last call are not read again, and the same snapshot is returned where none did.
    ///
    /// Errors: [`Status::AccessDenied`] and others of the file system where the folder cannot be read, [`Status::OperationFailed`] where it holds
    /// more than 10,000 files. A file that cannot be read is no error but a [`Problem`].
    pub fn read(&self) -> Result<Arc<Snapshot>> {
        Ok(self.scan()?.snapshot.clone())
    }

    /// Makes a domain persistent or replaces its file. `guest` has a name, a uuid and MAC addresses.
    ///
    /// Errors: [`Status::Exists`] where another uuid has the name, [`Status::InvalidConfig`] where a broken file stands in
    /// the way, [`Status::NotSupported`] for what the language cannot say, [`Status::Timeout`] when others hold the
    /// lock, [`Status::AccessDenied`] where this user may not write, and those of the file system. In each case all is as it was, but for a
    /// disk that fails after the new file was put in its place: the error says that then.
    pub fn define(&self, guest: &Guest, deadline: Deadline) -> Result<Entry> {
        self.define_as(guest.uuid.unwrap_or_default(), guest, deadline)
    }

    /// [`Self::define`] for the domain that the store knows as `known`, when that is not the guest's uuid: a file without one, whose domain somebody
    /// else started, so that it lives with another uuid ([`Snapshot::of_live`]). The file has the guest's uuid from then on.
    ///
    /// Errors: as define, and [`Status::Exists`] where the file says its uuid itself: a domain's uuid does not change.
    pub fn define_as(&self, known: Uuid, guest: &Guest, deadline: Deadline) -> Result<Entry> {
        change::define(self, known, guest, deadline)
    }

    /// Forgets a domain: its file, sidecar and autostart links. Where the file is a link, its target stays.
    ///
    /// Errors: [`Status::NotFound`], [`Status::InvalidConfig`] where two files claim the uuid, and those of [`Self::define`].
    pub fn undefine(&self, uuid: Uuid, deadline: Deadline) -> Result<()> {
        change::undefine(self, uuid, deadline)
    }

    /// Whether it starts with the host.
    ///
    /// Errors: [`Status::NotFound`], and those of the file system.
    pub fn autostart(&self, uuid: Uuid) -> Result<bool> {
        change::autostart(self, uuid)
    }

    /// Sets whether it starts with the host.
    ///
    /// Errors: [`Status::NotFound`], and those of [`Self::define`].
    pub fn set_autostart(&self, uuid: Uuid, autostart: bool, deadline: Deadline) -> Result<()> {
        change::set_autostart(self, uuid, autostart, deadline)
    }

    fn scan(&self) -> Result<Arc<Scan>> {
        let (old, look) = {
            let mut seen = self.last.lock();
            let Seen { scan, watch, is_sure, looks } = &mut *seen;
            let is_quiet = watch.as_mut().is_some_and(|watch| watch.is_quiet(&self.folder));
            if is_quiet && *is_sure {
                return Ok(scan.clone());
            }
            // Watched before it is looked at: what changes meanwhile is heard of.
            if !watch.as_mut().is_some_and(|watch| watch.is_quiet(&self.folder)) {
                *watch = Watch::begin(&self.folder);
            }
            *is_sure = false;
            *looks += 1;
            (scan.clone(), *looks)
        };
        let machine = || self.machine.get_or_init(identity::machine).clone();
        let new = scan::scan(&self.folder, self.language, &machine, &old)?;
        if !Arc::ptr_eq(&old, &new) {
            self.tell_problems(&old.snapshot, &new.snapshot);
        }
        let mut seen = self.last.lock();
        seen.is_sure = seen.looks == look && new.is_plain;
        seen.scan = new.clone();
        Ok(new)
    }

    /// Logs the problems that were not there before.
    fn tell_problems(&self, old: &Snapshot, new: &Snapshot) {
        if !self.log.is_on() {
            return;
        }
        for problem in &new.problems {
            let is_known = |known: &Problem| known.path == problem.path && known.error == problem.error;
            if !old.problems.iter().any(is_known) {
                self.log.say(Level::Warning, format_args!("{}", problem.error));
            }
        }
    }
}

/// A failed system call, and what to do about it.
fn fault(what: impl Display, error: &io::Error) -> Error {
    use io::ErrorKind as Kind;
    let (status, advice) = match error.kind() {
        Kind::PermissionDenied => (Status::AccessDenied, "; run as root"),
        Kind::ReadOnlyFilesystem => {
            (Status::AccessDenied, "; make the file system writable, and run as root")
        }
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
            (Status::OperationFailed, "; make room, and try again")
        }
        Kind::OutOfMemory => (Status::NoMemory, ""),
        _ => (Status::OperationFailed, ""),
    };
    let error_number = error.raw_os_error();
    let error = Error::new(status, format!("{what}: {error}{advice}")).on(Road::Store);
    error_number.map_or(error.clone(), |number| error.with_errno(number))
}

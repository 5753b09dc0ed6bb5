//! Where inactive domains live when no daemon keeps them: domain files in /etc/xen (docs/model.md, "Domain files").

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::log::Log;
use crate::model::{Guest, Uuid};

/// The usual folder.
pub const DEFAULT_FOLDER: &str = "/etc/xen";

/// A folder of domain files. Usable from any thread; nothing is held open between calls.
pub struct Store {
    folder: PathBuf,
    #[allow(dead_code, reason = "the calls below come to use it")]
    log: Log,
}

/// A domain that a file describes.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// What the file itself says, with the sidecar's title and description.
    pub said: Arc<Guest>,
    /// The same with what the file leaves open made up: uuid and MAC addresses are always there.
    pub guest: Arc<Guest>,
    /// The domain's uuid.
    pub uuid: Uuid,
    /// The file does not say it: it is derived from the file's path.
    pub uuid_is_derived: bool,
}

/// A file that should be a domain and cannot be read as one, or that clashes with another.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with its place.
    pub error: Error,
}

/// What the folder holds at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The domains, in the order of their names.
    pub entries: Vec<Entry>,
    /// The files that do not count, and why.
    pub problems: Vec<Problem>,
}

impl Store {
    /// The store in that folder. Nothing is read yet; a folder that is not there holds nothing.
    pub fn new(folder: &Path, log: Log) -> Store {
        Store { folder: folder.to_owned(), log }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything. Files that did not change since the last call are not read again.
    pub fn read(&self) -> Result<Arc<Snapshot>> {
        Err(not_yet())
    }

    /// Makes a domain persistent or replaces its file. `guest` has a name, a uuid and MAC addresses.
    ///
    /// Errors: [`Status::Exists`] where another uuid has the name, [`Status::InvalidConfig`] where a broken file stands in
    /// the way, [`Status::NotSupported`] for what xl's language cannot say, [`Status::Timeout`] when others hold the
    /// lock, and those of the file system. In each case all is as it was.
    pub fn define(&self, _guest: &Guest, _deadline: Deadline) -> Result<Entry> {
        Err(not_yet())
    }

    /// Forgets a domain: its file, sidecar and autostart link.
    pub fn undefine(&self, _uuid: Uuid, _deadline: Deadline) -> Result<()> {
        Err(not_yet())
    }

    /// Whether it starts with the host.
    pub fn autostart(&self, _uuid: Uuid) -> Result<bool> {
        Err(not_yet())
    }

    /// Sets whether it starts with the host.
    pub fn set_autostart(&self, _uuid: Uuid, _autostart: bool, _deadline: Deadline) -> Result<()> {
        Err(not_yet())
    }
}

fn not_yet() -> Error {
    Error::new(Status::NotSupported, "the file store is being built").on(Road::Store)
}

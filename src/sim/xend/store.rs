//! The folder of managed domains: `domains/UUID/config.sxp`, as xend has it in /var/lib/xend.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use once_cell::sync::OnceCell;

use super::config::{Config, Writer};
use super::habits::Habits;
use super::looks::Shown;
use crate::model::Uuid;
use crate::sim::scratch;
use crate::wire::sexpr::Sexpr;

/// The largest file that is read back.
const MAX_FILE: u64 = 1 << 20;

/// Where a xend keeps its state. Nothing is made there before there is something to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateDir {
    /// In a folder that outlives it.
    Kept(PathBuf),
    /// In one that is this process's own.
    Scratch(PathBuf),
}

impl StateDir {
    /// The folder.
    pub fn path(&self) -> &Path {
        let (StateDir::Kept(path) | StateDir::Scratch(path)) = self;
        path
    }
}

#[derive(Debug)]
pub(super) struct Folder {
    state: StateDir,
    domains: PathBuf,
    /// Says that a scratch folder is in use.
    lock: OnceCell<File>,
}

impl Folder {
    pub(super) fn new(state: StateDir) -> Self {
        let domains = state.path().join("domains");
        Folder { state, domains, lock: OnceCell::new() }
    }

    /// What was saved. A file that is no configuration stays where it is, for whoever wants to look at it.
    pub(super) fn load(&self, habits: &Habits) -> Vec<Config> {
        let Ok(entries) = fs::read_dir(&self.domains) else { return Vec::new() };
        let uuids = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            Uuid::try_parse(name.to_str()?).ok()
        });
        uuids.filter_map(|uuid| self.read(uuid, habits)).collect()
    }

    fn read(&self, uuid: Uuid, habits: &Habits) -> Option<Config> {
        let mut text = Vec::new();
        let file = File::open(self.of(uuid).join("config.sxp")).ok()?;
        file.take(MAX_FILE).read_to_end(&mut text).ok()?;
        let config = Config::from_sexpr(&Sexpr::parse_first(&text).ok()?, habits, Writer::Itself).ok()?;
        (config.uuid == uuid).then_some(config)
    }

    /// Writes a configuration: whole, or not at all.
    pub(super) fn save(&self, config: &Config, habits: &Habits) -> io::Result<()> {
        if let StateDir::Scratch(path) = &self.state {
            self.lock.get_or_try_init(|| scratch::make(path))?;
        }
        let folder = self.of(config.uuid);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let (path, beside) = (folder.join("config.sxp"), folder.join("config.sxp.new"));
        let mut file = File::create(&beside)?;
        file.write_all(&config.to_sexpr(habits, &Shown::Kept).to_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(&folder)?.sync_all()
    }

    pub(super) fn remove(&self, uuid: Uuid) -> io::Result<()> {
        match fs::remove_dir_all(self.of(uuid)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn of(&self, uuid: Uuid) -> PathBuf {
        self.domains.join(uuid.hyphenated().to_string())
    }
}

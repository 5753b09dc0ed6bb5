//! The folder of managed domains: `domains/UUID/config.sxp`, as xend has it in /var/lib/xend.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::config::Config;
use crate::model::Uuid;
use crate::sim::machine::Release;
use crate::wire::sexpr::Sexpr;

/// The largest file that is read back.
const MAX_FILE: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(state_dir: PathBuf) -> Self {
        Folder(state_dir.join("domains"))
    }

    /// What was saved. A file that is no configuration stays where it is, for whoever wants to look at it.
    pub(super) fn load(&self, release: Release) -> Vec<Config> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let uuids = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            Uuid::try_parse(name.to_str()?).ok()
        });
        uuids.filter_map(|uuid| self.read(uuid, release)).collect()
    }

    fn read(&self, uuid: Uuid, release: Release) -> Option<Config> {
        let mut text = Vec::new();
        let file = File::open(self.of(uuid).join("config.sxp")).ok()?;
        file.take(MAX_FILE).read_to_end(&mut text).ok()?;
        let config = Config::from_sexpr(&Sexpr::parse_first(&text).ok()?, release).ok()?;
        (config.uuid == uuid).then_some(config)
    }

    /// Writes a configuration: whole, or not at all.
    pub(super) fn save(&self, config: &Config, release: Release) -> io::Result<()> {
        let folder = self.of(config.uuid);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let (path, beside) = (folder.join("config.sxp"), folder.join("config.sxp.new"));
        let mut file = File::create(&beside)?;
        file.write_all(&config.to_sexpr(release, None).to_bytes())?;
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
        self.0.join(uuid.hyphenated().to_string())
    }
}

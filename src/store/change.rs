//! Changing what the folder says. Every change is made under the folder's lock, on what the folder holds at that moment, and in steps after each of
//! which the folder is sound: a process that is killed between two of them leaves the old domain or the new one, at worst with something
//! beside it that nobody reads and the next writer removes.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{DirBuilder, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::atomic::{self, Beside, Part};
use super::language::Language;
use super::lock::Lock;
use super::scan::{Row, Scan};
use super::sidecar::Sidecar;
use super::snapshot::Entry;
use super::{MAX_FILE, Store, autostart, fault, file, names};
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::log::Level;
use crate::model::guest::Mac;
use crate::model::identity::check_name;
use crate::model::{Guest, Uuid};

/// See [`Store::define_as`].
pub(super) fn define(store: &Store, known: Uuid, guest: &Guest, deadline: Deadline) -> Result<Entry> {
    check_name(&guest.name).map_err(|error| refused(Status::InvalidConfig, error))?;
    let Some(uuid) = guest.uuid.filter(|uuid| !uuid.is_nil()) else {
        return Err(refused(Status::InvalidConfig, format!("domain '{}' needs a uuid", guest.name)));
    };
    let folder = &store.folder;
    make_folder(folder)?;
    let (_lock, scan) = begin(store, deadline)?;
    let old = may_define(&scan, known, uuid, &guest.name)?;
    let plan = Plan::new(store, &scan, old, uuid, &guest.name)?;

    // What can fail is done beside the files that count.
    let text = match old {
        Some(row) => store.language.update(&row.entry.text, guest),
        None => store.language.write(guest),
    };
    let text = text.map_err(|error| error.on(Road::Store))?;
    check_text(store.language, &text, guest)?;
    let like = old.map(|_| std::fs::metadata(&plan.now)).transpose();
    let like = like.map_err(|error| fault(format_args!("cannot read {}", plan.now.display()), &error))?;
    let config = match old {
        Some(row) if *row.entry.text == *text => None,
        _ => Some(write_config(&plan, uuid, &text, like.as_ref())?),
    };
    let sidecar = NewSidecar::prepare(folder, &plan, Sidecar::of(guest, uuid), uuid, like.as_ref())?;
    let links = match old {
        Some(_) => autostart::links(folder, OsStr::new(&plan.old_name))?,
        None => Vec::new(),
    };
    if old.is_none() || plan.renames() {
        // A file of this name was removed and its link left behind: the new domain was not asked to start by itself.
        autostart::remove(&autostart::links(folder, OsStr::new(&plan.new_name))?)?;
    }
    plan.rename(folder, uuid, &links)?;

    // A sidecar comes before its file and goes after it; one that somebody else's file left goes before as well.
    let sidecar_path = folder.join(names::sidecar(&plan.new_name));
    match sidecar {
        NewSidecar::Written(beside) => {
            beside.replace(&sidecar_path).map_err(|error| cannot_write(&sidecar_path, &error))?;
        }
        NewSidecar::None if old.is_none() => remove(&sidecar_path)?,
        NewSidecar::None | NewSidecar::Unchanged => {}
    }
    if let Some(config) = config {
        let target = plan.target(folder);
        let put = match old {
            Some(_) => config.replace(&target),
            None => config.become_new(&target).inspect_err(|_| drop(remove(&sidecar_path))),
        };
        put.map_err(|error| cannot_write(&target, &error))?;
        sync(&target)?;
    }
    sync(&plan.path(folder))?;
    if guest.title.is_none() && guest.description.is_none() {
        warn(store, "sidecar", remove(&sidecar_path));
    }
    plan.tidy(store, old, uuid, &links);
    let written = store.scan()?;
    written.snapshot.by_uuid(uuid).cloned().ok_or_else(|| {
        let message =
            format!("{} was removed or changed as soon as it was written", plan.path(folder).display());
        refused(Status::OperationFailed, message)
    })
}

/// See [`Store::undefine`].
pub(super) fn undefine(store: &Store, uuid: Uuid, deadline: Deadline) -> Result<()> {
    let folder = &store.folder;
    if !folder.exists() {
        return Err(unknown(uuid));
    }
    let (_lock, scan) = begin(store, deadline)?;
    let mut rows = scan.rows.iter().filter(|row| row.entry.uuid == uuid);
    let row = rows.next().ok_or_else(|| unknown(uuid))?;
    if let Some(other) = rows.next() {
        let message = format!(
            "{} and {} both have the uuid {uuid}: give one of them another, or remove one",
            row.entry.path.display(),
            other.entry.path.display()
        );
        return Err(refused(Status::InvalidConfig, message));
    }
    let links = autostart::links(folder, OsStr::new(&row.file_name))?;
    // The other names first: as long as one is left, the domain is.
    for name in row.aliases.iter().chain([&row.file_name]) {
        remove(&folder.join(name))?;
    }
    sync(&row.entry.path)?;
    warn(store, "start with the host", autostart::remove(&links));
    remove_lone_sidecars(store, uuid);
    store.scan().map(drop)
}

/// See [`Store::autostart`].
pub(super) fn autostart(store: &Store, uuid: Uuid) -> Result<bool> {
    let scan = store.scan()?;
    let row = counting(&scan, uuid)?;
    Ok(!autostart::links(&store.folder, OsStr::new(&row.file_name))?.is_empty())
}

/// See [`Store::set_autostart`].
pub(super) fn set_autostart(store: &Store, uuid: Uuid, autostart: bool, deadline: Deadline) -> Result<()> {
    let folder = &store.folder;
    if !folder.exists() {
        return Err(unknown(uuid));
    }
    let (_lock, scan) = begin(store, deadline)?;
    let row = counting(&scan, uuid)?;
    let file_name = OsStr::new(&row.file_name);
    let links = autostart::links(folder, file_name)?;
    match (autostart, links.is_empty()) {
        (true, true) => {
            let candidates = names::candidates(store.language, &row.entry.guest.name, uuid);
            autostart::add(folder, file_name, &candidates)
        }
        (false, false) => autostart::remove(&links),
        _ => Ok(()),
    }
}

/// Takes the lock, sets right what killed writers left, and looks at the folder.
fn begin(store: &Store, deadline: Deadline) -> Result<(Lock, Arc<Scan>)> {
    let lock = Lock::take(&store.folder, deadline)?;
    recover(store)?;
    let scan = store.scan()?;
    Ok((lock, scan))
}

/// Takes back names that killed writers had given and not yet used, and removes what they left. A file that was renamed and not written still
/// says the old name: left so, its name would look like one that somebody chose, and stay.
fn recover(store: &Store) -> Result<()> {
    for (uuid, part, path) in atomic::left(&store.folder) {
        if part == Part::Config {
            let scan = store.scan()?;
            let text = file::read(&path, MAX_FILE).ok().and_then(|(bytes, _)| String::from_utf8(bytes).ok());
            // It is whole if a file was renamed for it.
            let meant = text.and_then(|text| store.language.read(&text).ok());
            let half = scan.rows.iter().find(|row| {
                let is_named_after = |name| names::is_named_after(&row.file_name, name, uuid);
                let is_of = row.counts && row.entry.uuid == uuid && !is_named_after(&row.entry.guest.name);
                is_of && meant.as_ref().is_some_and(|meant| is_named_after(&meant.name))
            });
            if let Some(row) = half {
                warn(store, "a killed writer's new name", Plan::back(store, &scan, row, uuid));
            }
        }
        let _ = std::fs::remove_file(&path);
    }
    Ok(())
}

/// Makes the folder where its parent is there: hosts whose Xen was not set up yet, or a folder of one's own.
fn make_folder(folder: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o755).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists && !folder.is_dir() => {
            Err(fault(format_args!("cannot make the folder {}", folder.display()), &error))
        }
        _ => Ok(()),
    }
}

/// The file of the domain `known`, if there is one, when it may become the domain `uuid` called `name`.
fn may_define<'a>(scan: &'a Scan, known: Uuid, uuid: Uuid, name: &str) -> Result<Option<&'a Row>> {
    let counting = || scan.rows.iter().filter(|row| row.counts);
    let old = counting().find(|row| row.entry.uuid == known);
    let changes_uuid = old.filter(|row| uuid != known && !row.entry.uuid_is_derived);
    let other = counting().find(|row| row.entry.uuid != known && row.entry.uuid == uuid);
    let namesake = counting().find(|row| row.entry.uuid != known && row.entry.guest.name == name);
    let (what, row) = match (changes_uuid, other, namesake) {
        (Some(row), ..) => ("domain", row),
        (_, Some(row), _) => ("uuid", row),
        (_, _, Some(row)) => ("name", row),
        _ => return Ok(old),
    };
    let message = format!(
        "cannot define '{name}' with the uuid {uuid}: that {what} is taken by '{}' with the uuid {}, in {}",
        row.entry.guest.name,
        row.entry.uuid,
        row.entry.path.display()
    );
    Err(refused(Status::Exists, message))
}

/// Which file is written, and what it is called before and after.
struct Plan {
    /// The file's name before; for a new one the same as after.
    old_name: String,
    new_name: String,
    /// The file that is written as it is found now: the target where the name is a link.
    now: PathBuf,
    is_link: bool,
}

impl Plan {
    fn new(store: &Store, scan: &Scan, old: Option<&Row>, uuid: Uuid, name: &str) -> Result<Plan> {
        let folder = &store.folder;
        let keeps_name = |row: &&Row| {
            !names::is_named_after(&row.file_name, &row.entry.guest.name, row.entry.uuid)
                || names::is_named_after(&row.file_name, name, uuid)
        };
        let new_name = match old.filter(keeps_name) {
            Some(row) => row.file_name.clone(),
            None => free_name(store, scan, name, uuid)?,
        };
        let old_name = old.map_or_else(|| new_name.clone(), |row| row.file_name.clone());
        let is_link = old.is_some_and(|row| row.is_link);
        let now = folder.join(&old_name);
        let now = if is_link {
            now.canonicalize()
                .map_err(|error| fault(format_args!("cannot read {}", now.display()), &error))?
        } else {
            now
        };
        Ok(Plan { old_name, new_name, now, is_link })
    }

    /// Gives a file the name back that it had before a writer was killed.
    fn back(store: &Store, scan: &Scan, row: &Row, uuid: Uuid) -> Result<()> {
        let folder = &store.folder;
        let new_name = free_name(store, scan, &row.entry.guest.name, uuid)?;
        let now = row.entry.path.clone();
        let plan = Plan { old_name: row.file_name.clone(), new_name, now, is_link: row.is_link };
        let links = autostart::links(folder, OsStr::new(&plan.old_name))?;
        plan.rename(folder, uuid, &links)?;
        sync(&plan.path(folder))?;
        plan.tidy(store, None, uuid, &links);
        Ok(())
    }

    /// The file's path in the folder, after.
    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.new_name)
    }

    fn renames(&self) -> bool {
        self.old_name != self.new_name
    }

    /// The file that is written, after it got its new name.
    fn target(&self, folder: &Path) -> PathBuf {
        if self.is_link { self.now.clone() } else { self.path(folder) }
    }

    /// Gives the old file its new name. It still says what it said, which is no contradiction: a file can be called what it likes.
    fn rename(&self, folder: &Path, uuid: Uuid, links: &[PathBuf]) -> Result<()> {
        if !self.renames() {
            return Ok(());
        }
        let (from, to) = (folder.join(&self.old_name), folder.join(&self.new_name));
        let [old_sidecar, new_sidecar] = [&from, &to].map(|path| {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            folder.join(names::sidecar(name))
        });
        // Sidecar and link are at the new place before the file is.
        let prepare = || -> Result<()> {
            remove(&new_sidecar)?;
            copy(&old_sidecar, &new_sidecar).map_err(|error| cannot_write(&new_sidecar, &error))?;
            if !links.is_empty() {
                autostart::add(folder, OsStr::new(&self.new_name), &[format!("{uuid}.cfg")])?;
            }
            Ok(())
        };
        let rename = || {
            let what = format_args!("cannot rename {} to {}", from.display(), to.display());
            atomic::rename_new(&from, &to).map_err(|error| fault(what, &error))
        };
        prepare().and_then(|()| rename()).inspect_err(|_| {
            let _ = remove(&new_sidecar);
            if !to.exists() {
                let added = autostart::links(folder, OsStr::new(&self.new_name)).unwrap_or_default();
                let _ = autostart::remove(&added);
            }
        })
    }

    /// What is left to remove after the domain is what it was to be.
    fn tidy(&self, store: &Store, old: Option<&Row>, uuid: Uuid, links: &[PathBuf]) {
        let folder = &store.folder;
        remove_lone_sidecars(store, uuid);
        // Other names of the file that the new one did not replace still hold the old text.
        for alias in old.map(|row| row.aliases.as_slice()).unwrap_or_default() {
            let path = folder.join(alias);
            let is_copy = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
            let leads_here =
                std::fs::canonicalize(&path).ok() == std::fs::canonicalize(self.path(folder)).ok();
            if is_copy || !leads_here {
                warn(store, "old name", remove(&path));
            }
        }
        if !links.is_empty() {
            warn(store, "start with the host", self.tidy_links(folder, uuid, links));
        }
    }

    /// The domain starts with the host as before: links that no longer lead to it are replaced by one that does.
    fn tidy_links(&self, folder: &Path, uuid: Uuid, links: &[PathBuf]) -> Result<()> {
        let file_name = OsStr::new(&self.new_name);
        let good = autostart::links(folder, file_name)?;
        let stale: Vec<PathBuf> = links.iter().filter(|link| !good.contains(link)).cloned().collect();
        autostart::remove(&stale)?;
        if good.is_empty() {
            autostart::add(folder, file_name, &[format!("{uuid}.cfg")])?;
        }
        Ok(())
    }
}

/// A name for a domain's file that nothing has yet.
fn free_name(store: &Store, scan: &Scan, name: &str, uuid: Uuid) -> Result<String> {
    let folder = &store.folder;
    for candidate in names::candidates(store.language, name, uuid) {
        let path = folder.join(&candidate);
        let is_domain = scan.rows.iter().any(|row| row.counts && row.file_name == candidate);
        let broken = scan.snapshot.problems.iter().find(|problem| problem.path == path && !is_domain);
        if let Some(problem) = broken {
            let message = format!(
                "the file of the domain '{name}' is there and would be lost; mend it or remove it: {}",
                problem.error.message
            );
            return Err(refused(Status::InvalidConfig, message));
        }
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(candidate),
            Err(error) => return Err(fault(format_args!("cannot read {}", path.display()), &error)),
            Ok(_) => {}
        }
    }
    let message =
        format!("other files in {} have all names that the file of '{name}' can have", folder.display());
    Err(refused(Status::Exists, message))
}

/// What is about to be written must say what is meant, and be read again: a defect here would lose a domain.
fn check_text(language: Language, text: &str, guest: &Guest) -> Result<()> {
    if text.len() > MAX_FILE {
        let message = format!("the file of '{}' would have more than {MAX_FILE} bytes", guest.name);
        return Err(refused(Status::NotSupported, message));
    }
    // The language's own form of both is compared, since it has no place for some of what a guest can say; and what may be lost least
    // by itself, in case that writing and reading agree in losing it.
    let said = language.read(text).map_err(|error| not_what_is_meant(guest, &error.to_string()))?;
    let form = |guest| language.form(guest).map_err(|error| not_what_is_meant(guest, &error.message));
    let (said_form, meant_form) = (form(&said)?, form(guest)?);
    if said_form != meant_form {
        let mut lines = said_form.lines().zip(meant_form.lines());
        let line = lines.find(|(said, meant)| said != meant).map_or("", |(said, _)| said);
        return Err(not_what_is_meant(guest, line));
    }
    let same = [
        ("name", said.name == guest.name),
        ("uuid", said.uuid == guest.uuid),
        ("type", said.os.kind == guest.os.kind),
        ("vcpus", said.vcpus.max == guest.vcpus.max),
        ("memory", said.max_memory_kib.abs_diff(guest.max_memory_kib) < 1024),
        ("disks", disks(language, &said) == disks(language, guest)),
        ("interfaces", macs(&said) == macs(guest)),
    ];
    same.iter().try_for_each(|(what, same)| if *same { Ok(()) } else { Err(not_what_is_meant(guest, what)) })
}

fn disks(language: Language, guest: &Guest) -> BTreeSet<(&str, Option<&str>)> {
    let disks = guest.disks.iter().filter(|disk| language.says(disk));
    disks.map(|disk| (disk.target.as_str(), disk.source.as_deref())).collect()
}

fn macs(guest: &Guest) -> Vec<Option<Mac>> {
    guest.interfaces.iter().map(|interface| interface.mac).collect()
}

fn not_what_is_meant(guest: &Guest, why: &str) -> Error {
    let message =
        format!("the file of '{}' would not say what is meant, so nothing is written: {why}", guest.name);
    refused(Status::Internal, message)
}

fn write_config(plan: &Plan, uuid: Uuid, text: &str, like: Option<&Metadata>) -> Result<Beside> {
    let folder = plan.now.parent().unwrap_or(Path::new("."));
    Beside::write(folder, (uuid, Part::Config), text.as_bytes(), like)
        .map_err(|error| cannot_write(&plan.now, &error))
}

/// A sidecar that is written beside the one that counts.
enum NewSidecar {
    /// There is to be none.
    None,
    /// It says the same as before.
    Unchanged,
    Written(Beside),
}

impl NewSidecar {
    fn prepare(
        folder: &Path,
        plan: &Plan,
        sidecar: Option<Sidecar>,
        uuid: Uuid,
        like: Option<&Metadata>,
    ) -> Result<NewSidecar> {
        let now = folder.join(names::sidecar(&plan.old_name));
        let Some(sidecar) = sidecar else { return Ok(NewSidecar::None) };
        let text = sidecar.write().map_err(|error| refused(Status::InvalidConfig, error.to_string()))?;
        if text.len() > MAX_FILE {
            let message = format!("a title and a description have at most {MAX_FILE} bytes");
            return Err(refused(Status::InvalidConfig, message));
        }
        if file::read(&now, MAX_FILE).is_ok_and(|(bytes, _)| bytes == text.as_bytes()) {
            return Ok(NewSidecar::Unchanged);
        }
        let beside = Beside::write(folder, (uuid, Part::Sidecar), text.as_bytes(), like);
        beside.map(NewSidecar::Written).map_err(|error| cannot_write(&now, &error))
    }
}

/// Gives a file a second name, or copies it where the file system knows no such thing. One that is not there has none either.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let copied = std::fs::hard_link(from, to).or_else(|error| match error.kind() {
        ErrorKind::NotFound => Err(error),
        _ => std::fs::copy(from, to).map(drop),
    });
    match copied {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Removes the domain's sidecars that have no file: what a new name, the end of a domain, or a writer that was killed then leaves. Those of other
/// domains stay, since somebody may have moved their files away for a while.
fn remove_lone_sidecars(store: &Store, uuid: Uuid) {
    let Ok(entries) = std::fs::read_dir(&store.folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(OsStr::to_str);
        let Some(base) = name.and_then(names::of_sidecar) else { continue };
        let is_alone = std::fs::symlink_metadata(store.folder.join(base))
            .is_err_and(|error| error.kind() == ErrorKind::NotFound);
        let text = is_alone.then(|| file::read(&path, MAX_FILE).ok()).flatten();
        let text = text.and_then(|(bytes, _)| String::from_utf8(bytes).ok());
        if text.is_some_and(|text| Sidecar::read(&text).is_ok_and(|sidecar| sidecar.uuid == uuid)) {
            warn(store, "sidecar", remove(&path));
        }
    }
}

fn counting(scan: &Scan, uuid: Uuid) -> Result<&Row> {
    scan.rows.iter().find(|row| row.counts && row.entry.uuid == uuid).ok_or_else(|| unknown(uuid))
}

/// Removes a file; one that is not there is removed already.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(fault(format_args!("cannot remove {}", path.display()), &error))
        }
        _ => Ok(()),
    }
}

/// Makes a change of a file's name last.
fn sync(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    atomic::sync_folder(folder).map_err(|error| {
        let what = format_args!(
            "{} was changed, but may not be after a power cut: cannot sync its folder",
            path.display()
        );
        fault(what, &error)
    })
}

/// Something that does not make a change fail that has been made.
fn warn(store: &Store, what: &str, result: Result<()>) {
    if let Err(error) = result {
        store.log.say(Level::Warning, format_args!("{what}: {error}"));
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    fault(format_args!("cannot write {}, which is as it was", path.display()), error)
}

fn unknown(uuid: Uuid) -> Error {
    refused(Status::NotFound, format!("no domain file has the uuid {uuid}"))
}

fn refused(status: Status, message: impl Into<String>) -> Error {
    Error::new(status, message).on(Road::Store)
}

//! Finding the domains in the folder. Files that did not change are not read again: an unchanged folder costs the reading of its names and a
//! stat of each file.
//!
//! No lock is needed against writers: each file is replaced as a whole, and a list of names during which one was replaced by another is made anew.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::file::{self, Stamp};
use super::language::Language;
use super::names::{self, Kind};
use super::sidecar::Sidecar;
use super::snapshot::{Entry, Problem, Snapshot, two_of_a_name};
use super::{MAX_FILE, MAX_FILES, MAX_NAMES, MAX_TEXT, fault, identity};
use crate::error::{Error, Result, Road, Status};
use crate::model::identity::check_name;
use crate::model::{Guest, Uuid};

/// How often a list of names is made before a folder that changes all the while is taken as it is.
const ATTEMPTS: usize = 8;

/// What was found, and what it takes to find out that it is still so.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) rows: Vec<Row>,
    /// All files are the folder's own: none is a link, or has another name through which it could be changed.
    pub(super) is_plain: bool,
    /// The folder without links in its path.
    folder: PathBuf,
    files: HashMap<OsString, Known<Content>>,
    sidecars: HashMap<OsString, Known<Arc<Result<Sidecar>>>>,
}

/// A domain's file.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) entry: Entry,
    pub(super) file_name: String,
    /// Other names of the same file in the folder.
    pub(super) aliases: Vec<String>,
    /// The name is a link.
    pub(super) is_link: bool,
    /// It is not hidden by a newer file with its uuid.
    pub(super) counts: bool,
    stamp: Stamp,
}

/// Something that was read, and when it has to be read again.
#[derive(Debug, Clone)]
struct Known<T> {
    /// None for what is no file that could be read.
    stamp: Option<Stamp>,
    /// A later change is sure to change the stamp.
    is_settled: bool,
    what: T,
}

/// What a file is.
#[derive(Debug, Clone)]
enum Content {
    Domain { text: Arc<str>, guest: Arc<Guest> },
    Broken(Error),
    Nothing,
}

/// A name in the folder.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    name: OsString,
    is_link: bool,
}

/// Looks at the folder; returns `old` itself where nothing has changed since.
///
/// Errors: a folder that cannot be read or holds too much, a process that is out of descriptors or memory. A folder that is not there holds nothing.
pub(super) fn scan(
    folder: &Path,
    language: Language,
    machine: &dyn Fn() -> String,
    old: &Arc<Scan>,
) -> Result<Arc<Scan>> {
    let canonical = match folder.canonicalize() {
        Ok(canonical) => canonical,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Arc::default()),
        Err(error) => return Err(cannot_read(folder, &error)),
    };
    let old = if old.folder == canonical { old } else { &Arc::default() };
    for attempt in 1.. {
        let mut looked = Look::new(folder, language, old);
        let is_whole = looked.at_all(list(&canonical)?)?;
        if is_whole || attempt == ATTEMPTS {
            return Ok(if looked.has_changed() {
                Arc::new(looked.scan(canonical, machine))
            } else {
                old.clone()
            });
        }
    }
    Ok(Arc::default())
}

/// The names in the folder that may matter, sorted. A name that is changed to another while the folder is read can be missing from what the
/// kernel says, in its old form and its new one: so a list counts when the folder did not change meanwhile, or when it comes out twice.
fn list(folder: &Path) -> Result<Vec<Name>> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let stamp = || -> Result<Stamp> {
            let folder_itself = std::fs::metadata(folder).map_err(|error| cannot_read(folder, &error))?;
            Ok(Stamp::of(&folder_itself))
        };
        let (now, before) = (SystemTime::now(), stamp()?);
        let names = list_once(folder)?;
        let is_same = last.as_ref() == Some(&names);
        last = Some(names);
        if is_same || (before.is_settled(now) && stamp()? == before) {
            break;
        }
    }
    Ok(last.unwrap_or_default())
}

fn list_once(folder: &Path) -> Result<Vec<Name>> {
    let entries = std::fs::read_dir(folder).map_err(|error| cannot_read(folder, &error))?;
    let mut names = Vec::new();
    for (count, entry) in entries.enumerate() {
        let entry = entry.map_err(|error| cannot_read(folder, &error))?;
        let name = entry.file_name();
        let may_matter = name
            .to_str()
            .is_none_or(|name| names::kind(name) != Kind::Skipped || names::of_sidecar(name).is_some());
        if may_matter {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            names.push(Name { name, is_link });
        }
        if names.len() > MAX_FILES || count == MAX_NAMES {
            let message = format!(
                "{} holds too many files to be a folder of domains (more than {MAX_FILES}, or {MAX_NAMES} of other kinds)",
                folder.display()
            );
            return Err(Error::new(Status::OperationFailed, message).on(Road::Store));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn cannot_read(folder: &Path, error: &io::Error) -> Error {
    fault(format_args!("cannot read {}", folder.display()), error)
}

/// One look at all files of a list.
struct Look<'a> {
    folder: &'a Path,
    language: Language,
    old: &'a Scan,
    now: SystemTime,
    has_news: bool,
    is_plain: bool,
    text_bytes: usize,
    files: HashMap<OsString, Known<Content>>,
    sidecars: HashMap<OsString, Known<Arc<Result<Sidecar>>>>,
    links: Vec<OsString>,
}

impl<'a> Look<'a> {
    fn new(folder: &'a Path, language: Language, old: &'a Scan) -> Look<'a> {
        Look {
            folder,
            language,
            old,
            now: SystemTime::now(),
            has_news: false,
            is_plain: true,
            text_bytes: 0,
            files: HashMap::new(),
            sidecars: HashMap::new(),
            links: Vec::new(),
        }
    }

    /// Looks at each; false where one of them is no longer there.
    fn at_all(&mut self, names: Vec<Name>) -> Result<bool> {
        let mut is_whole = true;
        let mut sidecars = Vec::new();
        for Name { name, is_link } in names {
            self.is_plain &= !is_link;
            if name.to_str().is_some_and(|name| names::of_sidecar(name).is_some()) {
                sidecars.push(name);
                continue;
            }
            match self.file(&name)? {
                Some(known) => {
                    self.is_plain &= known.stamp.is_none_or(|stamp| stamp.is_alone());
                    if let Content::Domain { text, .. } = &known.what {
                        self.text_bytes += text.len();
                    }
                    self.files.insert(name.clone(), known);
                    self.links.extend(is_link.then_some(name));
                }
                None => is_whole = false,
            }
            if self.text_bytes > MAX_TEXT {
                let message = format!(
                    "the domain files in {} hold more than {MAX_TEXT} bytes together",
                    self.folder.display()
                );
                return Err(Error::new(Status::OperationFailed, message).on(Road::Store));
            }
        }
        for name in sidecars {
            let base = name.to_str().and_then(names::of_sidecar).unwrap_or_default();
            let is_needed =
                matches!(self.files.get(OsStr::new(base)), Some(Known { what: Content::Domain { .. }, .. }));
            if let Some(known) = is_needed.then(|| self.sidecar(&name)).transpose()?.flatten() {
                self.is_plain &= known.stamp.is_none_or(|stamp| stamp.is_alone());
                self.sidecars.insert(name, known);
            }
        }
        Ok(is_whole)
    }

    /// What a name stands for; None where it is gone.
    fn file(&mut self, name: &OsStr) -> Result<Option<Known<Content>>> {
        let path = self.folder.join(name);
        let old = self.old.files.get(name);
        let unread = |what| Some(Known { stamp: None, is_settled: false, what });
        let must_be_domain = match name.to_str().map(names::kind) {
            Some(kind) => kind == Kind::Config,
            None if name.as_bytes().ends_with(b".cfg") => {
                let error = broken(&path, "its name is not UTF-8");
                self.has_news |= old.is_none();
                return Ok(unread(Content::Broken(error)));
            }
            None => return Ok(unread(Content::Nothing)),
        };
        let content = |error| if must_be_domain { Content::Broken(error) } else { Content::Nothing };
        let known = match stamp(&path, old) {
            Ok(Found::Gone) => return Ok(None),
            Ok(Found::Same(known)) => return Ok(Some(known.clone())),
            Ok(Found::Unlike) => match file::read(&path, MAX_FILE) {
                Ok((bytes, stamp)) => Known {
                    stamp: Some(stamp),
                    is_settled: stamp.is_settled(self.now),
                    what: understand(self.language, &path, bytes, old).unwrap_or_else(content),
                },
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) if is_own_trouble(&error) => return Err(cannot_read(&path, &error)),
                Err(error) => {
                    Known { stamp: None, is_settled: false, what: content(unreadable(&path, &error)) }
                }
            },
            Err(error) if is_own_trouble(&error) => return Err(cannot_read(&path, &error)),
            Err(error) => Known { stamp: None, is_settled: false, what: content(unreadable(&path, &error)) },
        };
        self.has_news |= !old.is_some_and(|old| old.stamp == known.stamp && old.what.is_same(&known.what));
        Ok(Some(known))
    }

    /// What a sidecar says; None where it is gone.
    fn sidecar(&mut self, name: &OsStr) -> Result<Option<Known<Arc<Result<Sidecar>>>>> {
        let path = self.folder.join(name);
        let old = self.old.sidecars.get(name);
        let read = match stamp(&path, old) {
            Ok(Found::Gone) => return Ok(None),
            Ok(Found::Same(known)) => return Ok(Some(known.clone())),
            Ok(Found::Unlike) => file::read(&path, MAX_FILE),
            Err(error) => Err(error),
        };
        let known = match read {
            Ok((bytes, stamp)) => {
                let read = utf8(&path, bytes)
                    .and_then(|text| Sidecar::read(&text).map_err(|error| broken(&path, &error.to_string())));
                Known { stamp: Some(stamp), is_settled: stamp.is_settled(self.now), what: Arc::new(read) }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if is_own_trouble(&error) => return Err(cannot_read(&path, &error)),
            Err(error) => {
                Known { stamp: None, is_settled: false, what: Arc::new(Err(unreadable(&path, &error))) }
            }
        };
        self.has_news |= !old.is_some_and(|old| old.stamp == known.stamp && old.what == known.what);
        Ok(Some(known))
    }

    fn has_changed(&self) -> bool {
        // With the same number of names and no new one among them, none is gone either.
        self.has_news
            || self.is_plain != self.old.is_plain
            || self.files.len() != self.old.files.len()
            || self.sidecars.len() != self.old.sidecars.len()
    }

    /// Puts together what was found.
    fn scan(self, canonical: PathBuf, machine: &dyn Fn() -> String) -> Scan {
        let mut problems = Vec::new();
        let mut of_inode: HashMap<(u64, u64), Vec<Row>> = HashMap::new();
        let mut machine_id = None;
        let mut sorted: Vec<(&OsString, &Known<Content>)> = self.files.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        for (name, known) in sorted {
            let path = self.folder.join(name);
            match (&known.what, known.stamp, name.to_str()) {
                (Content::Broken(error), _, _) => problems.push(Problem { path, error: error.clone() }),
                (Content::Domain { text, guest }, Some(stamp), Some(file_name)) => {
                    let derive = || {
                        let machine = machine_id.get_or_insert_with(machine);
                        identity::derived_uuid(machine, &canonical, name)
                    };
                    let uuid_is_derived = guest.uuid.is_none();
                    let uuid = guest.uuid.unwrap_or_else(derive);
                    let said = guest.clone();
                    let entry =
                        Entry { path, text: text.clone(), guest: said.clone(), said, uuid, uuid_is_derived };
                    let is_link = self.links.contains(name);
                    let file_name = file_name.to_owned();
                    let row = Row { entry, file_name, aliases: Vec::new(), is_link, counts: true, stamp };
                    of_inode.entry(stamp.inode()).or_default().push(row);
                }
                _ => {}
            }
        }
        let mut rows: Vec<Row> = of_inode.into_values().filter_map(one_of_a_file).collect();
        for row in &mut rows {
            self.complete(row, &mut problems);
        }
        clashes(&mut rows, &mut problems);
        let mut entries: Vec<Entry> =
            rows.iter().filter(|row| row.counts).map(|row| row.entry.clone()).collect();
        entries.sort_by(|a, b| (&a.guest.name, &a.path).cmp(&(&b.guest.name, &b.path)));
        problems.sort_by(|a, b| a.path.cmp(&b.path));
        let snapshot = Arc::new(Snapshot { entries, problems });
        Scan {
            snapshot,
            rows,
            is_plain: self.is_plain,
            folder: canonical,
            files: self.files,
            sidecars: self.sidecars,
        }
    }

    /// Adds what the sidecar says, and what nobody says.
    fn complete(&self, row: &mut Row, problems: &mut Vec<Problem>) {
        let name = names::sidecar(&row.file_name);
        match self.sidecars.get(OsStr::new(&name)).map(|known| &*known.what) {
            Some(Ok(sidecar)) if sidecar.uuid == row.entry.uuid => {
                let said = Arc::make_mut(&mut row.entry.said);
                said.title.clone_from(&sidecar.title);
                said.description.clone_from(&sidecar.description);
            }
            Some(Err(error)) => {
                problems.push(Problem { path: self.folder.join(&name), error: error.clone() });
            }
            _ => {}
        }
        let mut guest = Guest::clone(&row.entry.said);
        identity::fill_in(&mut guest, row.entry.uuid);
        row.entry.guest = Arc::new(guest);
    }
}

/// Of the names of one file the one that it is known by: no link rather than a link, `.cfg` rather than something else.
fn one_of_a_file(mut rows: Vec<Row>) -> Option<Row> {
    rows.sort_by_key(|row| (row.is_link, names::kind(&row.file_name) != Kind::Config, row.file_name.clone()));
    let mut rows = rows.into_iter();
    let mut row = rows.next()?;
    row.aliases = rows.map(|other| other.file_name).collect();
    Some(row)
}

/// Finds files that claim the same uuid or name.
fn clashes(rows: &mut [Row], problems: &mut Vec<Problem>) {
    rows.sort_by(|a, b| {
        (a.entry.uuid, b.stamp.age(), &a.file_name).cmp(&(b.entry.uuid, a.stamp.age(), &b.file_name))
    });
    let mut newest: Option<(Uuid, PathBuf)> = None;
    for row in rows.iter_mut() {
        match &newest {
            Some((uuid, path)) if *uuid == row.entry.uuid => {
                let message = format!(
                    "{} has the uuid {uuid}, as {} has, which is newer and counts; give one of them another uuid, or remove it",
                    row.entry.path.display(),
                    path.display()
                );
                let error = Error::new(Status::InvalidConfig, message).on(Road::Store);
                problems.push(Problem { path: row.entry.path.clone(), error });
                row.counts = false;
            }
            _ => newest = Some((row.entry.uuid, row.entry.path.clone())),
        }
    }
    let mut of_name: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for row in rows.iter().filter(|row| row.counts) {
        of_name.entry(&row.entry.guest.name).or_default().push(&row.entry);
    }
    for (name, entries) in of_name {
        if let [first, others @ ..] = entries.as_slice() {
            for other in others {
                problems.push(Problem { path: first.path.clone(), error: two_of_a_name(name, first, other) });
                problems.push(Problem { path: other.path.clone(), error: two_of_a_name(name, other, first) });
            }
        }
    }
}

impl Content {
    fn is_same(&self, other: &Content) -> bool {
        match (self, other) {
            (Content::Domain { guest: one, .. }, Content::Domain { guest: other, .. }) => {
                Arc::ptr_eq(one, other)
            }
            (Content::Broken(one), Content::Broken(other)) => one == other,
            (Content::Nothing, Content::Nothing) => true,
            _ => false,
        }
    }
}

/// Whether a name has to be read.
enum Found<'a, T> {
    Gone,
    Same(&'a Known<T>),
    Unlike,
}

fn stamp<'a, T>(path: &Path, old: Option<&'a Known<T>>) -> io::Result<Found<'a, T>> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other("it is not a regular file")),
        Ok(found) => match old {
            Some(old) if old.is_settled && old.stamp == Some(Stamp::of(&found)) => Ok(Found::Same(old)),
            _ => Ok(Found::Unlike),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => match std::fs::symlink_metadata(path) {
            Ok(_) => Err(io::Error::other("it is a link to a file that is not there")),
            Err(_) => Ok(Found::Gone),
        },
        Err(error) => Err(error),
    }
}

/// What a file's bytes mean. An error is that of a file that must be a domain.
fn understand(
    language: Language,
    path: &Path,
    bytes: Vec<u8>,
    old: Option<&Known<Content>>,
) -> Result<Content> {
    let text = utf8(path, bytes)?;
    if let Some(Known { what: what @ Content::Domain { text: read, .. }, .. }) = old
        && **read == *text
    {
        return Ok(what.clone());
    }
    let guest = match language.read(&text) {
        Ok(guest) => guest,
        Err(error) => {
            let error = broken(path, &error.to_string());
            return if language.is_meant(&text) { Ok(Content::Broken(error)) } else { Err(error) };
        }
    };
    if guest.name.is_empty() {
        return Err(broken(path, "it gives the domain no name (name = \"...\")"));
    }
    check_name(&guest.name).map_err(|error| broken(path, &error))?;
    if guest.uuid.is_some_and(|uuid| uuid.is_nil()) {
        return Err(broken(path, "its uuid is all zeroes, which is no domain's own"));
    }
    Ok(Content::Domain { text: text.into(), guest: Arc::new(guest) })
}

fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let good = error.as_bytes().get(..at).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        broken(path, &format!("line {line}: the text is not UTF-8"))
    })
}

/// A file that says something wrong.
fn broken(path: &Path, message: &str) -> Error {
    Error::new(Status::InvalidConfig, format!("{}: {message}", path.display())).on(Road::Store)
}

/// A file that cannot be read at all.
fn unreadable(path: &Path, error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(_) => cannot_read(path, error),
        None => broken(path, &error.to_string()),
    }
}

/// Whether it is this process that cannot read, and not the file that cannot be read.
fn is_own_trouble(error: &io::Error) -> bool {
    error.kind() == ErrorKind::OutOfMemory
        || matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

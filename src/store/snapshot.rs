//! What the folder holds at one moment, and the questions that are asked about it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::names;
use crate::error::{Error, Result, Road, Status};
use crate::model::{Guest, Uuid};

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

impl Entry {
    /// Whether the live domain of that uuid and name is a life of this one: its uuid is this one's, or this one's file says none and the names are the same
    /// (then somebody else started it from the file, and it got a uuid of its own). Where several live domains could be meant, the one with the
    /// uuid is: [`Snapshot::lives`].
    fn may_live_as(&self, uuid: Uuid, name: Option<&str>) -> bool {
        !uuid.is_nil() && (self.uuid == uuid || (self.uuid_is_derived && name == Some(&self.guest.name)))
    }
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
    /// The files that do not count, or not fully, and why.
    pub problems: Vec<Problem>,
}

/// Which live domains are lives of which entries: docs/model.md, "Domain files", "Identity".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lives {
    /// For each live domain that was asked about, in that order: the index of its entry, where it has one. It is persistent then.
    pub entries: Vec<Option<usize>>,
    /// The indexes of the entries that have no life, in order: the inactive domains.
    pub inactive: Vec<usize>,
}

impl Snapshot {
    /// The domain of that uuid.
    pub fn by_uuid(&self, uuid: Uuid) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.uuid == uuid)
    }

    /// The domain of that name.
    ///
    /// Errors: [`Status::InvalidConfig`] where two files have the name, and where none has it but `NAME.cfg` is a file that cannot be read (an
    /// unreadable one for want of rights is [`Status::AccessDenied`]).
    pub fn by_name(&self, name: &str) -> Result<Option<&Entry>> {
        let from = self.entries.partition_point(|entry| entry.guest.name.as_str() < name);
        let mut found = self.entries.iter().skip(from).take_while(|entry| entry.guest.name == name);
        match (found.next(), found.next()) {
            (None, _) => self.broken(name).map_or(Ok(None), |problem| Err(problem.error.clone())),
            (entry, None) => Ok(entry),
            (Some(one), Some(other)) => Err(two_of_a_name(name, one, other)),
        }
    }

    /// The file that should be the domain `name`, and does not count.
    fn broken(&self, name: &str) -> Option<&Problem> {
        let usual = [names::usual(name), names::usual_bare(name)];
        let is_it = |path: &PathBuf| {
            usual.iter().flatten().any(|usual| path.file_name().is_some_and(|found| found == usual.as_str()))
        };
        let problem = self.problems.iter().find(|problem| is_it(&problem.path))?;
        (!self.entries.iter().any(|entry| entry.path == problem.path)).then_some(problem)
    }

    /// The entry that the live domain of that uuid and name is a life of; `is_alive` says whether a domain of a uuid lives, since a
    /// domain that lives with its entry's uuid comes before one that only has its name.
    pub fn of_live(
        &self,
        uuid: Uuid,
        name: Option<&str>,
        is_alive: impl FnOnce(Uuid) -> bool,
    ) -> Option<&Entry> {
        self.found(uuid, name, || self.by_uuid(uuid), is_alive)
    }

    fn found<'a>(
        &'a self,
        uuid: Uuid,
        name: Option<&str>,
        by_uuid: impl FnOnce() -> Option<&'a Entry>,
        is_alive: impl FnOnce(Uuid) -> bool,
    ) -> Option<&'a Entry> {
        let by_name = || {
            let entry = self.by_name(name?).ok()??;
            (entry.may_live_as(uuid, name) && !is_alive(entry.uuid)).then_some(entry)
        };
        if uuid.is_nil() { None } else { by_uuid().or_else(by_name) }
    }

    /// Which of these live domains are lives of which entries. A domain without a uuid is nobody's; of two with one uuid each is the entry's.
    pub fn lives<'a>(&self, live: impl IntoIterator<Item = (Uuid, Option<&'a str>)>) -> Lives {
        let live: Vec<(Uuid, Option<&str>)> = live.into_iter().collect();
        let of_uuid: HashMap<Uuid, usize> =
            self.entries.iter().enumerate().map(|(at, entry)| (entry.uuid, at)).collect();
        let alive: HashSet<Uuid> = live.iter().map(|(uuid, _)| *uuid).collect();
        let entry_of = |&(uuid, name): &(Uuid, Option<&str>)| {
            let by_uuid = || self.entries.get(*of_uuid.get(&uuid)?);
            let entry = self.found(uuid, name, by_uuid, |uuid| alive.contains(&uuid))?;
            of_uuid.get(&entry.uuid).copied()
        };
        let entries: Vec<Option<usize>> = live.iter().map(entry_of).collect();
        let has_life: HashSet<usize> = entries.iter().flatten().copied().collect();
        let inactive = (0..self.entries.len()).filter(|at| !has_life.contains(at)).collect();
        Lives { entries, inactive }
    }
}

/// The error of two files that name themselves alike.
pub(super) fn two_of_a_name(name: &str, one: &Entry, other: &Entry) -> Error {
    let message = format!(
        "two files say that they are the domain '{name}', with different uuids: {} and {}; rename one, in its file",
        one.path.display(),
        other.path.display()
    );
    Error::new(Status::InvalidConfig, message).on(Road::Store)
}

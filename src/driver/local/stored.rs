//! The domains that files remember (docs/model.md, "Domain files"), and which life is whose.
//!
//! A file that names no uuid has one that is derived from its path. xenith starts it with that; somebody else starts it with any. So
//! the live domain of its name is its life too, unless that one's uuid belongs to another file: the file is *adopted* by that life.

use std::sync::Arc;

use super::LocalDriver;
use super::find::{Inactive, Now};
use crate::error::{Error, Result, Status};
use crate::model::{DomainInfo, DomainRow, Identity, Reason, State, Uuid};
use crate::store::{Entry, Snapshot};

impl LocalDriver {
    /// What the folder holds. On a host without a folder (left out, or none by its kind) nothing does.
    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>> {
        match &self.roads.store {
            Ok(store) => store.read(),
            Err(_) => Ok(Arc::default()),
        }
    }

    /// The domain of that uuid which a file describes, or the life that has adopted it.
    pub(super) fn stored_or_adopted(&self, uuid: Uuid) -> Result<Option<Now>> {
        let snapshot = self.snapshot()?;
        let Some(entry) = snapshot.by_uuid(uuid) else { return Ok(None) };
        Ok(Some(match self.adopter(&snapshot, entry)? {
            Some(info) => Now::Live(info),
            None => Now::Inactive(Inactive::Stored(entry.clone())),
        }))
    }

    /// The life that has adopted the file, whose own uuid has none.
    fn adopter(&self, snapshot: &Snapshot, entry: &Entry) -> Result<Option<DomainInfo>> {
        if !entry.uuid_is_derived || self.roads.xenstore.is_err() {
            return Ok(None);
        }
        let name = entry.guest.name.as_str();
        let Some(life) = self.life_of_name(name)? else { return Ok(None) };
        match snapshot.of_live(life.uuid, Some(name), |_| false) {
            Some(own) if own.uuid == entry.uuid => self.pinned_life(&life),
            _ => Ok(None),
        }
    }

    /// The file that remembers this life, if one does.
    pub(super) fn entry_of(&self, info: &DomainInfo) -> Result<Option<Entry>> {
        let snapshot = self.snapshot()?;
        if info.uuid.is_nil() {
            return Ok(None);
        }
        if let Some(entry) = snapshot.by_uuid(info.uuid) {
            return Ok(Some(entry.clone()));
        }
        // Asking for the name is worth a round trip only where a file could be adopted by it.
        let Some(domid) = info.domid.filter(|_| snapshot.entries.iter().any(|entry| entry.uuid_is_derived))
        else {
            return Ok(None);
        };
        let Ok(names) = self.names() else { return Ok(None) };
        let name = self.ask_names(|behind| names.name(domid, info.uuid, behind, self.due()))?;
        let lives = |uuid| !matches!(self.life_of_uuid(uuid), Ok(None));
        Ok(snapshot.of_live(info.uuid, name.as_deref(), lives).cloned())
    }

    /// The file that remembers the domain, whether or not it runs.
    ///
    /// Errors: [`Status::InvalidState`] for a transient one; those of [`Self::now`].
    pub(super) fn entry_for(&self, domain: &Identity) -> Result<Entry> {
        match self.now(domain)? {
            Now::Inactive(Inactive::Stored(entry)) => Ok(entry),
            Now::Inactive(Inactive::Xend(known)) => Err(Error::new(
                Status::Internal,
                format!("xend remembers '{}' on a host of files", known.name),
            )),
            Now::Live(info) => self.entry_of(&info)?.ok_or_else(|| {
                let message = format!("the domain {} is transient: no domain file remembers it", domain.uuid);
                Error::new(Status::InvalidState, message)
            }),
        }
    }

    /// The domain of that name by the files. No life has the name, but one of its uuid may run under another.
    ///
    /// Errors: two files of that name, and a broken one that should have it: then it is not true that there is no such domain.
    pub(super) fn stored_name(&self, name: &str) -> Result<Option<Identity>> {
        let snapshot = self.snapshot()?;
        let Some(entry) = snapshot.by_name(name)? else { return Ok(None) };
        let life = self.life_of_uuid(entry.uuid)?;
        Ok(Some(Identity { uuid: entry.uuid, domid: life.and_then(|info| info.domid) }))
    }

    /// The lives that the hypervisor shows, and the files that none of them belongs to. The files are read first: they are there whether
    /// or not their domains run, so one that starts or stops meanwhile is in the list once.
    pub(super) fn lives_and_stored(&self, fresh: bool) -> Result<Vec<DomainRow>> {
        let snapshot = self.snapshot()?;
        let mut rows = self.named_lives(fresh)?;
        let lives = snapshot.lives(rows.iter().map(|row| (row.info.uuid, row.name.as_deref())));
        let inactive = lives.inactive.into_iter().filter_map(|at| snapshot.entries.get(at));
        rows.extend(
            inactive
                .map(|entry| DomainRow { name: Some(entry.guest.name.as_str().into()), info: info(entry) }),
        );
        Ok(rows)
    }
}

/// The figures that a file gives.
pub(super) fn info(entry: &Entry) -> DomainInfo {
    let guest = &entry.guest;
    DomainInfo {
        guest_type: Some(guest.os.kind),
        memory_kib: Some(guest.memory_kib),
        max_memory_kib: Some(guest.max_memory_kib),
        vcpus_max: Some(guest.vcpus.max),
        ..DomainInfo::without_figures(entry.uuid, State::Shutoff, Reason::Inactive)
    }
}

//! What xend knows of domains: its records, and what it is asked by.

use std::collections::HashSet;
use std::sync::Arc;

use super::LocalDriver;
use super::find::gone;
use super::xend_domain::XendDomain;
use crate::channel::xend::Listed;
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::model::{DomId, DomainInfo, DomainRow, Uuid};
use crate::wire::sexpr::Sexpr;

impl LocalDriver {
    /// The lives that the hypervisor shows, and what else xend knows.
    ///
    /// These cannot be one moment, so their order matters. The inactive ones first: one that starts meanwhile is shown as live. Then
    /// those that live. Then the names of all that xend knows: one that was in neither answer started and stopped meanwhile, or only
    /// stopped, and xend is asked about it.
    pub(super) fn lives_and_others(&self, fresh: bool) -> Result<Vec<DomainRow>> {
        let deadline = self.deadline();
        let inactive = self.inactive_rows(deadline)?;
        let mut rows = self.named_lives(fresh)?;
        let mut shown: HashSet<Uuid> = rows.iter().map(|row| row.info.uuid).collect();
        rows.extend(inactive.into_iter().filter(|row| shown.insert(row.info.uuid)));
        let names: HashSet<Arc<str>> = rows.iter().filter_map(|row| row.name.clone()).collect();
        for name in self.xend()?.domain_names(Listed::All, deadline)? {
            if !names.contains(&*name)
                && let Some(found) = self.xend_record(&name, deadline)?
                && found.name == name
                && shown.insert(found.info.uuid)
            {
                rows.push(found.into_row());
            }
        }
        Ok(rows)
    }

    fn inactive_rows(&self, deadline: Deadline) -> Result<Vec<DomainRow>> {
        let xend = self.xend()?;
        let mut rows = Vec::new();
        for state in [Listed::Halted, Listed::Suspended] {
            for name in xend.domain_names(state, deadline)? {
                // One that was undefined since the list is not there; one that started is shown as live.
                if let Some(found) = self.xend_record(&name, deadline)?
                    && found.name == name
                    && found.info.domid.is_none()
                {
                    rows.push(found.into_row());
                }
            }
        }
        Ok(rows)
    }

    /// xend's record of a domain, live or not.
    pub(super) fn xend_record(&self, key: &str, deadline: Deadline) -> Result<Option<XendDomain>> {
        self.xend()?.domain(key, deadline)?.map(|value| XendDomain::read(&value)).transpose()
    }

    /// What xend says of the domain of that uuid, and of no other one.
    pub(super) fn xend_value(&self, uuid: Uuid, life: Option<DomId>) -> Result<Sexpr> {
        let key = self.xend_key(uuid, life)?;
        let value = self.xend()?.domain(&key, self.deadline())?.ok_or_else(|| gone(uuid))?;
        match XendDomain::read(&value)?.info.uuid {
            found if found == uuid => Ok(value),
            other => Err(taken_for_a_name(&key, other)),
        }
    }

    /// The life of that number. xend takes the number for a name first: where a domain is named so, all are looked through.
    pub(super) fn xend_life(&self, domid: DomId) -> Result<Option<DomainInfo>> {
        let value = self.xend()?.domain(&domid.to_string(), self.deadline())?;
        match value.map(|value| XendDomain::read(&value)).transpose()? {
            None => Ok(None),
            Some(found) if found.info.domid == Some(domid) => Ok(Some(found.info)),
            Some(_) => {
                let mut lives = self.xend_lives()?.into_iter().map(|found| found.info);
                Ok(lives.find(|info| info.domid == Some(domid)))
            }
        }
    }

    pub(super) fn xend_lives(&self) -> Result<Vec<XendDomain>> {
        let mut found = self.xend_domains(false)?;
        found.retain(|found| found.info.domid.is_some());
        Ok(found)
    }

    /// What xend is asked by: the uuid, which outlives renames and numbers. A domain without one only has its number, and so has every one
    /// where xend does not look for uuids.
    pub(super) fn xend_key(&self, uuid: Uuid, life: Option<DomId>) -> Result<String> {
        let looks_for_uuids = self.xend_node()?.age().abilities.remembers;
        Ok(match life {
            Some(domid) if uuid.is_nil() || !looks_for_uuids => domid.to_string(),
            _ => uuid.hyphenated().to_string(),
        })
    }

    /// All that xend knows, or all that is not halted.
    pub(super) fn xend_domains(&self, halted: bool) -> Result<Vec<XendDomain>> {
        self.xend()?.domains_detailed(halted, self.deadline())?.iter().map(XendDomain::read).collect()
    }
}

/// xend looks for names first, and somebody named a domain like what another one has to be asked by.
pub(super) fn taken_for_a_name(key: &str, other: Uuid) -> Error {
    let message = format!(
        "xend takes {key} for the name of the domain {other}, and cannot be asked for the one that is meant: rename that domain"
    );
    Error::new(Status::OperationFailed, message).on(Road::Xend)
}

//! What can be set about the daemon's clients from 4.21 on: the features that a domain sees, and its quotas.

use std::collections::BTreeMap;

use super::tree::Answer;

/// A quota, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quota {
    Transactions,
    Watches,
}

impl Quota {
    const ALL: [Quota; 2] = [Quota::Transactions, Quota::Watches];

    fn name(self) -> &'static str {
        match self {
            Quota::Transactions => "transactions",
            Quota::Watches => "watches",
        }
    }

    fn named(name: &str) -> Answer<Quota> {
        Quota::ALL.into_iter().find(|quota| quota.name() == name).ok_or(libc::ENOENT)
    }

    /// The C daemon's default for a guest.
    fn usual(self) -> u32 {
        match self {
            Quota::Transactions => 10,
            Quota::Watches => 128,
        }
    }
}

/// See the module's description. Before 4.21 nobody can change it.
#[derive(Debug, Default)]
pub(super) struct Settings {
    features: BTreeMap<u16, u32>,
    /// None: the default of all domains.
    quotas: BTreeMap<(Option<u16>, Quota), u32>,
}

impl Settings {
    /// How many of it a domain may have.
    pub(super) fn quota(&self, domid: u16, quota: Quota) -> usize {
        let set = self.quotas.get(&(Some(domid), quota)).or_else(|| self.quotas.get(&(None, quota)));
        set.copied().unwrap_or(quota.usual()) as usize
    }

    /// The answer to GET_QUOTA: the names, or one's value.
    pub(super) fn get_quota(&self, domid: Option<u16>, name: Option<&str>) -> Answer<Vec<u8>> {
        let Some(name) = name else {
            return Ok(format!("{}\0", Quota::ALL.map(Quota::name).join(" ")).into_bytes());
        };
        let quota = Quota::named(name)?;
        let value = match domid {
            Some(domid) => self.quota(domid, quota),
            None => self.quotas.get(&(None, quota)).copied().unwrap_or(quota.usual()) as usize,
        };
        Ok(format!("{value}\0").into_bytes())
    }

    /// ENOENT for a quota that there is not.
    pub(super) fn set_quota(&mut self, domid: Option<u16>, name: &str, value: u32) -> Answer<()> {
        self.quotas.insert((domid, Quota::named(name)?), value);
        Ok(())
    }

    /// The features that a domain sees, of those that the daemon offers.
    pub(super) fn features(&self, domid: u16, offered: u32) -> u32 {
        self.features.get(&domid).map_or(offered, |seen| seen & offered)
    }

    /// EINVAL for features that the daemon does not offer.
    pub(super) fn set_features(&mut self, domid: u16, seen: u32, offered: u32) -> Answer<()> {
        if seen & !offered != 0 {
            return Err(libc::EINVAL);
        }
        self.features.insert(domid, seen);
        Ok(())
    }

    /// A domain is gone, and what was set about it.
    pub(super) fn forget(&mut self, domid: u16) {
        self.features.remove(&domid);
        self.quotas.retain(|(of, _), _| *of != Some(domid));
    }
}

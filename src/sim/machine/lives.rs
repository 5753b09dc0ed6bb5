//! The lives of domains: how they begin, are led and end.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Domain, Happened, Load, Machine, NO_LIMIT_PAGES, NewDomain, Result, unique_id};
use crate::model::identity::FIRST_RESERVED_DOMID;
use crate::model::{DomId, Uuid};
use crate::sim::release::Release;

/// The most pauses that a domain remembers, where they count.
const MAX_PAUSES: u32 = 255;

/// The most vcpus of a guest, by kind: MAX_VIRT_CPUS is 128 on HVM and 8192 on PV, and toolstacks stop at 128 or before.
const MAX_VCPUS: u32 = 128;

/// How much of a domain one destroy tears down before it wants to be called again (EAGAIN, 3.2 to 4.5): 512 MiB.
const TEARDOWN_PAGES: u64 = 512 << 20 >> 12;

impl Machine {
    /// Makes a domain: paused, without memory, without vcpus.
    ///
    /// Errors: EINVAL (EEXIST from 4.14 on) where the ordered domid is taken or reserved; ENOMEM when all are; EINVAL for no vcpus
    /// or too many.
    pub fn create(&mut self, new: &NewDomain) -> Result<DomId> {
        let domid = match new.domid {
            Some(domid) => {
                if domid == 0 || domid >= FIRST_RESERVED_DOMID || self.domains.contains_key(&domid) {
                    return Err(if self.release.at_least(4, 14) { libc::EEXIST } else { libc::EINVAL });
                }
                domid
            }
            None => self.use_up_domid()?,
        };
        if new.max_vcpus.is_some_and(|vcpus| vcpus == 0 || vcpus > MAX_VCPUS) {
            return Err(libc::EINVAL);
        }
        self.domains.insert(domid, Domain::new(domid, unique_id(self.born), new));
        self.born += 1;
        self.tell(domid, Happened::Created);
        Ok(domid)
    }

    /// Takes the next domid, as a creation does that fails later on.
    ///
    /// Errors: ENOMEM when all are taken.
    pub fn use_up_domid(&mut self) -> Result<DomId> {
        self.rover = self.next_free().ok_or(libc::ENOMEM)?;
        Ok(self.rover)
    }

    /// The next domid after the last one that is free; they begin again at 1 when they reach the reserved ones.
    fn next_free(&self) -> Option<DomId> {
        let above = self.first_gap(self.rover + 1, FIRST_RESERVED_DOMID);
        above.or_else(|| self.first_gap(1, (self.rover + 1).min(FIRST_RESERVED_DOMID)))
    }

    /// The lowest free domid in `from..to`. Steps over the domains that stand there one after the other, which on a
    /// host that has not wrapped are none.
    fn first_gap(&self, from: DomId, to: DomId) -> Option<DomId> {
        let mut candidate = from;
        for taken in self.domains.range((Bound::Included(from), Bound::Unbounded)).map(|(domid, _)| *domid) {
            if taken != candidate {
                break;
            }
            candidate += 1;
        }
        (candidate < to).then_some(candidate)
    }

    /// Tears a domain down and frees its memory. One call of the hypervisor's: EAGAIN means that some of it is
    /// left and the call is to be made again (Xen 3.2 to 4.5, large domains); [`Machine::destroy_all`] does that.
    ///
    /// Errors: ESRCH, EINVAL for Domain-0, EAGAIN.
    pub fn destroy(&mut self, domid: DomId) -> Result<()> {
        let may_ask_again = self.release.at_least(3, 2) && !self.release.at_least(4, 6);
        let now = self.now();
        let domain = guest_mut(&mut self.domains, domid)?;
        if domain.dead {
            return Ok(());
        }
        domain.teardown = true;
        domain.settle(now);
        let left = domain.tot_pages.saturating_sub(domain.mapped);
        let freed = if may_ask_again { left.min(TEARDOWN_PAGES) } else { left };
        domain.tot_pages -= freed;
        self.free_pages += freed;
        if freed < left {
            return Err(libc::EAGAIN);
        }
        domain.dead = true;
        if domain.tot_pages == 0 {
            self.bury(domid);
        }
        self.tell(domid, Happened::Destroyed);
        Ok(())
    }

    /// Somebody maps pages of a domain: until they are unmapped, a destroyed one stays as a zombie.
    ///
    /// Errors: ESRCH; EINVAL for more pages than it has.
    pub fn map(&mut self, domid: DomId, pages: u64) -> Result<()> {
        let domain = guest_mut(&mut self.domains, domid)?;
        if domain.mapped + pages > domain.tot_pages {
            return Err(libc::EINVAL);
        }
        domain.mapped += pages;
        Ok(())
    }

    /// All that was mapped of a domain is unmapped again.
    ///
    /// Errors: ESRCH.
    pub fn unmap(&mut self, domid: DomId) -> Result<()> {
        let domain = guest_mut(&mut self.domains, domid)?;
        domain.mapped = 0;
        if domain.dead {
            self.bury(domid);
        }
        Ok(())
    }

    /// Nothing holds on to a destroyed domain any more.
    fn bury(&mut self, domid: DomId) {
        if let Some(domain) = self.domains.remove(&domid) {
            self.free_pages += domain.tot_pages + domain.set_aside;
        }
    }

    /// [`Machine::destroy`] until it is done.
    pub fn destroy_all(&mut self, domid: DomId) -> Result<()> {
        loop {
            match self.destroy(domid) {
                Err(libc::EAGAIN) => {}
                done => return done,
            }
        }
    }

    /// Pauses. Where pauses count, each wants its own unpause.
    ///
    /// Errors: ESRCH, EINVAL for Domain-0 (it is the caller), EUSERS or EOVERFLOW for the 256th.
    pub fn pause(&mut self, domid: DomId) -> Result<()> {
        let (now, release) = (self.now(), self.release);
        let domain = guest_mut(&mut self.domains, domid)?;
        if !release.counts_pauses() {
            domain.pauses = 1;
        } else if domain.pauses == MAX_PAUSES {
            return Err(pause_overflow(release));
        } else {
            domain.pauses += 1;
        }
        if domain.settle(now) {
            self.tell(domid, Happened::Paused);
        }
        Ok(())
    }

    /// Unpauses.
    ///
    /// Errors: ESRCH, EINVAL for Domain-0, and EINVAL for a domain that is not paused where pauses count.
    pub fn unpause(&mut self, domid: DomId) -> Result<()> {
        let (now, release) = (self.now(), self.release);
        let domain = guest_mut(&mut self.domains, domid)?;
        if domain.pauses == 0 && release.counts_pauses() {
            return Err(libc::EINVAL);
        }
        domain.pauses = domain.pauses.saturating_sub(1);
        if domain.settle(now) {
            self.tell(domid, Happened::Runs);
        }
        Ok(())
    }

    /// The domain shuts down: by itself, or because a remote shutdown says so. One that is down already stays as it is.
    ///
    /// Errors: ESRCH, EINVAL for Domain-0.
    pub fn shutdown(&mut self, domid: DomId, reason: u8) -> Result<()> {
        let now = self.now();
        let domain = guest_mut(&mut self.domains, domid)?;
        if domain.shutdown.is_none() {
            domain.shutdown = Some(reason);
            domain.settle(now);
            self.tell(domid, Happened::Shutdown(reason));
        }
        Ok(())
    }

    /// A suspended domain goes on where it was (domctl resumedomain).
    ///
    /// Errors: ESRCH, EINVAL for Domain-0.
    pub fn resume(&mut self, domid: DomId) -> Result<()> {
        let now = self.now();
        let domain = guest_mut(&mut self.domains, domid)?;
        domain.shutdown = None;
        if domain.settle(now) {
            self.tell(domid, Happened::Runs);
        }
        Ok(())
    }

    /// Sets how many pages the domain may have. Below what it has is accepted: it keeps them and gets no more.
    ///
    /// Errors: ESRCH.
    pub fn set_max_mem(&mut self, domid: DomId, pages: u64) -> Result<()> {
        self.get_mut(domid)?.max_pages = pages.min(NO_LIMIT_PAGES);
        Ok(())
    }

    /// Gives the domain more pages.
    ///
    /// Errors: ESRCH; ENOMEM, and nothing given, where the domain may not have them or the host has not.
    pub fn populate(&mut self, domid: DomId, pages: u64) -> Result<()> {
        let free = self.free_pages;
        let domain = self.get_mut(domid)?;
        let allowed = domain.max_pages.saturating_sub(domain.tot_pages);
        if pages > allowed || pages > free || domain.teardown {
            return Err(libc::ENOMEM);
        }
        domain.tot_pages += pages;
        self.free_pages -= pages;
        Ok(())
    }

    /// How many pages the domain could be given now.
    ///
    /// Errors: ESRCH.
    pub fn room(&self, domid: DomId) -> Result<u64> {
        let domain = self.get(domid).ok_or(libc::ESRCH)?;
        let allowed = if domain.teardown { 0 } else { domain.max_pages.saturating_sub(domain.tot_pages) };
        Ok(allowed.min(self.free_pages))
    }

    /// Sets pages aside for the domain that are not its own; they are free again when it is gone.
    ///
    /// Errors: ESRCH; ENOMEM, and nothing set aside, where the host has not so many.
    pub fn set_aside(&mut self, domid: DomId, pages: u64) -> Result<()> {
        let free = self.free_pages;
        let domain = self.get_mut(domid)?;
        if pages > free {
            return Err(libc::ENOMEM);
        }
        domain.set_aside += pages;
        self.free_pages -= pages;
        Ok(())
    }

    /// Takes pages from the domain; returns how many it had to give.
    ///
    /// Errors: ESRCH.
    pub fn depopulate(&mut self, domid: DomId, pages: u64) -> Result<u64> {
        let domain = self.get_mut(domid)?;
        let given = pages.min(domain.tot_pages);
        domain.tot_pages -= given;
        self.free_pages += given;
        Ok(given)
    }

    /// Makes vcpus 0 to `vcpus - 1`. They are offline until [`Machine::set_online_vcpus`], but for the first of an HVM guest up to 4.6.
    ///
    /// Errors: ESRCH; EINVAL for none, too many or fewer than exist, and for another number than the domain was made with; EBUSY
    /// for more than exist (4.0 and later).
    pub fn set_max_vcpus(&mut self, domid: DomId, vcpus: u32) -> Result<()> {
        let (now, release) = (self.now(), self.release);
        let domain = guest_mut(&mut self.domains, domid)?;
        if vcpus == 0 || vcpus > MAX_VCPUS || vcpus < domain.max_vcpus {
            return Err(libc::EINVAL);
        }
        if release.at_least(4, 12) && domain.allowed_vcpus.is_some_and(|allowed| allowed != vcpus) {
            return Err(libc::EINVAL);
        }
        if vcpus > domain.max_vcpus && domain.max_vcpus > 0 && release.at_least(4, 0) {
            return Err(libc::EBUSY);
        }
        domain.max_vcpus = vcpus;
        if domain.is_hvm() && !release.at_least(4, 7) {
            domain.online_vcpus = domain.online_vcpus.max(1);
        }
        if domain.settle(now) {
            self.tell(domid, Happened::Runs);
        }
        Ok(())
    }

    /// Brings that many vcpus up, or takes the others down: what the builder does to the first and the guest to the rest.
    ///
    /// Errors: ESRCH; EINVAL for more than exist.
    pub fn set_online_vcpus(&mut self, domid: DomId, vcpus: u32) -> Result<()> {
        let now = self.now();
        let domain = self.get_mut(domid)?;
        if vcpus > domain.max_vcpus {
            return Err(libc::EINVAL);
        }
        domain.online_vcpus = vcpus;
        if domain.settle(now) {
            let what = if domain.runs() { Happened::Runs } else { Happened::Paused };
            self.tell(domid, what);
        }
        Ok(())
    }

    /// Sets the handle.
    ///
    /// Errors: ESRCH.
    pub fn set_handle(&mut self, domid: DomId, handle: Uuid) -> Result<()> {
        self.get_mut(domid)?.handle = handle;
        Ok(())
    }

    /// Says how hard the domain works from now on.
    ///
    /// Errors: ESRCH.
    pub fn set_load(&mut self, domid: DomId, load: Load) -> Result<()> {
        let now = self.now();
        let domain = self.get_mut(domid)?;
        domain.settle(now);
        domain.load = load;
        Ok(())
    }

    /// The power button of the domain is pressed.
    ///
    /// Errors: ESRCH; EINVAL for one that is not HVM, and so has none.
    pub fn press_power(&mut self, domid: DomId) -> Result<()> {
        if !guest_mut(&mut self.domains, domid)?.is_hvm() {
            return Err(libc::EINVAL);
        }
        self.tell(domid, Happened::PowerButton);
        Ok(())
    }
}

/// The errno of one pause too many, where pauses count.
fn pause_overflow(release: Release) -> i32 {
    if release.at_least(4, 6) { libc::EOVERFLOW } else { libc::EUSERS }
}

/// A domain that is not the one which asks.
fn guest_mut(domains: &mut BTreeMap<DomId, Domain>, domid: DomId) -> Result<&mut Domain> {
    if domid == 0 {
        return Err(libc::EINVAL);
    }
    domains.get_mut(&domid).ok_or(libc::ESRCH)
}

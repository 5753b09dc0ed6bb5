//! What the hypervisor knows: its release, memory, processors and domains. No bytes in here: [`crate::sim`]'s
//! hypervisor reads requests off them, and the toolstack and the guests call it directly.
//!
//! How each release behaves was recorded from real ones (facts: xen-abi.md sections 3, 8 and 9). Errors are Xen's errno
//! numbers, positive, which are Linux's.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, Instant};

use crate::model::identity::FIRST_RESERVED_DOMID;
use crate::model::state::LiveBits;
use crate::model::{DomId, GuestType, Uuid};
use crate::sim::release::Release;
use crate::wire::hypercall::CpuidWords;

/// Bytes in a page of memory.
pub const PAGE_SIZE: u64 = 4096;

/// KiB in a page of memory.
pub const PAGE_KIB: u64 = PAGE_SIZE >> 10;

/// What "no limit" looks like in a domain's maximum: Domain-0 has it (recorded: 16777215 MiB).
pub const NO_LIMIT_PAGES: u64 = 0xffff_ffff;

/// The shutdown reasons of public/sched.h.
pub mod reason {
    /// The guest powered itself off.
    pub const POWEROFF: u8 = 0;
    /// The guest asks for a reboot.
    pub const REBOOT: u8 = 1;
    /// The guest suspended.
    pub const SUSPEND: u8 = 2;
    /// The guest crashed.
    pub const CRASH: u8 = 3;
    /// The guest's watchdog fired (4.1 and later).
    pub const WATCHDOG: u8 = 4;
}

/// A result with Xen's errno.
pub type Result<T> = std::result::Result<T, i32>;

/// The most pauses that a domain remembers, where they count.
const MAX_PAUSES: u32 = 255;

/// The most vcpus of a guest, by kind: MAX_VIRT_CPUS is 128 on HVM and 8192 on PV, and toolstacks stop at 128 or before.
const MAX_VCPUS: u32 = 128;

/// How much of a domain one destroy tears down before it wants to be called again (EAGAIN, 3.2 to 4.5): 512 MiB.
const TEARDOWN_PAGES: u64 = 512 << 20 >> 12;

/// The hypervisor's knowledge. One value, locked as a whole by the host.
#[derive(Debug)]
pub struct Machine {
    release: Release,
    cpus: u32,
    total_pages: u64,
    free_pages: u64,
    domains: BTreeMap<DomId, Domain>,
    /// The last domid handed out; a failed create uses one up as well.
    rover: DomId,
    clock: Clock,
    /// The time that stands still: [`Machine::hold_clock`].
    held: Option<Duration>,
    events: Vec<Event>,
}

/// How large a [`Machine`] is.
#[derive(Debug, Clone, Copy)]
pub struct MachineSize {
    /// Memory, KiB.
    pub memory_kib: u64,
    /// Processors.
    pub cpus: u32,
}

/// What createdomain is told.
#[derive(Debug, Clone, Copy)]
pub struct NewDomain {
    /// The handle, which toolstacks set to the uuid.
    pub handle: Uuid,
    /// PV, HVM or PVH.
    pub guest_type: GuestType,
    /// Security label.
    pub ssidref: u32,
    /// This domid and no other; None: the next one.
    pub domid: Option<DomId>,
    /// Vcpus that exist from the start (4.12 and later; before, [`Machine::set_max_vcpus`] makes them).
    pub max_vcpus: Option<u32>,
}

impl NewDomain {
    /// A guest of that kind with that uuid, and nothing special about it.
    pub fn new(handle: Uuid, guest_type: GuestType) -> Self {
        NewDomain { handle, guest_type, ssidref: 0, domid: None, max_vcpus: None }
    }
}

/// One domain, as the hypervisor sees it.
#[derive(Debug, Clone)]
pub struct Domain {
    /// Its number.
    pub domid: DomId,
    /// What toolstacks set to the uuid.
    pub handle: Uuid,
    /// PV, HVM or PVH.
    pub guest_type: GuestType,
    /// Pages that it has.
    pub tot_pages: u64,
    /// Pages that it may have.
    pub max_pages: u64,
    /// Vcpus that exist.
    pub max_vcpus: u32,
    /// Vcpus that are online.
    pub online_vcpus: u32,
    /// Security label.
    pub ssidref: u32,
    /// The cpupool that it runs in.
    pub cpupool: u32,
    /// The frame of its shared info page; all ones for an HVM guest.
    pub shared_info_frame: u64,
    /// Pages that the hypervisor set aside for it, its page tables' pool for example. They are not among those that it has.
    set_aside: u64,
    pauses: u32,
    shutdown: Option<u8>,
    teardown: bool,
    load: Load,
    /// Processor time up to `since`, or in all when it does not run.
    spent: Duration,
    /// Since when it has been able to run; None while it is paused, down, or has no vcpu online.
    since: Option<Duration>,
}

/// How much of one processor a running domain burns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Waits for something most of the time: 2 %.
    Idle,
    /// Boots, shuts down, or otherwise has work: 80 %.
    Busy,
}

impl Load {
    fn percent(self) -> u32 {
        match self {
            Load::Idle => 2,
            Load::Busy => 80,
        }
    }
}

/// Something happened to a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// To which one.
    pub domid: DomId,
    /// What.
    pub what: Happened,
}

/// What happened to a domain. Shutdown and Destroyed are those that Xen raises VIRQ_DOM_EXC for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// It was made.
    Created,
    /// It can run: unpaused, or resumed.
    Runs,
    /// It cannot run any more: paused.
    Paused,
    /// It shut down, with this reason of [`reason`].
    Shutdown(u8),
    /// It is gone.
    Destroyed,
}

/// What physinfo tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhysInfo {
    /// Threads per core.
    pub threads_per_core: u32,
    /// Cores per socket.
    pub cores_per_socket: u32,
    /// Sockets per node.
    pub sockets_per_node: u32,
    /// Processors online.
    pub cpus: u32,
    /// NUMA nodes.
    pub nodes: u32,
    /// Clock, kHz.
    pub cpu_khz: u32,
    /// All memory, pages.
    pub total_pages: u64,
    /// Memory that nobody has, pages.
    pub free_pages: u64,
    /// Pages that are being cleaned.
    pub scrub_pages: u64,
    /// Whether HVM guests can run.
    pub hvm: bool,
    /// The processors' features.
    pub cpuid: CpuidWords,
}

/// Where the time comes from.
#[derive(Debug)]
enum Clock {
    Real(Instant),
    /// Stands still until [`Machine::advance`].
    Stepped(Duration),
}

impl Machine {
    /// A machine that has just booted: Domain-0 runs.
    pub fn new(release: Release, size: MachineSize) -> Self {
        Machine::with_clock(release, size, Clock::Real(Instant::now()))
    }

    /// The same with a clock that only [`Machine::advance`] moves, for tests.
    pub fn with_stepped_clock(release: Release, size: MachineSize) -> Self {
        Machine::with_clock(release, size, Clock::Stepped(Duration::ZERO))
    }

    fn with_clock(release: Release, size: MachineSize, clock: Clock) -> Self {
        let total_pages = size.memory_kib / PAGE_KIB;
        // The hypervisor's own share: its heap and the frame table, which has 32 bytes for each page.
        let own = (64 << 20 >> 12) + total_pages / 128;
        let mut machine = Machine {
            release,
            cpus: size.cpus.max(1),
            total_pages,
            free_pages: total_pages.saturating_sub(own),
            domains: BTreeMap::new(),
            rover: 0,
            clock,
            held: None,
            events: Vec::new(),
        };
        let dom0_pages = (1 << 30 >> 12).min(machine.free_pages / 2);
        machine.free_pages -= dom0_pages;
        let vcpus = machine.cpus;
        let mut dom0 = Domain::new(0, &NewDomain::new(Uuid::nil(), GuestType::Pv));
        dom0.tot_pages = dom0_pages;
        dom0.max_pages = NO_LIMIT_PAGES;
        (dom0.max_vcpus, dom0.online_vcpus) = (vcpus, vcpus);
        dom0.pauses = 0;
        dom0.since = Some(machine.now());
        machine.domains.insert(0, dom0);
        machine
    }

    /// The hypervisor's release.
    pub fn release(&self) -> Release {
        self.release
    }

    /// Time since the hypervisor booted.
    pub fn now(&self) -> Duration {
        match (self.held, &self.clock) {
            (Some(held), _) => held,
            (None, Clock::Real(boot)) => boot.elapsed(),
            (None, Clock::Stepped(now)) => *now,
        }
    }

    /// Stops the time until [`Machine::let_clock_go`]: one call is one moment, for ten thousand domains too, and the clock is
    /// read once.
    pub fn hold_clock(&mut self) {
        self.held = Some(self.now());
    }

    /// Time goes on.
    pub fn let_clock_go(&mut self) {
        self.held = None;
    }

    /// Moves a stepped clock; a real one moves by itself.
    pub fn advance(&mut self, by: Duration) {
        if let Clock::Stepped(now) = &mut self.clock {
            *now += by;
        }
    }

    /// The domain of that number.
    pub fn get(&self, domid: DomId) -> Option<&Domain> {
        self.domains.get(&domid)
    }

    /// Domains from `domid` on, upwards.
    pub fn domains_from(&self, domid: DomId) -> impl Iterator<Item = &Domain> {
        self.domains.range(domid..).map(|(_, domain)| domain)
    }

    /// How many domains there are, Domain-0 included.
    pub fn domain_count(&self) -> usize {
        self.domains.len()
    }

    /// Processor time of a domain up to now, ns.
    pub fn cpu_time_ns(&self, domain: &Domain) -> u64 {
        u64::try_from(domain.burnt(self.now()).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The hypervisor's bits about a domain, as this release shows them.
    pub fn bits(&self, domain: &Domain) -> LiveBits {
        let runs = domain.since.is_some();
        // Whoever asks the hypervisor runs in Domain-0.
        let running = runs && (domain.domid == 0 || domain.load == Load::Busy);
        LiveBits {
            // From 3.2 on only a zombie shows this bit: a domain on its way down looks paused.
            dying: domain.teardown && !self.release.at_least(3, 2),
            shutdown: domain.shutdown.is_some(),
            shutdown_reason: domain.shutdown.unwrap_or(0),
            paused: domain.pauses > 0 || domain.teardown,
            blocked: runs && !running,
            running,
        }
    }

    /// Processors and memory.
    pub fn physinfo(&self) -> PhysInfo {
        PhysInfo {
            threads_per_core: 1,
            cores_per_socket: self.cpus,
            sockets_per_node: 1,
            cpus: self.cpus,
            nodes: 1,
            cpu_khz: 2_400_000,
            total_pages: self.total_pages,
            free_pages: self.free_pages,
            scrub_pages: 0,
            hvm: true,
            // A plain x86-64 processor with SSE2, PAE, NX, long mode and VMX.
            cpuid: CpuidWords {
                basic_d: 0x178b_fbff,
                basic_c: 0x0000_0020,
                extended_d: 0x2810_0800,
                extended_c: 0x0000_0001,
            },
        }
    }

    /// Makes a domain: paused, without memory, without vcpus (unless it says how many).
    ///
    /// Errors: EINVAL (EEXIST from 4.13 on) where the ordered domid is taken or reserved; ENOMEM when all are.
    pub fn create(&mut self, new: &NewDomain) -> Result<DomId> {
        if new.max_vcpus.is_some_and(|vcpus| vcpus == 0 || vcpus > MAX_VCPUS) {
            return Err(libc::EINVAL);
        }
        let domid = match new.domid {
            Some(domid) => {
                if domid == 0 || domid >= FIRST_RESERVED_DOMID || self.domains.contains_key(&domid) {
                    return Err(if self.release.at_least(4, 13) { libc::EEXIST } else { libc::EINVAL });
                }
                domid
            }
            None => {
                self.rover = self.next_free().ok_or(libc::ENOMEM)?;
                self.rover
            }
        };
        let mut domain = Domain::new(domid, new);
        domain.max_vcpus = new.max_vcpus.unwrap_or(0);
        self.domains.insert(domid, domain);
        self.tell(domid, Happened::Created);
        Ok(domid)
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
        domain.teardown = true;
        domain.settle(now);
        let freed = if may_ask_again { domain.tot_pages.min(TEARDOWN_PAGES) } else { domain.tot_pages };
        domain.tot_pages -= freed;
        self.free_pages += freed;
        if domain.tot_pages > 0 {
            return Err(libc::EAGAIN);
        }
        if let Some(domain) = self.domains.remove(&domid) {
            self.free_pages += domain.set_aside;
        }
        self.tell(domid, Happened::Destroyed);
        Ok(())
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

    /// Makes vcpus 0 to `vcpus - 1`. They are offline until [`Machine::set_online_vcpus`].
    ///
    /// Errors: ESRCH; EINVAL for none, too many or fewer than exist, and from 4.12 on for another number than the domain
    /// was made with; EBUSY for more than exist (4.0 and later).
    pub fn set_max_vcpus(&mut self, domid: DomId, vcpus: u32) -> Result<()> {
        let release = self.release;
        let domain = guest_mut(&mut self.domains, domid)?;
        if vcpus == 0 || vcpus > MAX_VCPUS || vcpus < domain.max_vcpus {
            return Err(libc::EINVAL);
        }
        if vcpus > domain.max_vcpus {
            if release.at_least(4, 12) {
                return Err(libc::EINVAL);
            }
            if domain.max_vcpus > 0 && release.at_least(4, 0) {
                return Err(libc::EBUSY);
            }
        }
        domain.max_vcpus = vcpus;
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

    /// What happened since this was last asked, oldest first.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether [`Machine::take_events`] would return any.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    fn tell(&mut self, domid: DomId, what: Happened) {
        self.events.push(Event { domid, what });
    }

    fn get_mut(&mut self, domid: DomId) -> Result<&mut Domain> {
        self.domains.get_mut(&domid).ok_or(libc::ESRCH)
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

impl Domain {
    fn new(domid: DomId, new: &NewDomain) -> Self {
        Domain {
            domid,
            handle: new.handle,
            guest_type: new.guest_type,
            tot_pages: 0,
            max_pages: 0,
            max_vcpus: 0,
            online_vcpus: 0,
            ssidref: new.ssidref,
            cpupool: 0,
            shared_info_frame: match new.guest_type {
                GuestType::Pv => 0x3_0000 + u64::from(domid),
                GuestType::Hvm | GuestType::Pvh => u64::MAX,
            },
            set_aside: 0,
            // Made by a toolstack that still has to build it.
            pauses: 1,
            shutdown: None,
            teardown: false,
            load: Load::Idle,
            spent: Duration::ZERO,
            since: None,
        }
    }

    /// Whether it can run.
    pub fn runs(&self) -> bool {
        self.since.is_some()
    }

    /// How often it is paused: at most once where pauses do not count.
    pub fn pauses(&self) -> u32 {
        self.pauses
    }

    /// Why it shut down; None while it is up.
    pub fn shutdown_reason(&self) -> Option<u8> {
        self.shutdown
    }

    /// Whether a destroy has begun and is to be called again.
    pub fn is_torn_down(&self) -> bool {
        self.teardown
    }

    fn burnt(&self, now: Duration) -> Duration {
        let running = self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.spent + running * self.load.percent() / 100
    }

    /// Books the time up to now and finds out whether it runs from now on; true where that has changed.
    fn settle(&mut self, now: Duration) -> bool {
        let before = self.since.is_some();
        let after = self.pauses == 0 && self.shutdown.is_none() && !self.teardown && self.online_vcpus > 0;
        self.spent = self.burnt(now);
        self.since = after.then_some(now);
        before != after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 20;

    fn machine(release: Release) -> Machine {
        Machine::with_stepped_clock(release, MachineSize { memory_kib: 8 * GIB, cpus: 4 })
    }

    fn guest(machine: &mut Machine, mib: u64) -> DomId {
        let domid = machine.create(&NewDomain::new(Uuid::from_u128(7), GuestType::Pv)).unwrap();
        machine.set_max_mem(domid, mib << 8).unwrap();
        machine.populate(domid, mib << 8).unwrap();
        machine.set_max_vcpus(domid, 1).unwrap();
        machine.set_online_vcpus(domid, 1).unwrap();
        domid
    }

    fn bits(machine: &Machine, domid: DomId) -> LiveBits {
        machine.bits(machine.get(domid).unwrap())
    }

    fn cpu(machine: &Machine, domid: DomId) -> u64 {
        machine.cpu_time_ns(machine.get(domid).unwrap())
    }

    #[test]
    fn domain_0_runs_from_the_start_without_a_uuid_and_without_a_limit() {
        let machine = machine(Release::XEN_3_4);
        let dom0 = machine.get(0).unwrap();
        assert!(dom0.handle.is_nil());
        assert_eq!(dom0.max_pages * PAGE_KIB / 1024, 16_777_215);
        assert!(bits(&machine, 0).running);
        assert_eq!(dom0.online_vcpus, 4);
    }

    #[test]
    fn memory_is_finite_and_destroy_frees_it() {
        let mut machine = machine(Release::XEN_4_1);
        let free = machine.physinfo().free_pages;
        let first = guest(&mut machine, 4096);
        assert_eq!(machine.physinfo().free_pages, free - (4096 << 8));
        let second = machine.create(&NewDomain::new(Uuid::nil(), GuestType::Hvm)).unwrap();
        assert_eq!(machine.populate(second, 1), Err(libc::ENOMEM), "it may not have any yet");
        machine.set_max_mem(second, 8192 << 8).unwrap();
        assert_eq!(machine.populate(second, 8192 << 8), Err(libc::ENOMEM), "the host has not so much");
        assert_eq!(machine.get(second).unwrap().tot_pages, 0);
        machine.destroy_all(first).unwrap();
        machine.destroy_all(second).unwrap();
        assert_eq!(machine.physinfo().free_pages, free);
        assert_eq!(machine.destroy(first), Err(libc::ESRCH));
        assert_eq!(machine.destroy(0), Err(libc::EINVAL));
    }

    #[test]
    fn a_large_domain_wants_to_be_destroyed_again_and_looks_paused_meanwhile() {
        let mut old = machine(Release::XEN_3_4);
        let domid = guest(&mut old, 1024);
        old.unpause(domid).unwrap();
        assert_eq!(old.destroy(domid), Err(libc::EAGAIN));
        let half = bits(&old, domid);
        assert!(half.paused && !half.dying && !half.running && !half.blocked);
        assert_eq!(old.destroy(domid), Ok(()));
        let mut new = machine(Release::XEN_4_17);
        let order = NewDomain { max_vcpus: Some(1), ..NewDomain::new(Uuid::nil(), GuestType::Pv) };
        let domid = new.create(&order).unwrap();
        new.set_max_mem(domid, 1024 << 8).unwrap();
        new.populate(domid, 1024 << 8).unwrap();
        assert_eq!(new.destroy(domid), Ok(()));
    }

    #[test]
    fn domids_go_upwards_and_come_back_only_after_they_wrapped() {
        let mut machine = machine(Release::XEN_4_1);
        let order = NewDomain::new(Uuid::nil(), GuestType::Pv);
        assert_eq!(machine.create(&order), Ok(1));
        machine.destroy(1).unwrap();
        assert_eq!(machine.create(&order), Ok(2));
        let chosen = NewDomain { domid: Some(FIRST_RESERVED_DOMID - 1), ..order };
        assert_eq!(machine.create(&chosen), Ok(FIRST_RESERVED_DOMID - 1));
        assert_eq!(machine.create(&chosen), Err(libc::EINVAL));
        machine.rover = FIRST_RESERVED_DOMID - 2;
        assert_eq!(machine.create(&order), Ok(1), "the last one is taken: begin again");
        assert_eq!(machine.create(&order), Ok(3), "2 is taken");
        let reserved = NewDomain { domid: Some(FIRST_RESERVED_DOMID), ..order };
        assert_eq!(machine.create(&reserved), Err(libc::EINVAL));
    }

    #[test]
    fn when_every_domid_is_taken_there_is_no_other() {
        let mut machine = machine(Release::XEN_4_1);
        let order = NewDomain::new(Uuid::nil(), GuestType::Pv);
        for _ in 1..FIRST_RESERVED_DOMID {
            machine.create(&order).unwrap();
        }
        assert_eq!(machine.create(&order), Err(libc::ENOMEM));
        machine.destroy(77).unwrap();
        assert_eq!(machine.create(&order), Ok(77));
    }

    #[test]
    fn pauses_count_where_the_release_counts_them() {
        let mut old = machine(Release::XEN_4_1);
        let domid = guest(&mut old, 16);
        assert_eq!(bits(&old, domid).state().0, crate::model::State::Paused);
        old.pause(domid).unwrap();
        old.pause(domid).unwrap();
        old.unpause(domid).unwrap();
        assert!(!bits(&old, domid).paused);
        assert_eq!(old.unpause(domid), Ok(()), "recorded: 4.1 does not mind");

        let mut new = machine(Release::XEN_4_4);
        let domid = guest(&mut new, 16);
        new.pause(domid).unwrap();
        new.unpause(domid).unwrap();
        assert!(bits(&new, domid).paused);
        new.unpause(domid).unwrap();
        assert!(!bits(&new, domid).paused);
        assert_eq!(new.unpause(domid), Err(libc::EINVAL));
        for _ in 0..255 {
            new.pause(domid).unwrap();
        }
        assert_eq!(new.pause(domid), Err(libc::EUSERS), "recorded: 4.4.4");
        assert_eq!(new.pause(0), Err(libc::EINVAL));
    }

    #[test]
    fn processor_time_grows_while_a_domain_runs_and_only_then() {
        let mut machine = machine(Release::XEN_3_4);
        let domid = guest(&mut machine, 16);
        let second = Duration::from_secs(1);
        machine.advance(second);
        assert_eq!(cpu(&machine, domid), 0, "paused");
        machine.unpause(domid).unwrap();
        machine.set_load(domid, Load::Busy).unwrap();
        machine.advance(second);
        assert_eq!(cpu(&machine, domid), 800_000_000);
        assert!(bits(&machine, domid).running);
        machine.set_load(domid, Load::Idle).unwrap();
        machine.advance(second);
        assert_eq!(cpu(&machine, domid), 820_000_000);
        assert!(bits(&machine, domid).blocked);
        machine.pause(domid).unwrap();
        machine.advance(second);
        assert_eq!(cpu(&machine, domid), 820_000_000);
        machine.unpause(domid).unwrap();
        machine.shutdown(domid, reason::POWEROFF).unwrap();
        machine.advance(second);
        assert_eq!(cpu(&machine, domid), 820_000_000);
    }

    #[test]
    fn the_first_shutdown_reason_stays_and_a_suspended_domain_can_go_on() {
        let mut machine = machine(Release::XEN_4_1);
        let domid = guest(&mut machine, 16);
        machine.unpause(domid).unwrap();
        machine.shutdown(domid, reason::SUSPEND).unwrap();
        machine.shutdown(domid, reason::CRASH).unwrap();
        assert_eq!(bits(&machine, domid).shutdown_reason, reason::SUSPEND);
        machine.resume(domid).unwrap();
        assert!(machine.get(domid).unwrap().runs());
    }

    #[test]
    fn events_tell_what_happened_in_order() {
        let mut machine = machine(Release::XEN_4_1);
        let domid = guest(&mut machine, 16);
        machine.unpause(domid).unwrap();
        machine.unpause(domid).unwrap();
        machine.pause(domid).unwrap();
        machine.unpause(domid).unwrap();
        machine.shutdown(domid, reason::CRASH).unwrap();
        machine.destroy(domid).unwrap();
        let events: Vec<Happened> = machine.take_events().into_iter().map(|event| event.what).collect();
        use Happened::{Created, Destroyed, Paused, Runs, Shutdown};
        assert_eq!(events, [Created, Runs, Paused, Runs, Shutdown(3), Destroyed]);
        assert!(!machine.has_events());
    }

    #[test]
    fn vcpus_do_not_grow_after_3_4_and_never_shrink() {
        for (release, more) in [(Release::XEN_3_4, Ok(())), (Release::XEN_4_1, Err(libc::EBUSY))] {
            let mut machine = machine(release);
            let domid = machine.create(&NewDomain::new(Uuid::nil(), GuestType::Pv)).unwrap();
            assert_eq!(machine.set_max_vcpus(domid, 0), Err(libc::EINVAL));
            assert_eq!(machine.set_max_vcpus(domid, 2), Ok(()));
            assert_eq!(machine.set_max_vcpus(domid, 1), Err(libc::EINVAL));
            assert_eq!(machine.set_max_vcpus(domid, 3), more);
        }
    }
}

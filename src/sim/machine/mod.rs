//! What the hypervisor knows: its release, memory, processors and domains. No bytes in here: [`crate::sim`]'s
//! hypervisor reads requests off them, and the toolstack and the guests call it directly.
//!
//! How each release behaves was recorded from real ones (facts: xen-abi.md sections 3, 8 and 9). Errors are Xen's errno
//! numbers, positive, which are Linux's.

mod domain;
mod lives;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::state::LiveBits;
use crate::model::{DomId, GuestType, Uuid};
use crate::sim::release::Release;
use crate::wire::hypercall::CpuidWords;

pub use domain::{Affinity, Domain, Load, NewDomain, Share};

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

/// `XEN_X86_EMU_PIT`: what Domain-0 has as a PV guest (recorded from 4.11 on).
const EMULATES_PIT: u32 = 0x100;

/// The hypervisor's knowledge. One value, locked as a whole by the host.
#[derive(Debug)]
pub struct Machine {
    release: Release,
    cpus: u32,
    total_pages: u64,
    free_pages: u64,
    domains: BTreeMap<DomId, Domain>,
    /// The last domid handed out.
    rover: DomId,
    /// How many domains there have ever been.
    born: u64,
    clock: Clock,
    /// The time that stands still: [`Machine::hold_clock`].
    held: Option<Duration>,
    events: Vec<Event>,
    console: Vec<u8>,
    /// Where in it the text begins that nobody cleared.
    console_from: usize,
    host_share: HostShare,
    /// The frame that is handed out next.
    next_frame: u64,
}

/// What the one cpupool's scheduler was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostShare {
    /// How long a vcpu runs at most under credit, ms.
    pub tslice_ms: u32,
    /// How long it runs at least, us.
    pub ratelimit_us: u32,
    /// How long its cache counts as warm under credit, us.
    pub migration_delay_us: u32,
}

/// How large a [`Machine`] is.
#[derive(Debug, Clone, Copy)]
pub struct MachineSize {
    /// Memory, KiB.
    pub memory_kib: u64,
    /// Processors.
    pub cpus: u32,
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
    /// Its power button was pressed.
    PowerButton,
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
            born: 1,
            clock,
            held: None,
            events: Vec::new(),
            console: boot_messages(release, size).into_bytes(),
            console_from: 0,
            host_share: HostShare { tslice_ms: 30, ratelimit_us: 1000, migration_delay_us: 0 },
            next_frame: 0x4_0000,
        };
        let dom0_pages = (1 << 30 >> 12).min(machine.free_pages / 2);
        machine.free_pages -= dom0_pages;
        let vcpus = machine.cpus;
        let mut dom0 = Domain::new(0, unique_id(0), &NewDomain::new(Uuid::nil(), GuestType::Pv));
        dom0.emulation = EMULATES_PIT;
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
            dying: domain.dead || (domain.teardown && !self.release.at_least(3, 2)),
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

    /// The highest frame of memory.
    pub fn highest_frame(&self) -> u64 {
        self.total_pages.saturating_sub(1)
    }

    /// How long each processor has been idle since the hypervisor booted, ns; they share the work.
    pub fn idle_ns(&self) -> u64 {
        let spent: Duration = self.domains.values().map(|domain| domain.burnt(self.now())).sum();
        let idle = self.now().saturating_sub(spent / self.cpus.max(1));
        u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Where reading the console begins that is asked for its text from byte `from` on: not before what was cleared, not after the end.
    pub fn console_at(&self, from: usize) -> usize {
        from.clamp(self.console_from, self.console.len())
    }

    /// What the hypervisor said on its console since it booted, from [`Machine::console_at`] on.
    pub fn console(&self, from: usize) -> &[u8] {
        self.console.get(self.console_at(from)..).unwrap_or_default()
    }

    /// Forgets what it said.
    pub fn clear_console(&mut self) {
        self.console_from = self.console.len();
    }

    /// What the scheduler was told.
    pub fn host_share(&self) -> HostShare {
        self.host_share
    }

    /// Tells the scheduler something else.
    pub fn set_host_share(&mut self, share: HostShare) {
        self.host_share = share;
    }

    /// The first of the frames that the next `pages` pages will be.
    pub(super) fn next_frames(&mut self, pages: u64) -> u64 {
        let first = self.next_frame;
        self.next_frame = first.wrapping_add(pages);
        first
    }

    /// The domain, to change what nothing else depends on.
    ///
    /// Errors: ESRCH.
    pub(super) fn get_mut(&mut self, domid: DomId) -> Result<&mut Domain> {
        self.domains.get_mut(&domid).ok_or(libc::ESRCH)
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
}

/// What stands on the console after the boot.
fn boot_messages(release: Release, size: MachineSize) -> String {
    let MachineSize { memory_kib, cpus } = size;
    let mib = memory_kib >> 10;
    format!(
        " Xen {release}\n(XEN) Xen version {release} (xenith@simulation) (rustc) debug=n\n\
         (XEN) This hypervisor is a simulation: it runs nobody's code, and its figures are made up.\n\
         (XEN) System RAM: {mib}MB ({memory_kib}kB)\n(XEN) Brought up {cpus} CPUs\n\
         (XEN) HVM: Hardware Assisted Paging (HAP) detected\n(XEN) Dom0 has maximum {cpus} VCPUs\n\
         (XEN) *** Serial input to DOM0 (type 'CTRL-a' three times to switch input)\n"
    )
}

/// What tells a domain from every other that this host ever had: they are neither in order nor close, as the real ones are not.
fn unique_id(born: u64) -> u64 {
    (born + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests;

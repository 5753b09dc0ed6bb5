//! One domain, as the hypervisor knows it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{DomId, GuestType, Uuid};
use crate::wire::hypercall::domain::EMULATES_LAPIC_ONLY;

/// All devices that a hypervisor of 4.9 and later gives to an ordinary HVM guest.
const EMULATES_PC: u32 = 0x3ff;

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
    /// How many vcpus it may have: what createdomain is told from 4.12 on. [`Machine::set_max_vcpus`](super::Machine::set_max_vcpus)
    /// makes them, at every age.
    pub max_vcpus: Option<u32>,
    /// Its memory is translated by the processor (hardware assisted paging).
    pub hap: bool,
    /// It is the domain that xenstore lives in.
    pub xenstore: bool,
    /// The devices that the hypervisor emulates for it (`XEN_X86_EMU_*`).
    pub emulation: u32,
}

impl NewDomain {
    /// A guest of that kind with that uuid, and nothing special about it.
    pub fn new(handle: Uuid, guest_type: GuestType) -> Self {
        NewDomain {
            handle,
            guest_type,
            ssidref: 0,
            domid: None,
            max_vcpus: None,
            hap: guest_type != GuestType::Pv,
            xenstore: false,
            emulation: match guest_type {
                GuestType::Pv => 0,
                GuestType::Hvm => EMULATES_PC,
                GuestType::Pvh => EMULATES_LAPIC_ONLY,
            },
        }
    }
}

/// One domain, as the hypervisor sees it.
#[derive(Debug, Clone)]
pub struct Domain {
    /// Its number.
    pub domid: DomId,
    /// What no other domain of this host ever had, since it booted (4.21 and later show it).
    pub unique_id: u64,
    /// What toolstacks set to the uuid.
    pub handle: Uuid,
    /// PV, HVM or PVH.
    pub guest_type: GuestType,
    /// Pages that it has.
    pub tot_pages: u64,
    /// Pages that it may have.
    pub max_pages: u64,
    /// Vcpus that it may have, where createdomain said so.
    pub allowed_vcpus: Option<u32>,
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
    /// See [`NewDomain::hap`].
    pub hap: bool,
    /// See [`NewDomain::xenstore`].
    pub xenstore: bool,
    /// See [`NewDomain::emulation`].
    pub emulation: u32,
    /// A debugger is attached.
    pub debugged: bool,
    /// 64, or 32 for a PV guest that was told so.
    pub address_size: u32,
    /// What the scheduler was told.
    pub share: Share,
    /// Where its vcpus may run and where they would rather; those that nobody pinned are missing.
    pub affinity: BTreeMap<u32, Affinity>,
    /// The pool of the tables that translate its memory, bytes.
    pub paging_pool: u64,
    /// The parameters of an HVM guest that were set.
    pub hvm_params: BTreeMap<u32, u64>,
    /// The last event channel that was made for it.
    pub last_port: u32,
    /// Pages that the hypervisor set aside for it, its page tables' pool for example. They are not among those that it has.
    pub(super) set_aside: u64,
    /// Pages of it that somebody else has mapped: while there are any, it cannot go away.
    pub(super) mapped: u64,
    pub(super) pauses: u32,
    pub(super) shutdown: Option<u8>,
    pub(super) teardown: bool,
    pub(super) dead: bool,
    pub(super) load: Load,
    /// Processor time up to `since`, or in all when it does not run.
    pub(super) spent: Duration,
    /// Since when it has been able to run; None while it is paused, down, or has no vcpu online.
    pub(super) since: Option<Duration>,
}

/// A domain's share of the processors, as the credit schedulers have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Relative to those of the other domains.
    pub weight: u16,
    /// The most that it gets, in percent of one processor; 0: no limit.
    pub cap: u16,
}

/// The processors of one vcpu, a bit each, the lowest first; what is shorter than the host means no for the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity {
    /// Where it may run. None: everywhere.
    pub hard: Option<Vec<u8>>,
    /// Where it would rather run. None: no matter.
    pub soft: Option<Vec<u8>>,
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

impl Domain {
    pub(super) fn new(domid: DomId, unique_id: u64, new: &NewDomain) -> Self {
        Domain {
            domid,
            unique_id,
            handle: new.handle,
            guest_type: new.guest_type,
            tot_pages: 0,
            max_pages: 0,
            allowed_vcpus: new.max_vcpus,
            max_vcpus: 0,
            online_vcpus: 0,
            ssidref: new.ssidref,
            cpupool: 0,
            shared_info_frame: match new.guest_type {
                GuestType::Pv => 0x3_0000 + u64::from(domid),
                GuestType::Hvm | GuestType::Pvh => u64::MAX,
            },
            hap: new.hap,
            xenstore: new.xenstore,
            emulation: new.emulation,
            debugged: false,
            address_size: 64,
            share: Share { weight: 256, cap: 0 },
            affinity: BTreeMap::new(),
            paging_pool: 1 << 20,
            hvm_params: BTreeMap::new(),
            last_port: 0,
            set_aside: 0,
            mapped: 0,
            // Made by a toolstack that still has to build it.
            pauses: 1,
            shutdown: None,
            teardown: false,
            dead: false,
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

    /// Whether it is destroyed, and only there because somebody has its memory mapped.
    pub fn is_zombie(&self) -> bool {
        self.dead
    }

    /// Whether it is an HVM or PVH guest.
    pub fn is_hvm(&self) -> bool {
        self.guest_type != GuestType::Pv
    }

    pub(super) fn burnt(&self, now: Duration) -> Duration {
        let running = self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.spent + running * self.load.percent() / 100
    }

    /// Books the time up to now and finds out whether it runs from now on; true where that has changed.
    pub(super) fn settle(&mut self, now: Duration) -> bool {
        let before = self.since.is_some();
        let after = self.pauses == 0 && self.shutdown.is_none() && !self.teardown && self.online_vcpus > 0;
        self.spent = self.burnt(now);
        self.since = after.then_some(now);
        before != after
    }
}

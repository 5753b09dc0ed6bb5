//! A domain's record: what getdomaininfo answers and what a list holds.

use super::generation::{Arch, Dialect};
use super::layout::{Layout, record};
use super::pages_to_kib;
use super::tables::getdomaininfo as at;
use crate::model::state::LiveBits;
use crate::model::{DomainInfo, GuestType, Uuid};

/// Bits of the record's flags word (domctl.h, `XEN_DOMINF_*`).
pub mod flag {
    /// Torn down, and still referenced. Up to 3.1: being torn down.
    pub const DYING: u32 = 0x1;
    /// Hardware-virtualized: HVM, and PVH from 4.9.
    pub const HVM_GUEST: u32 = 0x2;
    /// Has shut down.
    pub const SHUTDOWN: u32 = 0x4;
    /// Its pause count is above zero.
    pub const PAUSED: u32 = 0x8;
    /// Every online vcpu waits.
    pub const BLOCKED: u32 = 0x10;
    /// A vcpu is on a processor.
    pub const RUNNING: u32 = 0x20;
    /// PVH's first form: 4.4 to 4.8 only. From 4.9 this bit marks a xenstore domain.
    pub const PVH_GUEST: u32 = 0x80;
    /// Where the shutdown reason begins: one byte, meaningless unless SHUTDOWN is set.
    pub const SHUTDOWN_SHIFT: u32 = 16;
    /// The shutdown reason of a domain that has not shut down, as Xen stores it: all ones, and it spills into the bits above.
    pub const NO_REASON: u32 = 0xffff << SHUTDOWN_SHIFT;
}

pub use super::create::EMULATES_LAPIC_ONLY;

/// Highest vcpu id of a domain without vcpus (4.3.4, 4.4.2 and later).
pub const NO_VCPUS: u32 = u32::MAX;

/// Cpupool of a domain that is in none.
const NO_CPUPOOL: u32 = u32::MAX;

/// Page limits from here on are none: Xen stores all ones, in 32 bits on older releases.
const UNLIMITED_PAGES: u64 = 0xffff_ffff;

/// The record's fields; those that a generation lacks are None.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DomainRecord {
    /// Its number.
    pub domain: u16,
    /// [`flag`]s.
    pub flags: u32,
    /// Pages that it has.
    pub tot_pages: u64,
    /// Pages that it may have.
    pub max_pages: u64,
    /// Pages claimed and not yet given.
    pub outstanding_pages: Option<u64>,
    /// Pages that it shares.
    pub shr_pages: Option<u64>,
    /// Pages that are paged out.
    pub paged_pages: Option<u64>,
    /// Frame of its shared info page.
    pub shared_info_frame: u64,
    /// Processor time used, ns.
    pub cpu_time: u64,
    /// Vcpus that are up.
    pub nr_online_vcpus: u32,
    /// The highest vcpu's number; [`NO_VCPUS`].
    pub max_vcpu_id: u32,
    /// Security label.
    pub ssidref: u32,
    /// Its uuid.
    pub handle: [u8; 16],
    /// Its cpupool.
    pub cpupool: Option<u32>,
    /// Devices that Xen emulates for it (x86).
    pub emulation_flags: Option<u32>,
}

impl DomainRecord {
    /// Reads one. None when `bytes` are fewer than the layout has.
    pub fn decode(layout: Layout, bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..layout.size())?;
        let word = |field| layout.get(bytes, field);
        let half = |field| layout.get32(bytes, field);
        Some(DomainRecord {
            domain: u16::try_from(word(&at::DOMAIN)?).ok()?,
            flags: half(&at::FLAGS)?,
            tot_pages: word(&at::TOT_PAGES)?,
            max_pages: word(&at::MAX_PAGES)?,
            outstanding_pages: word(&at::OUTSTANDING_PAGES),
            shr_pages: word(&at::SHR_PAGES),
            paged_pages: word(&at::PAGED_PAGES),
            shared_info_frame: word(&at::SHARED_INFO_FRAME)?,
            cpu_time: word(&at::CPU_TIME)?,
            nr_online_vcpus: half(&at::NR_ONLINE_VCPUS)?,
            max_vcpu_id: half(&at::MAX_VCPU_ID)?,
            ssidref: half(&at::SSIDREF)?,
            handle: layout.bytes(bytes, &at::HANDLE)?.try_into().ok()?,
            cpupool: half(&at::CPUPOOL),
            emulation_flags: half(&at::EMULATION_FLAGS),
        })
    }

    /// Writes one; figures that the layout has no place for are left out. None when `bytes` are too few.
    pub fn encode(&self, layout: Layout, bytes: &mut [u8]) -> Option<()> {
        let bytes = bytes.get_mut(..layout.size())?;
        bytes.fill(0);
        let mut put = |field, value: Option<u64>| value.and_then(|value| layout.set(bytes, field, value));
        put(&at::DOMAIN, Some(self.domain.into()));
        put(&at::FLAGS, Some(self.flags.into()));
        put(&at::TOT_PAGES, Some(self.tot_pages));
        put(&at::MAX_PAGES, Some(self.max_pages));
        put(&at::OUTSTANDING_PAGES, self.outstanding_pages);
        put(&at::SHR_PAGES, self.shr_pages);
        put(&at::PAGED_PAGES, self.paged_pages);
        put(&at::SHARED_INFO_FRAME, Some(self.shared_info_frame));
        put(&at::CPU_TIME, Some(self.cpu_time));
        put(&at::NR_ONLINE_VCPUS, Some(self.nr_online_vcpus.into()));
        put(&at::MAX_VCPU_ID, Some(self.max_vcpu_id.into()));
        put(&at::SSIDREF, Some(self.ssidref.into()));
        put(&at::CPUPOOL, self.cpupool.map(u64::from));
        put(&at::EMULATION_FLAGS, self.emulation_flags.map(u64::from));
        layout.bytes_mut(bytes, &at::HANDLE)?.copy_from_slice(&self.handle);
        Some(())
    }

    /// The independent bits of its state.
    pub fn live_bits(&self) -> LiveBits {
        let is = |bit| self.flags & bit != 0;
        LiveBits {
            dying: is(flag::DYING),
            shutdown: is(flag::SHUTDOWN),
            shutdown_reason: if is(flag::SHUTDOWN) {
                (self.flags >> flag::SHUTDOWN_SHIFT & 0xff) as u8
            } else {
                0
            },
            paused: is(flag::PAUSED),
            blocked: is(flag::BLOCKED),
            running: is(flag::RUNNING),
        }
    }

    /// What kind of guest it is, as the record of that dialect tells; None where it cannot: 3.0.0 to 3.0.3 have no bit for it, and 4.10.0
    /// makes PVH guests that look like HVM. Arm has one kind, which toolstacks call PVH.
    pub fn guest_type(&self, dialect: Dialect) -> Option<GuestType> {
        let generation = dialect.generation;
        if dialect.arch == Arch::Arm64 {
            return Some(GuestType::Pvh);
        }
        if self.flags & flag::PVH_GUEST != 0 && generation.since((4, 4, 0)) && !generation.since((4, 9, 0)) {
            return Some(GuestType::Pvh);
        }
        if !generation.since((3, 0, 4)) {
            return None;
        }
        if self.flags & flag::HVM_GUEST == 0 {
            return Some(GuestType::Pv);
        }
        match self.emulation_flags {
            Some(EMULATES_LAPIC_ONLY) => Some(GuestType::Pvh),
            Some(_) => Some(GuestType::Hvm),
            None if generation.since((4, 10, 0)) => None,
            None => Some(GuestType::Hvm),
        }
    }

    /// The record in the library's words; `dialect` is the one that it came in.
    pub fn info(&self, dialect: Dialect) -> DomainInfo {
        let (state, reason) = self.live_bits().state();
        DomainInfo {
            domid: Some(self.domain.into()),
            uuid: Uuid::from_bytes(self.handle),
            state,
            reason,
            guest_type: self.guest_type(dialect),
            memory_kib: Some(pages_to_kib(self.tot_pages)),
            max_memory_kib: (self.max_pages < UNLIMITED_PAGES).then(|| pages_to_kib(self.max_pages)),
            cpu_time_ns: Some(self.cpu_time),
            vcpus_online: Some(self.nr_online_vcpus),
            vcpus_max: Some(self.max_vcpu_id.wrapping_add(1)),
            shared_kib: self.shr_pages.map(pages_to_kib),
            paged_kib: self.paged_pages.map(pages_to_kib),
            outstanding_kib: self.outstanding_pages.map(pages_to_kib),
            cpupool: self.cpupool.filter(|&pool| pool != NO_CPUPOOL),
            ssidref: Some(self.ssidref),
        }
    }
}

record! {
    /// What a record says of its architecture, and of the guest's addresses, besides what [`DomainRecord`] has.
    DomainArch of getdomaininfo {
        /// Bits of a guest-physical address (4.16 and later).
        gpaddr_bits: Option<u8> = GPADDR_BITS,
        /// x86: devices that Xen emulates (4.10.1 and later).
        emulation_flags: Option<u32> = EMULATION_FLAGS,
        /// x86: `XEN_X86_MSR_RELAXED` (4.15 and later).
        misc_flags: Option<u32> = MISC_FLAGS,
        /// Arm: the interrupt controller.
        gic_version: Option<u8> = GIC_VERSION,
        /// Arm: bits of a vector register / 128.
        sve_vl: Option<u8> = SVE_VL,
        /// Arm: the trusted environment.
        tee_type: Option<u16> = TEE_TYPE,
        /// Arm: shared interrupts.
        nr_spis: Option<u32> = NR_SPIS,
        /// Arm: the timer's Hz.
        clock_frequency: Option<u32> = CLOCK_FREQUENCY,
        /// Arm: the system control interface.
        arm_sci_type: Option<u8> = ARM_SCI_TYPE,
        /// Arm: how memory is protected on v8-R.
        v8r_el1_msa: Option<u8> = V8R_EL1_MSA,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::getdomaininfo::TABLE;
    use super::super::{GENERATIONS, Generation};
    use super::*;
    use crate::model::{Reason, State};
    use proptest::prelude::*;

    fn full() -> DomainRecord {
        DomainRecord {
            domain: 7,
            flags: flag::HVM_GUEST | flag::BLOCKED | flag::NO_REASON,
            tot_pages: 0x1000,
            max_pages: 0x2000,
            outstanding_pages: Some(3),
            shr_pages: Some(4),
            paged_pages: Some(5),
            shared_info_frame: 0xabc,
            cpu_time: 123_456_789,
            nr_online_vcpus: 2,
            max_vcpu_id: 3,
            ssidref: 9,
            handle: *b"0123456789abcdef",
            cpupool: Some(1),
            emulation_flags: Some(EMULATES_LAPIC_ONLY),
        }
    }

    fn dialect(release: super::super::Release) -> Dialect {
        Dialect { generation: Generation::at(release).unwrap(), arch: Arch::X86_64 }
    }

    #[test]
    fn a_record_keeps_what_its_generation_can_say() {
        for row in GENERATIONS {
            let layout = TABLE.layout(row.from, Arch::X86_64).unwrap();
            let mut bytes = vec![0xff; layout.size()];
            full().encode(layout, &mut bytes).unwrap();
            let back = DomainRecord::decode(layout, &bytes).unwrap();
            let expected = DomainRecord {
                outstanding_pages: full().outstanding_pages.filter(|_| row.since((4, 3, 0))),
                shr_pages: full().shr_pages.filter(|_| row.since((4, 0, 0))),
                paged_pages: full().paged_pages.filter(|_| row.since((4, 2, 0))),
                cpupool: full().cpupool.filter(|_| row.since((4, 1, 0))),
                emulation_flags: full().emulation_flags.filter(|_| row.since((4, 10, 1))),
                ..full()
            };
            assert_eq!(back, expected, "{row}");
        }
    }

    #[test]
    fn the_reason_of_a_live_domain_is_not_believed() {
        let info = full().info(dialect((4, 17, 0)));
        assert_eq!((info.state, info.reason), (State::Blocked, Reason::Idle));
        let crashed = DomainRecord { flags: flag::SHUTDOWN | 3 << flag::SHUTDOWN_SHIFT, ..full() };
        assert_eq!(crashed.info(dialect((4, 17, 0))).state, State::Crashed);
    }

    #[test]
    fn a_limit_of_all_ones_is_no_limit() {
        for (pages, kib) in [(0xffff_ffff, None), (u64::MAX, None), (0x2000, Some(0x8000)), (0, Some(0))] {
            assert_eq!(
                DomainRecord { max_pages: pages, ..full() }.info(dialect((4, 4, 0))).max_memory_kib,
                kib
            );
        }
    }

    #[test]
    fn a_domain_without_vcpus_has_none() {
        let info =
            DomainRecord { max_vcpu_id: NO_VCPUS, nr_online_vcpus: 0, ..full() }.info(dialect((4, 17, 0)));
        assert_eq!((info.vcpus_online, info.vcpus_max), (Some(0), Some(0)));
    }

    #[test]
    fn the_kind_of_guest_is_told_as_each_release_tells_it() {
        let with = |flags, emulation_flags| DomainRecord { flags, emulation_flags, ..full() };
        assert_eq!(with(0, None).guest_type(dialect((3, 0, 3))), None);
        assert_eq!(with(flag::PVH_GUEST, None).guest_type(dialect((4, 3, 0))), Some(GuestType::Pv));
        let arm = Dialect { arch: Arch::Arm64, ..dialect((4, 17, 0)) };
        assert_eq!(with(flag::HVM_GUEST, None).guest_type(arm), Some(GuestType::Pvh));
        assert_eq!(with(0, None).guest_type(dialect((3, 4, 0))), Some(GuestType::Pv));
        assert_eq!(with(flag::HVM_GUEST, None).guest_type(dialect((3, 4, 0))), Some(GuestType::Hvm));
        assert_eq!(with(flag::PVH_GUEST, None).guest_type(dialect((4, 4, 0))), Some(GuestType::Pvh));
        assert_eq!(with(flag::HVM_GUEST, None).guest_type(dialect((4, 10, 0))), None);
        assert_eq!(with(flag::HVM_GUEST, Some(0x1)).guest_type(dialect((4, 17, 0))), Some(GuestType::Pvh));
        assert_eq!(with(flag::HVM_GUEST, Some(0x3ff)).guest_type(dialect((4, 17, 0))), Some(GuestType::Hvm));
        // A PV guest may have an emulated timer; bit 7 is a xenstore domain by now.
        assert_eq!(with(flag::PVH_GUEST, Some(0x100)).guest_type(dialect((4, 17, 0))), Some(GuestType::Pv));
    }

    proptest! {
        #[test]
        fn any_bytes_of_the_right_length_are_a_record(bytes in prop::collection::vec(any::<u8>(), 112), row in prop::sample::select(GENERATIONS.to_vec())) {
            let layout = TABLE.layout(row.from, Arch::X86_64).unwrap();
            let record = DomainRecord::decode(layout, &bytes);
            prop_assert!(record.is_some());
            let _ = record.map(|record| record.info(dialect(row.from)));
            prop_assert_eq!(DomainRecord::decode(layout, &bytes[..layout.size() - 1]), None);
        }
    }
}

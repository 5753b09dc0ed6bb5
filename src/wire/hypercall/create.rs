//! A new domain: what createdomain is told.

use super::generation::Generation;
use super::layout::record;
use crate::model::GuestType;

/// Bits of the flags word (domctl.h, `XEN_DOMCTL_CDF_*`). Bits 4 and 5 changed their meaning: see [`flag::PVH_GUEST`].
pub mod flag {
    /// Hardware-virtualized: HVM, and PVH from 4.9 (3.0.4 and later).
    pub const HVM: u32 = 0x1;
    /// With hardware-assisted paging (3.3 and later).
    pub const HAP: u32 = 0x2;
    /// PVH's first form: 4.4 to 4.8 only. From 4.9 on this bit makes a xenstore domain, which was bit 5 in 4.7 and 4.8.
    pub const PVH_GUEST: u32 = 0x10;
    /// Devices may be passed through (4.13 and later).
    pub const IOMMU: u32 = 0x20;
}

/// `XEN_X86_EMU_LAPIC`: a PVH guest has this and no other emulated device.
pub const EMULATES_LAPIC_ONLY: u32 = 0x1;

/// The container's domain number that lets Xen choose one: recorded on every release from 4.0.4 to 4.22 (4.22 takes no other).
pub const ANY_DOMAIN: u16 = 0x7ff5;

record! {
    /// The operation's own structure (domctl.h, `struct xen_domctl_createdomain`). What a release does not take is None when it is read, and
    /// left out when it is written.
    CreateDomain of createdomain {
        /// Security label.
        ssidref: u32 = SSIDREF,
        /// The uuid.
        handle: [u8; 16] = HANDLE,
        /// [`flag`]s (3.0.4 and later).
        flags: Option<u32> = FLAGS,
        /// `XEN_DOMCTL_IOMMU_*` (4.13 and later).
        iommu_opts: Option<u32> = IOMMU_OPTS,
        /// Vcpus that it may have: at least 1 (4.12 and later).
        max_vcpus: Option<u32> = MAX_VCPUS,
        /// The highest event channel (4.12 and later).
        max_evtchn_port: Option<u32> = MAX_EVTCHN_PORT,
        /// Grant table frames; below zero: the hypervisor's usual number (4.12 and later).
        max_grant_frames: Option<i32> = MAX_GRANT_FRAMES,
        /// As for the grant table.
        max_maptrack_frames: Option<i32> = MAX_MAPTRACK_FRAMES,
        /// The highest grant table version, in the lowest four bits; 0 is refused (4.16 and later).
        grant_opts: Option<u32> = GRANT_OPTS,
        /// Alternative memory views, 4.19 and 4.20: how they may be used.
        altp2m_opts: Option<u32> = ALTP2M_OPTS,
        /// The same from 4.21 on.
        altp2m_mode: Option<u16> = ALTP2M_MODE,
        /// How many of them (4.21 and later).
        altp2m_nr: Option<u16> = ALTP2M_NR,
        /// Bytes of each vcpu's trace buffer (4.15 and later).
        vmtrace_size: Option<u32> = VMTRACE_SIZE,
        /// The cpupool; 0 is the usual one (4.17 and later).
        cpupool_id: Option<u32> = CPUPOOL_ID,
        /// x86: devices that Xen emulates (4.7 and later).
        emulation_flags: Option<u32> = EMULATION_FLAGS,
        /// x86: `XEN_X86_MSR_RELAXED` (4.15 and later).
        misc_flags: Option<u32> = MISC_FLAGS,
        /// Arm: the interrupt controller; 0 is the machine's own.
        gic_version: Option<u8> = GIC_VERSION,
        /// Arm: bits of a vector register / 128 (4.18 and later).
        sve_vl: Option<u8> = SVE_VL,
        /// Arm: the trusted environment (4.13 and later).
        tee_type: Option<u16> = TEE_TYPE,
        /// Arm: shared interrupts.
        nr_spis: Option<u32> = NR_SPIS,
        /// Arm: in the answer, the timer's Hz.
        clock_frequency: Option<u32> = CLOCK_FREQUENCY,
        /// Arm: the system control interface (4.21 and later).
        arm_sci_type: Option<u8> = ARM_SCI_TYPE,
        /// Arm: how memory is protected on v8-R (4.22 and later).
        v8r_el1_msa: Option<u8> = V8R_EL1_MSA,
    }
}

impl CreateDomain {
    /// What kind of guest it makes, as that generation reads it. Before 3.0.4 it does not say, and is PV here.
    pub fn guest_type(&self, generation: &Generation) -> GuestType {
        let flags = self.flags.unwrap_or(0);
        let first_pvh = generation.since((4, 4, 0)) && !generation.since((4, 9, 0));
        if first_pvh && flags & flag::PVH_GUEST != 0 {
            return GuestType::Pvh;
        }
        match (flags & flag::HVM != 0, self.emulation_flags) {
            (false, _) => GuestType::Pv,
            (true, Some(EMULATES_LAPIC_ONLY)) => GuestType::Pvh,
            (true, _) => GuestType::Hvm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_guest_is_read_as_each_release_reads_it() {
        let kind = |release, flags, emulation_flags| {
            CreateDomain { flags, emulation_flags, ..CreateDomain::default() }
                .guest_type(Generation::at(release).unwrap())
        };
        assert_eq!(kind((3, 0, 3), None, None), GuestType::Pv);
        assert_eq!(kind((3, 4, 0), Some(1), None), GuestType::Hvm);
        assert_eq!(kind((4, 4, 0), Some(0x10), None), GuestType::Pvh);
        assert_eq!(kind((4, 3, 0), Some(0x10), None), GuestType::Pv);
        assert_eq!(kind((4, 17, 0), Some(0x10), Some(0)), GuestType::Pv);
        assert_eq!(kind((4, 17, 0), Some(0x23), Some(1)), GuestType::Pvh);
        assert_eq!(kind((4, 17, 0), Some(0x23), Some(0x3ff)), GuestType::Hvm);
    }
}

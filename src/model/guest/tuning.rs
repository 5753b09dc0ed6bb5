//! How a guest is treated by the hypervisor: scheduling, sleep, the host's devices.

use std::collections::BTreeMap;

use super::CpuSet;

/// How the hypervisor's scheduler treats a guest's vcpus.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuTuning {
    /// The host's processors that single vcpus may run on, by the vcpus' numbers.
    pub pins: BTreeMap<u32, CpuSet>,
    /// Its share where guests compete: one of 512 gets twice as much as one of 256.
    pub weight: Option<u32>,
    /// The most that it gets of one of the host's processors, percent: 150 is one and a half.
    pub cap_percent: Option<u32>,
}

/// Whether a guest can go to sleep. None: the toolstack's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PowerManagement {
    /// With its memory kept (ACPI's S3).
    pub to_memory: Option<bool>,
    /// With its memory on its disk (ACPI's S4).
    pub to_disk: Option<bool>,
}

/// Whether the host's devices can be given to a guest later, and how their view of its memory is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Passthrough {
    /// They cannot.
    Disabled,
    /// They can; how is the toolstack's choice.
    Enabled,
    /// With tables of their own.
    SyncPt,
    /// With those of the guest.
    SharePt,
}

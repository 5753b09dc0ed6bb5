//! The figures of one domain at one moment. What the host did not tell is None, never zero.

use std::sync::Arc;

use super::{DomId, GuestType, Reason, State, Uuid};

/// What a status call returns. Memory in KiB, time in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainInfo {
    /// The life's number; None for an inactive domain.
    pub domid: Option<DomId>,
    /// The domain's uuid (zero for domains that were never given one).
    pub uuid: Uuid,
    /// What it does.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// PV, HVM or PVH; None where the road cannot tell.
    pub guest_type: Option<GuestType>,
    /// Memory it has now, KiB.
    pub memory_kib: Option<u64>,
    /// The most it may have, KiB; None where there is no limit (Domain-0) or it is unknown.
    pub max_memory_kib: Option<u64>,
    /// Processor time used in this life, ns.
    pub cpu_time_ns: Option<u64>,
    /// Vcpus that are online.
    pub vcpus_online: Option<u32>,
    /// Vcpus that exist.
    pub vcpus_max: Option<u32>,
    /// Memory shared with other domains, KiB (Xen 4.0 and later).
    pub shared_kib: Option<u64>,
    /// Memory paged out, KiB (Xen 4.2 and later).
    pub paged_kib: Option<u64>,
    /// Memory claimed and not yet allocated, KiB (Xen 4.3 and later).
    pub outstanding_kib: Option<u64>,
    /// The cpupool it runs in (Xen 4.1 and later).
    pub cpupool: Option<u32>,
    /// The security label's number.
    pub ssidref: Option<u32>,
}

impl DomainInfo {
    /// What is known of a domain by its state alone: no figures.
    pub fn without_figures(uuid: Uuid, state: State, reason: Reason) -> Self {
        DomainInfo {
            domid: None,
            uuid,
            state,
            reason,
            guest_type: None,
            memory_kib: None,
            max_memory_kib: None,
            cpu_time_ns: None,
            vcpus_online: None,
            vcpus_max: None,
            shared_kib: None,
            paged_kib: None,
            outstanding_kib: None,
            cpupool: None,
            ssidref: None,
        }
    }
}

/// One row of a list of domains: all of a list's rows are of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRow {
    /// The name; None for a live domain that has none in xenstore (half-made, or being torn down).
    pub name: Option<Arc<str>>,
    /// Id, uuid, state and figures.
    pub info: DomainInfo,
}

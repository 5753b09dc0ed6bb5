//! Requests that this library's own roads do not make, and its embedded hypervisor answers: what builders of domains and other tools ask.

use super::layout::record;

/// Numbers of the domctls here (domctl.h, `XEN_DOMCTL_*`).
pub mod domctl {
    /// See [`super::ShadowOp`].
    pub const SHADOW_OP: u32 = 10;
    /// See [`super::VcpuContext`].
    pub const GET_VCPU_CONTEXT: u32 = 13;
    /// See [`super::SetDebugging`].
    pub const SET_DEBUGGING: u32 = 18;
    /// Only in Xen's version for Itanium.
    pub const ARCH_SETUP: u32 = 23;
    /// Moves the domain's clock.
    pub const SET_TIME_OFFSET: u32 = 24;
    /// A suspended domain goes on.
    pub const RESUME: u32 = 27;
    /// See [`super::SendTrigger`].
    pub const SEND_TRIGGER: u32 = 28;
    /// See [`super::HvmContext`].
    pub const GET_HVM_CONTEXT: u32 = 33;
    /// See [`super::AddressSize`].
    pub const SET_ADDRESS_SIZE: u32 = 35;
    /// See [`super::AddressSize`].
    pub const GET_ADDRESS_SIZE: u32 = 36;
    /// See [`super::GuestTscInfo`].
    pub const GET_TSC_INFO: u32 = 59;
    /// See [`super::NodeAffinity`].
    pub const SET_NODE_AFFINITY: u32 = 68;
    /// See [`super::NodeAffinity`].
    pub const GET_NODE_AFFINITY: u32 = 69;
    /// The highest event channel (4.4 to 4.11).
    pub const SET_MAX_EVTCHN: u32 = 70;
    /// How large the grant tables may grow (4.10 and 4.11).
    pub const SET_GNTTAB_LIMITS: u32 = 80;
    /// See [`super::DomainCpuPolicy`].
    pub const GET_CPU_POLICY: u32 = 82;
    /// See [`super::PagingMempool`].
    pub const GET_PAGING_MEMPOOL: u32 = 85;
    /// See [`super::PagingMempool`].
    pub const SET_PAGING_MEMPOOL: u32 = 86;
}

/// Numbers of the sysctls here (sysctl.h, `XEN_SYSCTL_*`).
pub mod sysctl {
    /// See [`super::CpupoolOp`].
    pub const CPUPOOL_OP: u32 = 18;
    /// See [`super::CpuFeatureset`].
    pub const GET_CPU_FEATURESET: u32 = 26;
    /// See [`super::HostCpuPolicy`].
    pub const GET_CPU_POLICY: u32 = 29;
}

record! {
    /// Asks for a vcpu's registers.
    VcpuContext of vcpucontext {
        /// Which vcpu.
        vcpu: u32 = VCPU,
        /// The address for them.
        ctxt: u64 = CTXT,
    }
}

record! {
    /// Says whether a debugger is attached.
    SetDebugging of setdebugging {
        /// It is.
        enable: bool = ENABLE,
    }
}

record! {
    /// Sends a trigger to a vcpu.
    SendTrigger of sendtrigger {
        /// [`TRIGGER_POWER`], for example.
        trigger: u32 = TRIGGER,
        /// Which vcpu.
        vcpu: u32 = VCPU,
    }
}

/// `XEN_DOMCTL_SENDTRIGGER_POWER`: the power button.
pub const TRIGGER_POWER: u32 = 3;

record! {
    /// Asks for the state of an HVM guest's processors and devices.
    HvmContext of hvmcontext {
        /// Room for so many bytes; in the answer, how many there are.
        size: u32 = SIZE,
        /// The address for them; 0: only their number is wanted.
        buffer: u64 = BUFFER,
    }
}

record! {
    /// How wide a guest's addresses are.
    AddressSize of address_size {
        /// 32 or 64.
        size: u32 = SIZE,
    }
}

record! {
    /// Log-dirty, and the pool of the tables that translate a guest's memory.
    ShadowOp of shadow_op {
        /// [`shadow`].
        op: u32 = OP,
        /// The pool, MiB.
        mb: u32 = MB,
    }
}

/// [`ShadowOp::op`] (domctl.h, `XEN_DOMCTL_SHADOW_OP_*`).
pub mod shadow {
    /// Asks for the pool's size.
    pub const GET_ALLOCATION: u32 = 30;
    /// Sets it.
    pub const SET_ALLOCATION: u32 = 31;
}

record! {
    /// Where a guest's clock is to be told, up to 4.5.
    TscInfoCall of tsc_info {
        /// The address of a [`GuestTscInfo`]; None from 4.6 on, where it stands in the request.
        out_info: Option<u64> = OUT_INFO,
    }
}

record! {
    /// How a guest's time stamp counter runs, from 4.6 on.
    TscInfo of tsc_info {
        /// 0: as the hypervisor thinks best.
        tsc_mode: u32 = TSC_MODE,
        /// kHz.
        gtsc_khz: u32 = GTSC_KHZ,
        /// How often the guest was moved, and 1.
        incarnation: u32 = INCARNATION,
        /// How long it has been there, ns.
        elapsed_nsec: u64 = ELAPSED_NSEC,
    }
}

record! {
    /// The same where [`TscInfoCall::out_info`] points to.
    GuestTscInfo of guest_tsc_info {
        /// 0: as the hypervisor thinks best.
        tsc_mode: u32 = TSC_MODE,
        /// kHz.
        gtsc_khz: u32 = GTSC_KHZ,
        /// How often the guest was moved, and 1.
        incarnation: u32 = INCARNATION,
        /// How long it has been there, ns.
        elapsed_nsec: u64 = ELAPSED_NSEC,
    }
}

record! {
    /// The nodes that a domain's memory should come from.
    NodeAffinity of nodeaffinity {
        /// The address of a map: a bit for each node.
        map: u64 = MAP,
        /// Bits in it.
        bits: u32 = BITS,
    }
}

record! {
    /// The pool of the tables that translate a guest's memory.
    PagingMempool of paging_mempool {
        /// Bytes: whole pages.
        size: u64 = SIZE,
    }
}

record! {
    /// Asks what a domain sees of the processor.
    DomainCpuPolicy of domain_cpu_policy {
        /// Room for so many CPUID leaves; in the answer, how many there are.
        nr_leaves: u32 = NR_LEAVES,
        /// Room for so many MSRs; in the answer, how many there are.
        nr_msrs: u32 = NR_MSRS,
        /// The address for the leaves; 0: only their number is wanted.
        leaves: u64 = LEAVES,
        /// The address for the MSRs; 0: only their number is wanted.
        msrs: u64 = MSRS,
    }
}

record! {
    /// About pools of processors.
    CpupoolOp of cpupool_op {
        /// [`cpupool`].
        op: u32 = OP,
        /// The pool; in the answer, the one that was found.
        cpupool_id: u32 = CPUPOOL_ID,
        /// Its scheduler.
        sched_id: u32 = SCHED_ID,
        /// Its domains.
        n_dom: u32 = N_DOM,
        /// The address of a map: a bit for each processor.
        map: u64 = MAP,
        /// Bits in it.
        bits: u32 = BITS,
    }
}

/// [`CpupoolOp::op`] (sysctl.h, `XEN_SYSCTL_CPUPOOL_OP_*`).
pub mod cpupool {
    /// Tells about the first pool from this number on.
    pub const INFO: u32 = 3;
    /// Tells the processors that are in none.
    pub const FREEINFO: u32 = 7;
}

record! {
    /// Asks for processor features, as CPUID words.
    CpuFeatureset of cpu_featureset {
        /// Whose: 0 is the processor's own.
        index: u32 = INDEX,
        /// Room for so many words; in the answer, how many there are.
        nr_features: u32 = NR_FEATURES,
        /// The address for them; 0: only their number is wanted.
        features: u64 = FEATURES,
    }
}

record! {
    /// Asks what domains of some kind can see of the processor.
    HostCpuPolicy of host_cpu_policy {
        /// Which kind.
        index: u32 = INDEX,
        /// As of [`DomainCpuPolicy`].
        nr_leaves: u32 = NR_LEAVES,
        /// As of [`DomainCpuPolicy`].
        nr_msrs: u32 = NR_MSRS,
        /// As of [`DomainCpuPolicy`].
        leaves: u64 = LEAVES,
        /// As of [`DomainCpuPolicy`].
        msrs: u64 = MSRS,
    }
}

record! {
    /// Asks for pages (memory_op 6).
    MemoryReservation of memory_reservation {
        /// The address of an array of frames.
        extent_start: u64 = EXTENT_START,
        /// How many.
        nr_extents: u64 = NR_EXTENTS,
        /// Each of 2 to the power of so many pages.
        extent_order: u32 = EXTENT_ORDER,
        /// For whom.
        domid: u16 = DOMID,
    }
}

/// Sub-operations of memory_op (memory.h, `XENMEM_*`): their number is the first argument.
pub mod memory {
    /// The highest frame there is.
    pub const MAXIMUM_RAM_PAGE: u64 = 2;
    /// Pages that a domain has.
    pub const CURRENT_RESERVATION: u64 = 3;
    /// Pages that a domain may have.
    pub const MAXIMUM_RESERVATION: u64 = 4;
    /// Gives a domain pages: see [`super::MemoryReservation`].
    pub const POPULATE_PHYSMAP: u64 = 6;
    /// A domain's highest frame.
    pub const MAXIMUM_GPFN: u64 = 14;
}

record! {
    /// Shuts another domain down (sched_op 4).
    RemoteShutdown of remote_shutdown {
        /// Which.
        domain: u16 = DOMAIN_ID,
        /// Why.
        reason: u32 = REASON,
    }
}

/// `SCHEDOP_remote_shutdown`.
pub const REMOTE_SHUTDOWN: u64 = 4;

record! {
    /// Makes an event channel that nobody is at the other end of yet (event_channel_op 6).
    AllocUnbound of alloc_unbound {
        /// For whom.
        dom: u16 = DOM,
        /// Who may bind it.
        remote_dom: u16 = REMOTE_DOM,
        /// In the answer, its number.
        port: u32 = PORT,
    }
}

/// `EVTCHNOP_alloc_unbound`.
pub const ALLOC_UNBOUND: u64 = 6;

record! {
    /// A parameter of an HVM guest (hvm_op 0 and 1).
    HvmParam of hvm_param {
        /// Which guest.
        domid: u16 = DOMID,
        /// Which parameter.
        index: u32 = INDEX,
        /// Its value.
        value: u64 = VALUE,
    }
}

/// Sub-operations of hvm_op: their number is the first argument.
pub mod hvm {
    /// Sets a parameter.
    pub const SET_PARAM: u64 = 0;
    /// Asks for one.
    pub const GET_PARAM: u64 = 1;
}

record! {
    /// One hypercall of a multicall.
    MulticallEntry of multicall_entry {
        /// The hypercall's number.
        op: u64 = OP,
        /// Its result, as a signed word: below zero, an error.
        result: u64 = RESULT,
        /// Its arguments.
        first: u64 = FIRST,
        /// The second.
        second: u64 = SECOND,
        /// The third.
        third: u64 = THIRD,
        /// The fourth.
        fourth: u64 = FOURTH,
        /// The fifth.
        fifth: u64 = FIFTH,
    }
}

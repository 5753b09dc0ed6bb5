//! The tables of what this library's own roads do not ask for, and its embedded hypervisor answers: what builders of domains and other tools
//! need (facts: xen-abi.md sections 2.4, 2.5 and 2.8).

use super::layout::table;

table! {
    /// `struct xen_domctl_vcpucontext`, domctl 13.
    vcpucontext("vcpucontext"):
    since [(3, 0, 3)]
    size  [16]
    VCPU "vcpu" 4 [0];
    CTXT "ctxt" 8 [8];
}

table! {
    /// `struct xen_domctl_setdebugging`, domctl 18.
    setdebugging("setdebugging"):
    since [(3, 0, 3)]
    size  [1]
    ENABLE "enable" 1 [0];
}

table! {
    /// `struct xen_domctl_sendtrigger`, domctl 28.
    sendtrigger("sendtrigger"):
    since [(3, 1, 0)]
    size  [8]
    TRIGGER "trigger" 4 [0];
    VCPU    "vcpu"    4 [4];
}

table! {
    /// `struct xen_domctl_hvmcontext`, domctl 33.
    hvmcontext("hvmcontext"):
    since [(3, 1, 0)]
    size  [16]
    SIZE   "size"   4 [0];
    BUFFER "buffer" 8 [8];
}

table! {
    /// `struct xen_domctl_address_size`, domctls 35 (set) and 36 (get).
    address_size("address_size"):
    since [(3, 1, 0)]
    size  [4]
    SIZE "size" 4 [0];
}

table! {
    /// `struct xen_domctl_shadow_op`, domctl 10.
    shadow_op("shadow_op"):
    since [(3, 0, 3)]
    size  [40]
    OP "op" 4 [0];
    MB "mb" 4 [8];
}

table! {
    /// `struct xen_domctl_tsc_info`, domctl 59: up to 4.5 only the address of a `guest_tsc_info`, later that itself.
    tsc_info("tsc_info"):
    since [(4, 0, 0), (4, 6, 0)]
    size  [32, 24]
    OUT_INFO     "out_info"     8 [ 0, NO];
    TSC_MODE     "tsc_mode"     4 [NO,  0];
    GTSC_KHZ     "gtsc_khz"     4 [NO,  4];
    INCARNATION  "incarnation"  4 [NO,  8];
    ELAPSED_NSEC "elapsed_nsec" 8 [NO, 16];
}

table! {
    /// `xen_guest_tsc_info_t`: where `out_info` points to.
    guest_tsc_info("guest_tsc_info"):
    since [(4, 0, 0)]
    size  [24]
    TSC_MODE     "tsc_mode"     4 [ 0];
    GTSC_KHZ     "gtsc_khz"     4 [ 4];
    INCARNATION  "incarnation"  4 [ 8];
    ELAPSED_NSEC "elapsed_nsec" 8 [16];
}

table! {
    /// `struct xen_domctl_nodeaffinity`, domctls 68 (set) and 69 (get).
    nodeaffinity("nodeaffinity"):
    since [(4, 3, 0)]
    size  [16]
    MAP  "nodemap.bitmap"  8 [0];
    BITS "nodemap.nr_bits" 4 [8];
}

table! {
    /// `struct xen_domctl_paging_mempool`, domctls 85 (get) and 86 (set).
    paging_mempool("paging_mempool"):
    since [(4, 17, 0)]
    size  [8]
    SIZE "size" 8 [0];
}

table! {
    /// `struct xen_domctl_cpu_policy`, domctl 82.
    domain_cpu_policy("cpu_policy"):
    since [(4, 12, 0), (4, 13, 0)]
    size  [24, 40]
    NR_LEAVES "nr_leaves" 4 [ 0,  0];
    NR_MSRS   "nr_msrs"   4 [ 4,  4];
    LEAVES    "leaves"    8 [ 8,  8];
    MSRS      "msrs"      8 [16, 16];
}

table! {
    /// `struct xen_sysctl_cpupool_op`, sysctl 18.
    cpupool_op("cpupool_op"):
    since [(4, 1, 0)]
    size  [40]
    OP         "op"             4 [ 0];
    CPUPOOL_ID "cpupool_id"     4 [ 4];
    SCHED_ID   "sched_id"       4 [ 8];
    N_DOM      "n_dom"          4 [20];
    MAP        "cpumap.bitmap"  8 [24];
    BITS       "cpumap.nr_bits" 4 [32];
}

table! {
    /// `struct xen_sysctl_cpu_featureset`, sysctl 26.
    cpu_featureset("cpu_featureset"):
    since [(4, 7, 0)]
    size  [16]
    INDEX       "index"       4 [0];
    NR_FEATURES "nr_features" 4 [4];
    FEATURES    "features"    8 [8];
}

table! {
    /// `struct xen_sysctl_cpu_policy`, sysctl 29.
    host_cpu_policy("cpu_policy"):
    since [(4, 12, 0)]
    size  [32]
    INDEX     "index"     4 [ 0];
    NR_LEAVES "nr_leaves" 4 [ 4];
    NR_MSRS   "nr_msrs"   4 [ 8];
    LEAVES    "leaves"    8 [16];
    MSRS      "msrs"      8 [24];
}

table! {
    /// `struct xen_memory_reservation` (memory.h), memory_op 6.
    memory_reservation("xen_memory_reservation"):
    since [(3, 0, 0)]
    size  [32]
    EXTENT_START "extent_start" 8 [ 0];
    NR_EXTENTS   "nr_extents"   8 [ 8];
    EXTENT_ORDER "extent_order" 4 [16];
    DOMID        "domid"        2 [24];
}

table! {
    /// `struct sched_remote_shutdown` (sched.h), sched_op 4.
    remote_shutdown("sched_remote_shutdown"):
    since [(3, 0, 3)]
    size  [8]
    DOMAIN_ID "domain_id" 2 [0];
    REASON    "reason"    4 [4];
}

table! {
    /// `struct evtchn_alloc_unbound` (event_channel.h), event_channel_op 6.
    alloc_unbound("evtchn_alloc_unbound"):
    since [(3, 0, 0)]
    size  [8]
    DOM        "dom"        2 [0];
    REMOTE_DOM "remote_dom" 2 [2];
    PORT       "port"       4 [4];
}

table! {
    /// `struct xen_hvm_param` (hvm/hvm_op.h), hvm_op 0 (set) and 1 (get).
    hvm_param("xen_hvm_param"):
    since [(3, 0, 3)]
    size  [16]
    DOMID "domid" 2 [0];
    INDEX "index" 4 [4];
    VALUE "value" 8 [8];
}

table! {
    /// `struct multicall_entry` (xen.h): one hypercall of many.
    multicall_entry("multicall_entry"):
    since [(3, 0, 0)]
    size  [64]
    OP     "op"      8 [ 0];
    RESULT "result"  8 [ 8];
    FIRST  "args[0]" 8 [16];
    SECOND "args[1]" 8 [24];
    THIRD  "args[2]" 8 [32];
    FOURTH "args[3]" 8 [40];
    FIFTH  "args[4]" 8 [48];
}

//! The tables: every structure of the control interfaces that this library reads or writes, in every release.
//!
//! The numbers were measured by compiling each release's public headers (dom0_ops.h, domctl.h, sysctl.h) for x86_64 and arm64;
//! tests/xen_abi.rs holds every one of them against that measurement.

use super::layout::table;

pub use super::other_tables::*;

table! {
    /// The container of every domctl (domctl.h, `struct xen_domctl`); `u` is the operation's own structure.
    domctl("xen_domctl"):
    since [(3, 0, 3)]
    size  [144]
    CMD               "cmd"                4 [0];
    INTERFACE_VERSION "interface_version"  4 [4];
    DOMAIN            "domain"             2 [8];
    PAYLOAD           "u"                128 [16];
}

table! {
    /// The container of every sysctl (sysctl.h, `struct xen_sysctl`), and of every dom0_op before (dom0_ops.h, `struct dom0_op`).
    sysctl("xen_sysctl"):
    since [(3, 0, 0)]
    size  [136]
    CMD               "cmd"                4 [0];
    INTERFACE_VERSION "interface_version"  4 [4];
    PAYLOAD           "u"                128 [8];
}

table! {
    /// `struct xen_domctl_getdomaininfo`: domctl 5's answer, and an element of sysctl 6's list. 4.10.1 has a column of its own: this one changed
    /// within a stable series. dom0_op 12 and 38 had the same layout.
    getdomaininfo("getdomaininfo"):
    since [(3, 0, 0), (4, 0, 0), (4, 1, 0), (4, 2, 0), (4, 3, 0), (4, 10, 1), (4, 15, 0), (4, 16, 0)]
    arm64 [(4, 3, 0), (4, 10, 1), (4, 13, 0), (4, 16, 0), (4, 18, 0), (4, 21, 0), (4, 22, 0)]
    size  [72, 80, 80, 88, 96, 104, 104, 112] [96, 112, 112, 120, 120, 120, 120]
    DOMAIN            "domain"                       2 [ 0,  0,  0,  0,  0,  0,   0,   0] [ 0,   0,   0,   0,   0,   0,   0];
    FLAGS             "flags"                        4 [ 4,  4,  4,  4,  4,  4,   4,   4] [ 4,   4,   4,   4,   4,   4,   4];
    TOT_PAGES         "tot_pages"                    8 [ 8,  8,  8,  8,  8,  8,   8,   8] [ 8,   8,   8,   8,   8,   8,   8];
    MAX_PAGES         "max_pages"                    8 [16, 16, 16, 16, 16, 16,  16,  16] [16,  16,  16,  16,  16,  16,  16];
    OUTSTANDING_PAGES "outstanding_pages"            8 [NO, NO, NO, NO, 24, 24,  24,  24] [24,  24,  24,  24,  24,  24,  24];
    SHR_PAGES         "shr_pages"                    8 [NO, 24, 24, 24, 32, 32,  32,  32] [32,  32,  32,  32,  32,  32,  32];
    PAGED_PAGES       "paged_pages"                  8 [NO, NO, NO, 32, 40, 40,  40,  40] [40,  40,  40,  40,  40,  40,  40];
    SHARED_INFO_FRAME "shared_info_frame"            8 [24, 32, 32, 40, 48, 48,  48,  48] [48,  48,  48,  48,  48,  48,  48];
    CPU_TIME          "cpu_time"                     8 [32, 40, 40, 48, 56, 56,  56,  56] [56,  56,  56,  56,  56,  56,  56];
    NR_ONLINE_VCPUS   "nr_online_vcpus"              4 [40, 48, 48, 56, 64, 64,  64,  64] [64,  64,  64,  64,  64,  64,  64];
    MAX_VCPU_ID       "max_vcpu_id"                  4 [44, 52, 52, 60, 68, 68,  68,  68] [68,  68,  68,  68,  68,  68,  68];
    SSIDREF           "ssidref"                      4 [48, 56, 56, 64, 72, 72,  72,  72] [72,  72,  72,  72,  72,  72,  72];
    HANDLE            "handle"                      16 [52, 60, 60, 68, 76, 76,  76,  76] [76,  76,  76,  76,  76,  76,  76];
    CPUPOOL           "cpupool"                      4 [NO, NO, 76, 84, 92, 92,  92,  92] [92,  92,  92,  92,  92,  92,  92];
    GPADDR_BITS       "gpaddr_bits"                  1 [NO, NO, NO, NO, NO, NO,  NO,  96] [NO,  NO,  NO,  96,  96,  96,  96];
    EMULATION_FLAGS   "arch_config.emulation_flags"  4 [NO, NO, NO, NO, NO, 96,  96, 104] [NO,  NO,  NO,  NO,  NO,  NO,  NO];
    MISC_FLAGS        "arch_config.misc_flags"       4 [NO, NO, NO, NO, NO, NO, 100, 108] [NO,  NO,  NO,  NO,  NO,  NO,  NO];
    GIC_VERSION       "arch_config.gic_version"      1 [NO, NO, NO, NO, NO, NO,  NO,  NO] [NO,  96,  96, 104, 104, 104, 104];
    SVE_VL            "arch_config.sve_vl"           1 [NO, NO, NO, NO, NO, NO,  NO,  NO] [NO,  NO,  NO,  NO, 105, 105, 105];
    TEE_TYPE          "arch_config.tee_type"         2 [NO, NO, NO, NO, NO, NO,  NO,  NO] [NO,  NO,  98, 106, 106, 106, 106];
    NR_SPIS           "arch_config.nr_spis"          4 [NO, NO, NO, NO, NO, NO,  NO,  NO] [NO, 100, 100, 108, 108, 108, 108];
    CLOCK_FREQUENCY   "arch_config.clock_frequency"  4 [NO, NO, NO, NO, NO, NO,  NO,  NO] [NO, 104, 104, 112, 112, 112, 112];
    ARM_SCI_TYPE      "arch_config.arm_sci_type"     1 [NO, NO, NO, NO, NO, NO,  NO,  NO] [NO,  NO,  NO,  NO,  NO, 116, 116];
    V8R_EL1_MSA       "arch_config.v8r_el1_msa"      1 [NO, NO, NO, NO, NO, NO,  NO,  NO] [NO,  NO,  NO,  NO,  NO,  NO, 117];
}

table! {
    /// `struct xen_domctl_createdomain`, domctl 1; dom0_op 8.
    createdomain("createdomain"):
    since [(3, 0, 0), (3, 0, 3), (3, 0, 4), (4, 6, 0), (4, 7, 0), (4, 12, 0), (4, 13, 0), (4, 15, 0), (4, 16, 0), (4, 17, 0), (4, 19, 0), (4, 21, 0)]
    arm64 [(4, 3, 0), (4, 6, 0), (4, 12, 0), (4, 13, 0), (4, 15, 0), (4, 16, 0), (4, 17, 0), (4, 18, 0), (4, 19, 0), (4, 21, 0), (4, 22, 0)]
    size  [24, 20, 24, 28, 28, 44, 48, 56, 60, 64, 68, 68] [24, 36, 52, 56, 60, 64, 68, 68, 72, 76, 76]
    SSIDREF             "ssidref"               4 [ 0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0] [ 0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0];
    HANDLE              "handle"               16 [ 4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4] [ 4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4];
    DOMAIN              "domain"                2 [20, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO] [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO];
    FLAGS               "flags"                 4 [NO, NO, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20] [20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20];
    IOMMU_OPTS          "iommu_opts"            4 [NO, NO, NO, NO, NO, NO, 24, 24, 24, 24, 24, 24] [NO, NO, NO, 24, 24, 24, 24, 24, 24, 24, 24];
    MAX_VCPUS           "max_vcpus"             4 [NO, NO, NO, NO, NO, 24, 28, 28, 28, 28, 28, 28] [NO, NO, 24, 28, 28, 28, 28, 28, 28, 28, 28];
    MAX_EVTCHN_PORT     "max_evtchn_port"       4 [NO, NO, NO, NO, NO, 28, 32, 32, 32, 32, 32, 32] [NO, NO, 28, 32, 32, 32, 32, 32, 32, 32, 32];
    MAX_GRANT_FRAMES    "max_grant_frames"      4 [NO, NO, NO, NO, NO, 32, 36, 36, 36, 36, 36, 36] [NO, NO, 32, 36, 36, 36, 36, 36, 36, 36, 36];
    MAX_MAPTRACK_FRAMES "max_maptrack_frames"   4 [NO, NO, NO, NO, NO, 36, 40, 40, 40, 40, 40, 40] [NO, NO, 36, 40, 40, 40, 40, 40, 40, 40, 40];
    GRANT_OPTS          "grant_opts"            4 [NO, NO, NO, NO, NO, NO, NO, NO, 44, 44, 44, 44] [NO, NO, NO, NO, NO, 44, 44, 44, 44, 44, 44];
    ALTP2M_OPTS         "altp2m_opts"           4 [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 48, NO] [NO, NO, NO, NO, NO, NO, NO, NO, 48, NO, NO];
    ALTP2M_MODE         "altp2m.opts"           2 [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 48] [NO, NO, NO, NO, NO, NO, NO, NO, NO, 48, 48];
    ALTP2M_NR           "altp2m.nr"             2 [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 50] [NO, NO, NO, NO, NO, NO, NO, NO, NO, 50, 50];
    VMTRACE_SIZE        "vmtrace_size"          4 [NO, NO, NO, NO, NO, NO, NO, 44, 48, 48, 52, 52] [NO, NO, NO, NO, 44, 48, 48, 48, 52, 52, 52];
    CPUPOOL_ID          "cpupool_id"            4 [NO, NO, NO, NO, NO, NO, NO, NO, NO, 52, 56, 56] [NO, NO, NO, NO, NO, NO, 52, 52, 56, 56, 56];
    EMULATION_FLAGS     "arch.emulation_flags"  4 [NO, NO, NO, NO, 24, 40, 44, 48, 52, 56, 60, 60] [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO];
    MISC_FLAGS          "arch.misc_flags"       4 [NO, NO, NO, NO, NO, NO, NO, 52, 56, 60, 64, 64] [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO];
    GIC_VERSION         "arch.gic_version"      1 [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO] [NO, 24, 40, 44, 48, 52, 56, 56, 60, 60, 60];
    SVE_VL              "arch.sve_vl"           1 [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO] [NO, NO, NO, NO, NO, NO, NO, 57, 61, 61, 61];
    TEE_TYPE            "arch.tee_type"         2 [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO] [NO, NO, NO, 46, 50, 54, 58, 58, 62, 62, 62];
    NR_SPIS             "arch.nr_spis"          4 [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO] [NO, 28, 44, 48, 52, 56, 60, 60, 64, 64, 64];
    CLOCK_FREQUENCY     "arch.clock_frequency"  4 [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO] [NO, 32, 48, 52, 56, 60, 64, 64, 68, 68, 68];
    ARM_SCI_TYPE        "arch.arm_sci_type"     1 [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO] [NO, NO, NO, NO, NO, NO, NO, NO, NO, 72, 72];
    V8R_EL1_MSA         "arch.v8r_el1_msa"      1 [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO] [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 73];
}

table! {
    /// What dom0_ops without arguments of their own carry: whom they are about (9, 10 and 11). A domctl says so in its container.
    target("pausedomain"):
    since [(3, 0, 0), (3, 0, 3)]
    size  [2, 0]
    DOMAIN "domain" 2 [0, NO];
}

table! {
    /// `struct xen_domctl_getvcpuinfo`, domctl 14; dom0_op 43, which also tells the affinity.
    getvcpuinfo("getvcpuinfo"):
    since [(3, 0, 0), (3, 0, 3)]
    size  [40, 24]
    DOMAIN   "domain"   2 [ 0, NO];
    VCPU     "vcpu"     4 [ 4,  0];
    ONLINE   "online"   1 [ 8,  4];
    BLOCKED  "blocked"  1 [ 9,  5];
    RUNNING  "running"  1 [10,  6];
    CPU_TIME "cpu_time" 8 [16,  8];
    CPU      "cpu"      4 [24, 16];
    CPUMAP   "cpumap"   8 [32, NO];
}

table! {
    /// `struct xen_domctl_max_mem`, domctl 11; dom0_op 28.
    max_mem("max_mem"):
    since [(3, 0, 0), (3, 0, 3)]
    size  [16, 8]
    DOMAIN    "domain"    2 [0, NO];
    MAX_MEMKB "max_memkb" 8 [8,  0];
}

table! {
    /// `struct xen_domctl_max_vcpus`, domctl 15; dom0_op 41.
    max_vcpus("max_vcpus"):
    since [(3, 0, 0), (3, 0, 3)]
    size  [8, 4]
    DOMAIN "domain" 2 [0, NO];
    MAX    "max"    4 [4,  0];
}

table! {
    /// `struct xen_domctl_setdomainhandle`, domctl 17; dom0_op 44.
    setdomainhandle("setdomainhandle"):
    since [(3, 0, 0), (3, 0, 3)]
    size  [18, 16]
    DOMAIN "domain"  2 [0, NO];
    HANDLE "handle" 16 [2,  0];
}

table! {
    /// `struct xen_domctl_vcpuaffinity`, domctls 9 (set) and 25 (get): one map up to 4.4, a hard and a soft one since. dom0_op 20, which
    /// only sets, holds the map itself.
    vcpuaffinity("vcpuaffinity"):
    since [(3, 0, 0), (3, 0, 3), (4, 5, 0)]
    size  [16, 24, 40]
    DOMAIN    "domain"              2 [ 0, NO, NO];
    VCPU      "vcpu"                4 [ 4,  0,  0];
    FLAGS     "flags"               4 [NO, NO,  4];
    CPUMAP    "cpumap"              8 [ 8, NO, NO];
    MAP       "cpumap.bitmap"       8 [NO,  8, NO];
    HARD      "cpumap_hard.bitmap"  8 [NO, NO,  8];
    MAP_BITS  "cpumap.nr_bits"      4 [NO, 16, NO];
    HARD_BITS "cpumap_hard.nr_bits" 4 [NO, NO, 16];
    SOFT      "cpumap_soft.bitmap"  8 [NO, NO, 24];
    SOFT_BITS "cpumap_soft.nr_bits" 4 [NO, NO, 32];
}

table! {
    /// `struct xen_domctl_scheduler_op`, domctl 16. What follows `cmd` is the scheduler's own, or from 4.7 on an array of `schedule_vcpu`.
    scheduler_op("scheduler_op"):
    since [(3, 0, 3), (4, 1, 0), (4, 5, 0), (4, 6, 0), (4, 7, 0), (4, 10, 0)]
    size  [40, 40, 40, 16, 24, 24]
    SCHED_ID       "sched_id"         4 [ 0,  0,  0,  0,  0,  0];
    CMD            "cmd"              4 [ 4,  4,  4,  4,  4,  4];
    SEDF_PERIOD    "u.sedf.period"    8 [ 8,  8,  8, NO, NO, NO];
    SEDF_SLICE     "u.sedf.slice"     8 [16, 16, 16, NO, NO, NO];
    SEDF_LATENCY   "u.sedf.latency"   8 [24, 24, 24, NO, NO, NO];
    SEDF_EXTRATIME "u.sedf.extratime" 4 [32, 32, 32, NO, NO, NO];
    SEDF_WEIGHT    "u.sedf.weight"    4 [36, 36, 36, NO, NO, NO];
    CREDIT_WEIGHT  "u.credit.weight"  2 [ 8,  8,  8,  8,  8,  8];
    CREDIT_CAP     "u.credit.cap"     2 [10, 10, 10, 10, 10, 10];
    CREDIT2_WEIGHT "u.credit2.weight" 2 [NO,  8,  8,  8,  8,  8];
    RTDS_PERIOD    "u.rtds.period"    4 [NO, NO,  8,  8,  8,  8];
    RTDS_BUDGET    "u.rtds.budget"    4 [NO, NO, 12, 12, 12, 12];
    VCPUS          "u.v.vcpus"        8 [NO, NO, NO, NO,  8,  8];
    NR_VCPUS       "u.v.nr_vcpus"     4 [NO, NO, NO, NO, 16, 16];
    CREDIT2_CAP    "u.credit2.cap"    2 [NO, NO, NO, NO, NO, 10];
    RTDS_FLAGS     "u.rtds.flags"     4 [NO, NO, NO, NO, NO, 16];
}

table! {
    /// `struct xen_domctl_schedparam_vcpu`: an element of domctl 16's array.
    schedule_vcpu("schedule_vcpu"):
    since [(4, 7, 0), (4, 10, 0)]
    size  [12, 16]
    CREDIT_WEIGHT  "u.credit.weight"  2 [ 0,  0];
    CREDIT_CAP     "u.credit.cap"     2 [ 2,  2];
    CREDIT2_WEIGHT "u.credit2.weight" 2 [ 0,  0];
    RTDS_PERIOD    "u.rtds.period"    4 [ 0,  0];
    RTDS_BUDGET    "u.rtds.budget"    4 [ 4,  4];
    VCPUID         "vcpuid"           4 [ 8, 12];
    CREDIT2_CAP    "u.credit2.cap"    2 [NO,  2];
    RTDS_FLAGS     "u.rtds.flags"     4 [NO,  8];
}

table! {
    /// `struct xen_domctl_get_domain_state`, domctl 90: a stable one, whose interface version is 0.
    get_domain_state("get_domain_state"):
    since [(4, 21, 0)]
    size  [16]
    STATE     "state"     2 [0];
    CAPS      "caps"      2 [2];
    UNIQUE_ID "unique_id" 8 [8];
}

table! {
    /// `struct xen_sysctl_physinfo`: sysctl 3's answer; dom0_op 22.
    physinfo("physinfo"):
    since [(3, 0, 0), (3, 0, 3), (3, 2, 0), (3, 3, 0), (4, 0, 0), (4, 1, 0), (4, 3, 0), (4, 10, 0), (4, 17, 0)]
    size  [72, 80, 96, 104, 104, 96, 104, 104, 112]
    THREADS_PER_CORE  "threads_per_core"   4 [ 0,  0,  0,  0,  0,  0,  0,  0,  0];
    CORES_PER_SOCKET  "cores_per_socket"   4 [ 4,  4,  4,  4,  4,  4,  4,  4,  4];
    SOCKETS_PER_NODE  "sockets_per_node"   4 [ 8,  8, NO, NO, NO, NO, NO, NO, NO];
    NR_CPUS           "nr_cpus"            4 [NO, NO,  8,  8,  8,  8,  8,  8,  8];
    MAX_CPU_ID        "max_cpu_id"         4 [NO, NO, 80, 80, 80, 12, 12, 12, 12];
    NR_NODES          "nr_nodes"           4 [12, 12, 12, 12, NO, 16, 16, 16, 16];
    MAX_NODE_ID       "max_node_id"        4 [NO, NO, NO, NO, 12, 20, 20, 20, 20];
    CPU_KHZ           "cpu_khz"            4 [16, 16, 16, 16, 16, 24, 24, 24, 24];
    CAPABILITIES      "capabilities"       4 [NO, NO, NO, 96, 96, 88, 96, 28, 28];
    ARCH_CAPABILITIES "arch_capabilities"  4 [NO, NO, NO, NO, NO, NO, NO, NO, 32];
    TOTAL_PAGES       "total_pages"        8 [24, 24, 24, 24, 24, 32, 32, 32, 40];
    FREE_PAGES        "free_pages"         8 [32, 32, 32, 32, 32, 40, 40, 40, 48];
    SCRUB_PAGES       "scrub_pages"        8 [NO, 40, 40, 40, 40, 48, 48, 48, 56];
    OUTSTANDING_PAGES "outstanding_pages"  8 [NO, NO, NO, NO, NO, NO, 56, 56, 64];
    MAX_MFN           "max_mfn"            8 [NO, NO, NO, NO, NO, NO, NO, 64, 72];
    HW_CAP            "hw_cap"            32 [40, 48, 48, 48, 48, 56, 64, 72, 80];
    CPU_TO_NODE       "cpu_to_node"        8 [NO, NO, 88, 88, 88, NO, NO, NO, NO];
}

table! {
    /// `struct xen_sysctl_getdomaininfolist`, sysctl 6; dom0_op 38.
    getdomaininfolist("getdomaininfolist"):
    since [(3, 0, 0)]
    size  [24]
    FIRST_DOMAIN "first_domain" 2 [ 0];
    MAX_DOMAINS  "max_domains"  4 [ 4];
    BUFFER       "buffer"       8 [ 8];
    NUM_DOMAINS  "num_domains"  4 [16];
}

table! {
    /// `struct xen_sysctl_sched_id`, sysctl 4; dom0_op 24.
    sched_id("sched_id"):
    since [(3, 0, 0)]
    size  [4]
    SCHED_ID "sched_id" 4 [0];
}

table! {
    /// `struct xen_sysctl_readconsole`, sysctl 1; dom0_op 19. `clear` was a word once.
    readconsole("readconsole"):
    since [(3, 0, 0), (3, 2, 0)]
    size  [24, 24]
    CLEAR_WORD  "clear"       4 [ 0, NO];
    CLEAR       "clear"       1 [NO,  0];
    INCREMENTAL "incremental" 1 [NO,  1];
    INDEX       "index"       4 [NO,  4];
    BUFFER      "buffer"      8 [ 8,  8];
    COUNT       "count"       4 [16, 16];
}

table! {
    /// `struct xen_sysctl_getcpuinfo`, sysctl 8.
    getcpuinfo("getcpuinfo"):
    since [(3, 2, 0)]
    size  [24]
    MAX_CPUS "max_cpus" 4 [ 0];
    INFO     "info"     8 [ 8];
    NR_CPUS  "nr_cpus"  4 [16];
}

table! {
    /// `struct xen_sysctl_cpuinfo`: an element of sysctl 8's array.
    cpuinfo("cpuinfo"):
    since [(3, 2, 0)]
    size  [8]
    IDLETIME "idletime" 8 [0];
}

table! {
    /// `struct xen_sysctl_availheap`, sysctl 9.
    availheap("availheap"):
    since [(3, 2, 0)]
    size  [24]
    MIN_BITWIDTH "min_bitwidth" 4 [ 0];
    MAX_BITWIDTH "max_bitwidth" 4 [ 4];
    NODE         "node"         4 [ 8];
    AVAIL_BYTES  "avail_bytes"  8 [16];
}

table! {
    /// `struct xen_sysctl_topologyinfo`, sysctl 16 up to 4.5: three arrays side by side.
    topologyinfo("topologyinfo"):
    since [(4, 1, 0), (4, 6, 0)]
    size  [32, 0]
    MAX_CPU_INDEX "max_cpu_index" 4 [ 0, NO];
    CPU_TO_CORE   "cpu_to_core"   8 [ 8, NO];
    CPU_TO_SOCKET "cpu_to_socket" 8 [16, NO];
    CPU_TO_NODE   "cpu_to_node"   8 [24, NO];
}

table! {
    /// `struct xen_sysctl_cputopoinfo`, sysctl 16 from 4.6 on: one array.
    cputopoinfo("cputopoinfo"):
    since [(4, 6, 0)]
    size  [16]
    NUM_CPUS "num_cpus" 4 [0];
    CPUTOPO  "cputopo"  8 [8];
}

table! {
    /// `struct xen_sysctl_cputopo`: an element of that array.
    cputopo("cputopo"):
    since [(4, 6, 0)]
    size  [12]
    CORE   "core"   4 [0];
    SOCKET "socket" 4 [4];
    NODE   "node"   4 [8];
}

table! {
    /// `struct xen_sysctl_numainfo`, sysctl 17.
    numainfo("numainfo"):
    since [(4, 1, 0), (4, 6, 0)]
    size  [32, 24]
    MAX_NODE_INDEX        "max_node_index"        4 [ 0, NO];
    NUM_NODES             "num_nodes"             4 [NO,  0];
    NODE_TO_MEMSIZE       "node_to_memsize"       8 [ 8, NO];
    MEMINFO               "meminfo"               8 [NO,  8];
    NODE_TO_MEMFREE       "node_to_memfree"       8 [16, NO];
    DISTANCE              "distance"              8 [NO, 16];
    NODE_TO_NODE_DISTANCE "node_to_node_distance" 8 [24, NO];
}

table! {
    /// `struct xen_sysctl_meminfo`: an element of sysctl 17's array from 4.6 on.
    meminfo("meminfo"):
    since [(4, 6, 0)]
    size  [16]
    MEMSIZE "memsize" 8 [0];
    MEMFREE "memfree" 8 [8];
}

table! {
    /// `struct xen_sysctl_scheduler_op`, sysctl 19. What follows `cmd` is the scheduler's own.
    sysctl_scheduler_op("sysctl_scheduler_op"):
    since [(4, 1, 0), (4, 2, 0), (4, 8, 0), (4, 11, 0)]
    size  [24, 24, 24, 32]
    CPUPOOL_ID                "cpupool_id"                        4 [ 0,  0,  0,  0];
    SCHED_ID                  "sched_id"                          4 [ 4,  4,  4,  4];
    CMD                       "cmd"                               4 [ 8,  8,  8,  8];
    ARINC653_SCHEDULE         "u.sched_arinc653.schedule"         8 [16, 16, 16, 16];
    CREDIT_TSLICE_MS          "u.sched_credit.tslice_ms"          4 [NO, 16, 16, 16];
    CREDIT_RATELIMIT_US       "u.sched_credit.ratelimit_us"       4 [NO, 20, 20, 20];
    CREDIT2_RATELIMIT_US      "u.sched_credit2.ratelimit_us"      4 [NO, NO, 16, 16];
    CREDIT_VCPU_MIGR_DELAY_US "u.sched_credit.vcpu_migr_delay_us" 4 [NO, NO, NO, 24];
}

/// Every table, for those who walk them.
pub static ALL: &[&super::layout::Table] = &[
    &domctl::TABLE,
    &sysctl::TABLE,
    &getdomaininfo::TABLE,
    &createdomain::TABLE,
    &target::TABLE,
    &getvcpuinfo::TABLE,
    &max_mem::TABLE,
    &max_vcpus::TABLE,
    &setdomainhandle::TABLE,
    &vcpuaffinity::TABLE,
    &scheduler_op::TABLE,
    &schedule_vcpu::TABLE,
    &get_domain_state::TABLE,
    &physinfo::TABLE,
    &getdomaininfolist::TABLE,
    &sched_id::TABLE,
    &readconsole::TABLE,
    &getcpuinfo::TABLE,
    &cpuinfo::TABLE,
    &availheap::TABLE,
    &topologyinfo::TABLE,
    &cputopoinfo::TABLE,
    &cputopo::TABLE,
    &numainfo::TABLE,
    &meminfo::TABLE,
    &sysctl_scheduler_op::TABLE,
];

//! Questions about the host: its domains, its processors and their places, its memory, its console.

use super::layout::record;

record! {
    /// A list of domains' records (sysctl.h, `struct xen_sysctl_getdomaininfolist`).
    ListCall of getdomaininfolist {
        /// Domains from this number on.
        first: u16 = FIRST_DOMAIN,
        /// Room for so many.
        max: u32 = MAX_DOMAINS,
        /// The address of an array of records.
        buffer: u64 = BUFFER,
    }
}

record! {
    /// Reads what the hypervisor wrote on its console (sysctl.h, `struct xen_sysctl_readconsole`).
    ReadConsole of readconsole {
        /// Whether it is forgotten then (up to 3.1).
        clear_word: Option<u32> = CLEAR_WORD,
        /// Whether it is forgotten then (3.2 and later).
        clear: Option<u8> = CLEAR,
        /// Whether to begin at `index` (3.2 and later).
        incremental: Option<u8> = INCREMENTAL,
        /// Where to begin; in the answer, where the next one begins (3.2 and later).
        index: Option<u32> = INDEX,
        /// The address for the text.
        buffer: u64 = BUFFER,
        /// Room for so many bytes; in the answer, how many there are.
        count: u32 = COUNT,
    }
}

record! {
    /// Asks for processors' idle times (sysctl.h, `struct xen_sysctl_getcpuinfo`; 3.2 and later).
    CpuInfoCall of getcpuinfo {
        /// Room for so many.
        max_cpus: u32 = MAX_CPUS,
        /// The address of an array of [`CpuInfo`].
        info: u64 = INFO,
        /// In the answer, how many there are.
        nr_cpus: u32 = NR_CPUS,
    }
}

record! {
    /// One processor.
    CpuInfo of cpuinfo {
        /// How long it has been idle, ns.
        idle_ns: u64 = IDLETIME,
    }
}

record! {
    /// Asks how much memory is free (sysctl.h, `struct xen_sysctl_availheap`; 3.2 and later).
    AvailHeap of availheap {
        /// Only memory with addresses of at least so many bits; 0: any.
        min_bitwidth: u32 = MIN_BITWIDTH,
        /// Only memory with addresses of at most so many bits; 0: any.
        max_bitwidth: u32 = MAX_BITWIDTH,
        /// Only this NUMA node's; -1: all.
        node: i32 = NODE,
        /// In the answer, bytes.
        avail_bytes: u64 = AVAIL_BYTES,
    }
}

record! {
    /// Asks with physinfo which node each processor belongs to: 3.2 to 4.0, which have no question of its own for it.
    CpuNodes of physinfo {
        /// The highest processor that there is room for; in the answer, the highest there is.
        max_cpu_id: u32 = MAX_CPU_ID,
        /// The address of an array of u32.
        cpu_to_node: u64 = CPU_TO_NODE,
    }
}

record! {
    /// Asks where the processors are, 4.1 to 4.5 (sysctl.h, `struct xen_sysctl_topologyinfo`): three arrays of u32.
    TopologyInfo of topologyinfo {
        /// The highest processor that there is room for; in the answer, the highest there is.
        max_cpu_index: u32 = MAX_CPU_INDEX,
        /// The address of their cores.
        cpu_to_core: u64 = CPU_TO_CORE,
        /// The address of their sockets.
        cpu_to_socket: u64 = CPU_TO_SOCKET,
        /// The address of their nodes.
        cpu_to_node: u64 = CPU_TO_NODE,
    }
}

record! {
    /// The same from 4.6 on (sysctl.h, `struct xen_sysctl_cputopoinfo`).
    CpuTopoInfo of cputopoinfo {
        /// Room for so many; in the answer, how many there are.
        num_cpus: u32 = NUM_CPUS,
        /// The address of an array of [`CpuTopology`]; 0: only their number is wanted.
        cputopo: u64 = CPUTOPO,
    }
}

/// What stands for a core, a socket, a node or a distance that is not there.
pub const INVALID: u32 = u32::MAX;

record! {
    /// Where one processor is; [`INVALID`] where it is nowhere.
    CpuTopology of cputopo {
        /// Its core, within the socket.
        core: u32 = CORE,
        /// Its socket.
        socket: u32 = SOCKET,
        /// Its NUMA node.
        node: u32 = NODE,
    }
}

record! {
    /// Asks for NUMA nodes (sysctl.h, `struct xen_sysctl_numainfo`; 4.1 and later).
    NumaInfo of numainfo {
        /// The highest node that there is room for; in the answer, the highest there is (up to 4.5).
        max_node_index: Option<u32> = MAX_NODE_INDEX,
        /// The address of their sizes, u64 bytes (up to 4.5).
        node_to_memsize: Option<u64> = NODE_TO_MEMSIZE,
        /// The address of what they have free, u64 bytes (up to 4.5).
        node_to_memfree: Option<u64> = NODE_TO_MEMFREE,
        /// The address of the distances, u32, a row for each node (up to 4.5).
        node_to_node_distance: Option<u64> = NODE_TO_NODE_DISTANCE,
        /// Room for so many; in the answer, how many there are (4.6 and later).
        num_nodes: Option<u32> = NUM_NODES,
        /// The address of an array of [`MemInfo`] (4.6 and later).
        meminfo: Option<u64> = MEMINFO,
        /// The address of the distances, as above (4.6 and later).
        distance: Option<u64> = DISTANCE,
    }
}

record! {
    /// One node's memory; [`INVALID`] bytes where there is none.
    MemInfo of meminfo {
        /// Bytes.
        memsize: u64 = MEMSIZE,
        /// Free bytes.
        memfree: u64 = MEMFREE,
    }
}

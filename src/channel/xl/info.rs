//! What `xl info` prints about the host: a line for each fact, its name, a colon, its value.

use crate::model::{NodeInfo, XenVersion};

/// A host as xl describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// The hypervisor's release.
    pub xen: XenVersion,
    /// What the hypervisor can run, such as `xen-3.0-x86_64`.
    pub capabilities: String,
    /// Processors and memory. Sockets are counted per node.
    pub info: NodeInfo,
}

/// From what xl printed; the error names what is missing.
pub(super) fn read(text: &str) -> Result<HostFacts, &'static str> {
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim_end() == name).then(|| value.trim())
        })
    };
    let number = |name: &str| value(name).and_then(|value| value.parse::<u64>().ok());
    let small = |name: &str| number(name).and_then(|number| u32::try_from(number).ok());
    let release = |name: &str| number(name).and_then(|number| u16::try_from(number).ok());
    let (Some(major), Some(minor)) = (release("xen_major"), release("xen_minor")) else {
        return Err("a host without xen_major and xen_minor");
    };
    let (Some(cpus), Some(memory_mib)) = (small("nr_cpus"), number("total_memory")) else {
        return Err("a host without nr_cpus and total_memory");
    };
    let count = |name: &str| small(name).unwrap_or(1).max(1);
    let (nodes, cores, threads) = (count("nr_nodes"), count("cores_per_socket"), count("threads_per_core"));
    let per_socket = nodes.saturating_mul(cores).saturating_mul(threads);
    // 2400.000
    let mhz = value("cpu_mhz").and_then(|mhz| mhz.split('.').next()?.parse().ok());
    Ok(HostFacts {
        xen: XenVersion { major, minor, extra: value("xen_extra").unwrap_or_default().to_owned() },
        capabilities: value("xen_caps").unwrap_or_default().to_owned(),
        info: NodeInfo {
            machine: value("machine").unwrap_or_default().to_owned(),
            memory_kib: memory_mib.saturating_mul(1024),
            free_memory_kib: number("free_memory").map(|mib| mib.saturating_mul(1024)),
            cpus,
            mhz,
            nodes,
            sockets: (cpus / per_socket).max(1),
            cores,
            threads,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "host                   : dom0\nrelease                : 6.1.0\nmachine                : x86_64\n\
        nr_cpus                : 8\nmax_cpu_id             : 7\nnr_nodes               : 2\ncores_per_socket       : 2\n\
        threads_per_core       : 2\ncpu_mhz                : 2394.374\nhw_caps                : 178bf3fd:80002001\n\
        total_memory           : 65535\nfree_memory            : 1024\nxen_major              : 4\nxen_minor              : 23\n\
        xen_extra              : .0\nxen_version            : 4.23.0\nxen_caps               : xen-3.0-x86_64 hvm-3.0-x86_64\n";

    #[test]
    fn the_host_is_read_from_its_lines() {
        let facts = read(TEXT).unwrap();
        assert_eq!(facts.xen.to_string(), "4.23.0");
        assert_eq!(facts.capabilities, "xen-3.0-x86_64 hvm-3.0-x86_64");
        let info = facts.info;
        assert_eq!((info.machine.as_str(), info.memory_kib), ("x86_64", 65535 << 10));
        assert_eq!((info.free_memory_kib, info.mhz), (Some(1 << 20), Some(2394)));
        assert_eq!((info.cpus, info.nodes, info.sockets, info.cores, info.threads), (8, 2, 1, 2, 2));
    }

    #[test]
    fn a_real_one_is_read() {
        let facts = read(include_str!("../../../tests/data/xl/info-4.17.txt")).unwrap();
        assert_eq!(facts.xen.to_string(), "4.17.7");
        assert_eq!(facts.capabilities, "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64");
        let info = facts.info;
        assert_eq!((info.machine.as_str(), info.memory_kib), ("x86_64", 3499 << 10));
        assert_eq!((info.free_memory_kib, info.mhz, info.cpus), (Some(2061 << 10), Some(2596), 1));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(read(""), Err("a host without xen_major and xen_minor"));
        assert_eq!(read("xen_major : 4\nxen_minor : 1\n"), Err("a host without nr_cpus and total_memory"));
        let zero = "xen_major:4\nxen_minor:1\nnr_cpus:0\ntotal_memory:99999999999999999\nnr_nodes:0\n";
        assert_eq!(read(zero).map(|facts| facts.info.sockets), Ok(1));
    }
}

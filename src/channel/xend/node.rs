//! `(node ...)`: the host as xend describes it.

use super::abilities::Age;
use crate::model::{NodeInfo, XenVersion};
use crate::wire::sexpr::Sexpr;

/// What xend says about its host and itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// The age of xend's configuration language: 1 is Xen 3.0.2 (which does not say so), 2 is 3.0.3, 3 is 3.0.4, 4 is 3.1
    /// and later. From 3 on xend manages inactive domains.
    pub config_format: u32,
    /// The hypervisor's release.
    pub xen: XenVersion,
    /// The host's name.
    pub host: String,
    /// What the hypervisor can run, such as `xen-3.0-x86_64`.
    pub capabilities: Vec<String>,
    /// The first processor's features: physinfo's words of CPUID, where xend shows them.
    pub hw_cap: Option<[u32; 8]>,
    /// Processors and memory. Sockets are counted per node.
    pub info: NodeInfo,
}

impl NodeFacts {
    /// How old it is, and with that what it can do.
    pub fn age(&self) -> Age {
        Age::of(self.config_format, &self.xen)
    }

    /// From `(node ...)`; the error names what is missing.
    pub(super) fn from_sexpr(node: &Sexpr) -> Result<NodeFacts, &'static str> {
        if node.name() != Some("node") {
            return Err("something else for the host");
        }
        let text = |name: &str| node.value(name).unwrap_or_default().to_owned();
        let (Some(major), Some(minor)) = (node.number("xen_major"), node.number("xen_minor")) else {
            return Err("a host without xen_major and xen_minor");
        };
        let (Some(cpus), Some(memory_mib)) =
            (node.number::<u32>("nr_cpus"), node.number::<u64>("total_memory"))
        else {
            return Err("a host without nr_cpus and total_memory");
        };
        let count = |name: &str| node.number::<u32>(name).unwrap_or(1).max(1);
        let (nodes, cores, threads) =
            (count("nr_nodes"), count("cores_per_socket"), count("threads_per_core"));
        // From 3.2 on xend no longer says how many sockets a node has.
        let per_socket = nodes.saturating_mul(cores).saturating_mul(threads);
        let sockets = node.number("sockets_per_node").unwrap_or((cpus / per_socket).max(1));
        Ok(NodeFacts {
            config_format: node.number("xend_config_format").unwrap_or(1),
            xen: XenVersion { major, minor, extra: text("xen_extra") },
            host: text("host"),
            capabilities: text("xen_caps").split_whitespace().map(str::to_owned).collect(),
            hw_cap: hw_cap(node.value("hw_caps").unwrap_or_default()),
            info: NodeInfo {
                machine: text("machine"),
                memory_kib: memory_mib.saturating_mul(1024),
                free_memory_kib: node.number::<u64>("free_memory").map(|mib| mib.saturating_mul(1024)),
                cpus,
                mhz: node.number("cpu_mhz"),
                nodes,
                sockets,
                cores,
                threads,
            },
        })
    }
}

/// Eight words in hexadecimal, with colons between them.
fn hw_cap(text: &str) -> Option<[u32; 8]> {
    let words: Option<Vec<u32>> =
        text.split(':').take(9).map(|word| u32::from_str_radix(word, 16).ok()).collect();
    words?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NodeFacts, &'static str> {
        NodeFacts::from_sexpr(&Sexpr::parse_first(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_node_without_a_format_is_the_oldest() {
        let node = read(
            "(node (host h) (machine x86_64) (nr_cpus 8) (nr_nodes 1) (sockets_per_node 2) (cores_per_socket 2) \
             (threads_per_core 2) (total_memory 3071) (free_memory 10) (xen_major 3) (xen_minor 0) (xen_extra .2) \
             (xen_caps 'xen-3.0-x86_64 hvm-3.0-x86_32 ') (cc_compile_by ))",
        )
        .unwrap();
        assert_eq!(node.config_format, 1);
        assert_eq!(node.xen.to_string(), "3.0.2");
        assert_eq!(node.capabilities, ["xen-3.0-x86_64", "hvm-3.0-x86_32"]);
        assert_eq!((node.info.memory_kib, node.info.free_memory_kib), (3071 << 10, Some(10 << 10)));
        assert_eq!((node.info.sockets, node.info.cores, node.info.threads), (2, 2, 2));
        assert_eq!(node.info.mhz, None);
    }

    #[test]
    fn sockets_are_computed_where_xend_does_not_say() {
        let node = read(
            "(node (nr_cpus 16) (nr_nodes 2) (cores_per_socket 4) (threads_per_core 1) (total_memory 1) (xen_major 4) \
             (xen_minor 4) (xend_config_format 4))",
        )
        .unwrap();
        assert_eq!((node.info.sockets, node.config_format), (2, 4));
    }

    #[test]
    fn the_words_of_cpuid_are_eight_hexadecimal_numbers() {
        let recorded = "078bf3fd:2193fbfd:00000000:00000010:80002001:00000000:00000005:00000000";
        assert_eq!(hw_cap(recorded), Some([0x078b_f3fd, 0x2193_fbfd, 0, 0x10, 0x8000_2001, 0, 5, 0]));
        for other in ["", "0:1:2", "0:1:2:3:4:5:6:7:8", "0:1:2:3:4:5:6:x"] {
            assert_eq!(hw_cap(other), None, "{other}");
        }
    }

    #[test]
    fn a_node_without_a_version_is_not_understood() {
        assert!(read("(node (nr_cpus 1))").is_err());
        assert!(read("(ls)").is_err());
    }
}

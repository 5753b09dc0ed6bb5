//! Verbs about the host as a whole.

use serde_json::json;
use xenith::driver::Connection;

use crate::answer::{Answer, visible};
use crate::failure::Failure;

pub(crate) const VERSION_JSON: &str = "\
With --json: {\"library\": TEXT, \"hypervisor\": {\"name\": \"Xen\", \"version\": TEXT, \"major\": N, \"minor\": N, \"extra\": TEXT, \"number\": N}}; \
number is major * 1000000 + minor * 1000 + micro. `xenith --version` asks no host.";

/// `version`
pub(crate) fn version(connection: &Connection) -> Result<Answer, Failure> {
    let library = env!("CARGO_PKG_VERSION");
    let xen = connection.version()?;
    let hypervisor = json!({
        "name": "Xen",
        "version": xen.to_string(),
        "major": xen.major,
        "minor": xen.minor,
        "extra": xen.extra,
        "number": xen.as_number(),
    });
    Ok(Answer::new(
        format!("Using library: xenith {library}\nRunning hypervisor: Xen {}\n", visible(&xen.to_string())),
        json!({ "library": library, "hypervisor": hypervisor }),
    ))
}

pub(crate) const URI_JSON: &str = "With --json: {\"uri\": TEXT}.";

/// `uri`
pub(crate) fn uri(connection: &Connection) -> Result<Answer, Failure> {
    Ok(Answer::new(visible(connection.uri()), json!({ "uri": connection.uri() })))
}

pub(crate) const HOSTNAME_JSON: &str = "With --json: {\"hostname\": TEXT}.";

/// `hostname`
pub(crate) fn hostname(connection: &Connection) -> Result<Answer, Failure> {
    let name = connection.hostname()?;
    Ok(Answer::new(visible(&name), json!({ "hostname": name })))
}

pub(crate) const NODEINFO_JSON: &str = "\
With --json: {\"machine\": TEXT, \"cpus\": N, \"mhz\": N or null, \"nodes\": N, \"sockets_per_node\": N, \"cores_per_socket\": N, \
\"threads_per_core\": N, \"memory_kib\": N, \"free_memory_kib\": N or null}.";

/// `nodeinfo`
pub(crate) fn nodeinfo(connection: &Connection) -> Result<Answer, Failure> {
    let node = connection.node_info()?;
    let or_dash = |figure: Option<String>| figure.unwrap_or_else(|| "-".into());
    let lines = [
        ("CPU model:", visible(&node.machine)),
        ("CPU(s):", node.cpus.to_string()),
        ("CPU frequency:", or_dash(node.mhz.map(|mhz| format!("{mhz} MHz")))),
        ("CPU socket(s):", node.sockets.to_string()),
        ("Core(s) per socket:", node.cores.to_string()),
        ("Thread(s) per core:", node.threads.to_string()),
        ("NUMA cell(s):", node.nodes.to_string()),
        ("Memory size:", format!("{} KiB", node.memory_kib)),
        ("Free memory:", or_dash(node.free_memory_kib.map(|kib| format!("{kib} KiB")))),
    ];
    let text: String = lines.iter().map(|(key, value)| format!("{key:<20} {value}\n")).collect();
    let json = json!({
        "machine": node.machine,
        "cpus": node.cpus,
        "mhz": node.mhz,
        "nodes": node.nodes,
        "sockets_per_node": node.sockets,
        "cores_per_socket": node.cores,
        "threads_per_core": node.threads,
        "memory_kib": node.memory_kib,
        "free_memory_kib": node.free_memory_kib,
    });
    Ok(Answer::new(text, json))
}

pub(crate) const CAPABILITIES_JSON: &str = "With --json: {\"capabilities\": TEXT}, the same XML.";

/// `capabilities`
pub(crate) fn capabilities(connection: &Connection) -> Result<Answer, Failure> {
    let xml = connection.capabilities()?;
    Ok(Answer::new(xml.clone(), json!({ "capabilities": xml })))
}

//! Targets of disks on the network (xl-disk-configuration(5)): Ceph's, which the device model serves, `rbd:POOL/IMAGE:mon_host=HOST\\:PORT`; and
//! those of iSCSI, which the script block-iscsi makes a device of, `iqn=NAME,portal=HOST:PORT`.

use super::write::unsupported;
use crate::error;
use crate::format::error::shown;
use crate::model::guest::{NetworkHost, NetworkSource, Protocol};

/// The script that logs in to iSCSI.
const BLOCK_ISCSI: &str = "block-iscsi";

/// The name and who serves it; None for a target that is not on the network. What has no place in the model goes to `others`.
pub(super) fn read(
    target: &str,
    script: Option<&str>,
    others: &mut Vec<String>,
) -> Option<(String, NetworkSource)> {
    if script == Some(BLOCK_ISCSI) {
        return iscsi(target, others);
    }
    let mut parts = split(target.strip_prefix("rbd:")?, ':').into_iter();
    let name = parts.next().map(|name| plain(&name)).filter(|name| !name.is_empty())?;
    let mut hosts = Vec::new();
    for part in parts {
        match part.split_once('=') {
            Some(("mon_host", list)) => hosts = split_escaped(list).iter().map(|one| host(one)).collect(),
            Some(("auth_supported", "none")) => {}
            Some((key, _)) => others.push(format!("rbd {}", shown(key))),
            None => others.push(format!("rbd {}", shown(&part))),
        }
    }
    Some((name, NetworkSource { protocol: Protocol::Rbd, hosts }))
}

fn iscsi(target: &str, others: &mut Vec<String>) -> Option<(String, NetworkSource)> {
    let (mut name, mut portal, mut rest) = (None, None, Vec::new());
    for word in target.split(',') {
        match word.split_once('=')? {
            ("iqn", value) => name = Some(value),
            ("portal", value) => portal = Some(value),
            (key, _) => rest.push(format!("iscsi {}", shown(key))),
        }
    }
    let hosts = vec![host(portal?)];
    others.extend(rest);
    Some((name?.to_owned(), NetworkSource { protocol: Protocol::Iscsi, hosts }))
}

/// Parts between `separator`s that no backslash stands before; backslashes stay.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_escaped = false;
    for c in text.chars() {
        if c == separator && !is_escaped {
            parts.push(String::new());
            continue;
        }
        is_escaped = c == '\\' && !is_escaped;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// Hosts between `\\;`.
fn split_escaped(list: &str) -> Vec<String> {
    list.split("\\;").map(plain).filter(|one| !one.is_empty()).collect()
}

/// Without the backslashes.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut is_escaped = false;
    for c in text.chars() {
        is_escaped = c == '\\' && !is_escaped;
        if !is_escaped {
            out.push(c);
        }
    }
    out
}

/// `mon1.example.org:6321`, `[::1]:6321`, `10.0.0.1`.
fn host(text: &str) -> NetworkHost {
    match text.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
        Some((name, Ok(port))) if !name.contains(':') || name.ends_with(']') => {
            NetworkHost { name: name.to_owned(), port: Some(port) }
        }
        _ => NetworkHost { name: text.to_owned(), port: None },
    }
}

/// The words for a source; the target stands last.
pub(super) fn write(name: &str, source: &NetworkSource, target: &str) -> error::Result<Vec<String>> {
    let at = |host: &NetworkHost| {
        host.port.map_or_else(|| host.name.clone(), |port| format!("{}:{port}", host.name))
    };
    match source.protocol {
        Protocol::Rbd => {
            // The device model takes a ':' for the end of an option.
            let escaped = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
            let mut text = format!("target=rbd:{}:auth_supported=none", escaped(name));
            let hosts: Vec<String> = source.hosts.iter().map(|one| escaped(&at(one))).collect();
            if !hosts.is_empty() {
                text.push_str(&format!(":mon_host={}", hosts.join("\\;")));
            }
            Ok(vec![text])
        }
        Protocol::Iscsi => {
            let (name, unit) = name.rsplit_once('/').unwrap_or((name, "0"));
            if unit != "0" {
                return Err(unsupported(format!(
                    "the unit '{}' of the disk {target} on iSCSI: the script takes the first",
                    shown(unit)
                )));
            }
            match source.hosts.first() {
                Some(portal) if !name.contains(',') => {
                    let text = format!("target=iqn={name},portal={}", at(portal));
                    Ok(vec![format!("script={BLOCK_ISCSI}"), text])
                }
                _ => Err(unsupported(format!("the iSCSI target '{}' of the disk {target}", shown(name)))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_on_the_network_go_both_ways() {
        for (target, script) in [
            ("rbd:pool/image:auth_supported=none", None),
            (
                "rbd:pool/image:auth_supported=none:mon_host=mon1.example.org\\:6321\\;mon2\\;[\\:\\:1]\\:1",
                None,
            ),
            ("iqn=iqn.2001-05.com.example:x,portal=192.0.2.1:3260", Some("block-iscsi")),
        ] {
            let mut others = Vec::new();
            let (name, source) = read(target, script, &mut others).unwrap();
            let words = write(&name, &source, "hda").unwrap();
            assert_eq!(words.last().unwrap(), &format!("target={target}"), "{source:?}");
            assert!(others.is_empty(), "{others:?}");
        }
        let mut others = Vec::new();
        let (name, source) = read("rbd:p/i:id=admin:key=secret:mon_host=a", None, &mut others).unwrap();
        assert_eq!((name.as_str(), source.hosts.len()), ("p/i", 1));
        // A secret is not for messages.
        assert_eq!(others, ["rbd id", "rbd key"]);
        for (target, script) in
            [("/dev/x", None), ("rbd:", None), ("iqn=x", Some("block-iscsi")), ("x", Some("block-iscsi"))]
        {
            assert_eq!(read(target, script, &mut Vec::new()), None, "{target}");
        }
    }
}

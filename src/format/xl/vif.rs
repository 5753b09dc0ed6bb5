//! The strings of `vif` (xl-network-configuration(5)) <-> a network interface.

use super::syntax::{Result, fault};
use super::write::unsupported;
use crate::error;
use crate::format::error::shown;
use crate::model::guest::{Interface, InterfaceKind, IpNet, Tagging, VirtualPort, Vlan, VlanTag};

/// The script that joins an interface to a bridge.
const VIF_BRIDGE: &str = "vif-bridge";
/// What the scripts for Open vSwitch have in their names.
const OPENVSWITCH: &str = "openvswitch";
/// The script that joins an interface to an Open vSwitch.
const VIF_OPENVSWITCH: &str = "vif-openvswitch";

/// An interface, and the options that have no place in the model. `at` is where the string begins.
pub(super) fn read(spec: &str, is_hvm: bool, at: usize) -> Result<(Interface, Vec<&str>)> {
    let mut interface = Interface::default();
    let mut bridge = None;
    let mut others = Vec::new();
    for word in spec.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let Some((key, value)) = word.split_once('=') else {
            return fault(at, format!("vif: '{}' is no option; expected such as bridge=xenbr0", shown(word)));
        };
        let text = || (!value.is_empty()).then(|| value.to_owned());
        match key {
            "mac" => {
                let Ok(mac) = value.parse() else {
                    return fault(at, format!("vif: mac={} is no MAC address", shown(value)));
                };
                interface.mac = Some(mac);
            }
            "bridge" => bridge = text(),
            "script" => interface.script = text(),
            "ip" => interface.ips = ips(value, at)?,
            "model" => interface.model = text(),
            "vifname" => interface.vifname = text(),
            "type" => match value {
                // In a PV guest every card is Xen's own.
                "vif" | "netfront" => {
                    if is_hvm {
                        interface.model = Some("netfront".into());
                    }
                }
                "ioemu" => {}
                _ => {
                    return fault(
                        at,
                        format!("vif: type={} is not known; expected ioemu or vif", shown(value)),
                    );
                }
            },
            "rate" => match rate(value) {
                Some(kib) => interface.rate_kib = Some(kib),
                None => {
                    return fault(
                        at,
                        format!("vif: rate={} is no rate; expected such as 10MB/s", shown(value)),
                    );
                }
            },
            "backend" => interface.backend = text(),
            "mtu" => match super::settings::number(value).map(u32::try_from) {
                Some(Ok(size @ 68..=65_535)) => interface.mtu = Some(size),
                _ => return fault(at, format!("vif: mtu={} is no size of packets", shown(value))),
            },
            _ => others.push(word),
        }
    }
    let is_switch = interface.script.as_ref().is_some_and(|path| path.contains(OPENVSWITCH));
    if let Some(name) = bridge.as_ref().filter(|_| is_switch) {
        let (name, vlan) = switch(name, at)?;
        (bridge, interface.vlan) = (Some(name), vlan);
        interface.virtual_port = Some(VirtualPort::default());
    }
    let is_bridge = bridge.is_some() || interface.script.as_ref().is_some_and(|path| path.contains("bridge"));
    interface.kind = if is_bridge { InterfaceKind::Bridge(bridge) } else { InterfaceKind::Ethernet(None) };
    Ok((interface, others))
}

/// `ovsbr0`, `ovsbr0.42`, `ovsbr0:42:43`, `ovsbr0.1:42:43`: a switch, the virtual network of packets without a tag, those of packets with one.
fn switch(text: &str, at: usize) -> Result<(String, Option<Vlan>)> {
    let (head, trunks) = text.split_once(':').map_or((text, None), |(head, trunks)| (head, Some(trunks)));
    let (name, native) = head.split_once('.').map_or((head, None), |(name, native)| (name, Some(native)));
    let mut tags = Vec::new();
    let several = trunks.into_iter().flat_map(|trunks| trunks.split(':'));
    for (is_native, number) in
        native.into_iter().map(|one| (true, one)).chain(several.map(|one| (false, one)))
    {
        let Some(id @ ..=4095) =
            number.parse::<u16>().ok().filter(|_| number.bytes().all(|b| b.is_ascii_digit()))
        else {
            return fault(at, format!("vif: '{}' in bridge={} is no VLAN", shown(number), shown(text)));
        };
        if tags.iter().any(|tag: &VlanTag| tag.id == id) {
            return fault(at, format!("vif: the VLAN {id} stands in bridge={} a second time", shown(text)));
        }
        let native = (is_native && trunks.is_some()).then_some(Tagging::Untagged);
        tags.push(VlanTag { id, native });
    }
    let vlan = Vlan { trunk: trunks.is_some(), tags };
    Ok((name.to_owned(), (!vlan.tags.is_empty()).then_some(vlan)))
}

/// The inverse of [`switch`].
fn switch_name(bridge: &str, vlan: Option<&Vlan>) -> error::Result<String> {
    let mut text = bridge.to_owned();
    let Some(vlan) = vlan else { return Ok(text) };
    for tag in &vlan.tags {
        match tag.native {
            Some(Tagging::Tagged) => return Err(unsupported("nativeMode='tagged' of a VLAN")),
            Some(Tagging::Untagged) => text.insert_str(bridge.len(), &format!(".{}", tag.id)),
            None if vlan.trunk => text.push_str(&format!(":{}", tag.id)),
            None => text.push_str(&format!(".{}", tag.id)),
        }
    }
    Ok(text)
}

fn ips(text: &str, at: usize) -> Result<Vec<IpNet>> {
    let mut ips = Vec::new();
    for word in text.split_whitespace() {
        match word.parse() {
            Ok(ip) => ips.push(ip),
            Err(()) => return fault(at, format!("vif: ip={} is no IP address", shown(word))),
        }
    }
    Ok(ips)
}

/// `10240KB/s`, `1MB/s@20ms`, `8Mb/s` (bits): KiB per second, where K is what libvirt takes it for, 1024.
fn rate(text: &str) -> Option<u64> {
    let (rate, interval) = text.split_once('@').unwrap_or((text, ""));
    if !interval.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let rate = rate.strip_suffix("/s")?;
    let (rate, per_byte) = match rate.strip_suffix('B') {
        Some(rate) => (rate, 1),
        None => (rate.strip_suffix('b')?, 8),
    };
    let digits = rate.trim_end_matches(['K', 'M', 'G']);
    let bytes: u64 = match rate.get(digits.len()..)? {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    Some(digits.parse::<u64>().ok()?.checked_mul(bytes)? / per_byte / 1024)
}

/// An interface as a string of `vif`. `as_libvirt` says a rate in libvirt's way.
pub(super) fn write(interface: &Interface, is_hvm: bool, as_libvirt: bool) -> error::Result<String> {
    let mut words = Vec::new();
    let mut put = |key: &str, value: &str| {
        // A word ends at a comma, and blanks around it are lost.
        if value.contains([',', '\n']) || value.trim() != value {
            return Err(unsupported(format!("an interface's {key} '{}'", shown(value))));
        }
        words.push(format!("{key}={value}"));
        Ok(())
    };
    if let Some(mac) = interface.mac {
        put("mac", &mac.to_string())?;
    }
    let mut script = interface.script.as_deref();
    let is_switch = script.is_some_and(|path| path.contains(OPENVSWITCH));
    match &interface.kind {
        InterfaceKind::Bridge(Some(bridge))
            if interface.virtual_port.is_some() && (is_switch || script.is_none()) =>
        {
            script = script.or(Some(VIF_OPENVSWITCH));
            if bridge.contains(['.', ':']) {
                return Err(unsupported(format!(
                    "the switch '{}': its name would be read as VLANs",
                    shown(bridge)
                )));
            }
            put("bridge", &switch_name(bridge, interface.vlan.as_ref())?)?;
        }
        _ if interface.virtual_port.is_some() || interface.vlan.is_some() => {
            let message =
                "<virtualport> and <vlan> but on a bridge of Open vSwitch, by its script vif-openvswitch";
            return Err(unsupported(message));
        }
        InterfaceKind::Bridge(Some(bridge)) if is_switch && bridge.contains(['.', ':']) => {
            return Err(unsupported(format!(
                "the switch '{}': its name would be read as VLANs",
                shown(bridge)
            )));
        }
        InterfaceKind::Bridge(Some(bridge)) => put("bridge", bridge)?,
        // What tells it from one that its own script connects.
        InterfaceKind::Bridge(None) => script = script.or(Some(VIF_BRIDGE)),
        InterfaceKind::Ethernet(_) => {}
        InterfaceKind::HostDevice { .. } => return Err(unsupported("<interface type='hostdev'>")),
        InterfaceKind::Network(network) => {
            return Err(unsupported(format!(
                "<interface type='network'> (the network '{}'); name its bridge with type='bridge'",
                shown(network)
            )));
        }
    }
    if !interface.ips.is_empty() {
        let ips: Vec<String> = interface.ips.iter().map(ToString::to_string).collect();
        put("ip", &ips.join(" "))?;
    }
    if let Some(script) = script {
        put("script", script)?;
    }
    if let Some(name) = &interface.vifname {
        put("vifname", name)?;
    }
    match interface.model.as_deref() {
        Some("netfront") if is_hvm => put("type", "vif")?,
        Some(model) => put("model", model)?,
        None => {}
    }
    if let Some(rate) = interface.rate_kib {
        if as_libvirt {
            put("rate", &format!("{rate}KB/s"))?;
        }
        // In bytes: xl's K is 1000 (measured), ours and libvirt's is 1024.
        let Some(bytes) = rate.checked_mul(1024) else {
            return Err(unsupported(format!("a rate of {rate} KiB per second")));
        };
        if !as_libvirt {
            put("rate", &format!("{bytes}B/s"))?;
        }
    }
    if let Some(domain) = &interface.backend {
        put("backend", domain)?;
    }
    if let Some(size) = interface.mtu {
        put("mtu", &size.to_string())?;
    }
    Ok(words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_read_as_people_write_it() {
        let (vif, others) =
            read("ip=10.0.0.2 ,mac=00:16:3E:01:02:03,backend=net, gatewaydev=eth0", false, 0).unwrap();
        assert_eq!(vif.ips.len(), 1);
        assert_eq!(vif.mac.unwrap().to_string(), "00:16:3e:01:02:03");
        assert_eq!(vif.kind, InterfaceKind::Ethernet(None));
        assert_eq!(vif.backend.as_deref(), Some("net"));
        assert_eq!(others, ["gatewaydev=eth0"]);
        let (vif, _) = read("bridge=xenbr0, type=ioemu, model=e1000, rate=1MB/s@20ms", true, 0).unwrap();
        assert_eq!((vif.model.as_deref(), vif.rate_kib), (Some("e1000"), Some(1024)));
        let (vif, _) = read("", true, 0).unwrap();
        assert_eq!(vif.kind, InterfaceKind::Ethernet(None));
        for bad in ["mac=x", "frob", "ip=1.2.3", "type=x", "rate=10", "rate=99999999999999999999MB/s"] {
            assert!(read(bad, true, 3).is_err_and(|fault| fault.at == 3), "{bad}");
        }
    }

    #[test]
    fn the_virtual_networks_of_a_switch_are_part_of_its_name() {
        for (bridge, trunk, tags) in [
            ("ovsbr0", false, 0),
            ("ovsbr0.42", false, 1),
            ("ovsbr0:42:43", true, 2),
            ("ovsbr0:42", true, 1),
            ("ovsbr0.1:42:43", true, 3),
        ] {
            let spec = format!("bridge={bridge},script=vif-openvswitch");
            let (vif, _) = read(&spec, true, 0).unwrap();
            assert_eq!(vif.kind, InterfaceKind::Bridge(Some("ovsbr0".into())));
            assert_eq!(vif.vlan.as_ref().map_or(0, |vlan| vlan.tags.len()), tags);
            assert_eq!(vif.vlan.as_ref().is_some_and(|vlan| vlan.trunk), trunk);
            assert_eq!(write(&vif, true, false).unwrap(), spec);
            // An ordinary bridge can be called so.
            let (vif, _) = read(&format!("bridge={bridge}"), true, 0).unwrap();
            assert_eq!((vif.kind, vif.vlan), (InterfaceKind::Bridge(Some(bridge.into())), None));
        }
        for bad in ["ovsbr0.x", "ovsbr0.4096", "ovsbr0:1:1", "ovsbr0.", "ovsbr0:", "ovsbr0.+1"] {
            assert!(read(&format!("bridge={bad},script=vif-openvswitch"), true, 3).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_comma_never_begins_another_option() {
        let vif = Interface { script: Some("/x,bridge=other".into()), ..Interface::default() };
        assert!(write(&vif, true, false).is_err());
    }
}

//! Network interfaces.

use std::net::IpAddr;

use super::super::tree::{Element, Result};
use super::devices::pci_address;
use super::disks::boot_order;
use super::{YES_NO, attribute_of};
use crate::format::error::shown;
use crate::model::guest::{Interface, InterfaceKind, IpNet, Mac, Tagging, VirtualPort, Vlan, VlanTag};

/// `<interface>`.
pub(super) fn interface(element: &mut Element<'_>) -> Result<Interface> {
    #[derive(Clone, Copy)]
    enum Kind {
        Bridge,
        Ethernet,
        Network,
        HostDevice,
    }
    let words = &[
        (Kind::Bridge, "bridge"),
        (Kind::Ethernet, "ethernet"),
        (Kind::Network, "network"),
        (Kind::HostDevice, "hostdev"),
    ];
    let Some(kind) = element.choice("type", words)? else {
        return element.fault("the attribute 'type' is missing");
    };
    let managed = element.choice("managed", YES_NO)?;
    if managed.is_some() && !matches!(kind, Kind::HostDevice) {
        return element.fault("managed= belongs to type='hostdev'");
    }
    let kind = if matches!(kind, Kind::HostDevice) {
        if let Some(mut driver) = element.child("driver")? {
            driver.choice("name", &[((), "xen")])?;
            driver.done()?;
        }
        let Some(mut source) = element.child("source")? else { return element.fault("<source> is missing") };
        let address = pci_address(&mut source, true)?;
        source.done()?;
        InterfaceKind::HostDevice { address, managed: managed.unwrap_or(false) }
    } else {
        let source = match element.child("source")? {
            Some(mut source) => {
                let value = source.attribute(match kind {
                    Kind::Bridge => "bridge",
                    Kind::Network => "network",
                    Kind::Ethernet | Kind::HostDevice => "dev",
                });
                if matches!(kind, Kind::Network) {
                    // What libvirt's network gave it while the guest runs.
                    source.attribute("bridge");
                    source.attribute("portid");
                }
                source.done()?;
                value.filter(|value| !value.is_empty())
            }
            None => None,
        };
        match (kind, source) {
            (Kind::Network, Some(network)) => InterfaceKind::Network(network),
            (Kind::Network, None) => return element.fault("<source network=...> is missing"),
            (Kind::Ethernet, device) => InterfaceKind::Ethernet(device),
            (_, bridge) => InterfaceKind::Bridge(bridge),
        }
    };
    let mac = match element.child("mac")? {
        Some(mut mac) => {
            let text = mac.required("address")?;
            let Ok(address) = text.parse::<Mac>() else {
                return mac.fault(format!(
                    "address='{}': expected six pairs of hexadecimal digits such as 00:16:3e:5d:c7:9e",
                    shown(&text)
                ));
            };
            if address.is_multicast() {
                return mac.fault(format!(
                    "address='{address}' stands for a group; expected one whose first number is even"
                ));
            }
            mac.done()?;
            Some(address)
        }
        None => None,
    };
    let mut ips = Vec::new();
    for mut ip in element.children("ip") {
        let text = ip.required("address")?;
        let Ok(address) = text.parse::<IpAddr>() else {
            return ip.fault(format!("address='{}' is no IP address", shown(&text)));
        };
        match ip.choice("family", &[(false, "ipv4"), (true, "ipv6")])? {
            Some(v6) if v6 != address.is_ipv6() => {
                return ip.fault(format!("{address} is of the other family"));
            }
            _ => {}
        }
        let prefix = ip.number("prefix")?;
        let Some(net) = IpNet::new(address, prefix) else {
            return ip.fault("the prefix is longer than the address");
        };
        ip.done()?;
        ips.push(net);
    }
    let script = attribute_of(element, "script", "path")?;
    let model = attribute_of(element, "model", "type")?;
    // vifDOMID.N is the name that Xen itself gives in one life.
    let vifname = attribute_of(element, "target", "dev")?.filter(|name| !name.starts_with("vif"));
    let rate_kib = match element.child("bandwidth")? {
        Some(mut bandwidth) => {
            let rate = match bandwidth.child("outbound")? {
                Some(mut outbound) => {
                    let average: Option<u64> = outbound.number("average")?;
                    outbound.done()?;
                    average
                }
                None => None,
            };
            bandwidth.done()?;
            rate
        }
        None => None,
    };
    let mtu = match element.child("mtu")? {
        Some(mut mtu) => match mtu.number("size")? {
            Some(size @ 68..=65_535) => mtu.done().map(|()| Some(size))?,
            _ => return mtu.fault("expected size= from 68 to 65535"),
        },
        None => None,
    };
    let vlan = vlan(element)?;
    let virtual_port = virtual_port(element)?;
    let backend = attribute_of(element, "backenddomain", "name")?;
    let boot_order = boot_order(element)?;
    element.done()?;
    Ok(Interface {
        kind,
        mac,
        ips,
        script,
        model,
        vifname,
        rate_kib,
        vlan,
        virtual_port,
        backend,
        mtu,
        boot_order,
    })
}

fn vlan(element: &mut Element<'_>) -> Result<Option<Vlan>> {
    let Some(mut list) = element.child("vlan")? else { return Ok(None) };
    let trunk = list.choice("trunk", YES_NO)?;
    let mut tags: Vec<VlanTag> = Vec::new();
    let mut numbers = std::collections::BTreeSet::new();
    for mut tag in list.children("tag") {
        let Some(id @ ..=4095) = tag.number::<u16>("id")? else {
            return tag.fault("expected id= up to 4095");
        };
        let native = tag.choice("nativeMode", &Tagging::ALL)?;
        tag.done()?;
        if !numbers.insert(id) {
            return tag.fault(format!("id='{id}' stands here a second time"));
        }
        if native.is_some() && tags.iter().any(|other| other.native.is_some()) {
            return tag.fault("there can be one nativeMode");
        }
        tags.push(VlanTag { id, native });
    }
    if tags.is_empty() {
        return list.fault("<tag id=...> is missing");
    }
    // Several are a trunk, said or not.
    let is_trunk = tags.len() > 1 || tags.iter().any(|tag| tag.native.is_some());
    if is_trunk && trunk == Some(false) {
        return list.fault("trunk='no' with several tags");
    }
    list.done()?;
    Ok(Some(Vlan { trunk: is_trunk || trunk == Some(true), tags }))
}

fn virtual_port(element: &mut Element<'_>) -> Result<Option<VirtualPort>> {
    let Some(mut port) = element.child("virtualport")? else { return Ok(None) };
    if port.choice("type", &[((), "openvswitch")])?.is_none() {
        return port.fault("the attribute 'type' is missing; expected openvswitch");
    }
    let mut found = VirtualPort::default();
    if let Some(mut parameters) = port.child("parameters")? {
        if let Some((text, at)) = parameters.attribute_at("interfaceid") {
            match text.parse() {
                Ok(id) => found.interface_id = Some(id),
                Err(_) => {
                    return parameters.fault_at(at, format!("interfaceid='{}' is no uuid", shown(&text)));
                }
            }
        }
        found.profile = parameters.attribute("profileid");
        parameters.done()?;
    }
    port.done()?;
    Ok(Some(found))
}

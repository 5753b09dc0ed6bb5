//! A guest's network interfaces.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::PciAddress;
use crate::model::Uuid;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// What it is connected to in the host.
    pub kind: InterfaceKind,
    /// Its address; None: one is made up ([`super::Guest::fill_in`]).
    pub mac: Option<Mac>,
    /// The guest's IP addresses, which the host's script can enforce.
    pub ips: Vec<IpNet>,
    /// The host's script that connects it: `vif-bridge`, `/etc/xen/scripts/vif-route`.
    pub script: Option<String>,
    /// The emulated card (`e1000`, `rtl8139`), or `netfront` for Xen's own only.
    pub model: Option<String>,
    /// Its name in the host, where it is not to be vifDOMID.N.
    pub vifname: Option<String>,
    /// The most that the guest may send, KiB per second.
    pub rate_kib: Option<u64>,
    /// The virtual networks that it is part of (Open vSwitch).
    pub vlan: Option<Vlan>,
    /// Its port on a virtual switch.
    pub virtual_port: Option<VirtualPort>,
    /// The domain that serves it, where it is not the host's.
    pub backend: Option<String>,
    /// The largest packet, bytes.
    pub mtu: Option<u32>,
    /// Its place in the order of what the firmware tries, from 1 (HVM).
    pub boot_order: Option<u32>,
}

/// The virtual networks that an interface is part of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vlan {
    /// It is part of several, and the guest tags its packets.
    pub trunk: bool,
    /// Their numbers; at least one.
    pub tags: Vec<VlanTag>,
}

/// One of an interface's virtual networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanTag {
    /// Its number, up to 4095.
    pub id: u16,
    /// What becomes of packets without a tag, where they belong to this one.
    pub native: Option<Tagging>,
}

/// How packets of an interface's own virtual network leave its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tagging {
    /// With a tag.
    Tagged,
    /// Without.
    Untagged,
}

impl Tagging {
    /// All, with domain XML's words.
    pub const ALL: [(Tagging, &'static str); 2] =
        [(Tagging::Tagged, "tagged"), (Tagging::Untagged, "untagged")];
}

/// A port on an Open vSwitch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VirtualPort {
    /// What the switch knows the interface by.
    pub interface_id: Option<Uuid>,
    /// A profile of the switch's.
    pub profile: Option<String>,
}

/// What an interface is connected to in the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceKind {
    /// A bridge; None: the host's default one.
    Bridge(Option<String>),
    /// Whatever its script does; the device is one of the host's, for the script (xend has no place for it).
    Ethernet(Option<String>),
    /// One of libvirt's virtual networks.
    Network(String),
    /// One of the host's own cards, which the guest gets as a PCI device.
    HostDevice {
        /// Where it is in the host.
        address: PciAddress,
        /// It is taken from the host's driver and given back without being asked.
        managed: bool,
    },
}

impl Default for InterfaceKind {
    fn default() -> Self {
        InterfaceKind::Bridge(None)
    }
}

/// An IP address, with the length of its network's prefix where that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNet {
    /// The address.
    pub address: IpAddr,
    /// The prefix's length: up to 32 or 128.
    pub prefix: Option<u8>,
}

impl IpNet {
    /// None where the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: Option<u8>) -> Option<Self> {
        let longest = if address.is_ipv6() { 128 } else { 32 };
        prefix.is_none_or(|length| length <= longest).then_some(IpNet { address, prefix })
    }
}

/// `192.0.2.1`, or `192.0.2.0/24`.
impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        self.prefix.map_or(Ok(()), |length| write!(f, "/{length}"))
    }
}

impl FromStr for IpNet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| ())?)),
            None => (text, None),
        };
        IpNet::new(address.parse().map_err(|_| ())?, prefix).ok_or(())
    }
}

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// One of Xen's addresses, 00:16:3e and the low three bytes of `number`.
    pub fn xen(number: u32) -> Self {
        let [_, a, b, c] = number.to_be_bytes();
        Mac([0x00, 0x16, 0x3e, a, b, c])
    }

    /// Whether it stands for a group of stations, which an interface cannot have.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Six pairs of hexadecimal digits with colons between them; a leading zero may be missing.
impl FromStr for Mac {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or(())?;
            if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| ())?;
        }
        if parts.next().is_some() { Err(()) } else { Ok(Mac(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_six_pairs_of_digits() {
        assert_eq!("AA:0:86:e2:35:72".parse::<Mac>().unwrap().to_string(), "aa:00:86:e2:35:72");
        for bad in ["", "00:16:3e:00:00", "00:16:3e:00:00:01:02", "00:16:3e:00:00:0g", "+1:16:3e:00:00:01"] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
        assert!("01:00:5e:00:00:01".parse::<Mac>().unwrap().is_multicast());
    }
}

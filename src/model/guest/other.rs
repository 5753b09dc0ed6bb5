//! A guest's screens, video cards, input devices and the host's PCI and USB devices that it gets.

use std::fmt;
use std::str::FromStr;

/// A screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Graphics {
    /// Over the network.
    Vnc {
        /// The TCP port; None: the first that is free when the guest starts.
        port: Option<u16>,
        /// The host's address to listen on; None: the toolstack's choice.
        listen: Option<String>,
        /// The password. A secret: not shown unless asked for.
        password: Option<String>,
        /// The keyboard's layout: `en-us`, `de`.
        keymap: Option<String>,
    },
    /// A window in the host.
    Sdl {
        /// X's display: `:0.0`.
        display: Option<String>,
        /// X's file of credentials.
        xauth: Option<String>,
    },
    /// Over the network, with sound, a clipboard and USB devices (HVM).
    Spice {
        /// The TCP port; None: none, or the first that is free when the guest starts.
        port: Option<u16>,
        /// The TCP port for encrypted connections; None: none, or the first that is free.
        tls_port: Option<u16>,
        /// The host's address to listen on; None: the toolstack's choice.
        listen: Option<String>,
        /// The password. A secret: not shown unless asked for. None: whoever can connect is let in.
        password: Option<String>,
        /// The keyboard's layout.
        keymap: Option<String>,
        /// Who shows the mouse: the client (true) or the guest; None: the toolstack's choice.
        client_mouse: Option<bool>,
        /// Whether both sides share a clipboard.
        clipboard: Option<bool>,
    },
}

/// A video card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Video {
    /// `cirrus`, `vga`, `qxl`, `xen` for the paravirtual framebuffer, or `none` for no card at all.
    pub model: String,
    /// Its memory, KiB.
    pub vram_kib: Option<u32>,
    /// Its second memory, KiB (qxl).
    pub ram_kib: Option<u32>,
    /// What of it is for the VGA mode, KiB (qxl).
    pub vgamem_kib: Option<u32>,
    /// Screens.
    pub heads: Option<u32>,
}

impl Video {
    /// What libvirt says of the card of a guest with a screen, where nobody chose one.
    pub fn usual(is_hvm: bool) -> Self {
        let (model, vram_kib) = if is_hvm { ("cirrus", 16384) } else { ("xen", 4096) };
        Video { model: model.into(), vram_kib: Some(vram_kib), heads: Some(1), ..Video::default() }
    }
}

/// An input device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// What.
    pub kind: InputKind,
    /// On which bus.
    pub bus: InputBus,
}

/// What an input device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputKind {
    /// A mouse.
    Mouse,
    /// A tablet: it knows absolute places.
    Tablet,
    /// A keyboard.
    Keyboard,
}

impl InputKind {
    /// All, with the words that domain XML and the device model share.
    pub const ALL: [(InputKind, &'static str); 3] =
        [(InputKind::Mouse, "mouse"), (InputKind::Tablet, "tablet"), (InputKind::Keyboard, "keyboard")];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// From its word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(kind, _)| *kind)
    }
}

/// The bus of an input device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputBus {
    /// The PC's own.
    Ps2,
    /// USB.
    Usb,
    /// Xen's own.
    Xen,
}

impl InputBus {
    /// domain XML's word.
    pub fn name(self) -> &'static str {
        match self {
            InputBus::Ps2 => "ps2",
            InputBus::Usb => "usb",
            InputBus::Xen => "xen",
        }
    }
}

/// One of the host's PCI devices that the guest gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciDevice {
    /// Where it is in the host.
    pub address: PciAddress,
    /// It is taken from the host's driver and given back without being asked.
    pub managed: bool,
    /// The guest may write to all of its configuration space.
    pub permissive: bool,
}

/// One of the host's USB devices that the guest gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsbDevice {
    /// Which.
    pub host: UsbHost,
    /// It is taken from the host's driver without being asked.
    pub managed: bool,
}

/// What one of the host's USB devices is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UsbHost {
    /// Where it is plugged in now.
    Address {
        /// The bus.
        bus: u16,
        /// Its number on the bus.
        device: u16,
    },
    /// What it is.
    Product {
        /// The maker's number.
        vendor: u16,
        /// The maker's number for it.
        product: u16,
    },
}

/// More for the device model's command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    /// Domain XML says them in QEMU's namespace, and not in Xen's.
    pub of_qemu: bool,
    /// Word by word.
    pub words: Vec<String>,
}

/// A place on the host's PCI buses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// The domain (segment).
    pub domain: u16,
    /// The bus.
    pub bus: u8,
    /// The slot, up to 31.
    pub slot: u8,
    /// The function, up to 7.
    pub function: u8,
}

/// `0000:01:13.0`, as Linux and xl write it.
impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.slot, self.function)
    }
}

impl PciAddress {
    /// From numbers as configurations write them (`0x1b`, `13`); None where one is no number or too large.
    pub fn from_parts(domain: &str, bus: &str, slot: &str, function: &str) -> Option<Self> {
        let address = PciAddress {
            domain: number(domain)?,
            bus: number(bus)?,
            slot: number(slot)?,
            function: number(function)?,
        };
        (address.slot < 32 && address.function < 8).then_some(address)
    }
}

fn number<N: TryFrom<u32>>(text: &str) -> Option<N> {
    let value = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok()?,
        Some(_) => return None,
        None => u32::from_str(text).ok()?,
    };
    N::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pci_address_has_limits() {
        let address = PciAddress::from_parts("0x0001", "0x0c", "0x1b", "2").unwrap();
        assert_eq!(address.to_string(), "0001:0c:1b.2");
        for (domain, bus, slot, function) in [
            ("0x10000", "0", "0", "0"),
            ("0", "256", "0", "0"),
            ("0", "0", "32", "0"),
            ("0", "0", "0", "8"),
            ("0", "0x", "0", "0"),
            ("", "0", "0", "0"),
        ] {
            assert_eq!(PciAddress::from_parts(domain, bus, slot, function), None);
        }
    }
}

//! The hypervisor's capability string, and libvirt's capabilities XML made of it.
//!
//! The string lists what guests the hypervisor can run, as `KIND-ABI-ARCH` tokens: `xen-3.0-x86_64` is a 64-bit PV guest,
//! `hvm-3.0-x86_32p` a fully virtualized one with PAE (XENVER_capabilities, public/version.h).

use quick_xml::Writer;
use quick_xml::events::{BytesText, Event};

use crate::model::GuestType;

/// What one host can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The machine type: `x86_64`.
    pub machine: String,
    /// A processor model to show, where something is to be said about it (the embedded host says what it is).
    pub cpu_model: Option<String>,
    /// A sentence at the head of the document.
    pub remark: Option<String>,
    /// The kinds of guest, in the hypervisor's order.
    pub guests: Vec<GuestAbi>,
    /// The device model that fully virtualized guests have.
    pub emulator: Option<String>,
    /// The firmware that fully virtualized guests start with.
    pub hvm_loader: Option<String>,
    /// Whether a toolstack is there that can move guests to another host (xend's way).
    pub migration: bool,
}

/// One kind of guest on one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestAbi {
    /// PV or HVM.
    pub kind: GuestType,
    /// libvirt's name of the architecture.
    pub arch: &'static str,
    /// Bits of a word.
    pub wordsize: u32,
    /// 32-bit guests with PAE.
    pub pae: bool,
    /// 32-bit guests without PAE.
    pub nonpae: bool,
}

/// Reads a capability string. Tokens of kinds and architectures that are not known are passed over: a newer hypervisor may
/// list more than this version of the library can describe.
pub fn read_xen_caps(text: &str) -> Vec<GuestAbi> {
    let mut guests: Vec<GuestAbi> = Vec::new();
    for token in text.split_ascii_whitespace() {
        let mut parts = token.splitn(3, '-');
        let kind = match parts.next() {
            Some("xen") => GuestType::Pv,
            Some("hvm") => GuestType::Hvm,
            _ => continue,
        };
        let (arch, wordsize, pae, nonpae) = match parts.nth(1) {
            Some("x86_32") => ("i686", 32, false, true),
            Some("x86_32p") => ("i686", 32, true, false),
            Some("x86_64") => ("x86_64", 64, false, false),
            Some("ia64" | "ia64be") => ("ia64", 64, false, false),
            Some("powerpc64") => ("ppc64", 64, false, false),
            Some("aarch64") => ("aarch64", 64, false, false),
            _ => continue,
        };
        match guests.iter_mut().find(|known| known.kind == kind && known.arch == arch) {
            Some(known) => {
                known.pae |= pae;
                known.nonpae |= nonpae;
            }
            None => guests.push(GuestAbi { kind, arch, wordsize, pae, nonpae }),
        }
    }
    guests
}

impl Capabilities {
    /// libvirt's capabilities document.
    pub fn to_xml(&self) -> std::io::Result<String> {
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        if let Some(remark) = &self.remark {
            // A comment cannot hold two hyphens in a row.
            xml.write_event(Event::Comment(BytesText::from_escaped(format!(
                " {} ",
                remark.replace("--", "- -")
            ))))?;
        }
        xml.create_element("capabilities").write_inner_content(|xml| {
            xml.create_element("host").write_inner_content(|xml| {
                xml.create_element("cpu").write_inner_content(|xml| {
                    text(xml, "arch", &self.machine)?;
                    if let Some(model) = &self.cpu_model {
                        text(xml, "model", model)?;
                    }
                    if self.guests.iter().any(|guest| guest.pae) {
                        xml.create_element("features").write_inner_content(|xml| empty(xml, "pae"))?;
                    }
                    Ok(())
                })?;
                if !self.migration {
                    return Ok(());
                }
                xml.create_element("migration_features").write_inner_content(|xml| {
                    empty(xml, "live")?;
                    xml.create_element("uri_transports")
                        .write_inner_content(|xml| text(xml, "uri_transport", "xenmigr"))?;
                    Ok(())
                })?;
                Ok(())
            })?;
            self.guests.iter().try_for_each(|guest| self.write_guest(xml, guest))
        })?;
        let mut document = String::from_utf8(xml.into_inner()).map_err(std::io::Error::other)?;
        document.push('\n');
        Ok(document)
    }

    fn write_guest(&self, xml: &mut Writer<Vec<u8>>, guest: &GuestAbi) -> std::io::Result<()> {
        let is_hvm = guest.kind == GuestType::Hvm;
        xml.create_element("guest").write_inner_content(|xml| {
            text(xml, "os_type", if is_hvm { "hvm" } else { "xen" })?;
            xml.create_element("arch").with_attribute(("name", guest.arch)).write_inner_content(|xml| {
                text(xml, "wordsize", &guest.wordsize.to_string())?;
                if let Some(emulator) = &self.emulator {
                    text(xml, "emulator", emulator)?;
                }
                if let (true, Some(loader)) = (is_hvm, &self.hvm_loader) {
                    text(xml, "loader", loader)?;
                }
                text(xml, "machine", if is_hvm { "xenfv" } else { "xenpv" })?;
                xml.create_element("domain").with_attribute(("type", "xen")).write_empty()?;
                Ok(())
            })?;
            if !(guest.pae || guest.nonpae || is_hvm) {
                return Ok(());
            }
            xml.create_element("features").write_inner_content(|xml| {
                if guest.pae {
                    empty(xml, "pae")?;
                }
                if guest.nonpae && is_hvm {
                    empty(xml, "nonpae")?;
                }
                for name in ["acpi", "apic"].into_iter().filter(|_| is_hvm) {
                    xml.create_element(name)
                        .with_attributes([("default", "on"), ("toggle", "yes")])
                        .write_empty()?;
                }
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    }
}

fn text(xml: &mut Writer<Vec<u8>>, name: &str, content: &str) -> std::io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(content)).map(|_| ())
}

fn empty(xml: &mut Writer<Vec<u8>>, name: &str) -> std::io::Result<()> {
    xml.create_element(name).write_empty().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_one_architecture_are_one_guest() {
        let guests = read_xen_caps(
            "xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 new-9-arch",
        );
        let seen: Vec<_> =
            guests.iter().map(|guest| (guest.kind, guest.arch, guest.pae, guest.nonpae)).collect();
        assert_eq!(
            seen,
            [
                (GuestType::Pv, "x86_64", false, false),
                (GuestType::Pv, "i686", true, false),
                (GuestType::Hvm, "i686", true, true),
                (GuestType::Hvm, "x86_64", false, false),
            ]
        );
        assert_eq!(read_xen_caps(""), []);
        assert_eq!(read_xen_caps("xen hvm- --- xen-3.0 \u{fffd}"), []);
    }

    #[test]
    fn text_is_escaped() {
        let capabilities = Capabilities {
            machine: "<x>&".into(),
            cpu_model: None,
            remark: Some("a -- b".into()),
            guests: vec![],
            emulator: None,
            hvm_loader: None,
            migration: false,
        };
        let xml = capabilities.to_xml().unwrap();
        assert!(xml.contains("<arch>&lt;x&gt;&amp;</arch>"), "{xml}");
        assert!(xml.contains("<!-- a - - b -->"), "{xml}");
    }
}

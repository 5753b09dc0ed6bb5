//! libvirt's capabilities XML: what a host can run, made of what its kernel, its hypervisor and its toolstack say.
//!
//! | what | from |
//! | --- | --- |
//! | the architecture | the hypervisor's capability string ([`guests`]) |
//! | features of the processors | /proc/cpuinfo ([`cpuinfo`]), and physinfo's words of CPUID where the kernel is not shown them |
//! | the guests | the capability string; PVH from the release as well |
//! | emulator, loader, migration | the toolstack |
//!
//! The form is libvirt's, so that what reads its documents reads these; `tests/format_capabilities.rs` holds it against libvirt's cases.

pub mod cpuinfo;
pub mod guests;

use quick_xml::Writer;
use quick_xml::events::{BytesText, Event};

pub use cpuinfo::read_cpuinfo;
pub use guests::{GuestAbi, machine_of, read_xen_caps};

use crate::model::{CpuFeatures, GuestType, XenVersion};

/// xend's device model, in the folder that it was built for.
const XEND_EMULATOR: &str = "/usr/lib/xen/bin/qemu-dm";
/// The firmware beside it.
const XEND_LOADER: &str = "/usr/lib/xen/boot/hvmloader";

/// What one host can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The machine type: `x86_64`.
    pub machine: String,
    /// What its processors can do.
    pub cpu: CpuFeatures,
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

impl Capabilities {
    /// Of a host without a toolstack: `xen_caps` is the hypervisor's capability string, `xen` its release where that is known.
    pub fn of(cpu: CpuFeatures, xen_caps: &str, xen: Option<&XenVersion>) -> Capabilities {
        let guests = read_xen_caps(xen_caps, xen);
        Capabilities {
            machine: machine_of(&guests).unwrap_or(std::env::consts::ARCH).to_owned(),
            cpu,
            cpu_model: None,
            remark: None,
            guests,
            emulator: None,
            hvm_loader: None,
            migration: false,
        }
    }

    /// The same host with xend, which brings a device model and moves guests (libvirt's names for both).
    pub fn with_xend(self) -> Capabilities {
        Capabilities {
            emulator: Some(XEND_EMULATOR.to_owned()),
            hvm_loader: Some(XEND_LOADER.to_owned()),
            migration: true,
            ..self
        }
    }

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
                    let features = self.host_features();
                    if !features.is_empty() {
                        xml.create_element("features").write_inner_content(|xml| {
                            features.iter().try_for_each(|feature| empty(xml, feature))
                        })?;
                    }
                    Ok(())
                })?;
                // Empty: the host cannot be put to sleep through this library.
                empty(xml, "power_management")?;
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

    /// Hardware virtualization, by its maker's name for it; PAE where there is none. libvirt names the one or the other.
    fn host_features(&self) -> Vec<&'static str> {
        let CpuFeatures { vmx, svm, pae, hap: _ } = self.cpu;
        let named = [(vmx, "vmx"), (svm, "svm"), (pae && !vmx && !svm, "pae")];
        named.into_iter().filter_map(|(has, name)| has.then_some(name)).collect()
    }

    fn write_guest(&self, xml: &mut Writer<Vec<u8>>, guest: &GuestAbi) -> std::io::Result<()> {
        let is_hvm = guest.kind == GuestType::Hvm;
        let (os_type, machine) = match guest.kind {
            GuestType::Pv => ("xen", "xenpv"),
            GuestType::Hvm => ("hvm", "xenfv"),
            GuestType::Pvh => ("xenpvh", "xenpvh"),
        };
        xml.create_element("guest").write_inner_content(|xml| {
            text(xml, "os_type", os_type)?;
            xml.create_element("arch").with_attribute(("name", guest.arch)).write_inner_content(|xml| {
                text(xml, "wordsize", &guest.wordsize.to_string())?;
                if let Some(emulator) = &self.emulator {
                    text(xml, "emulator", emulator)?;
                }
                if let (true, Some(loader)) = (is_hvm, &self.hvm_loader) {
                    text(xml, "loader", loader)?;
                }
                text(xml, "machine", machine)?;
                xml.create_element("domain").with_attribute(("type", "xen")).write_empty()?;
                Ok(())
            })?;
            // Those that a guest can be without are switches.
            let fixed = [(guest.pae, "pae"), (guest.nonpae, "nonpae"), (guest.ia64_be, "ia64_be")];
            let switches = [(is_hvm, "acpi"), (is_hvm, "apic"), (is_hvm && self.cpu.hap, "hap")];
            if !fixed.iter().chain(&switches).any(|(has, _)| *has) {
                return Ok(());
            }
            xml.create_element("features").write_inner_content(|xml| {
                for (_, name) in fixed.into_iter().filter(|(has, _)| *has) {
                    empty(xml, name)?;
                }
                for (_, name) in switches.into_iter().filter(|(has, _)| *has) {
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

    fn of_release(minor: u16, xen_caps: &str, cpu: CpuFeatures) -> String {
        let xen = XenVersion { major: 4, minor, extra: ".0".into() };
        Capabilities::of(cpu, xen_caps, Some(&xen)).to_xml().unwrap()
    }

    /// The elements of a document, without the blanks between them.
    fn dense(xml: &str) -> String {
        xml.lines().map(str::trim).collect()
    }

    #[test]
    fn a_host_of_today_has_pv_hvm_and_pvh_guests() {
        let caps = "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";
        let cpu = CpuFeatures { svm: true, pae: true, hap: true, ..CpuFeatures::default() };
        let guest = |os_type: &str, arch: &str, machine: &str, features: &str| {
            let wordsize = if arch == "i686" { 32 } else { 64 };
            format!(
                "<guest><os_type>{os_type}</os_type><arch name=\"{arch}\"><wordsize>{wordsize}</wordsize>\
                 <machine>{machine}</machine><domain type=\"xen\"/></arch>{features}</guest>"
            )
        };
        let switches =
            ["acpi", "apic", "hap"].map(|name| format!("<{name} default=\"on\" toggle=\"yes\"/>")).concat();
        let expected = [
            "<capabilities><host><cpu><arch>x86_64</arch><features><svm/></features></cpu><power_management/></host>"
                .to_owned(),
            guest("xen", "x86_64", "xenpv", ""),
            guest("hvm", "i686", "xenfv", &format!("<features><pae/><nonpae/>{switches}</features>")),
            guest("xenpvh", "i686", "xenpvh", "<features><pae/><nonpae/></features>"),
            guest("hvm", "x86_64", "xenfv", &format!("<features>{switches}</features>")),
            guest("xenpvh", "x86_64", "xenpvh", ""),
            "</capabilities>".to_owned(),
        ];
        assert_eq!(dense(&of_release(17, caps, cpu)), expected.concat());
        let older = of_release(9, caps, cpu);
        assert!(!older.contains("xenpvh") && older.contains("xenfv"), "{older}");
    }

    #[test]
    fn an_arm_host_has_guests_of_both_word_sizes_and_no_hvm() {
        let xml = dense(&of_release(17, "xen-3.0-aarch64 xen-3.0-armv7l ", CpuFeatures::default()));
        let guest = |arch: &str, wordsize: u32| {
            format!(
                "<guest><os_type>xen</os_type><arch name=\"{arch}\"><wordsize>{wordsize}</wordsize>\
                 <machine>xenpv</machine><domain type=\"xen\"/></arch></guest>"
            )
        };
        assert_eq!(
            xml,
            format!(
                "<capabilities><host><cpu><arch>aarch64</arch></cpu><power_management/></host>{}{}</capabilities>",
                guest("aarch64", 64),
                guest("armv7l", 32)
            )
        );
    }

    #[test]
    fn guests_of_one_architecture_say_with_what_they_can_be_built() {
        let cpu = CpuFeatures { pae: true, ..CpuFeatures::default() };
        let with_xend =
            |xen_caps: &str| dense(&Capabilities::of(cpu, xen_caps, None).with_xend().to_xml().unwrap());
        let plain = with_xend("xen-3.0-x86_32");
        assert!(plain.contains("<arch>i686</arch><features><pae/></features></cpu>"), "{plain}");
        assert!(plain.contains("</arch><features><nonpae/></features></guest>"), "{plain}");
        assert!(plain.contains("<emulator>/usr/lib/xen/bin/qemu-dm</emulator><machine>xenpv"), "{plain}");
        assert!(plain.contains("<uri_transport>xenmigr</uri_transport>"), "{plain}");
        let both = with_xend("hvm-3.0-ia64 hvm-3.0-ia64be");
        assert!(both.contains("<features><ia64_be/><acpi default=\"on\" toggle=\"yes\"/>"), "{both}");
        assert!(both.contains("<loader>/usr/lib/xen/boot/hvmloader</loader><machine>xenfv"), "{both}");
        assert_eq!(both.matches("<guest>").count(), 1);
    }

    #[test]
    fn text_is_escaped() {
        let capabilities = Capabilities {
            machine: "<x>&".into(),
            remark: Some("a -- b".into()),
            ..Capabilities::of(CpuFeatures::default(), "", None)
        };
        let xml = capabilities.to_xml().unwrap();
        assert!(xml.contains("<arch>&lt;x&gt;&amp;</arch>"), "{xml}");
        assert!(xml.contains("<!-- a - - b -->"), "{xml}");
    }
}

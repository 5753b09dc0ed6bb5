//! A document's tree -> the model.

mod chardevs;
mod cpu;
mod devices;
mod disks;
mod interfaces;
mod os;

use super::tree::{Element, Fault, Result};
use crate::format::cpuset::cpu_set;
use crate::format::error::shown;
use crate::model::guest::{Arguments, CpuSet, Lifecycle, Metadata, PowerManagement};
use crate::model::identity::check_name;
use crate::model::{Guest, Uuid};

/// More memory than any machine can address (2^53 bytes): numbers beyond it are mistakes.
const MAX_MEMORY_KIB: u64 = 1 << 43;
/// libvirt's namespaces for the device model's arguments.
const QEMU_NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";
const XEN_NAMESPACE: &str = "http://libvirt.org/schemas/domain/xen/1.0";

const YES_NO: &[(bool, &str)] = &[(true, "yes"), (false, "no")];
const ON_OFF: &[(bool, &str)] = &[(true, "on"), (false, "off")];

/// All that is wrong with a document, as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// The one that stands first in the text.
    pub(super) fn first_in_text(&mut self) -> Option<Fault> {
        let first = self.0.iter().enumerate().min_by_key(|(_, fault)| fault.at.start)?.0;
        Some(self.0.swap_remove(first))
    }

    /// What was read, or its kind's default where a fault is kept in its place.
    fn keep<T: Default>(&mut self, result: Result<T>) -> T {
        match result {
            Ok(value) => value,
            Err(fault) => {
                self.0.push(fault);
                T::default()
            }
        }
    }
}

/// The guest that `<domain>` says; it is one only where there are no faults.
pub(super) fn guest(mut domain: Element<'_>, faults: &mut Faults) -> Guest {
    if domain.name != "domain" {
        let message = "the document is no domain's description; expected <domain>";
        faults.keep(domain.fault::<()>(message));
        return Guest::default();
    }
    faults.keep(domain.choice("type", &[((), "xen")]));
    // The number of a life is no part of the configuration.
    domain.attribute("id");

    let mut guest = Guest {
        name: faults.keep(name(&mut domain)),
        uuid: faults.keep(uuid(&mut domain)),
        title: faults.keep(domain.text_of("title")),
        description: faults.keep(domain.text_of("description")),
        ..Guest::default()
    };
    (guest.max_memory_kib, guest.memory_kib) = faults.keep(memory(&mut domain));
    guest.vcpus = faults.keep(cpu::vcpus(&mut domain));
    guest.cpu_tuning = faults.keep(cpu::tuning(&mut domain, guest.vcpus.max));
    guest.os = faults.keep(os::os(&mut domain));
    guest.features = faults.keep(os::features(&mut domain));
    guest.cpu = faults.keep(cpu::cpu(&mut domain));
    let cells = guest.cpu.as_ref().map_or(0, |cpu| cpu.numa.len());
    guest.numa_tuning = faults.keep(cpu::numa_tuning(&mut domain, cells));
    guest.clock = faults.keep(os::clock(&mut domain));
    for (element, action) in [
        ("on_poweroff", &mut guest.on_poweroff),
        ("on_reboot", &mut guest.on_reboot),
        ("on_crash", &mut guest.on_crash),
    ] {
        faults.keep(lifecycle(&mut domain, element, action));
    }
    guest.power_management = faults.keep(power_management(&mut domain));
    if let Some(mut list) = faults.keep(domain.child("devices")) {
        devices::devices(&mut list, &mut guest, faults);
    }
    guest.arguments = faults.keep(arguments(&mut domain));
    guest.metadata = faults.keep(metadata(&mut domain));
    faults.0.extend(domain.every_left());
    guest
}

fn name(domain: &mut Element<'_>) -> Result<String> {
    let Some(mut element) = domain.child("name")? else { return domain.fault("<name> is missing") };
    let name = element.take_text()?;
    match check_name(&name) {
        Ok(()) => Ok(name),
        Err(why) => element.fault(why),
    }
}

fn uuid(domain: &mut Element<'_>) -> Result<Option<Uuid>> {
    let Some(mut element) = domain.child("uuid")? else { return Ok(None) };
    let text = element.take_text()?;
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    match Uuid::try_parse(&digits) {
        Ok(uuid) if digits.len() == 32 && !uuid.is_nil() => Ok(Some(uuid)),
        Ok(uuid) if uuid.is_nil() => {
            element.fault("a uuid of all zeroes is Domain-0's; leave <uuid> out to get a new one")
        }
        _ => element.fault(format!(
            "'{}' is no uuid: expected 32 hexadecimal digits, with or without dashes",
            shown(&text)
        )),
    }
}

/// The most memory, and the current.
fn memory(domain: &mut Element<'_>) -> Result<(u64, u64)> {
    let Some(mut element) = domain.child("memory")? else { return domain.fault("<memory> is missing") };
    let max = kib(&mut element)?;
    match domain.child("currentMemory")? {
        None => Ok((max, max)),
        Some(mut element) => {
            let current = kib(&mut element)?;
            if current > max {
                return element.fault(format!("{current} KiB are more than <memory> allows, {max} KiB"));
            }
            Ok((max, current))
        }
    }
}

/// Memory in KiB, rounded up; never 0.
fn kib(element: &mut Element<'_>) -> Result<u64> {
    // The unit must be taken before nothing may be left.
    let unit = unit(element)?;
    let text = element.take_text()?;
    scaled(element, &text, unit)
}

/// The memory that an attribute says, in the unit that another one says.
fn kib_of(element: &mut Element<'_>, text: &str) -> Result<u64> {
    let unit = unit(element)?;
    scaled(element, text, unit)
}

/// What a unit of memory means, bytes.
fn unit(element: &mut Element<'_>) -> Result<u64> {
    const UNITS: &[(u64, &str)] = &[
        (1 << 10, "KiB"),
        (1 << 10, "k"),
        (1, "b"),
        (1, "bytes"),
        (1000, "KB"),
        (1_000_000, "MB"),
        (1 << 20, "MiB"),
        (1 << 20, "M"),
        (1_000_000_000, "GB"),
        (1 << 30, "GiB"),
        (1 << 30, "G"),
        (1_000_000_000_000, "TB"),
        (1 << 40, "TiB"),
        (1 << 40, "T"),
    ];
    Ok(element.choice("unit", UNITS)?.unwrap_or(1 << 10))
}

fn scaled(element: &Element<'_>, text: &str, unit: u64) -> Result<u64> {
    let number: u64 = match text.trim().parse() {
        Ok(0) => return element.fault("a guest cannot have 0 bytes of memory"),
        Ok(number) => number,
        Err(_) => return element.fault(format!("'{}' is no number of bytes", shown(text))),
    };
    match number.checked_mul(unit).map(|bytes| bytes.div_ceil(1 << 10)) {
        Some(kib) if kib <= MAX_MEMORY_KIB => Ok(kib),
        _ => element.fault(format!("{number} is more memory than any machine has")),
    }
}

fn lifecycle(domain: &mut Element<'_>, name: &str, action: &mut Lifecycle) -> Result<()> {
    let Some(mut element) = domain.child(name)? else { return Ok(()) };
    let text = element.take_text()?;
    match Lifecycle::from_name(text.trim()) {
        Some(known) => *action = known,
        None => {
            let known: Vec<&str> = Lifecycle::ALL.iter().map(|(_, word)| *word).collect();
            return element.fault(format!("'{}' is not known; expected {}", shown(&text), known.join(", ")));
        }
    }
    Ok(())
}

/// `<pm>`: whether the guest can go to sleep.
fn power_management(domain: &mut Element<'_>) -> Result<PowerManagement> {
    let Some(mut element) = domain.child("pm")? else { return Ok(PowerManagement::default()) };
    let mut enabled = |name: &str| -> Result<Option<bool>> {
        let Some(mut child) = element.child(name)? else { return Ok(None) };
        let enabled = child.choice("enabled", YES_NO)?;
        child.done()?;
        Ok(enabled)
    };
    let management =
        PowerManagement { to_memory: enabled("suspend-to-mem")?, to_disk: enabled("suspend-to-disk")? };
    element.done()?;
    Ok(management)
}

/// `<xen:commandline>` or `<qemu:commandline>`, by whatever prefix the document gives these namespaces.
fn arguments(domain: &mut Element<'_>) -> Result<Option<Arguments>> {
    let mut found: Option<Arguments> = None;
    for (prefix, of_qemu) in [("qemu", true), ("xen", false)] {
        let Some(mut element) = domain.child(&format!("{prefix}:commandline"))? else { continue };
        if found.is_some() {
            return element.fault("the device model's arguments are said in two namespaces");
        }
        let mut words = Vec::new();
        for mut argument in element.children(&format!("{prefix}:arg")) {
            words.push(argument.required("value")?);
            argument.done()?;
        }
        if let Some(environment) = element.children(&format!("{prefix}:env")).first() {
            return environment.fault("is refused: Xen's toolstacks give the device model no environment");
        }
        element.done()?;
        found = (!words.is_empty()).then_some(Arguments { of_qemu, words });
    }
    for (attribute, expected) in [("xmlns:qemu", QEMU_NAMESPACE), ("xmlns:xen", XEN_NAMESPACE)] {
        if let Some((name, at)) = domain.attribute_at(attribute)
            && name != expected
        {
            return domain
                .fault_at(at, format!("{attribute}='{}' is not known; expected {expected}", shown(&name)));
        }
    }
    Ok(found)
}

/// What other programs keep with the guest. The prefixes that the document declares at its root are kept with it.
fn metadata(domain: &mut Element<'_>) -> Result<Option<Metadata>> {
    let mut namespaces = domain.namespaces(&[]);
    let Some(mut element) = domain.child("metadata")? else { return Ok(None) };
    let text = element.verbatim().unwrap_or_default().to_owned();
    for (prefix, name) in element.namespaces(&[]) {
        namespaces.retain(|(other, _)| *other != prefix);
        namespaces.push((prefix, name));
    }
    element.done()?;
    // One that is not used there was declared for something else.
    namespaces.retain(|(prefix, _)| text.contains(&format!("{prefix}:")));
    Ok((!text.trim().is_empty()).then_some(Metadata { namespaces, text }))
}

/// An attribute that is a set of processors or nodes.
fn set(element: &mut Element<'_>, name: &str, of: &str) -> Result<Option<CpuSet>> {
    let Some((text, at)) = element.attribute_at(name) else { return Ok(None) };
    match cpu_set(&text) {
        Some(set) => Ok(Some(set)),
        None => {
            let message = format!("{name}='{}' names no {of}; expected such as 0-3,^2,5", shown(&text));
            element.fault_at(at, message)
        }
    }
}

/// The one attribute of a child that has nothing else.
fn attribute_of(element: &mut Element<'_>, child: &str, attribute: &str) -> Result<Option<String>> {
    let Some(mut child) = element.child(child)? else { return Ok(None) };
    let value = child.required(attribute)?;
    if value.chars().any(char::is_control) {
        return child.fault(format!("{attribute}='{}' has a control character", shown(&value)));
    }
    child.done()?;
    Ok((!value.is_empty()).then_some(value))
}

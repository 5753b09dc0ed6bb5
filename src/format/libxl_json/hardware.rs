//! Processors, NUMA, USB, channels, limits.

use super::value::{Node, Result};
use crate::model::Guest;
use crate::model::guest::{
    Arguments, Channel, CharSource, Controller, Cpu, CpuFeature, CpuMode, CpuSet, FeaturePolicy, NumaCell,
    NumaMode, NumaPlace, Passthrough, UsbDevice, UsbHost, UsbModel,
};

/// What the scheduler gives a guest that nobody chose a share for.
const USUAL_WEIGHT: u32 = 256;
/// What stands for no limit of libxl's.
const NO_LIMIT: u32 = u32::MAX;

/// What stands in `b_info` and its part of the guest's kind.
pub(super) fn of_build(
    identity: &Node<'_>,
    build: &Node<'_>,
    own: &Node<'_>,
    guest: &mut Guest,
) -> Result<()> {
    if let Some(scheduling) = build.object_at("sched_params")? {
        let weight = scheduling.number_at::<u32>("weight")?;
        guest.cpu_tuning.weight =
            weight.filter(|weight| *weight != USUAL_WEIGHT && (1..=65_535).contains(weight));
        guest.cpu_tuning.cap_percent = scheduling.number_at::<u32>("cap")?.filter(|cap| *cap != 0);
    }
    pins(build, guest)?;
    let nested = match build.flag_at("nested_hvm")? {
        Some(nested) => Some(nested),
        None => own.flag_at("nested_hvm")?,
    };
    if let Some(nested) = nested.filter(|_| guest.is_hvm()) {
        let name = Cpu::VIRTUALIZATION[0].to_owned();
        let without = (!nested).then_some(CpuFeature { name, policy: FeaturePolicy::Disable });
        let features = without.into_iter().collect();
        guest.cpu = Some(Cpu { mode: Some(CpuMode::HostPassthrough), features, numa: Vec::new() });
    }
    guest.features.passthrough = match identity.text_at("passthrough")?.as_deref() {
        Some("disabled") => Some(Passthrough::Disabled),
        Some("enabled") => Some(Passthrough::Enabled),
        Some("sync_pt") => Some(Passthrough::SyncPt),
        Some("share_pt") => Some(Passthrough::SharePt),
        _ => None,
    };
    let limit = |key| -> Result<Option<u32>> {
        Ok(build.number_at::<u32>(key)?.filter(|limit| *limit != NO_LIMIT && *limit != 0))
    };
    let xenbus = Controller::Xenbus {
        max_grant_frames: limit("max_grant_frames")?,
        max_event_channels: limit("event_channels")?,
    };
    if xenbus != Controller::XENBUS {
        guest.controllers.push(xenbus);
    }
    let words: Result<Vec<String>> = build.list_at("extra")?.iter().map(Node::text).collect();
    let words = words?;
    guest.arguments = (!words.is_empty()).then_some(Arguments { of_qemu: false, words });
    if guest.is_hvm() {
        guest.os.acpi_table = own.text_at("acpi_firmware")?;
        let management = &mut guest.power_management;
        (management.to_memory, management.to_disk) = (own.flag_at("acpi_s3")?, own.flag_at("acpi_s4")?);
    }
    vnuma(build, guest)
}

/// The processors of single vcpus, where they differ. An empty set is all.
fn pins(build: &Node<'_>, guest: &mut Guest) -> Result<()> {
    if guest.vcpus.cpuset.is_some() {
        return Ok(());
    }
    for (vcpu, set) in (0..guest.vcpus.max).zip(build.list_at("vcpu_hard_affinity")?) {
        let set: CpuSet = set.bits()?.into_iter().collect();
        if !set.is_empty() {
            guest.cpu_tuning.pins.insert(vcpu, set);
        }
    }
    Ok(())
}

fn vnuma(build: &Node<'_>, guest: &mut Guest) -> Result<()> {
    let mut cells = Vec::new();
    for (id, node) in (0..).zip(build.list_at("vnuma_nodes")?) {
        let vcpus: CpuSet = match node.child("vcpus") {
            Some(set) => set.bits()?.into_iter().collect(),
            None => CpuSet::new(),
        };
        let mut distances = Vec::new();
        for distance in node.list_at("distances")? {
            let number = distance.integer()?;
            match u32::try_from(number) {
                Ok(number) => distances.push(number),
                Err(_) => return distance.fault(format!("{number} is no distance")),
            }
        }
        let pnode: u32 = node.number_at("pnode")?.unwrap_or(0);
        if pnode != id {
            let place = NumaPlace { mode: NumaMode::Strict, nodes: [pnode].into() };
            guest.numa_tuning.cells.insert(id, place);
        }
        cells.push(NumaCell {
            vcpus: (!vcpus.is_empty()).then_some(vcpus),
            memory_kib: node.memory_at("memkb")?.unwrap_or(0),
            distances: (0..).zip(distances).collect(),
        });
    }
    if !cells.is_empty() {
        guest.cpu.get_or_insert_default().numa = cells;
    }
    Ok(())
}

/// USB and channels, which are lists beside `b_info`.
pub(super) fn of_config(config: &Node<'_>, guest: &mut Guest) -> Result<()> {
    for node in config.list_at("usbctrls")? {
        node.object()?;
        let model = match (node.text_at("type")?.as_deref(), node.number_at::<u32>("version")?) {
            (Some("devicemodel"), Some(1)) => Some(UsbModel::Uhci),
            (Some("devicemodel"), Some(2)) => Some(UsbModel::Ehci),
            (_, Some(3)) => Some(UsbModel::Xhci),
            (_, Some(1)) => Some(UsbModel::Qusb1),
            (Some("pv" | "qusb"), _) | (_, Some(2)) => Some(UsbModel::Qusb2),
            _ => None,
        };
        let ports = node.number_at("ports")?.filter(|ports| *ports != 0);
        guest.controllers.push(Controller::Usb { model, ports });
    }
    for node in config.list_at("usbdevs")? {
        if let Some(place) = node.object_at("type.hostdev")? {
            let (bus, device) =
                (place.number_at("hostbus")?.unwrap_or(0), place.number_at("hostaddr")?.unwrap_or(0));
            guest.usb_devices.push(UsbDevice { host: UsbHost::Address { bus, device }, managed: false });
        }
    }
    for node in config.list_at("channels")? {
        let Some(name) = node.text_at("name")? else { continue };
        let source = match node.object_at("connection.socket")? {
            Some(socket) => match socket.text_at("path")? {
                Some(path) => CharSource::Unix { path, listen: true },
                None => return socket.fault("the socket has no path"),
            },
            None => CharSource::Pty,
        };
        guest.channels.push(Channel { name, source });
    }
    Ok(())
}

//! Guests with all that the model can hold: what xl's language says of them is what is read again.

use proptest::prelude::*;

use super::*;
use crate::format::arbitrary::whole_guests;
use crate::format::xl::tests::as_said;
use crate::model::guest::{
    Controller, Cpu, CpuFeature, DiskDevice, DiskKind, FeaturePolicy, Firmware, Graphics, Interface,
    InterfaceKind, Loader, NumaCell, NumaMode, NumaPlace, PciDevice, Tagging, UsbHost, UsbModel, Video,
    VirtualPort,
};

/// The guest without what xl has no word for.
fn within_xl(mut guest: Guest) -> Guest {
    let is_hvm = guest.is_hvm();
    (guest.metadata, guest.os.nvram, guest.features.privnet) = (None, None, false);
    if is_hvm {
        (guest.os.bootloader, guest.os.bootloader_args) = (None, None);
    } else {
        guest.os.kernel.get_or_insert_with(|| "/k".into());
        guest.os.loader = None;
        guest.os.boot.clear();
        (guest.serials, guest.parallels, guest.sounds) = Default::default();
        guest.disks.retain(|disk| disk.device != DiskDevice::Floppy);
        guest.videos.retain(|video| video.model == "xen");
    }
    guest.videos.retain(|video| video.model != "xen" || !is_hvm);
    for disk in &mut guest.disks {
        if disk.device == DiskDevice::Floppy {
            (disk.discard, disk.backend) = (None, None);
            if disk.network.take().is_some() {
                (disk.kind, disk.source) = (DiskKind::File, Some("/f".into()));
            }
        }
        (disk.cache, disk.io, disk.boot_order) = (None, None, None);
        (disk.shareable, disk.other_bus) = (false, None);
    }
    for interface in &mut guest.interfaces {
        if matches!(interface.kind, InterfaceKind::Network(_)) {
            interface.kind = InterfaceKind::Ethernet(None);
        }
        interface.boot_order = None;
        if let Some(port) = &mut interface.virtual_port {
            *port = VirtualPort::default();
        }
        for tag in interface.vlan.iter_mut().flat_map(|vlan| &mut vlan.tags) {
            tag.native = tag.native.map(|_| Tagging::Untagged);
        }
        if interface.virtual_port.is_some() {
            interface.kind = InterfaceKind::Bridge(Some("br0".into()));
            interface.script = None;
        } else {
            interface.vlan = None;
        }
        if matches!(interface.kind, InterfaceKind::HostDevice { .. }) {
            *interface = Interface { kind: interface.kind.clone(), ..Interface::default() };
        }
    }
    guest.clock.timers.retain(|timer| timer.name != "rtc");
    guest.numa_tuning.memory = None;
    for place in guest.numa_tuning.cells.values_mut() {
        let first = place.nodes.first().copied().unwrap_or(0);
        *place = NumaPlace { mode: NumaMode::Strict, nodes: [first].into() };
    }
    if guest.os.loader.is_some() {
        guest.os.firmware = None;
    }
    guest.graphics.truncate(1);
    guest.videos.truncate(1);
    for video in &mut guest.videos {
        (video.ram_kib, video.vgamem_kib) = (None, None);
    }
    if !is_hvm {
        (guest.os.firmware, guest.os.acpi_table) = (None, None);
        guest.power_management = Default::default();
        guest.usb_redirections = 0;
        guest.graphics.retain(|screen| !matches!(screen, Graphics::Spice { .. }));
        guest.usb_devices.retain(|device| matches!(device.host, UsbHost::Address { .. }));
        let is_emulated = |model: &Option<UsbModel>| {
            matches!(model, Some(UsbModel::Uhci | UsbModel::Ehci | UsbModel::Xhci))
        };
        guest
            .controllers
            .retain(|controller| !matches!(controller, Controller::Usb { model, .. } if is_emulated(model)));
    }
    guest
}

/// What the language says of what is left.
fn said_of_all(mut guest: Guest) -> Guest {
    let is_hvm = guest.is_hvm();
    if !guest.cpu_tuning.pins.is_empty()
        && let Some(cpuset) = guest.vcpus.cpuset.take()
    {
        // Each vcpu has its own set then.
        for vcpu in 0..guest.vcpus.max {
            guest.cpu_tuning.pins.entry(vcpu).or_insert_with(|| cpuset.clone());
        }
    }
    // Of one vcpu, or of all in the same way, nothing tells a set of its own from that of all.
    let all_pinned = usize::try_from(guest.vcpus.max).is_ok_and(|max| max == guest.cpu_tuning.pins.len());
    if let Some(first) = guest.cpu_tuning.pins.values().next().cloned().filter(|_| all_pinned)
        && guest.cpu_tuning.pins.values().all(|set| *set == first)
    {
        guest.cpu_tuning.pins.clear();
        guest.vcpus.cpuset = Some(first);
    }
    if guest.os.firmware.take() == Some(Firmware::Efi) {
        let path = "/usr/lib/xen/boot/ovmf.bin".into();
        guest.os.loader = Some(Loader { path, is_pflash: true, readonly: Some(true) });
    }
    if let Some(cpu) = &mut guest.cpu {
        let nested = cpu.nested();
        cpu.features.retain(|feature| !Cpu::VIRTUALIZATION.contains(&feature.name.as_str()));
        for feature in &mut cpu.features {
            feature.policy = match feature.policy {
                FeaturePolicy::Require => FeaturePolicy::Force,
                FeaturePolicy::Forbid => FeaturePolicy::Disable,
                other => other,
            };
        }
        if is_hvm && nested == Some(false) {
            cpu.features.push(CpuFeature { name: "vmx".into(), policy: FeaturePolicy::Disable });
        }
        if !is_hvm && cpu.features.is_empty() {
            cpu.mode = None;
        }
        let distances: Vec<_> =
            (0..).take(cpu.numa.len()).map(|id| NumaCell::distances_from(&cpu.numa, id)).collect();
        for (cell, distances) in cpu.numa.iter_mut().zip(distances) {
            cell.memory_kib = cell.memory_kib.next_multiple_of(1024);
            cell.distances = (0..).zip(distances).collect();
        }
    }
    guest.cpu = guest.cpu.filter(|cpu| *cpu != Cpu::default());
    guest.numa_tuning.cells.retain(|id, place| !place.nodes.contains(id));
    guest.controllers.retain(|controller| *controller != Controller::XENBUS);
    for device in &mut guest.usb_devices {
        device.managed = false;
    }
    guest.usb_devices.sort_by_key(|device| matches!(device.host, UsbHost::Product { .. }));
    for screen in &mut guest.graphics {
        if let Graphics::Spice { client_mouse, clipboard, .. } = screen {
            (*client_mouse, *clipboard) = (client_mouse.or(Some(true)), clipboard.or(Some(false)));
        }
    }
    if let Some(arguments) = &mut guest.arguments {
        arguments.of_qemu = false;
    }
    let mut cards = Vec::new();
    guest.interfaces.retain(|interface| match interface.kind {
        InterfaceKind::HostDevice { address, managed } => {
            cards.push(PciDevice { address, managed, permissive: false });
            false
        }
        _ => true,
    });
    guest.pci_devices.extend(cards);
    for interface in guest.interfaces.iter_mut().filter(|interface| interface.virtual_port.is_some()) {
        interface.script = Some("vif-openvswitch".into());
        // The only one of a trunk, without a tag, is that of a port that is no trunk.
        if let Some(vlan) = &mut interface.vlan
            && let [only] = vlan.tags.as_mut_slice()
            && only.native.take().is_some()
        {
            vlan.trunk = false;
        }
    }
    let features = guest.features;
    let networked: Vec<_> = guest.disks.iter().map(|disk| disk.kind == DiskKind::Network).collect();
    let targets: Vec<_> = guest.disks.iter().map(|disk| disk.target.clone()).collect();
    // Whose memory is its own matter.
    let qxl = guest.videos.pop_if(|video| video.model == "qxl" && is_hvm);
    let mut guest = as_said(guest);
    if let Some(video) = qxl {
        let vram_kib = video.vram_kib.map(|kib| kib.next_multiple_of(1024));
        guest.videos = vec![Video { vram_kib, heads: Some(1), ..video }];
    }
    (guest.features.e820_host, guest.features.passthrough) = (features.e820_host, features.passthrough);
    for disk in &mut guest.disks {
        let place = targets.iter().position(|target| *target == disk.target);
        if place.and_then(|place| networked.get(place)) == Some(&true) {
            disk.kind = DiskKind::Network;
        }
    }
    guest
}

proptest! {
    // Guests as large as these take their time.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn all_that_xl_can_say_is_read_again(guest in whole_guests()) {
        let guest = within_xl(guest);
        if let Ok(text) = to_xl(&guest) {
            let reading = read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            prop_assert!(reading.others.is_empty(), "{:?}\n{text}", reading.others);
            let expected = said_of_all(guest);
            prop_assert_eq!(&reading.guest, &expected, "{}\n{:#?}\n{:#?}", text, reading.guest, expected);
            // And what was read goes both ways without any loss.
            let again = to_xl(&reading.guest).unwrap_or_else(|error| panic!("{error}\n{text}"));
            prop_assert_eq!(from_xl(&again), Ok(reading.guest), "{}\n{}", text, again);
        }
    }

    #[test]
    fn a_file_follows_all_that_a_guest_says(old in whole_guests(), new in whole_guests()) {
        let (old, new) = (within_xl(old), within_xl(new));
        if let (Ok(text), Ok(anew)) = (to_xl(&old), to_xl(&new)) {
            let changed = update(&text, &new).unwrap_or_else(|error| panic!("{error}\n{text}\n->\n{anew}"));
            prop_assert_eq!(from_xl(&changed).unwrap(), from_xl(&anew).unwrap(), "{}\n->\n{}", text, changed);
        }
    }
}

#[test]
fn most_guests_of_these_tests_can_be_said() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut said = std::collections::BTreeMap::new();
    for _ in 0..200 {
        let guest = within_xl(whole_guests().new_tree(&mut runner).unwrap().current());
        let answer = to_xl(&guest).map_or_else(|error| error.to_string(), |_| "written".to_owned());
        *said.entry(answer).or_insert(0) += 1;
    }
    let written = said.get("written").copied().unwrap_or(0);
    assert!(written > 30, "{said:#?}");
}

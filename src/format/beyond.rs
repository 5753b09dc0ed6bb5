//! What of a guest only some languages have a place for, by name: the first of it is what a writer refuses.

use crate::model::Guest;
use crate::model::guest::{Controller, DiskKind, Graphics, InterfaceKind};

/// The first of what no language but domain XML has a place for.
pub(crate) fn only_xml(guest: &Guest) -> Option<String> {
    let timer = || {
        guest.clock.timers.iter().find_map(|timer| {
            let what = [
                ("tickpolicy", timer.tickpolicy.is_some()),
                ("track", timer.track.is_some()),
                ("frequency", timer.frequency.is_some()),
            ];
            let (what, _) = what.into_iter().find(|(_, is_said)| *is_said)?;
            Some(format!("<timer name='{}' {what}=...>", timer.name))
        })
    };
    let disk = || {
        guest.disks.iter().find_map(|disk| {
            let what = [
                ("<driver cache=...>", disk.cache.is_some()),
                ("<driver io=...>", disk.io.is_some()),
                ("<boot order=...> (say <os><boot dev=...>)", disk.boot_order.is_some()),
            ];
            let (what, _) = what.into_iter().find(|(_, is_said)| *is_said)?;
            Some(format!("{what} of the disk {}", disk.target))
        })
    };
    let interface = || {
        guest.interfaces.iter().find_map(|interface| {
            let port = interface.virtual_port.as_ref();
            let what = [
                ("<boot order=...> of an interface: say <os><boot dev=...>", interface.boot_order.is_some()),
                (
                    "the <parameters> of <virtualport>: the host's script names the port",
                    port.is_some_and(|port| port.interface_id.is_some() || port.profile.is_some()),
                ),
            ];
            what.into_iter().find(|(_, is_said)| *is_said).map(|(what, _)| what.to_owned())
        })
    };
    let plain = [
        ("<metadata>", guest.metadata.is_some()),
        ("<nvram>: the firmware's variables last as long as the guest runs", guest.os.nvram.is_some()),
        ("<privnet>", guest.features.privnet),
    ];
    first(&plain).or_else(timer).or_else(disk).or_else(interface)
}

/// The first of what xend has no place for, in S-expressions and in xm's language.
pub(crate) fn beyond_xend(guest: &Guest) -> Option<String> {
    let tuning = &guest.cpu_tuning;
    let is_limited = |controller: &Controller| *controller != Controller::XENBUS;
    let is_spice = |screen: &Graphics| matches!(screen, Graphics::Spice { .. });
    let plain = [
        ("<vcpupin> of <cputune>", !tuning.pins.is_empty()),
        ("<shares> of <cputune>", tuning.weight.is_some()),
        ("<global_quota> of <cputune>", tuning.cap_percent.is_some()),
        ("<numatune>", guest.numa_tuning != Default::default()),
        ("<cpu>", guest.cpu.is_some()),
        ("<pm>", guest.power_management != Default::default()),
        ("<os firmware=...>", guest.os.firmware.is_some()),
        ("<table> of <acpi>", guest.os.acpi_table.is_some()),
        ("<e820_host>", guest.features.e820_host.is_some()),
        ("<passthrough>", guest.features.passthrough.is_some()),
        (
            "<controller type='usb'>, and the limits of <controller type='xenbus'>",
            guest.controllers.iter().any(is_limited),
        ),
        ("<channel>", !guest.channels.is_empty()),
        ("<graphics type='spice'>", guest.graphics.iter().any(is_spice)),
        ("<hostdev type='usb'>", !guest.usb_devices.is_empty()),
        ("<redirdev>", guest.usb_redirections > 0),
        ("arguments for the device model's command line", guest.arguments.is_some()),
        ("writeFiltering='no' of a PCI device", guest.pci_devices.iter().any(|device| device.permissive)),
    ];
    let disk = || {
        guest.disks.iter().find_map(|disk| {
            let what = [
                ("a source on the network", disk.kind == DiskKind::Network),
                ("<driver discard=...>", disk.discard.is_some()),
                ("<backenddomain>", disk.backend.is_some()),
            ];
            let (what, _) = what.into_iter().find(|(_, is_said)| *is_said)?;
            Some(format!("{what} of the disk {}", disk.target))
        })
    };
    let interface = || {
        guest.interfaces.iter().find_map(|interface| {
            let is_card = matches!(interface.kind, InterfaceKind::HostDevice { .. });
            first(&[
                ("<interface type='hostdev'>: give the card as <hostdev type='pci'>", is_card),
                ("<vlan>", interface.vlan.is_some()),
                ("<virtualport>", interface.virtual_port.is_some()),
                ("<backenddomain> of an interface", interface.backend.is_some()),
                ("<mtu>", interface.mtu.is_some()),
            ])
        })
    };
    only_xml(guest).or_else(|| first(&plain)).or_else(disk).or_else(interface)
}

fn first(list: &[(&str, bool)]) -> Option<String> {
    list.iter().find(|(_, is_said)| *is_said).map(|(what, _)| (*what).to_owned())
}

//! Writing what a language can say of a guest, and naming the rest: for callers who chose warnings instead of errors.
//!
//! Writers are strict: they refuse the first thing that they have no place for. So the smallest part of the guest is looked for whose absence
//! makes the writer refuse something else or nothing, until nothing is left to refuse. Each warning is the writer's own word, and
//! what is written in the end is what the writer takes for a guest that says no more. What makes the guest what it is (its kind, its kernel)
//! is never taken away: there the refusal stands.

use crate::error::{Result, Status};
use crate::model::Guest;
use crate::model::guest::{
    Channel, CharDevice, Clock, Controller, Disk, Features, Graphics, Input, Interface, InterfaceKind,
    Lifecycle, NumaTuning, PciDevice, PowerManagement, Timer, UsbDevice, Video, VirtualPort,
};

/// The most things that are left out of one guest.
const MAX_LOSSES: usize = 100;

/// Parts that a guest can be without, each by itself.
const PARTS: &[fn(&mut Guest)] = &[
    |guest| guest.title = None,
    |guest| guest.description = None,
    |guest| guest.memory_kib = guest.max_memory_kib,
    |guest| guest.vcpus.current = None,
    |guest| guest.vcpus.cpuset = None,
    |guest| guest.os.bootloader_args = None,
    |guest| guest.os.loader = None,
    |guest| guest.os.root = None,
    |guest| guest.os.boot.clear(),
    |guest| guest.features.hap = None,
    |guest| guest.features.acpi = false,
    |guest| guest.features.apic = false,
    |guest| guest.features.pae = false,
    |guest| guest.features.viridian = false,
    |guest| guest.features = Features::default(),
    |guest| guest.clock.offset = Clock::default().offset,
    |guest| guest.clock.basis = Clock::default().basis,
    |guest| guest.clock.timers.clear(),
    |guest| guest.clock = Clock::default(),
    |guest| guest.on_poweroff = Lifecycle::Destroy,
    |guest| guest.on_reboot = Lifecycle::Restart,
    |guest| guest.on_crash = Lifecycle::Destroy,
    |guest| guest.emulator = None,
    |guest| guest.os.cmdline = None,
    |guest| guest.os.initrd = None,
    |guest| guest.metadata = None,
    |guest| guest.cpu_tuning.pins.clear(),
    |guest| guest.cpu_tuning.weight = None,
    |guest| guest.cpu_tuning.cap_percent = None,
    |guest| guest.numa_tuning.memory = None,
    |guest| guest.numa_tuning.cells.clear(),
    |guest| guest.numa_tuning = NumaTuning::default(),
    |guest| guest.cpu.iter_mut().for_each(|cpu| cpu.features.clear()),
    |guest| guest.cpu.iter_mut().for_each(|cpu| cpu.numa.clear()),
    |guest| guest.cpu = None,
    |guest| guest.power_management = PowerManagement::default(),
    |guest| guest.os.nvram = None,
    |guest| guest.os.firmware = None,
    |guest| guest.os.acpi_table = None,
    |guest| guest.features.privnet = false,
    |guest| guest.features.e820_host = None,
    |guest| guest.features.passthrough = None,
    |guest| guest.usb_redirections = 0,
    |guest| guest.arguments = None,
];

const OF_DISK: &[fn(&mut Disk)] = &[
    |disk| disk.driver = None,
    |disk| disk.format = None,
    |disk| disk.shareable = false,
    |disk| disk.other_bus = None,
    |disk| disk.discard = None,
    |disk| disk.backend = None,
    |disk| disk.boot_order = None,
    |disk| disk.cache = None,
    |disk| disk.io = None,
];

const OF_INTERFACE: &[fn(&mut Interface)] = &[
    |interface| interface.ips.clear(),
    |interface| interface.script = None,
    |interface| interface.model = None,
    |interface| interface.vifname = None,
    |interface| interface.rate_kib = None,
    |interface| interface.vlan = None,
    |interface| interface.virtual_port = interface.virtual_port.take().map(|_| VirtualPort::default()),
    |interface| interface.virtual_port = None,
    |interface| interface.backend = None,
    |interface| interface.mtu = None,
    |interface| interface.boot_order = None,
    |interface| {
        if let InterfaceKind::Ethernet(device) = &mut interface.kind {
            *device = None;
        }
    },
];

const OF_GRAPHICS: &[fn(&mut Graphics)] = &[
    |graphics| {
        if let Graphics::Vnc { listen, .. } | Graphics::Spice { listen, .. } = graphics {
            *listen = None;
        }
    },
    |graphics| {
        if let Graphics::Vnc { password, .. } | Graphics::Spice { password, .. } = graphics {
            *password = None;
        }
    },
    |graphics| match graphics {
        Graphics::Vnc { keymap, .. } | Graphics::Spice { keymap, .. } => *keymap = None,
        Graphics::Sdl { display, xauth } => (*display, *xauth) = (None, None),
    },
];

const OF_VIDEO: &[fn(&mut Video)] = &[
    |video| video.heads = None,
    |video| video.vram_kib = None,
    |video| video.ram_kib = None,
    |video| video.vgamem_kib = None,
];

const OF_PCI: &[fn(&mut PciDevice)] = &[|device| device.managed = false, |device| device.permissive = false];

const OF_TIMER: &[fn(&mut Timer)] = &[
    |timer| timer.tickpolicy = None,
    |timer| timer.track = None,
    |timer| timer.frequency = None,
    |timer| timer.mode = None,
];

/// What `write` makes of the guest without the parts that it refuses, and its refusals.
///
/// Errors: those of `write` that are about what the guest cannot be without, or that are no [`Status::NotSupported`].
pub(crate) fn write_what_fits(
    guest: &Guest,
    write: &dyn Fn(&Guest) -> Result<String>,
) -> Result<(String, Vec<String>)> {
    let mut guest = guest.clone();
    let mut losses = Vec::new();
    loop {
        let error = match write(&guest) {
            Ok(text) => return Ok((text, losses)),
            Err(error) => error,
        };
        if error.status != Status::NotSupported || losses.len() == MAX_LOSSES {
            return Err(error);
        }
        let search = Search { guest: &guest, message: &error.message, write };
        match search.smaller() {
            Some(smaller) => guest = smaller,
            None => return Err(error),
        }
        losses.push(error.message);
    }
}

/// Looks for the part that a refusal is about.
struct Search<'a> {
    guest: &'a Guest,
    /// The refusal.
    message: &'a str,
    write: &'a dyn Fn(&Guest) -> Result<String>,
}

impl Search<'_> {
    fn smaller(&self) -> Option<Guest> {
        // A timer that can be without one of its words is kept.
        if let Some(smaller) = self.in_list(|guest| &mut guest.clock.timers, OF_TIMER) {
            return Some(smaller);
        }
        let parts = PARTS.iter().map(|part| {
            let mut candidate = self.guest.clone();
            part(&mut candidate);
            candidate
        });
        parts
            .into_iter()
            .find(|candidate| self.helps(candidate))
            .or_else(|| self.in_list(|guest| &mut guest.disks, OF_DISK))
            .or_else(|| self.in_list(|guest| &mut guest.interfaces, OF_INTERFACE))
            .or_else(|| self.in_list(|guest| &mut guest.graphics, OF_GRAPHICS))
            .or_else(|| self.in_list(|guest| &mut guest.videos, OF_VIDEO))
            .or_else(|| self.in_list(|guest| &mut guest.pci_devices, OF_PCI))
            .or_else(|| self.in_list::<UsbDevice>(|guest| &mut guest.usb_devices, &[]))
            .or_else(|| self.in_list::<Controller>(|guest| &mut guest.controllers, &[]))
            .or_else(|| self.in_list::<Channel>(|guest| &mut guest.channels, &[]))
            .or_else(|| self.in_list::<CharDevice>(|guest| &mut guest.serials, &[]))
            .or_else(|| self.in_list::<CharDevice>(|guest| &mut guest.parallels, &[]))
            .or_else(|| self.in_list::<Input>(|guest| &mut guest.inputs, &[]))
            .or_else(|| self.in_list::<String>(|guest| &mut guest.sounds, &[]))
    }

    /// Whether the writer goes further with this guest.
    fn helps(&self, candidate: &Guest) -> bool {
        (self.write)(candidate).map_or_else(|error| error.message != self.message, |_| true)
    }

    /// Looks for the first item of a list that the refusal is about, by halves because lists can be long; then for the part of it.
    fn in_list<T>(&self, list: fn(&mut Guest) -> &mut Vec<T>, parts: &[fn(&mut T)]) -> Option<Guest> {
        let with = |change: &dyn Fn(&mut Vec<T>)| {
            let mut candidate = self.guest.clone();
            change(list(&mut candidate));
            candidate
        };
        if !self.helps(&with(&Vec::clear)) {
            return None;
        }
        // With so many of its items the writer goes further, and with so many it does not.
        let (mut good, mut bad) = (0, list(&mut self.guest.clone()).len());
        while bad - good > 1 {
            let half = good + (bad - good) / 2;
            if self.helps(&with(&|items| items.truncate(half))) { good = half } else { bad = half }
        }
        let one = parts.iter().map(|part| with(&|items| items.iter_mut().skip(good).take(1).for_each(part)));
        // A refusal that names no item can be about several.
        let several = parts.iter().map(|part| with(&|items| items.iter_mut().skip(good).for_each(part)));
        let without_one = std::iter::once_with(|| {
            with(&|items| {
                items.remove(good);
            })
        });
        let without_several = std::iter::once_with(|| with(&|items| items.truncate(good)));
        one.chain(several).chain(without_one).chain(without_several).find(|candidate| self.helps(candidate))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Error;
    use crate::format::arbitrary::guests;
    use crate::format::xml;

    fn guest(devices: &str) -> Guest {
        let document = format!(
            "<domain type='xen'><name>g</name><title>t</title><memory>1024</memory><vcpu cpuset='1'>1</vcpu>\
             <os><type>hvm</type></os><devices>{devices}</devices></domain>"
        );
        xml::parse(&document).unwrap()
    }

    fn write(guest: &Guest) -> Result<String> {
        crate::format::xenvm::to_xenvm(guest)
    }

    #[test]
    fn only_what_is_refused_is_left_out_and_each_is_named() {
        let disk = |name: &str, format: &str| {
            format!(
                "<disk><driver name='tap' type='{format}'/><source file='/{name}'/><target dev='{name}'/></disk>"
            )
        };
        let devices = disk("hda", "raw")
            + &disk("hdb", "qcow2")
            + &disk("hdc", "qcow")
            + &disk("vda", "raw")
            + "<interface type='bridge'><source bridge='b'/><model type='e1000'/></interface>"
                .repeat(2)
                .as_str();
        let (text, losses) = write_what_fits(&guest(&devices), &write).unwrap();
        let short: Vec<_> = losses
            .iter()
            .map(|loss| loss.trim_start_matches("xenvm's configuration has no place for "))
            .collect();
        assert_eq!(
            short,
            [
                "<title>",
                "<vcpu cpuset='...'>",
                "the bus of the disk vda",
                "the format 'qcow2' of the disk hdb",
                "<model> of an interface"
            ]
        );
        for kept in ["/hda:aio:", "/hdb:file:", "/hdc:qcow:", "nic = bridge=b\nnic = bridge=b\n"] {
            assert!(text.contains(kept), "{text} has no {kept}");
        }
        assert!(!text.contains("vda"), "{text}");
    }

    #[test]
    fn what_the_guest_is_stays_and_other_errors_stand() {
        let mut pvh = guest("");
        pvh.os.kind = crate::model::GuestType::Pvh;
        assert_eq!(write_what_fits(&pvh, &write).unwrap_err().status, Status::NotSupported);
        let broken = |_: &Guest| Err(Error::new(Status::InvalidConfig, "no"));
        assert_eq!(write_what_fits(&pvh, &broken).unwrap_err().status, Status::InvalidConfig);
    }

    #[test]
    fn a_guest_with_a_thousand_devices_takes_some_hundred_writes() {
        let devices: String = (0..1000)
            .map(|number| {
                let model = if number == 777 { "<model type='e1000'/>" } else { "" };
                format!("<interface type='bridge'><source bridge='b{number}'/>{model}</interface>")
            })
            .collect();
        let count = std::cell::Cell::new(0);
        let counting = |guest: &Guest| {
            count.set(count.get() + 1);
            write(guest)
        };
        let (text, losses) = write_what_fits(&guest(&devices), &counting).unwrap();
        assert_eq!((losses.len(), text.matches("nic = ").count()), (3, 1000));
        assert!(count.get() < 200, "{} writes", count.get());
    }

    proptest! {
        #[test]
        fn every_guest_that_can_be_is_written_in_the_end(guest in guests()) {
            match write_what_fits(&guest, &write) {
                Ok((text, _)) => prop_assert!(crate::format::xenvm::from_xenvm(&text).is_ok(), "{text}"),
                Err(error) => prop_assert!(
                    ["PVH", "<bootloader>", "needs <kernel>", "an HVM guest", "'name'", "'kernel'"].iter().any(|why| error.message.contains(why)),
                    "{error}"
                ),
            }
        }
    }
}

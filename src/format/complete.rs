//! What libvirt says of a guest that it reads from a toolstack's file, where the file says nothing: the host's own, on the host that a
//! conversion without a connection stands for (x86_64, Xen's usual folders).

use super::convert::Native;
use crate::model::guest::{ClockOffset, Controller, DiskDevice, DiskKind, Loader};
use crate::model::{Guest, GuestType};

/// The instruction set.
const ARCH: &str = "x86_64";
/// The firmware of an HVM guest that names none.
const HVMLOADER: &str = "/usr/lib/xen/boot/hvmloader";

/// Adds it to a guest that was read from a text in `native`.
pub(super) fn complete(native: Native, guest: &mut Guest) {
    match native {
        Native::Xl => complete_xl(guest),
        // They say what they mean.
        Native::Sxpr | Native::Xenvm => {}
    }
}

fn complete_xl(guest: &mut Guest) {
    guest.os.arch.get_or_insert_with(|| ARCH.into());
    let (machine, is_hvm) = match guest.os.kind {
        GuestType::Pv => ("xenpv", false),
        GuestType::Hvm => ("xenfv", true),
        GuestType::Pvh => ("xenpvh", false),
    };
    guest.os.machine.get_or_insert_with(|| machine.into());
    if is_hvm {
        guest.os.loader.get_or_insert_with(|| Loader::rom(HVMLOADER));
    }
    if guest.clock.offset == ClockOffset::Zero {
        guest.clock.offset = if is_hvm { ClockOffset::Seconds(0) } else { ClockOffset::Reset };
    }
    // Floppy drives are the device model's own.
    for disk in guest.disks.iter_mut().filter(|disk| disk.device != DiskDevice::Floppy) {
        if disk.driver.is_none() {
            disk.driver = Some("qemu".into());
            if disk.kind == DiskKind::Block {
                disk.kind = DiskKind::File;
            }
        }
        disk.format.get_or_insert_with(|| "raw".into());
    }
    guest.sort_disks();
    if !guest.controllers.iter().any(|controller| matches!(controller, Controller::Xenbus { .. })) {
        guest.controllers.insert(0, Controller::XENBUS);
    }
}

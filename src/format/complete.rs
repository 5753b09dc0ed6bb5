//! What libvirt says of a guest that it reads from a toolstack's file, where the file says nothing: the host's own, on the host that a
//! conversion without a connection stands for (x86_64, Xen's usual folders; before Xen 3.0.4 a machine of 32 bits, as most were then).

use super::convert::Native;
use super::sxpr::XendFormat;
use super::xml::Form;
use crate::model::guest::{ClockOffset, Controller, DiskDevice, DiskKind, Loader, Video};
use crate::model::{Guest, GuestType};

/// The instruction set.
const ARCH: &str = "x86_64";
/// The same on hosts of Xen's first years.
const EARLY_ARCH: &str = "i686";
/// What libvirt says of an HVM guest's usual video card since the device model is QEMU's own, KiB.
const VRAM_KIB: u32 = 8192;
/// The firmware of an HVM guest that names none.
const HVMLOADER: &str = "/usr/lib/xen/boot/hvmloader";

/// Adds it to a guest that was read from a text in `native`, and says in which form libvirt describes it.
pub(super) fn complete(native: Native, guest: &mut Guest, age: XendFormat) -> Form {
    match native {
        Native::Xl => {
            complete_xl(guest);
            Form::Late
        }
        // Its xends are older than what libvirt came to say of every guest.
        Native::Xm if age < XendFormat::V3 => {
            name_machine(guest, EARLY_ARCH);
            Form::Early
        }
        Native::Xm => {
            complete_xm(guest);
            Form::Late
        }
        // They say what they mean.
        Native::Sxpr | Native::Xenvm => Form::Usual,
    }
}

/// Says the instruction set and the machine; whether it is an HVM guest.
fn name_machine(guest: &mut Guest, arch: &str) -> bool {
    guest.os.arch.get_or_insert_with(|| arch.into());
    let machine = match guest.os.kind {
        GuestType::Pv => "xenpv",
        GuestType::Hvm => "xenfv",
        GuestType::Pvh => "xenpvh",
    };
    guest.os.machine.get_or_insert_with(|| machine.into());
    guest.is_hvm()
}

fn add_xenbus(guest: &mut Guest) {
    if !guest.controllers.iter().any(|controller| matches!(controller, Controller::Xenbus { .. })) {
        guest.controllers.insert(0, Controller::XENBUS);
    }
}

fn complete_xm(guest: &mut Guest) {
    let is_hvm = name_machine(guest, ARCH);
    if is_hvm && guest.videos.is_empty() && !guest.graphics.is_empty() {
        guest.videos.push(Video { vram_kib: Some(VRAM_KIB), ..Video::usual(true) });
    }
    add_xenbus(guest);
}

fn complete_xl(guest: &mut Guest) {
    let is_hvm = name_machine(guest, ARCH);
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
    add_xenbus(guest);
}

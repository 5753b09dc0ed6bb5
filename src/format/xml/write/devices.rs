//! `<devices>`, in libvirt's order and with what libvirt adds.

use super::super::Form;
use super::chardevs::{channel, console, port};
use super::{Out, word_of, yes_no};
use crate::model::Guest;
use crate::model::guest::{
    Controller, Disk, DiskBus, DiskDevice, DiskKind, Graphics, InterfaceKind, Live, NetworkSource,
    PciAddress, Tagging, UsbDevice, UsbHost, Video, VirtualPort,
};

/// More USB devices than a spice client can hand over.
const MAX_REDIRECTIONS: u32 = 256;

pub(super) fn devices(out: &mut Out, guest: &Guest, live: &Live, secrets: bool, form: Form) {
    let is_hvm = guest.is_hvm();
    out.tag("devices").open();
    out.some_leaf("emulator", guest.emulator.as_ref());
    for (index, one) in guest.disks.iter().enumerate() {
        disk(out, one, live.disk_backends.get(index).and_then(Option::as_ref), form);
    }
    if form != Form::Early {
        controllers(out, guest);
    }
    for index in 0..guest.interfaces.len() {
        interface(out, guest, index, live);
    }
    for (index, device) in guest.serials.iter().enumerate() {
        port(out, "serial", device, live.serial_ttys.get(index).and_then(Option::as_ref));
    }
    for device in &guest.parallels {
        port(out, "parallel", device, None);
    }
    console(out, guest, live);
    for one in &guest.channels {
        channel(out, one);
    }
    for input in &guest.inputs {
        out.tag("input").attr("type", input.kind.name()).attr("bus", input.bus.name()).empty();
    }
    for kind in ["mouse", "keyboard"] {
        out.tag("input").attr("type", kind).attr("bus", if is_hvm { "ps2" } else { "xen" }).empty();
    }
    for screen in &guest.graphics {
        graphics(out, screen, live, secrets);
    }
    for model in &guest.sounds {
        out.tag("sound").attr("model", model).empty();
    }
    if !guest.videos.is_empty() {
        for (index, one) in guest.videos.iter().enumerate() {
            video(out, one, index == 0);
        }
    } else if !guest.graphics.is_empty() && form != Form::Early {
        video(out, &Video::usual(is_hvm), true);
    }
    for device in &guest.pci_devices {
        out.tag("hostdev")
            .attr("mode", "subsystem")
            .attr("type", "pci")
            .attr("managed", yes_no(device.managed))
            .open();
        if form == Form::Late {
            out.tag("driver").attr("name", "xen").empty();
        }
        out.tag("source").some("writeFiltering", device.permissive.then_some("no")).open();
        pci_address(out, device.address, false);
        out.close("source");
        out.close("hostdev");
    }
    for device in &guest.usb_devices {
        usb_device(out, device);
    }
    for _ in 0..guest.usb_redirections.min(MAX_REDIRECTIONS) {
        out.tag("redirdev").attr("bus", "usb").attr("type", "spicevmc").empty();
    }
    if form != Form::Early {
        out.tag("memballoon").attr("model", "xen").empty();
    }
    out.close("devices");
}

/// A place on the host's PCI buses.
fn pci_address(out: &mut Out, at: PciAddress, says_type: bool) {
    out.tag("address")
        .some("type", says_type.then_some("pci"))
        .attr("domain", format_args!("0x{:04x}", at.domain))
        .attr("bus", format_args!("0x{:02x}", at.bus))
        .attr("slot", format_args!("0x{:02x}", at.slot))
        .attr("function", format_args!("0x{:x}", at.function))
        .empty();
}

fn usb_device(out: &mut Out, device: &UsbDevice) {
    let managed = yes_no(device.managed);
    out.tag("hostdev").attr("mode", "subsystem").attr("type", "usb").attr("managed", managed).open();
    out.tag("source").open();
    match device.host {
        UsbHost::Address { bus, device } => {
            out.tag("address").attr("bus", bus).attr("device", device).empty();
        }
        UsbHost::Product { vendor, product } => {
            out.tag("vendor").attr("id", format_args!("0x{vendor:04x}")).empty();
            out.tag("product").attr("id", format_args!("0x{product:04x}")).empty();
        }
    }
    out.close("source");
    out.close("hostdev");
}

/// `backend` serves the disk, where the configuration leaves it to the toolstack.
fn disk(out: &mut Out, disk: &Disk, backend: Option<&String>, form: Form) {
    let (kind, attribute) = match disk.kind {
        DiskKind::File => ("file", "file"),
        DiskKind::Block => ("block", "dev"),
        DiskKind::Network => ("network", "name"),
    };
    out.tag("disk").attr("type", kind).attr("device", disk.device.name()).open();
    let driver = disk.driver.as_ref().or(backend);
    let options = disk.cache.is_some() || disk.io.is_some() || disk.discard.is_some();
    if driver.is_some() || disk.format.is_some() || options {
        out.tag("driver")
            .some("name", driver)
            .some("type", disk.format.as_ref())
            .some("cache", disk.cache.as_ref())
            .some("io", disk.io.as_ref())
            .some("discard", disk.discard.map(|is_on| if is_on { "unmap" } else { "ignore" }))
            .empty();
    }
    match (&disk.source, &disk.network) {
        (Some(source), Some(network)) => network_source(out, source, network),
        (Some(source), None) => out.tag("source").attr(attribute, source).empty(),
        (None, _) => {}
    }
    if let Some(domain) = &disk.backend {
        out.tag("backenddomain").attr("name", domain).empty();
    }
    out.tag("target").attr("dev", &disk.target).attr("bus", disk.bus().name()).empty();
    if disk.readonly || disk.device == DiskDevice::Cdrom {
        out.tag("readonly").empty();
    }
    if disk.shareable {
        out.tag("shareable").empty();
    }
    boot_order(out, disk.boot_order);
    if let Some(address) = disk.address().filter(|_| form != Form::Early) {
        out.tag("address")
            .attr("type", "drive")
            .attr("controller", address.controller)
            .attr("bus", address.bus)
            .attr("target", 0)
            .attr("unit", address.unit)
            .empty();
    }
    out.close("disk");
}

/// A source on the network, and who serves it.
fn network_source(out: &mut Out, name: &str, network: &NetworkSource) {
    let tag = out.tag("source").attr("protocol", network.protocol.name()).attr("name", name);
    if network.hosts.is_empty() {
        return tag.empty();
    }
    tag.open();
    for host in &network.hosts {
        out.tag("host").attr("name", &host.name).some("port", host.port).empty();
    }
    out.close("source");
}

fn boot_order(out: &mut Out, order: Option<u32>) {
    if let Some(order) = order {
        out.tag("boot").attr("order", order).empty();
    }
}

fn controllers(out: &mut Out, guest: &Guest) {
    let mut usb_index = 0;
    for controller in &guest.controllers {
        let tag = out.tag("controller").attr("type", controller.type_name());
        match controller {
            Controller::Xenbus { max_grant_frames, max_event_channels } => {
                tag.attr("index", 0)
                    .some("maxGrantFrames", *max_grant_frames)
                    .some("maxEventChannels", *max_event_channels)
                    .empty();
            }
            Controller::Usb { model, ports } => {
                let tag = tag.attr("index", usb_index).some("model", model.map(|model| model.name()));
                tag.some("ports", *ports).empty();
                usb_index += 1;
            }
        }
    }
    let disks = &guest.disks;
    for bus in [DiskBus::Ide, DiskBus::Scsi, DiskBus::Fdc] {
        let on_bus = disks.iter().filter(|disk| disk.bus() == bus);
        if let Some(last) = on_bus.filter_map(|disk| disk.address()).map(|address| address.controller).max() {
            // One that a disk is on needs those before it. Targets are bounded, and so is their number on a screen.
            for index in 0..=last.min(63) {
                out.tag("controller").attr("type", bus.name()).attr("index", index).empty();
            }
        }
    }
}

fn interface(out: &mut Out, guest: &Guest, index: usize, live: &Live) {
    let Some(interface) = guest.interfaces.get(index) else { return };
    let (kind, managed) = match &interface.kind {
        InterfaceKind::Bridge(_) => ("bridge", None),
        InterfaceKind::Ethernet(_) => ("ethernet", None),
        InterfaceKind::Network(_) => ("network", None),
        InterfaceKind::HostDevice { managed, .. } => ("hostdev", Some(yes_no(*managed))),
    };
    out.tag("interface").attr("type", kind).some("managed", managed).open();
    if let Some(mac) = interface.mac {
        out.tag("mac").attr("address", mac).empty();
    }
    match &interface.kind {
        InterfaceKind::Bridge(Some(bridge)) => out.tag("source").attr("bridge", bridge).empty(),
        InterfaceKind::Ethernet(Some(device)) => out.tag("source").attr("dev", device).empty(),
        InterfaceKind::Network(network) => out.tag("source").attr("network", network).empty(),
        InterfaceKind::Bridge(None) | InterfaceKind::Ethernet(None) => {}
        InterfaceKind::HostDevice { address, .. } => {
            out.tag("source").open();
            pci_address(out, *address, true);
            out.close("source");
        }
    }
    if let Some(vlan) = &interface.vlan {
        out.tag("vlan").some("trunk", vlan.trunk.then_some("yes")).open();
        for tag in &vlan.tags {
            let native = tag.native.map(|native| word_of(&Tagging::ALL, native));
            out.tag("tag").attr("id", tag.id).some("nativeMode", native).empty();
        }
        out.close("vlan");
    }
    if let Some(port) = &interface.virtual_port {
        virtual_port(out, port);
    }
    if let Some(domain) = &interface.backend {
        out.tag("backenddomain").attr("name", domain).empty();
    }
    if let Some(rate) = interface.rate_kib {
        out.tag("bandwidth").open();
        out.tag("outbound").attr("average", rate).empty();
        out.close("bandwidth");
    }
    for ip in &interface.ips {
        let family = if ip.address.is_ipv6() { "ipv6" } else { "ipv4" };
        out.tag("ip").attr("address", ip.address).attr("family", family).some("prefix", ip.prefix).empty();
    }
    if let Some(script) = &interface.script {
        out.tag("script").attr("path", script).empty();
    }
    // The name that it has in this life: as it was found, else the configuration's, else, where nobody looked, as Xen would give it.
    let by_xen = || live.domid.filter(|_| live.vifs.is_empty()).map(|domid| format!("vif{domid}.{index}"));
    let found = live.vifs.get(index).cloned().flatten();
    let vifname = found.or_else(|| interface.vifname.clone()).or_else(by_xen);
    if let Some(name) = vifname {
        out.tag("target").attr("dev", name).empty();
    }
    if let Some(model) = &interface.model {
        out.tag("model").attr("type", model).empty();
    }
    boot_order(out, interface.boot_order);
    if let Some(size) = interface.mtu {
        out.tag("mtu").attr("size", size).empty();
    }
    out.close("interface");
}

fn virtual_port(out: &mut Out, port: &VirtualPort) {
    let tag = out.tag("virtualport").attr("type", "openvswitch");
    if port.interface_id.is_none() && port.profile.is_none() {
        return tag.empty();
    }
    tag.open();
    let tag = out.tag("parameters").some("interfaceid", port.interface_id);
    tag.some("profileid", port.profile.as_ref()).empty();
    out.close("virtualport");
}

fn graphics(out: &mut Out, graphics: &Graphics, live: &Live, secrets: bool) {
    match graphics {
        Graphics::Vnc { port, listen, password, keymap } => {
            let shown = port.map(i32::from).or(live.vnc_port.map(i32::from)).unwrap_or(-1);
            out.tag("graphics")
                .attr("type", "vnc")
                .attr("port", shown)
                .attr("autoport", yes_no(port.is_none()))
                .some("listen", listen.as_ref())
                .some("keymap", keymap.as_ref())
                .some("passwd", password.as_ref().filter(|_| secrets))
                .open();
            out.tag("listen").attr("type", "address").some("address", listen.as_ref()).empty();
            out.close("graphics");
        }
        Graphics::Spice { port, tls_port, listen, password, keymap, client_mouse, clipboard } => {
            let is_auto = port.is_none() && tls_port.is_none();
            out.tag("graphics")
                .attr("type", "spice")
                .some("port", port.map(i32::from).or(is_auto.then_some(-1)))
                .some("tlsPort", *tls_port)
                .attr("autoport", yes_no(is_auto))
                .some("listen", listen.as_ref())
                .some("keymap", keymap.as_ref())
                .some("passwd", password.as_ref().filter(|_| secrets))
                .open();
            out.tag("listen").attr("type", "address").some("address", listen.as_ref()).empty();
            if let Some(client) = client_mouse {
                out.tag("mouse").attr("mode", if *client { "client" } else { "server" }).empty();
            }
            if let Some(clipboard) = clipboard {
                out.tag("clipboard").attr("copypaste", yes_no(*clipboard)).empty();
            }
            out.close("graphics");
        }
        Graphics::Sdl { display, xauth } => {
            out.tag("graphics")
                .attr("type", "sdl")
                .some("display", display.as_ref())
                .some("xauth", xauth.as_ref())
                .empty();
        }
    }
}

fn video(out: &mut Out, video: &Video, primary: bool) {
    out.tag("video").open();
    out.tag("model")
        .attr("type", &video.model)
        .some("ram", video.ram_kib)
        .some("vram", video.vram_kib)
        .some("vgamem", video.vgamem_kib)
        .some("heads", video.heads)
        .some("primary", primary.then_some("yes"))
        .empty();
    out.close("video");
}

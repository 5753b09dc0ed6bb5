//! What libxl 4.17 writes into xenstore for a domain, key by key and right by right as a real one does (tests/data/xl; facts: xen-abi.md
//! section 6).

use super::json::{bridge, disks, kind, video_kib, vif_script};
use crate::model::guest::{Disk, DiskDevice, Graphics, Interface};
use crate::model::{DomId, Guest, GuestType};
use crate::sim::xend::disk_number;
use crate::sim::xenstored::Xenstored;
use crate::wire::xenstore::Permission;

/// What of a domain is not in its configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) domid: DomId,
    /// Seconds since 1970.
    pub(super) start_time: f64,
    /// The number of its screen: port 5900 and so many.
    pub(super) display: Option<u16>,
}

/// Who owns a node, and who else may read it.
#[derive(Clone, Copy)]
enum Rights {
    /// Domain-0 alone.
    Own,
    /// Domain-0, and the guest reads.
    Read,
    /// The guest alone.
    Guest,
    /// The guest, and Domain-0 reads.
    Front,
}

struct Tree<'a> {
    store: &'a mut Xenstored,
    guest: u16,
}

impl Tree<'_> {
    fn put(&mut self, path: &str, value: &str, rights: Rights) {
        // Domain-0 may write everywhere, and the paths are made of numbers and names of nodes: nothing is refused.
        let _ = self.store.write(0, path, value);
        let perms = match rights {
            Rights::Own => vec![Permission::none(0)],
            Rights::Read => vec![Permission::none(0), Permission::read(self.guest)],
            Rights::Guest => vec![Permission::none(self.guest)],
            Rights::Front => vec![Permission::none(self.guest), Permission::read(0)],
        };
        let _ = self.store.set_perms(0, path, &perms);
    }

    fn all(&mut self, folder: &str, nodes: &[(&str, String)], rights: Rights) {
        self.put(folder, "", rights);
        for (key, value) in nodes {
            self.put(&format!("{folder}/{key}"), value, rights);
        }
    }

    /// Both ends of a device and libxl's own copy.
    fn device(&mut self, domid: DomId, device: Device) {
        let Device { front, back, id, backend, added, frontend } = device;
        let frontend_path = format!("/local/domain/{domid}/device/{front}/{id}");
        let backend_path = format!("/local/domain/0/backend/{back}/{domid}/{id}");
        self.put(&format!("/local/domain/0/backend/{back}"), "", Rights::Own);
        self.put(&format!("/local/domain/0/backend/{back}/{domid}"), "", Rights::Own);
        self.put(&format!("/local/domain/{domid}/device/{front}"), "", Rights::Read);
        let head = |state: &str| {
            vec![
                ("frontend", frontend_path.clone()),
                ("frontend-id", domid.to_string()),
                ("online", "1".into()),
                ("state", state.into()),
            ]
        };
        // The backend's driver has seen it, and waits for the frontend.
        let waits = if back == "qdisk" { "1" } else { "2" };
        let mut whole = [head(waits), backend.clone()].concat();
        for (key, value) in added {
            whole.retain(|(known, _)| *known != key);
            whole.push((key, value));
        }
        self.all(&backend_path, &whole, Rights::Read);
        let mut ends =
            vec![("backend", backend_path.clone()), ("backend-id", "0".into()), ("state", "1".into())];
        ends.extend(frontend);
        self.all(&frontend_path, &ends, Rights::Front);
        if front == "vif" {
            self.put(&format!("{frontend_path}/mtu"), "1500", Rights::Read);
        }
        let kept = format!("/libxl/{domid}/device/{front}/{id}");
        self.put(&format!("/libxl/{domid}/device/{front}"), "", Rights::Own);
        let mut copy = vec![("frontend", frontend_path.clone()), ("backend", backend_path.clone())];
        copy.extend(head("1").into_iter().skip(1));
        copy.extend(backend);
        self.all(&kept, &copy, Rights::Own);
    }
}

/// A device.
struct Device {
    front: &'static str,
    back: &'static str,
    id: u32,
    /// What libxl writes at the backend's end.
    backend: Vec<(&'static str, String)>,
    /// What drivers and scripts add there.
    added: Vec<(&'static str, String)>,
    /// What libxl writes at the guest's end.
    frontend: Vec<(&'static str, String)>,
}

/// Everything but the devices: what is there before the domain's memory is.
pub(super) fn begin(guest: &Guest, facts: Facts, store: &mut Xenstored) {
    let domid = facts.domid;
    let mut tree = Tree { store, guest: domid as u16 };
    let home = format!("/local/domain/{domid}");
    tree.put(&home, "", Rights::Read);
    tree.put(&format!("/libxl/{domid}"), "", Rights::Own);
    tree.put(&format!("/libxl/{domid}/device"), "", Rights::Own);
    identify(guest, facts, tree.store);
    for folder in ["cpu", "memory", "device", "control", "device/suspend"] {
        tree.put(&format!("{home}/{folder}"), "", Rights::Read);
    }
    tree.put(&format!("{home}/device/suspend/event-channel"), "", Rights::Guest);
    let words: &[&str] = if guest.is_hvm() {
        &[
            "shutdown",
            "feature-poweroff",
            "feature-reboot",
            "feature-suspend",
            "feature-s3",
            "feature-s4",
            "sysrq",
        ]
    } else {
        &["shutdown", "feature-poweroff", "feature-reboot", "feature-suspend", "sysrq"]
    };
    for word in words {
        tree.put(&format!("{home}/control/{word}"), "", Rights::Guest);
    }
    for word in ["platform-feature-multiprocessor-suspend", "platform-feature-xs_reset_watches"] {
        tree.put(&format!("{home}/control/{word}"), "1", Rights::Read);
    }
    for folder in ["data", "drivers", "feature", "attr", "error"] {
        tree.put(&format!("{home}/{folder}"), "", Rights::Guest);
    }
    if guest.is_hvm() {
        let platform = [
            ("acpi", "1"),
            ("acpi_s3", "1"),
            ("acpi_s4", "1"),
            ("acpi_laptop_slate", "0"),
            ("device-model", "qemu_xen"),
        ];
        tree.all(
            &format!("{home}/platform"),
            &platform.map(|(key, value)| (key, value.into())),
            Rights::Read,
        );
        let loader = [("bios", "seabios".into()), ("allow-memory-relocate", "0".into())];
        tree.all(&format!("{home}/hvmloader"), &loader, Rights::Read);
    }
    tree.put(&format!("/libxl/{domid}/type"), kind(guest.os.kind), Rights::Own);
    tree.put(&format!("/libxl/{domid}/dm-version"), "qemu_xen", Rights::Own);
}

/// Its name, its uuid and what is kept under that.
pub(super) fn identify(guest: &Guest, facts: Facts, store: &mut Xenstored) {
    let Facts { domid, start_time, .. } = facts;
    let vm = format!("/vm/{}", guest.uuid.unwrap_or_default());
    let mut tree = Tree { store, guest: domid as u16 };
    tree.put(&vm, "", Rights::Read);
    tree.put(&format!("{vm}/uuid"), &guest.uuid.unwrap_or_default().to_string(), Rights::Read);
    match guest.os.kind {
        GuestType::Pv => {
            let mut image = vec![("ostype", "linux".to_owned())];
            let os = &guest.os;
            for (key, value) in [("kernel", &os.kernel), ("ramdisk", &os.initrd), ("cmdline", &os.cmdline)] {
                image.extend(value.clone().map(|value| (key, value)));
            }
            tree.all(&format!("{vm}/image"), &image, Rights::Read);
        }
        GuestType::Hvm => {
            tree.all(&format!("{vm}/image"), &[("ostype", "hvm".into())], Rights::Read);
            tree.all(&format!("{vm}/rtc"), &[("timeoffset", String::new())], Rights::Read);
        }
        GuestType::Pvh => {}
    }
    tree.put(&format!("{vm}/start_time"), &format!("{start_time:.2}"), Rights::Read);
    tree.put(&format!("/local/domain/{domid}/vm"), &vm, Rights::Read);
    name(domid, guest, tree.store);
}

/// What says how large it is, once it has its memory.
pub(super) fn built(guest: &Guest, domid: DomId, store: &mut Xenstored) {
    let mut tree = Tree { store, guest: domid as u16 };
    let home = format!("/local/domain/{domid}");
    tree.put(&format!("{home}/domid"), &domid.to_string(), Rights::Read);
    let online = guest.vcpus.current.unwrap_or(guest.vcpus.max);
    for vcpu in 0..guest.vcpus.max {
        let word = if vcpu < online { "online" } else { "offline" };
        tree.all(&format!("{home}/cpu/{vcpu}"), &[("availability", word.into())], Rights::Read);
    }
    let video = video_kib(guest);
    let memory = [
        ("static-max", guest.max_memory_kib.to_string()),
        ("target", guest.memory_kib.saturating_sub(video).to_string()),
        ("videoram", video.to_string()),
    ];
    tree.all(&format!("{home}/memory"), &memory, Rights::Read);
    let pages = pages(guest, domid);
    tree.all(
        &format!("{home}/store"),
        &[("port", "1".into()), ("ring-ref", pages.0.to_string())],
        Rights::Read,
    );
}

/// The frames of the guest's two shared pages: xenstore's and the console's.
fn pages(guest: &Guest, domid: DomId) -> (u64, u64) {
    if guest.os.kind == GuestType::Pv {
        let first = 0x10_0000 + 2 * u64::from(domid);
        (first, first + 1)
    } else {
        (0xfeffc, 0xfefff)
    }
}

/// The devices, and what the daemons add to them at once.
pub(super) fn devices(guest: &Guest, facts: Facts, store: &mut Xenstored) {
    let Facts { domid, display, .. } = facts;
    for (number, one) in disks(guest).enumerate() {
        let loop_number = domid as usize * 16 + number;
        Tree { store, guest: domid as u16 }.device(domid, disk(one, guest.os.kind, loop_number));
    }
    let mut tree = Tree { store, guest: domid as u16 };
    let screens = if guest.is_hvm() { &[][..] } else { guest.graphics.as_slice() };
    for (id, screen) in screens.iter().enumerate() {
        tree.device(domid, vfb(id as u32, screen, display));
    }
    if guest.is_hvm() || !screens.is_empty() {
        let features = ["feature-abs-pointer", "feature-raw-pointer"].map(|key| (key, "1".to_owned()));
        tree.device(
            domid,
            Device {
                front: "vkbd",
                back: "vkbd",
                id: 0,
                backend: Vec::new(),
                added: [features.to_vec(), vec![("hotplug-status", "connected".to_owned())]].concat(),
                frontend: Vec::new(),
            },
        );
    }
    for (id, interface) in guest.interfaces.iter().enumerate() {
        tree.device(domid, vif(id as u32, interface, guest.is_hvm()));
    }
    console(guest, domid, &mut tree);
    let home = format!("/local/domain/{domid}");
    if let Some(display) = display {
        let listen = guest.graphics.iter().find_map(|screen| match screen {
            Graphics::Vnc { listen, .. } => listen.clone(),
            Graphics::Sdl { .. } | Graphics::Spice { .. } => None,
        });
        let listen = listen.unwrap_or_else(|| "127.0.0.1".into());
        tree.put(&format!("{home}/console/vnc-listen"), &listen, Rights::Read);
        tree.put(&format!("{home}/console/vnc-port"), &(5900 + u32::from(display)).to_string(), Rights::Read);
    }
    if guest.is_hvm() || !screens.is_empty() || guest.disks.iter().any(is_qdisk) {
        // The device model runs.
        let model = format!("/local/domain/0/device-model/{domid}");
        tree.put(&model, "", Rights::Own);
        tree.put(&format!("{model}/state"), "running", Rights::Own);
        let pid = (20_000 + domid).to_string();
        tree.all(&format!("{home}/image"), &[("device-model-pid", pid)], Rights::Read);
    }
    if !guest.serials.is_empty() {
        tree.put(&format!("{home}/serial"), "", Rights::Read);
    }
    for (n, serial) in guest.serials.iter().enumerate() {
        if serial.source == crate::model::guest::CharSource::Pty {
            let tty = format!("/dev/pts/{}", 1000 + 4 * domid as usize + n);
            tree.all(&format!("{home}/serial/{n}"), &[("tty", tty)], Rights::Read);
        }
    }
}

/// The console, which has its guest's end in a place of its own, and its terminal.
fn console(guest: &Guest, domid: DomId, tree: &mut Tree<'_>) {
    let (home, backend) =
        (format!("/local/domain/{domid}"), format!("/local/domain/0/backend/console/{domid}/0"));
    let own = [
        ("backend", backend.clone()),
        ("limit", "1048576".into()),
        ("type", "xenconsoled".into()),
        ("output", "pty".into()),
        ("tty", format!("/dev/pts/{domid}")),
        ("port", "2".into()),
        ("ring-ref", pages(guest, domid).1.to_string()),
    ];
    tree.all(&format!("{home}/console"), &own, Rights::Read);
    tree.put(&format!("{home}/console/backend-id"), "0", Rights::Front);
    let far = [
        ("frontend", format!("{home}/console")),
        ("frontend-id", domid.to_string()),
        ("online", "1".into()),
        ("state", "1".into()),
        ("protocol", "vt100".into()),
    ];
    tree.put("/local/domain/0/backend/console", "", Rights::Own);
    tree.put(&format!("/local/domain/0/backend/console/{domid}"), "", Rights::Own);
    tree.all(&backend, &far, Rights::Read);
    let mut copy = far.to_vec();
    copy.insert(1, ("backend", backend));
    tree.put(&format!("/libxl/{domid}/device/console"), "", Rights::Own);
    tree.all(&format!("/libxl/{domid}/device/console/0"), &copy, Rights::Own);
}

/// Whether the device model serves it; else the kernel does, with a loop device for a file.
fn is_qdisk(disk: &Disk) -> bool {
    let is_raw = disk.format.as_deref().is_none_or(|format| format == "raw");
    disk.source.is_none() || !is_raw || disk.driver.as_deref() == Some("qemu")
}

fn disk(disk: &Disk, kind: GuestType, loop_number: usize) -> Device {
    let id = disk_number(&disk.target);
    let is_cdrom = disk.device == DiskDevice::Cdrom;
    let flag = |is: bool| if is { "1".to_owned() } else { "0".into() };
    let source = disk.source.clone().unwrap_or_default();
    let mut backend = Vec::new();
    let mut added = Vec::new();
    if is_qdisk(disk) {
        // The device model's word for a raw file.
        let format = disk.format.as_deref().filter(|format| *format != "raw").unwrap_or("aio");
        backend.push(("params", format!("{format}:{source}")));
    } else {
        backend.push(("params", source.clone()));
        backend.push(("script", "/etc/xen/scripts/block".into()));
        for (key, value) in [
            ("feature-max-indirect-segments", "256"),
            ("multi-queue-max-queues", "1"),
            ("max-ring-page-order", "4"),
        ] {
            added.push((key, value.to_owned()));
        }
        if source.starts_with("/dev/") {
            added.push(("physical-device", format!("fd:{loop_number:x}")));
            added.push(("physical-device-path", source));
        } else {
            added.push(("node", format!("/dev/loop{loop_number}")));
            added.push(("physical-device", format!("7:{loop_number:x}")));
            added.push(("physical-device-path", format!("/dev/loop{loop_number}")));
        }
        added.push(("hotplug-status", "connected".into()));
    }
    backend.extend([
        ("removable", flag(is_cdrom)),
        ("bootable", "1".into()),
        ("dev", disk.target.clone()),
        ("type", if is_qdisk(disk) { "qdisk".into() } else { "phy".into() }),
        ("mode", if disk.readonly || is_cdrom { "r".into() } else { "w".into() }),
        ("device-type", if is_cdrom { "cdrom".into() } else { "disk".into() }),
        ("discard-enable", flag(!disk.readonly && !is_cdrom)),
        ("specification", "xen".into()),
    ]);
    let mut frontend = vec![
        ("virtual-device", id.to_string()),
        ("device-type", if is_cdrom { "cdrom".into() } else { "disk".into() }),
        ("trusted", "1".into()),
    ];
    if kind == GuestType::Pv {
        frontend.push(("protocol", "x86_64-abi".into()));
    }
    let back = if is_qdisk(disk) { "qdisk" } else { "vbd" };
    Device { front: "vbd", back, id, backend, added, frontend }
}

fn vif(id: u32, interface: &Interface, is_hvm: bool) -> Device {
    let mac = interface.mac.map(|mac| mac.to_string()).unwrap_or_default();
    let emulated = is_hvm && interface.model.as_deref() != Some("netfront");
    let mut backend = vec![("script", vif_script(interface)), ("mac", mac.clone())];
    let ips: Vec<String> = interface.ips.iter().map(ToString::to_string).collect();
    if !ips.is_empty() {
        backend.push(("ip", ips.join(" ")));
    }
    backend.extend(interface.vifname.clone().map(|name| ("vifname", name)));
    // In bytes for each 50 ms.
    backend.extend(interface.rate_kib.map(|rate| ("rate", format!("{},50000", rate * 1024 / 20))));
    backend.extend(bridge(interface).map(|bridge| ("bridge", bridge.to_owned())));
    backend.extend([
        ("handle", id.to_string()),
        ("type", if emulated { "vif_ioemu".into() } else { "vif".into() }),
        ("hotplug-status", String::new()),
    ]);
    let mut added = vec![("hotplug-status", "connected".to_owned())];
    for key in [
        "feature-sg",
        "feature-gso-tcpv4",
        "feature-gso-tcpv6",
        "feature-ipv6-csum-offload",
        "feature-rx-copy",
        "feature-xdp-headroom",
        "feature-multicast-control",
        "feature-dynamic-multicast-control",
        "feature-split-event-channels",
        "multi-queue-max-queues",
        "feature-ctrl-ring",
    ] {
        added.push((key, "1".into()));
    }
    added.push(("feature-rx-flip", "0".into()));
    let frontend = vec![("handle", id.to_string()), ("mac", mac), ("trusted", "1".into())];
    Device { front: "vif", back: "vif", id, backend, added, frontend }
}

fn vfb(id: u32, screen: &Graphics, display: Option<u16>) -> Device {
    let mut backend: Vec<(&'static str, String)> = Vec::new();
    match screen {
        Graphics::Vnc { port, listen, password, keymap } => {
            backend.push(("vnc", "1".into()));
            backend.push(("vnclisten", listen.clone().unwrap_or_else(|| "127.0.0.1".into())));
            backend.extend(password.clone().map(|password| ("vncpasswd", password)));
            backend.push(("vncdisplay", port.and(display).unwrap_or(0).to_string()));
            backend.push(("vncunused", if port.is_some() { "0".into() } else { "1".into() }));
            backend.extend(keymap.clone().map(|keymap| ("keymap", keymap)));
            backend.push(("sdl", "0".into()));
        }
        Graphics::Sdl { display, xauth } => {
            backend.extend([("vnc", "0".into()), ("sdl", "1".into())]);
            backend.extend(display.clone().map(|display| ("display", display)));
            backend.extend(xauth.clone().map(|xauth| ("xauthority", xauth)));
        }
        // No framebuffer of Xen's is one.
        Graphics::Spice { .. } => {}
    }
    backend.push(("opengl", "0".into()));
    let added = vec![("feature-resize", "1".to_owned()), ("hotplug-status", "connected".into())];
    Device { front: "vfb", back: "vfb", id, backend, added, frontend: Vec::new() }
}

/// The domain's name, in both places.
pub(super) fn name(domid: DomId, guest: &Guest, store: &mut Xenstored) {
    let mut tree = Tree { store, guest: domid as u16 };
    tree.put(&format!("/vm/{}/name", guest.uuid.unwrap_or_default()), &guest.name, Rights::Read);
    tree.put(&format!("/local/domain/{domid}/name"), &guest.name, Rights::Read);
}

/// Removes all of it. `vm` goes even where another domain has the same uuid, as with a real libxl.
pub(super) fn forget(domid: DomId, guest: &Guest, store: &mut Xenstored) {
    // ENOENT: it had no such thing.
    for kind in store.directory(0, "/local/domain/0/backend").unwrap_or_default() {
        let _ = store.rm(0, &format!("/local/domain/0/backend/{kind}/{domid}"));
    }
    for path in [
        format!("/local/domain/0/device-model/{domid}"),
        format!("/vm/{}", guest.uuid.unwrap_or_default()),
        format!("/local/domain/{domid}"),
        format!("/libxl/{domid}"),
    ] {
        let _ = store.rm(0, &path);
    }
}

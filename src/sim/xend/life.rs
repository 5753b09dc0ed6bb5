//! What xend does to the machine and to xenstore when a domain begins and ends (facts: xen-abi.md section 6, in xend's form).
//!
//! Kernels, disks and scripts of the configuration are not opened: an embedded host has no such files. Its hotplug scripts
//! always succeed, but for files that are said not to be there ([`is_missing`]).

use super::Parts;
use super::config::{Config, Device, value};
use super::habits::{Credit, Habits, LiveDevices};
use crate::model::{DomId, GuestType};
use crate::sim::machine::{Affinity, Machine, NewDomain, PAGE_KIB, PAGE_SIZE, Share};
use crate::sim::xenstored::Xenstored;
use crate::wire::sexpr::raw_bytes;
use crate::wire::xenstore::Permission;

/// Builds a domain: paused, with its memory, its vcpus and everything in xenstore. What was made is taken back when a step fails.
/// The devices get their numbers.
pub(super) fn build(config: &mut Config, habits: &Habits, parts: &mut Parts<'_>) -> Result<DomId, String> {
    let needed = config.memory.saturating_mul(1024);
    let free = parts.machine.physinfo().free_pages * PAGE_KIB;
    if needed > free {
        // It asks for the memory when the domain is there.
        let _ = parts.machine.use_up_domid();
        let dom0 = parts.machine.get(0).map_or(0, |dom0| dom0.tot_pages * PAGE_KIB);
        return Err(format!(
            "I need {needed} KiB, but dom0_min_mem is {dom0} and shrinking to {dom0} KiB would leave only {free} KiB free."
        ));
    }
    let kind = if config.image_kind == "hvm" { GuestType::Hvm } else { GuestType::Pv };
    let domid = parts
        .machine
        .create(&NewDomain::new(config.uuid, kind))
        .map_err(|errno| format!("Creating domain failed: name={}: {}", config.name, errno_tuple(errno)))?;
    if let Err(errno) = equip(domid, config, parts) {
        // ESRCH cannot be, and nothing else can be done about a domain that does not go away.
        let _ = parts.machine.destroy_all(domid);
        return Err(errno_tuple(errno));
    }
    place(domid, config, habits, parts.machine);
    write_nodes(domid, config, habits, parts.store);
    parts.store.introduce(domid as u16);
    Ok(domid)
}

fn equip(domid: DomId, config: &Config, parts: &mut Parts<'_>) -> Result<(), i32> {
    let pages = |mib: u64| (mib << 20) / PAGE_SIZE;
    parts.machine.set_max_vcpus(domid, config.vcpus)?;
    parts.machine.set_max_mem(domid, pages(config.maxmem))?;
    parts.machine.populate(domid, pages(config.memory))?;
    parts.machine.set_online_vcpus(domid, config.vcpu_avail.count_ones().clamp(1, config.vcpus))
}

/// Where the vcpus may run, and what share of the processors they get.
pub(super) fn place(domid: DomId, config: &Config, habits: &Habits, machine: &mut Machine) {
    let number = |key: &str| config.kept(key).parse::<u16>().ok();
    // ESRCH: nobody is left to place.
    let Ok(domain) = machine.get_mut(domid) else { return };
    for (vcpu, cpus) in (0..).zip(&config.cpus) {
        if cpus.is_empty() {
            continue;
        }
        let mut hard = Vec::new();
        for cpu in cpus {
            let (byte, bit) = (*cpu as usize / 8, cpu % 8);
            hard.resize(hard.len().max(byte + 1), 0u8);
            if let Some(byte) = hard.get_mut(byte) {
                *byte |= 1 << bit;
            }
        }
        domain.affinity.insert(vcpu, Affinity { hard: Some(hard), soft: None });
    }
    if habits.credit != Credit::None {
        let now = domain.share;
        domain.share = Share {
            weight: number("cpu_weight").filter(|weight| *weight > 0).unwrap_or(now.weight),
            cap: number("cpu_cap").unwrap_or(now.cap),
        };
    }
}

/// Ends a domain's life and forgets it in xenstore.
pub(super) fn destroy(domid: DomId, config: &Config, parts: &mut Parts<'_>) -> Result<(), String> {
    parts.machine.destroy_all(domid).map_err(errno_tuple)?;
    forget(domid, config, parts.store);
    Ok(())
}

/// Removes what a domain had in xenstore.
pub(super) fn forget(domid: DomId, config: &Config, store: &mut Xenstored) {
    for kind in BACKENDS {
        remove(store, &format!("/local/domain/0/backend/{kind}/{domid}"));
    }
    remove(store, &format!("/local/domain/{domid}"));
    remove(store, &format!("/vm/{}", config.uuid));
    // Whoever noticed first that it is gone has released it.
    let _ = store.release(domid as u16);
}

const BACKENDS: [&str; 9] = ["vbd", "tap", "vif", "vfb", "vkbd", "console", "pci", "vscsi", "usb"];

/// An errno as Python prints the exception.
pub(super) fn errno_tuple(errno: i32) -> String {
    let text = match errno {
        libc::EPERM => "Operation not permitted",
        libc::ESRCH => "No such process",
        libc::ENOMEM => "Cannot allocate memory",
        libc::EBUSY => "Device or resource busy",
        libc::EINVAL => "Invalid argument",
        libc::EUSERS => "Too many users",
        _ => "Unknown error",
    };
    format!("({errno}, '{text}')")
}

/// The domain's name in both places.
pub(super) fn write_name(domid: DomId, config: &Config, store: &mut Xenstored) {
    put(store, &format!("/local/domain/{domid}/name"), &config.name);
    put(store, &format!("/vm/{}/name", config.uuid), &config.name);
}

/// Which vcpus shall be online.
pub(super) fn write_vcpus(domid: DomId, config: &Config, parts: &mut Parts<'_>) {
    for vcpu in 0..config.vcpus {
        let word = if config.vcpu_avail >> vcpu & 1 == 1 { "online" } else { "offline" };
        tell(domid, &format!("cpu/{vcpu}/availability"), word, parts);
    }
}

/// How much memory the domain shall have.
pub(super) fn write_target(domid: DomId, config: &Config, parts: &mut Parts<'_>) {
    put(parts.store, &format!("/vm/{}/memory", config.uuid), &config.memory.to_string());
    tell(domid, "memory/target", &(config.memory * 1024).to_string(), parts);
}

/// Asks the guest through one of its control nodes.
pub(super) fn order(domid: DomId, node: &str, word: &str, parts: &mut Parts<'_>) {
    tell(domid, &format!("control/{node}"), word, parts);
}

/// Writes a node that the guest watches.
fn tell(domid: DomId, node: &str, text: &str, parts: &mut Parts<'_>) {
    let path = format!("/local/domain/{domid}/{node}");
    put(parts.store, &path, text);
    parts.told.push(path);
}

/// Writes as domain 0, which may write everywhere: only a store that is out of quota could refuse, and domain 0 has none.
pub(super) fn put(store: &mut Xenstored, path: &str, text: &str) {
    let _ = store.write(0, path, raw_bytes(text).collect::<Vec<u8>>());
}

fn remove(store: &mut Xenstored, path: &str) {
    // ENOENT: it had no such device.
    let _ = store.rm(0, path);
}

/// Writes nodes that belong to a domain.
struct Nodes<'a> {
    store: &'a mut Xenstored,
    /// Who owns what is made from now on, and who else reads it.
    perms: Option<[Permission; 2]>,
}

impl Nodes<'_> {
    /// A folder with permissions; what is made below it later takes them over.
    fn folder(&mut self, path: &str, perms: [Permission; 2]) {
        let _ = self.store.mkdir(0, path);
        let _ = self.store.set_perms(0, path, &perms);
        self.perms = Some(perms);
    }

    fn put(&mut self, path: &str, text: &str) {
        put(self.store, path, text);
        if let Some(perms) = &self.perms {
            let _ = self.store.set_perms(0, path, perms);
        }
    }
}

fn write_nodes(domid: DomId, config: &mut Config, habits: &Habits, store: &mut Xenstored) {
    let guest = domid as u16;
    number_devices(&mut config.devices);
    let config = &*config;
    let (base, vm) = (format!("/local/domain/{domid}"), format!("/vm/{}", config.uuid));
    let mut nodes = Nodes { store, perms: None };
    nodes.folder(&vm, [Permission::none(0), Permission::read(guest)]);
    for (key, text) in [
        ("uuid", config.uuid.to_string()),
        ("name", config.name.clone()),
        ("memory", config.memory.to_string()),
        ("maxmem", config.maxmem.to_string()),
        ("vcpus", config.vcpus.to_string()),
        ("vcpu_avail", config.vcpu_avail.to_string()),
        ("on_poweroff", config.on_poweroff.clone()),
        ("on_reboot", config.on_reboot.clone()),
        ("on_crash", config.on_crash.clone()),
        ("xend/restart_count", "0".into()),
    ] {
        nodes.put(&format!("{vm}/{key}"), &text);
    }
    for key in ["bootloader", "bootloader_args", "shadow_memory", "on_xend_start", "on_xend_stop"] {
        nodes.put(&format!("{vm}/{key}"), config.kept(key));
    }
    // xend gives the whole of its folder to the guest; libxl, later, most of it only to read.
    nodes.folder(&base, [Permission::none(guest), Permission::read(0)]);
    for (key, text) in [
        ("vm", vm.clone()),
        ("name", config.name.clone()),
        ("domid", domid.to_string()),
        ("memory/target", (config.memory * 1024).to_string()),
        ("control/platform-feature-multiprocessor-suspend", "1".into()),
        ("control/shutdown", String::new()),
        ("store/port", "1".into()),
        ("store/ring-ref", store_mfn(domid).to_string()),
        ("console/port", "2".into()),
        ("console/ring-ref", console_mfn(domid).to_string()),
        ("console/limit", "1048576".into()),
        ("console/type", if config.image_kind == "hvm" { "ioemu" } else { "xenconsoled" }.into()),
    ] {
        nodes.put(&format!("{base}/{key}"), &text);
    }
    for vcpu in 0..config.vcpus {
        let word = if config.vcpu_avail >> vcpu & 1 == 1 { "online" } else { "offline" };
        nodes.put(&format!("{base}/cpu/{vcpu}/availability"), word);
    }
    if config.image_kind == "hvm" {
        nodes.put(&format!("{base}/image/device-model-pid"), &(10_000 + domid).to_string());
        if value(&config.image, "serial").is_some_and(|serial| serial == "pty") {
            nodes.put(&format!("{base}/serial/0/tty"), &format!("/dev/pts/{}", 1000 + domid));
        }
    }
    if habits.looks.live_devices >= LiveDevices::Bootable {
        let console = Device { kind: "console".into(), fields: Vec::new(), id: Some(0) };
        write_device(domid, config, &console, habits, &mut nodes);
    }
    for device in &config.devices {
        write_device(domid, config, device, habits, &mut nodes);
    }
}

/// Gives each device its number. A disk's is made of its name, the others are counted by kind.
pub(super) fn number_devices(devices: &mut [Device]) {
    let mut counts = std::collections::BTreeMap::new();
    for device in devices {
        let count: &mut u32 = counts.entry(device.kind.clone()).or_default();
        let id = match device.kind.as_str() {
            "vbd" | "tap" | "tap2" => disk_number(value(&device.fields, "dev").unwrap_or_default()),
            // A configured console is not the first one.
            "console" => *count + 1,
            _ => *count,
        };
        // One that was added later has the next number, whatever has gone since.
        let id = device.id.unwrap_or(id);
        *count = if matches!(device.kind.as_str(), "vbd" | "tap" | "tap2" | "console") {
            *count + 1
        } else {
            id + 1
        };
        device.id = Some(id);
    }
}

/// The folder of a device's frontend. That of every kind of disk is vbd.
pub(super) fn frontend(domid: DomId, device: &Device) -> String {
    let kind = match device.kind.as_str() {
        "tap" | "tap2" => "vbd",
        kind => kind,
    };
    format!("/local/domain/{domid}/device/{kind}/{}", device.id.unwrap_or_default())
}

fn backend(domid: DomId, device: &Device) -> String {
    let kind = if device.kind == "tap2" { "tap" } else { &device.kind };
    format!("/local/domain/0/backend/{kind}/{domid}/{}", device.id.unwrap_or_default())
}

/// Makes the nodes of a device that comes to a running domain.
pub(super) fn attach(domid: DomId, config: &Config, device: &Device, habits: &Habits, store: &mut Xenstored) {
    let is_up = is_connected(domid, store);
    write_device(domid, config, device, habits, &mut Nodes { store, perms: None });
    if is_up {
        for end in [frontend(domid, device), backend(domid, device)] {
            put(store, &format!("{end}/state"), "4");
        }
    }
}

/// Another disc in a drive.
pub(super) fn write_disc(domid: DomId, device: &Device, store: &mut Xenstored) {
    let (kind, params) =
        value(&device.fields, "uname").and_then(|uname| uname.split_once(':')).unwrap_or_default();
    for (key, text) in [("type", kind), ("params", params)] {
        put(store, &format!("{}/{key}", backend(domid, device)), text);
    }
}

/// Removes the nodes of a device.
pub(super) fn detach(domid: DomId, device: &Device, store: &mut Xenstored) {
    remove(store, &frontend(domid, device));
    remove(store, &backend(domid, device));
}

/// Whether the guest has drivers and they run: all that it has is connected.
pub(super) fn is_connected(domid: DomId, store: &mut Xenstored) -> bool {
    let devices = format!("/local/domain/{domid}/device");
    let mut states = Vec::new();
    for kind in store.directory(0, &devices).unwrap_or_default() {
        for id in store.directory(0, &format!("{devices}/{kind}")).unwrap_or_default() {
            states.push(store.read(0, &format!("{devices}/{kind}/{id}/state")).unwrap_or_default());
        }
    }
    states.iter().all(|state| state == b"4")
}

/// Whether a file is said not to be there: what is below `/nonexistent`. Every other one is there.
pub(super) fn is_missing(path: &str) -> bool {
    path == "/nonexistent" || path.starts_with("/nonexistent/")
}

/// Both ends of a device: its own keys, and the paths by which they find each other. The script has done its work.
fn write_device(domid: DomId, config: &Config, device: &Device, habits: &Habits, nodes: &mut Nodes<'_>) {
    let guest = domid as u16;
    let id = device.id.unwrap_or_default();
    let looks = habits.looks.live_devices;
    let field = |key: &str| value(&device.fields, key).unwrap_or_default().to_owned();
    let dev = field("dev");
    let dev = dev.strip_prefix("ioemu:").unwrap_or(&dev);
    let (dev, role) = dev.split_once(':').unwrap_or((dev, "disk"));
    let (front, back) = (frontend(domid, device), backend(domid, device));
    let mut frontend: Vec<(&str, String)> = Vec::new();
    if looks >= LiveDevices::Protocol {
        frontend.push(("protocol", "x86_64-abi".into()));
    }
    let mut backend: Vec<(&str, String)> = vec![("domain", config.name.clone())];
    match device.kind.as_str() {
        "vbd" | "tap" | "tap2" => {
            let uname = field("uname");
            let (kind, params) = uname.split_once(':').unwrap_or(("phy", &uname));
            frontend.push(("virtual-device", id.to_string()));
            if looks >= LiveDevices::Typed {
                frontend.push(("device-type", role.to_owned()));
            }
            backend.extend([
                ("type", kind.to_owned()),
                ("params", params.to_owned()),
                ("dev", dev.to_owned()),
                ("mode", field("mode")),
                ("bootable", field("bootable")),
                ("uuid", field("uuid")),
                ("hotplug-status", "connected".into()),
            ]);
        }
        "vif" => {
            frontend.extend([("handle", id.to_string()), ("mac", field("mac"))]);
            backend.extend([("handle", id.to_string()), ("uuid", field("uuid"))]);
            for key in ["mac", "bridge", "ip", "vifname", "rate", "model", "type"] {
                if value(&device.fields, key).is_some() {
                    backend.push((key, field(key)));
                }
            }
            let script = match field("script") {
                script if script.is_empty() => "/etc/xen/scripts/vif-bridge".into(),
                script if script.starts_with('/') => script,
                script => format!("/etc/xen/scripts/{script}"),
            };
            backend.extend([("script", script), ("hotplug-status", "connected".into())]);
        }
        "vfb" => {
            for key in ["vnc", "sdl", "vncunused", "vncdisplay", "vnclisten", "vncpasswd", "keymap", "opengl"]
            {
                if value(&device.fields, key).is_some() {
                    backend.push((key, field(key)));
                }
            }
            if field("vnc") == "1" {
                // An unused display is asked for: the domid is unused by others.
                let display = field("vncdisplay").parse().unwrap_or(domid);
                let listen = match field("vnclisten") {
                    listen if listen.is_empty() => "127.0.0.1".to_owned(),
                    listen => listen,
                };
                let port = 5900u32.saturating_add(display);
                backend.push(("location", format!("{listen}:{port}")));
                nodes.put(&format!("/local/domain/{domid}/console/vnc-port"), &port.to_string());
            }
        }
        "console" => backend.extend([("protocol", "vt100".into()), ("location", "2".into())]),
        _ => {}
    }
    // A backend that is ready waits in state 2; the frontend starts in 1.
    frontend.extend([("state", "1".into()), ("backend-id", "0".into()), ("backend", back.clone())]);
    backend.extend([
        ("frontend", front.clone()),
        ("frontend-id", domid.to_string()),
        ("online", "1".into()),
        ("state", "2".into()),
    ]);
    nodes.folder(&back, [Permission::none(0), Permission::read(guest)]);
    for (key, text) in backend {
        nodes.put(&format!("{back}/{key}"), &text);
    }
    nodes.folder(&front, [Permission::none(guest), Permission::read(0)]);
    for (key, text) in frontend {
        nodes.put(&format!("{front}/{key}"), &text);
    }
}

pub(super) fn store_mfn(domid: DomId) -> u64 {
    0x7_0000 + 2 * u64::from(domid)
}

pub(super) fn console_mfn(domid: DomId) -> u64 {
    store_mfn(domid) + 1
}

/// A disk's number by its name: `xvda` is 51712, `hda1` 769, `sdb` 2064. A number stands for itself.
pub(in crate::sim) fn disk_number(dev: &str) -> u32 {
    let dev = dev.strip_prefix("ioemu:").unwrap_or(dev);
    let name = dev.split(':').next().unwrap_or_default();
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let part: u32 = name.get(letters.len()..).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let disk = |prefix: &str| {
        let mut letters = letters.strip_prefix(prefix)?.bytes();
        // a to z, then aa and on.
        let number = letters.try_fold(0u32, |number, byte| {
            let digit = byte.is_ascii_lowercase().then(|| u32::from(byte - b'a') + 1)?;
            number.checked_mul(26)?.checked_add(digit)
        });
        number?.checked_sub(1).filter(|disk| *disk < 1 << 20)
    };
    if let Some(disk) = disk("xvd") {
        return if disk < 16 && part < 16 {
            202 << 8 | disk << 4 | part
        } else {
            1 << 28 | disk << 8 | (part & 0xff)
        };
    }
    if let Some(disk @ 0..4) = disk("hd") {
        return (if disk < 2 { 3 } else { 22 }) << 8 | (disk & 1) << 6 | (part & 63);
    }
    if let Some(disk @ 0..16) = disk("sd") {
        return 8 << 8 | disk << 4 | (part & 15);
    }
    name.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_have_the_numbers_that_linux_gave_them() {
        for (dev, number) in [
            ("xvda", 51712),
            ("xvdb:disk", 51728),
            ("xvda1", 51713),
            ("xvdq", 1 << 28 | 16 << 8),
            ("hda", 768),
            ("hdc:cdrom", 22 << 8),
            ("ioemu:hda", 768),
            ("sda", 2048),
            ("sda1", 2049),
            ("51712", 51712),
            ("", 0),
        ] {
            assert_eq!(disk_number(dev), number, "{dev}");
        }
    }
}

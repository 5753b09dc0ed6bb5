//! Lines -> the model.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::syntax::{Line, lines, number};
use super::{MAX_TEXT, write};
use crate::format::chardev::{from_words, to_words};
use crate::format::error::shown;
use crate::format::problem::Sink;
use crate::model::guest::{
    Arguments, BootDevice, CharDevice, ClockOffset, Disk, DiskDevice, Graphics, Interface, InterfaceKind,
    Lifecycle, Loader, PciAddress, PciDevice,
};
use crate::model::identity::check_name;
use crate::model::{Guest, GuestType, Uuid};

/// More memory than any machine can address (2^53 bytes), in MiB.
const MAX_MEMORY_MIB: i64 = 1 << 33;
/// More vcpus than any Xen has given a guest.
const MAX_VCPUS: i64 = 4096;
/// The highest number of a network interface.
const MAX_NIC: i64 = 32;
/// TCP port of VNC's display 0.
const VNC_PORT: u16 = 5900;
/// What a serial port can be.
const SERIAL: &str = "pty, a device, or tcp:IP:PORT";
/// Keys that say one more with each line.
const LISTS: [&str; 5] = ["disk", "nic", "pci", "cpuid", "extra-hvm"];

/// What a key takes that has no place in the model, and the value that changes nothing.
enum Kind {
    Bool(Option<bool>),
    Int(Option<i64>),
    Text,
}

/// Keys without a place in the model, and what they are about.
const WITHOUT_PLACE: [(&str, Kind, &str); 19] = [
    ("paused", Kind::Bool(Some(false)), "what the monitor does when it begins"),
    ("debug", Kind::Bool(Some(false)), "the monitor's log"),
    ("verbose", Kind::Bool(Some(false)), "the monitor's log"),
    ("output", Kind::Text, "the monitor's log"),
    ("daemonize", Kind::Bool(None), "the monitor's own"),
    ("datadir", Kind::Text, "where the monitor keeps saved states"),
    ("notify", Kind::Text, "whom the monitor tells"),
    ("no_mem_check", Kind::Bool(Some(false)), "the monitor's own"),
    ("nx", Kind::Bool(None), "a bit of the processor"),
    ("smbios-pt", Kind::Bool(Some(false)), "the host's firmware tables"),
    ("smbios-oem-type-pt", Kind::Text, "the host's firmware tables"),
    ("acpi-pt", Kind::Bool(Some(false)), "the host's firmware tables"),
    ("diskinfo-pt", Kind::Bool(Some(false)), "the host's disks"),
    ("power-management", Kind::Int(None), "the host's power management"),
    ("oem-features", Kind::Int(None), "the host's firmware"),
    ("timer-mode", Kind::Int(None), "how the hypervisor gives timer interrupts"),
    ("pci-msitranslate", Kind::Int(None), "interrupts of the host's devices"),
    ("pci-power-management", Kind::Int(Some(0)), "power of the host's devices"),
    ("inject-sci", Kind::Int(Some(0)), "the host's buttons"),
];

/// The guest; what is wrong or has no place is put into `found`.
pub(super) fn guest(text: &str, found: &mut Sink) -> Option<Guest> {
    if text.len() > MAX_TEXT {
        found.error_of_all(format!("{} bytes are more than a configuration's {MAX_TEXT}", text.len()));
        return None;
    }
    let mut reader = Reader { last: BTreeMap::new(), lists: BTreeMap::new(), found };
    for line in lines(text, reader.found) {
        let key = if line.key == "vif" { "nic" } else { line.key };
        if LISTS.contains(&key) {
            reader.lists.entry(key).or_default().push(line);
        } else {
            reader.last.insert(key, line);
        }
    }
    let guest = reader.guest();
    reader.rest();
    Some(guest)
}

struct Reader<'a, 's> {
    /// The last line of each key, until it is taken.
    last: BTreeMap<&'a str, Line<'a>>,
    lists: BTreeMap<&'a str, Vec<Line<'a>>>,
    found: &'s mut Sink,
}

impl<'a> Reader<'a, '_> {
    fn guest(&mut self) -> Guest {
        let has_uuid = self.last.get("uuid").is_some_and(|line| !line.value.is_empty());
        let uuid = self.uuid();
        // Where that is wrong, which was said, what speaks for one kind decides what else is complained about.
        let is_wrong = self.last.get("hvm").is_some_and(|line| boolean(line.value).is_none());
        let is_hvm = self.flag("hvm").unwrap_or(is_wrong && !self.last.contains_key("kernel"));
        let mut guest = Guest { name: self.name(uuid, has_uuid), uuid, ..Guest::default() };
        guest.os.kind = if is_hvm { GuestType::Hvm } else { GuestType::Pv };
        let memory = self.integer("memory", "a number of MiB that a guest can have", 1..=MAX_MEMORY_MIB);
        match memory {
            Taken::Is(mib) => guest.memory_kib = mib.unsigned_abs() * 1024,
            Taken::Missing => self.found.error_of_all("the key 'memory' is missing: expected memory = MIB"),
            Taken::Wrong => {}
        }
        guest.max_memory_kib = guest.memory_kib;
        if let Taken::Is(count) = self.integer("vcpus", "1 to 4096", 1..=MAX_VCPUS) {
            guest.vcpus.max = u32::try_from(count).unwrap_or(1);
        }
        self.os(&mut guest);
        // `on_restart` is the older version's word, and counts where both are there.
        for key in ["on_halt", "on_reboot", "on_restart", "on_crash"] {
            let Some(line) = self.take(key) else { continue };
            let action = match key {
                "on_halt" => &mut guest.on_poweroff,
                "on_crash" => &mut guest.on_crash,
                _ => &mut guest.on_reboot,
            };
            self.lifecycle(&line, action);
        }
        let features = &mut guest.features;
        for (key, feature) in [
            ("pae", &mut features.pae),
            ("acpi", &mut features.acpi),
            ("apic", &mut features.apic),
            ("viridian", &mut features.viridian),
        ] {
            *feature = self.flag(key).unwrap_or(false);
        }
        if let Some(line) = self.take_said("timeoffset") {
            match number(line.value) {
                Some(seconds) => guest.clock.offset = ClockOffset::Seconds(seconds),
                None => self.wrong(&line, "a number of seconds"),
            }
        }
        self.disks(&mut guest);
        self.nics(&mut guest);
        self.pci(&mut guest);
        self.serial(&mut guest);
        self.screen(&mut guest);
        self.startup();
        self.extra(&mut guest);
        guest
    }

    /// Takes the line of a key.
    fn take(&mut self, key: &str) -> Option<Line<'a>> {
        self.last.remove(key)
    }

    /// Takes the line of a key that says something.
    fn take_said(&mut self, key: &str) -> Option<Line<'a>> {
        self.take(key).filter(|line| !line.value.is_empty())
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.take_said(key).map(|line| line.value.to_owned())
    }

    fn wrong(&mut self, line: &Line<'a>, expected: &str) {
        let message = format!("{} = '{}': expected {expected}", shown(line.key), shown(line.value));
        self.found.error(line.value_at.clone(), message);
    }

    /// What has no place in the model.
    fn left(&mut self, what: impl AsRef<str>, at: Range<usize>, about: &str) {
        self.found.warning(at, format!("'{}' has no place in a guest's description: {about}", what.as_ref()));
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        let line = self.take(key)?;
        let value = boolean(line.value);
        if value.is_none() {
            self.wrong(&line, "true or false");
        }
        value
    }

    fn integer(&mut self, key: &str, expected: &str, range: std::ops::RangeInclusive<i64>) -> Taken {
        let Some(line) = self.take(key) else { return Taken::Missing };
        match number(line.value) {
            Some(number) if range.contains(&number) => Taken::Is(number),
            _ => {
                self.wrong(&line, expected);
                Taken::Wrong
            }
        }
    }

    fn uuid(&mut self) -> Option<Uuid> {
        let line = self.take_said("uuid")?;
        match Uuid::try_parse(line.value) {
            Ok(uuid) if line.value.len() == 36 && !uuid.is_nil() => Some(uuid),
            Ok(uuid) if uuid.is_nil() => {
                self.wrong(&line, "another one: all zeroes is Domain-0's");
                None
            }
            _ => {
                self.wrong(&line, "a uuid of 36 characters, such as 00000000-0000-0000-0000-000000000001");
                None
            }
        }
    }

    fn name(&mut self, uuid: Option<Uuid>, has_uuid: bool) -> String {
        match (self.take_said("name"), uuid) {
            (Some(line), _) => {
                if let Err(why) = check_name(line.value) {
                    self.found.error(line.value_at, why);
                }
                line.value.to_owned()
            }
            (None, Some(uuid)) => format!("vm-{uuid}"),
            // It is wrong, which was said.
            (None, None) if has_uuid => String::new(),
            (None, None) => {
                self.found.error_of_all(
                    "the guest has neither a name nor a uuid: expected name = NAME or uuid = UUID",
                );
                String::new()
            }
        }
    }

    fn os(&mut self, guest: &mut Guest) {
        let kernel = self.text("kernel");
        if !guest.is_hvm() {
            if kernel.is_none() {
                self.found.error_of_all("the key 'kernel' is missing: a PV guest needs one");
            }
            guest.os.kernel = kernel;
            guest.os.initrd = self.text("initrd");
            guest.os.cmdline = self.text("cmdline");
            if let Some(line) = self.take_said("boot") {
                self.left("boot", line.key_at, "a PV guest boots its kernel");
            }
            return;
        }
        guest.os.loader = kernel.map(Loader::rom);
        for key in ["initrd", "cmdline"] {
            if let Some(line) = self.take_said(key) {
                self.left(key, line.key_at, "an HVM guest boots by its firmware");
            }
        }
        let Some(line) = self.take_said("boot") else { return };
        for letter in line.value.chars() {
            let device = match letter {
                'a' => BootDevice::Floppy,
                'c' => BootDevice::HardDisk,
                'd' => BootDevice::Cdrom,
                'n' => BootDevice::Network,
                _ => return self.wrong(&line, "letters of a (floppy), c (disk), d (CD-ROM), n (network)"),
            };
            if guest.os.boot.contains(&device) {
                return self.wrong(&line, "each letter once");
            }
            guest.os.boot.push(device);
        }
    }

    fn lifecycle(&mut self, line: &Line<'a>, action: &mut Lifecycle) {
        *action = match line.value {
            "destroy" => Lifecycle::Destroy,
            // `reboot` is the README's word.
            "restart" | "reboot" => Lifecycle::Restart,
            "preserve" => Lifecycle::Preserve,
            _ => return self.wrong(line, "destroy, restart or preserve"),
        };
    }

    fn disks(&mut self, guest: &mut Guest) {
        let mut targets = BTreeSet::new();
        for line in self.lists.remove("disk").unwrap_or_default() {
            let Some(disk) = self.disk(&line) else { continue };
            if !targets.insert(disk.target.clone()) {
                let message = format!("disk: the name {} is taken by another disk", shown(&disk.target));
                self.found.error(line.value_at, message);
                continue;
            }
            guest.disks.push(disk);
        }
    }

    /// `physpath:phystype:virtpath:mode:devtype`, and more behind it in the newer version.
    fn disk(&mut self, line: &Line<'a>) -> Option<Disk> {
        let mut words = line.value.split(':');
        let parts: [Option<&str>; 5] = std::array::from_fn(|_| words.next());
        let [Some(path), Some(kind), Some(target), Some(mode), Some(device)] = parts else {
            self.wrong(line, "physpath:phystype:virtpath:mode:devtype");
            return None;
        };
        let Some((kind, driver, format)) = write::disk_kind(kind) else {
            self.wrong(
                line,
                "a phystype (the second part) of phy, file, qcow, vhd or aio; a path cannot hold a ':'",
            );
            return None;
        };
        if !is_target(target) {
            self.wrong(line, "a virtpath (the third part) such as hda, sda or xvda");
            return None;
        }
        let readonly = match mode {
            "r" => true,
            "w" => false,
            _ => {
                self.wrong(line, "a mode (the fourth part) of r or w");
                return None;
            }
        };
        let device = match device {
            "disk" => DiskDevice::Disk,
            "cdrom" => DiskDevice::Cdrom,
            _ => {
                self.wrong(line, "a devtype (the fifth part) of disk or cdrom");
                return None;
            }
        };
        if path.is_empty() && device == DiskDevice::Disk {
            self.wrong(line, "a path (the first part); only a cdrom can be empty");
            return None;
        }
        for word in words.filter(|word| !word.is_empty() && *word != "none") {
            let what = format!("disk ({})", shown(word.split('=').next().unwrap_or(word)));
            self.left(what, line.value_at.clone(), "encryption, snapshots and backends of disks");
        }
        Some(Disk {
            device,
            kind,
            source: (!path.is_empty()).then(|| path.to_owned()),
            driver: driver.map(str::to_owned),
            format: format.map(str::to_owned),
            target: target.to_owned(),
            readonly,
            ..Disk::default()
        })
    }

    /// `key=value,...`, which can be empty.
    fn nics(&mut self, guest: &mut Guest) {
        let mut numbered = BTreeMap::new();
        let mut unnumbered = Vec::new();
        for line in self.lists.remove("nic").unwrap_or_default() {
            let (mut interface, mut id) = (Interface::default(), None);
            let mut is_good = true;
            for word in line.value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                let (key, value) = word.split_once('=').unwrap_or((word, ""));
                match (key.trim(), value.trim()) {
                    (_, "") => {}
                    ("bridge", bridge) if !write::is_word(bridge) => {
                        self.wrong(&line, "a bridge's name without blanks");
                        is_good = false;
                    }
                    ("bridge", bridge) => interface.kind = InterfaceKind::Bridge(Some(bridge.to_owned())),
                    ("mac", "vm") => self.left(
                        "nic (mac=vm)",
                        line.value_at.clone(),
                        "an address that is made of the uuid",
                    ),
                    ("mac", mac) => match mac.parse() {
                        Ok(mac) => interface.mac = Some(mac),
                        Err(()) => {
                            self.wrong(&line, "a mac of six pairs of hexadecimal digits");
                            is_good = false;
                        }
                    },
                    ("id", text) => match number(text).filter(|id| (0..=MAX_NIC).contains(id)) {
                        Some(number) => id = Some(number),
                        None => {
                            self.wrong(&line, "an id of 0 to 32");
                            is_good = false;
                        }
                    },
                    (other, _) => {
                        self.left(
                            format!("nic ({})", shown(other)),
                            line.value_at.clone(),
                            "only bridge, mac and id have",
                        );
                    }
                }
            }
            match id {
                _ if !is_good => {}
                None => unnumbered.push((interface, line)),
                Some(id) => {
                    if numbered.insert(id, (interface, line.clone())).is_some() {
                        self.wrong(&line, "an id that no other has");
                    }
                }
            }
        }
        // xenvm gives the others the lowest numbers that are free.
        let mut next = 0;
        for (interface, line) in unnumbered {
            while numbered.contains_key(&next) {
                next += 1;
            }
            if next > MAX_NIC {
                self.found.error(line.value_at, format!("nic: more than {} of them", MAX_NIC + 1));
                break;
            }
            numbered.insert(next, (interface, line));
        }
        for (place, (id, (interface, line))) in (0..).zip(numbered) {
            if id != place {
                self.left(
                    format!("nic (id={id})"),
                    line.value_at,
                    "interfaces are numbered from 0, without a gap",
                );
            }
            guest.interfaces.push(interface);
        }
    }

    /// `ID,DDDD:BB:SS.F`, in the newer version `ID,bind,DDDD:BB:SS.F`.
    fn pci(&mut self, guest: &mut Guest) {
        let expected = "devid,domain:bus:slot.function or devid,bind,domain:bus:slot.function";
        let mut devices = Vec::new();
        let mut taken = BTreeSet::new();
        for line in self.lists.remove("pci").unwrap_or_default() {
            let words: Vec<&str> = line.value.splitn(4, ',').map(str::trim).collect();
            let (id, bind, address) = match words.as_slice() {
                [id, address] => (id, Some(false), address),
                [id, bind, address] => (id, bind_word(bind), address),
                _ => {
                    self.wrong(&line, expected);
                    continue;
                }
            };
            let (Some(id), Some(managed), Some(address)) = (number(id), bind, pci_address(address)) else {
                self.wrong(&line, expected);
                continue;
            };
            if taken.insert(address) {
                devices.push((id, PciDevice { address, managed, permissive: false }));
            } else {
                self.found
                    .error(line.value_at, format!("pci: the device {address} stands here a second time"));
            }
        }
        devices.sort_by_key(|(id, _)| *id);
        guest.pci_devices = devices.into_iter().map(|(_, device)| device).collect();
    }

    fn serial(&mut self, guest: &mut Guest) {
        let Some(line) = self.take_said("serial") else { return };
        match from_words(line.value) {
            Ok(Some(source)) if to_words(&source).is_err() => self.wrong(&line, SERIAL),
            Err(_) => self.wrong(&line, SERIAL),
            Ok(None) => {}
            Ok(Some(source)) if guest.is_hvm() => guest.serials.push(CharDevice { port: 0, source }),
            // Its console is one.
            Ok(Some(_)) if line.value == "pty" => {}
            Ok(Some(_)) => self.left("serial", line.key_at, "a PV guest has a console only"),
        }
    }

    /// The README's `display`, or the older version's `vnc` and `vnc_keymap`.
    fn screen(&mut self, guest: &mut Guest) {
        let (display, vnc, keymap) =
            (self.take_said("display"), self.take_said("vnc"), self.take_said("vnc_keymap"));
        if let (Some(_), Some(vnc)) = (&display, &vnc) {
            return self.found.error(vnc.key_at.clone(), "both 'display' and its old name 'vnc' are given");
        }
        if let Some(line) = display {
            let (kind, options) = line.value.split_once(':').unwrap_or((line.value, ""));
            match kind.trim() {
                "none" => {}
                "sdl" => guest.graphics.push(Graphics::Sdl { display: None, xauth: None }),
                "vnc" => {
                    let graphics = self.vnc(&line, options);
                    guest.graphics.extend(graphics);
                }
                "intel" => self.left("display = intel", line.value_at, "the host's own graphics card"),
                _ => self.wrong(&line, "none, vnc, sdl or intel"),
            }
        }
        // 0 is what every guest has that says nothing.
        if let Some(line) = vnc.filter(|line| line.value != "0") {
            let port = number(line.value).and_then(|number| u16::try_from(number).ok()).and_then(|number| {
                if number < VNC_PORT { number.checked_add(VNC_PORT) } else { Some(number) }
            });
            match port {
                Some(port) => guest.graphics.push(Graphics::Vnc {
                    port: Some(port),
                    listen: None,
                    password: None,
                    keymap: None,
                }),
                None => self.wrong(&line, "a display's number or a TCP port"),
            }
        }
        let Some(line) = keymap else { return };
        if !write::is_word(line.value) {
            return self.wrong(&line, "a keymap such as de");
        }
        match guest.graphics.first_mut() {
            Some(Graphics::Vnc { keymap, .. }) => *keymap = Some(line.value.to_owned()),
            _ if line.value == "en-us" => {}
            _ => self.left("vnc_keymap", line.key_at, "the guest has no VNC screen"),
        }
    }

    /// `use-port-unused,keymap=de,port=5901`
    fn vnc(&mut self, line: &Line<'a>, options: &str) -> Option<Graphics> {
        let (mut port, mut keymap, mut unused) = (None, None, false);
        for word in options.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word.split_once('=').unwrap_or((word, "")) {
                ("use-port-unused", "" | "true" | "1") => unused = true,
                ("use-port-unused", "false" | "0") => unused = false,
                ("keymap", map) if write::is_word(map) => keymap = Some(map.to_owned()),
                ("port", text) => match number(text).and_then(|port| u16::try_from(port).ok()) {
                    Some(number) if number > 0 => port = Some(number),
                    _ => {
                        self.wrong(line, "a port of 1 to 65535");
                        return None;
                    }
                },
                _ => {
                    self.wrong(line, "the options use-port-unused, keymap= and port=");
                    return None;
                }
            }
        }
        Some(Graphics::Vnc { port: port.filter(|_| !unused), listen: None, password: None, keymap })
    }

    /// Each is an argument of the device model, `-k` or `-k v`.
    fn extra(&mut self, guest: &mut Guest) {
        let mut words = Vec::new();
        for line in self.lists.remove("extra-hvm").unwrap_or_default() {
            let (key, value) = line.value.split_once('=').unwrap_or((line.value, ""));
            if !write::is_word(key) || value.starts_with('-') || value != value.trim_matches([' ', '\t']) {
                self.wrong(&line, "KEY or KEY=VALUE");
            } else if guest.is_hvm() {
                words.push(format!("-{key}"));
                words.extend((!value.is_empty()).then(|| value.to_owned()));
            } else {
                self.left("extra-hvm", line.key_at, "a PV guest has no device model of this kind");
            }
        }
        guest.arguments = (!words.is_empty()).then_some(Arguments { of_qemu: false, words });
    }

    fn startup(&mut self) {
        let Some(line) = self.take_said("startup") else { return };
        match line.value.split([' ', '\t']).next() {
            Some("started" | "start") => {}
            Some("paused" | "shutdown" | "poweroff" | "restore") => {
                self.left("startup", line.value_at, "it says what the monitor does when it begins");
            }
            _ => self.wrong(&line, "started, paused, shutdown or restore FILE"),
        }
    }

    /// Keys that nothing above took.
    fn rest(&mut self) {
        for (key, kind, about) in WITHOUT_PLACE {
            let Some(line) = self.take_said(key) else { continue };
            let is_usual = match kind {
                Kind::Text => false,
                Kind::Bool(usual) => match boolean(line.value) {
                    None => {
                        self.wrong(&line, "true or false");
                        continue;
                    }
                    value => value == usual,
                },
                Kind::Int(usual) => match number(line.value) {
                    None => {
                        self.wrong(&line, "a number");
                        continue;
                    }
                    value => value == usual,
                },
            };
            if !is_usual {
                self.left(key, line.key_at, about);
            }
        }
        for line in self.lists.remove("cpuid").unwrap_or_default() {
            self.left(format!("cpuid = {}", shown(line.value)), line.key_at, "bits of the processor");
        }
        for (key, line) in std::mem::take(&mut self.last) {
            let what = match key {
                "" => "a key is missing before '='".to_owned(),
                _ => format!("the key '{}' is not known: xenvm refuses it as well", shown(key)),
            };
            self.found.error(line.key_at, what);
        }
    }
}

/// What became of a key.
enum Taken {
    Missing,
    /// It was there and wrong, which was said.
    Wrong,
    Is(i64),
}

fn boolean(word: &str) -> Option<bool> {
    match word {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The README names this field and not its values.
fn bind_word(word: &str) -> Option<bool> {
    match word {
        "bind" | "1" => Some(true),
        "" | "0" => Some(false),
        _ => boolean(word),
    }
}

/// `hda`, `sdaa`, `xvdp1`.
pub(super) fn is_target(name: &str) -> bool {
    let rest = ["hd", "sd", "xvd"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or_default();
    let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    !letters.is_empty() && letters.len() <= 3 && letters.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// `0000:01:13.0`
fn pci_address(text: &str) -> Option<PciAddress> {
    let (place, function) = text.split_once('.')?;
    let mut parts = place.splitn(3, ':');
    let (domain, bus, slot) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |digits: &str| format!("0x{digits}");
    PciAddress::from_parts(&hex(domain), &hex(bus), &hex(slot), &hex(function))
}

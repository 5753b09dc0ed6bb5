//! A domain's configuration as xend keeps it: what it takes from `(vm ...)`, what it refuses and what it adds. The words of the
//! refusals and the order of the checks were recorded from real xends. How it gives a configuration back is in
//! [`looks`](super::looks).

use super::checks::{INVALID_MEMORY, check_memory, check_name, cpus, python_int, uuid_words};
use super::devices::same_device;
use super::habits::{Habits, ImageLooks, KeptDevices, LiveDevices, MemoryRules};
use super::life::is_missing;
use crate::model::Uuid;
use crate::wire::sexpr::{Sexpr, python_repr};

/// A configuration that passed xend's checks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) uuid: Uuid,
    pub(super) name: String,
    /// MiB.
    pub(super) memory: u64,
    /// MiB.
    pub(super) maxmem: u64,
    pub(super) vcpus: u32,
    /// Bit N: vcpu N is online.
    pub(super) vcpu_avail: u128,
    /// Of each vcpu the processors that it may use; none is any.
    pub(super) cpus: Vec<Vec<u32>>,
    /// Xen 3.3 took a list of processors as text, which no domain starts with.
    pub(super) cpus_are_text: bool,
    pub(super) on_poweroff: String,
    pub(super) on_reboot: String,
    pub(super) on_crash: String,
    /// The keys that xend keeps and gives back without acting on them here.
    kept: Vec<(&'static str, String)>,
    /// `linux` or `hvm`.
    pub(super) image_kind: String,
    /// What the image says.
    pub(super) image: Vec<Sexpr>,
    pub(super) devices: Vec<Device>,
}

/// A device as the configuration has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Device {
    /// `vbd`, `vif`, ...
    pub(super) kind: String,
    pub(super) fields: Vec<Sexpr>,
    /// Its number, once it had one: in a life, or in the last.
    pub(super) id: Option<u32>,
}

/// Who wrote a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// A client: it is checked.
    Client,
    /// xend itself, into its folder or a saved domain's file. It was checked before.
    Itself,
}

/// xend's word for word.
pub(super) type Refusal = String;

/// The keys of [`Config::kept`] and their values where the configuration has none.
pub(super) const KEPT: [(&str, &str); 10] = [
    ("cpu_weight", "256"),
    ("cpu_cap", "0"),
    ("bootloader", ""),
    ("bootloader_args", ""),
    ("description", ""),
    ("shadow_memory", "0"),
    ("features", ""),
    ("localtime", "0"),
    ("on_xend_start", "ignore"),
    ("on_xend_stop", "ignore"),
];

/// What xend does when a domain ends; the last two only for a crash, and not before 3.3.
const POLICIES: [&str; 6] =
    ["destroy", "restart", "preserve", "rename-restart", "coredump-destroy", "coredump-restart"];

/// HVM_MAX_VCPUS; the masks here have as many bits. The hypervisor refuses more with EINVAL, which xend hands on as it is.
const MOST_VCPUS: u32 = 128;

const DEVICE_KINDS: [&str; 11] =
    ["vif", "vbd", "vkbd", "vfb", "tap", "tap2", "pci", "vtpm", "vscsi", "console", "usb"];

impl Config {
    /// Reads `(vm ...)`, by the rules of that age. The uuid and MAC addresses that it does not name are made up.
    pub(super) fn from_sexpr(vm: &Sexpr, habits: &Habits, from: Writer) -> Result<Config, Refusal> {
        let number = |key: &str| vm.value(key).map(python_int).transpose();
        let is_checked = from == Writer::Client;
        if is_checked && habits.format == 4 && vm.as_list().is_some_and(<[Sexpr]>::is_empty) {
            // An empty list is not looked into.
            check_memory(0, 0)?;
        }
        let vcpus = match number("vcpus")? {
            None if habits.needs_vcpus => return Err("'vcpus'".into()),
            None => 1,
            Some(vcpus) => vcpus,
        };
        let name = match (vm.value("name"), habits.manages) {
            (Some(name), _) => name,
            (None, true) => "Domain-Unnamed",
            (None, false) => return Err("%d format: a number is required, not NoneType".into()),
        };
        if is_checked {
            check_name(name, habits)?;
        }
        let uuid = match vm.value("uuid") {
            None => Uuid::new_v4(),
            Some(text) => Uuid::try_parse(text).map_err(|_| uuid_words(text))?,
        };
        let memory = number("memory")?.unwrap_or(0);
        let maxmem = number("maxmem")?.unwrap_or(memory);
        if is_checked {
            match habits.memory {
                MemoryRules::Anything | MemoryRules::Positive if memory <= 0 => {
                    return Err(INVALID_MEMORY.into());
                }
                MemoryRules::Anything | MemoryRules::Positive => {}
                MemoryRules::PositiveThenBounded | MemoryRules::Bounded => check_memory(memory, maxmem)?,
            }
        }
        let (memory, maxmem) = (memory.unsigned_abs(), maxmem.unsigned_abs());
        let vcpus = u32::try_from(vcpus).ok().filter(|vcpus| *vcpus > 0 || !is_checked);
        let vcpus = vcpus.ok_or("Zero or less VCPUs is invalid")?;
        if vcpus > MOST_VCPUS {
            return Err("(22, 'Invalid argument')".into());
        }
        // 3.0.4 makes it anew, whatever it is told.
        let told = (habits.format != 3 || !is_checked).then(|| vm.number::<u128>("vcpu_avail")).flatten();
        let text = |key: &str, default: &str| text_or_repr(vm, key).unwrap_or_else(|| default.to_owned());
        let policies = POLICIES.get(..if habits.dumps_cores { 6 } else { 4 }).unwrap_or_default();
        let policy = |key: &str, default: &str, event: &str| match text(key, default) {
            word if policies.contains(&word.as_str()) || !is_checked => Ok(word),
            _ => Err(format!("Invalid Configuration: Invalid event handling mode: {event}")),
        };
        // Before 3.1 nothing comes of these in a configuration.
        let ignored = |key: &str| is_checked && habits.format <= 3 && matches!(key, "cpu_weight" | "cpu_cap");
        let kept = KEPT.iter().map(|(key, default)| match ignored(key) {
            true => (*key, (*default).to_owned()),
            false => (*key, text(key, default)),
        });
        let mut config = Config {
            uuid,
            name: name.to_owned(),
            memory,
            maxmem,
            vcpus,
            vcpu_avail: told.unwrap_or(mask(vcpus)),
            cpus: cpus(vm, vcpus, habits, from)?,
            cpus_are_text: false,
            on_poweroff: policy("on_poweroff", "destroy", "shutdown")?,
            on_reboot: policy("on_reboot", "restart", "reboot")?,
            on_crash: policy("on_crash", "restart", "crash")?,
            kept: kept.collect(),
            image_kind: String::new(),
            image: Vec::new(),
            devices: Vec::new(),
        };
        config.read_image(vm, habits, from)?;
        for device in vm.children("device") {
            let device = device.args().first().ok_or("Invalid Configuration: XendConfig: no device type")?;
            config.add_device(device, habits, from)?;
        }
        config.finish_image(habits);
        Ok(config)
    }

    fn read_image(&mut self, vm: &Sexpr, habits: &Habits, from: Writer) -> Result<(), Refusal> {
        let looks = habits.looks.image;
        let Some(image) = vm.child("image").and_then(|image| image.args().first()) else {
            if habits.looks.dom0_image {
                self.image_kind = "linux".into();
                self.image.push(Sexpr::pair("kernel", ""));
            }
            return Ok(());
        };
        let kind = image.name().unwrap_or_default();
        if !matches!(kind, "linux" | "hvm") {
            return Err(format!("unknown image type: {kind}"));
        }
        self.image_kind = kind.to_owned();
        let is_kept = |field: &&Sexpr| match field.name().unwrap_or_default() {
            // Known from an earlier life; xend finds them anew.
            "notes" => false,
            "loader" if looks >= ImageLooks::Appended => looks >= ImageLooks::Loader,
            name if name.starts_with("vnc") => {
                looks < ImageLooks::Joined || field.text().is_none_or(|text| !text.is_empty())
            }
            _ => true,
        };
        self.image.extend(image.args().iter().filter(is_kept).cloned());
        if looks == ImageLooks::Appended
            && let Some(localtime) = value(&self.image, "localtime").map(str::to_owned)
        {
            self.keep("localtime", &localtime);
        }
        if from == Writer::Client {
            self.join_command_line(looks);
        }
        if from == Writer::Client
            && looks >= ImageLooks::Joined
            && let Some(localtime) = vm.value("localtime")
        {
            set_default(&mut self.image, "localtime", localtime);
        }
        if kind == "hvm" {
            self.complete_hvm(habits);
        }
        Ok(())
    }

    /// What becomes of root=, ip= and args.
    fn join_command_line(&mut self, looks: ImageLooks) {
        let part = |key: &str| value(&self.image, key).map(str::to_owned);
        let root = part("root").map(|root| format!("root={root}"));
        let ip = part("ip").map(|ip| format!("ip={ip}"));
        let parts = match looks {
            ImageLooks::Given => return,
            ImageLooks::Appended => [part("args"), ip, root],
            _ => [root, ip, part("args")],
        };
        let args = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if looks > ImageLooks::Appended {
            self.image.retain(|field| !matches!(field.name(), Some("root" | "ip")));
        }
        if !args.is_empty() {
            set(&mut self.image, "args", &args);
        }
    }

    fn complete_hvm(&mut self, habits: &Habits) {
        let looks = habits.looks.image;
        if looks >= ImageLooks::Loader && value(&self.image, "loader").is_none() {
            let kernel = value(&self.image, "kernel").unwrap_or_default().to_owned();
            set(&mut self.image, "loader", &kernel);
            set(&mut self.image, "kernel", "");
        }
        let defaults: &[(&str, &str)] = match looks {
            ImageLooks::Given | ImageLooks::Appended | ImageLooks::Joined => &[],
            ImageLooks::Loader => &[("timer_mode", "0"), ("rtc_timeoffset", "0"), ("hpet", "0")],
            ImageLooks::Loader34 | ImageLooks::Loader40 => &[
                ("timer_mode", "1"),
                ("vpt_align", "1"),
                ("hpet", "0"),
                ("rtc_timeoffset", "0"),
                ("xen_platform_pci", "1"),
                ("viridian", "0"),
            ],
        };
        for (key, default) in defaults {
            set_default(&mut self.image, key, default);
        }
        if looks >= ImageLooks::Joined {
            // A host with xend has a device model, and xend finds it.
            let is_64 = habits.at_least(3, 2) && !habits.at_least(4, 0);
            let folder = if is_64 { "/usr/lib64/xen" } else { "/usr/lib/xen" };
            set_default(&mut self.image, "device_model", &format!("{folder}/bin/qemu-dm"));
        }
    }

    /// What the image only knows after the devices were read.
    fn finish_image(&mut self, habits: &Habits) {
        let has_vfb = self.devices.iter().any(|device| device.kind == "vfb");
        let wants = |key| value(&self.image, key).is_some_and(|word| word != "0");
        let looks = habits.looks.image;
        // An HVM domain's own graphics become a device.
        let becomes = match looks {
            ImageLooks::Given | ImageLooks::Appended => false,
            ImageLooks::Joined | ImageLooks::Loader => wants("vnc"),
            ImageLooks::Loader34 | ImageLooks::Loader40 => wants("vnc") || wants("sdl"),
        };
        if self.image_kind == "hvm" && !has_vfb && becomes {
            let is_its = |name: &str| match looks {
                ImageLooks::Joined => false,
                ImageLooks::Loader => {
                    matches!(name, "vncpasswd" | "vncunused" | "vncdisplay" | "vnclisten")
                }
                _ => {
                    name.starts_with("vnc")
                        || matches!(name, "sdl" | "keymap" | "display" | "xauthority" | "opengl")
                }
            };
            let fields = self.image.iter().filter(|field| is_its(field.name().unwrap_or_default()));
            let mut fields: Vec<Sexpr> = fields.cloned().collect();
            if looks == ImageLooks::Loader {
                fields.push(Sexpr::pair("type", "vnc"));
            }
            set_default(&mut fields, "uuid", &Uuid::new_v4().to_string());
            self.devices.push(Device { kind: "vfb".into(), fields, id: None });
        }
        if looks >= ImageLooks::Loader40 && !self.image_kind.is_empty() {
            for key in ["superpages", "nomigrate", "tsc_mode"] {
                set_default(&mut self.image, key, "0");
            }
        }
    }

    /// Takes a device such as `(vbd (dev xvda) ...)`.
    pub(super) fn add_device(
        &mut self,
        device: &Sexpr,
        habits: &Habits,
        from: Writer,
    ) -> Result<(), Refusal> {
        let kind = device.name().unwrap_or_default();
        if !DEVICE_KINDS.contains(&kind) || habits.no_devices.contains(&kind) {
            return Err(match habits.manages {
                true => format!("Invalid Configuration: XendConfig: {kind} not a valid device type"),
                false => format!("unknown device type: {kind}"),
            });
        }
        let mut fields: Vec<Sexpr> = device.args().to_vec();
        let id = value(&fields, "devid").and_then(|id| id.parse().ok());
        fields.retain(|field| field.name() != Some("devid"));
        let is_disk = matches!(kind, "vbd" | "tap" | "tap2");
        if is_disk && from == Writer::Client {
            self.check_disk(&fields, habits)?;
        }
        if habits.looks.kept_devices >= KeptDevices::Driver {
            set_default(&mut fields, "uuid", &Uuid::new_v4().to_string());
        }
        match kind {
            "vbd" | "tap" | "tap2" => {
                if habits.looks.kept_devices >= KeptDevices::Bootable {
                    let is_cdrom = value(&fields, "dev").is_some_and(|dev| dev.ends_with(":cdrom"));
                    let has_bootable = |other: &Device| value(&other.fields, "bootable") == Some("1");
                    let bootable = !is_cdrom && !self.devices.iter().any(has_bootable);
                    set_default(&mut fields, "bootable", if bootable { "1" } else { "0" });
                }
                if kind == "vbd" && habits.looks.kept_devices >= KeptDevices::Driver {
                    set_default(&mut fields, "driver", "paravirtualised");
                }
            }
            "vif" if habits.format == 4 => set_default(&mut fields, "mac", &random_mac()),
            "vfb" if habits.looks.image >= ImageLooks::Loader34 => {
                // `(type vnc)` is the old way to say `(vnc 1)`.
                if let Some(kind @ ("vnc" | "sdl")) = value(&fields, "type") {
                    let kind = kind.to_owned();
                    fields.retain(|field| field.name() != Some("type"));
                    set_default(&mut fields, &kind, "1");
                }
            }
            "pci" if habits.looks.live_devices >= LiveDevices::Protocol => {
                for dev in fields.iter_mut().filter(|field| field.name() == Some("dev")) {
                    complete_pci(dev, habits);
                }
            }
            _ => {}
        }
        self.devices.push(Device { kind: kind.to_owned(), fields, id });
        Ok(())
    }

    /// What xend looks at before it takes a disk.
    fn check_disk(&self, fields: &[Sexpr], habits: &Habits) -> Result<(), Refusal> {
        let dev = value(fields, "dev").unwrap_or_default();
        // The oldest xend takes what stands before the colon for a driver, and the rest for the device.
        if habits.format == 1
            && let Some((driver, rest)) = dev.split_once(':')
            && driver != "ioemu"
        {
            return Err(format!(
                "invalid literal for int() with base 10: {}",
                python_repr(&format!(":{rest}"))
            ));
        }
        let file = |fields: &[Sexpr]| {
            let (_, file) = value(fields, "uname")?.rsplit_once(':')?;
            Some(file.to_owned()).filter(|file| !file.is_empty())
        };
        if habits.checks_files
            && let Some(new) = file(fields)
            && self.devices.iter().any(|other| file(&other.fields).as_ref() == Some(&new))
        {
            return Err(format!("Invalid Configuration: The file \"{new}\" is already used"));
        }
        Ok(())
    }

    /// Whether there is something to boot. The files themselves are not looked at.
    pub(super) fn check_boots(&self, habits: &Habits) -> Result<(), Refusal> {
        let kernel = value(&self.image, "kernel").unwrap_or_default();
        if is_missing(kernel) {
            return Err(format!("Kernel image does not exist: {kernel}"));
        }
        let has_disk =
            self.devices.iter().any(|device| matches!(device.kind.as_str(), "vbd" | "tap" | "tap2"));
        if self.image_kind == "hvm" || !kernel.is_empty() || has_disk {
            return Ok(());
        }
        Err(match habits.format {
            1 | 2 => "Missing image in configuration",
            3 => "Had a bootloader specified, but can't find disk",
            _ => "Had a bootloader specified, but no disks are bootable",
        }
        .into())
    }

    /// Remembers the numbers that the devices have in a life.
    pub(super) fn take_numbers(&mut self, life: &Config) {
        for device in &mut self.devices {
            if let Some(same) = life.devices.iter().find(|other| same_device(device, other)) {
                device.id = same.id;
            }
        }
    }

    /// Changes a kept key's value.
    pub(super) fn keep(&mut self, key: &str, text: &str) {
        if let Some((_, value)) = self.kept.iter_mut().find(|(name, _)| *name == key) {
            text.clone_into(value);
        }
    }

    /// A kept key's value.
    pub(super) fn kept(&self, key: &str) -> &str {
        self.kept.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    }

    /// What Domain-0 looks like.
    pub(super) fn domain_0(name: &str, memory: u64, vcpus: u32, physical: u32, habits: &Habits) -> Config {
        let has_image = habits.looks.dom0_image;
        let mut dom0 = Config {
            uuid: Uuid::nil(),
            name: name.to_owned(),
            memory,
            maxmem: habits.looks.no_limit.unwrap_or(memory),
            vcpus,
            vcpu_avail: mask(vcpus.max(1)),
            cpus: vec![(0..physical).collect(); vcpus as usize],
            cpus_are_text: false,
            on_poweroff: "destroy".into(),
            on_reboot: "restart".into(),
            on_crash: "restart".into(),
            kept: KEPT.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
            image_kind: if has_image { "linux".into() } else { String::new() },
            image: if has_image { vec![Sexpr::pair("kernel", "")] } else { Vec::new() },
            devices: Vec::new(),
        };
        dom0.finish_image(habits);
        dom0
    }
}

/// As many ones as there are vcpus.
pub(super) fn mask(vcpus: u32) -> u128 {
    u128::MAX.checked_shr(128u32.saturating_sub(vcpus)).unwrap_or(0)
}

/// A value's text, and of a list what Python prints.
fn text_or_repr(vm: &Sexpr, key: &str) -> Option<String> {
    fn repr(value: &Sexpr) -> String {
        match value {
            Sexpr::Atom(text) => python_repr(text),
            Sexpr::List(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        }
    }
    match vm.child(key)?.args().first()? {
        Sexpr::Atom(text) => Some(text.clone()),
        list => Some(repr(list)),
    }
}

/// A PCI device's own uuid, and from 4.0 on what it is called in the guest.
fn complete_pci(dev: &mut Sexpr, habits: &Habits) {
    let number = |key: &str| {
        let text = dev.value(key).unwrap_or_default();
        u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0)
    };
    let key = format!("{:02x}:{:02x}.{:x}", number("bus"), number("slot"), number("func"));
    let Sexpr::List(fields) = dev else { return };
    set_default(fields, "uuid", &Uuid::new_v4().to_string());
    if habits.at_least(4, 0) {
        set_default(fields, "vdevfn", "0x100");
        set_default(fields, "key", &key);
    }
}

/// A field's text.
pub(super) fn value<'a>(fields: &'a [Sexpr], key: &str) -> Option<&'a str> {
    fields.iter().find(|field| field.name() == Some(key))?.text()
}

pub(super) fn set(fields: &mut Vec<Sexpr>, key: &str, text: &str) {
    let new = Sexpr::pair(key, text);
    match fields.iter_mut().find(|field| field.name() == Some(key)) {
        Some(field) => *field = new,
        None => fields.push(new),
    }
}

fn set_default(fields: &mut Vec<Sexpr>, key: &str, text: &str) {
    if value(fields, key).is_none() {
        fields.push(Sexpr::pair(key, text));
    }
}

/// An address of Xen's own prefix.
fn random_mac() -> String {
    let bytes = Uuid::new_v4();
    let [a, b, c, ..] = bytes.as_bytes();
    format!("00:16:3e:{:02x}:{b:02x}:{c:02x}", a & 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::release::{AGES, Release};
    use crate::sim::xend::looks::Shown;

    fn read(text: &str, age: &str) -> Result<Config, Refusal> {
        let habits = Habits::of(Release::of_age(age).unwrap());
        Config::from_sexpr(&Sexpr::parse_first(text.as_bytes()).unwrap(), habits, Writer::Client)
    }

    fn vm(extra: &str) -> String {
        format!("(vm (name g1) (memory 64) (vcpus 2) {extra})")
    }

    #[test]
    fn what_real_xends_refuse_is_refused_in_their_words() {
        for (text, words) in [
            ("(vm (name g1))", "'vcpus'"),
            ("(vm (vcpus 1))", "Invalid Configuration: memory_dynamic_max must be greater than zero"),
            ("(vm (vcpus 1) (memory lots))", "invalid literal for int() with base 10: 'lots'"),
            (
                "(vm (vcpus 1) (memory -5))",
                "Invalid Configuration: memory_static_min must be less than or equal to memory_static_max",
            ),
            (
                "(vm (vcpus 1) (memory 128) (maxmem 64))",
                "Invalid Configuration: memory_dynamic_max must be less than or equal to memory_static_max",
            ),
            ("(vm (name 'g 1') (memory 64) (vcpus 1))", "Invalid VM Name"),
            ("(vm (name '') (memory 64) (vcpus 1))", "Missing VM Name"),
            (
                "(vm (memory 64) (vcpus 1) (on_poweroff frob))",
                "Invalid Configuration: Invalid event handling mode: shutdown",
            ),
            (
                "(vm (memory 64) (vcpus 1) (device (frob (x 1))))",
                "Invalid Configuration: XendConfig: frob not a valid device type",
            ),
            ("(vm (memory 64) (vcpus 1) (image (frob (kernel x))))", "unknown image type: frob"),
        ] {
            assert_eq!(read(text, "4.4").unwrap_err(), words, "{text}");
        }
        let tap2 = vm("(device (tap2 (dev xvda)))");
        assert!(read(&tap2, "3.4").is_err());
        assert!(read(&tap2, "4.4").is_ok());
    }

    #[test]
    fn what_is_kept_can_be_read_again_and_stays_the_same() {
        let text = vm(
            "(cpus '0-3,^1') (on_crash preserve) (image (hvm (kernel l) (vnc 1) (vncpasswd 'a b'))) \
                       (device (vif)) (device (vbd (dev hda) (uname phy:/x))) (device (vbd (dev hdc:cdrom)))",
        );
        let keeps = |release: Release| release.at_least_point(3, 0, 4) && !release.at_least(4, 5);
        for age in AGES.iter().filter(|age| keeps(age.release)) {
            let habits = Habits::of(age.release);
            let config = read(&text, age.word).unwrap();
            assert_eq!(config.cpus, vec![vec![0, 2, 3]; 2]);
            let written = config.to_sexpr(habits, &Shown::Kept);
            let again = Config::from_sexpr(&written, habits, Writer::Itself).unwrap();
            assert_eq!(again, config, "{}: {written}", age.word);
        }
    }

    #[test]
    fn only_the_first_disk_that_is_no_cdrom_is_bootable() {
        let text = vm("(device (vbd (dev hdc:cdrom))) (device (vbd (dev hda))) (device (vbd (dev hdb)))");
        let config = read(&text, "3.4").unwrap();
        let bootable: Vec<_> = config.devices.iter().map(|d| value(&d.fields, "bootable").unwrap()).collect();
        assert_eq!(bootable, ["0", "1", "0"]);
    }

    #[test]
    fn the_command_line_is_put_together() {
        let text = vm("(image (linux (kernel /k) (root '/dev/xvda1 ro') (args quiet) (ip ':1.2.3.4')))");
        let config = read(&text, "3.4").unwrap();
        assert_eq!(value(&config.image, "args"), Some("root=/dev/xvda1 ro ip=:1.2.3.4 quiet"));
    }
}

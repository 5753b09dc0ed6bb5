//! A domain's configuration as xend keeps it: what it takes from `(vm ...)`, what it refuses, what it adds, and how it gives it
//! back as `(domain ...)`. The words of the refusals and the order of the checks were recorded from real xends.

use crate::model::Uuid;
use crate::sim::release::Release;
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
}

/// What a life adds to the configuration.
#[derive(Debug, Clone)]
pub(super) struct Life<'a> {
    pub(super) domid: u32,
    /// Seconds since 1970.
    pub(super) start_time: f64,
    /// Processor seconds and online vcpus; xend does not know them yet in its answer to create.
    pub(super) figures: Option<(f64, u32)>,
    pub(super) status: u32,
    pub(super) state: &'a str,
    pub(super) store_mfn: u64,
    pub(super) console_mfn: u64,
    pub(super) console_uuid: Uuid,
}

/// xend's word for word.
pub(super) type Refusal = String;

/// The keys of [`Config::kept`] and their values where the configuration has none.
const KEPT: [(&str, &str); 9] = [
    ("cpu_weight", "256"),
    ("cpu_cap", "0"),
    ("bootloader", ""),
    ("bootloader_args", ""),
    ("description", ""),
    ("shadow_memory", "0"),
    ("features", ""),
    ("on_xend_start", "ignore"),
    ("on_xend_stop", "ignore"),
];

/// What xend does when a domain ends; the last two only for a crash.
const POLICIES: [&str; 6] =
    ["destroy", "restart", "preserve", "rename-restart", "coredump-destroy", "coredump-restart"];

/// HVM_MAX_VCPUS; the masks here have as many bits. The hypervisor refuses more with EINVAL, which xend hands on as it is.
const MOST_VCPUS: u32 = 128;

const DEVICE_KINDS: [&str; 11] =
    ["vif", "vbd", "vkbd", "vfb", "tap", "tap2", "pci", "vtpm", "vscsi", "console", "usb"];

impl Config {
    /// Reads `(vm ...)`, by the rules of that release. The uuid and MAC addresses that it does not name are made up.
    pub(super) fn from_sexpr(vm: &Sexpr, release: Release) -> Result<Config, Refusal> {
        let number = |key: &str| vm.value(key).map(python_int).transpose();
        let vcpus = number("vcpus")?.ok_or("'vcpus'")?;
        let name = vm.value("name").unwrap_or("Domain-Unnamed");
        check_name(name, release)?;
        let uuid = match vm.value("uuid") {
            None => Uuid::new_v4(),
            Some(text) => Uuid::try_parse(text).map_err(|_| uuid_words(text))?,
        };
        let memory = number("memory")?.unwrap_or(0);
        let maxmem = number("maxmem")?.unwrap_or(memory);
        check_memory(memory, maxmem)?;
        let (memory, maxmem) = (memory.unsigned_abs(), maxmem.unsigned_abs());
        let vcpus =
            u32::try_from(vcpus).ok().filter(|vcpus| *vcpus > 0).ok_or("Zero or less VCPUs is invalid")?;
        if vcpus > MOST_VCPUS {
            return Err("(22, 'Invalid argument')".into());
        }
        let all = u128::MAX >> (128 - vcpus);
        let text = |key: &str, default: &str| vm.value(key).unwrap_or(default).to_owned();
        let policy = |key: &str, default: &str, event: &str| match text(key, default) {
            word if POLICIES.contains(&word.as_str()) => Ok(word),
            _ => Err(format!("Invalid Configuration: Invalid event handling mode: {event}")),
        };
        let mut config = Config {
            uuid,
            name: name.to_owned(),
            memory,
            maxmem,
            vcpus,
            vcpu_avail: vm.number::<u128>("vcpu_avail").map_or(all, |mask| mask & all),
            cpus: cpus(vm, vcpus)?,
            on_poweroff: policy("on_poweroff", "destroy", "shutdown")?,
            on_reboot: policy("on_reboot", "restart", "reboot")?,
            on_crash: policy("on_crash", "restart", "crash")?,
            kept: KEPT.iter().map(|(key, default)| (*key, text(key, default))).collect(),
            image_kind: "linux".into(),
            image: vec![Sexpr::pair("kernel", "")],
            devices: Vec::new(),
        };
        config.read_image(vm, release)?;
        for device in vm.children("device") {
            let device = device.args().first().ok_or("Invalid Configuration: XendConfig: no device type")?;
            config.add_device(device, release)?;
        }
        config.finish_image(release);
        Ok(config)
    }

    fn read_image(&mut self, vm: &Sexpr, release: Release) -> Result<(), Refusal> {
        let Some(image) = vm.child("image").and_then(|image| image.args().first()) else { return Ok(()) };
        let kind = image.name().unwrap_or_default();
        if !matches!(kind, "linux" | "hvm") {
            return Err(format!("unknown image type: {kind}"));
        }
        self.image_kind = kind.to_owned();
        let mut args = Vec::new();
        self.image.clear();
        for field in image.args() {
            match (field.name().unwrap_or_default(), field.text()) {
                // The kernel's command line is put together in this order, whatever order they came in.
                ("root", Some(text)) => args.push((0, format!("root={text}"))),
                ("ip", Some(text)) => args.push((1, format!("ip={text}"))),
                ("args", Some(text)) => args.push((2, text.to_owned())),
                // Known from an earlier life; xend finds them anew.
                ("notes", _) => {}
                _ => self.image.push(field.clone()),
            }
        }
        args.sort();
        if !args.is_empty() {
            let args = args.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ");
            let at = self.image.len().min(2);
            self.image.insert(at, Sexpr::pair("args", args));
        }
        if let Some(localtime) = vm.value("localtime") {
            set_default(&mut self.image, "localtime", localtime);
        }
        if kind == "hvm" {
            if value(&self.image, "loader").is_none() {
                let kernel = value(&self.image, "kernel").unwrap_or_default().to_owned();
                set(&mut self.image, "loader", &kernel);
                set(&mut self.image, "kernel", "");
            }
            let defaults = [
                ("timer_mode", "1"),
                ("vpt_align", "1"),
                ("hpet", "0"),
                ("rtc_timeoffset", "0"),
                ("xen_platform_pci", "1"),
                ("viridian", "0"),
            ];
            for (key, default) in defaults {
                set_default(&mut self.image, key, default);
            }
            // A host with xend has a device model, and xend finds it.
            let folder = if release.at_least(4, 0) { "/usr/lib/xen" } else { "/usr/lib64/xen" };
            set_default(&mut self.image, "device_model", &format!("{folder}/bin/qemu-dm"));
        }
        Ok(())
    }

    /// What the image only knows after the devices were read.
    fn finish_image(&mut self, release: Release) {
        let has_vfb = self.devices.iter().any(|device| device.kind == "vfb");
        let wants = |key| value(&self.image, key).is_some_and(|word| word != "0");
        // An HVM domain's own graphics become a device.
        if self.image_kind == "hvm" && !has_vfb && (wants("vnc") || wants("sdl")) {
            let fields = self.image.iter().filter(|field| {
                let name = field.name().unwrap_or_default();
                name.starts_with("vnc")
                    || matches!(name, "sdl" | "keymap" | "display" | "xauthority" | "opengl")
            });
            let mut fields: Vec<Sexpr> = fields.cloned().collect();
            set_default(&mut fields, "uuid", &Uuid::new_v4().to_string());
            self.devices.push(Device { kind: "vfb".into(), fields });
        }
        if release.at_least(4, 1) {
            for key in ["superpages", "nomigrate", "tsc_mode"] {
                set_default(&mut self.image, key, "0");
            }
        }
    }

    /// Takes a device such as `(vbd (dev xvda) ...)`.
    fn add_device(&mut self, device: &Sexpr, release: Release) -> Result<(), Refusal> {
        let kind = device.name().unwrap_or_default();
        if !DEVICE_KINDS.contains(&kind) || (kind == "tap2" && !release.at_least(4, 0)) {
            return Err(format!("Invalid Configuration: XendConfig: {kind} not a valid device type"));
        }
        let mut fields: Vec<Sexpr> = device.args().to_vec();
        set_default(&mut fields, "uuid", &Uuid::new_v4().to_string());
        match kind {
            "vbd" | "tap" | "tap2" => {
                let is_cdrom = value(&fields, "dev").is_some_and(|dev| dev.ends_with(":cdrom"));
                let has_bootable = |other: &Device| value(&other.fields, "bootable") == Some("1");
                let bootable = !is_cdrom && !self.devices.iter().any(has_bootable);
                set_default(&mut fields, "bootable", if bootable { "1" } else { "0" });
                if kind == "vbd" {
                    set_default(&mut fields, "driver", "paravirtualised");
                }
            }
            "vif" => set_default(&mut fields, "mac", &random_mac()),
            "vfb" => {
                // `(type vnc)` is the old way to say `(vnc 1)`.
                if let Some(kind @ ("vnc" | "sdl")) = value(&fields, "type") {
                    let kind = kind.to_owned();
                    fields.retain(|field| field.name() != Some("type"));
                    set_default(&mut fields, &kind, "1");
                }
            }
            _ => {}
        }
        self.devices.push(Device { kind: kind.to_owned(), fields });
        Ok(())
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
    pub(super) fn domain_0(memory: u64, vcpus: u32, physical: u32, release: Release) -> Config {
        let mut dom0 = Config {
            uuid: Uuid::nil(),
            name: "Domain-0".into(),
            memory,
            maxmem: 16_777_215,
            vcpus,
            vcpu_avail: u128::MAX >> (128 - vcpus.clamp(1, 128)),
            cpus: vec![(0..physical).collect(); vcpus as usize],
            on_poweroff: "destroy".into(),
            on_reboot: "restart".into(),
            on_crash: "restart".into(),
            kept: KEPT.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
            image_kind: "linux".into(),
            image: vec![Sexpr::pair("kernel", "")],
            devices: Vec::new(),
        };
        dom0.finish_image(release);
        dom0
    }

    /// `(domain ...)`, as that release writes it.
    pub(super) fn to_sexpr(&self, release: Release, life: Option<&Life<'_>>) -> Sexpr {
        let new = release.at_least(4, 1);
        let mut out = Vec::new();
        let mut put = |key: &str, value: &dyn std::fmt::Display| out.push(Sexpr::pair(key, value));
        if let Some(life) = life {
            put("domid", &life.domid);
        }
        if release.at_least(4, 0) {
            put("cpu_weight", &self.kept("cpu_weight"));
            put("cpu_cap", &self.kept("cpu_cap"));
        }
        if new {
            put("pool_name", &"Pool-0");
        }
        put("bootloader", &self.kept("bootloader"));
        put("vcpus", &self.vcpus);
        put("on_poweroff", &self.on_poweroff);
        if new && !self.uuid.is_nil() {
            put("description", &self.kept("description"));
        }
        put("on_crash", &self.on_crash);
        put("uuid", &self.uuid);
        put("bootloader_args", &self.kept("bootloader_args"));
        put("name", &self.name);
        put("on_reboot", &self.on_reboot);
        put("maxmem", &self.maxmem);
        put("memory", &self.memory);
        for key in ["shadow_memory", "features", "on_xend_start", "on_xend_stop"] {
            put(key, &self.kept(key));
        }
        put("vcpu_avail", &self.vcpu_avail);
        if let Some(life) = life {
            if life.domid != 0 {
                put("start_time", &format_args!("{:.2}", life.start_time));
            }
            if let Some((cpu_time, online)) = life.figures {
                put("cpu_time", &format_args!("{cpu_time:?}"));
                put("online_vcpus", &online);
            }
            put("status", &life.status);
            put("state", &life.state);
            if life.domid != 0 {
                put("store_mfn", &life.store_mfn);
                put("console_mfn", &life.console_mfn);
            }
        } else {
            put("status", &0);
        }
        let numbers =
            |cpus: &Vec<u32>| Sexpr::List(cpus.iter().map(|cpu| Sexpr::atom(cpu.to_string())).collect());
        out.push(Sexpr::node("cpus", [Sexpr::List(self.cpus.iter().map(numbers).collect())]));
        out.push(Sexpr::node("image", [self.image_sexpr(release, life)]));
        if let Some(life) = life.filter(|life| life.domid != 0 && life.figures.is_some()) {
            let console = [("protocol", "vt100"), ("location", "2")];
            let mut fields: Vec<Sexpr> = console.iter().map(|(key, value)| Sexpr::pair(key, value)).collect();
            fields.push(Sexpr::pair("uuid", life.console_uuid));
            out.push(Sexpr::node("device", [Sexpr::node("console", fields)]));
        }
        for device in &self.devices {
            let fields = if life.is_some() { live_fields(device, release) } else { device.fields.clone() };
            out.push(Sexpr::node("device", [Sexpr::node(&device.kind, fields)]));
        }
        Sexpr::node("domain", out)
    }

    fn image_sexpr(&self, release: Release, life: Option<&Life<'_>>) -> Sexpr {
        let mut fields = self.image.clone();
        if life.is_some_and(|life| life.domid != 0) {
            if release.at_least(4, 1) {
                fields.push(Sexpr::node("pci", [Sexpr::List(Vec::new())]));
            }
            if self.image_kind == "linux" {
                fields.push(Sexpr::node("notes", notes()));
            }
        }
        Sexpr::node(&self.image_kind, fields)
    }
}

/// Of the ELF notes that a Linux kernel has, those that tools look at.
fn notes() -> Vec<Sexpr> {
    [
        ("GUEST_OS", "linux"),
        ("GUEST_VERSION", "2.6"),
        ("XEN_VERSION", "xen-3.0"),
        ("LOADER", "generic"),
        ("PAE_MODE", "yes"),
    ]
    .map(|(key, value)| Sexpr::pair(key, value))
    .to_vec()
}

/// A device of a live domain has its backend, and full names.
fn live_fields(device: &Device, release: Release) -> Vec<Sexpr> {
    let mut fields = device.fields.clone();
    match device.kind.as_str() {
        "vif" => {
            if let Some(script) = value(&fields, "script").filter(|script| !script.starts_with('/')) {
                let script = format!("/etc/xen/scripts/{script}");
                set(&mut fields, "script", &script);
            }
        }
        "vbd" => {
            fields.retain(|field| field.name() != Some("driver"));
            fields.insert(0, Sexpr::pair("protocol", "x86_64-abi"));
            if let Some(dev) = value(&fields, "dev").filter(|dev| !dev.contains(':')) {
                let dev = format!("{dev}:disk");
                set(&mut fields, "dev", &dev);
            }
        }
        _ => return fields,
    }
    fields.push(Sexpr::pair("backend", 0));
    if device.kind == "vbd" {
        if !release.at_least(4, 0) {
            // This xend says it twice.
            let bootable = value(&fields, "bootable").unwrap_or("0").to_owned();
            fields.push(Sexpr::pair("bootable", bootable));
        }
        fields.push(Sexpr::pair("VDI", ""));
    }
    fields
}

/// A field's text.
pub(super) fn value<'a>(fields: &'a [Sexpr], key: &str) -> Option<&'a str> {
    fields.iter().find(|field| field.name() == Some(key))?.text()
}

fn set(fields: &mut Vec<Sexpr>, key: &str, text: &str) {
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

/// xend's rule for names: letters, digits and `_ - . : +`, and before 4.0 `/`.
pub(super) fn check_name(name: &str, release: Release) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err("Missing VM Name".into());
    }
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || b"_-.:+".contains(&byte) || (byte == b'/' && !release.at_least(4, 0))
    };
    if name.bytes().all(allowed) { Ok(()) } else { Err("Invalid VM Name".into()) }
}

/// xend's rules for memory and maxmem, MiB.
pub(super) fn check_memory(memory: i64, maxmem: i64) -> Result<(), Refusal> {
    let wrong = |what: &str| Err(format!("Invalid Configuration: {what}"));
    if maxmem < 0 {
        return wrong("memory_static_min must be less than or equal to memory_static_max");
    }
    if memory <= 0 {
        return wrong("memory_dynamic_max must be greater than zero");
    }
    if memory > maxmem {
        return wrong("memory_dynamic_max must be less than or equal to memory_static_max");
    }
    Ok(())
}

/// xend reads a uuid byte by byte, and complains about the first that is none.
fn uuid_words(text: &str) -> Refusal {
    let digits: Vec<char> = text.chars().filter(|c| *c != '-').collect();
    let mut pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    let wrong = pairs.find(|pair| u8::from_str_radix(pair, 16).is_err()).unwrap_or_default();
    format!("invalid literal for int() with base 16: {}", python_repr(&wrong))
}

/// What Python's int() takes.
pub(super) fn python_int(text: &str) -> Result<i64, Refusal> {
    text.trim().parse().map_err(|_| format!("invalid literal for int() with base 10: {}", python_repr(text)))
}

/// `(cpus '0-3,^1')` for all vcpus, or `(cpus ((0) (0 1)))` for each.
fn cpus(vm: &Sexpr, vcpus: u32) -> Result<Vec<Vec<u32>>, Refusal> {
    let Some(cpus) = vm.child("cpus").and_then(|cpus| cpus.args().first()) else {
        return Ok(vec![Vec::new(); vcpus as usize]);
    };
    let mut each = match cpus {
        Sexpr::Atom(text) => vec![cpu_list(text)?; vcpus as usize],
        Sexpr::List(vcpus) => vcpus
            .iter()
            .map(|vcpu| match vcpu {
                Sexpr::Atom(text) => cpu_list(text),
                Sexpr::List(cpus) => {
                    cpu_list(&cpus.iter().filter_map(Sexpr::as_atom).collect::<Vec<_>>().join(","))
                }
            })
            .collect::<Result<_, _>>()?,
    };
    each.resize(vcpus as usize, Vec::new());
    Ok(each)
}

/// `0-3,^1,7`.
fn cpu_list(text: &str) -> Result<Vec<u32>, Refusal> {
    /// More processors than any Xen of that age has.
    const MOST: i64 = 4096;
    let number = |text: &str| python_int(text).map(|number| number.clamp(0, MOST) as u32);
    let mut cpus = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(not) = part.strip_prefix('^') {
            let not = number(not)?;
            cpus.retain(|cpu| *cpu != not);
        } else if let Some((from, to)) = part.split_once('-') {
            cpus.extend(number(from)?..=number(to)?);
        } else {
            cpus.push(number(part)?);
        }
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
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

    fn read(text: &str, release: Release) -> Result<Config, Refusal> {
        Config::from_sexpr(&Sexpr::parse_first(text.as_bytes()).unwrap(), release)
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
            assert_eq!(read(text, Release::XEN_4_4).unwrap_err(), words, "{text}");
        }
        let tap2 = vm("(device (tap2 (dev xvda)))");
        assert!(read(&tap2, Release::XEN_3_4).is_err());
        assert!(read(&tap2, Release::XEN_4_4).is_ok());
    }

    #[test]
    fn what_is_kept_can_be_read_again_and_stays_the_same() {
        let text = vm(
            "(cpus '0-3,^1') (on_crash preserve) (image (hvm (kernel l) (vnc 1) (vncpasswd 'a b'))) \
                       (device (vif)) (device (vbd (dev hda) (uname phy:/x))) (device (vbd (dev hdc:cdrom)))",
        );
        for release in [Release::XEN_3_4, Release::XEN_4_1, Release::XEN_4_4] {
            let config = read(&text, release).unwrap();
            assert_eq!(config.cpus, vec![vec![0, 2, 3]; 2]);
            let written = config.to_sexpr(release, None);
            assert_eq!(Config::from_sexpr(&written, release).unwrap(), config, "{written}");
        }
    }

    #[test]
    fn only_the_first_disk_that_is_no_cdrom_is_bootable() {
        let text = vm("(device (vbd (dev hdc:cdrom))) (device (vbd (dev hda))) (device (vbd (dev hdb)))");
        let config = read(&text, Release::XEN_3_4).unwrap();
        let bootable: Vec<_> = config.devices.iter().map(|d| value(&d.fields, "bootable").unwrap()).collect();
        assert_eq!(bootable, ["0", "1", "0"]);
    }

    #[test]
    fn the_command_line_is_put_together() {
        let text = vm("(image (linux (kernel /k) (root '/dev/xvda1 ro') (args quiet) (ip ':1.2.3.4')))");
        let config = read(&text, Release::XEN_3_4).unwrap();
        assert_eq!(value(&config.image, "args"), Some("root=/dev/xvda1 ro ip=:1.2.3.4 quiet"));
    }
}

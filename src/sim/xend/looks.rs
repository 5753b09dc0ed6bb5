//! How xend gives a configuration back, as `(domain ...)`: which keys there are depends on its age, on whether the domain lives, and on
//! whether it lived before. Recorded from real xends; where a value could not be known here (the mfns, the notes) it is made up.

use super::config::{Config, Device, KEPT, set, value};
use super::habits::{Habits, ImageLooks, KeptDevices, LiveDevices};
use crate::model::Uuid;
use crate::wire::sexpr::Sexpr;

/// What is shown of a domain besides its configuration.
#[derive(Debug, Clone)]
pub(super) enum Shown<'a> {
    /// It does not run. Some: what its last life left, while xend remembers.
    Inactive(Option<&'a Past>),
    /// It lives.
    Live(Life<'a>),
    /// What xend writes for itself: everything.
    Kept,
}

/// What a life adds to the configuration.
#[derive(Debug, Clone)]
pub(super) struct Life<'a> {
    pub(super) domid: u32,
    /// Seconds since 1970, and since it began.
    pub(super) start_time: f64,
    pub(super) up_time: f64,
    /// Processor seconds and online vcpus; most xends do not know them yet in their answer to create.
    pub(super) figures: Option<(f64, u32)>,
    /// What it has, MiB.
    pub(super) memory: u64,
    pub(super) status: u32,
    pub(super) state: &'a str,
    pub(super) shutdown_reason: &'a str,
    pub(super) store_mfn: u64,
    pub(super) console_mfn: u64,
    pub(super) console_uuid: Uuid,
    /// It came here from another host, or from this one.
    pub(super) migrated: bool,
}

/// What a life left.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) start_time: f64,
    pub(super) cpu_time: f64,
    pub(super) online: u32,
    pub(super) store_mfn: u64,
    pub(super) console_mfn: u64,
    pub(super) console_uuid: Uuid,
}

impl Config {
    /// `(domain ...)`, as a xend of that age writes it.
    pub(super) fn to_sexpr(&self, habits: &Habits, shown: &Shown<'_>) -> Sexpr {
        let mut out = Vec::new();
        if let Shown::Live(life) = shown {
            out.push(Sexpr::pair("domid", life.domid));
        }
        self.put_settings(&mut out, habits, shown);
        match shown {
            Shown::Live(life) => put_life(&mut out, habits, life),
            Shown::Inactive(past) => {
                out.push(Sexpr::pair("status", 0));
                if let Some(past) = past {
                    put_past(&mut out, past);
                } else if habits.shows("online_vcpus") {
                    out.push(Sexpr::pair("online_vcpus", self.vcpus));
                }
            }
            Shown::Kept => {}
        }
        if !self.image_kind.is_empty() {
            out.push(Sexpr::node("image", [self.image_sexpr(habits, shown)]));
        }
        self.put_devices(&mut out, habits, shown);
        Sexpr::node("domain", out)
    }

    fn put_settings(&self, out: &mut Vec<Sexpr>, habits: &Habits, shown: &Shown<'_>) {
        let is_dom0 = self.uuid.is_nil();
        let everything = matches!(shown, Shown::Kept);
        let shows = |key: &str| everything || habits.shows(key);
        let mut put = |key: &str, value: &dyn std::fmt::Display| out.push(Sexpr::pair(key, value));
        put("name", &self.name);
        put("uuid", &self.uuid);
        put("vcpus", &self.vcpus);
        put("vcpu_avail", &self.vcpu_avail);
        put("on_poweroff", &self.on_poweroff);
        put("on_reboot", &self.on_reboot);
        put("on_crash", &self.on_crash);
        // The oldest ask the hypervisor, and the next ones let maxmem grow.
        let memory = match shown {
            Shown::Live(life) if habits.format <= 2 => life.memory,
            _ => self.memory,
        };
        put("memory", &memory);
        let grows = habits.format == 3 && !everything;
        put("maxmem", if grows && self.memory > self.maxmem { &self.memory } else { &self.maxmem });
        for (key, _) in KEPT {
            let has = match key {
                "localtime" | "description" => !is_dom0,
                _ => true,
            };
            if has && shows(key) {
                put(key, &self.kept(key));
            }
        }
        if habits.format <= 2 && !everything {
            put("cpu_weight", &"1.0");
        }
        for (key, text) in [("ssidref", "0"), ("pool_name", "Pool-0")] {
            if shows(key) && !everything {
                put(key, &text);
            }
        }
        if shows("memory_dynamic") && !everything {
            let has = if let Shown::Live(life) = shown { life.memory } else { self.memory };
            put("memory_dynamic_min", &has);
            put("memory_dynamic_max", &self.maxmem);
        }
        let numbers =
            |cpus: &Vec<u32>| Sexpr::List(cpus.iter().map(|cpu| Sexpr::atom(cpu.to_string())).collect());
        if shows("cpus") {
            out.push(Sexpr::node("cpus", [Sexpr::List(self.cpus.iter().map(numbers).collect())]));
        } else if habits.format == 3
            && let Some(cpus) = self.cpus.first().filter(|cpus| !cpus.is_empty() && !is_dom0)
        {
            out.push(Sexpr::node("cpus", [numbers(cpus)]));
        }
    }

    fn image_sexpr(&self, habits: &Habits, shown: &Shown<'_>) -> Sexpr {
        let mut fields = self.image.clone();
        let lived = match shown {
            Shown::Live(life) => life.domid != 0,
            Shown::Inactive(past) => past.is_some(),
            Shown::Kept => false,
        };
        // Domain-0's clock is known, too.
        let is_known = lived || matches!(shown, Shown::Live(_));
        if is_known && habits.shows("rtc_timeoffset") && self.image_kind == "linux" {
            set(&mut fields, "rtc_timeoffset", "0");
        }
        if lived && habits.looks.image >= ImageLooks::Loader40 {
            fields.push(Sexpr::node("pci", [Sexpr::List(Vec::new())]));
        }
        if lived && habits.shows("notes") && self.image_kind == "linux" {
            fields.push(Sexpr::node("notes", notes()));
        }
        Sexpr::node(&self.image_kind, fields)
    }

    fn put_devices(&self, out: &mut Vec<Sexpr>, habits: &Habits, shown: &Shown<'_>) {
        let console = match shown {
            // What answers create does not know it yet.
            Shown::Live(life) => (life.domid != 0 && life.figures.is_some()).then_some(life.console_uuid),
            Shown::Inactive(past) => past.map(|past| past.console_uuid),
            Shown::Kept => None,
        };
        if let Some(uuid) = console.filter(|_| habits.looks.live_devices >= LiveDevices::Bootable) {
            let mut fields = vec![Sexpr::pair("protocol", "vt100"), Sexpr::pair("location", 2)];
            fields.push(Sexpr::pair("uuid", uuid));
            out.push(Sexpr::node("device", [Sexpr::node("console", fields)]));
        }
        for device in &self.devices {
            let fields = match shown {
                Shown::Live(_) => live_fields(device, self.image_kind == "linux", habits),
                Shown::Inactive(_) | Shown::Kept => kept_fields(device, habits),
            };
            // 3.0.4 loses a PCI device's name.
            let is_nameless = device.kind == "pci" && habits.format == 3 && !matches!(shown, Shown::Kept);
            out.push(match is_nameless {
                true => Sexpr::node("device", [Sexpr::List(fields)]),
                false => Sexpr::node("device", [Sexpr::node(&device.kind, fields)]),
            });
        }
    }
}

fn put_life(out: &mut Vec<Sexpr>, habits: &Habits, life: &Life<'_>) {
    let is_guest = life.domid != 0;
    let mut put = |key: &str, value: &dyn std::fmt::Display| out.push(Sexpr::pair(key, value));
    if is_guest {
        put("start_time", &format_args!("{:.2}", life.start_time));
        if habits.shows("up_time") {
            put("up_time", &format_args!("{:.6}", life.up_time));
        }
    }
    if let Some((cpu_time, online)) = life.figures {
        put("cpu_time", &format_args!("{cpu_time:?}"));
        put("online_vcpus", &online);
    }
    if habits.shows("status") {
        put("status", &life.status);
    }
    put("state", &life.state);
    if habits.shows("shutdown_reason") {
        put("shutdown_reason", &life.shutdown_reason);
    }
    if is_guest {
        put("store_mfn", &life.store_mfn);
        put("console_mfn", &life.console_mfn);
    }
    if life.migrated && habits.at_least(4, 0) {
        put("change_home_server", &"False");
    }
}

fn put_past(out: &mut Vec<Sexpr>, past: &Past) {
    let mut put = |key: &str, value: &dyn std::fmt::Display| out.push(Sexpr::pair(key, value));
    put("start_time", &format_args!("{:.2}", past.start_time));
    put("cpu_time", &format_args!("{:?}", past.cpu_time));
    put("online_vcpus", &past.online);
    put("store_mfn", &past.store_mfn);
    put("console_mfn", &past.console_mfn);
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

/// A device of a domain that does not run.
fn kept_fields(device: &Device, habits: &Habits) -> Vec<Sexpr> {
    let mut fields = device.fields.clone();
    if let Some(id) = device.id.filter(|_| habits.looks.kept_devices >= KeptDevices::Bootable) {
        fields.push(Sexpr::pair("devid", id));
    }
    fields
}

/// A device of a live domain has its backend, and full names.
fn live_fields(device: &Device, is_pv: bool, habits: &Habits) -> Vec<Sexpr> {
    let looks = habits.looks.live_devices;
    let mut fields = device.fields.clone();
    match device.kind.as_str() {
        "vif" => {
            let script = value(&fields, "script").map(str::to_owned);
            if looks >= LiveDevices::Scripts {
                if let Some(script) = script.filter(|script| !script.starts_with('/')) {
                    set(&mut fields, "script", &format!("/etc/xen/scripts/{script}"));
                }
            } else {
                let script = script.as_deref().unwrap_or("vif-bridge");
                set(&mut fields, "script", script.rsplit('/').next().unwrap_or(script));
            }
            if looks == LiveDevices::Bootable && is_pv && value(&fields, "type").is_none() {
                fields.push(Sexpr::pair("type", "netfront"));
            }
        }
        "vbd" => {
            fields.retain(|field| field.name() != Some("driver"));
            let dev = value(&fields, "dev").unwrap_or_default().to_owned();
            let dev = dev.strip_prefix("ioemu:").filter(|_| looks > LiveDevices::Plain).unwrap_or(&dev);
            match dev.contains(':') {
                false if looks > LiveDevices::Plain => set(&mut fields, "dev", &format!("{dev}:disk")),
                _ => set(&mut fields, "dev", dev),
            }
            if looks >= LiveDevices::Protocol {
                fields.push(Sexpr::pair("protocol", "x86_64-abi"));
                fields.push(Sexpr::pair("VDI", ""));
            }
            if looks == LiveDevices::BootableTwice {
                let bootable = value(&fields, "bootable").unwrap_or("0").to_owned();
                fields.push(Sexpr::pair("bootable", bootable));
            }
        }
        _ => return fields,
    }
    if looks < LiveDevices::Uuid {
        fields.retain(|field| field.name() != Some("uuid"));
    }
    fields.push(Sexpr::pair("backend", 0));
    fields
}

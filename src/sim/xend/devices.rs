//! Devices that come, go and are asked about. The guest has to let a device go: one without drivers never does.

use super::config::{Config, Device, Refusal, Writer, set, value};
use super::life::{self, disk_number};
use super::ops::{Done, NO_DOMID, required};
use super::{Found, Parts, Xend};
use crate::model::{DomId, Uuid};
use crate::sim::xenstored::Xenstored;
use crate::wire::sexpr::{Dialect, Limits, Sexpr, python_repr, text_of};
use crate::wire::xend_http::Received;

/// The kinds of devices that can be asked about, where there are any.
const KINDS: [&str; 11] =
    ["vif", "vbd", "tap", "tap2", "vfb", "vkbd", "console", "pci", "vtpm", "vscsi", "usb"];

impl Xend {
    /// op=devices.
    pub(super) fn devices(
        &self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<Done, Refusal> {
        let kind = required(request, "type")?;
        self.check_kind(kind)?;
        let Some(domid) = self.domid(whom) else { return Ok(Done::Value(self.inactive_devices(whom, kind))) };
        // Disks of both kinds have the same frontend.
        let kind = if matches!(kind, "tap" | "tap2") { "vbd" } else { kind };
        let folder = format!("/local/domain/{domid}/device/{kind}");
        let mut found = Vec::new();
        for id in parts.store.directory(0, &folder).unwrap_or_default() {
            let device = format!("{folder}/{id}");
            let mut pairs = Vec::new();
            for key in parts.store.directory(0, &device).unwrap_or_default() {
                let text = text_of(parts.store.read(0, &format!("{device}/{key}")).unwrap_or_default());
                pairs.push(Sexpr::pair(&key, text));
            }
            found.push(Sexpr::List(vec![Sexpr::atom(&*id), Sexpr::List(pairs)]));
        }
        Ok(Done::Value(Sexpr::List(found)))
    }

    fn inactive_devices(&self, whom: Found, kind: &str) -> Sexpr {
        let Found::Guest(uuid) = whom else { return Sexpr::List(Vec::new()) };
        let config = self.domains.get(&uuid).and_then(|known| known.config());
        let devices = config.into_iter().flat_map(|config| &config.devices);
        let of_kind = devices.filter(|device| device.kind == kind).enumerate();
        let found = of_kind.map(|(index, device)| {
            // From 3.4 on by number, before counted.
            let id = match (self.habits.at_least(3, 4), device.kind.as_str()) {
                (true, "vbd" | "tap" | "tap2") => {
                    disk_number(value(&device.fields, "dev").unwrap_or_default())
                }
                _ => index as u32,
            };
            Sexpr::List(vec![Sexpr::atom(id.to_string()), Sexpr::node(&device.kind, device.fields.clone())])
        });
        Sexpr::List(found.collect())
    }

    fn check_kind(&self, kind: &str) -> Result<(), Refusal> {
        if KINDS.contains(&kind) && !self.habits.no_devices.contains(&kind) {
            return Ok(());
        }
        let word = if self.habits.manages { "Unknown" } else { "unknown" };
        Err(format!("{word} device type: {kind}"))
    }

    /// op=device_create.
    pub(super) fn create_device(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<Done, Refusal> {
        let wanted = device_of(request, self.dialect())?;
        let Found::Guest(uuid) = whom else {
            return Err("Domain-0 gets no devices from the embedded xend".into());
        };
        let domid = self.domid(whom);
        let Some(mut config) = self.domains.get(&uuid).and_then(|known| known.config()).cloned() else {
            return Err(NO_DOMID.into());
        };
        config.add_device(&wanted, self.habits, Writer::Client)?;
        if domid.is_some() {
            life::number_devices(&mut config.devices);
        }
        let Some(device) = config.devices.last().cloned() else { return Err(NO_DOMID.into()) };
        let Some(domid) = domid else {
            self.change(uuid, |config| config.devices.push(device.clone()))?;
            if !self.habits.changes_inactive_devices {
                return Err("%d format: a number is required, not NoneType".into());
            }
            return Ok(Done::Value(made(&device, "None", "None")));
        };
        let id = device.id.unwrap_or_default();
        if is_there(domid, &device, parts.store) {
            let dev = value(&device.fields, "dev").unwrap_or_default();
            return Err(format!("Device {dev} ({id}, {}) is already connected.", device.kind));
        }
        let missing = missing_file(&device);
        // The older ones keep a device that they could not connect.
        if missing.is_none() || !self.habits.waits_for_removal {
            life::attach(domid, &config, &device, self.habits, parts.store);
            self.change(uuid, |config| config.devices.push(device.clone()))?;
        }
        match missing {
            Some(file) => Err(self.not_connected(&device, &file)),
            None => Ok(Done::Value(made(&device, &domid.to_string(), &id.to_string()))),
        }
    }

    /// What xend says of a disk whose file is not there.
    fn not_connected(&self, device: &Device, file: &str) -> Refusal {
        let why = match self.habits.format {
            4 => format!("{file} does not exist."),
            _ => "Backend device not found.".into(),
        };
        format!("Device {} ({}) could not be connected. {why}", device.id.unwrap_or_default(), device.kind)
    }

    /// op=wait_for_devices, and what start waits for.
    pub(super) fn wait_for_devices(&self, whom: Found) -> Result<(), Refusal> {
        let Found::Guest(uuid) = whom else { return Ok(()) };
        let Some((_, config)) = self.life_of(uuid) else { return Ok(()) };
        let missing = config.devices.iter().find_map(|device| Some((device, missing_file(device)?)));
        missing.map_or(Ok(()), |(device, file)| Err(self.not_connected(device, &file)))
    }

    /// op=device_destroy.
    pub(super) fn destroy_device(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<(), Refusal> {
        let (kind, dev) = (required(request, "type")?, required(request, "dev")?);
        let waits = self.habits.waits_for_removal;
        let number = |field| required(request, field).and_then(super::checks::python_int);
        let (force, forgets) =
            if waits { (number("force")? != 0, number("rm_cfg")? != 0) } else { (false, false) };
        self.check_kind(kind)?;
        let domid = self.domid(whom);
        let Found::Guest(uuid) = whom else { return Err(format!("Device {dev} not connected")) };
        let wanted = match kind {
            "vbd" | "tap" | "tap2" => disk_number(dev),
            _ => dev.parse().unwrap_or(u32::MAX),
        };
        let is_it = |device: &Device| {
            let is_disk = |kind: &str| matches!(kind, "vbd" | "tap" | "tap2");
            let same = device.kind == kind || is_disk(&device.kind) && is_disk(kind);
            let own = match device.id {
                None if is_disk(kind) => Some(disk_number(value(&device.fields, "dev").unwrap_or_default())),
                id => id,
            };
            same && own == Some(wanted)
        };
        let config = self.domains.get(&uuid).and_then(|known| known.config());
        let found = config.and_then(|config| config.devices.iter().find(|device| is_it(device)).cloned());
        let Some(domid) = domid else {
            return match (self.habits.changes_inactive_devices, waits) {
                (false, _) => Err(format!("Device {dev} not connected")),
                // 3.2 answers that it is done, and does nothing.
                (true, false) => Ok(()),
                (true, true) if found.is_none() => Err(format!("Device {dev} is not defined")),
                (true, true) => {
                    if forgets {
                        self.change(uuid, |config| config.devices.retain(|device| !is_it(device)))?;
                    }
                    Ok(())
                }
            };
        };
        let Some(device) = found.filter(|device| is_there(domid, device, parts.store)) else {
            // Later ones make a number of the name before they look.
            let named = if waits && matches!(kind, "vbd" | "tap" | "tap2") {
                wanted.to_string()
            } else {
                dev.to_owned()
            };
            return Err(format!("Device {named} not connected"));
        };
        if !force && !life::is_connected(domid, parts.store) {
            // A xend that waits gives up after 100 seconds; the others do not look whether the guest lets it go.
            let words = format!("Device {wanted} ({kind}) could not be disconnected. ");
            return if waits { Err(words) } else { Ok(()) };
        }
        life::detach(domid, &device, parts.store);
        self.change(uuid, |config| config.devices.retain(|device| !is_it(device)))
    }

    /// op=device_configure: of a CD-ROM drive the disc, and of nothing else anything.
    pub(super) fn configure_device(
        &mut self,
        whom: Found,
        request: &Received,
        parts: &mut Parts<'_>,
    ) -> Result<(), Refusal> {
        let wanted = device_of(request, self.dialect())?;
        let dev = required(request, "dev")?;
        let kind = wanted.name().unwrap_or_default().to_owned();
        if self.habits.at_least(4, 0) {
            // What comes over HTTP is text, and is looked for among numbers.
            return Err(format!("Device {dev} not connected"));
        }
        if self.habits.format == 3 {
            return Err("global name 'sxpr' is not defined".into());
        }
        if self.habits.format == 1 {
            return Err(format!("{kind} devices may not be reconfigured"));
        }
        let Found::Guest(uuid) = whom else { return Err(format!("Device {dev} not connected")) };
        let number = disk_number(dev);
        let is_drive = |device: &Device| {
            device.id == Some(number)
                && kind == "vbd"
                && value(&device.fields, "dev").is_some_and(|dev| dev.ends_with(":cdrom"))
        };
        let config = self.life_of(uuid).map(|(_, config)| config);
        let is_cdrom = config.is_some_and(|config| config.devices.iter().any(is_drive));
        let stays = wanted.value("dev").is_some_and(|dev| dev.ends_with(":cdrom"));
        let Some(uname) = wanted.value("uname").filter(|_| is_cdrom && stays) else {
            return Err(format!("Refusing to reconfigure device {kind}:{number} to {}", dictionary(&wanted)));
        };
        let change = |config: &mut Config| {
            for device in config.devices.iter_mut().filter(|device| is_drive(device)) {
                set(&mut device.fields, "uname", uname);
            }
        };
        self.change(uuid, change)?;
        if let Some((domid, config)) = self.life_of(uuid)
            && let Some(device) = config.devices.iter().find(|device| is_drive(device))
        {
            life::write_disc(domid, device, parts.store);
        }
        Ok(())
    }
}

/// The one device in a form.
fn device_of(request: &Received, dialect: Dialect) -> Result<Sexpr, Refusal> {
    let text = required(request, "config")?;
    let bytes: Vec<u8> = crate::wire::sexpr::raw_bytes(text).collect();
    let all = Sexpr::parse_all_with(&bytes, dialect, Limits::default());
    let all = all.map_err(|_| "object of type 'NoneType' has no len()")?;
    match all.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err("object of type 'NoneType' has no len()".into()),
        _ => Err("Too many sxprs".into()),
    }
}

/// `(vbd (dom 3 id 51728))`.
fn made(device: &Device, domid: &str, id: &str) -> Sexpr {
    let words = ["dom", domid, "id", id].map(Sexpr::atom);
    Sexpr::node(&device.kind, [Sexpr::List(words.to_vec())])
}

fn is_there(domid: DomId, device: &Device, store: &mut Xenstored) -> bool {
    store.read(0, &format!("{}/backend", life::frontend(domid, device))).is_ok()
}

/// The file of a disk that is not there.
fn missing_file(device: &Device) -> Option<String> {
    let (_, file) = value(&device.fields, "uname")?.rsplit_once(':')?;
    life::is_missing(file).then(|| file.to_owned())
}

/// A device's fields as Python prints a dictionary of them, in the order that it has them in for a disk.
fn dictionary(device: &Sexpr) -> String {
    let order = |field: &&Sexpr| {
        let place = ["uname", "mode", "dev"].iter().position(|key| field.name() == Some(key));
        place.unwrap_or(usize::MAX)
    };
    let mut fields: Vec<&Sexpr> = device.args().iter().collect();
    fields.sort_by_key(order);
    let pair = |field: &&Sexpr| {
        let (key, text) = (field.name().unwrap_or_default(), field.text().unwrap_or_default());
        format!("{}: {}", python_repr(key), python_repr(text))
    };
    format!("{{{}}}", fields.iter().map(pair).collect::<Vec<_>>().join(", "))
}

/// Whether two records are of the same device.
pub(super) fn same_device(a: &Device, b: &Device) -> bool {
    let uuid = |device: &Device| value(&device.fields, "uuid").and_then(|text| Uuid::try_parse(text).ok());
    a.kind == b.kind && uuid(a).is_some() && uuid(a) == uuid(b)
}

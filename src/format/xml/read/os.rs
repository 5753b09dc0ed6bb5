//! What is booted, what the virtual hardware has, the clock.

use super::super::tree::{Element, Result};
use super::{ON_OFF, YES_NO};
use crate::format::error::shown;
use crate::model::GuestType;
use crate::model::guest::{
    BootDevice, Clock, ClockBasis, ClockOffset, Features, Firmware, Loader, Nvram, Os, Passthrough, Timer,
};

/// libvirt's timers.
const TIMERS: [&str; 8] = ["hpet", "tsc", "pit", "rtc", "platform", "kvmclock", "hypervclock", "armvtimer"];
/// What becomes of ticks that a guest missed.
const TICK_POLICIES: [&str; 4] = ["delay", "catchup", "merge", "discard"];
/// What a timer follows.
const TRACKS: [&str; 4] = ["boot", "guest", "wall", "realtime"];
/// How the tsc is emulated.
const MODES: [&str; 5] = ["auto", "native", "emulate", "paravirt", "smpsafe"];

/// `<os>`, and `<bootloader>`.
pub(super) fn os(domain: &mut Element<'_>) -> Result<Os> {
    let mut os = Os::default();
    if let Some(mut element) = domain.child("bootloader")? {
        let text = element.take_text()?;
        if text.is_empty() {
            return element.fault("which one? expected a program such as /usr/bin/pygrub");
        }
        os.bootloader = Some(text);
    }
    os.bootloader_args = domain.text_of("bootloader_args")?;
    let Some(mut element) = domain.child("os")? else {
        // A bootloader is for PV guests only: libvirt's old descriptions stop there.
        return if os.bootloader.is_some() { Ok(os) } else { domain.fault("<os> is missing") };
    };
    let Some(mut kind) = element.child("type")? else { return element.fault("<type> is missing") };
    os.arch = kind.attribute("arch");
    os.machine = kind.attribute("machine");
    let text = kind.take_text()?;
    os.kind = match text.trim() {
        "linux" | "xen" => GuestType::Pv,
        "hvm" => GuestType::Hvm,
        "xenpvh" => GuestType::Pvh,
        other => {
            return kind.fault(format!("'{}' is not known; expected linux, hvm or xenpvh", shown(other)));
        }
    };
    os.firmware = element.choice("firmware", &Firmware::ALL)?;
    if let Some(mut loader) = element.child("loader")? {
        let is_pflash = loader.choice("type", &[(false, "rom"), (true, "pflash")])?.unwrap_or(false);
        let readonly = loader.choice("readonly", YES_NO)?;
        // What Xen's firmware is not, and what its file has.
        loader.choice("secure", &[((), "no")])?;
        loader.choice("stateless", &[((), "no")])?;
        loader.choice("format", &[((), "raw")])?;
        let path = loader.take_text()?;
        os.loader = (!path.is_empty()).then_some(Loader { path, is_pflash, readonly });
    }
    if let Some(mut nvram) = element.child("nvram")? {
        let template = nvram.attribute("template");
        nvram.choice("format", &[((), "raw")])?;
        nvram.choice("templateFormat", &[((), "raw")])?;
        let path = Some(nvram.take_text()?).filter(|path| !path.is_empty());
        os.nvram = Some(Nvram { path, template });
    }
    if let Some(mut acpi) = element.child("acpi")? {
        if let Some(mut table) = acpi.child("table")? {
            table.choice("type", &[((), "slic")])?;
            os.acpi_table = Some(table.take_text()?).filter(|path| !path.is_empty());
        }
        acpi.done()?;
    }
    os.kernel = element.text_of("kernel")?;
    os.initrd = element.text_of("initrd")?;
    os.cmdline = element.text_of("cmdline")?;
    os.root = element.text_of("root")?;
    for mut boot in element.children("boot") {
        let words = &[
            (BootDevice::Floppy, "fd"),
            (BootDevice::HardDisk, "hd"),
            (BootDevice::Cdrom, "cdrom"),
            (BootDevice::Network, "network"),
        ];
        match boot.choice("dev", words)? {
            Some(device) if os.boot.contains(&device) => return boot.fault("stands here a second time"),
            Some(device) => os.boot.push(device),
            None => return boot.fault("the attribute 'dev' is missing"),
        }
        boot.done()?;
    }
    element.done()?;
    Ok(os)
}

/// `<features>`.
pub(super) fn features(domain: &mut Element<'_>) -> Result<Features> {
    let Some(mut element) = domain.child("features")? else { return Ok(Features::default()) };
    let mut features = Features {
        acpi: element.flag("acpi")?,
        apic: element.flag("apic")?,
        pae: element.flag("pae")?,
        hap: state(&mut element, "hap")?,
        viridian: element.flag("viridian")?,
        privnet: element.flag("privnet")?,
        e820_host: None,
        passthrough: None,
    };
    if let Some(mut xen) = element.child("xen")? {
        features.e820_host = state(&mut xen, "e820_host")?;
        if let Some(mut passthrough) = xen.child("passthrough")? {
            let is_on = passthrough.choice("state", ON_OFF)?.unwrap_or(true);
            let modes = &[(Passthrough::SyncPt, "sync_pt"), (Passthrough::SharePt, "share_pt")];
            let mode = passthrough.choice("mode", modes)?;
            features.passthrough = Some(match (is_on, mode) {
                (true, mode) => mode.unwrap_or(Passthrough::Enabled),
                (false, None) => Passthrough::Disabled,
                (false, Some(_)) => return passthrough.fault("mode= belongs to state='on'"),
            });
            passthrough.done()?;
        }
        xen.done()?;
    }
    element.done()?;
    Ok(features)
}

/// A feature that is there, `<hap/>`, and can say that it is not: `<hap state='off'/>`.
fn state(element: &mut Element<'_>, name: &str) -> Result<Option<bool>> {
    let Some(mut child) = element.child(name)? else { return Ok(None) };
    let state = child.choice("state", ON_OFF)?;
    child.done()?;
    Ok(Some(state.unwrap_or(true)))
}

/// `<clock>`.
pub(super) fn clock(domain: &mut Element<'_>) -> Result<Clock> {
    #[derive(Clone, Copy, PartialEq)]
    enum Offset {
        Utc,
        Localtime,
        Variable,
    }
    let words = &[(Offset::Utc, "utc"), (Offset::Localtime, "localtime"), (Offset::Variable, "variable")];
    let Some(mut element) = domain.child("clock")? else { return Ok(Clock::default()) };
    // The Xen driver's own page writes sync for offset.
    let offset = match (element.choice("offset", words)?, element.choice("sync", words)?) {
        (Some(_), Some(_)) => return element.fault("both 'offset' and its old name 'sync' are given"),
        (offset, sync) => offset.or(sync).unwrap_or(Offset::Utc),
    };
    let basis = element.choice("basis", &[(ClockBasis::Utc, "utc"), (ClockBasis::Localtime, "localtime")])?;
    if basis.is_some() && offset != Offset::Variable {
        return element.fault("'basis' belongs to offset='variable'");
    }
    let basis = match offset {
        Offset::Utc => ClockBasis::Utc,
        Offset::Localtime => ClockBasis::Localtime,
        Offset::Variable => basis.unwrap_or_default(),
    };
    let adjustment = match element.attribute("adjustment") {
        None if offset == Offset::Variable => ClockOffset::Seconds(0),
        None => ClockOffset::Zero,
        Some(word) if word == "reset" && offset != Offset::Variable => ClockOffset::Reset,
        Some(text) => match text.trim().parse() {
            Ok(seconds) => ClockOffset::Seconds(seconds),
            Err(_) => return element.fault(format!("adjustment='{}' is no number of seconds", shown(&text))),
        },
    };
    let mut timers: Vec<Timer> = Vec::new();
    for mut timer in element.children("timer") {
        let read = self::timer(&mut timer)?;
        if timers.iter().any(|other| other.name == read.name) {
            return timer.fault(format!("the timer {} stands here a second time", read.name));
        }
        timers.push(read);
    }
    element.done()?;
    Ok(Clock { basis, offset: adjustment, timers })
}

fn timer(element: &mut Element<'_>) -> Result<Timer> {
    let words = |list: &[&'static str]| list.iter().map(|word| (*word, *word)).collect::<Vec<_>>();
    let Some(name) = element.choice("name", &words(&TIMERS))? else {
        return element.fault("the attribute 'name' is missing");
    };
    let present = element.choice("present", YES_NO)?;
    let tickpolicy = element.choice("tickpolicy", &words(&TICK_POLICIES))?;
    let track = element.choice("track", &words(&TRACKS))?;
    let frequency = element.number("frequency")?;
    let mode = element.choice("mode", &words(&MODES))?;
    for (attribute, owners, is_there) in [
        ("mode", &["tsc"][..], mode.is_some()),
        ("frequency", &["tsc"], frequency.is_some()),
        ("track", &["rtc", "platform"], track.is_some()),
    ] {
        if is_there && !owners.contains(&name) {
            return element.fault(format!("{attribute}= belongs to the timer {}", owners.join(" or ")));
        }
    }
    element.done()?;
    let own = |word: Option<&str>| word.map(str::to_owned);
    Ok(Timer {
        name: name.into(),
        tickpolicy: own(tickpolicy),
        track: own(track),
        frequency,
        present,
        mode: own(mode),
    })
}

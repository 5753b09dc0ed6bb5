//! The strings of `disk` (xl-disk-configuration(5)) <-> a disk, as libxlutil 4.17 takes them (measured by asking it).

use super::network;
use super::options::plain;
use super::syntax::{Result, fault};
use super::write::unsupported;
use crate::error;
use crate::format::error::shown;
use crate::model::guest::{Disk, DiskDevice, DiskKind, Protocol};

/// The formats that xl knows.
const FORMATS: [&str; 5] = ["raw", "qcow", "qcow2", "vhd", "qed"];
/// What old configurations write before a path and what xl steps over: who serves a disk is its own choice.
const SERVERS: [&str; 7] = ["file", "phy", "tap", "tap2", "tapdisk", "aio", "ioemu"];
/// What old configurations write before a path that a script is to make a device of.
const SCRIPTS: [&str; 4] = ["iscsi", "nbd", "enbd", "drbd"];
/// Options of one word that have no place in the model.
const FLAGS: [&str; 4] = ["direct-io-safe", "trusted", "untrusted", "colo"];
/// Options with a value that have no place in the model.
const OPTIONS: [&str; 6] =
    ["specification", "colo-host", "colo-port", "colo-export", "active-disk", "hidden-disk"];

/// What a string says so far; None has not been said.
#[derive(Default)]
struct Said<'a> {
    target: Option<&'a str>,
    format: Option<&'a str>,
    vdev: Option<&'a str>,
    access: Option<&'a str>,
    backend: Option<&'a str>,
    domain: Option<&'a str>,
    script: Option<&'a str>,
    discard: Option<bool>,
    is_cdrom: bool,
    /// Something stood before the path: then the format has no position of its own.
    has_prefix: bool,
    is_phy: bool,
}

/// A disk, and the options that have no place in the model. `at` is where the string begins.
pub(super) fn read(spec: &str, at: usize) -> Result<(Disk, Vec<String>)> {
    let mut said = Said::default();
    let mut others = Vec::new();
    let mut rest = spec.trim_start_matches([' ', '\t']);
    while !rest.is_empty() {
        let (word, tail) = rest.split_once(',').unwrap_or((rest, ""));
        if let Some(path) = rest.strip_prefix("target=") {
            if said.target.is_some_and(|target| !target.is_empty()) {
                return fault(at, "disk: the target is said twice");
            }
            // It goes to the end, commas and blanks and all.
            said.target = Some(path);
            break;
        }
        match option(word) {
            Some((key, _)) if OPTIONS.contains(&key) => others.push(word.to_owned()),
            Some((key, value)) => named(&mut said, key, value, at)?,
            None if word == "cdrom" => said.is_cdrom = true,
            None if word == "discard" => said.discard = Some(true),
            None if word == "no-discard" => said.discard = Some(false),
            None if FLAGS.contains(&word) => others.push(word.to_owned()),
            None => positional(&mut said, word, at, &mut others)?,
        }
        rest = tail.trim_start_matches([' ', '\t']);
    }
    let disk = disk(&said, at, &mut others)?;
    Ok((disk, others))
}

/// `key=value`, where the key is one as xl has them.
fn option(word: &str) -> Option<(&str, &str)> {
    let (key, value) = word.split_once('=')?;
    let is_key = key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    is_key.then_some((key, value))
}

fn named<'a>(said: &mut Said<'a>, key: &str, value: &'a str, at: usize) -> Result<()> {
    match key {
        "format" => set(&mut said.format, key, value, at),
        "vdev" => set(&mut said.vdev, key, value, at),
        "access" => set(&mut said.access, key, value, at),
        "backendtype" => set(&mut said.backend, key, value, at),
        "backend" => set(&mut said.domain, key, value, at),
        "script" => set(&mut said.script, key, value, at),
        "devtype" => match value {
            "cdrom" => {
                said.is_cdrom = true;
                Ok(())
            }
            "disk" | "" => Ok(()),
            _ => fault(at, format!("disk: devtype={} is not known; expected cdrom or disk", shown(value))),
        },
        _ => fault(at, format!("disk: '{}' is no option of a disk", shown(key))),
    }
}

fn set<'a>(place: &mut Option<&'a str>, key: &str, value: &'a str, at: usize) -> Result<()> {
    match place.replace(value).is_none_or(str::is_empty) {
        true => Ok(()),
        false => fault(at, format!("disk: {key} is said twice")),
    }
}

/// The target, the format, the name in the guest, the access, in this order.
fn positional<'a>(said: &mut Said<'a>, word: &'a str, at: usize, others: &mut Vec<String>) -> Result<()> {
    let mut word = word;
    if said.target.is_none() {
        while let Some((prefix, path)) = word.split_once(':') {
            if FORMATS.contains(&prefix) && prefix != "qed" {
                said.format = Some(prefix);
            } else if SCRIPTS.contains(&prefix) {
                others.push(format!("script=block-{prefix}"));
            } else if !SERVERS.contains(&prefix) {
                if path.starts_with('/')
                    && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                {
                    return fault(at, format!("disk: xl knows nothing that '{}:' serves", shown(prefix)));
                }
                break;
            }
            said.is_phy |= prefix == "phy";
            said.has_prefix = true;
            word = path.trim_start_matches([' ', '\t']);
        }
    }
    if word.contains('=') {
        return fault(
            at,
            format!("disk: '{}' holds a '=': write it as the last option, target=...", shown(word)),
        );
    }
    // `,hdc:cdrom,r` is an old way to say an empty drive.
    if said.target == Some("") && vdev(word).1.is_some() {
        said.has_prefix = true;
    }
    if said.target.is_none() {
        said.target = Some(word);
    } else if said.format.is_none() && !said.has_prefix {
        said.format = Some(word);
    } else if said.vdev.is_none() {
        let (name, device) = vdev(word);
        said.vdev = Some(name);
        said.is_cdrom |= device == Some("cdrom");
    } else if said.access.is_none() {
        said.access = Some(word);
    } else {
        return fault(at, format!("disk: '{}' is one word too many", shown(word)));
    }
    Ok(())
}

/// `ioemu:hdc:cdrom`: the name, and what an old configuration says that it is.
fn vdev(word: &str) -> (&str, Option<&str>) {
    let word = word.strip_prefix("ioemu:").unwrap_or(word);
    match word.split_once(':') {
        Some((name, device @ ("cdrom" | "disk"))) => (name, Some(device)),
        _ => (word, None),
    }
}

fn disk(said: &Said<'_>, at: usize, others: &mut Vec<String>) -> Result<Disk> {
    let say = |word: Option<&str>| word.filter(|word| !word.is_empty()).map(str::to_owned);
    let Some(target) = say(said.vdev) else {
        return fault(at, "disk: the name in the guest is missing, such as xvda or hda");
    };
    if target.len() > 32 || !target.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/' || b == b'-') {
        return fault(
            at,
            format!("disk: '{}' is no disk's name; expected such as hda, sda1 or xvdb", shown(&target)),
        );
    }
    let format = say(said.format).filter(|format| format != "empty");
    if let Some(format) = format.as_ref().filter(|format| !FORMATS.contains(&format.as_str())) {
        let known = FORMATS.join(", ");
        return fault(at, format!("disk: the format '{}' is not known; expected {known}", shown(format)));
    }
    let driver = match said.backend {
        None => None,
        Some("phy") => Some("phy"),
        Some("qdisk") => Some("qemu"),
        Some("tap") => Some("tap"),
        Some(other) => {
            return fault(
                at,
                format!("disk: backendtype={} is not known; expected phy or qdisk", shown(other)),
            );
        }
    };
    let readonly = match said.access {
        None | Some("") => false,
        Some("ro" | "r") => true,
        Some("rw" | "w") => false,
        Some(other) => {
            return fault(
                at,
                format!("disk: the access '{}' is not known; expected r, ro, w or rw", shown(other)),
            );
        }
    };
    let network = said.target.and_then(|target| network::read(target, said.script, others));
    if let Some(script) =
        said.script.filter(|_| !matches!(&network, Some((_, source)) if source.protocol == Protocol::Iscsi))
    {
        others.push(format!("script={script}"));
    }
    if let Some((name, source)) = network {
        return Ok(Disk {
            device: if said.is_cdrom { DiskDevice::Cdrom } else { DiskDevice::Disk },
            kind: DiskKind::Network,
            source: Some(name),
            network: Some(source),
            driver: driver.map(str::to_owned),
            format,
            target,
            readonly: readonly || said.is_cdrom,
            discard: said.discard,
            backend: say(said.domain),
            ..Disk::default()
        });
    }
    // xl takes a name without a folder for one in /dev.
    let source =
        say(said.target).map(|path| if path.starts_with('/') { path } else { format!("/dev/{path}") });
    if source.is_none() && !said.is_cdrom {
        return fault(at, format!("disk: where are the data of {target}? Only a CD-ROM drive can be empty"));
    }
    let is_device = source.as_ref().is_some_and(|path| path.starts_with("/dev/"));
    let kind = match driver {
        Some("phy") => DiskKind::Block,
        None if said.is_phy || is_device => DiskKind::Block,
        _ => DiskKind::File,
    };
    Ok(Disk {
        device: if said.is_cdrom { DiskDevice::Cdrom } else { DiskDevice::Disk },
        kind,
        source,
        driver: driver.map(str::to_owned),
        format,
        target,
        other_bus: None,
        readonly: readonly || said.is_cdrom,
        discard: said.discard,
        backend: say(said.domain),
        ..Disk::default()
    })
}

/// A hard disk or CD-ROM drive as a string of `disk`; the path stands last, where it can hold anything.
pub(super) fn write(disk: &Disk, is_hvm: bool) -> error::Result<String> {
    if disk.shareable && !disk.readonly {
        return Err(unsupported(format!("<shareable/> of the disk {}", disk.target)));
    }
    if let Some(bus) = disk.other_bus.filter(|_| is_hvm) {
        return Err(unsupported(format!(
            "the bus '{}' of the disk {}: its name decides",
            bus.name(),
            disk.target
        )));
    }
    if disk.target.contains([',', '=', ' ']) {
        return Err(unsupported(format!("the name '{}' of a disk", shown(&disk.target))));
    }
    let mut words = Vec::new();
    match disk.format.as_deref() {
        None => {}
        Some(format) if FORMATS.contains(&format) => words.push(format!("format={format}")),
        Some(other) => {
            return Err(unsupported(format!("the format '{}' of the disk {}", shown(other), disk.target)));
        }
    }
    words.push(format!("vdev={}", disk.target));
    words.push(if disk.readonly { "access=ro".into() } else { "access=rw".into() });
    // What xend called file and tap is for xl to choose: a loop device, or the device model.
    match disk.driver.as_deref() {
        Some("phy") => words.push("backendtype=phy".into()),
        Some("qemu") => words.push("backendtype=qdisk".into()),
        None | Some("file" | "tap" | "tap2") => {}
        Some(other) => {
            return Err(unsupported(format!("the driver '{}' of the disk {}", shown(other), disk.target)));
        }
    }
    if disk.device == DiskDevice::Cdrom {
        words.push("devtype=cdrom".into());
    }
    if let Some(domain) = &disk.backend {
        words.push(format!("backend={}", plain(domain, "<backenddomain> of a disk,")?));
    }
    match disk.discard {
        Some(true) => words.push("discard".into()),
        Some(false) => words.push("no-discard".into()),
        None => {}
    }
    if let (Some(name), Some(source)) = (&disk.source, &disk.network) {
        words.extend(network::write(name, source, &disk.target)?);
        return Ok(words.join(","));
    }
    match (&disk.source, disk.kind) {
        (None, _) => {}
        (Some(path), _) if path.starts_with('/') => words.push(format!("target={path}")),
        (Some(name), DiskKind::Block) => words.push(format!("target=/dev/{name}")),
        (Some(path), DiskKind::File | DiskKind::Network) => {
            return Err(unsupported(format!("the relative path '{}' of a disk", shown(path))));
        }
    }
    Ok(words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a string says: source, format, name, access, kind; or the error.
    fn said(spec: &str) -> String {
        match read(spec, 0) {
            Ok((disk, others)) => {
                let access = if disk.readonly { "r" } else { "w" };
                let device = if disk.device == DiskDevice::Cdrom { " cdrom" } else { "" };
                let driver = disk.driver.map(|driver| format!(" {driver}")).unwrap_or_default();
                let others = others.iter().map(|other| format!(" +{other}")).collect::<String>();
                format!(
                    "{} {} {} {access}{device}{driver}{others}",
                    disk.source.as_deref().unwrap_or("-"),
                    disk.format.as_deref().unwrap_or("-"),
                    disk.target
                )
            }
            Err(fault) => fault.message,
        }
    }

    #[test]
    fn a_disk_is_said_in_all_the_ways_that_xl_takes() {
        for (spec, expected) in [
            ("/dev/vg/g,,hda", "/dev/vg/g - hda w"),
            ("/dev/vg/g,raw,hda,rw", "/dev/vg/g raw hda w"),
            ("format=raw, vdev=hda, access=rw, target=/dev/vg/g", "/dev/vg/g raw hda w"),
            ("raw:/dev/vg/g,hda,w", "/dev/vg/g raw hda w"),
            ("/i.iso,,hdc,cdrom", "/i.iso - hdc r cdrom"),
            ("/i.iso,,hdc,,cdrom", "/i.iso - hdc r cdrom"),
            ("raw:/i.iso,hdc:cdrom,ro", "/i.iso raw hdc r cdrom"),
            ("/i.iso,raw,hdc,rw,devtype=cdrom", "/i.iso raw hdc r cdrom"),
            ("file:/path/disk.img,xvda2,w", "/path/disk.img - xvda2 w"),
            ("phy:vg/x,xvda1,w", "/dev/vg/x - xvda1 w"),
            ("tap:qcow2:/p/x,xvda,w", "/p/x qcow2 xvda w"),
            ("tap2:tapdisk:vhd:/p/x,xvda,w", "/p/x vhd xvda w"),
            ("file: /p,xvda,w,cdrom", "/p - xvda r cdrom"),
            (",hdc:cdrom,r", "- - hdc r cdrom"),
            (",,hdc,cdrom", "- - hdc r cdrom"),
            ("vdev=hdc,devtype=cdrom,target=", "- - hdc r cdrom"),
            ("phy:/dev/cdrom,ioemu:hdc:cdrom,r", "/dev/cdrom - hdc r cdrom"),
            ("file:/p,ioemu:hda,w", "/p - hda w"),
            ("/p,raw,hda:disk,w", "/p raw hda w"),
            ("/p,raw,hda,w,backendtype=phy,", "/p raw hda w phy"),
            ("/p,raw,hda,w,backendtype=qdisk,discard", "/p raw hda w qemu"),
            ("/p,raw,hda,w,backend=dom1,script=block-nbd", "/p raw hda w +script=block-nbd"),
            ("iscsi:foo,xvda,w", "/dev/foo - xvda w +script=block-iscsi"),
            ("vdev=xvda,target=/a,b=c d ", "/a,b=c d  - xvda w"),
            ("access=rw,vdev=xvda,format=qcow2,/p", "/p qcow2 xvda w"),
            (",,xvda,,target=/p", "/p - xvda w"),
            ("p:q,raw,xvda,w", "/dev/p:q raw xvda w"),
            ("a.b:/p,raw,xvda,w", "/dev/a.b:/p raw xvda w"),
        ] {
            assert_eq!(said(spec), expected, "{spec}");
        }
    }

    #[test]
    fn what_xl_refuses_in_a_disk_is_refused_here() {
        for bad in [
            "",
            "/p",
            "/p,raw",
            "/p,xvda,w",
            "/p,raw,hda,x",
            "file:/p,hda,w!",
            "/p,frob,hda,w",
            "/p,aio,hda,w",
            "/p,raw,hda,w,backendtype=qemu",
            "/p,raw,hda,w,frob",
            "/p,raw,hda,w,frob=1",
            "/p,raw,hda,w,a,b",
            "/p , raw , xvda , rw",
            "/p,raw,xvda ,rw",
            "FORMAT=raw,vdev=xvda,target=/p",
            "/a=b,raw,xvda,w",
            "vdev=xvda,vdev=xvdb,target=/p",
            "/p,raw,xvda,w,target=/q",
            "http:/p,xvda,w",
            "/p,raw,xvda,devtype=floppy",
            ",raw,hda,w",
        ] {
            assert!(read(bad, 7).is_err_and(|fault| fault.at == 7), "{bad}: {}", said(bad));
        }
    }
}

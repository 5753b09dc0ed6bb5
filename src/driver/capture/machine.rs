//! The machine: what its kernel and its files say without naming anybody.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::{Error, Result, Road};
use crate::format::capture::{Files, Machine, Toolstack};
use crate::store::Store;

/// Files, devices and sockets that say what kind of host this is. Only whether they are there is told.
const PLACES: [&str; 36] = [
    "/dev/xen/privcmd",
    "/dev/xen/hypercall",
    "/dev/xen/xenbus",
    "/dev/xen/xenbus_backend",
    "/dev/xen/evtchn",
    "/dev/xen/gntdev",
    "/dev/xen/gntalloc",
    "/proc/xen/privcmd",
    "/proc/xen/xenbus",
    "/proc/xen/xsd_port",
    "/proc/xen/capabilities",
    "/proc/xen/balloon",
    "/sys/hypervisor/type",
    "/sys/hypervisor/version",
    "/run/xenstored/socket",
    "/var/run/xenstored/socket",
    "/var/run/xend/xmlrpc.sock",
    "/var/run/xend/xen-api.sock",
    "/var/lib/xend/xend-socket",
    "/var/lib/xend/domains",
    "/usr/sbin/xl",
    "/usr/sbin/xm",
    "/usr/sbin/xend",
    "/usr/sbin/xenstored",
    "/usr/sbin/oxenstored",
    "/usr/sbin/xenconsoled",
    "/usr/sbin/libvirtd",
    "/usr/sbin/virtxend",
    "/usr/bin/xe",
    "/etc/xen",
    "/etc/xen/xl.conf",
    "/etc/xen/xend-config.sxp",
    "/usr/lib/xen",
    "/usr/lib64/xen",
    "/usr/libexec/xen",
    "/usr/local/sbin/xl",
];

/// Where a xl that is told may be; the folder of a release, as Debian has it, stands for itself.
const XL_PLACES: [&str; 4] = ["/usr/sbin/xl", "/usr/local/sbin/xl", "/sbin/xl", "/usr/lib/xen/bin/xl"];

/// Endings that say what a file is; others could be names.
const ENDINGS: [&str; 12] =
    ["cfg", "conf", "xm", "xl", "hvm", "sxp", "py", "sh", "bak", "orig", "xenith", "dpkg-dist"];

/// Entries of a folder that are counted.
const MAX_ENTRIES: usize = 10_000;

/// The machine; of an embedded host only that it is one.
pub(super) fn look(simulation: bool) -> Machine {
    let arch = std::env::consts::ARCH.to_owned();
    if simulation {
        return Machine { simulation, arch, ..Machine::default() };
    }
    let read = |path: &str| fs::read_to_string(path).ok();
    let control = read("/proc/xen/capabilities").map(|told| told.trim().to_owned());
    Machine {
        simulation,
        arch,
        kernel: read("/proc/sys/kernel/osrelease").map(|release| numbers_of(&release)),
        control: control.filter(|told| told.is_empty() || told == "control_d"),
        found: PLACES
            .iter()
            .filter(|place| Path::new(place).exists())
            .map(|place| (*place).to_owned())
            .collect(),
    }
}

/// The numbers at the beginning of a kernel's release: what follows is its builder's choice.
fn numbers_of(release: &str) -> String {
    release.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect()
}

/// Which toolstacks are there. A path that is not usual is not told.
pub(super) fn toolstack(xl: Option<&str>, xend: bool) -> Toolstack {
    let usual = |path: &str| {
        XL_PLACES.contains(&path)
            || path
                .strip_prefix("/usr/lib/xen-")
                .and_then(|rest| rest.strip_suffix("/bin/xl"))
                .is_some_and(|release| release.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
    };
    let xl = xl.map(|path| if usual(path) { path.to_owned() } else { "elsewhere".to_owned() });
    Toolstack { xl, xend }
}

/// What is in the folder of domain files, counted by kinds.
///
/// Errors: a folder that cannot be read.
pub(super) fn files(store: &Store) -> Result<Files> {
    let mut files = Files::default();
    let mut endings: BTreeMap<&str, u64> = BTreeMap::new();
    let entries = fs::read_dir(store.folder())
        .map_err(|error| Error::from_io(Road::Store, "cannot read the folder of domain files", &error))?;
    for entry in entries.take(MAX_ENTRIES).flatten() {
        let name = entry.file_name();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.folders += 1,
            Ok(kind) if kind.is_symlink() => files.links += 1,
            _ => *endings.entry(ending_of(&name.to_string_lossy())).or_default() += 1,
        }
    }
    files.endings = endings.into_iter().map(|(ending, count)| (ending.to_owned(), count)).collect();
    let snapshot = store.read()?;
    files.domains = snapshot.entries.len() as u64;
    files.broken = snapshot.problems.len() as u64;
    Ok(files)
}

fn ending_of(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        None | Some(("", _)) => "none",
        Some((_, ending)) => ENDINGS.iter().find(|known| **known == ending).unwrap_or(&"other"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_choose_is_not_told() {
        assert_eq!(numbers_of("6.1.0-alice-laptop\n"), "6.1.0");
        assert_eq!(numbers_of("custom"), "");
        let xl = |path| toolstack(Some(path), false).xl.unwrap();
        assert_eq!(xl("/usr/sbin/xl"), "/usr/sbin/xl");
        assert_eq!(xl("/usr/lib/xen-4.17/bin/xl"), "/usr/lib/xen-4.17/bin/xl");
        for path in ["/home/alice/xl", "/usr/lib/xen-acme/bin/xl", "the embedded xl"] {
            assert_eq!(xl(path), "elsewhere");
        }
        assert_eq!(
            ["web.cfg", "web", "web.alice", ".hidden", "a.b.sxp"].map(ending_of),
            ["cfg", "none", "other", "none", "sxp"]
        );
    }
}

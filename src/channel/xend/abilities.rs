//! What a xend of an age can do and how it wants to be asked: one table, a row per age that differs from the one before.
//!
//! The rows follow from recordings and sources of xends (facts: xend.md 5 and 7). The age is that of `xend_config_format`; format 4
//! was that of ten releases, and there Xen's release tells.

use crate::error::{Error, Result, Road, Status};
use crate::model::XenVersion;

/// What a xend can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    since: (u32, u16, u16),
    /// It remembers domains that do not run, and finds domains by uuid; older ones know names and numbers.
    pub remembers: bool,
    /// It dumps the memory of a domain.
    pub dumps: bool,
    /// What a dump is told besides the file, and whether it is set.
    dump: &'static [&'static str],
    /// What removing a device is told besides the device.
    removal: &'static [(&'static str, &'static str)],
    /// What a migration is told besides the destination, whether it is live, and the port.
    migration: &'static [(&'static str, &'static str)],
    /// It pins vcpus: older ones offer it, and it fails in each of them.
    pub pins: bool,
    /// It sets the credit scheduler's weight.
    pub weighs: bool,
    /// And its cap.
    pub caps: bool,
    /// It changes the disc in a CD-ROM drive.
    pub changes_discs: bool,
    /// It does `coredump-destroy` and `coredump-restart` when a domain crashes.
    pub dumps_cores: bool,
    /// It boots a kernel in an HVM guest: older ones take the kernel for the firmware.
    pub boots_hvm_kernels: bool,
    /// It puts `root` and `ip` behind a kernel's `args`, and gives all three back (recorded: 3.0.4).
    pub appends_root: bool,
}

const V302: Abilities = Abilities {
    since: (1, 0, 0),
    remembers: false,
    dumps: false,
    dump: &[],
    removal: &[],
    migration: &[("resource", "0")],
    pins: false,
    weighs: false,
    caps: false,
    changes_discs: false,
    dumps_cores: false,
    boots_hvm_kernels: false,
    appends_root: false,
};
const V303: Abilities = Abilities { since: (2, 0, 0), weighs: true, changes_discs: true, ..V302 };
const V304: Abilities = Abilities {
    since: (3, 0, 0),
    remembers: true,
    dumps: true,
    dump: &["live", "crash"],
    // It does not get as far as looking at the device.
    changes_discs: false,
    appends_root: true,
    ..V303
};
const V31: Abilities = Abilities { since: (4, 3, 1), changes_discs: true, appends_root: false, ..V304 };
const V32: Abilities = Abilities { since: (4, 3, 2), caps: true, ..V31 };
const V33: Abilities = Abilities {
    since: (4, 3, 3),
    removal: &[("force", "0"), ("rm_cfg", "1")],
    migration: &[("node", "-1"), ("ssl", "0")],
    dumps_cores: true,
    boots_hvm_kernels: true,
    ..V32
};
const V34: Abilities = Abilities { since: (4, 3, 4), dump: &["live", "crash", "reset"], pins: true, ..V33 };
const V40: Abilities = Abilities {
    since: (4, 4, 0),
    migration: &[("node", "-1"), ("ssl", "0"), ("change_home_server", "0")],
    // It looks for the text of the number among numbers.
    changes_discs: false,
    ..V34
};

static TABLE: [Abilities; 8] = [V302, V303, V304, V31, V32, V33, V34, V40];

/// Which xend, for messages, and what it can do.
#[derive(Debug, Clone)]
pub struct Age {
    /// What it can do.
    pub abilities: &'static Abilities,
    name: String,
}

impl Age {
    /// Of a xend that says this of itself.
    pub fn of(format: u32, xen: &XenVersion) -> Age {
        let release = if format >= 4 { (xen.major, xen.minor) } else { (0, 0) };
        let own = (format, release.0, release.1);
        let row = TABLE.iter().rev().find(|row| row.since <= own);
        let name = format!("Xen {xen}, xend_config_format {format}");
        Age { abilities: row.unwrap_or(&TABLE[0]), name }
    }

    /// What cannot be asked of this xend: `what` begins the message, `remedy` ends it.
    pub fn lacks(&self, what: &str, remedy: &str) -> Error {
        let message = format!("{what} is not supported by this xend ({}): {remedy}", self.name);
        Error::new(Status::NotSupported, message).on(Road::Xend)
    }

    /// The same, unless it can.
    pub(super) fn needs(&self, can: bool, what: &str, remedy: &str) -> Result<()> {
        if can { Ok(()) } else { Err(self.lacks(what, remedy)) }
    }
}

impl std::fmt::Display for Age {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Abilities {
    pub(super) fn dump_flags(&self) -> &'static [&'static str] {
        self.dump
    }

    pub(super) fn removal_fields(&self) -> &'static [(&'static str, &'static str)] {
        self.removal
    }

    pub(super) fn migration_fields(&self) -> &'static [(&'static str, &'static str)] {
        self.migration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(format: u32, major: u16, minor: u16, extra: &str) -> Age {
        Age::of(format, &XenVersion { major, minor, extra: extra.into() })
    }

    #[test]
    fn each_age_has_its_row() {
        for (format, major, minor, row) in [
            (1, 3, 0, V302),
            (2, 3, 0, V303),
            (3, 3, 0, V304),
            // The format is believed, whatever hypervisor it runs on.
            (3, 4, 1, V304),
            (4, 3, 1, V31),
            (4, 3, 2, V32),
            (4, 3, 3, V33),
            (4, 3, 4, V34),
            (4, 4, 0, V40),
            (4, 4, 4, V40),
        ] {
            assert_eq!(*age(format, major, minor, "").abilities, row, "{format} {major}.{minor}");
        }
        assert!(TABLE.is_sorted_by_key(|row| row.since));
    }

    #[test]
    fn what_is_lacking_is_said_with_the_age_and_what_to_do() {
        let error = age(2, 3, 0, ".3-1").lacks("defining a domain", "write a file");
        assert_eq!((error.status, error.road), (Status::NotSupported, Road::Xend));
        assert_eq!(
            error.message,
            "defining a domain is not supported by this xend (Xen 3.0.3-1, xend_config_format 2): write a file"
        );
    }
}

//! What xends of different ages do differently: one table, a row per age that differs from the one before.
//!
//! The rows of 3.0.2, 3.0.4, 3.1, 3.2, 3.4, 4.0, 4.1 and 4.4 are what real xends were recorded to do (facts: xend.md 7). 3.0.3 and 3.3
//! are in between; where their neighbours differ it was looked up in the sources of these releases, without being run.

use std::time::Duration;

use crate::sim::release::Release;

/// See the module's description. Each row says only what changed; the rest is the row's before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    /// The first release with these: major, minor, point.
    since: (u16, u16, u32),
    /// `xend_config_format`; 1 is not said.
    pub(super) format: u32,
    /// Managed domains: new, start, delete, dump, `state=`, and uuids in paths.
    pub(super) manages: bool,
    /// A failed operation answers 500; before, 200 or 202 like one that was done.
    pub(super) fails_with_500: bool,
    /// What is said of a domain that is not there.
    pub(super) unknown: Unknown,
    /// The empty string is written as `''` and so stands behind many answers.
    pub(super) quotes_empty: bool,
    /// The connection stays open after errors and some operations.
    pub(super) lingers: bool,
    /// A configuration has to say `vcpus`.
    pub(super) needs_vcpus: bool,
    /// How memory is checked.
    pub(super) memory: MemoryRules,
    /// How set_vcpus is.
    pub(super) vcpus: VcpuRules,
    /// The credit scheduler's parameters.
    pub(super) credit: Credit,
    /// What op=pincpu takes.
    pub(super) pinning: Pinning,
    /// Whether a live domain's twin is named by its number (`already exists with ID '3'`).
    pub(super) twins_by_id: bool,
    /// Which devices it has no name for.
    pub(super) no_devices: &'static [&'static str],
    /// Devices of domains that do not run can be added and removed.
    pub(super) changes_inactive_devices: bool,
    /// Two disks of one domain cannot be the same file.
    pub(super) checks_files: bool,
    /// device_destroy needs `force` and `rm_cfg`, and waits until the device is gone.
    pub(super) waits_for_removal: bool,
    /// What `dump` has to be told, besides the file.
    pub(super) dump: &'static [&'static str],
    /// What `migrate` has to be told.
    pub(super) migrate: &'static [&'static str],
    /// A domain that lived less than this is not restarted; before 3.4 the time since its last restart counts, and the first one is free.
    pub(super) shortest_life: Duration,
    /// `coredump-destroy` and `coredump-restart`.
    pub(super) dumps_cores: bool,
    /// What the values of a domain look like.
    pub(super) looks: Looks,
}

/// The answer about a domain that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// 404 `No such domain NAME`.
    NoSuchDomain,
    /// 404 `No domain named 'NAME'.`
    NoDomainNamed,
    /// 500 without a body.
    InternalError,
    /// 404 `<Fault 3: 'NAME'>`.
    Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemoryRules {
    /// None.
    Anything,
    /// More than nothing, and maxmem grows with it.
    Positive,
    /// As [`MemoryRules::Bounded`], but maxmem is first looked at alone.
    PositiveThenBounded,
    /// memory is more than nothing and at most maxmem.
    Bounded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VcpuRules {
    /// Any number, which sets the mask alone.
    Mask,
    /// Any number, which is the number of vcpus from then on.
    Count,
    /// At least one; sets the mask alone.
    PositiveMask,
    /// At least one, and the number of vcpus where the domain does not run.
    Positive,
    /// The same, and no more than a running domain has.
    Bounded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Credit {
    /// There is no such scheduler.
    None,
    /// The weight of a live domain; the cap of a form is not looked at.
    Weight,
    /// Both, of a live domain.
    Live,
    /// Both, of every domain, and they are kept.
    Kept,
    /// The same, with other words for what is out of range.
    KeptInOtherWords,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pinning {
    /// The list goes as text to where a list of numbers is wanted: always EINVAL. The vcpu is a number, and `all` is none.
    NeverOneByOne,
    /// The same; `all` is all vcpus.
    Never,
    /// The same, with words around the errno.
    NeverInWords,
    /// The same for live domains; for others it is taken as it is, and does nothing.
    NeverLive,
    /// Numbers with commas between them.
    Numbers,
}

/// What the values of a domain look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks {
    /// Which keys a domain has besides those that it always has.
    pub(super) keys: &'static [&'static str],
    /// What Domain-0's maxmem is: None for as much as it has.
    pub(super) no_limit: Option<u64>,
    /// Domain-0 has an image.
    pub(super) dom0_image: bool,
    /// The image: what is made of a kernel's command line and what is added.
    pub(super) image: ImageLooks,
    /// The devices of a domain that does not run: `driver`, `bootable`, `devid`.
    pub(super) kept_devices: KeptDevices,
    /// The devices of one that does.
    pub(super) live_devices: LiveDevices,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum ImageLooks {
    /// As it was given.
    Given,
    /// The parts of the command line are put behind it, and stay.
    Appended,
    /// The command line is put together.
    Joined,
    /// And an HVM guest's kernel is its loader.
    Loader,
    /// With more defaults.
    Loader34,
    /// And more.
    Loader40,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum KeptDevices {
    /// There are none.
    None,
    /// With a driver.
    Driver,
    /// And whether they are bootable, and their numbers once they had one.
    Bootable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum LiveDevices {
    /// What the backends know, without a uuid.
    Plain,
    /// The same; a disk says its kind.
    Typed,
    /// With uuids.
    Uuid,
    /// A disk says whether it is bootable; there is a console.
    Bootable,
    /// Scripts with their whole names.
    Scripts,
    /// A disk has a protocol and a VDI.
    Protocol,
    /// A disk says twice that it is bootable.
    BootableTwice,
    /// And once again.
    Newest,
}

const V302: Habits = Habits {
    since: (0, 0, 0),
    format: 1,
    manages: false,
    fails_with_500: false,
    unknown: Unknown::NoSuchDomain,
    quotes_empty: false,
    lingers: false,
    needs_vcpus: false,
    memory: MemoryRules::Anything,
    vcpus: VcpuRules::Mask,
    credit: Credit::None,
    pinning: Pinning::NeverOneByOne,
    twins_by_id: false,
    no_devices: &["tap", "tap2", "vfb", "vkbd", "console", "vscsi"],
    changes_inactive_devices: false,
    checks_files: false,
    waits_for_removal: false,
    dump: &[],
    migrate: &["destination", "live", "resource", "port"],
    shortest_life: Duration::from_secs(20),
    dumps_cores: false,
    looks: Looks {
        keys: &["ssidref", "shutdown_reason", "up_time"],
        no_limit: None,
        dom0_image: false,
        image: ImageLooks::Given,
        kept_devices: KeptDevices::None,
        live_devices: LiveDevices::Plain,
    },
};

const V303: Habits = Habits {
    since: (3, 0, 3),
    format: 2,
    fails_with_500: true,
    memory: MemoryRules::Positive,
    credit: Credit::Weight,
    pinning: Pinning::Never,
    no_devices: &["tap2", "vfb", "vkbd", "console", "vscsi"],
    looks: Looks {
        keys: &["shadow_memory", "features", "localtime", "shutdown_reason", "up_time"],
        live_devices: LiveDevices::Typed,
        ..V302.looks
    },
    ..V302
};

const V304: Habits = Habits {
    since: (3, 0, 4),
    format: 3,
    manages: true,
    unknown: Unknown::NoDomainNamed,
    vcpus: VcpuRules::Count,
    no_devices: &["tap2", "console", "vscsi"],
    dump: &["live", "crash"],
    looks: Looks {
        keys: &[
            "shadow_memory",
            "features",
            "localtime",
            "cpu_weight",
            "cpu_cap",
            "on_xend_start",
            "on_xend_stop",
            "status",
            "memory_dynamic",
            "online_vcpus",
        ],
        no_limit: Some(16_777_216),
        image: ImageLooks::Appended,
        kept_devices: KeptDevices::Driver,
        live_devices: LiveDevices::Uuid,
        ..V303.looks
    },
    ..V303
};

const V31: Habits = Habits {
    since: (3, 1, 0),
    format: 4,
    unknown: Unknown::InternalError,
    lingers: true,
    memory: MemoryRules::PositiveThenBounded,
    vcpus: VcpuRules::PositiveMask,
    pinning: Pinning::NeverInWords,
    no_devices: &["tap2", "vscsi"],
    looks: Looks {
        keys: &[
            "shadow_memory",
            "features",
            "cpu_weight",
            "cpu_cap",
            "bootloader",
            "bootloader_args",
            "on_xend_start",
            "on_xend_stop",
            "status",
            "rtc_timeoffset",
            "notes",
        ],
        no_limit: Some(16_777_215),
        dom0_image: true,
        image: ImageLooks::Joined,
        kept_devices: KeptDevices::Bootable,
        live_devices: LiveDevices::Bootable,
    },
    ..V304
};

const V32: Habits = Habits {
    since: (3, 2, 0),
    vcpus: VcpuRules::Positive,
    credit: Credit::Live,
    changes_inactive_devices: true,
    checks_files: true,
    looks: Looks {
        keys: &[
            "shadow_memory",
            "features",
            "bootloader",
            "bootloader_args",
            "on_xend_start",
            "on_xend_stop",
            "status",
            "notes",
        ],
        live_devices: LiveDevices::Scripts,
        ..V31.looks
    },
    ..V31
};

const V33: Habits = Habits {
    since: (3, 3, 0),
    needs_vcpus: true,
    memory: MemoryRules::Bounded,
    credit: Credit::Kept,
    pinning: Pinning::NeverLive,
    no_devices: &["tap2"],
    waits_for_removal: true,
    migrate: &["destination", "live", "port", "node", "ssl"],
    dumps_cores: true,
    looks: Looks { image: ImageLooks::Loader, live_devices: LiveDevices::Protocol, ..V32.looks },
    ..V32
};

const V34: Habits = Habits {
    since: (3, 4, 0),
    unknown: Unknown::Fault,
    vcpus: VcpuRules::Bounded,
    pinning: Pinning::Numbers,
    twins_by_id: true,
    dump: &["live", "crash", "reset"],
    shortest_life: Duration::from_secs(60),
    looks: Looks {
        keys: &[
            "shadow_memory",
            "features",
            "bootloader",
            "bootloader_args",
            "on_xend_start",
            "on_xend_stop",
            "status",
            "notes",
            "cpus",
        ],
        image: ImageLooks::Loader34,
        live_devices: LiveDevices::BootableTwice,
        ..V33.looks
    },
    ..V33
};

const V40: Habits = Habits {
    since: (4, 0, 0),
    credit: Credit::KeptInOtherWords,
    no_devices: &[],
    migrate: &["destination", "live", "port", "node", "ssl", "change_home_server"],
    looks: Looks {
        keys: &[
            "shadow_memory",
            "features",
            "bootloader",
            "bootloader_args",
            "on_xend_start",
            "on_xend_stop",
            "status",
            "notes",
            "cpus",
            "cpu_weight",
            "cpu_cap",
            "description",
        ],
        image: ImageLooks::Loader40,
        live_devices: LiveDevices::Newest,
        ..V34.looks
    },
    ..V34
};

const V41: Habits = Habits {
    since: (4, 1, 0),
    quotes_empty: true,
    looks: Looks {
        keys: &[
            "shadow_memory",
            "features",
            "bootloader",
            "bootloader_args",
            "on_xend_start",
            "on_xend_stop",
            "status",
            "notes",
            "cpus",
            "cpu_weight",
            "cpu_cap",
            "description",
            "pool_name",
        ],
        ..V40.looks
    },
    ..V40
};

static TABLE: [Habits; 9] = [V302, V303, V304, V31, V32, V33, V34, V40, V41];

impl Habits {
    /// Those of a xend of that release.
    pub(super) fn of(release: Release) -> &'static Habits {
        let had = |habits: &&Habits| {
            let (major, minor, point) = habits.since;
            release.at_least_point(major, minor, point)
        };
        TABLE.iter().rev().find(had).unwrap_or(&TABLE[0])
    }

    /// Whether a domain's value has that key.
    pub(super) fn shows(&self, key: &str) -> bool {
        self.looks.keys.contains(&key)
    }

    /// Whether these are those of that release or of a later one.
    pub(super) fn at_least(&self, major: u16, minor: u16) -> bool {
        self.since >= (major, minor, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::release::AGES;

    #[test]
    fn every_age_with_a_xend_has_the_format_that_it_said() {
        for age in AGES.iter().filter(|age| !age.release.at_least(4, 5)) {
            let format = match age.word {
                "3.0.1" | "3.0.2" => 1,
                "3.0.3" => 2,
                "3.0.4" => 3,
                _ => 4,
            };
            assert_eq!(Habits::of(age.release).format, format, "{}", age.word);
        }
        assert!(TABLE.is_sorted_by_key(|habits| habits.since));
    }
}

//! The generations of Xen that this version speaks: one row each.

use std::fmt;

use crate::model::XenVersion;

/// A point in Xen's history: major, minor and point release.
pub type Release = (u16, u16, u32);

/// A run of releases with the same control interfaces.
#[derive(Debug, PartialEq, Eq)]
pub struct Generation {
    /// The first release of it.
    pub from: Release,
    /// The first release that is past it.
    pub before: Release,
    /// domctl's interface version (public/domctl.h, `XEN_DOMCTL_INTERFACE_VERSION`).
    pub domctl: u32,
    /// sysctl's interface version (public/sysctl.h, `XEN_SYSCTL_INTERFACE_VERSION`).
    pub sysctl: u32,
}

/// Every generation, oldest first. A new Xen is a new row here; where it changed a structure, a new column in
/// [`super::layout`] too.
pub static GENERATIONS: &[Generation] = &[
    Generation { from: (3, 2, 0), before: (3, 5, 0), domctl: 0x5, sysctl: 0x6 },
    Generation { from: (4, 1, 0), before: (4, 2, 0), domctl: 0x7, sysctl: 0x8 },
    Generation { from: (4, 3, 0), before: (4, 5, 0), domctl: 0x9, sysctl: 0xa },
    Generation { from: (4, 17, 0), before: (4, 18, 0), domctl: 0x15, sysctl: 0x15 },
];

impl Generation {
    /// The row of `version`, if there is one.
    pub fn of(version: &XenVersion) -> Option<&'static Generation> {
        Self::at(release(version))
    }

    /// The row of that point in history, if there is one.
    pub fn at(release: Release) -> Option<&'static Generation> {
        GENERATIONS.iter().find(|row| row.from <= release && release < row.before)
    }

    /// The row to try on a hypervisor that has none of its own: the newest one that is not newer. A distribution's or a
    /// developer's build can still speak the interface of the release before it; only a probe tells.
    pub fn nearest(version: &XenVersion) -> Option<&'static Generation> {
        let release = release(version);
        GENERATIONS.iter().rev().find(|row| row.from <= release)
    }
}

impl fmt::Display for Generation {
    /// `3.2 to 3.4`, `4.1`, and `4.10 (to .0)` for a row that ends within a series.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, micro) = self.from;
        write!(f, "{major}.{minor}")?;
        if micro > 0 {
            write!(f, ".{micro}")?;
        }
        match self.before {
            (last, end, 0) if last == major && end == minor + 1 => Ok(()),
            (last, end, 0) => write!(f, " to {last}.{}", end.saturating_sub(1)),
            (last, end, past) => write!(f, " to {last}.{end}.{}", past - 1),
        }
    }
}

/// The list of generations for messages: `3.2 to 3.4, 4.1, 4.3 to 4.4, 4.17`.
pub fn known() -> String {
    let rows: Vec<String> = GENERATIONS.iter().map(ToString::to_string).collect();
    rows.join(", ")
}

/// The point in history of `version`; a release candidate counts as its release.
pub fn release(version: &XenVersion) -> Release {
    (version.major, version.minor, version.micro().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u16, minor: u16, extra: &str) -> XenVersion {
        XenVersion { major, minor, extra: extra.into() }
    }

    #[test]
    fn each_release_finds_its_row() {
        let domctl = |v: &XenVersion| Generation::of(v).map(|row| row.domctl);
        assert_eq!(domctl(&version(3, 1, ".4")), None);
        assert_eq!(domctl(&version(3, 2, ".1")), Some(5));
        assert_eq!(domctl(&version(3, 4, ".4-pre")), Some(5));
        assert_eq!(domctl(&version(4, 0, ".4")), None);
        assert_eq!(domctl(&version(4, 1, ".6.1")), Some(7));
        assert_eq!(domctl(&version(4, 4, ".4")), Some(9));
        assert_eq!(domctl(&version(4, 17, "-rc3")), Some(0x15));
        assert_eq!(domctl(&version(4, 23, "-unstable")), None);
        assert_eq!(Generation::nearest(&version(4, 23, "-unstable")).map(|row| row.domctl), Some(0x15));
        assert_eq!(Generation::nearest(&version(3, 0, ".3")), None);
    }

    #[test]
    fn rows_are_in_order_and_carry_the_versions_that_were_measured() {
        let measured: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/data/xen-abi.json")).unwrap();
        let mut seen = 0;
        for row in measured["releases"].as_array().unwrap() {
            let text = row["release"].as_str().unwrap().trim_end_matches('*');
            let parts: Vec<&str> = text.splitn(3, '.').collect();
            // "master" is no release.
            let Some(Ok(minor)) = parts.get(1).map(|minor| minor.parse()) else { continue };
            let extra = parts.get(2).map(|micro| format!(".{micro}")).unwrap_or_default();
            let Some(found) = Generation::of(&version(parts[0].parse().unwrap(), minor, &extra)) else {
                continue;
            };
            assert_eq!(Some(u64::from(found.domctl)), row["domctl"].as_u64(), "{text}");
            assert_eq!(Some(u64::from(found.sysctl)), row["sysctl"].as_u64(), "{text}");
            seen += 1;
        }
        assert!(seen > 20, "only {seen} releases have a row");
        assert!(
            GENERATIONS
                .windows(2)
                .all(|pair| pair[0].from < pair[0].before && pair[0].before <= pair[1].from)
        );
    }

    #[test]
    fn messages_name_the_known_releases() {
        assert!(known().starts_with("3.2 to 3.4, 4.1"), "{}", known());
        let row = Generation { from: (4, 10, 1), before: (4, 11, 0), domctl: 0xf, sysctl: 0x10 };
        assert_eq!(row.to_string(), "4.10.1");
        let row = Generation { from: (4, 10, 0), before: (4, 10, 1), domctl: 0xe, sysctl: 0x10 };
        assert_eq!(row.to_string(), "4.10 to 4.10.0");
    }
}

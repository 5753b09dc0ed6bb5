//! The generations of Xen that this version speaks: one row each.

use std::fmt;

use super::layout::{Layout, Table};
use super::number;
use crate::model::XenVersion;

/// A point in Xen's history: major, minor and point release.
pub type Release = (u16, u16, u32);

/// A run of releases with the same control interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// The first release of it.
    pub from: Release,
    /// The first release that is past it.
    pub before: Release,
    /// domctl's interface version (public/domctl.h, `XEN_DOMCTL_INTERFACE_VERSION`); [`DOM0_OPS`] where there is no domctl yet.
    pub domctl: u32,
    /// sysctl's interface version (public/sysctl.h, `XEN_SYSCTL_INTERFACE_VERSION`); [`DOM0_OPS`] where there is no sysctl yet.
    pub sysctl: u32,
}

/// The interface version of dom0_op (public/dom0_ops.h, `DOM0_INTERFACE_VERSION`): the one hypercall of 3.0.0 to 3.0.2 that 3.0.3 split
/// into domctl and sysctl.
pub const DOM0_OPS: u32 = 0x0300_0000;

/// Every generation, oldest first. A new Xen is a new row here; where it changed a structure, a new column in
/// [`super::tables`] too, which begins with the row's first release. Two releases with the same interface versions share a row
/// unless a structure, a flag or a behaviour that matters here tells them apart.
pub static GENERATIONS: &[Generation] = &[
    row((3, 0, 0), (3, 0, 3), DOM0_OPS, DOM0_OPS),
    row((3, 0, 3), (3, 0, 4), 0x3, 0x2),
    row((3, 0, 4), (3, 1, 0), 0x4, 0x2),
    row((3, 1, 0), (3, 2, 0), 0x5, 0x3),
    // 3.3 gave physinfo its capabilities.
    row((3, 2, 0), (3, 3, 0), 0x5, 0x6),
    row((3, 3, 0), (3, 5, 0), 0x5, 0x6),
    row((4, 0, 0), (4, 1, 0), 0x6, 0x7),
    row((4, 1, 0), (4, 2, 0), 0x7, 0x8),
    row((4, 2, 0), (4, 3, 0), 0x8, 0x9),
    // 4.4 has PVH guests, of the first kind.
    row((4, 3, 0), (4, 4, 0), 0x9, 0xa),
    row((4, 4, 0), (4, 5, 0), 0x9, 0xa),
    row((4, 5, 0), (4, 6, 0), 0xa, 0xb),
    // 4.6 and 4.7 share domctl's version and not createdomain.
    row((4, 6, 0), (4, 7, 0), 0xb, 0xc),
    row((4, 7, 0), (4, 8, 0), 0xb, 0xd),
    row((4, 8, 0), (4, 9, 0), 0xc, 0xe),
    row((4, 9, 0), (4, 10, 0), 0xd, 0xf),
    // 4.10.1 is the one point release with an interface of its own.
    row((4, 10, 0), (4, 10, 1), 0xe, 0x10),
    row((4, 10, 1), (4, 11, 0), 0xf, 0x10),
    row((4, 11, 0), (4, 12, 0), 0x10, 0x11),
    row((4, 12, 0), (4, 13, 0), 0x11, 0x12),
    row((4, 13, 0), (4, 14, 0), 0x12, 0x12),
    row((4, 14, 0), (4, 15, 0), 0x12, 0x13),
    row((4, 15, 0), (4, 16, 0), 0x13, 0x13),
    row((4, 16, 0), (4, 17, 0), 0x14, 0x14),
    row((4, 17, 0), (4, 18, 0), 0x15, 0x15),
    row((4, 18, 0), (4, 19, 0), 0x16, 0x15),
    row((4, 19, 0), (4, 21, 0), 0x17, 0x15),
    // 4.21 changed createdomain and not domctl's version.
    row((4, 21, 0), (4, 22, 0), 0x17, 0x16),
    row((4, 22, 0), (4, 23, 0), 0x18, 0x16),
];

const fn row(from: Release, before: Release, domctl: u32, sysctl: u32) -> Generation {
    Generation { from, before, domctl, sysctl }
}

impl Generation {
    /// The row of `version`, if there is one.
    pub fn of(version: &XenVersion) -> Option<&'static Generation> {
        Self::at(release(version))
    }

    /// The row of that point in history, if there is one.
    pub fn at(release: Release) -> Option<&'static Generation> {
        Known(GENERATIONS).at(release)
    }

    /// Whether there is no domctl and no sysctl yet, and dom0_op does the work of both.
    pub fn has_dom0_op(&self) -> bool {
        self.domctl == DOM0_OPS
    }

    /// Whether it is `release` or newer.
    pub fn since(&self, release: Release) -> bool {
        self.from >= release
    }

    /// The number of the hypercall for operations on a domain.
    pub fn domctl_number(&self) -> u64 {
        if self.has_dom0_op() { number::DOM0_OP } else { number::DOMCTL }
    }

    /// The number of the hypercall for operations on the host.
    pub fn sysctl_number(&self) -> u64 {
        if self.has_dom0_op() { number::DOM0_OP } else { number::SYSCTL }
    }
}

impl fmt::Display for Generation {
    /// `3.3 to 3.4`, `4.1`, and `4.10.0` for a row that ends within a series.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, micro) = self.from;
        write!(f, "{major}.{minor}")?;
        let ends_within = self.before.2 > 0;
        if micro > 0 || ends_within {
            write!(f, ".{micro}")?;
        }
        match self.before {
            (last, end, 0) if last == major && end == minor + 1 => Ok(()),
            (last, end, 0) => write!(f, " to {last}.{}", end.saturating_sub(1)),
            (last, end, past) if (last, end, past - 1) == self.from => Ok(()),
            (last, end, past) => write!(f, " to {last}.{end}.{}", past - 1),
        }
    }
}

/// A list of generations, oldest first: [`GENERATIONS`], or one with a row more.
#[derive(Debug, Clone, Copy)]
pub struct Known(pub &'static [Generation]);

impl Known {
    /// The row of that point in history, if there is one.
    pub fn at(self, release: Release) -> Option<&'static Generation> {
        self.0.iter().find(|row| row.from <= release && release < row.before)
    }

    /// The row to try on a hypervisor that has none of its own: the newest one that is not newer. A distribution's or a
    /// developer's build can still speak the interface of the release before it; only a probe tells.
    pub fn nearest(self, release: Release) -> Option<&'static Generation> {
        self.0.iter().rev().find(|row| row.from <= release)
    }

    /// Whether `release` is past the last row.
    pub fn is_past(self, release: Release) -> bool {
        self.0.last().is_some_and(|newest| newest.before <= release)
    }
}

impl fmt::Display for Known {
    /// `3.0.0 to 4.22`: the releases that have a row; gaps are named by neither.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some((major, minor, micro)), Some((last, end, past))) =
            (self.0.first().map(|row| row.from), self.0.last().map(|row| row.before))
        else {
            return f.write_str("nothing");
        };
        write!(f, "{major}.{minor}.{micro} to {last}.{}", if past == 0 { end.saturating_sub(1) } else { end })
    }
}

/// The point in history of `version`; a release candidate counts as its release.
pub fn release(version: &XenVersion) -> Release {
    (version.major, version.minor, version.micro().unwrap_or(0))
}

/// The processor architectures whose structures are known. Most structures are the same on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit PCs.
    X86_64,
    /// 64-bit Arm, from Xen 4.5 on.
    Arm64,
}

impl Arch {
    /// This build's.
    pub const HERE: Arch = if cfg!(target_arch = "aarch64") { Arch::Arm64 } else { Arch::X86_64 };
}

/// A hypervisor's words: what its generation says on its processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The generation.
    pub generation: &'static Generation,
    /// The processors.
    pub arch: Arch,
}

impl Dialect {
    /// That generation on this build's processors.
    pub fn here(generation: &'static Generation) -> Self {
        Dialect { generation, arch: Arch::HERE }
    }

    /// The structure of `table`; None where this generation has none.
    pub fn layout(self, table: &'static Table) -> Option<Layout> {
        table.layout(self.generation.from, self.arch)
    }
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
        assert_eq!(domctl(&version(2, 0, ".7")), None);
        assert_eq!(domctl(&version(3, 0, ".2-2")), Some(DOM0_OPS));
        assert_eq!(domctl(&version(3, 0, ".3-0")), Some(3));
        assert_eq!(domctl(&version(3, 1, ".4")), Some(5));
        assert_eq!(domctl(&version(3, 4, ".4-pre")), Some(5));
        assert_eq!(domctl(&version(3, 7, "")), None);
        assert_eq!(domctl(&version(4, 1, ".6.1")), Some(7));
        assert_eq!(domctl(&version(4, 10, ".0")), Some(0xe));
        assert_eq!(domctl(&version(4, 10, ".1")), Some(0xf));
        assert_eq!(domctl(&version(4, 17, "-rc3")), Some(0x15));
        assert_eq!(domctl(&version(4, 23, "-unstable")), None);
        let nearest = |v| Known(GENERATIONS).nearest(release(&v)).map(|row| row.domctl);
        assert_eq!(nearest(version(4, 23, "-unstable")), Some(0x18));
        assert_eq!(nearest(version(2, 0, "")), None);
        assert!(Known(GENERATIONS).is_past((4, 23, 0)) && !Known(GENERATIONS).is_past((3, 7, 0)));
    }

    #[test]
    fn rows_are_in_order_without_gaps_but_where_no_xen_was() {
        let mut gaps = Vec::new();
        for pair in GENERATIONS.windows(2) {
            assert!(pair[0].from < pair[0].before && pair[0].before <= pair[1].from, "{}", pair[0]);
            if pair[0].before != pair[1].from {
                gaps.push(pair[0].before);
            }
        }
        assert_eq!(gaps, [(3, 5, 0)]);
    }

    #[test]
    fn messages_name_the_known_releases() {
        assert_eq!(Known(GENERATIONS).to_string(), "3.0.0 to 4.22");
        assert_eq!(Known(&[]).to_string(), "nothing");
        let words = |release| Generation::at(release).map(ToString::to_string).unwrap_or_default();
        assert_eq!(words((3, 0, 1)), "3.0.0 to 3.0.2");
        assert_eq!(words((3, 0, 3)), "3.0.3");
        assert_eq!(words((3, 4, 0)), "3.3 to 3.4");
        assert_eq!(words((4, 10, 0)), "4.10.0");
        assert_eq!(words((4, 10, 4)), "4.10.1");
        assert_eq!(words((4, 22, 0)), "4.22");
    }
}

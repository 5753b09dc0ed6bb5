//! What xenstoreds of different releases can do (facts: xen-abi.md section 5).

/// Which of the later additions a simulated xenstored has, and what it has no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XenstoredAge {
    /// RESUME (Xen 3.1).
    pub resume: bool,
    /// SET_TARGET (Xen 3.3).
    pub set_target: bool,
    /// RESTRICT (Xen 4.1 to 4.8).
    pub restrict: bool,
    /// RESET_WATCHES (Xen 4.2).
    pub reset_watches: bool,
    /// The name E2BIG (Xen 4.2.4 and 4.3.1). Before, the daemon says EINVAL, as for every error that its table has no name for.
    pub e2big: bool,
    /// DIRECTORY_PART (Xen 4.9, C xenstored).
    pub directory_part: bool,
    /// Conflicts are found node by node. Without it, as in C xenstored before 4.9, a transaction fails when anything at all
    /// was changed since it began.
    pub conflicts_by_node: bool,
    /// GET_FEATURE, SET_FEATURE, GET_QUOTA and SET_QUOTA (Xen 4.21, C xenstored).
    pub settings: bool,
    /// A watch can say how far below its path it looks (Xen 4.22, C xenstored).
    pub depth: bool,
    /// The errno for a message type that it does not have.
    pub unknown: i32,
}

impl XenstoredAge {
    /// The C xenstored that came with the last point release of Xen `major`.`minor`.
    pub fn of(major: u16, minor: u16) -> Self {
        let since = |from: (u16, u16)| (major, minor) >= from;
        XenstoredAge {
            resume: since((3, 1)),
            set_target: since((3, 3)),
            restrict: since((4, 1)) && !since((4, 9)),
            reset_watches: since((4, 2)),
            e2big: since((4, 2)),
            directory_part: since((4, 9)),
            conflicts_by_node: since((4, 9)),
            settings: since((4, 21)),
            depth: since((4, 22)),
            unknown: if since((4, 0)) { libc::ENOSYS } else { libc::EINVAL },
        }
    }

    /// Everything that this simulation knows.
    pub fn newest() -> Self {
        Self::of(u16::MAX, 0)
    }

    /// An oxenstored of today: it never learned DIRECTORY_PART and what came after it.
    pub fn oxenstored() -> Self {
        XenstoredAge { directory_part: false, settings: false, depth: false, ..Self::newest() }
    }

    /// The features that the daemon offers its clients: bits of GET_FEATURE.
    pub(super) fn features(&self) -> u32 {
        const RECONNECTION: u32 = 0x1;
        const ERROR_INDICATOR: u32 = 0x2;
        const WATCH_DEPTH: u32 = 0x4;
        const ANY_DOMAIN_PERMISSIONS: u32 = 0x8;
        let newest = if self.depth { WATCH_DEPTH | ANY_DOMAIN_PERMISSIONS } else { 0 };
        RECONNECTION | ERROR_INDICATOR | newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_there_from_its_release_on() {
        type Has = fn(XenstoredAge) -> bool;
        let rows: [(&str, (u16, u16), Has); 8] = [
            ("RESUME", (3, 1), |age| age.resume),
            ("SET_TARGET", (3, 3), |age| age.set_target),
            ("RESTRICT", (4, 1), |age| age.restrict),
            ("RESET_WATCHES", (4, 2), |age| age.reset_watches),
            ("E2BIG", (4, 2), |age| age.e2big),
            ("DIRECTORY_PART", (4, 9), |age| age.directory_part),
            ("GET_FEATURE", (4, 21), |age| age.settings),
            ("depth", (4, 22), |age| age.depth),
        ];
        for (what, (major, minor), has) in rows {
            let before = if minor > 0 { (major, minor - 1) } else { (major - 1, 4) };
            assert!(has(XenstoredAge::of(major, minor)), "{what}");
            assert!(!has(XenstoredAge::of(before.0, before.1)), "{what}");
        }
        assert!(XenstoredAge::of(4, 8).restrict && !XenstoredAge::of(4, 9).restrict, "removed");
        assert_eq!((XenstoredAge::of(4, 21).features(), XenstoredAge::of(4, 22).features()), (3, 15));
    }
}

//! What xenstoreds of different releases can do.

/// Which of the later additions a simulated xenstored has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XenstoredAge {
    /// RESUME (Xen 3.1).
    pub resume: bool,
    /// SET_TARGET (Xen 3.3).
    pub set_target: bool,
    /// RESET_WATCHES (Xen 4.2).
    pub reset_watches: bool,
    /// DIRECTORY_PART (Xen 4.9, C xenstored).
    pub directory_part: bool,
    /// Conflicts are found node by node. Without it, as in C xenstored before 4.9, a transaction fails when anything at all
    /// was changed since it began.
    pub conflicts_by_node: bool,
    /// The errno for a message type that it does not have.
    pub unknown: i32,
}

impl XenstoredAge {
    /// The C xenstored that came with Xen `major`.`minor`.
    pub fn of(major: u16, minor: u16) -> Self {
        let since = |from: (u16, u16)| (major, minor) >= from;
        XenstoredAge {
            resume: since((3, 1)),
            set_target: since((3, 3)),
            reset_watches: since((4, 2)),
            directory_part: since((4, 9)),
            conflicts_by_node: since((4, 9)),
            unknown: if since((4, 0)) { libc::ENOSYS } else { libc::EINVAL },
        }
    }

    /// Everything that this simulation knows.
    pub fn newest() -> Self {
        Self::of(u16::MAX, 0)
    }

    /// An oxenstored of today: it never learned DIRECTORY_PART.
    pub fn oxenstored() -> Self {
        XenstoredAge { directory_part: false, ..Self::newest() }
    }
}

//! Which paths xenstore takes.

use super::{MAX_ABSOLUTE_PATH, MAX_RELATIVE_PATH};

/// Why a path is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Nothing in it.
    #[error("a xenstore path cannot be empty")]
    Empty,
    /// Beyond [`MAX_ABSOLUTE_PATH`] or [`MAX_RELATIVE_PATH`].
    #[error("a xenstore path of {length} bytes is longer than the {limit} that are allowed")]
    TooLong {
        /// Its length.
        length: usize,
        /// The limit for its sort.
        limit: usize,
    },
    /// A character besides letters, digits and `-/_@`.
    #[error("a xenstore path cannot hold the character {0:?}")]
    Character(char),
    /// `//`, or `/` at the end.
    #[error("a xenstore path cannot have an empty element")]
    EmptyElement,
}

/// Whether `path` can name a node (`/a/b`), one below the caller's own (`a/b`), or a special watch (`@releaseDomain`).
pub fn check_path(path: &str) -> Result<(), PathFault> {
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    let limit = if path.starts_with('/') { MAX_ABSOLUTE_PATH } else { MAX_RELATIVE_PATH };
    if path.len() > limit {
        return Err(PathFault::TooLong { length: path.len(), limit });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '_' | '@');
    if let Some(other) = path.chars().find(|c| !allowed(*c)) {
        return Err(PathFault::Character(other));
    }
    if path != "/" && (path.ends_with('/') || path.contains("//")) {
        return Err(PathFault::EmptyElement);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_judged_as_the_daemon_does() {
        for good in ["/", "/local/domain/0/name", "name", "@releaseDomain", "/a-b_c@d/E9"] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        for bad in ["", "/a/", "/a//b", "//", "/a b", "/a\0b", "/gr\u{f6}\u{df}e", "/a.b", "/a:b"] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
        assert!(check_path(&format!("/{}", "x".repeat(3071))).is_ok());
        assert!(check_path(&format!("/{}", "x".repeat(3072))).is_err());
        assert!(check_path(&"x".repeat(2048)).is_ok());
        assert!(check_path(&"x".repeat(2049)).is_err());
    }
}

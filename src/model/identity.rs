//! Which domain is meant: docs/model.md, "Identity".

pub use uuid::Uuid;

/// A domain's number in one of its lives. Ordinary ones are 0 to 0x7fef (xen.h, DOMID_FIRST_RESERVED).
pub type DomId = u32;

/// The first number that Xen keeps for itself; no ordinary domain has it or a higher one.
pub const FIRST_RESERVED_DOMID: DomId = 0x7ff0;

/// What a domain handle is pinned to: the domain, and one of its lives where it was alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The domain. Zero for domains that were never given one.
    pub uuid: Uuid,
    /// The life: None for a handle that was taken while the domain was inactive.
    pub domid: Option<DomId>,
}

/// The longest name that is accepted, in bytes: xenstore and file names both hold it.
pub const MAX_NAME: usize = 255;

/// Whether `name` can name a domain; the error says why not.
///
/// The rule is the intersection of what the roads can carry: a name becomes an element of xend's URL paths, a
/// xenstore value and a file name.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a domain's name cannot be empty".into());
    }
    if name.len() > MAX_NAME {
        return Err(format!("a domain's name has at most {MAX_NAME} bytes; this one has {}", name.len()));
    }
    if name == "." || name == ".." {
        return Err(format!("'{name}' cannot be a domain's name: it names a folder"));
    }
    match name.chars().find(|c| *c == '/' || c.is_control()) {
        Some('/') => Err(format!("the name '{name}' has a '/', which no domain's name can have")),
        Some(c) => Err(format!("a domain's name cannot hold the control character U+{:04X}", u32::from(c))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_road_cannot_carry_are_refused() {
        for bad in ["", "a/b", "..", ".", "tab\there", "nl\n", &"x".repeat(256)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["web1", "Domain-0", "a b", "größe", "x:y+z", &"x".repeat(255)] {
            assert_eq!(check_name(good), Ok(()), "{good:?}");
        }
    }
}

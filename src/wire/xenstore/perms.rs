//! Permissions: `n0` `r5`: who owns a node, what everybody may, and what single domains may.

use std::fmt;

/// One entry of a node's permissions. In the first one `domid` is the owner (who may everything) and the letters say
/// what every domain without an entry of its own may; each later one says what `domid` may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permission {
    /// Whom it concerns.
    pub domid: u16,
    /// May read.
    pub read: bool,
    /// May write.
    pub write: bool,
}

impl Permission {
    /// `nDOMID`: nothing.
    pub fn none(domid: u16) -> Self {
        Permission { domid, read: false, write: false }
    }

    /// `rDOMID`: may read.
    pub fn read(domid: u16) -> Self {
        Permission { domid, read: true, write: false }
    }

    /// `bDOMID`: may read and write.
    pub fn both(domid: u16) -> Self {
        Permission { domid, read: true, write: true }
    }

    /// From its text; None when it is no permission.
    pub fn parse(text: &str) -> Option<Self> {
        let (read, write) = match text.as_bytes().first()? {
            b'n' => (false, false),
            b'r' => (true, false),
            b'w' => (false, true),
            b'b' => (true, true),
            _ => return None,
        };
        let digits = text.get(1..).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(Permission { domid: digits.parse().ok()?, read, write })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match (self.read, self.write) {
            (false, false) => 'n',
            (true, false) => 'r',
            (false, true) => 'w',
            (true, true) => 'b',
        };
        write!(f, "{letter}{}", self.domid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_have_a_letter_and_a_domain() {
        for text in ["n0", "r5", "w32751", "b65535"] {
            assert_eq!(Permission::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "n", "x0", "r-1", "r+1", "r65536", "0", "r5 ", "\u{f6}5"] {
            assert_eq!(Permission::parse(bad), None, "{bad:?}");
        }
    }
}

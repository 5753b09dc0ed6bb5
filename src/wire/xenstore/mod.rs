//! The xenstore protocol: frames, messages, limits, errors, permissions. Both ends are written on it, and it does no I/O.
//!
//! The protocol has not changed since Xen 3.0.0 except by new message types (docs/misc/xenstore.txt and
//! xen/include/public/io/xs_wire.h of each release).

mod errno;
mod frame;
mod message;
mod path;
mod perms;

pub use errno::{errno_from_name, errno_name};
pub use frame::{Decoder, Frame, FrameFault};
pub use message::{
    DirectoryPart, Malformed, Request, parse_boolean, parse_directory_part, parse_event, parse_names,
    parse_number, parse_perms, parse_text,
};
pub use path::{PathFault, check_path};
pub use perms::Permission;

/// Bytes of a frame's header.
pub const HEADER: usize = 16;
/// The most bytes that a payload may have; a longer request makes the daemon close the connection.
pub const MAX_PAYLOAD: usize = 4096;
/// The longest absolute path, in bytes.
pub const MAX_ABSOLUTE_PATH: usize = 3072;
/// The longest relative path, in bytes.
pub const MAX_RELATIVE_PATH: usize = 2048;

/// The message types, with the numbers that stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// Orders to the daemon itself; DEBUG before Xen 4.9.
    Control = 0,
    /// The names of a node's children.
    Directory = 1,
    /// A node's value.
    Read = 2,
    /// A node's permissions.
    GetPerms = 3,
    /// Asks for events about a node and all below it.
    Watch = 4,
    /// Ends a watch.
    Unwatch = 5,
    /// Begins a transaction.
    TransactionStart = 6,
    /// Commits or aborts one.
    TransactionEnd = 7,
    /// Tells the daemon of a new domain.
    Introduce = 8,
    /// Tells it that a domain is gone.
    Release = 9,
    /// Where a domain's nodes are.
    GetDomainPath = 10,
    /// Sets a node's value, making it and its parents where they are missing.
    Write = 11,
    /// Makes an empty node.
    Mkdir = 12,
    /// Removes a node and all below it.
    Rm = 13,
    /// Sets a node's permissions.
    SetPerms = 14,
    /// The daemon's news about a watch: no request.
    WatchEvent = 15,
    /// The daemon's refusal: no request.
    Error = 16,
    /// Whether the daemon knows a domain.
    IsDomainIntroduced = 17,
    /// Marks a suspended domain as running again (Xen 3.1).
    Resume = 18,
    /// Gives a device model's domain the rights of the domain it serves (Xen 3.3).
    SetTarget = 19,
    /// Drops a connection's rights (Xen 4.1 to 4.8).
    Restrict = 20,
    /// Ends all of a connection's watches and transactions (Xen 4.2).
    ResetWatches = 21,
    /// A piece of a long list of children (Xen 4.9, C xenstored only).
    DirectoryPart = 22,
    /// Xen 4.21.
    GetFeature = 23,
    /// Xen 4.21.
    SetFeature = 24,
    /// Xen 4.21.
    GetQuota = 25,
    /// Xen 4.21.
    SetQuota = 26,
}

impl Kind {
    const ALL: [Kind; 27] = [
        Kind::Control,
        Kind::Directory,
        Kind::Read,
        Kind::GetPerms,
        Kind::Watch,
        Kind::Unwatch,
        Kind::TransactionStart,
        Kind::TransactionEnd,
        Kind::Introduce,
        Kind::Release,
        Kind::GetDomainPath,
        Kind::Write,
        Kind::Mkdir,
        Kind::Rm,
        Kind::SetPerms,
        Kind::WatchEvent,
        Kind::Error,
        Kind::IsDomainIntroduced,
        Kind::Resume,
        Kind::SetTarget,
        Kind::Restrict,
        Kind::ResetWatches,
        Kind::DirectoryPart,
        Kind::GetFeature,
        Kind::SetFeature,
        Kind::GetQuota,
        Kind::SetQuota,
    ];

    /// The number in the header.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The type of that number; None for one that no Xen has.
    pub fn from_number(number: u32) -> Option<Kind> {
        Kind::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The protocol's name for it, as it stands in xs_wire.h without the prefix.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Control => "CONTROL",
            Kind::Directory => "DIRECTORY",
            Kind::Read => "READ",
            Kind::GetPerms => "GET_PERMS",
            Kind::Watch => "WATCH",
            Kind::Unwatch => "UNWATCH",
            Kind::TransactionStart => "TRANSACTION_START",
            Kind::TransactionEnd => "TRANSACTION_END",
            Kind::Introduce => "INTRODUCE",
            Kind::Release => "RELEASE",
            Kind::GetDomainPath => "GET_DOMAIN_PATH",
            Kind::Write => "WRITE",
            Kind::Mkdir => "MKDIR",
            Kind::Rm => "RM",
            Kind::SetPerms => "SET_PERMS",
            Kind::WatchEvent => "WATCH_EVENT",
            Kind::Error => "ERROR",
            Kind::IsDomainIntroduced => "IS_DOMAIN_INTRODUCED",
            Kind::Resume => "RESUME",
            Kind::SetTarget => "SET_TARGET",
            Kind::Restrict => "RESTRICT",
            Kind::ResetWatches => "RESET_WATCHES",
            Kind::DirectoryPart => "DIRECTORY_PART",
            Kind::GetFeature => "GET_FEATURE",
            Kind::SetFeature => "SET_FEATURE",
            Kind::GetQuota => "GET_QUOTA",
            Kind::SetQuota => "SET_QUOTA",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_found_by_its_own_number() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
        }
        assert_eq!(Kind::from_number(27), None);
        assert_eq!(Kind::from_number(65535), None);
    }
}

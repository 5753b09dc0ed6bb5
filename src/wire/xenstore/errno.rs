//! Error names on the wire <-> errno of this machine.

/// The names that daemons send, with this machine's number for each (E2BIG since 4.2.4 and 4.3.1, EPERM since 4.17).
const NAMES: [(&str, i32); 16] = [
    ("EINVAL", libc::EINVAL),
    ("EACCES", libc::EACCES),
    ("EEXIST", libc::EEXIST),
    ("EISDIR", libc::EISDIR),
    ("ENOENT", libc::ENOENT),
    ("ENOMEM", libc::ENOMEM),
    ("ENOSPC", libc::ENOSPC),
    ("EIO", libc::EIO),
    ("ENOTEMPTY", libc::ENOTEMPTY),
    ("ENOSYS", libc::ENOSYS),
    ("EROFS", libc::EROFS),
    ("EBUSY", libc::EBUSY),
    ("EAGAIN", libc::EAGAIN),
    ("EISCONN", libc::EISCONN),
    ("E2BIG", libc::E2BIG),
    ("EPERM", libc::EPERM),
];

/// The errno that an ERROR's payload names, with or without its NUL. An unknown name is EINVAL, as the protocol says.
pub fn errno_from_name(payload: &[u8]) -> i32 {
    let name = payload.strip_suffix(b"\0").unwrap_or(payload);
    NAMES.iter().find(|(known, _)| known.as_bytes() == name).map_or(libc::EINVAL, |(_, errno)| *errno)
}

/// The name for `errno`; one that the protocol has no name for is `EINVAL`.
pub fn errno_name(errno: i32) -> &'static str {
    NAMES.iter().find(|(_, known)| *known == errno).map_or("EINVAL", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_go_both_ways_and_the_unknown_is_einval() {
        for (name, errno) in NAMES {
            assert_eq!(errno_name(errno), name);
            assert_eq!(errno_from_name(format!("{name}\0").as_bytes()), errno);
            assert_eq!(errno_from_name(name.as_bytes()), errno);
        }
        assert_eq!(errno_from_name(b"EWHATEVER\0"), libc::EINVAL);
        assert_eq!(errno_from_name(b""), libc::EINVAL);
        assert_eq!(errno_name(libc::ENOTTY), "EINVAL");
    }
}

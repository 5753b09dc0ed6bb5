//! What stands in a payload: requests both ways, and what replies hold.

use super::{Kind, MAX_PAYLOAD, Permission};

/// A request. The near end encodes it, the far end parses it. Paths are not checked here: see [`super::check_path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// An order to the daemon itself: words, each ending in NUL on the wire.
    Control(Vec<&'a [u8]>),
    /// The names of a node's children.
    Directory(&'a str),
    /// A node's value.
    Read(&'a str),
    /// A node's permissions.
    GetPerms(&'a str),
    /// Events about `path` and what is below it, each with `token`.
    Watch {
        /// What is watched.
        path: &'a str,
        /// Any bytes but NUL; they come back in each event.
        token: &'a [u8],
        /// How far below (needs the daemon's feature 4).
        depth: Option<u32>,
    },
    /// Ends the watch of that path and token.
    Unwatch {
        /// As it was given.
        path: &'a str,
        /// As it was given.
        token: &'a [u8],
    },
    /// Begins a transaction.
    TransactionStart,
    /// Ends the transaction that the frame's header names.
    TransactionEnd {
        /// Whether its changes become true.
        commit: bool,
    },
    /// A new domain, and where its ring is.
    Introduce {
        /// The domain.
        domid: u32,
        /// The ring's frame; signed, because daemons parse it so.
        gfn: i64,
        /// The event channel.
        port: u32,
    },
    /// The domain is gone.
    Release(u32),
    /// Where the domain's nodes are.
    GetDomainPath(u32),
    /// Sets a node's value.
    Write {
        /// The node.
        path: &'a str,
        /// Any bytes.
        value: &'a [u8],
    },
    /// Makes an empty node.
    Mkdir(&'a str),
    /// Removes a node and all below it.
    Rm(&'a str),
    /// Sets a node's permissions.
    SetPerms {
        /// The node.
        path: &'a str,
        /// Owner first; never empty.
        perms: Vec<Permission>,
    },
    /// Whether the daemon knows the domain.
    IsDomainIntroduced(u32),
    /// The suspended domain runs again.
    Resume(u32),
    /// `domid` gets the rights of `target`.
    SetTarget {
        /// The device model's domain.
        domid: u32,
        /// The domain it serves.
        target: u32,
    },
    /// The connection gets the rights of that domain.
    Restrict(u32),
    /// Ends all watches and transactions of this connection.
    ResetWatches,
    /// A piece of the list of children, from byte `offset`.
    DirectoryPart {
        /// The node.
        path: &'a str,
        /// 0, or the number of bytes of names had so far.
        offset: u32,
    },
    /// The daemon's features, or those that a domain sees.
    GetFeature(Option<u32>),
    /// Which features a domain sees.
    SetFeature {
        /// The domain.
        domid: u32,
        /// The bits.
        value: u32,
    },
    /// The names of the quotas, or one's value.
    GetQuota {
        /// For one domain; None for the default.
        domid: Option<u32>,
        /// Which; None for their names.
        quota: Option<&'a str>,
    },
    /// Sets a quota.
    SetQuota {
        /// For one domain; None for the default.
        domid: Option<u32>,
        /// Which.
        quota: &'a str,
        /// Its new value.
        value: u32,
    },
}

/// A payload that does not have the form its type asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload is malformed")]
pub struct Malformed;

impl<'a> Request<'a> {
    /// The type that stands in the header.
    pub fn kind(&self) -> Kind {
        match self {
            Request::Control(_) => Kind::Control,
            Request::Directory(_) => Kind::Directory,
            Request::Read(_) => Kind::Read,
            Request::GetPerms(_) => Kind::GetPerms,
            Request::Watch { .. } => Kind::Watch,
            Request::Unwatch { .. } => Kind::Unwatch,
            Request::TransactionStart => Kind::TransactionStart,
            Request::TransactionEnd { .. } => Kind::TransactionEnd,
            Request::Introduce { .. } => Kind::Introduce,
            Request::Release(_) => Kind::Release,
            Request::GetDomainPath(_) => Kind::GetDomainPath,
            Request::Write { .. } => Kind::Write,
            Request::Mkdir(_) => Kind::Mkdir,
            Request::Rm(_) => Kind::Rm,
            Request::SetPerms { .. } => Kind::SetPerms,
            Request::IsDomainIntroduced(_) => Kind::IsDomainIntroduced,
            Request::Resume(_) => Kind::Resume,
            Request::SetTarget { .. } => Kind::SetTarget,
            Request::Restrict(_) => Kind::Restrict,
            Request::ResetWatches => Kind::ResetWatches,
            Request::DirectoryPart { .. } => Kind::DirectoryPart,
            Request::GetFeature(_) => Kind::GetFeature,
            Request::SetFeature { .. } => Kind::SetFeature,
            Request::GetQuota { .. } => Kind::GetQuota,
            Request::SetQuota { .. } => Kind::SetQuota,
        }
    }

    /// The node that it is about, for messages; None where it is about none.
    pub fn path(&self) -> Option<&'a str> {
        match self {
            Request::Directory(path)
            | Request::Read(path)
            | Request::GetPerms(path)
            | Request::Mkdir(path)
            | Request::Rm(path)
            | Request::Watch { path, .. }
            | Request::Unwatch { path, .. }
            | Request::Write { path, .. }
            | Request::SetPerms { path, .. }
            | Request::DirectoryPart { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The payload's bytes.
    pub fn payload(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Request::Control(words) => words.iter().for_each(|word| put(&mut out, word)),
            Request::Directory(path)
            | Request::Read(path)
            | Request::GetPerms(path)
            | Request::Mkdir(path)
            | Request::Rm(path) => put(&mut out, path),
            Request::Watch { path, token, depth } => {
                put(&mut out, path);
                put(&mut out, token);
                put_number(&mut out, *depth);
            }
            Request::Unwatch { path, token } => {
                put(&mut out, path);
                put(&mut out, token);
            }
            Request::TransactionStart | Request::ResetWatches => put(&mut out, ""),
            Request::TransactionEnd { commit } => put(&mut out, if *commit { "T" } else { "F" }),
            Request::Introduce { domid, gfn, port } => {
                put_number(&mut out, Some(*domid));
                put(&mut out, gfn.to_string());
                put_number(&mut out, Some(*port));
            }
            Request::Release(domid)
            | Request::GetDomainPath(domid)
            | Request::IsDomainIntroduced(domid)
            | Request::Resume(domid)
            | Request::Restrict(domid) => put_number(&mut out, Some(*domid)),
            Request::Write { path, value } => {
                put(&mut out, path);
                out.extend_from_slice(value);
            }
            Request::SetPerms { path, perms } => {
                put(&mut out, path);
                perms.iter().for_each(|perm| put(&mut out, perm.to_string()));
            }
            Request::SetTarget { domid, target } => {
                put_number(&mut out, Some(*domid));
                put_number(&mut out, Some(*target));
            }
            Request::DirectoryPart { path, offset } => {
                put(&mut out, path);
                put_number(&mut out, Some(*offset));
            }
            Request::GetFeature(domid) => put_number(&mut out, *domid),
            Request::SetFeature { domid, value } => {
                put_number(&mut out, Some(*domid));
                put_number(&mut out, Some(*value));
            }
            Request::GetQuota { domid, quota } => {
                put_number(&mut out, *domid);
                quota.iter().for_each(|quota| put(&mut out, quota));
            }
            Request::SetQuota { domid, quota, value } => {
                put_number(&mut out, *domid);
                put(&mut out, quota);
                put_number(&mut out, Some(*value));
            }
        }
        out
    }

    /// Reads a payload of type `kind`. Replies and events are no requests and malformed here.
    pub fn parse(kind: Kind, payload: &'a [u8]) -> Result<Self, Malformed> {
        if payload.len() > MAX_PAYLOAD {
            return Err(Malformed);
        }
        Ok(match kind {
            Kind::Write => {
                let end = payload.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
                let (path, value) = payload.split_at_checked(end).ok_or(Malformed)?;
                Request::Write { path: text(path)?, value: value.get(1..).unwrap_or_default() }
            }
            Kind::Control => Request::Control(words(payload)?),
            Kind::Directory => Request::Directory(only_text(payload)?),
            Kind::Read => Request::Read(only_text(payload)?),
            Kind::GetPerms => Request::GetPerms(only_text(payload)?),
            Kind::Mkdir => Request::Mkdir(only_text(payload)?),
            Kind::Rm => Request::Rm(only_text(payload)?),
            Kind::Watch => match words(payload)?.as_slice() {
                [path, token] => Request::Watch { path: text(path)?, token, depth: None },
                [path, token, depth] => {
                    Request::Watch { path: text(path)?, token, depth: Some(number(depth)?) }
                }
                _ => return Err(Malformed),
            },
            Kind::Unwatch => match words(payload)?.as_slice() {
                [path, token] => Request::Unwatch { path: text(path)?, token },
                _ => return Err(Malformed),
            },
            Kind::TransactionStart => Request::TransactionStart,
            Kind::ResetWatches => Request::ResetWatches,
            Kind::TransactionEnd => match payload {
                b"T\0" => Request::TransactionEnd { commit: true },
                b"F\0" => Request::TransactionEnd { commit: false },
                _ => return Err(Malformed),
            },
            Kind::Introduce => match words(payload)?.as_slice() {
                [domid, gfn, port, ..] => Request::Introduce {
                    domid: number(domid)?,
                    gfn: text(gfn)?.parse().map_err(|_| Malformed)?,
                    port: number(port)?,
                },
                _ => return Err(Malformed),
            },
            Kind::Release => Request::Release(only_number(payload)?),
            Kind::GetDomainPath => Request::GetDomainPath(only_number(payload)?),
            Kind::IsDomainIntroduced => Request::IsDomainIntroduced(only_number(payload)?),
            Kind::Resume => Request::Resume(only_number(payload)?),
            Kind::Restrict => Request::Restrict(only_number(payload)?),
            Kind::SetPerms => {
                let words = words(payload)?;
                let (path, perms) = words.split_first().ok_or(Malformed)?;
                if perms.is_empty() {
                    return Err(Malformed);
                }
                let perms = perms.iter().map(|perm| permission(perm)).collect::<Result<_, _>>()?;
                Request::SetPerms { path: text(path)?, perms }
            }
            Kind::SetTarget => match words(payload)?.as_slice() {
                [domid, target] => Request::SetTarget { domid: number(domid)?, target: number(target)? },
                _ => return Err(Malformed),
            },
            Kind::DirectoryPart => match words(payload)?.as_slice() {
                [path, offset] => Request::DirectoryPart { path: text(path)?, offset: number(offset)? },
                _ => return Err(Malformed),
            },
            Kind::GetFeature => match words(payload)?.as_slice() {
                [] => Request::GetFeature(None),
                [domid] => Request::GetFeature(Some(number(domid)?)),
                _ => return Err(Malformed),
            },
            Kind::SetFeature => match words(payload)?.as_slice() {
                [domid, value] => Request::SetFeature { domid: number(domid)?, value: number(value)? },
                _ => return Err(Malformed),
            },
            Kind::GetQuota => match words(payload)?.as_slice() {
                [] => Request::GetQuota { domid: None, quota: None },
                [quota] => Request::GetQuota { domid: None, quota: Some(text(quota)?) },
                [domid, quota] => {
                    Request::GetQuota { domid: Some(number(domid)?), quota: Some(text(quota)?) }
                }
                _ => return Err(Malformed),
            },
            Kind::SetQuota => match words(payload)?.as_slice() {
                [quota, value] => {
                    Request::SetQuota { domid: None, quota: text(quota)?, value: number(value)? }
                }
                [domid, quota, value] => Request::SetQuota {
                    domid: Some(number(domid)?),
                    quota: text(quota)?,
                    value: number(value)?,
                },
                _ => return Err(Malformed),
            },
            Kind::WatchEvent | Kind::Error => return Err(Malformed),
        })
    }
}

/// A reply of names (DIRECTORY), each ending in NUL.
pub fn parse_names(payload: &[u8]) -> Result<Vec<String>, Malformed> {
    words(payload)?.into_iter().map(|name| text(name).map(str::to_owned)).collect()
}

/// A reply that is one decimal number (TRANSACTION_START, GET_FEATURE, GET_QUOTA).
pub fn parse_number(payload: &[u8]) -> Result<u32, Malformed> {
    number(payload.strip_suffix(b"\0").unwrap_or(payload))
}

/// A reply of `T` or `F` (IS_DOMAIN_INTRODUCED).
pub fn parse_boolean(payload: &[u8]) -> Result<bool, Malformed> {
    match payload.strip_suffix(b"\0").unwrap_or(payload) {
        b"T" => Ok(true),
        b"F" => Ok(false),
        _ => Err(Malformed),
    }
}

/// A reply that is one text (GET_DOMAIN_PATH).
pub fn parse_text(payload: &[u8]) -> Result<&str, Malformed> {
    let text = self::text(payload.strip_suffix(b"\0").unwrap_or(payload))?;
    if text.contains('\0') { Err(Malformed) } else { Ok(text) }
}

/// A reply of permissions (GET_PERMS); never empty.
pub fn parse_perms(payload: &[u8]) -> Result<Vec<Permission>, Malformed> {
    let perms: Vec<_> = words(payload)?.into_iter().map(permission).collect::<Result<_, _>>()?;
    if perms.is_empty() { Err(Malformed) } else { Ok(perms) }
}

/// An event: the path that changed and the watch's token. Daemons with feature 4 may add a third word, which is passed over.
pub fn parse_event(payload: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    match words(payload)?.as_slice() {
        [path, token, ..] => Ok((text(path)?, token)),
        _ => Err(Malformed),
    }
}

/// One piece of a long list of children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryPart {
    /// Changes whenever the node's children do: then the pieces had so far are worth nothing.
    pub generation: Vec<u8>,
    /// The names in this piece.
    pub names: Vec<String>,
    /// The bytes that these names take in the list: what the next offset grows by.
    pub bytes: u32,
    /// Whether this was the last piece.
    pub complete: bool,
}

/// Reads a reply to DIRECTORY_PART. An incomplete piece without a name is malformed: asking on would never end.
pub fn parse_directory_part(payload: &[u8]) -> Result<DirectoryPart, Malformed> {
    let end = payload.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
    let generation = payload.get(..end).unwrap_or_default().to_vec();
    let list = payload.get(end + 1..).unwrap_or_default();
    // The end of the whole list is an empty name.
    let (list, complete) = match list {
        [0] => (&[][..], true),
        [names @ .., 0, 0] => (list.get(..names.len() + 1).unwrap_or_default(), true),
        [] => return Err(Malformed),
        _ => (list, false),
    };
    let bytes = u32::try_from(list.len()).map_err(|_| Malformed)?;
    Ok(DirectoryPart { generation, names: parse_names(list)?, bytes, complete })
}

fn put(out: &mut Vec<u8>, word: impl AsRef<[u8]>) {
    out.extend_from_slice(word.as_ref());
    out.push(0);
}

fn put_number(out: &mut Vec<u8>, number: Option<u32>) {
    if let Some(number) = number {
        put(out, number.to_string());
    }
}

/// The words of a payload, each ending in NUL.
fn words(payload: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    match payload {
        [] => Ok(Vec::new()),
        [words @ .., 0] => Ok(words.split(|byte| *byte == 0).collect()),
        _ => Err(Malformed),
    }
}

fn only_text(payload: &[u8]) -> Result<&str, Malformed> {
    match words(payload)?.as_slice() {
        [only] => text(only),
        _ => Err(Malformed),
    }
}

fn only_number(payload: &[u8]) -> Result<u32, Malformed> {
    match words(payload)?.as_slice() {
        [only] => number(only),
        _ => Err(Malformed),
    }
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

fn number(bytes: &[u8]) -> Result<u32, Malformed> {
    let text = text(bytes)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed);
    }
    text.parse().map_err(|_| Malformed)
}

fn permission(bytes: &[u8]) -> Result<Permission, Malformed> {
    Permission::parse(text(bytes)?).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_request_reads_back_as_it_was_written() {
        let path = "/local/domain/5/name";
        let all = [
            Request::Control(vec![b"print", b"x"]),
            Request::Directory(path),
            Request::Read(path),
            Request::GetPerms(path),
            Request::Watch { path, token: b"t \xff", depth: None },
            Request::Watch { path, token: b"", depth: Some(1) },
            Request::Unwatch { path, token: b"t" },
            Request::TransactionStart,
            Request::TransactionEnd { commit: true },
            Request::TransactionEnd { commit: false },
            Request::Introduce { domid: 5, gfn: -1, port: 3 },
            Request::Release(5),
            Request::GetDomainPath(0),
            Request::Write { path, value: b"a\0b" },
            Request::Write { path, value: b"" },
            Request::Mkdir(path),
            Request::Rm(path),
            Request::SetPerms { path, perms: vec![Permission::none(0), Permission::read(5)] },
            Request::IsDomainIntroduced(9),
            Request::Resume(9),
            Request::SetTarget { domid: 7, target: 5 },
            Request::Restrict(5),
            Request::ResetWatches,
            Request::DirectoryPart { path, offset: 4000 },
            Request::GetFeature(None),
            Request::GetFeature(Some(3)),
            Request::SetFeature { domid: 3, value: 6 },
            Request::GetQuota { domid: None, quota: None },
            Request::GetQuota { domid: None, quota: Some("nodes") },
            Request::GetQuota { domid: Some(1), quota: Some("nodes") },
            Request::SetQuota { domid: None, quota: "nodes", value: 10 },
            Request::SetQuota { domid: Some(2), quota: "nodes", value: 10 },
        ];
        for request in all {
            let payload = request.payload();
            assert_eq!(Request::parse(request.kind(), &payload), Ok(request));
        }
    }

    #[test]
    fn the_forms_are_those_of_the_specification() {
        assert_eq!(Request::Read("/a").payload(), b"/a\0");
        assert_eq!(Request::Write { path: "/a", value: b"v" }.payload(), b"/a\0v");
        assert_eq!(Request::TransactionStart.payload(), b"\0");
        assert_eq!(Request::Introduce { domid: 5, gfn: -2, port: 1 }.payload(), b"5\0-2\x001\0");
        let perms = vec![Permission::none(0), Permission::read(5)];
        assert_eq!(Request::SetPerms { path: "/a", perms }.payload(), b"/a\0n0\0r5\0");
        assert_eq!(Request::GetFeature(None).payload(), b"");
    }

    #[test]
    fn a_long_list_arrives_in_pieces() {
        let part = parse_directory_part(b"17\0a\0bb\0").unwrap();
        assert_eq!((part.names.len(), part.bytes, part.complete), (2, 5, false));
        let part = parse_directory_part(b"17\0a\0bb\0\0").unwrap();
        assert_eq!((part.names.len(), part.bytes, part.complete), (2, 5, true));
        let part = parse_directory_part(b"17\0\0").unwrap();
        assert_eq!((part.names.len(), part.bytes, part.complete), (0, 0, true));
        assert_eq!(parse_directory_part(b"17\0"), Err(Malformed), "would be asked for ever");
        assert_eq!(parse_directory_part(b"17"), Err(Malformed));
        assert_eq!(parse_directory_part(b"17\0ab"), Err(Malformed));
    }

    #[test]
    fn replies_are_read_strictly() {
        assert_eq!(parse_names(b"a\0b\0").unwrap(), ["a", "b"]);
        assert_eq!(parse_names(b"").unwrap(), Vec::<String>::new());
        assert_eq!(parse_names(b"a"), Err(Malformed));
        assert_eq!(parse_number(b"12\0"), Ok(12));
        assert_eq!(parse_number(b"\0"), Err(Malformed));
        assert_eq!(parse_number(b"+1\0"), Err(Malformed));
        assert_eq!(parse_boolean(b"T\0"), Ok(true));
        assert_eq!(parse_boolean(b"x"), Err(Malformed));
        assert_eq!(parse_event(b"/a\0tok\0"), Ok(("/a", b"tok".as_slice())));
        assert_eq!(parse_event(b"/a\0"), Err(Malformed));
        assert_eq!(parse_perms(b""), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_payload_is_too_strange(kind in 0u32..27, payload in vec(prop_oneof![Just(0u8), Just(b'/'), Just(b'7'), any::<u8>()], 0..60)) {
            if let Ok(request) = Request::parse(Kind::from_number(kind).unwrap(), &payload) {
                let again = request.payload();
                prop_assert_eq!(Request::parse(request.kind(), &again), Ok(request));
            }
            let _ = (parse_names(&payload), parse_number(&payload), parse_boolean(&payload), parse_text(&payload));
            let _ = (parse_event(&payload), parse_directory_part(&payload), parse_perms(&payload));
        }

        #[test]
        fn any_value_is_carried_whole(value in vec(any::<u8>(), 0..300)) {
            let payload = Request::Write { path: "/a", value: &value }.payload();
            prop_assert_eq!(Request::parse(Kind::Write, &payload), Ok(Request::Write { path: "/a", value: &value }));
        }
    }
}

//! Nodes of xenstore: what is said of their paths and values.

use super::words::{is_known_key, keeps};
use super::{Disguise, Kind, Value};
use crate::model::Uuid;

/// Bytes of a uuid's text.
const UUID: usize = 36;

/// A path, its words replaced where they are on no list, uuids by uuids.
pub fn disguised_path(path: &str, disguise: &mut Disguise) -> String {
    let parts: Vec<String> = path.split('/').map(|part| disguised_part(part, disguise)).collect();
    parts.join("/")
}

fn disguised_part(part: &str, disguise: &mut Disguise) -> String {
    if part.is_empty() || is_known_key(part) {
        return part.to_owned();
    }
    // xend numbers a domain's lives behind its uuid: `/vm/UUID-1`.
    if let Some((head, rest)) = part.split_at_checked(UUID)
        && let Ok(uuid) = Uuid::parse_str(head)
    {
        let life = rest.strip_prefix('-').and_then(|life| life.parse::<u32>().ok());
        let life = life.map(|life| format!("-{life}")).unwrap_or_default();
        return format!("{}{life}", disguise.uuid(uuid));
    }
    disguise.key(part)
}

/// What is said of the value of the node at `path` (as it is in xenstore).
pub fn disguised_value(path: &str, value: &[u8], disguise: &mut Disguise) -> Value {
    let key = path.rsplit('/').next().unwrap_or_default();
    let Ok(text) = std::str::from_utf8(value) else { return Value::Shape(Kind::Binary, value.len()) };
    if let Ok(uuid) = Uuid::parse_str(text)
        && text.len() == UUID
    {
        return Value::Kept(disguise.uuid(uuid).to_string());
    }
    if is_mac(text) {
        return Value::Kept(disguise.mac(text));
    }
    if is_domains_name(path) && !text.chars().any(char::is_control) {
        return Value::Kept(disguise.name(text));
    }
    // How nodes of one store point to each other.
    if is_store_path(text) {
        return Value::Kept(disguised_path(text, disguise));
    }
    if keeps(key, text) {
        return Value::Kept(text.to_owned());
    }
    Value::Shape(Kind::of(value), value.len())
}

/// Where toolstacks keep a domain's name: `/local/domain/5/name`, `/vm/UUID/name`.
fn is_domains_name(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    matches!(parts.as_slice(), ["local", "domain", _, "name"] | ["vm", _, "name"])
        || (path.ends_with("/domain") && path.contains("/backend/"))
}

fn is_store_path(text: &str) -> bool {
    ["/local/domain/", "/vm/", "/libxl/"].iter().any(|root| text.starts_with(root))
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

pub(super) fn is_mac(text: &str) -> bool {
    text.len() == 17
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at % 3 == 2 { byte == b':' } else { byte.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID_TEXT: &str = "9a0df5b2-3c4d-4e5f-8a9b-0c1d2e3f4a5b";
    const FIRST: &str = "00000000-0000-4000-8000-000000000001";

    #[test]
    fn paths_keep_their_shape_and_lose_their_names() {
        let mut disguise = Disguise::new();
        let mut path = |path: &str| disguised_path(path, &mut disguise);
        assert_eq!(path("/local/domain/3/device/vbd/51712/state"), "/local/domain/3/device/vbd/51712/state");
        assert_eq!(path(&format!("/vm/{UUID_TEXT}/name")), format!("/vm/{FIRST}/name"));
        assert_eq!(path(&format!("/vm/{UUID_TEXT}-2/name")), format!("/vm/{FIRST}-2/name"));
        assert_eq!(path(&format!("/vm/{UUID_TEXT}-bob/name")), format!("/vm/{FIRST}/name"));
        assert_eq!(path("/local/domain/3/data/acme-db7"), "/local/domain/3/data/key-0001");
        assert_eq!(path("/acme-db7"), "/key-0001");
        assert_eq!(path("/"), "/");
    }

    #[test]
    fn values_are_kept_replaced_or_measured() {
        let mut disguise = Disguise::new();
        let mut value = |path: &str, value: &str| disguised_value(path, value.as_bytes(), &mut disguise);
        let kept = |text: &str| Value::Kept(text.to_owned());
        assert_eq!(value("/local/domain/3/name", "acme-web"), kept("guest-1"));
        assert_eq!(value(&format!("/vm/{UUID_TEXT}/name"), "acme-web"), kept("guest-1"));
        assert_eq!(value("/local/domain/3/name", ""), kept(""));
        assert_eq!(value("/local/domain/3/vm", &format!("/vm/{UUID_TEXT}")), kept(&format!("/vm/{FIRST}")));
        assert_eq!(value("/vm/x/uuid", UUID_TEXT), kept(FIRST));
        assert_eq!(value("/local/domain/3/data/x", UUID_TEXT), kept(FIRST));
        assert_eq!(value("/local/domain/3/device/vif/0/mac", "AA:BB:CC:00:11:22"), kept("00:16:3e:00:00:01"));
        assert_eq!(value("/local/domain/3/device/vif/0/state", "4"), kept("4"));
        assert_eq!(
            value("/local/domain/0/backend/vbd/3/51712/params", "/srv/acme.img"),
            Value::Shape(Kind::Path, 13)
        );
        assert_eq!(value("/local/domain/3/data/name", "acme"), Value::Shape(Kind::Text, 4));
        assert_eq!(value("/local/domain/3/attr/eth0/ip", "192.168.7.1"), Value::Shape(Kind::Text, 11));
        assert_eq!(value("/local/domain/3/console/vnc-port", "5901"), Value::Shape(Kind::Number, 4));
        assert_eq!(
            disguised_value("/local/domain/3/name", b"\xff\x00", &mut Disguise::new()),
            Value::Shape(Kind::Binary, 2)
        );
    }

    proptest! {
        #[test]
        fn what_was_disguised_is_disguised_as_itself(parts in prop::collection::vec("[a-z0-9-]{1,8}|feature-sg|domain|[0-9]{1,3}", 1..6), text in "[ -~]{0,20}") {
            let path = format!("/{}", parts.join("/"));
            let (mut first, mut second) = (Disguise::new(), Disguise::new());
            let once = disguised_path(&path, &mut first);
            prop_assert_eq!(&disguised_path(&once, &mut second), &once);
            if let Value::Kept(kept) = disguised_value(&path, text.as_bytes(), &mut first) {
                prop_assert_eq!(disguised_value(&once, kept.as_bytes(), &mut second), Value::Kept(kept));
            }
        }

        #[test]
        fn any_value_is_taken(path in "[ -~]{0,60}", value in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = disguised_value(&path, &value, &mut Disguise::new());
            let _ = disguised_path(&path, &mut Disguise::new());
        }
    }
}

//! Replacements for what names somebody or something: the same for the same, and no two the same.
//!
//! What already has the form of a replacement stands for itself, so that a capture of a capture is the same capture. A real name of that form
//! (a guest that is really called `guest-1`) stays as it is unless another was given that replacement before.

use std::collections::{HashMap, HashSet};

use crate::model::Uuid;

/// What kind of thing is replaced: each kind has its own form and its own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Name,
    Uuid,
    Mac,
    Key,
}

/// The replacements of one capture.
#[derive(Debug, Default)]
pub struct Disguise {
    given: HashMap<(Of, String), String>,
    used: HashSet<(Of, String)>,
    next: HashMap<Of, u32>,
}

/// Names that every host has.
const COMMON_NAMES: [&str; 3] = ["Domain-0", "Xenstore", "dom0"];

/// The first twenty digits of a replaced uuid. They have the form of a random one, which nobody's is.
const UUID_FORM: &str = "00000000-0000-4000-8000-";
/// The first half of a replaced MAC address: Xen's own.
const MAC_FORM: &str = "00:16:3e:00:";

impl Disguise {
    /// Nothing is replaced yet.
    pub fn new() -> Disguise {
        Disguise::default()
    }

    /// A domain's name: `guest-1`. Names that every host has, and no name, stay.
    pub fn name(&mut self, name: &str) -> String {
        if name.is_empty() || COMMON_NAMES.contains(&name) {
            return name.to_owned();
        }
        self.replace(Of::Name, name)
    }

    /// A uuid: `00000000-0000-4000-8000-000000000001`. The nil one, which names nobody, stays.
    pub fn uuid(&mut self, uuid: Uuid) -> Uuid {
        if uuid.is_nil() {
            return uuid;
        }
        let text = self.replace(Of::Uuid, &uuid.to_string());
        Uuid::parse_str(&text).unwrap_or_default()
    }

    /// A MAC address: `00:16:3e:00:00:01`.
    pub fn mac(&mut self, mac: &str) -> String {
        self.replace(Of::Mac, &mac.to_ascii_lowercase())
    }

    /// A word that is on no list: `key-0001`.
    pub fn key(&mut self, key: &str) -> String {
        self.replace(Of::Key, key)
    }

    /// The replacement of a uuid that was replaced before.
    pub fn known_uuids(&self) -> impl Iterator<Item = (Uuid, Uuid)> + '_ {
        self.given
            .iter()
            .filter(|((of, _), _)| *of == Of::Uuid)
            .filter_map(|((_, from), to)| Some((Uuid::parse_str(from).ok()?, Uuid::parse_str(to).ok()?)))
    }

    fn replace(&mut self, of: Of, original: &str) -> String {
        let key = (of, original.to_owned());
        if let Some(given) = self.given.get(&key) {
            return given.clone();
        }
        let itself = of.has_form(original) && !self.used.contains(&key);
        let replacement = if itself {
            original.to_owned()
        } else {
            let next = self.next.entry(of).or_insert(0);
            loop {
                *next = next.saturating_add(1);
                let candidate = of.form(*next);
                if !self.used.contains(&(of, candidate.clone())) {
                    break candidate;
                }
            }
        };
        self.used.insert((of, replacement.clone()));
        self.given.insert(key, replacement.clone());
        replacement
    }
}

impl Of {
    /// The replacement of that number.
    fn form(self, number: u32) -> String {
        match self {
            Of::Name => format!("guest-{number}"),
            Of::Uuid => format!("{UUID_FORM}{number:012}"),
            Of::Mac => format!("{MAC_FORM}{:02x}:{:02x}", number >> 8 & 0xff, number & 0xff),
            Of::Key => format!("key-{number:04}"),
        }
    }

    /// Whether it is what a replacement looks like.
    fn has_form(self, text: &str) -> bool {
        let number = match self {
            Of::Name => text.strip_prefix("guest-").and_then(|number| number.parse().ok()),
            Of::Uuid => text.strip_prefix(UUID_FORM).and_then(|number| number.parse().ok()),
            Of::Key => text.strip_prefix("key-").and_then(|number| number.parse().ok()),
            Of::Mac => text.strip_prefix(MAC_FORM).and_then(|number| {
                let (high, low) = number.split_once(':')?;
                Some(u32::from_str_radix(high, 16).ok()? << 8 | u32::from_str_radix(low, 16).ok()?)
            }),
        };
        number.is_some_and(|number| self.form(number) == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_is_replaced_by_the_same() {
        let mut disguise = Disguise::new();
        assert_eq!(disguise.name("web"), "guest-1");
        assert_eq!(disguise.name("db"), "guest-2");
        assert_eq!(disguise.name("web"), "guest-1");
        assert_eq!(disguise.name("Domain-0"), "Domain-0");
        assert_eq!(disguise.name(""), "");
        assert_eq!(disguise.key("web"), "key-0001");
        assert_eq!(disguise.mac("AA:BB:CC:DD:EE:FF"), "00:16:3e:00:00:01");
        assert_eq!(disguise.mac("aa:bb:cc:dd:ee:ff"), "00:16:3e:00:00:01");
        assert_eq!(disguise.uuid(Uuid::nil()), Uuid::nil());
        let uuid = Uuid::from_u128(0x1234);
        assert_eq!(disguise.uuid(uuid).to_string(), "00000000-0000-4000-8000-000000000001");
        let replaced = disguise.uuid(uuid);
        assert_eq!(disguise.known_uuids().collect::<Vec<_>>(), [(uuid, replaced)]);
    }

    #[test]
    fn a_replacement_stands_for_itself_unless_it_was_given_away() {
        let mut fresh = Disguise::new();
        assert_eq!(fresh.name("guest-7"), "guest-7");
        assert_eq!(fresh.key("key-0002"), "key-0002");
        let mut used = Disguise::new();
        assert_eq!(used.name("web"), "guest-1");
        assert_eq!(used.name("guest-1"), "guest-2");
        assert_eq!(used.name("guest-1"), "guest-2");
    }

    proptest! {
        #[test]
        fn no_two_names_become_one(names in prop::collection::hash_set("(guest-[0-9]{1,2}|[a-z]{1,4})", 0..60)) {
            let mut disguise = Disguise::new();
            let replaced: HashSet<String> = names.iter().map(|name| disguise.name(name)).collect();
            prop_assert_eq!(replaced.len(), names.len());
            for name in replaced {
                prop_assert_eq!(Disguise::new().name(&name), name);
            }
        }
    }
}

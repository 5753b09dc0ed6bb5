//! What is told of a value that is not told itself: its kind and its length.

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No bytes.
    Empty,
    /// Decimal digits.
    Number,
    /// Text that begins with a slash.
    Path,
    /// Other printable text.
    Text,
    /// Anything else.
    Binary,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Empty, "empty"),
    (Kind::Number, "number"),
    (Kind::Path, "path"),
    (Kind::Text, "text"),
    (Kind::Binary, "binary"),
];

impl Kind {
    /// The kind of `value`.
    pub fn of(value: &[u8]) -> Kind {
        match std::str::from_utf8(value) {
            Ok("") => Kind::Empty,
            Ok(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => Kind::Number,
            Ok(text) if text.chars().any(char::is_control) => Kind::Binary,
            Ok(text) if text.starts_with('/') => Kind::Path,
            Ok(_) => Kind::Text,
            Err(_) => Kind::Binary,
        }
    }

    /// Its word in a capture.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("binary", |(_, name)| name)
    }

    /// The kind of that word.
    pub fn named(name: &str) -> Option<Kind> {
        KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// A value of this kind and length that says nothing.
    pub fn filling(self, length: usize) -> Vec<u8> {
        let byte = match self {
            Kind::Empty => return Vec::new(),
            Kind::Number => b'1',
            Kind::Path | Kind::Text => b'x',
            Kind::Binary => 1,
        };
        let mut filling = vec![byte; length];
        if let (Kind::Path, Some(first)) = (self, filling.first_mut()) {
            *first = b'/';
        }
        filling
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_of_the_kind_that_they_look_like() {
        for (value, kind) in [
            (&b""[..], Kind::Empty),
            (b"0042", Kind::Number),
            (b"/local/domain/1", Kind::Path),
            (b"-1", Kind::Text),
            ("gr\u{fc}n".as_bytes(), Kind::Text),
            (b"a\0b", Kind::Binary),
            (b"\xff", Kind::Binary),
        ] {
            assert_eq!(Kind::of(value), kind, "{value:?}");
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
    }

    proptest! {
        #[test]
        fn a_filling_has_the_shape_that_it_stands_for(value in prop::collection::vec(any::<u8>(), 0..40), text in "[ -~]{0,20}") {
            for value in [&value[..], text.as_bytes()] {
                let kind = Kind::of(value);
                let filling = kind.filling(value.len());
                prop_assert_eq!((Kind::of(&filling), filling.len()), (kind, value.len()));
            }
        }
    }
}

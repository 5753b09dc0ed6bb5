//! Where values stand in a text: found afterwards, and only for those that something is wrong with.

use std::collections::BTreeMap;
use std::ops::Range;

/// A step from a value to one in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Element(usize),
}

/// Values that are looked for, by the steps to them from the top.
#[derive(Debug, Default)]
struct Wanted<'a> {
    within: BTreeMap<Step<'a>, Wanted<'a>>,
    /// Which of the paths end here.
    here: Vec<usize>,
}

/// Where the values of `paths` stand in `text`, which is JSON; None for one that is not found by its key as it is written. One walk.
pub(super) fn locate<'a>(text: &'a str, paths: &[&[Step<'a>]]) -> Vec<Option<Range<usize>>> {
    let mut root = Wanted::default();
    for (number, path) in paths.iter().enumerate() {
        let mut wanted = &mut root;
        for step in *path {
            wanted = wanted.within.entry(*step).or_default();
        }
        wanted.here.push(number);
    }
    let mut walk = Walk { text, at: 0, found: vec![None; paths.len()] };
    walk.value(Some(&root));
    walk.found
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    found: Vec<Option<Range<usize>>>,
}

impl<'a> Walk<'a> {
    /// Steps over a value. Its depth is bounded: the text was read before, by a reader with a limit.
    fn value(&mut self, wanted: Option<&Wanted<'a>>) {
        self.blanks();
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.members(wanted, b'}'),
            Some(b'[') => self.members(wanted, b']'),
            Some(b'"') => {
                self.string();
            }
            _ => {
                while self.peek().is_some_and(|byte| !b",]} \t\r\n".contains(&byte)) {
                    self.at += 1;
                }
            }
        }
        for number in wanted.map(|wanted| wanted.here.as_slice()).unwrap_or_default() {
            // Of a key that stands there twice, the last counts.
            if let Some(place) = self.found.get_mut(*number) {
                *place = Some(start..self.at);
            }
        }
    }

    fn members(&mut self, wanted: Option<&Wanted<'a>>, close: u8) {
        self.at += 1;
        for number in 0.. {
            self.blanks();
            match self.peek() {
                None => return,
                Some(byte) if byte == close => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            let step = if close == b'}' {
                let key = self.string();
                self.blanks();
                self.take(b':');
                Step::Key(key)
            } else {
                Step::Element(number)
            };
            let before = self.at;
            self.value(wanted.and_then(|wanted| wanted.within.get(&step)));
            self.blanks();
            if !self.take(b',') && self.at == before {
                // No JSON: nothing more to find.
                self.at = self.text.len();
            }
        }
    }

    /// Steps over a string; what stands between its quotes.
    fn string(&mut self) -> &'a str {
        self.take(b'"');
        let start = self.at;
        while let Some(byte) = self.peek().filter(|byte| *byte != b'"') {
            self.at += if byte == b'\\' { 2 } else { 1 };
        }
        let end = self.at.min(self.text.len());
        self.at = (end + 1).min(self.text.len());
        self.text.get(start..end).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| b" \t\r\n".contains(&byte)) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_found_by_the_steps_to_them() {
        let text = r#" [ {"a\"b": [1, "x,]}"], "k": {"k": true}, "k": [ null , {"z": -1.5e3} ] } ] "#;
        let of = |path: &[Step<'_>]| {
            let place = locate(text, &[path]).remove(0);
            place.map(|place| text[place].to_owned())
        };
        use Step::{Element, Key};
        assert_eq!(of(&[Element(0), Key("k"), Element(1), Key("z")]).unwrap(), "-1.5e3");
        assert_eq!(of(&[Element(0), Key("k"), Element(0)]).unwrap(), "null");
        assert_eq!(of(&[Element(0), Key("a\\\"b"), Element(1)]).unwrap(), r#""x,]}""#);
        assert_eq!(of(&[]).unwrap(), text.trim());
        assert_eq!(of(&[Element(1)]), None);
        assert_eq!(of(&[Key("k")]), None);
    }

    proptest! {
        #[test]
        fn any_text_is_walked_to_its_end(text in "[\\[\\]{}\",:a1 \\\\]{0,60}") {
            let path = [Step::Element(0), Step::Key("a")];
            for place in locate(&text, &[&path, &[]]).into_iter().flatten() {
                prop_assert!(place.end <= text.len());
            }
        }
    }
}

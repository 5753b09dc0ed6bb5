//! Lines, and the values on them.

use std::ops::Range;

use crate::format::error::shown;
use crate::format::problem::Sink;

/// A line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
    /// Where the key is.
    pub(super) key_at: Range<usize>,
    /// Where the value is.
    pub(super) value_at: Range<usize>,
}

/// What does not count around words: xenvm takes no other blanks away.
const BLANKS: [char; 2] = [' ', '\t'];

/// The lines of a text, in order. What is no line of the language is put into `found`.
pub(super) fn lines<'a>(text: &'a str, found: &mut Sink) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for whole in text.split('\n') {
        let line = whole.trim_matches(BLANKS);
        let at = start + (whole.len() - whole.trim_start_matches(BLANKS).len());
        start += whole.len() + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(control) = line.find(|c: char| c.is_control() && c != '\t') {
            let message = match line.get(control..) {
                Some(rest) if rest.starts_with('\r') => {
                    "a carriage return, which xenvm takes for a part of the value: lines end with a line feed alone"
                }
                _ => "a control character",
            };
            found.error(at + control..at + control + 1, message);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            let message =
                format!("'{}' has no '=': xenvm steps over such a line; expected key = value", shown(line));
            found.warning(at..at + line.len(), message);
            continue;
        };
        let (key, value) = (key.trim_end_matches(BLANKS), value.trim_start_matches(BLANKS));
        let value_at = at + line.len() - value.len()..at + line.len();
        lines.push(Line { key, value, key_at: at..at + key.len(), value_at });
    }
    lines
}

/// A number as OCaml's `int_of_string` reads one: decimal, `0x`, `0o`, `0b`, with `_` between digits.
pub(super) fn number(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let prefixes = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)];
    let (digits, radix) = prefixes
        .iter()
        .find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, *radix)))
        .unwrap_or((digits, 10));
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    let number = i64::from_str_radix(&digits, radix).ok()?;
    Some(if is_negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_the_first_equals_sign_and_trimmed() {
        let text = "\n  a =  b = c \t\n#x=1\n\t# y\nd=\n =e\n\u{a0}f=1";
        let mut found = Sink::default();
        let lines = lines(text, &mut found);
        let said: Vec<_> = lines.iter().map(|line| (line.key, line.value)).collect();
        assert_eq!(said, [("a", "b = c"), ("d", ""), ("", "e"), ("\u{a0}f", "1")]);
        for line in &lines {
            assert_eq!(&text[line.key_at.clone()], line.key);
            assert_eq!(&text[line.value_at.clone()], line.value);
        }
    }

    #[test]
    fn numbers_are_those_of_ocaml() {
        for (text, value) in
            [("12", 12), ("0x1F", 31), ("0o17", 15), ("0b101", 5), ("1_000", 1000), ("-5", -5), ("010", 10)]
        {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for bad in ["", "-", "0x", "_1", "1 ", "+1", "0x_1", "a", "1.5", "99999999999999999999", "0b2"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}

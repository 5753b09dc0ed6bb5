//! What is wrong with a text, and where.

use std::fmt;

use crate::error::{Error, Status};

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Place {
    /// The place of the byte `offset` of `text`; of its end where the offset is beyond it.
    pub fn of(text: &str, offset: usize) -> Place {
        let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        // A byte that continues a character is no column of its own.
        let column = before.iter().skip(line_start).filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
        Place { line, column }
    }

    /// The places of several bytes of `text`, which are in order: one walk, however many there are.
    pub(crate) fn of_all(text: &str, offsets: impl IntoIterator<Item = usize>) -> Vec<Place> {
        let (mut line, mut line_start, mut seen) = (1, 0, 0);
        // Up to where the columns of this line have been counted.
        let mut counted = (0, 0);
        let mut places = Vec::new();
        for at in offsets {
            let at = at.min(text.len());
            for (offset, byte) in (seen..at).zip(text.as_bytes().get(seen..at).unwrap_or_default()) {
                if *byte == b'\n' {
                    (line, line_start) = (line + 1, offset + 1);
                }
            }
            seen = seen.max(at);
            let (from, before) = if counted.0 >= line_start { counted } else { (line_start, 0) };
            let more = text.as_bytes().get(from..at).unwrap_or_default();
            let count = before + more.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
            counted = (at, count);
            places.push(Place { line, column: count + 1 });
        }
        places
    }
}

/// A text that is malformed, or says something impossible. Becomes [`Status::InvalidConfig`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// The language: `domain XML`.
    pub language: &'static str,
    /// Where; None for a text without lines, or as a whole.
    pub place: Option<Place>,
    /// What was found and what is expected.
    pub message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.language)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl From<SyntaxError> for Error {
    fn from(error: SyntaxError) -> Error {
        Error::new(Status::InvalidConfig, error.to_string())
    }
}

/// `text` as it can stand in a message: at most 60 characters, control characters replaced.
pub(crate) fn shown(text: &str) -> String {
    shown_up_to(60, text)
}

/// [`shown`] with another length.
pub(crate) fn shown_up_to(longest: usize, text: &str) -> String {
    let mut out: String =
        text.chars().take(longest).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(longest).is_some() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters() {
        let text = "ab\ngrö\u{1f600}ße\n";
        let column_of = |needle: &str| Place::of(text, text.find(needle).unwrap());
        assert_eq!(column_of("a"), Place { line: 1, column: 1 });
        assert_eq!(column_of("ß"), Place { line: 2, column: 5 });
        assert_eq!(Place::of(text, 1000), Place { line: 3, column: 1 });
        let all = [0, 1, 3, 5, 5, 12, 1000];
        assert_eq!(Place::of_all(text, all), all.map(|offset| Place::of(text, offset)));
    }

    #[test]
    fn what_a_message_shows_is_short_and_printable() {
        assert_eq!(shown("a\nb"), "a\u{fffd}b");
        assert_eq!(shown(&"x".repeat(100_000)).len(), 63);
    }
}

//! What is wrong with a text, all of it at once: readers put what they find into a sink and go on where that is sound.

use std::fmt;
use std::ops::Range;

use super::error::{Place, SyntaxError};
use crate::error::{Error, Status};
use crate::model::Guest;

/// The most problems that are told of one text: who has more has another kind of file.
pub const MAX_PROBLEMS: usize = 200;
/// The longest piece of a line that is shown, in characters.
const MAX_SHOWN: usize = 100;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Severity {
    /// The text is malformed there, or says something impossible: it describes no guest.
    Error = 1,
    /// It says something that has no place in the model: the guest is good without it.
    Warning = 2,
}

impl Severity {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One thing that is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// The language: `domain XML`.
    pub language: &'static str,
    /// Where; None for the text as a whole.
    pub place: Option<Place>,
    /// How many characters are meant from there on; at least 1.
    pub length: usize,
    /// What was found and what is expected.
    pub message: String,
}

/// `domain XML, line 5, column 3: <cpu> is not known in <domain>`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.language)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Problem {
    /// An error that a reader stopped at.
    pub(crate) fn of(error: SyntaxError) -> Problem {
        let SyntaxError { language, place, message } = error;
        Problem { severity: Severity::Error, language, place, length: 1, message }
    }

    /// The line that is meant, and below it what points at the place. A long line is shown from near the place on; a tab is shown as a
    /// blank, another control character as U+FFFD. None for a problem without a place.
    pub fn picture(&self, text: &str) -> Option<Picture> {
        let Place { line, column } = self.place?;
        let whole = text.split('\n').nth(line - 1)?.trim_end_matches('\r');
        // A third of what is shown stands before the place.
        let skipped = if whole.chars().nth(MAX_SHOWN).is_none() {
            0
        } else {
            (column - 1).saturating_sub(MAX_SHOWN / 3)
        };
        let mut shown: String = whole
            .chars()
            .skip(skipped)
            .take(MAX_SHOWN)
            .map(|c| match c {
                '\t' => ' ',
                c if c.is_control() => '\u{fffd}',
                c => c,
            })
            .collect();
        let mut before = column - 1 - skipped;
        let after = shown.chars().count().saturating_sub(before);
        let marks = self.length.clamp(1, after.max(1));
        if whole.chars().nth(skipped + MAX_SHOWN).is_some() {
            shown.push_str("...");
        }
        if skipped > 0 {
            shown.insert_str(0, "...");
            before += 3;
        }
        Some(Picture { line: shown, before, marks })
    }
}

/// See [`Problem::picture`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The line, or a piece of it.
    pub line: String,
    /// Characters of it before the place.
    pub before: usize,
    /// Characters to point at.
    pub marks: usize,
}

/// What a text says and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The guest; None where there is an error.
    pub guest: Option<Guest>,
    /// All problems, in the order of the text.
    pub problems: Vec<Problem>,
}

impl Examined {
    /// Of what a reader found and made.
    pub(crate) fn new(guest: Option<Guest>, found: Sink, language: &'static str, text: &str) -> Examined {
        let problems = found.placed(language, text);
        let is_good = problems.iter().all(|problem| problem.severity != Severity::Error);
        Examined { guest: guest.filter(|_| is_good), problems }
    }

    /// The guest and what was left out of it.
    ///
    /// Errors: [`Status::InvalidConfig`], with the first error's place and the number of the others.
    pub fn into_guest(self) -> Result<(Guest, Vec<Problem>), Error> {
        if let Some(guest) = self.guest {
            return Ok((guest, self.problems));
        }
        let errors = || self.problems.iter().filter(|problem| problem.severity == Severity::Error);
        let message = errors().next().map_or_else(|| "no guest in it".to_owned(), Problem::to_string);
        Err(Error::new(Status::InvalidConfig, message + &more(errors().count().saturating_sub(1))))
    }
}

/// ` (and 2 more)`; nothing for none.
pub(crate) fn more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" (and {count} more)") }
}

/// Where readers put what they find.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    found: Vec<Found>,
    /// How many were found beyond the limit.
    beyond: usize,
}

#[derive(Debug)]
struct Found {
    severity: Severity,
    /// Bytes; None: the text as a whole.
    at: Option<Range<usize>>,
    message: String,
}

impl Sink {
    /// Something is malformed or impossible at these bytes.
    pub(crate) fn error(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.add(Severity::Error, Some(at), message.into());
    }

    /// The text as a whole is wrong.
    pub(crate) fn error_of_all(&mut self, message: impl Into<String>) {
        self.add(Severity::Error, None, message.into());
    }

    /// What stands at these bytes has no place in the model.
    pub(crate) fn warning(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.add(Severity::Warning, Some(at), message.into());
    }

    fn add(&mut self, severity: Severity, at: Option<Range<usize>>, message: String) {
        // An error must not get lost behind many warnings.
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(Found { severity, at, message });
        } else {
            self.beyond += 1;
            let is_new =
                severity == Severity::Error && self.found.iter().all(|one| one.severity != Severity::Error);
            if let Some(last) = self.found.last_mut().filter(|_| is_new) {
                *last = Found { severity, at, message };
            }
        }
    }

    /// In the order of the text, with lines and columns: one walk through it.
    fn placed(mut self, language: &'static str, text: &str) -> Vec<Problem> {
        self.found.sort_by_key(|one| one.at.as_ref().map(|at| at.start));
        let mut walk = Walk { text: text.as_bytes(), at: 0, place: Place { line: 1, column: 1 } };
        let mut problems: Vec<Problem> = Vec::with_capacity(self.found.len());
        for Found { severity, at, message } in self.found {
            let (place, length) = match at {
                None => (None, 1),
                Some(at) => (Some(walk.to(at.start)), length_of(text, at)),
            };
            problems.push(Problem { severity, language, place, length, message });
        }
        if self.beyond > 0 {
            let message = format!("and {} more", self.beyond);
            problems.push(Problem { severity: Severity::Warning, language, place: None, length: 1, message });
        }
        problems
    }
}

/// Characters within these bytes that are on their first line.
fn length_of(text: &str, at: Range<usize>) -> usize {
    let bytes = text.as_bytes().get(at.start..at.end.min(text.len())).unwrap_or_default();
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.iter().filter(|byte| **byte & 0xc0 != 0x80).count().max(1)
}

/// Places of bytes in ascending order, found in one walk.
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    place: Place,
}

impl Walk<'_> {
    fn to(&mut self, offset: usize) -> Place {
        let end = offset.clamp(self.at, self.text.len());
        for byte in self.text.get(self.at..end).unwrap_or_default() {
            match byte {
                b'\n' => self.place = Place { line: self.place.line + 1, column: 1 },
                // A byte that continues a character is no column of its own.
                0x80..=0xbf => {}
                _ => self.place.column += 1,
            }
        }
        self.at = end;
        self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(text: &str, found: Sink) -> Vec<String> {
        let Examined { problems, .. } = Examined::new(None, found, "L", text);
        problems
            .iter()
            .map(|problem| format!("{} {problem} [{}]", problem.severity.name(), problem.length))
            .collect()
    }

    #[test]
    fn problems_come_in_the_order_of_the_text_with_lines_and_columns() {
        let text = "aä\nbcd\ne";
        let mut found = Sink::default();
        found.warning(4..7, "second");
        found.error(1..3, "first");
        found.error_of_all("whole");
        found.error(6..9, "third");
        found.error(100..101, "end");
        assert_eq!(
            examined(text, found),
            [
                "error L: whole [1]",
                "error L, line 1, column 2: first [1]",
                "warning L, line 2, column 1: second [3]",
                "error L, line 2, column 3: third [1]",
                "error L, line 3, column 2: end [1]",
            ]
        );
    }

    #[test]
    fn many_problems_are_counted_and_an_error_is_not_lost_among_them() {
        let mut found = Sink::default();
        for _ in 0..MAX_PROBLEMS + 5 {
            found.warning(0..1, "w");
        }
        found.error(0..1, "e");
        let said = examined("x", found);
        assert_eq!(said.len(), MAX_PROBLEMS + 1);
        assert!(said.contains(&"error L, line 1, column 1: e [1]".to_owned()));
        assert_eq!(said.last().unwrap(), "warning L: and 6 more [1]");
    }

    #[test]
    fn a_picture_points_at_the_place_also_in_a_long_line() {
        let problem = |line, column, length| Problem {
            severity: Severity::Error,
            language: "L",
            place: Some(Place { line, column }),
            length,
            message: String::new(),
        };
        let picture = problem(2, 3, 2).picture("x\n\tgröße\u{7}\r\n").unwrap();
        assert_eq!(picture, Picture { line: " größe\u{fffd}".into(), before: 2, marks: 2 });
        let long = format!("{}HERE{}", "a".repeat(500), "b".repeat(500));
        let Picture { line, before, marks } = problem(1, 501, 4).picture(&long).unwrap();
        assert_eq!(line.chars().skip(before).take(marks).collect::<String>(), "HERE");
        assert!(line.starts_with("...a") && line.ends_with("b...") && line.len() == 106, "{line}");
        // The end of a line and of the text can be pointed at.
        assert_eq!(problem(1, 2, 9).picture("x").unwrap(), Picture { line: "x".into(), before: 1, marks: 1 });
        assert_eq!(problem(3, 1, 1).picture("x\n"), None);
    }
}

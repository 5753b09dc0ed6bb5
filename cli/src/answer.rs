//! What a verb answers, and how it reaches standard output.

use std::process::ExitCode;

use serde_json::Value;

use crate::failure::{Exit, Failure};
use crate::stdout::write_out;

/// One answer in both forms: a verb never prints by itself.
#[derive(Debug)]
pub(crate) struct Answer {
    text: String,
    json: Option<Value>,
    exit: Option<Exit>,
}

impl Answer {
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        Answer { text: text.into(), json: Some(json), exit: None }
    }

    /// A text that is the same with and without `--json`.
    pub(crate) fn of_text(text: String) -> Self {
        Answer { text, json: None, exit: None }
    }

    /// What had to be said was said.
    pub(crate) fn nothing() -> Self {
        Answer::of_text(String::new())
    }

    /// With one key more in its object.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        if let Some(Value::Object(object)) = &mut self.json {
            object.insert(key.to_owned(), value);
        }
        self
    }

    /// With another exit status than 0, for an answer that is bad news.
    #[must_use]
    pub(crate) fn with_exit(self, exit: Option<Exit>) -> Self {
        Answer { exit, ..self }
    }

    /// Writes the wanted form, ended by a newline; the exit status that goes with it.
    pub(crate) fn print(self, as_json: bool) -> Result<ExitCode, Failure> {
        let mut bytes = match self.json {
            Some(json) if as_json => format!("{json:#}"),
            _ => self.text,
        };
        if !bytes.is_empty() && !bytes.ends_with('\n') {
            bytes.push('\n');
        }
        write_out(bytes.as_bytes())?;
        Ok(self.exit.map_or(ExitCode::SUCCESS, |exit| ExitCode::from(exit as u8)))
    }
}

/// `text` for a terminal: control characters, which a guest's name could carry, are shown and not sent.
pub(crate) fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(visible("größe"), "größe");
        assert_eq!(visible("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
    }
}

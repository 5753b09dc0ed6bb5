//! What a verb answers, and how it reaches standard output.

use std::io::{self, Write};

use serde_json::Value;

use crate::failure::Failure;

/// One answer in both forms: a verb never prints by itself.
#[derive(Debug)]
pub(crate) struct Answer {
    text: String,
    json: Option<Value>,
}

impl Answer {
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        Answer { text: text.into(), json: Some(json) }
    }

    /// A text that is the same with and without `--json`.
    pub(crate) fn of_text(text: String) -> Self {
        Answer { text, json: None }
    }

    /// What had to be said was said.
    pub(crate) fn nothing() -> Self {
        Answer::of_text(String::new())
    }

    /// Writes the wanted form, ended by a newline. A reader that has gone away (`xenith list | head -1`) is no failure.
    pub(crate) fn print(self, as_json: bool) -> Result<(), Failure> {
        let mut bytes = match self.json {
            Some(json) if as_json => format!("{json:#}"),
            _ => self.text,
        };
        if !bytes.is_empty() && !bytes.ends_with('\n') {
            bytes.push('\n');
        }
        write_out(bytes.as_bytes())
    }
}

/// Writes to standard output and flushes.
pub(crate) fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
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

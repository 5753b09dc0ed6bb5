//! Strings of options, `key=value,key=value`, that devices are written as.

use super::syntax::{Result, fault};
use super::write::unsupported;
use crate::error;
use crate::format::error::shown;

/// Options that grow.
#[derive(Default)]
pub(super) struct Options(Vec<String>);

impl Options {
    pub(super) fn put(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.0.push(format!("{key}={value}"));
        self
    }

    pub(super) fn some(self, key: &str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.put(key, value),
            None => self,
        }
    }

    pub(super) fn into_words(self) -> Vec<String> {
        self.0
    }

    pub(super) fn into_text(self) -> String {
        self.0.join(",")
    }
}

/// `value`, where it can stand among options: one ends at a comma, and blanks around it are lost.
pub(super) fn plain<'a>(value: &'a str, what: &str) -> error::Result<&'a str> {
    if value.is_empty() || value.contains([',', '\n']) || value.trim() != value {
        return Err(unsupported(format!("{what} '{}'", shown(value))));
    }
    Ok(value)
}

/// The options of a string, in order; `at` is where it begins.
pub(super) fn options<'a>(text: &'a str, of: &str, at: usize) -> Result<Vec<(&'a str, &'a str)>> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| match word.split_once('=') {
            Some((key, value)) => Ok((key.trim_end(), value.trim_start())),
            None => fault(at, format!("{of}: '{}' has no value", shown(word))),
        })
        .collect()
}

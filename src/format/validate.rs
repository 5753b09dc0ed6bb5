//! What is wrong with a file, whichever of the languages it is in.

use super::convert::Native;
use super::error::shown;
use super::problem::{Examined, Problem};
use super::sxpr::XendFormat;
use super::{libxl_json, xml};
use crate::error::{Error, Result};

/// A language that a guest's definition can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Domain XML.
    DomainXml,
    /// A toolstack's own.
    Native(Native),
    /// What libxl keeps of a domain.
    LibxlJson,
}

impl Language {
    /// Its name: `domain-xml`, `libxl-json`, or that of the toolstack's language ([`Native::ALL`]).
    pub fn name(self) -> &'static str {
        match self {
            Language::DomainXml => "domain-xml",
            Language::Native(native) => native.name(),
            Language::LibxlJson => "libxl-json",
        }
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Language> {
        let natives = Native::ALL.iter().map(|(native, _)| Language::Native(*native));
        std::iter::once(Language::DomainXml).chain(natives).chain([Language::LibxlJson])
    }

    /// From its name.
    ///
    /// Errors: [`crate::Status::InvalidArg`] for another word, with those that there are.
    pub fn from_name(name: &str) -> Result<Language> {
        Language::all().find(|language| language.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Language::all().map(Language::name).collect();
            Error::invalid_arg(format!(
                "the format '{}' is not known; expected {}",
                shown(name),
                known.join(", ")
            ))
        })
    }

    /// What a text is most likely meant to be: told by how it begins, then by the ending of its file's name, then by the language that has
    /// the least to object to.
    pub fn guess(text: &str, file: Option<&str>) -> Language {
        let text = text.trim_start_matches('\u{feff}');
        match text.trim_start().chars().next() {
            Some('<') => return Language::DomainXml,
            Some('(') => return Language::Native(Native::Sxpr),
            Some('{' | '[') => return Language::LibxlJson,
            _ => {}
        }
        let ending = file.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        match ending {
            Some("xml") => return Language::DomainXml,
            Some("sxp" | "sxpr" | "sexpr") => return Language::Native(Native::Sxpr),
            Some("json") => return Language::LibxlJson,
            Some("xl") => return Language::Native(Native::Xl),
            Some("xm") => return Language::Native(Native::Xm),
            Some("xenvm") => return Language::Native(Native::Xenvm),
            _ => {}
        }
        match is_unquoted(text) {
            true => Language::Native(Native::Xenvm),
            false if has_code(text) => Language::Native(Native::Xm),
            false => Language::Native(Native::Xl),
        }
    }

    /// Reads a text and says all that is wrong with it.
    pub fn examine(self, text: &str) -> Examined {
        match self {
            Language::DomainXml => xml::examine(text),
            Language::Native(native) => native.examine(text, XendFormat::V4),
            Language::LibxlJson => libxl_json::examine(text),
        }
    }

    /// [`Language::examine`] for bytes: such that are no UTF-8 are the only problem that is told.
    pub fn examine_bytes(self, bytes: &[u8]) -> Examined {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.examine(text),
            Err(error) => {
                let good = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
                let place = Some(super::Place::of(&good, good.len()));
                let message = "not UTF-8 from here on".to_owned();
                let error = super::SyntaxError { language: self.name(), place, message };
                Examined { guest: None, problems: vec![Problem::of(error)] }
            }
        }
    }
}

/// Whether more lines have values without quotes than with: xenvm's language has none, and xl's demands them.
fn is_unquoted(text: &str) -> bool {
    let (mut bare, mut quoted) = (0, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        match line.split_once('=').and_then(|(_, value)| value.trim_start().chars().next()) {
            Some('"' | '\'' | '[') => quoted += 1,
            Some(c) if !c.is_ascii_digit() => bare += 1,
            _ => {}
        }
    }
    bare > quoted
}

/// Whether lines begin as only Python's do: xm's files are programs.
fn has_code(text: &str) -> bool {
    let words = ["import ", "from ", "if ", "def "];
    text.lines().any(|line| words.iter().any(|word| line.starts_with(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_told_by_how_a_text_begins_by_the_files_name_and_by_its_quotes() {
        for (text, file, name) in [
            ("\u{feff} <domain/>", Some("x.cfg"), "domain-xml"),
            ("\n(vm (name x))", None, "xen-sxpr"),
            ("[{}]", None, "libxl-json"),
            ("# c\nname = 'g'\nmemory = 64\n", Some("g.cfg"), "xen-xl"),
            ("name = g\nhvm = true\nmemory = 64\n", Some("g.cfg"), "xenvm"),
            ("name = 'g'", Some("g.xenvm"), "xenvm"),
            ("", Some("g.xml"), "domain-xml"),
            ("", None, "xen-xl"),
            ("import os\nname = 'g'\nmemory = 64\n", Some("g.cfg"), "xen-xm"),
            ("name = 'g'", Some("g.xm"), "xen-xm"),
        ] {
            assert_eq!(Language::guess(text, file).name(), name, "{text:?} {file:?}");
        }
        for language in Language::all() {
            assert_eq!(Language::from_name(language.name()), Ok(language));
        }
        assert!(Language::from_name("xml").unwrap_err().message.contains("expected domain-xml, xen-"));
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_place() {
        for language in Language::all() {
            let Examined { guest, problems } = language.examine_bytes(b"ab\nc\xe4\xff");
            let place = problems[0].place.map(|place| (place.line, place.column));
            assert_eq!((guest, problems.len(), place), (None, 1, Some((2, 2))));
        }
    }
}

//! What the languages of xl and xm share: a file is assignments of strings, numbers and lists, key by key, that somebody may have written by
//! hand. Each language brings its own grammar, and what its keys mean.
//!
//! | file | what it does |
//! | --- | --- |
//! | `settings` | statements -> what each key comes to |
//! | `items` | keys and values to write |
//! | `examine` | all that is wrong with a file |
//! | `edit` | what a guest says now, put into a file that somebody wrote |

pub(in crate::format) mod edit;
mod examine;
pub(in crate::format) mod items;
pub(in crate::format) mod settings;

use std::ops::Range;

use super::{Place, SyntaxError};
use crate::error;
use crate::model::Guest;
pub(in crate::format) use examine::examine;
use items::Items;
use settings::Settings;

/// What is wrong, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::format) struct Fault {
    pub at: usize,
    pub message: String,
}

pub(in crate::format) type Result<T> = std::result::Result<T, Fault>;

/// A fault at a byte.
pub(in crate::format) fn fault<T>(at: usize, message: impl Into<String>) -> Result<T> {
    Err(Fault { at, message: message.into() })
}

/// An assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::format) struct Statement {
    pub key: String,
    /// `+=`: a list grows, a string is continued.
    pub appends: bool,
    pub value: Value,
    /// From the key to the end of the value.
    pub span: Range<usize>,
}

/// A value and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::format) struct Value {
    pub kind: Kind,
    pub span: Range<usize>,
}

/// A value. The toolstacks make no difference between a number and the same digits in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::format) enum Kind {
    Text(String),
    List(Vec<Value>),
}

impl Value {
    /// The string or number that it must be.
    pub(in crate::format) fn text(&self, key: &str) -> Result<&str> {
        match &self.kind {
            Kind::Text(text) => Ok(text),
            Kind::List(_) => fault(self.span.start, format!("{key}: expected a string, not a list")),
        }
    }
}

/// A language of assignments.
pub(in crate::format) trait Language {
    /// Its name in messages.
    const NAME: &'static str;
    /// Keys that say one thing together, or in several ways: those that are written first.
    const GROUPS: &'static [&'static [&'static str]];
    /// The keys of [`Self::GROUPS`] that are read and never written.
    const OTHER_SPELLINGS: &'static [&'static str];

    /// The statements of a text that can be edited, in order.
    fn statements(&self, text: &str) -> Result<Vec<Statement>>;

    /// What a text comes to.
    fn settings(&self, text: &str) -> Result<Settings> {
        Settings::of(&self.statements(text)?)
    }

    /// The guest that settings say; what has no place in it is left in their others.
    fn guest(&self, settings: &mut Settings) -> Result<Guest>;

    /// What no file of this language can say, or what no guest can start with.
    fn check(&self, guest: &Guest) -> error::Result<()>;

    /// All that a guest's file says.
    fn items(&self, guest: &Guest) -> error::Result<Items>;

    /// A string as the language writes it; None for one that it cannot.
    fn quoted(&self, text: &str) -> Option<String>;

    /// A number as the language writes it.
    fn number(&self, number: i64) -> String;

    /// The error of status NotSupported for what the language cannot say.
    fn unsupported(&self, what: &str) -> error::Error;

    /// The end of what goes when a statement goes that is not alone on its line.
    fn end_of_removed(&self, text: &str, statement: &Statement) -> usize;

    /// The strings of a key's list that are none of the guest's.
    fn foreign(&self, key: &str, texts: Vec<String>) -> Vec<String>;

    /// What a string of a list is known by: a disk's name, an interface's MAC address, a PCI device's place.
    fn name(&self, key: &str, text: &str) -> Option<String>;

    /// A new string of a list, with the options of the old one that have no place in the model.
    fn merged(&self, key: &str, old: &str, new: &str) -> String;
}

/// What a configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The guest.
    pub guest: Guest,
    /// What has no place in it, in the order of the file.
    pub others: Vec<Other>,
}

/// A setting that the model has no place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its key, and the part of its value if it is not all of it: `disk (script)`.
    pub key: String,
    /// Where its value is.
    pub place: Place,
}

/// Reads a text, and says what is in it besides the guest.
pub(in crate::format) fn read<L: Language>(
    language: &L,
    text: &str,
) -> std::result::Result<Reading, SyntaxError> {
    let parsed = language.settings(text).and_then(|mut settings| {
        let guest = settings.finish(|settings| language.guest(settings))?;
        Ok((guest, settings.others))
    });
    match parsed {
        Ok((guest, others)) => Ok(Reading { guest, others: placed(text, others) }),
        Err(fault) => Err(syntax_error::<L>(text, fault)),
    }
}

/// The guest that a text says.
pub(in crate::format) fn guest<L: Language>(
    language: &L,
    text: &str,
) -> std::result::Result<Guest, SyntaxError> {
    read(language, text).map(|reading| reading.guest)
}

/// A guest's text, written anew.
pub(in crate::format) fn write<L: Language>(language: &L, guest: &Guest) -> error::Result<String> {
    language.check(guest)?;
    items::text(language, &language.items(guest)?.0)
}

pub(in crate::format) fn syntax_error<L: Language>(text: &str, fault: Fault) -> SyntaxError {
    SyntaxError { language: L::NAME, place: Some(Place::of(text, fault.at)), message: fault.message }
}

/// Keys with their places.
fn placed(text: &str, mut others: Vec<(String, usize)>) -> Vec<Other> {
    others.sort_by_key(|(_, at)| *at);
    let places = Place::of_all(text, others.iter().map(|(_, at)| *at));
    others.into_iter().zip(places).map(|((key, _), place)| Other { key, place }).collect()
}

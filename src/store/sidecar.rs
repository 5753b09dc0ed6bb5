//! What xl's language cannot say about a domain, in a small XML document beside its file:
//!
//! ```xml
//! <xenith uuid="4dea22b3-1d52-d8f3-2516-782e98ab3fa0">
//!   <title>web</title>
//!   <description>the web server</description>
//! </xenith>
//! ```
//!
//! Elements and attributes that are not known are left alone when it is read: a later xenith may say more.

use std::io;

use quick_xml::Writer;
use quick_xml::escape::{partial_escape, resolve_xml_entity};
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesText, Event};
use quick_xml::reader::Reader;

use crate::format::{Place, SyntaxError};
use crate::model::{Guest, Uuid};

const ROOT: &str = "xenith";
const TITLE: &str = "title";
const DESCRIPTION: &str = "description";
/// Elements in elements; two are needed.
const MAX_DEPTH: usize = 8;
/// Pieces of the document in all: longer texts are one piece, unless they are made of references.
const MAX_EVENTS: usize = 100_000;

/// What a sidecar says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// Whose it is.
    pub uuid: Uuid,
    /// As [`Guest::title`].
    pub title: Option<String>,
    /// As [`Guest::description`].
    pub description: Option<String>,
}

impl Sidecar {
    /// What has to be kept for a guest; None where its file says everything.
    pub(super) fn of(guest: &Guest, uuid: Uuid) -> Option<Sidecar> {
        let (title, description) = (guest.title.clone(), guest.description.clone());
        (title.is_some() || description.is_some()).then_some(Sidecar { uuid, title, description })
    }

    /// The document.
    ///
    /// Errors: a text with characters that XML has no place for.
    pub fn write(&self) -> io::Result<String> {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        let root = writer.create_element(ROOT).with_attribute(("uuid", self.uuid.to_string().as_str()));
        root.write_inner_content(|writer| {
            for (element, text) in [(TITLE, &self.title), (DESCRIPTION, &self.description)] {
                if let Some(text) = text {
                    // A carriage return is dropped by readers where it is not written so.
                    let text = partial_escape(text.as_str()).replace('\r', "&#13;");
                    writer.create_element(element).write_text_content(BytesText::from_escaped(text))?;
                }
            }
            Ok(())
        })?;
        let mut text = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
        text.push('\n');
        // XML has no place for control characters, however they are written.
        let is_lost = |c| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
        match Sidecar::read(&text) {
            Ok(read) if read == *self && !text.contains(is_lost) => Ok(text),
            _ => Err(io::Error::other("XML cannot hold the characters of this title or description")),
        }
    }

    /// Reads a document.
    pub fn read(text: &str) -> Result<Sidecar, SyntaxError> {
        let mut reader = Reader::from_str(text);
        let mut sidecar = None;
        // The elements that are open, and the text of the innermost.
        let mut open: Vec<String> = Vec::new();
        let mut words = String::new();
        for _ in 0..MAX_EVENTS {
            let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let fault = |message: String| {
                Err(SyntaxError { language: "sidecar", place: Some(Place::of(text, at)), message })
            };
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => return fault(error.to_string()),
            };
            match event {
                Event::Start(_) | Event::Empty(_) if open.is_empty() && sidecar.is_some() => {
                    return fault("an element behind the end of the document".into());
                }
                Event::Start(ref tag) | Event::Empty(ref tag) if open.is_empty() => {
                    let uuid = (tag.name().0 == ROOT).then(|| uuid_of(tag.attributes())).flatten();
                    let Some(uuid) = uuid else {
                        return fault(format!("<{ROOT} uuid='...'> is expected"));
                    };
                    sidecar = Some(Sidecar { uuid, title: None, description: None });
                    if matches!(event, Event::Start(_)) {
                        open.push(ROOT.to_owned());
                    }
                }
                Event::Start(tag) => {
                    if open.len() == MAX_DEPTH {
                        return fault(format!("elements nested deeper than {MAX_DEPTH}"));
                    }
                    open.push(tag.name().0.to_owned());
                    words.clear();
                }
                Event::End(_) => {
                    let depth = open.len();
                    let name = open.pop().unwrap_or_default();
                    let kept = sidecar.as_mut().and_then(|sidecar| match name.as_str() {
                        TITLE if depth == 2 => Some(&mut sidecar.title),
                        DESCRIPTION if depth == 2 => Some(&mut sidecar.description),
                        _ => None,
                    });
                    if let Some(kept) = kept {
                        *kept = Some(std::mem::take(&mut words));
                    }
                }
                Event::Text(more) => words.push_str(&more),
                Event::CData(more) => words.push_str(&more),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(c)) => words.push(c),
                    Ok(None) => match resolve_xml_entity(&reference) {
                        Some(known) => words.push_str(known),
                        None => return fault("an entity that is not XML's own".into()),
                    },
                    Err(error) => return fault(error.to_string()),
                },
                Event::DocType(_) => return fault("a DOCTYPE is not accepted".into()),
                Event::Eof if open.is_empty() => break,
                Event::Eof => return fault("it ends too early".into()),
                Event::Empty(_) | Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            }
        }
        let missing =
            || SyntaxError { language: "sidecar", place: None, message: format!("no <{ROOT}> in it") };
        sidecar.ok_or_else(missing)
    }
}

fn uuid_of(mut attributes: Attributes<'_>) -> Option<Uuid> {
    attributes.find_map(|attribute| {
        let attribute = attribute.ok().filter(|attribute| attribute.key.0 == "uuid")?;
        attribute.value.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sidecar(title: Option<&str>, description: Option<&str>) -> Sidecar {
        Sidecar {
            uuid: Uuid::from_u128(5),
            title: title.map(str::to_owned),
            description: description.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (title, description) in [
            (Some("web"), None),
            (None, Some("two\nlines\r\nand\ta tab  ")),
            (Some("<&>\"' ]]> größe \u{1f600}"), Some(" ")),
            (Some(""), None),
            (None, None),
        ] {
            let sidecar = sidecar(title, description);
            let text = sidecar.write().unwrap();
            assert_eq!(Sidecar::read(&text), Ok(sidecar), "{text}");
        }
    }

    #[test]
    fn what_xml_cannot_hold_is_not_written() {
        assert!(sidecar(Some("bell\u{7}"), None).write().is_err());
    }

    #[test]
    fn what_a_later_version_adds_is_left_alone() {
        let text = "<?xml version='1.0'?><!-- x --><xenith uuid='00000000-0000-0000-0000-000000000005' more='x'>\
                    <metadata><title>not this</title></metadata><title>web</title><empty/></xenith>";
        assert_eq!(Sidecar::read(text), Ok(sidecar(Some("web"), None)));
        let empty = "<xenith uuid='00000000-0000-0000-0000-000000000005'/>";
        assert_eq!(Sidecar::read(empty), Ok(sidecar(None, None)));
    }

    #[test]
    fn a_malformed_sidecar_is_an_error_with_its_place() {
        let uuid = "uuid='00000000-0000-0000-0000-000000000005'";
        for (text, place) in [
            ("".to_owned(), None),
            ("<xenith/>".to_owned(), Some((1, 1))),
            ("<other uuid='1'/>".to_owned(), Some((1, 1))),
            (format!("<xenith {uuid}>\n<title>"), Some((2, 8))),
            (format!("<xenith {uuid}/>\n<xenith {uuid}/>"), Some((2, 1))),
            (format!("<xenith {uuid}>\n<title>&boom;</title></xenith>"), Some((2, 8))),
            ("<!DOCTYPE x>".to_owned(), Some((1, 1))),
            (format!("<xenith {uuid}>{}", "<a>".repeat(10)), Some((1, 74))),
        ] {
            let error = Sidecar::read(&text).unwrap_err();
            assert_eq!(error.place.map(|place| (place.line, place.column)), place, "{text}: {error}");
        }
    }
}

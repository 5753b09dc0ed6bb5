//! A document as a small tree that is taken apart: what a reader has taken is gone, and what is left at the end was not understood.

use quick_xml::escape::{resolve_xml_entity, unescape};
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::format::error::{shown, shown_up_to};

/// The longest document, in bytes. libvirt's own longest descriptions have some tens of kilobytes.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// Elements within elements; domain XML needs six.
const MAX_DEPTH: usize = 32;
/// Attributes of one element; domain XML needs ten.
const MAX_ATTRIBUTES: usize = 64;
/// Elements in all: a guest with ten thousand devices.
const MAX_ELEMENTS: usize = 100_000;

/// What is wrong, and at which byte.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

pub(super) type Result<T> = std::result::Result<T, Fault>;

fn fault<T>(at: usize, message: impl Into<String>) -> Result<T> {
    Err(Fault { at, message: message.into() })
}

/// An element: what has not been taken from it yet.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    at: usize,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    /// The document's root.
    pub(super) fn parse(text: &str) -> Result<Element> {
        if text.len() > MAX_BYTES {
            return fault(0, format!("the document has {} bytes; at most {MAX_BYTES} are read", text.len()));
        }
        let mut reader = Reader::from_str(text);
        // Elements that are open, outermost first.
        let mut open: Vec<Element> = Vec::new();
        let mut root = None;
        let mut elements = 0;
        loop {
            let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => {
                    let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
                    return fault(at, library(&error));
                }
            };
            let closed = match event {
                Event::Start(tag) | Event::Empty(tag) if root.is_some() => {
                    return fault(
                        at,
                        format!("<{}> stands behind the end of the document", shown(tag.name().0)),
                    );
                }
                Event::Start(tag) => {
                    if open.len() == MAX_DEPTH {
                        return fault(at, format!("elements nested deeper than {MAX_DEPTH}"));
                    }
                    open.push(Element::from_tag(&tag, at, &mut elements)?);
                    None
                }
                Event::Empty(tag) => Some(Element::from_tag(&tag, at, &mut elements)?),
                Event::End(_) => open.pop(),
                Event::Text(words) => {
                    add_text(&mut open, &words, at)?;
                    None
                }
                Event::CData(words) => {
                    add_text(&mut open, &words, at)?;
                    None
                }
                Event::GeneralRef(reference) => {
                    let name: &str = &reference;
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(c)) => c.to_string(),
                        Ok(None) => match resolve_xml_entity(name) {
                            Some(known) => known.to_owned(),
                            None => return fault(at, unknown_entity(name)),
                        },
                        Err(error) => return fault(at, library(&error)),
                    };
                    add_text(&mut open, &character, at)?;
                    None
                }
                Event::DocType(_) => {
                    return fault(
                        at,
                        "a DOCTYPE is not accepted: domain XML needs none, and entities are not expanded",
                    );
                }
                Event::Decl(declaration) => {
                    if let Some(Ok(encoding)) = declaration.encoding() {
                        let encoding: &str = &encoding;
                        if !["utf-8", "us-ascii", "ascii"].contains(&encoding.to_ascii_lowercase().as_str()) {
                            return fault(at, format!("encoding '{}': only UTF-8 is read", shown(encoding)));
                        }
                    }
                    None
                }
                Event::Comment(_) | Event::PI(_) => None,
                Event::Eof => break,
            };
            if let Some(element) = closed {
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
        }
        if let Some(element) = open.last() {
            return fault(element.at, format!("<{}> is not closed", shown(&element.name)));
        }
        root.map_or_else(|| fault(text.len(), "no <domain> in it"), Ok)
    }

    fn from_tag(tag: &BytesStart<'_>, at: usize, elements: &mut usize) -> Result<Element> {
        *elements += 1;
        if *elements > MAX_ELEMENTS {
            return fault(at, format!("more than {MAX_ELEMENTS} elements"));
        }
        let name = tag.name().0.to_owned();
        let mut attributes: Vec<(String, String)> = Vec::new();
        // The library compares each attribute with all before it: that is done here, after the limit.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => return fault(at, format!("<{}>: {error}", shown(&name))),
            };
            let key = attribute.key.0;
            if attributes.len() == MAX_ATTRIBUTES {
                return fault(at, format!("<{}> has more than {MAX_ATTRIBUTES} attributes", shown(&name)));
            }
            if attributes.iter().any(|(other, _)| other == key) {
                return fault(at, format!("<{}> has two attributes '{}'", shown(&name), shown(key)));
            }
            let raw: &str = &attribute.value;
            if raw.contains('<') {
                return fault(at, format!("<{}>: '<' in the attribute '{}'", shown(&name), shown(key)));
            }
            // XML's rule: a line break or tab that is written as such counts as a blank.
            let spaced = raw.replace("\r\n", " ").replace(['\n', '\r', '\t'], " ");
            let value = match unescape(&spaced) {
                Ok(value) => value.into_owned(),
                Err(error) => {
                    return fault(
                        at,
                        format!("<{}>, attribute '{}': {}", shown(&name), shown(key), library(&error)),
                    );
                }
            };
            check_characters(&value, at)?;
            attributes.push((key.to_owned(), value));
        }
        Ok(Element { name, at, attributes, children: Vec::new(), text: String::new() })
    }

    /// An error about this element: `<name>: message`.
    pub(super) fn fault<T>(&self, message: impl AsRef<str>) -> Result<T> {
        fault(self.at, format!("<{}>: {}", shown(&self.name), message.as_ref()))
    }

    /// Takes an attribute.
    pub(super) fn attribute(&mut self, name: &str) -> Option<String> {
        let at = self.attributes.iter().position(|(key, _)| key == name)?;
        Some(self.attributes.swap_remove(at).1)
    }

    /// Takes an attribute that must be there.
    pub(super) fn required(&mut self, name: &str) -> Result<String> {
        match self.attribute(name) {
            Some(value) => Ok(value),
            None => self.fault(format!("the attribute '{name}' is missing")),
        }
    }

    /// Takes an attribute that is one of some words.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, words: &[(T, &str)]) -> Result<Option<T>> {
        let Some(value) = self.attribute(name) else { return Ok(None) };
        match words.iter().find(|(_, word)| *word == value) {
            Some((meaning, _)) => Ok(Some(*meaning)),
            None => {
                let known: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
                self.fault(format!("{name}='{}' is not known; expected {}", shown(&value), known.join(", ")))
            }
        }
    }

    /// Takes an attribute that is a number.
    pub(super) fn number<N: std::str::FromStr>(&mut self, name: &str) -> Result<Option<N>> {
        let Some(value) = self.attribute(name) else { return Ok(None) };
        match value.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => self.fault(format!("{name}='{}' is no number, or out of range", shown(&value))),
        }
    }

    /// Takes the child of that name; there can be one.
    pub(super) fn child(&mut self, name: &str) -> Result<Option<Element>> {
        let mut found = self.children(name).into_iter();
        let first = found.next();
        match found.next() {
            Some(second) => second.fault("stands here a second time; there can be one"),
            None => Ok(first),
        }
    }

    /// Takes all children of that name, in order.
    pub(super) fn children(&mut self, name: &str) -> Vec<Element> {
        self.children.extract_if(.., |child| child.name == name).collect()
    }

    /// Takes the `alias` of each child: a name that libvirt makes up for a device while its guest runs. One of a user's
    /// choice (`ua-`) stays.
    pub(super) fn forget_aliases(&mut self) -> Result<()> {
        for child in &mut self.children {
            let mut made_up = child.children.extract_if(.., |alias| {
                let name = alias.attributes.iter().find(|(key, _)| key == "name");
                alias.name == "alias" && name.is_some_and(|(_, name)| !name.starts_with("ua-"))
            });
            if let Some(mut alias) = made_up.next() {
                alias.attribute("name");
                alias.done()?;
            }
        }
        Ok(())
    }

    /// Takes the text of the child of that name, which has nothing else; None where the child or its text is missing.
    pub(super) fn text_of(&mut self, name: &str) -> Result<Option<String>> {
        let Some(mut child) = self.child(name)? else { return Ok(None) };
        let text = child.take_text()?;
        Ok((!text.is_empty()).then_some(text))
    }

    /// Whether there is an empty child of that name; takes it.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool> {
        match self.child(name)? {
            Some(child) => child.done().map(|()| true),
            None => Ok(false),
        }
    }

    /// Takes the text of an element that has nothing else left; the element remains to point at.
    pub(super) fn take_text(&mut self) -> Result<String> {
        let text = std::mem::take(&mut self.text);
        self.done()?;
        Ok(text)
    }

    /// Nothing may be left.
    pub(super) fn done(&self) -> Result<()> {
        if let Some((name, _)) = self.attributes.first() {
            return self.fault(format!("the attribute '{}' is not known here", shown(name)));
        }
        if let Some(child) = self.children.first() {
            let message = format!("<{}> is not known in <{}>", shown(&child.name), shown(&self.name));
            return fault(child.at, message);
        }
        if !self.text.trim().is_empty() {
            return self.fault(format!("the text '{}' does not belong here", shown(self.text.trim())));
        }
        Ok(())
    }
}

/// The XML library's own words, which can quote the document.
fn library(error: &impl std::fmt::Display) -> String {
    shown_up_to(200, &error.to_string())
}

fn add_text(open: &mut [Element], text: &str, at: usize) -> Result<()> {
    // A byte order mark may stand at the very beginning.
    let text = if at == 0 { text.trim_start_matches('\u{feff}') } else { text };
    check_characters(text, at)?;
    match open.last_mut() {
        Some(element) if text.contains('\r') => element.text.push_str(&text.replace("\r\n", "\n")),
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => {
            return fault(at, format!("the text '{}' stands outside of the document", shown(text.trim())));
        }
    }
    Ok(())
}

/// XML has no place for control characters, however they are written.
fn check_characters(text: &str, at: usize) -> Result<()> {
    match text.chars().find(
        |c| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'),
    ) {
        Some(c) => fault(at, format!("the character U+{:04X} cannot stand in XML", u32::from(c))),
        None => Ok(()),
    }
}

fn unknown_entity(name: &str) -> String {
    format!("the entity '&{};' is not known: XML's own five are", shown(name))
}

//! A document as a small tree that is taken apart: what a reader has taken is gone, and what is left at the end was not understood.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::escape::{resolve_xml_entity, unescape};
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::refused;
use crate::format::error::{shown, shown_up_to};

/// The longest document, in bytes. libvirt's own longest descriptions have some tens of kilobytes.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// Elements within elements; domain XML needs six.
const MAX_DEPTH: usize = 32;
/// Attributes of one element; domain XML needs ten.
const MAX_ATTRIBUTES: usize = 64;
/// Elements in all: a guest with ten thousand devices.
const MAX_ELEMENTS: usize = 100_000;

/// What is wrong, and at which bytes.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: Range<usize>,
    pub(super) message: String,
}

pub(super) type Result<T> = std::result::Result<T, Fault>;

fn fault<T>(at: usize, message: impl Into<String>) -> Result<T> {
    Err(Fault { at: at..at.saturating_add(1), message: message.into() })
}

/// An element: what has not been taken from it yet.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) name: &'a str,
    pub(super) at: usize,
    attributes: Vec<Attribute<'a>>,
    children: Vec<Element<'a>>,
    text: Cow<'a, str>,
    /// What stands between its tags, where its children are nobody's concern.
    verbatim: Option<&'a str>,
}

#[derive(Debug)]
struct Attribute<'a> {
    name: &'a str,
    value: Cow<'a, str>,
    /// From its name to the end of its value.
    at: Range<usize>,
}

/// The elements whose content is kept as it is.
const VERBATIM: &str = "metadata";

impl<'a> Element<'a> {
    /// The document's root.
    pub(super) fn parse(text: &'a str) -> Result<Element<'a>> {
        if text.len() > MAX_BYTES {
            return fault(0, format!("the document has {} bytes; at most {MAX_BYTES} are read", text.len()));
        }
        let mut reader = Reader::from_str(text);
        // Elements that are open, outermost first.
        let mut open: Vec<Element<'a>> = Vec::new();
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
            let behind = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
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
                    let mut element = Element::from_tag(text, &tag, at, &mut elements)?;
                    if open.len() == 1 && element.name == VERBATIM {
                        // Until the end is known.
                        element.verbatim = text.get(behind..);
                    }
                    open.push(element);
                    None
                }
                Event::Empty(tag) => Some(Element::from_tag(text, &tag, at, &mut elements)?),
                Event::End(_) => open.pop().map(|mut element| {
                    if let Some(rest) = element.verbatim {
                        element.verbatim = rest.get(..rest.len() - (text.len() - at));
                        element.children.clear();
                        element.text = Cow::Borrowed("");
                    }
                    element
                }),
                Event::Text(words) => {
                    add_text(text, &mut open, &words, at)?;
                    None
                }
                Event::CData(words) => {
                    add_text(text, &mut open, &words, at)?;
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
                    add_text(text, &mut open, &character, at)?;
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
            return fault(element.at, format!("<{}> is not closed", shown(element.name)));
        }
        root.map_or_else(|| fault(text.len(), "no <domain> in it"), Ok)
    }

    fn from_tag(text: &'a str, tag: &BytesStart<'_>, at: usize, elements: &mut usize) -> Result<Element<'a>> {
        *elements += 1;
        if *elements > MAX_ELEMENTS {
            return fault(at, format!("more than {MAX_ELEMENTS} elements"));
        }
        let Some(name) = within(text, tag.name().0) else { return fault(at, "a tag without a name") };
        let mut attributes: Vec<Attribute<'a>> = Vec::new();
        // The library compares each attribute with all before it: that is done here, after the limit.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => return fault(at, format!("<{}>: {error}", shown(name))),
            };
            let Some(key) = within(text, attribute.key.0) else {
                return fault(at, format!("<{}> has an attribute without a name", shown(name)));
            };
            let place = offset(text, key).unwrap_or(at);
            let raw: &str = &attribute.value;
            // The quote belongs to it.
            let end = offset(text, raw).map_or(place, |start| start + raw.len()) + 1;
            if attributes.len() == MAX_ATTRIBUTES {
                return fault(at, format!("<{}> has more than {MAX_ATTRIBUTES} attributes", shown(name)));
            }
            if attributes.iter().any(|other| other.name == key) {
                return fault(place, format!("<{}> has two attributes '{}'", shown(name), shown(key)));
            }
            if raw.contains('<') {
                return fault(place, format!("<{}>: '<' in the attribute '{}'", shown(name), shown(key)));
            }
            let value = match within(text, raw).filter(|raw| !raw.contains(['\n', '\r', '\t', '&'])) {
                Some(plain) => Cow::Borrowed(plain),
                None => {
                    // XML's rule: a line break or tab that is written as such counts as a blank.
                    let spaced = raw.replace("\r\n", " ").replace(['\n', '\r', '\t'], " ");
                    match unescape(&spaced) {
                        Ok(value) => Cow::Owned(value.into_owned()),
                        Err(error) => {
                            let why = library(&error);
                            return fault(
                                place,
                                format!("<{}>, attribute '{}': {why}", shown(name), shown(key)),
                            );
                        }
                    }
                }
            };
            check_characters(&value, place)?;
            attributes.push(Attribute { name: key, value, at: place..end });
        }
        let text = Cow::Borrowed("");
        Ok(Element { name, at, attributes, children: Vec::new(), text, verbatim: None })
    }

    /// An error about this element: `<name>: message`.
    pub(super) fn fault<T>(&self, message: impl AsRef<str>) -> Result<T> {
        self.fault_at(self.span(), message)
    }

    /// An error about what an attribute said, which stood at `at`: `<name>: message`.
    pub(super) fn fault_at<T>(&self, at: Range<usize>, message: impl AsRef<str>) -> Result<T> {
        Err(Fault { at, message: format!("<{}>: {}", shown(self.name), message.as_ref()) })
    }

    /// `<name`.
    fn span(&self) -> Range<usize> {
        self.at..self.at + 1 + self.name.len()
    }

    fn take(&mut self, name: &str) -> Option<Attribute<'a>> {
        let at = self.attributes.iter().position(|attribute| attribute.name == name)?;
        Some(self.attributes.swap_remove(at))
    }

    /// Takes an attribute.
    pub(super) fn attribute(&mut self, name: &str) -> Option<String> {
        self.take(name).map(|attribute| attribute.value.into_owned())
    }

    /// Takes an attribute, with its place.
    pub(super) fn attribute_at(&mut self, name: &str) -> Option<(String, Range<usize>)> {
        self.take(name).map(|attribute| (attribute.value.into_owned(), attribute.at))
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
        let Some(Attribute { value, at, .. }) = self.take(name) else { return Ok(None) };
        match words.iter().find(|(_, word)| *word == value) {
            Some((meaning, _)) => Ok(Some(*meaning)),
            None => {
                let known: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
                let known = known.join(", ");
                let value = shown(&value);
                match refused::value(self.name, name, &value) {
                    Some(why) => {
                        self.fault_at(at, format!("{name}='{value}' is refused: {why}; expected {known}"))
                    }
                    None => self.fault_at(at, format!("{name}='{value}' is not known; expected {known}")),
                }
            }
        }
    }

    /// Takes an attribute that is a number.
    pub(super) fn number<N: std::str::FromStr>(&mut self, name: &str) -> Result<Option<N>> {
        let Some(Attribute { value, at, .. }) = self.take(name) else { return Ok(None) };
        match value.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => self.fault_at(at, format!("{name}='{}' is no number, or out of range", shown(&value))),
        }
    }

    /// Takes the attributes that declare prefixes of names, but for those of `known`: prefix and name.
    pub(super) fn namespaces(&mut self, known: &[&str]) -> Vec<(String, String)> {
        let declares = |attribute: &mut Attribute<'a>| {
            attribute.name.strip_prefix("xmlns:").is_some_and(|prefix| !known.contains(&prefix))
        };
        let of = |attribute: Attribute<'a>| {
            (attribute.name.trim_start_matches("xmlns:").to_owned(), attribute.value.into_owned())
        };
        self.attributes.extract_if(.., declares).map(of).collect()
    }

    /// The content as it stands in the document, of an element that is kept so.
    pub(super) fn verbatim(&self) -> Option<&'a str> {
        self.verbatim
    }

    /// Takes the child of that name; there can be one.
    pub(super) fn child(&mut self, name: &str) -> Result<Option<Element<'a>>> {
        let mut found = self.children(name).into_iter();
        let first = found.next();
        match found.next() {
            Some(second) => second.fault("stands here a second time; there can be one"),
            None => Ok(first),
        }
    }

    /// Takes all children of that name, in order.
    pub(super) fn children(&mut self, name: &str) -> Vec<Element<'a>> {
        self.children.extract_if(.., |child| child.name == name).collect()
    }

    /// Takes the `alias` of each child: a name that libvirt makes up for a device while its guest runs. One of a user's
    /// choice (`ua-`) stays.
    pub(super) fn forget_aliases(&mut self) -> Result<()> {
        for child in &mut self.children {
            let mut made_up = child.children.extract_if(.., |alias| {
                let name = alias.attributes.iter().find(|attribute| attribute.name == "name");
                alias.name == "alias" && name.is_some_and(|name| !name.value.starts_with("ua-"))
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
        let text = std::mem::take(&mut self.text).into_owned();
        self.done()?;
        Ok(text)
    }

    /// Nothing may be left.
    pub(super) fn done(&self) -> Result<()> {
        self.left().map_or(Ok(()), Err)
    }

    /// The first of what is left, as a fault.
    fn left(&self) -> Option<Fault> {
        self.every_left().next()
    }

    /// All that is left, as faults.
    pub(super) fn every_left(&self) -> impl Iterator<Item = Fault> {
        let attributes = self.attributes.iter().map(|attribute| Fault {
            at: attribute.at.clone(),
            message: match refused::attribute(self.name, attribute.name) {
                Some(why) => format!("<{}>: {}= is refused: {why}", shown(self.name), shown(attribute.name)),
                None => {
                    let name = shown(attribute.name);
                    format!("<{}>: the attribute '{name}' is not known here", shown(self.name))
                }
            },
        });
        let children = self.children.iter().map(|child| Fault {
            at: child.span(),
            message: match refused::element(self.name, child.name) {
                Some(why) => format!("<{}> is refused: {why}", shown(child.name)),
                None => format!("<{}> is not known in <{}>", shown(child.name), shown(self.name)),
            },
        });
        let text = Some(self.text.trim()).filter(|text| !text.is_empty()).map(|text| Fault {
            at: self.span(),
            message: format!("<{}>: the text '{}' does not belong here", shown(self.name), shown(text)),
        });
        attributes.chain(children).chain(text)
    }
}

/// Where `part` stands in `text`, which it was cut out of.
fn offset(text: &str, part: &str) -> Option<usize> {
    (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)
}

/// `part` as a part of `text`, which it was cut out of.
fn within<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    let start = offset(text, part)?;
    text.get(start..start.checked_add(part.len())?).filter(|found| *found == part)
}

/// The XML library's own words, which can quote the document.
fn library(error: &impl std::fmt::Display) -> String {
    shown_up_to(200, &error.to_string())
}

fn add_text<'a>(document: &'a str, open: &mut [Element<'a>], text: &str, at: usize) -> Result<()> {
    // A byte order mark may stand at the very beginning.
    let text = if at == 0 { text.trim_start_matches('\u{feff}') } else { text };
    check_characters(text, at)?;
    match open.last_mut() {
        // Blanks between elements say nothing: they are not even counted.
        Some(element) if element.text.is_empty() && !text.contains('\r') => {
            element.text = within(document, text).map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed);
        }
        Some(element) if !element.children.is_empty() && element.text.chars().all(char::is_whitespace) => {
            element.text = within(document, text).map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed);
        }
        Some(element) if text.contains('\r') => element.text.to_mut().push_str(&text.replace("\r\n", "\n")),
        Some(element) => element.text.to_mut().push_str(text),
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

//! A value in a document together with its place there, for messages.

use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use super::locate::Step;
use crate::format::error::shown;

/// What is wrong, and with which value.
#[derive(Debug)]
pub(super) struct Fault {
    /// From the top to it.
    pub(super) path: Vec<Step<'static>>,
    /// A sentence, with the value's place in libxl's words before it: `[1].config.b_info.max_memkb: ...`.
    pub(super) message: String,
}

pub(super) type Result<T> = std::result::Result<T, Fault>;

/// All that is wrong with a text.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// What was read, or its kind's default where a fault is kept in its place.
    pub(super) fn keep<T: Default>(&mut self, result: Result<T>) -> T {
        self.kept(result).unwrap_or_default()
    }

    /// What was read; None where a fault is kept.
    pub(super) fn kept<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|fault| self.0.push(fault)).ok()
    }
}

/// A value and where it is.
#[derive(Clone)]
pub(super) struct Node<'a> {
    value: &'a Value,
    /// None at the top.
    place: Option<Place<'a>>,
}

#[derive(Clone)]
struct Place<'a> {
    parent: Rc<Node<'a>>,
    step: Step<'static>,
}

impl Place<'_> {
    fn path(&self) -> Vec<Step<'static>> {
        let mut path = self.parent.place.as_ref().map(Place::path).unwrap_or_default();
        path.push(self.step);
        path
    }
}

/// `[1].config.b_info.max_memkb`
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = &self.parent.place {
            above.fmt(f)?;
        }
        match self.step {
            Step::Element(at) => write!(f, "[{at}]"),
            Step::Key(key) if self.parent.place.is_none() => f.write_str(key),
            Step::Key(key) => write!(f, ".{key}"),
        }
    }
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Node { value, place: None }
    }

    /// A sentence about this value as an error.
    pub(super) fn fault<T>(&self, message: impl fmt::Display) -> Result<T> {
        Err(match &self.place {
            Some(place) => Fault { path: place.path(), message: format!("{place}: {message}") },
            None => Fault { path: Vec::new(), message: message.to_string() },
        })
    }

    fn wrong<T>(&self, expected: &str) -> Result<T> {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => format!("'{}'", shown(text)),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        self.fault(format!("expected {expected}, found {found}"))
    }

    /// The value of a key; None where it is not there or null, or this is no object.
    pub(super) fn child(&self, key: &'static str) -> Option<Node<'a>> {
        let value = self.value.as_object()?.get(key).filter(|value| !value.is_null())?;
        let place = Place { parent: Rc::new(self.clone()), step: Step::Key(key) };
        Some(Node { value, place: Some(place) })
    }

    /// [`Self::child`], which must be an object where it is there.
    pub(super) fn object_at(&self, key: &'static str) -> Result<Option<Node<'a>>> {
        let child = self.child(key);
        if let Some(child) = &child {
            child.object()?;
        }
        Ok(child)
    }

    /// That it is an object.
    pub(super) fn object(&self) -> Result<()> {
        if self.value.is_object() { Ok(()) } else { self.wrong("an object") }
    }

    /// The elements of a list.
    pub(super) fn elements(&self) -> Result<Vec<Node<'a>>> {
        let Value::Array(list) = self.value else { return self.wrong("a list") };
        if list.len() > MAX_LIST {
            return self.fault(format!(
                "a list of {} elements is longer than the {MAX_LIST} that are read",
                list.len()
            ));
        }
        let parent = Rc::new(self.clone());
        let place = |at| Some(Place { parent: parent.clone(), step: Step::Element(at) });
        Ok(list.iter().enumerate().map(|(at, value)| Node { value, place: place(at) }).collect())
    }

    /// The elements of the list of a key; none where it is not there.
    pub(super) fn list_at(&self, key: &'static str) -> Result<Vec<Node<'a>>> {
        self.child(key).map_or(Ok(Vec::new()), |list| list.elements())
    }

    pub(super) fn text(&self) -> Result<String> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            _ => self.wrong("a text"),
        }
    }

    /// The text of a key; None where it is not there or empty.
    pub(super) fn text_at(&self, key: &'static str) -> Result<Option<String>> {
        let text = self.child(key).map(|child| child.text()).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// A whole number of 64 bits, with or without a sign.
    pub(super) fn integer(&self) -> Result<i128> {
        let number = match self.value {
            Value::Number(number) => {
                number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
            }
            _ => None,
        };
        number.map_or_else(|| self.wrong("a whole number"), Ok)
    }

    /// The number of a key; None where it is not there.
    pub(super) fn number_at<N: TryFrom<i128>>(&self, key: &'static str) -> Result<Option<N>> {
        let Some(child) = self.child(key) else { return Ok(None) };
        let number = child.integer()?;
        match N::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => child.fault(format!("{number} is out of range")),
        }
    }

    /// Memory in KiB. libxl's mark for its default, all bits set, counts as absent.
    pub(super) fn memory_at(&self, key: &'static str) -> Result<Option<u64>> {
        let Some(child) = self.child(key) else { return Ok(None) };
        match child.integer()? {
            -1 => Ok(None),
            number => match u64::try_from(number) {
                Ok(u64::MAX) => Ok(None),
                Ok(kib) if kib <= MAX_MEMORY_KIB => Ok(Some(kib)),
                _ => child.fault(format!("{number} KiB are more memory than any machine has")),
            },
        }
    }

    /// True or false, which libxl prints as a text, and as another one for its default; None for that, and where the key is not there.
    pub(super) fn flag_at(&self, key: &'static str) -> Result<Option<bool>> {
        let Some(child) = self.child(key) else { return Ok(None) };
        match child.value {
            Value::Bool(value) => Ok(Some(*value)),
            Value::String(text) => match text.as_str() {
                "True" => Ok(Some(true)),
                "False" => Ok(Some(false)),
                "<default>" => Ok(None),
                _ => child.wrong("True, False or <default>"),
            },
            _ => child.wrong("True, False or <default>"),
        }
    }

    /// The numbers of the bits that are set in a set of them.
    pub(super) fn bits(&self) -> Result<Vec<u32>> {
        let mut bits = Vec::new();
        for element in self.elements()? {
            match u32::try_from(element.integer()?) {
                Ok(bit) if bit <= MAX_BIT => bits.push(bit),
                _ => return element.fault("the number is out of range"),
            }
        }
        Ok(bits)
    }
}

/// More memory than any machine can address (2^53 bytes): numbers beyond it are mistakes.
const MAX_MEMORY_KIB: u64 = 1 << 43;
/// More domains, devices and processors than any host has.
const MAX_LIST: usize = 1 << 16;
/// The highest number in a set of processors.
const MAX_BIT: u32 = 0xffff;

//! What a file's statements come to, key by key: the last assignment counts, `+=` adds to it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Fault, Kind, Result, Statement, Value, fault};
use crate::format::error::shown;

/// The settings that have not been taken yet.
#[derive(Clone)]
pub(in crate::format) struct Settings {
    left: BTreeMap<String, Value>,
    /// Keys that only running the file would tell, and where it says so.
    unreadable: BTreeMap<String, Fault>,
    /// The first of those that was asked for.
    missed: Option<Fault>,
    /// How the language reads a number.
    number: fn(&str) -> Option<i64>,
    /// What has no place in the model: keys, or parts of a key's value, with their places.
    pub(in crate::format) others: Vec<(String, usize)>,
}

impl Settings {
    pub(in crate::format) fn of(statements: &[Statement]) -> Result<Self> {
        let mut left: BTreeMap<String, Value> = BTreeMap::new();
        for Statement { key, appends, value, .. } in statements {
            match (left.get_mut(key).filter(|_| *appends), &value.kind) {
                (None, _) => {
                    left.insert(key.clone(), value.clone());
                }
                (Some(Value { kind: Kind::Text(all), .. }), Kind::Text(more)) => all.push_str(more),
                (Some(Value { kind: Kind::List(all), .. }), Kind::List(more)) => {
                    all.extend(more.iter().cloned())
                }
                (Some(_), _) => {
                    return fault(value.span.start, format!("'{key}' cannot be both a list and a string"));
                }
            }
        }
        Ok(Settings { left, unreadable: BTreeMap::new(), missed: None, number, others: Vec::new() })
    }

    /// The same for a language whose files are programs: `unreadable` are the keys that only running the file would tell, and what is to
    /// be said of each, `code` is what is passed over, and `number` reads its numbers.
    pub(in crate::format) fn of_program(
        statements: &[Statement],
        unreadable: BTreeMap<String, Fault>,
        code: Vec<(String, usize)>,
        number: fn(&str) -> Option<i64>,
    ) -> Result<Self> {
        Ok(Settings { unreadable, others: code, number, ..Self::of(statements)? })
    }

    /// What `read` makes of them. A key that it asks for and that cannot be known is an error, whatever else is.
    pub(in crate::format) fn finish<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let read = read(self);
        self.missed.take().map_or(read, Err)
    }

    pub(in crate::format) fn take(&mut self, key: &str) -> Option<Value> {
        if let Some(fault) = self.unreadable.remove(key)
            && self.missed.as_ref().is_none_or(|first| fault.at < first.at)
        {
            self.missed = Some(fault);
        }
        self.left.remove(key)
    }

    pub(in crate::format) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key) || self.unreadable.contains_key(key)
    }

    pub(in crate::format) fn set(&mut self, key: &str, value: Value) {
        self.left.insert(key.to_owned(), value);
    }

    /// Takes away what stands at a byte: a string of a list, or the whole value of a key. Which key, and where it stood.
    pub(in crate::format) fn forget(&mut self, at: usize) -> Option<(String, Range<usize>)> {
        if let Some((key, _)) = self.unreadable.iter().find(|(_, fault)| fault.at == at) {
            let key = key.clone();
            self.unreadable.remove(&key);
            return Some((key, at..at + 1));
        }
        for (key, value) in &mut self.left {
            if let Kind::List(items) = &mut value.kind
                && let Some(place) = items.iter().position(|item| item.span.contains(&at))
            {
                return Some((key.clone(), items.remove(place).span));
            }
        }
        let key = self.left.iter().find(|(_, value)| value.span.contains(&at))?.0.clone();
        let value = self.left.remove(&key)?;
        Some((key, value.span))
    }

    /// A setting that has no place in the model.
    pub(in crate::format) fn leave(&mut self, key: &str, at: usize) {
        self.others.push((key.to_owned(), at));
    }

    /// The rest has no place in the model.
    pub(in crate::format) fn leave_rest(&mut self) {
        let left = std::mem::take(&mut self.left);
        self.others.extend(left.into_iter().map(|(key, value)| (key, value.span.start)));
    }

    /// A string and its place; an empty one counts as missing, as nothing that xl takes is empty.
    pub(in crate::format) fn text_at(&mut self, key: &str) -> Result<Option<(String, usize)>> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => {
                let text = value.text(key)?;
                Ok((!text.is_empty()).then(|| (text.to_owned(), value.span.start)))
            }
        }
    }

    pub(in crate::format) fn text(&mut self, key: &str) -> Result<Option<String>> {
        Ok(self.text_at(key)?.map(|(text, _)| text))
    }

    /// A number as C's strtol reads one whose base is not said: `12`, `0x1f`, `017`.
    pub(in crate::format) fn number<N: TryFrom<i64>>(&mut self, key: &str) -> Result<Option<N>> {
        match self.text_at(key)? {
            None => Ok(None),
            Some((text, at)) => match (self.number)(&text).map(N::try_from) {
                Some(Ok(number)) => Ok(Some(number)),
                Some(Err(_)) => fault(at, format!("{key} = {} is out of range", shown(&text))),
                None => fault(at, format!("{key} = '{}' is no number", shown(&text))),
            },
        }
    }

    pub(in crate::format) fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        Ok(self.number::<i64>(key)?.map(|number| number != 0))
    }

    /// A list of strings with their places; where xl takes a string as well, that is a list of one.
    pub(in crate::format) fn list(&mut self, key: &str) -> Result<Vec<(String, usize)>> {
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        let items = match value.kind {
            Kind::Text(ref text) if text.is_empty() => return Ok(Vec::new()),
            Kind::Text(_) => vec![value],
            Kind::List(items) => items,
        };
        items.iter().map(|item| Ok((item.text(key)?.to_owned(), item.span.start))).collect()
    }
}

/// C's `strtol(text, .., 0)`, where it reads all of it.
pub(in crate::format) fn number(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if digits.starts_with('0') && digits.len() > 1 => (digits, 8),
        None => (digits, 10),
    };
    // The standard library would take a second sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if is_negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::xl::parse;

    fn settings(text: &str) -> Settings {
        Settings::of(&parse(text).unwrap()).unwrap()
    }

    #[test]
    fn the_last_assignment_counts_and_plus_adds_to_it() {
        let text = "a=1\na='x'\na+='y'\nb=['x']\nb+=['y']\nb+=[]\nc+=['z']\nd=['x']\nd='y'";
        let mut settings = settings(text);
        assert_eq!(settings.text("a").unwrap().as_deref(), Some("xy"));
        let texts = |list: Vec<(String, usize)>| list.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(texts(settings.list("b").unwrap()), ["x", "y"]);
        assert_eq!(texts(settings.list("c").unwrap()), ["z"]);
        assert_eq!(settings.text("d").unwrap().as_deref(), Some("y"));
        for bad in ["a='x'\na+=['y']", "a=['x']\na+='y'"] {
            assert_eq!(
                Settings::of(&parse(bad).unwrap()).map(|_| ()).unwrap_err().at,
                bad.rfind('=').unwrap() + 1
            );
        }
    }

    #[test]
    fn numbers_are_those_of_c() {
        for (text, value) in
            [("12", 12), ("0x10", 16), ("0X10", 16), ("010", 8), ("0", 0), (" 12", 12), ("-5", -5), ("+5", 5)]
        {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for bad in ["", "12 ", "09", "0x", "1x", "--5", "0x-5", "abc", "99999999999999999999"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}

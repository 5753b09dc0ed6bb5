//! Keys and values to write, in order.

use super::Language;
use crate::error::Result;

/// A key and what is written for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::format) struct Item {
    pub(in crate::format) key: &'static str,
    pub(in crate::format) value: Written,
}

/// A value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::format) enum Written {
    Number(i64),
    Text(String),
    List(Vec<String>),
    Lists(Vec<Vec<String>>),
}

/// Settings that grow.
#[derive(Default)]
pub(in crate::format) struct Items(pub(in crate::format) Vec<Item>);

impl Items {
    fn put(&mut self, key: &'static str, value: Written) {
        self.0.push(Item { key, value });
    }

    pub(in crate::format) fn text(&mut self, key: &'static str, value: impl Into<String>) {
        self.put(key, Written::Text(value.into()));
    }

    pub(in crate::format) fn some(&mut self, key: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(in crate::format) fn number(&mut self, key: &'static str, value: impl Into<i64>) {
        self.put(key, Written::Number(value.into()));
    }

    pub(in crate::format) fn flag(&mut self, key: &'static str, value: bool) {
        self.number(key, value);
    }

    /// A number that is there as text.
    pub(in crate::format) fn digits(&mut self, key: &'static str, value: String) {
        match value.parse() {
            Ok(number) => self.put(key, Written::Number(number)),
            Err(_) => self.text(key, value),
        }
    }

    pub(in crate::format) fn list(&mut self, key: &'static str, values: Vec<String>) {
        self.put(key, Written::List(values));
    }

    pub(in crate::format) fn lists(&mut self, key: &'static str, values: Vec<Vec<String>>) {
        self.put(key, Written::Lists(values));
    }
}

/// The text of settings, a line for each.
pub(in crate::format) fn text<L: Language>(language: &L, items: &[Item]) -> Result<String> {
    let mut text = String::new();
    for Item { key, value } in items {
        text.push_str(&format!("{key} = {}\n", value_text(language, key, value)?));
    }
    Ok(text)
}

/// A value as the language writes it.
pub(in crate::format) fn value_text<L: Language>(language: &L, key: &str, value: &Written) -> Result<String> {
    let quote =
        |text: &str| language.quoted(text).ok_or_else(|| language.unsupported(&format!("a NUL in '{key}'")));
    Ok(match value {
        Written::Number(number) => language.number(*number),
        Written::Text(text) => quote(text)?,
        Written::List(items) if items.is_empty() => "[ ]".into(),
        Written::List(items) => {
            format!("[ {} ]", items.iter().map(|item| quote(item)).collect::<Result<Vec<_>>>()?.join(", "))
        }
        Written::Lists(lists) => {
            let list = |items: &Vec<String>| value_text(language, key, &Written::List(items.clone()));
            format!("[ {} ]", lists.iter().map(list).collect::<Result<Vec<_>>>()?.join(", "))
        }
    })
}

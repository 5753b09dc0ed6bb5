//! A file somebody wrote, with what a guest says now: only the statements whose meaning changes are touched.

use std::collections::BTreeSet;
use std::ops::Range;

use super::items::{Item, Written, text as items_text, value_text};
use super::{Kind, Language, Statement, Value, guest as guest_of, syntax_error};
use crate::error::{Error, Result, Status};
use crate::model::Guest;

/// `old` with what `guest` says.
pub(in crate::format) fn update<L: Language>(language: &L, old: &str, guest: &Guest) -> Result<String> {
    language.check(guest)?;
    let anew = items_text(language, &language.items(guest)?.0)?;
    // What the language makes of it: where it cannot tell two guests apart, nothing has changed.
    let said = items_of(language, &anew)?;
    let statements = language.statements(old).map_err(|fault| syntax_error::<L>(old, fault))?;
    // A file whose guest could not be written is none that stays.
    let was = match guest_of(language, old) {
        Ok(guest) => language.items(&guest).map(|items| items.0).unwrap_or_default(),
        Err(error) => return Err(error.into()),
    };
    if was == said {
        return Ok(old.to_owned());
    }
    for care in [Care::Sparing, Care::Gentle, Care::Anew] {
        let edit = Edit { language, old, statements: &statements, was: &was, said: &said, care };
        let text = edit.apply()?;
        // Keys can depend on each other in ways that an edit of one misses: then all that is known is written again.
        if items_of(language, &text).is_ok_and(|items| items == said) {
            return Ok(text);
        }
    }
    Err(Error::new(Status::Internal, "the configuration was changed into one that says something else"))
}

fn items_of<L: Language>(language: &L, text: &str) -> Result<Vec<Item>> {
    Ok(language.items(&guest_of(language, text)?)?.0)
}

struct Edit<'a, L> {
    language: &'a L,
    old: &'a str,
    statements: &'a [Statement],
    was: &'a [Item],
    said: &'a [Item],
    care: Care,
}

/// How much of a file is changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// As below, and what the file leaves to xl it goes on leaving: `maxmem` that follows `memory`.
    Sparing,
    /// What means the same is left as it is written.
    Gentle,
    /// All that is known is written again.
    Anew,
}

impl<L: Language> Edit<'_, L> {
    fn apply(&self) -> Result<String> {
        let mut changes: Vec<(Range<usize>, String)> = Vec::new();
        let mut done = BTreeSet::new();
        let keys = self.was.iter().chain(self.said).map(|item| item.key);
        for key in keys.collect::<Vec<_>>() {
            let single = [key];
            let group = L::GROUPS.iter().find(|group| group.contains(&key)).copied().unwrap_or(&single);
            if done.insert(group.first().copied().unwrap_or(key)) {
                self.group(group, &mut changes)?;
            }
        }
        changes.sort_by_key(|(range, _)| (range.start, range.end));
        let mut text = String::with_capacity(self.old.len() + 256);
        let mut at = 0;
        for (range, new) in changes {
            text.push_str(self.old.get(at..range.start).unwrap_or_default());
            if new.ends_with('\n') && !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&new);
            at = at.max(range.end);
        }
        text.push_str(self.old.get(at..).unwrap_or_default());
        Ok(text)
    }

    /// The changes of one group of keys.
    fn group(&self, group: &[&str], changes: &mut Vec<(Range<usize>, String)>) -> Result<()> {
        let of = |items: &[Item]| -> Vec<Item> {
            items.iter().filter(|item| group.contains(&item.key)).cloned().collect()
        };
        let (was, said) = (of(self.was), of(self.said));
        let gently = self.care != Care::Anew;
        if gently && was == said {
            return Ok(());
        }
        let in_file = |key: &str| self.statements.iter().any(|statement| statement.key == key);
        let is_respelled = group.iter().any(|key| L::OTHER_SPELLINGS.contains(key) && in_file(key));
        for key in group {
            let before = was.iter().find(|item| item.key == *key);
            let now = said.iter().find(|item| item.key == *key);
            if gently && !is_respelled && before == now {
                continue;
            }
            let mut own = self.statements.iter().filter(|statement| statement.key == *key);
            let first = own.next();
            let only = own.clone().next().is_none();
            changes.extend(own.map(|statement| (self.without(statement), String::new())));
            match (first, now) {
                (None, None) => {}
                (None, Some(_)) if self.care == Care::Sparing && before.is_some() && !is_respelled => {}
                (None, Some(item)) => {
                    let at = self.place_for(item);
                    changes.push((
                        at..at,
                        format!("{key} = {}\n", value_text(self.language, key, &item.value)?),
                    ));
                }
                (Some(statement), now) => {
                    let kept = self.language.foreign(key, strings(&statement.value));
                    match now {
                        None if kept.is_empty() => changes.push((self.without(statement), String::new())),
                        None => changes.push(
                            self.assign(statement, value_text(self.language, key, &Written::List(kept))?),
                        ),
                        Some(item) => {
                            let before =
                                before.filter(|_| only && !statement.appends).map(|item| &item.value);
                            let value = self.value(key, &statement.value, before, &item.value, kept)?;
                            changes.push(self.assign(statement, value));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// A statement with another value; its first part stays as it is, unless it appends.
    fn assign(&self, statement: &Statement, value: String) -> (Range<usize>, String) {
        match statement.appends {
            true => (statement.span.clone(), format!("{} = {value}", statement.key)),
            false => (statement.value.span.clone(), value),
        }
    }

    /// The text of a value that takes the place of another one.
    fn value(
        &self,
        key: &str,
        old: &Value,
        before: Option<&Written>,
        now: &Written,
        foreign: Vec<String>,
    ) -> Result<String> {
        let (Kind::List(items), Written::List(now)) = (&old.kind, now) else {
            return match now {
                Written::Text(text) if !foreign.is_empty() => {
                    value_text(self.language, key, &Written::List([foreign, vec![text.clone()]].concat()))
                }
                now => value_text(self.language, key, now),
            };
        };
        // Where each string of the file is one of the guest's, those that have not changed are copied.
        let before: &[String] = match before {
            Some(Written::List(before)) if before.len() == items.len() => before,
            _ => &[],
        };
        let mut texts = Vec::new();
        for text in &foreign {
            texts.push(value_text(self.language, key, &Written::Text(text.clone()))?);
        }
        for (index, text) in now.iter().enumerate() {
            if let Some((_, item)) = before.iter().zip(items).find(|(before, _)| *before == text) {
                texts.push(self.old.get(item.span.clone()).unwrap_or_default().to_owned());
                continue;
            }
            // One that has changed is known by its name, or by its place where it has none.
            let name = |text: &str| self.language.name(key, text);
            let by_name = name(text)
                .and_then(|found| before.iter().position(|before| name(before).as_ref() == Some(&found)));
            let by_place = (before.len() == now.len()
                && before.get(index).is_some_and(|before| name(before).is_none()))
            .then_some(index);
            let text = match by_name.or(by_place).and_then(|index| items.get(index)) {
                Some(Value { kind: Kind::Text(old), .. }) => self.language.merged(key, old, text),
                _ => text.clone(),
            };
            texts.push(value_text(self.language, key, &Written::Text(text))?);
        }
        // In place, what stands between the strings stays as well.
        if texts.len() == items.len() {
            let mut text = String::new();
            let mut at = old.span.start;
            for (item, new) in items.iter().zip(&texts) {
                text.push_str(self.old.get(at..item.span.start).unwrap_or_default());
                text.push_str(new);
                at = item.span.end;
            }
            text.push_str(self.old.get(at..old.span.end).unwrap_or_default());
            return Ok(text);
        }
        let has_lines = self.old.get(old.span.clone()).is_some_and(|text| text.contains('\n'));
        Ok(match has_lines {
            true => format!("[\n    {},\n]", texts.join(",\n    ")),
            false => format!("[ {} ]", texts.join(", ")),
        })
    }

    /// What goes when a statement goes: its lines, where nothing else stands on them.
    fn without(&self, statement: &Statement) -> Range<usize> {
        let Range { start, end } = statement.span;
        let before = self.old.get(..start).unwrap_or_default();
        let after = self.old.get(end..).unwrap_or_default();
        let blank = |c: char| c == ' ' || c == '\t';
        let line_start = before.trim_end_matches(blank);
        let line_end = after.trim_start_matches(blank);
        let is_alone = (line_start.is_empty() || line_start.ends_with('\n'))
            && (line_end.is_empty() || line_end.starts_with('\n'));
        match is_alone {
            true => line_start.len()..self.old.len() - line_end.len() + usize::from(!line_end.is_empty()),
            false => start..self.language.end_of_removed(self.old, statement),
        }
    }

    /// Behind the line of what stands before it in a file of ours, else at the end.
    fn place_for(&self, item: &Item) -> usize {
        let mut earlier = self.said.iter().take_while(|other| other.key != item.key).collect::<Vec<_>>();
        earlier.reverse();
        let anchor = earlier
            .iter()
            .find_map(|other| self.statements.iter().position(|statement| statement.key == other.key));
        let Some(mut index) = anchor else { return self.old.len() };
        loop {
            let end = self.statements.get(index).map_or(self.old.len(), |statement| statement.span.end);
            let line_end =
                self.old.get(end..).and_then(|rest| rest.find('\n')).map(|length| end + length + 1);
            match (self.statements.get(index + 1), line_end) {
                // Another statement begins on this line, and may end on a later one.
                (Some(next), Some(line_end)) if next.span.start < line_end => index += 1,
                (_, Some(line_end)) => return line_end,
                (_, None) => return self.old.len(),
            }
        }
    }
}

/// The strings that a value holds.
fn strings(value: &Value) -> Vec<String> {
    match &value.kind {
        Kind::Text(text) => vec![text.clone()],
        Kind::List(items) => items.iter().filter_map(|item| item.text("").ok()).map(str::to_owned).collect(),
    }
}

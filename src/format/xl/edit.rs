//! A file somebody wrote, with what a guest says now: only the statements whose meaning changes are touched.

use std::collections::BTreeSet;
use std::ops::Range;

use super::settings::Settings;
use super::syntax::{Kind, Statement, Value, parse};
use super::write::{self, Item, Written, value_text};
use super::{disk, dm, read, syntax_error, vif};
use crate::error::{Error, Result, Status};
use crate::format::SyntaxError;
use crate::model::Guest;
use crate::model::guest::InputKind;

/// Keys that say one thing together, or in several ways: those that are written first.
const GROUPS: [&[&str]; 7] = [
    &["builder", "type"],
    &["maxvcpus", "vcpus"],
    &["cmdline", "root", "extra"],
    &["firmware_override", "bios", "bios_path_override", "firmware"],
    &["device_model", "device_model_override"],
    &["vga", "videoram", "stdvga", "nographic"],
    &[
        "vfb",
        "sdl",
        "vnc",
        "vncunused",
        "vncdisplay",
        "vnclisten",
        "vncpasswd",
        "keymap",
        "display",
        "xauthority",
    ],
];
/// The keys of [`GROUPS`] that are read and never written.
const OTHER_SPELLINGS: [&str; 5] = ["root", "extra", "firmware", "stdvga", "nographic"];

pub(super) fn update(old: &str, guest: &Guest) -> Result<String> {
    write::check(guest)?;
    let anew = write::text(&write::items(guest)?.0)?;
    // What the language makes of it: where it cannot tell two guests apart, nothing has changed.
    let said = items_of(&anew)?;
    let statements = parse(old).map_err(|fault| syntax_error(old, fault))?;
    // A file whose guest could not be written is none that stays.
    let was = match guest_of(old) {
        Ok(guest) => write::items(&guest).map(|items| items.0).unwrap_or_default(),
        Err(error) => return Err(error.into()),
    };
    if was == said {
        return Ok(old.to_owned());
    }
    for care in [Care::Sparing, Care::Gentle, Care::Anew] {
        let edit = Edit { old, statements: &statements, was: &was, said: &said, care };
        let text = edit.apply()?;
        // Keys can depend on each other in ways that an edit of one misses: then all that is known is written again.
        if items_of(&text).is_ok_and(|items| items == said) {
            return Ok(text);
        }
    }
    Err(Error::new(Status::Internal, "the configuration was changed into one that says something else"))
}

/// What [`super::overrides`] says.
pub(super) fn overrides(file: &str, guest: &Guest) -> Result<Vec<String>> {
    let statements = parse(file).map_err(|fault| syntax_error(file, fault))?;
    let settings = Settings::of(&statements).and_then(|mut settings| {
        let old = settings.take("vif");
        Ok((old, read::guest(&mut Settings::of(&statements)?)?))
    });
    let (old, said) = settings.map_err(|fault| syntax_error(file, fault))?;
    if said.interfaces.iter().all(|interface| interface.mac.is_some()) {
        return Ok(Vec::new());
    }
    let mut texts = Vec::new();
    for (index, interface) in guest.interfaces.iter().enumerate() {
        let text = vif::write(interface, guest.is_hvm())?;
        let of_file = match old.as_ref().map(|value| &value.kind) {
            Some(Kind::List(items)) if items.len() == guest.interfaces.len() => items.get(index),
            Some(Kind::Text(_)) if guest.interfaces.len() == 1 => old.as_ref(),
            _ => None,
        };
        texts.push(of_file.map_or(text.clone(), |old| merged("vif", old, &text)));
    }
    Ok(vec![format!("vif={}", value_text("vif", &Written::List(texts))?)])
}

fn guest_of(text: &str) -> std::result::Result<Guest, SyntaxError> {
    let parsed = parse(text).and_then(|statements| read::guest(&mut Settings::of(&statements)?));
    parsed.map_err(|fault| syntax_error(text, fault))
}

fn items_of(text: &str) -> Result<Vec<Item>> {
    Ok(write::items(&guest_of(text)?)?.0)
}

struct Edit<'a> {
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

impl Edit<'_> {
    fn apply(&self) -> Result<String> {
        let mut changes: Vec<(Range<usize>, String)> = Vec::new();
        let mut done = BTreeSet::new();
        let keys = self.was.iter().chain(self.said).map(|item| item.key);
        for key in keys.collect::<Vec<_>>() {
            let single = [key];
            let group = GROUPS.iter().find(|group| group.contains(&key)).copied().unwrap_or(&single);
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
        let is_respelled = group.iter().any(|key| OTHER_SPELLINGS.contains(key) && in_file(key));
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
                    changes.push((at..at, format!("{key} = {}\n", value_text(key, &item.value)?)));
                }
                (Some(statement), now) => {
                    let kept = foreign(key, &statement.value);
                    match now {
                        None if kept.is_empty() => changes.push((self.without(statement), String::new())),
                        None => changes.push(self.assign(statement, value_text(key, &Written::List(kept))?)),
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
                    value_text(key, &Written::List([foreign, vec![text.clone()]].concat()))
                }
                now => value_text(key, now),
            };
        };
        // Where each string of the file is one of the guest's, those that have not changed are copied.
        let before: &[String] = match before {
            Some(Written::List(before)) if before.len() == items.len() => before,
            _ => &[],
        };
        let mut texts = Vec::new();
        for text in &foreign {
            texts.push(value_text(key, &Written::Text(text.clone()))?);
        }
        for (index, text) in now.iter().enumerate() {
            if let Some((_, item)) = before.iter().zip(items).find(|(before, _)| *before == text) {
                texts.push(self.old.get(item.span.clone()).unwrap_or_default().to_owned());
                continue;
            }
            // One that has changed is known by its name, or by its place where it has none.
            let by_name = name(key, text).and_then(|name| {
                before.iter().position(|before| self::name(key, before).as_ref() == Some(&name))
            });
            let by_place = (before.len() == now.len()
                && before.get(index).is_some_and(|before| name(key, before).is_none()))
            .then_some(index);
            let text = match by_name.or(by_place).and_then(|index| items.get(index)) {
                Some(item) => merged(key, item, text),
                None => text.clone(),
            };
            texts.push(value_text(key, &Written::Text(text))?);
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
            false => start..end,
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

/// The strings of a list that are none of the guest's.
fn foreign(key: &str, value: &Value) -> Vec<String> {
    let texts: Vec<String> = match &value.kind {
        Kind::Text(text) => vec![text.clone()],
        Kind::List(items) => items.iter().filter_map(|item| item.text(key).ok()).map(str::to_owned).collect(),
    };
    match key {
        dm::KEY => dm::foreign(&texts),
        "usbdevice" => texts.into_iter().filter(|text| InputKind::from_name(text).is_none()).collect(),
        "pci" => texts.into_iter().filter(|text| read::is_whole_device(text)).collect(),
        _ => Vec::new(),
    }
}

/// What a string of a list is known by: a disk's name, an interface's MAC address, a PCI device's place.
fn name(key: &str, text: &str) -> Option<String> {
    match key {
        "disk" => disk::read(text, 0).ok().map(|(disk, _)| disk.target),
        "vif" => vif::read(text, true, 0).ok()?.0.mac.map(|mac| mac.to_string()),
        "pci" => text.split(',').next().map(str::to_owned),
        _ => Some(text.to_owned()),
    }
}

/// A new string of a list, with the options of the old one that have no place in the model.
fn merged(key: &str, old: &Value, new: &str) -> String {
    let Ok(text) = old.text(key) else { return new.to_owned() };
    match key {
        // The new one's path stands last, and goes to the end.
        "disk" => match disk::read(text, 0) {
            Ok((_, others)) if !others.is_empty() => format!("{},{new}", others.join(",")),
            _ => new.to_owned(),
        },
        "vif" => match vif::read(text, true, 0) {
            Ok((_, others)) if !others.is_empty() => format!("{new},{}", others.join(",")),
            _ => new.to_owned(),
        },
        _ => new.to_owned(),
    }
}

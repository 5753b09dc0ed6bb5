//! All that is wrong with a file at once.
//!
//! A reader stops at the first fault. Keys, and the strings of a list, stand by themselves: so what a fault is about is taken away and the rest is read
//! again, until nothing is left to object to. A statement that is malformed is taken out of the text up to where the next one begins.

use std::ops::Range;

use super::settings::Settings;
use super::{Fault, Kind, Language, Value};
use crate::format::error::shown;
use crate::format::problem::{Examined, Sink};

/// How many bytes are read again in all. A file of 40 KB has 200 of its faults found so, a longer one fewer.
const MAX_WORK: usize = 8 << 20;
/// How many bytes of a word or string are pointed at.
const LONGEST_WORD: usize = 1024;
/// Keys that decide what others mean: where one is wrong, it is not said what has no place.
const KINDS: [&str; 2] = ["type", "builder"];

/// Reads a text and says what is wrong with it; what has no place in the model is a warning.
pub(in crate::format) fn examine<L: Language>(language: &L, text: &str) -> Examined {
    let mut search = Search { found: Sink::default(), gone: Vec::new(), work: MAX_WORK };
    let guest = search.settings(language, text).and_then(|settings| search.guest(language, text, settings));
    Examined::new(guest, search.found, L::NAME, text)
}

struct Search {
    found: Sink,
    /// Keys that were taken away.
    gone: Vec<String>,
    /// What may be read again yet, bytes.
    work: usize,
}

impl Search {
    /// One more reading of a text; not when it was read too often.
    fn goes_on(&mut self, text: &str) -> bool {
        let is_enough = self.work < text.len();
        if is_enough {
            self.found.error_of_all("there may be more: mend these first");
        }
        self.work = self.work.saturating_sub(text.len().max(1));
        !is_enough
    }

    /// What the well-formed statements come to.
    fn settings<L: Language>(&mut self, language: &L, text: &str) -> Option<Settings> {
        let mut rest = text.to_owned();
        loop {
            let Fault { at, message } = match language.settings(&rest) {
                Ok(settings) => return Some(settings),
                Err(fault) => fault,
            };
            self.found.error(at..word_end(text, at), message);
            let cut = statement_around(&rest, at, |before| language.settings(before).is_ok());
            let statement = rest.get(cut.clone()).unwrap_or_default();
            self.gone.extend(key_of(statement).map(str::to_owned));
            if statement.trim().is_empty() || !self.goes_on(text) {
                return None;
            }
            // As long as before, so that places stay what they are.
            let blank: String =
                statement.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
            rest.replace_range(cut, &blank);
        }
    }

    fn guest<L: Language>(
        &mut self,
        language: &L,
        text: &str,
        mut settings: Settings,
    ) -> Option<crate::model::Guest> {
        if !settings.has("name") && !self.gone.iter().any(|key| key == "name") {
            self.found.error_of_all("the key 'name' is missing");
        }
        loop {
            if !settings.has("name") {
                // That was said: with one, more is found.
                settings.set("name", Value { kind: Kind::Text("nameless".into()), span: 0..0 });
            }
            let mut left = settings.clone();
            let Fault { at, message } = match left.finish(|left| language.guest(left)) {
                Ok(guest) => {
                    if !self.gone.iter().any(|key| KINDS.contains(&key.as_str())) {
                        for (key, at) in left.others {
                            let message = format!("'{}' has no place in a guest's description", shown(&key));
                            self.found.warning(at..word_end(text, at), message);
                        }
                    }
                    return Some(guest);
                }
                Err(fault) => fault,
            };
            let Some((key, place)) = settings.forget(at) else {
                // About the whole.
                self.found.error(at..word_end(text, at), message);
                return None;
            };
            let end = if place.len() == 1 { word_end(text, at) } else { place.end };
            self.found.error(place.start..end, message);
            self.gone.push(key);
            if !self.goes_on(text) {
                return None;
            }
        }
    }
}

/// The end of the string, or of the word, that begins at a byte, or as much of it as is pointed at: a line can be as long as the text, and be
/// objected to at each of its words.
fn word_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let window = (0..=rest.len().min(LONGEST_WORD)).rev().find(|end| rest.is_char_boundary(*end));
    let rest = rest.get(..window.unwrap_or(0)).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default();
    let end = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => line.get(1..).and_then(|inner| inner.find(quote)).map(|end| end + 2),
        _ => line.find([' ', '\t', ',', ';', ']', '#']),
    };
    at + end.unwrap_or(line.len()).max(1)
}

/// `memory` of `memory = 64`.
fn key_of(line: &str) -> Option<&str> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim_end_matches('+').trim();
    let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    (is_key && !value.starts_with('=')).then_some(key)
}

/// The lines of the statement that a fault at `at` is in: from where it begins to where the next one does. `is_whole` says whether what stands
/// before has an end.
fn statement_around(text: &str, at: usize, is_whole: impl Fn(&str) -> bool) -> Range<usize> {
    let at = at.min(text.len());
    let mut start = None;
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let end = line_start + line.len();
        let first = line_start + (line.len() - line.trim_start().len());
        if key_of(line).is_some() {
            // Where the fault is where one begins, it can be that the one before has no end.
            let is_behind =
                first > at || first == at && !is_whole(text.get(..line_start).unwrap_or_default());
            match start {
                Some(start) if is_behind => return start..line_start,
                _ if first <= at => start = Some(line_start),
                _ => {}
            }
        } else if line_start <= at && at <= first && at < end {
            // A line that begins nothing.
            start = Some(line_start);
        }
        line_start = end;
    }
    start.unwrap_or(0)..text.len()
}

#[cfg(test)]
mod tests {
    use crate::format::xl;

    fn problems(text: &str) -> Vec<String> {
        let one = |problem: &crate::format::Problem| {
            let place = problem.place.map_or("-".into(), |place| format!("{}:{}", place.line, place.column));
            format!("{} {place}+{} {}", problem.severity.name(), problem.length, problem.message)
        };
        xl::examine(text).problems.iter().map(one).collect()
    }

    #[test]
    fn every_key_and_every_string_of_a_list_is_told_by_itself() {
        let text = "name = 'a/b'\ntype = 'hmv'\nmemory = 'lots'\ndisk = [ '/a,raw,xvda,w', '/b,raw,xvda,w', '/c,frob,xvdb,w' ]\n\
                    vif = [ 'mac=1', 'bridge=b' ]\nvif += [ 'rate=x' ]\non_crash = \"maybe\"\nfrob = 1\n";
        assert_eq!(
            problems(text),
            [
                "error 1:8+5 the name 'a/b' has a '/', which no domain's name can have",
                "error 2:8+5 type = 'hmv' is not known; expected pv, pvh or hvm",
                "error 3:10+6 memory = 'lots' is no number of MiB that a guest can have",
                "error 4:27+15 disk: the name xvda is taken by another disk",
                "error 4:44+16 disk: the format 'frob' is not known; expected raw, qcow, qcow2, vhd, qed",
                "error 5:9+7 vif: mac=1 is no MAC address",
                "error 6:10+8 vif: rate=x is no rate; expected such as 10MB/s",
                "error 7:12+7 on_crash = 'maybe' is not known; expected destroy, restart, preserve, rename-restart, \
                 coredump-destroy, coredump-restart",
            ]
        );
        let kind_is_good = text.replace("hmv", "hvm");
        assert_eq!(
            problems(&kind_is_good).last().unwrap(),
            "warning 8:8+1 'frob' has no place in a guest's description"
        );
    }

    #[test]
    fn a_malformed_statement_hides_no_other() {
        let text = "name = 'g'\nmemory = 64 MiB\nvcpus = [ 1,\nkernel = '/k'\nboot = 'x\nuuid = 'zz'\n1x = 3\n+\nvcpus = 0\n";
        let said = problems(text);
        let places: Vec<&str> = said.iter().map(|one| one.split(' ').nth(1).unwrap()).collect();
        assert_eq!(places, ["2:13+3", "4:1+6", "5:8+2", "6:8+4", "7:1+2", "9:9+1"], "{said:#?}");
    }

    #[test]
    fn what_begins_like_a_statement_and_is_none_is_told_once() {
        let said = problems("name = 'g'\nBoot = 'c'\nkernel = '/k'\nvcpus = 0\n");
        let places: Vec<&str> = said.iter().map(|one| one.split(' ').nth(1).unwrap()).collect();
        assert_eq!(places, ["2:1+4", "4:9+1"], "{said:#?}");
    }

    #[test]
    fn a_missing_name_is_told_once_and_hides_nothing() {
        assert_eq!(
            problems("memory = 'x'\n"),
            [
                "error -+1 the key 'name' is missing",
                "error 1:10+3 memory = 'x' is no number of MiB that a guest can have"
            ]
        );
        let said = problems("name = g\nkernel = '/k'\n");
        assert!(matches!(said.as_slice(), [one] if one.starts_with("error 1:8+1 ")), "{said:?}");
    }

    #[test]
    fn a_long_file_is_not_read_again_too_often() {
        let text = format!("name = 'g'\n#{}\n{}", "x".repeat(1 << 19), "vif += [ 'mac=1' ]\n".repeat(1000));
        let said = problems(&text);
        assert_eq!(said.first().unwrap(), "error -+1 there may be more: mend these first");
        assert!((10..20).contains(&said.len()), "{}", said.len());
    }
}

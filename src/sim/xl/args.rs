//! xl's command line: options in any place, single or together, and what is left.

use super::{Refused, Text};

/// What stands behind the verb.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Args {
    options: Vec<char>,
    /// What is no option, in order.
    pub(super) rest: Vec<String>,
}

impl Args {
    pub(super) fn has(&self, option: char) -> bool {
        self.options.contains(&option)
    }

    /// Argument `at`; only asked for where [`read`] found enough of them.
    pub(super) fn at(&self, at: usize) -> &str {
        self.rest.get(at).map_or("", String::as_str)
    }
}

/// A verb: its letters, its long options with the letters that they stand for, and how many arguments it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verb {
    pub(super) name: &'static str,
    pub(super) letters: &'static str,
    pub(super) words: &'static [(&'static str, char)],
    pub(super) needs: usize,
}

const fn verb(name: &'static str, letters: &'static str, needs: usize) -> Verb {
    Verb { name, letters, words: &[], needs }
}

/// The verbs that there are here.
pub(super) const VERBS: &[Verb] = &[
    Verb { words: &[("quiet", 'q')], ..verb("create", "pqec", 0) },
    verb("destroy", "f", 1),
    verb("pause", "", 1),
    verb("unpause", "", 1),
    verb("shutdown", "awF", 0),
    verb("reboot", "awF", 0),
    verb("save", "cp", 2),
    verb("restore", "pe", 1),
    Verb { words: &[("long", 'l'), ("verbose", 'v')], ..verb("list", "lv", 0) },
    verb("info", "", 0),
    verb("domid", "", 1),
    verb("domname", "", 1),
    verb("rename", "", 2),
];

/// Which verb a command line begins with, behind the options of xl itself, and what comes after it.
pub(super) fn verb_of(args: &[String]) -> Result<(Verb, &[String]), Refused> {
    let mut args = args;
    while let [first, rest @ ..] = args {
        args = rest;
        match first.strip_prefix('-') {
            Some(letters) if !letters.is_empty() && letters.chars().all(|c| "vftTN".contains(c)) => {}
            Some(_) => {
                return Err(Refused(2, Text::err("unknown global option\n")));
            }
            None => {
                let found = VERBS.iter().find(|verb| verb.name == first);
                return found
                    .map(|verb| (*verb, rest))
                    .ok_or(Refused(1, Text::err("command not implemented\n")));
            }
        }
    }
    Err(Refused(1, Text::out("Usage xl [-vfNtT] <subcommand> [args]\n\n")))
}

/// Reads what stands behind a verb.
pub(super) fn read(verb: Verb, words: &[String]) -> Result<Args, Refused> {
    let mut args = Args::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            args.rest.extend(words.cloned());
            break;
        } else if let Some(long) = word.strip_prefix("--") {
            let letter = verb.words.iter().find(|(name, _)| *name == long).map(|(_, letter)| *letter);
            args.options.push(letter.ok_or_else(|| unsupported(long.chars().next().unwrap_or('-')))?);
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            for letter in letters.chars() {
                if !verb.letters.contains(letter) {
                    return Err(unsupported(letter));
                }
                args.options.push(letter);
            }
        } else {
            args.rest.push(word.clone());
        }
    }
    if args.rest.len() < verb.needs {
        let (needs, name) = (verb.needs, verb.name);
        let s = if needs > 1 { "s" } else { "" };
        return Err(Refused(
            2,
            Text {
                out: format!("Usage: xl [-vtTf] {name}\n\n"),
                err: format!("'xl {name}' requires at least {needs} argument{s}.\n\n"),
            },
        ));
    }
    Ok(args)
}

fn unsupported(letter: char) -> Refused {
    Refused(2, Text::err(format!("option `{letter}' not supported.\n")))
}

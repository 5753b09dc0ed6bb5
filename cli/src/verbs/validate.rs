//! `validate`: everything that is wrong with a file, pointed at.

use std::io::{IsTerminal, stdout};

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};
use serde_json::{Value, json};
use xenith::format::validate::Language;
use xenith::format::{Examined, Problem, Severity};

use crate::answer::{Answer, visible};
use crate::failure::{Exit, Failure};
use crate::input;

pub(crate) const ABOUT: &str = "\
Say everything that is wrong with a guest's definition

All problems at once, each with its line and what is meant pointed at. Errors are what makes the file no definition of a guest; warnings are what \
it says that has no place in a guest's description. No host is needed, and nothing is defined.";

pub(crate) const AFTER: &str = "\
The exit status is 0 for a good file, with warnings or without, and 1 for one with errors.

Without --format the language is guessed: from how the file begins, from the ending of its name (.xml, .sxp, .json, .xl, .xm, .xenvm), \
from its quotes.

JSON: {\"file\", \"format\", \"valid\", \"problems\": [{\"severity\", \"line\", \"column\", \"length\", \"message\"}]}. `severity` is \
\"error\" or \"warning\"; `line` and `column` are null for the file as a whole, and count from 1, columns in characters.";

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The definition, at most 4 MiB; '-' is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: String,
    /// Its language
    #[arg(long, value_name = "FORMAT", value_parser = languages())]
    format: Option<String>,
}

fn languages() -> PossibleValuesParser {
    PossibleValuesParser::new(Language::all().map(Language::name))
}

/// `validate`
pub(crate) fn validate(args: &ValidateArgs) -> Result<Answer, Failure> {
    let bytes = input::read_bytes(&args.file)?;
    let text = String::from_utf8_lossy(&bytes);
    let language = match &args.format {
        Some(name) => Language::from_name(name)?,
        None => Language::guess(&text, Some(&args.file)),
    };
    let Examined { problems, .. } = language.examine_bytes(&bytes);
    let name = visible(input::describe(&args.file));
    let look = Look::of(&stdout());
    let mut said: String = problems.iter().map(|problem| pictured(problem, &name, &text, look)).collect();
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    said.push_str(&match (errors, warnings) {
        (0, 0) => format!("{name}: good ({})\n", language.name()),
        (0, warnings) => {
            format!("{name}: good, with {} ({})\n", counted(warnings, "warning"), language.name())
        }
        (errors, 0) => format!("{name}: {} ({})\n", counted(errors, "error"), language.name()),
        (errors, warnings) => {
            let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
            format!("{name}: {errors}, {warnings} ({})\n", language.name())
        }
    });
    let json = json!({
        "file": args.file,
        "format": language.name(),
        "valid": errors == 0,
        "problems": problems.iter().map(problem_json).collect::<Vec<Value>>(),
    });
    Ok(Answer::new(said, json).with_exit((errors > 0).then_some(Exit::Failed)))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

pub(super) fn problem_json(problem: &Problem) -> Value {
    json!({
        "severity": problem.severity.name(),
        "line": problem.place.map(|place| place.line),
        "column": problem.place.map(|place| place.column),
        "length": problem.length,
        "message": problem.message,
    })
}

/// Whether colours help: on a terminal whose user did not ask for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Coloured,
}

impl Look {
    pub(super) fn of(stream: &impl IsTerminal) -> Look {
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if stream.is_terminal() && !is_unwanted { Look::Coloured } else { Look::Plain }
    }

    fn paint(self, colour: &str, text: &str) -> String {
        match self {
            Look::Plain => text.to_owned(),
            Look::Coloured => format!("\x1b[{colour}m{text}\x1b[0m"),
        }
    }
}

/// `FILE:LINE:COLUMN: error: what`, as compilers say it and editors follow it, and below it the line with marks under what is meant.
pub(super) fn pictured(problem: &Problem, file: &str, text: &str, look: Look) -> String {
    let place = problem.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
    let colour = match problem.severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;35",
    };
    let head = look.paint("1", &format!("{}{place}:", visible(file)));
    let severity = look.paint(colour, &format!("{}:", problem.severity.name()));
    let mut said = format!("{head} {severity} {}\n", visible(&problem.message));
    if let Some(picture) = problem.picture(text) {
        let number = problem.place.map_or(0, |place| place.line);
        let marks = look.paint("1;32", &format!("^{}", "~".repeat(picture.marks - 1)));
        said.push_str(&format!(
            "{number:5} | {}\n      | {}{marks}\n",
            picture.line,
            " ".repeat(picture.before)
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use xenith::format::Place;

    use super::*;

    #[test]
    fn a_problem_is_told_as_a_compiler_does() {
        let problem = Problem {
            severity: Severity::Error,
            language: "xl config",
            place: Some(Place { line: 2, column: 8 }),
            length: 3,
            message: "a\u{1b}b".into(),
        };
        let text = "x\nvcpus = abc\n";
        assert_eq!(
            pictured(&problem, "g.cfg", text, Look::Plain),
            "g.cfg:2:8: error: a\\u{1b}b\n    2 | vcpus = abc\n      |        ^~~\n"
        );
        assert!(pictured(&problem, "g.cfg", text, Look::Coloured).contains("\x1b[1;31merror:\x1b[0m"));
        let whole = Problem { place: None, severity: Severity::Warning, ..problem };
        assert_eq!(pictured(&whole, "-", text, Look::Plain), "-: warning: a\\u{1b}b\n");
    }
}

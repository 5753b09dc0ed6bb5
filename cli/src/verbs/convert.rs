//! Verbs that need no host: definitions from one language into another.

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};
use serde_json::{Value, json};
use xenith::format::convert::{Converted, Native, Options, from_native, to_native};
use xenith::format::sxpr::XendFormat;
use xenith::{Error, Status};

use super::validate::{Look, pictured, problem_json};
use crate::answer::Answer;
use crate::failure::{Failure, say};
use crate::input;

pub(crate) const FROM_ABOUT: &str = "\
Show the domain XML for a definition in a toolstack's language

No host is needed. Passwords in the definition go along. What has no place in domain XML is an error; with --lenient it is left out, and \
each such thing is told on standard error.";

pub(crate) const TO_ABOUT: &str = "\
Show a definition in a toolstack's language for domain XML

No host is needed. Passwords in the XML go along; `xenith dumpxml` writes none. What the other language has no place for is an error; with \
--lenient it is left out where the guest can be without it, and each such thing is told on standard error.";

pub(crate) const FROM_JSON: &str = "JSON: {\"format\", \"xml\", \"warnings\": [{\"severity\", \"line\", \"column\", \"length\", \
     \"message\"}]}. `line` and `column` are null for the text as a whole.";

pub(crate) const TO_JSON: &str = "JSON: {\"format\", \"config\", \"warnings\": [{\"severity\", \"line\", \"column\", \"length\", \
     \"message\"}]}. `line` and `column` are null for the guest as a whole.";

fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(Native::ALL.map(|(_, name)| name))
}

/// What to read.
#[derive(Debug, Args)]
pub(crate) struct FromArgs {
    /// The language of the definition
    #[arg(value_name = "FORMAT", value_parser = formats())]
    format: String,
    /// The definition, at most 4 MiB; '-' is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: String,
    #[command(flatten)]
    common: CommonArgs,
}

/// What to write.
#[derive(Debug, Args)]
pub(crate) struct ToArgs {
    /// The language to write
    #[arg(value_name = "FORMAT", value_parser = formats())]
    format: String,
    /// Domain XML, at most 4 MiB; '-' is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: String,
    #[command(flatten)]
    common: CommonArgs,
}

/// Of both directions.
#[derive(Debug, Args)]
struct CommonArgs {
    /// Leave out what the other language has no place for, and say so
    #[arg(long)]
    lenient: bool,
    /// The age of xend that an S-expression or an xm configuration is for: 1 is Xen 3.0.2, 2 is 3.0.3, 3 is 3.0.4, 4 is 3.1 to 4.4
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4))]
    xend_config_format: u32,
}

impl CommonArgs {
    fn options(&self) -> Options {
        let xend_format = XendFormat::from_number(Some(self.xend_config_format)).unwrap_or(XendFormat::V4);
        Options { xend_format, lenient: self.lenient }
    }
}

/// `domxml-from-native`
pub(crate) fn domxml_from_native(args: &FromArgs) -> Result<Answer, Failure> {
    let text = input::read_text(&args.file)?;
    let native = Native::from_name(&args.format)?;
    let options = args.common.options();
    let converted =
        from_native(native, &text, options).map_err(|error| advised(error, args.common.lenient))?;
    Ok(answer(native, "xml", converted, &args.file, &text))
}

/// `domxml-to-native`
pub(crate) fn domxml_to_native(args: &ToArgs) -> Result<Answer, Failure> {
    let xml = input::read_text(&args.file)?;
    let native = Native::from_name(&args.format)?;
    let options = args.common.options();
    let converted = to_native(native, &xml, options).map_err(|error| advised(error, args.common.lenient))?;
    Ok(answer(native, "config", converted, &args.file, &xml))
}

/// With what to do next.
fn advised(error: Error, is_lenient: bool) -> Failure {
    let status = error.status;
    let failure = Failure::from(error);
    match status {
        Status::InvalidConfig => {
            failure.hint("`xenith validate` shows all that is wrong with a file, and where")
        }
        Status::NotSupported if !is_lenient => {
            failure.hint("--lenient leaves out what has no place, and names it")
        }
        _ => failure,
    }
}

/// The text alone on standard output, so that it can go into a file.
fn answer(native: Native, key: &str, converted: Converted, file: &str, source: &str) -> Answer {
    let Converted { text, warnings } = converted;
    let look = Look::of(&std::io::stderr());
    for warning in &warnings {
        say(&pictured(warning, input::describe(file), source, look));
    }
    let warnings: Vec<Value> = warnings.iter().map(problem_json).collect();
    let json = json!({"format": native.name(), key: text, "warnings": warnings});
    Answer::new(text, json)
}

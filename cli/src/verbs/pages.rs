//! Manual pages and shell completions, made from the same declarations as `--help`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory, ValueHint};
use clap_complete::Shell;

use crate::answer::Answer;
use crate::args::Cli;
use crate::failure::Failure;

/// Where the pages go.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// A folder; it is made where it is missing
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: PathBuf,
}

/// `man`: xenith.1 and a page for each verb.
pub(crate) fn man(args: &ManArgs) -> Result<Answer, Failure> {
    let dir = args.dir.display();
    fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.dir))
        .map_err(|error| Failure::failed(format!("cannot write the manual pages to {dir}: {error}")))?;
    Ok(Answer::nothing())
}

/// Whose completions.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// `completions`
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Answer, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "xenith", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Failure::failed(format!("the completion script is not UTF-8: {error}")))?;
    Ok(Answer::of_text(script))
}

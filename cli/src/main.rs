//! The `xenith` command: virsh's verbs and habits, over the roads of the xenith library.

mod answer;
mod args;
mod failure;
mod input;
mod session;
mod shape;
mod stdout;
mod target;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    let as_json = cli.global.json;
    match verbs::run(cli).and_then(|answer| answer.print(as_json)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

//! Verbs that take a file of domain XML.

use clap::{Args, ValueHint};
use xenith::driver::Connection;

use super::lifecycle::done;
use crate::answer::{Answer, visible};
use crate::failure::Failure;
use crate::{input, session};

/// A file of domain XML.
#[derive(Debug, Args)]
pub(crate) struct FileArg {
    /// Domain XML, at most 4 MiB; '-' is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: String,
}

impl FileArg {
    /// Its text.
    pub(crate) fn read(&self) -> Result<String, Failure> {
        input::read_text(&self.file)
    }

    fn describe(&self) -> String {
        visible(input::describe(&self.file))
    }
}

/// What to define.
#[derive(Debug, Args)]
pub(crate) struct DefineArgs {
    #[command(flatten)]
    pub(crate) file: FileArg,
}

/// `define`
pub(crate) fn define(connection: &Connection, args: &DefineArgs, xml: &str) -> Result<Answer, Failure> {
    session::warn_if_fleeting(connection);
    let domain = connection.define(xml)?;
    Ok(done("define", &domain, |name| format!("Domain '{name}' defined from {}", args.file.describe())))
}

/// What to create.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) file: FileArg,
    /// Leave it paused
    #[arg(long)]
    paused: bool,
}

/// `create`
pub(crate) fn create(connection: &Connection, args: &CreateArgs, xml: &str) -> Result<Answer, Failure> {
    session::warn_if_fleeting(connection);
    let domain = connection.create(xml, args.paused)?;
    Ok(done("create", &domain, |name| format!("Domain '{name}' created from {}", args.file.describe())))
}

//! What the command line may say. `--help`, the manual pages and the shell completions are made from this.

use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};

use crate::verbs::{config, convert, describe, doctor, host, lifecycle, list, lives, pages, sim, validate};

const ABOUT_MORE: &str = "\
Exit status:
  0  done
  1  the operation failed; the message says on which road and why
  2  the command line or the URI is wrong
  3  no such domain
  4  the host cannot be reached: no Xen, no daemon, no rights
  5  the domain's state forbids it, its life is over, or another has that name or uuid
  6  no answer in time; the operation may still happen
  7  this host, or this version of xenith, cannot do it

A DOMAIN is an id, a uuid or a name. It is tried in virsh's order: as an id if it is a number, then as a uuid if it looks like \
one, then as a name. So a domain whose name is a number is found by it only while no domain has that id; its uuid always finds it.

With --json, an answer is one JSON object on standard output. Its keys are stable; figures that the host does not give are null; \
new keys may be added. Errors are text on standard error, with --json too.

Where to try it without a Xen host: `xenith -c xen+sim:/// list`, and `xenith sim --help`.";

/// Manage a Xen host of any age.
#[derive(Debug, Parser)]
#[command(
    name = "xenith",
    version,
    max_term_width = 100,
    after_long_help = ABOUT_MORE,
    after_help = "`xenith --help` has the exit status and more; `xenith help VERB` has each verb's own.",
    disable_help_subcommand = false,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct Global {
    /// The host: xen:/// (this one, the default), the path of xend's socket, http://HOST:PORT/ (xend), xen+sim:/// (embedded)
    #[arg(
        short,
        long,
        value_name = "URI",
        env = "XENITH_URI",
        hide_env_values = true,
        global = true,
        value_hint = ValueHint::Url
    )]
    pub(crate) connect: Option<String>,

    /// Answer with a JSON object
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// The longest that one call to the host may take [default: 10, and 180 where a toolstack works]
    #[arg(long, value_name = "SECS", global = true, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: Option<u64>,

    /// Say on standard error what is chosen and why; twice for each step
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show the versions of this library and of the host's hypervisor
    #[command(after_long_help = host::VERSION_JSON)]
    Version,
    /// Show the connection's URI in full form
    #[command(after_long_help = host::URI_JSON)]
    Uri,
    /// Show the host's name
    #[command(after_long_help = host::HOSTNAME_JSON)]
    Hostname,
    /// Show the host's processors and memory
    #[command(after_long_help = host::NODEINFO_JSON)]
    Nodeinfo,
    /// Show what the host can do, as capabilities XML
    #[command(after_long_help = host::CAPABILITIES_JSON)]
    Capabilities,
    /// Show which roads lead into the host, what serves each operation, and what is wrong
    #[command(long_about = doctor::ABOUT, after_long_help = doctor::AFTER)]
    Doctor(doctor::DoctorArgs),

    /// List domains
    #[command(after_long_help = list::JSON)]
    List(list::ListArgs),

    /// Show a domain's state and figures
    #[command(after_long_help = describe::DOMINFO_JSON)]
    Dominfo(describe::DomainArg),
    /// Show what a domain is doing
    #[command(after_long_help = describe::DOMSTATE_JSON)]
    Domstate(describe::DomstateArgs),
    /// Show a domain's XML, without passwords
    ///
    /// A domain that is defined from this XML has none: add them first.
    #[command(after_long_help = describe::DUMPXML_JSON)]
    Dumpxml(describe::DumpxmlArgs),
    /// Show a domain's id; '-' when it is not running
    #[command(after_long_help = describe::REFERENCE_JSON)]
    Domid(describe::DomainArg),
    /// Show a domain's uuid
    #[command(after_long_help = describe::REFERENCE_JSON)]
    Domuuid(describe::DomainArg),
    /// Show a domain's name
    #[command(after_long_help = describe::REFERENCE_JSON)]
    Domname(describe::DomainArg),

    /// Make a domain persistent from domain XML, or change its configuration, without starting it
    #[command(after_long_help = lifecycle::ACT_JSON)]
    Define(config::DefineArgs),
    /// Forget a domain; a running one goes on until it ends, but xend cannot forget a running one
    #[command(after_long_help = lifecycle::ACT_JSON)]
    Undefine(describe::DomainArg),
    /// Start a defined domain
    #[command(after_long_help = lifecycle::ACT_JSON)]
    Start(lifecycle::StartArgs),
    /// Start a transient domain from domain XML: it is gone when it stops
    #[command(after_long_help = lifecycle::ACT_JSON)]
    Create(config::CreateArgs),
    /// Pause a running domain
    #[command(visible_alias = "pause", after_long_help = lifecycle::ACT_JSON)]
    Suspend(describe::DomainArg),
    /// Let a paused domain run again
    #[command(visible_alias = "unpause", after_long_help = lifecycle::ACT_JSON)]
    Resume(describe::DomainArg),
    /// Ask a domain to power off; returns when it was asked
    #[command(after_long_help = lifecycle::ACT_JSON)]
    Shutdown(describe::DomainArg),
    /// Ask a domain to reboot; returns when it was asked
    #[command(after_long_help = lifecycle::ACT_JSON)]
    Reboot(describe::DomainArg),
    /// End a domain's life at once, as if its power were cut
    #[command(after_long_help = lifecycle::ACT_JSON)]
    Destroy(describe::DomainArg),

    /// Write a running domain's state into a file, and end its life
    #[command(after_long_help = lives::FILE_JSON)]
    Save(lives::SaveArgs),
    /// Begin the next life of a domain that was saved
    #[command(after_long_help = lives::FILE_JSON)]
    Restore(lives::RestoreArgs),
    /// Start a defined domain with the host
    #[command(after_long_help = lives::AUTOSTART_JSON)]
    Autostart(lives::AutostartArgs),
    /// Do for a domain what its monitor would, in the place of one that is missing
    #[command(long_about = lives::MONITOR_ABOUT, after_long_help = lives::MONITOR_JSON)]
    Monitor(lives::MonitorArgs),

    /// Show the domain XML for a definition in a toolstack's language
    #[command(long_about = convert::FROM_ABOUT, after_long_help = convert::FROM_JSON)]
    DomxmlFromNative(convert::FromArgs),
    /// Show a definition in a toolstack's language for domain XML
    #[command(long_about = convert::TO_ABOUT, after_long_help = convert::TO_JSON)]
    DomxmlToNative(convert::ToArgs),
    /// Say everything that is wrong with a guest's definition
    #[command(long_about = validate::ABOUT, after_long_help = validate::AFTER)]
    Validate(validate::ValidateArgs),

    /// Serve an embedded Xen host to other processes, until interrupted
    #[command(long_about = sim::ABOUT, after_long_help = sim::JSON)]
    Sim(sim::SimArgs),

    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man(pages::ManArgs),
    /// Write a shell's completions to standard output
    #[command(hide = true)]
    Completions(pages::CompletionsArgs),
}

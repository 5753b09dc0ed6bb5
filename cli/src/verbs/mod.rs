//! The verbs, one file per group.

pub(crate) mod config;
pub(crate) mod convert;
pub(crate) mod describe;
pub(crate) mod doctor;
pub(crate) mod host;
pub(crate) mod lifecycle;
pub(crate) mod list;
pub(crate) mod lives;
pub(crate) mod pages;
pub(crate) mod sim;
pub(crate) mod validate;

use crate::answer::Answer;
use crate::args::{Cli, Verb};
use crate::failure::Failure;
use crate::session::{connect, connect_and_warn};

/// Does what the command line asks.
pub(crate) fn run(cli: Cli) -> Result<Answer, Failure> {
    let global = cli.global;
    let open = || connect(&global);
    match cli.verb {
        Verb::Version => host::version(&open()?),
        Verb::Uri => host::uri(&open()?),
        Verb::Hostname => host::hostname(&open()?),
        Verb::Nodeinfo => host::nodeinfo(&open()?),
        Verb::Capabilities => host::capabilities(&open()?),

        Verb::Doctor(args) => doctor::doctor(&global, &args),

        Verb::List(args) => list::list(&connect_and_warn(&global)?, &args),

        Verb::Dominfo(args) => describe::dominfo(&open()?, &args),
        Verb::Domstate(args) => describe::domstate(&open()?, &args),
        Verb::Dumpxml(args) => describe::dumpxml(&open()?, &args),
        Verb::Domid(args) => describe::domid(&open()?, &args),
        Verb::Domuuid(args) => describe::domuuid(&open()?, &args),
        Verb::Domname(args) => describe::domname(&open()?, &args),

        // The file first: a mistyped path needs no host to be found out.
        Verb::Define(args) => args.file.read().and_then(|xml| config::define(&open()?, &args, &xml)),
        Verb::Create(args) => args.file.read().and_then(|xml| config::create(&open()?, &args, &xml)),
        Verb::Undefine(args) => lifecycle::undefine(&open()?, &args),
        Verb::Start(args) => lifecycle::start(&open()?, &args),
        Verb::Suspend(args) => lifecycle::suspend(&open()?, &args),
        Verb::Resume(args) => lifecycle::resume(&open()?, &args),
        Verb::Shutdown(args) => lifecycle::shutdown(&open()?, &args),
        Verb::Reboot(args) => lifecycle::reboot(&open()?, &args),
        Verb::Destroy(args) => lifecycle::destroy(&open()?, &args),

        Verb::Save(args) => lives::save(&open()?, &args),
        Verb::Restore(args) => lives::restore(&open()?, &args),
        Verb::Autostart(args) => lives::autostart(&open()?, &args),
        Verb::Monitor(args) => lives::monitor(&open()?, &args),

        Verb::DomxmlFromNative(args) => convert::domxml_from_native(&args),
        Verb::DomxmlToNative(args) => convert::domxml_to_native(&args),
        Verb::Validate(args) => validate::validate(&args),

        Verb::Sim(args) => sim::serve(&args, global.json),
        Verb::Man(args) => pages::man(&args),
        Verb::Completions(args) => pages::completions(&args),
    }
}

//! `xenith sim`: an embedded host that many processes share.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::answer::Answer;
use crate::args::Global;
use crate::failure::{Exit, Failure};

pub(crate) const ABOUT: &str = "\
Serve an embedded Xen host to other processes, until interrupted.

The host is a simulation: a hypervisor, a xenstored and a xend that answer real bytes on real sockets in DIR, with domains that boot, run, \
use processor time and shut down when asked. It runs nobody's code. Other processes join it with the URI that is printed: \
`xenith -c 'xen+sim:///?dir=DIR' list`. It ends, and its domains with it, on SIGINT, SIGTERM or SIGHUP.";

/// What to serve, and where.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The folder of its sockets
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// The release of Xen that it behaves as
    #[arg(long, value_name = "RELEASE", default_value = "3.4")]
    xen: String,
}

/// `sim`
pub(crate) fn serve(args: &SimArgs, global: &Global) -> Result<Answer, Failure> {
    let _ = (&args.dir, &args.xen, global.json);
    Err(Failure::new(Exit::NotSupported, "the embedded host is not built into this version yet"))
}

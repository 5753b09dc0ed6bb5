//! `xenith sim`: an embedded host that many processes share.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use xenith::sim::{self, SimConfig};

use crate::answer::{Answer, visible};
use crate::failure::{Exit, Failure};

pub(crate) const ABOUT: &str = "\
Serve an embedded Xen host to other processes, until interrupted.

The host is a simulation: a hypervisor, a xenstored and a toolstack that answer real bytes on real sockets in DIR, with domains that boot, run, \
use processor time and shut down when asked. It runs nobody's code. Other processes join it with the URI that is printed: \
`xenith -c 'xen+sim:///?dir=DIR' list`. It ends on SIGINT and SIGTERM, and what runs on it with it; the domains that were defined are \
there again when DIR is served again.";

pub(crate) const JSON: &str = "\
With --json: {\"uri\": TEXT, \"dir\": TEXT, \"xen\": TEXT, \"toolstack\": TEXT}, once, when it can be joined.";

/// What to serve, and where.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The folder of its sockets; it is made where it is missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// The release of Xen that it behaves as: 3.0.1 to 4.22 (4.17 is the default)
    #[arg(long, value_name = "RELEASE")]
    xen: Option<String>,
    /// Its toolstack: xend (up to 4.4; their default), xl (from 4.1; the default from 4.5) or none
    #[arg(long, value_name = "NAME")]
    toolstack: Option<String>,
    /// Its memory: KiB, or with M or G behind it
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Its processors
    #[arg(long, value_name = "N")]
    cpus: Option<String>,
    /// How many transient guests run from the start
    #[arg(long, value_name = "N")]
    domains: Option<String>,
    /// How long a guest takes to boot, ms
    #[arg(long, value_name = "MS")]
    boot: Option<String>,
    /// How long a guest takes to shut down, ms
    #[arg(long, value_name = "MS")]
    shutdown: Option<String>,
    /// Roads that are broken: ROAD:KIND[,...]; roads: hypercall (fail, rubbish), xenstore and xend (fail, hang, rubbish, close),
    /// xl (these, and half and stuck: a creation that is killed or hangs half way)
    #[arg(long, value_name = "FAULTS")]
    fault: Option<String>,
}

impl SimArgs {
    /// The options are those of the URI xen+sim:///?..., and so are their values and what is said of a bad one.
    fn config(&self) -> xenith::Result<SimConfig> {
        let options = [
            ("xen", self.xen.as_ref()),
            ("toolstack", self.toolstack.as_ref()),
            ("memory", self.memory.as_ref()),
            ("cpus", self.cpus.as_ref()),
            ("domains", self.domains.as_ref()),
            ("boot", self.boot.as_ref()),
            ("shutdown", self.shutdown.as_ref()),
            ("fault", self.fault.as_ref()),
        ];
        SimConfig::from_query(options.into_iter().filter_map(|(key, value)| Some((key, value?.as_str()))))
    }
}

/// `sim`: says how to join, and returns when it was interrupted.
pub(crate) fn serve(args: &SimArgs, as_json: bool) -> Result<Answer, Failure> {
    if args.dir.to_str().is_none() {
        return Err(Failure::new(
            Exit::Usage,
            format!("{} cannot stand in a URI: its name is not UTF-8", args.dir.display()),
        ));
    }
    let config = args.config()?;
    // Before the host is there, so that an early signal ends it as tidily as a late one.
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Failure::failed(format!("cannot wait for signals: {error}")))?;
    let (release, tools) = (config.release.word(), config.tools());
    let server = sim::serve(config, &args.dir)?;
    let dir = server.dir().to_string_lossy().into_owned();
    let uri = format!("xen+sim:///?dir={}", utf8_percent_encode(&dir, KEPT));
    Answer::new(
        format!(
            "Serving an embedded Xen {release} host (toolstack: {}) in {}; join it with\n  xenith -c '{uri}' list\n",
            tools.name(),
            visible(&dir)
        ),
        json!({ "uri": uri, "dir": dir, "xen": release, "toolstack": tools.name() }),
    )
    .print(as_json)?;
    // `forever` ends only when the signals are closed, which nobody does.
    let _ = signals.forever().next();
    drop(server);
    Ok(Answer::nothing())
}

/// What stands for itself in a URI's query, and in a shell's single quotes.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

//! What a host offers: each road, found or not and why; which road serves each operation; what is not as it should be.

use super::OpenOptions;
use crate::error::{Error, Result, Road};
use crate::uri::{self, Target};

/// The report on a host. It can be made where no connection can be opened: that is when it is needed most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostReport {
    /// What kind of host it was taken for, in a sentence.
    pub host: String,
    /// Why no connection can be opened; None where one can.
    pub failure: Option<Error>,
    /// The roads, each once, in the order of their numbers.
    pub roads: Vec<RoadReport>,
    /// The operations and what serves them; empty where no connection can be opened.
    pub routes: Vec<RouteReport>,
    /// What is not as it should be, and what to do about it: broken domain files, domains without a monitor.
    pub problems: Vec<String>,
}

/// One road.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoadReport {
    /// Which.
    pub road: Road,
    /// It can be taken.
    pub found: bool,
    /// What was found on it, where it says so: `4.17.7`, `xend_config_format 4`.
    pub version: Option<String>,
    /// Where it was found (`/dev/xen/privcmd`), or why it was not and what to do.
    pub detail: String,
}

/// What serves an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteReport {
    /// The operation, as the command's verb or docs/model.md names it.
    pub operation: &'static str,
    /// For live domains, and for the host.
    pub active: Option<Road>,
    /// For inactive domains.
    pub inactive: Option<Road>,
}

impl HostReport {
    /// Looks at the host that `uri` names.
    ///
    /// Errors: only a URI that cannot be understood; everything else is in the report.
    pub fn of(uri: Option<&str>, options: &OpenOptions) -> Result<HostReport> {
        match uri::parse(uri)? {
            Target::Local(local) => Ok(super::local::of_local(&local, options)),
            Target::Sim(parameters) => super::local::of_embedded(&parameters, options),
            Target::Remote(remote) => {
                let error = super::connection::not_built(&remote);
                let road = RoadReport {
                    road: Road::Remote,
                    found: false,
                    version: None,
                    detail: error.message.clone(),
                };
                Ok(HostReport {
                    host: "another host, or this one through a daemon".into(),
                    failure: Some(error),
                    roads: vec![road],
                    routes: Vec::new(),
                    problems: Vec::new(),
                })
            }
        }
    }
}

//! The road to xend, and what is known of it: there, absent, or there and not to be spoken with.
//!
//! The difference decides what may be done without it. Where no xend runs, a hypercall may pause or destroy a domain. Where one
//! runs that hangs, refuses this process or does not offer its HTTP server, the same hypercall would work
//! behind its back and leave it with devices and a restart policy for a domain that is not there.

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::channel::stream::{Stream, UnixDial};
use crate::channel::xend::{NodeFacts, Xend};
use crate::deadline::Deadline;
use crate::error::{Error, Result, Road, Status};
use crate::format::sxpr::XendFormat;
use crate::store::Language;

/// See the module's description.
pub(super) struct XendRoad {
    /// None where the caller left it out.
    xend: Option<Xend>,
    /// xm's socket, where a xend whose HTTP server is switched off still listens.
    xm: Option<PathBuf>,
    /// What xend said of itself when it first answered.
    node: OnceLock<NodeFacts>,
    found: Found,
}

/// What was found at open.
enum Found {
    Answers,
    /// Nobody listens, or the caller does not want it.
    Absent(Error),
    /// Somebody listens, or may; this is what came of asking.
    Silent(Error),
}

impl XendRoad {
    /// Looks for xend.
    pub(super) fn find(xend: Xend, xm: Option<PathBuf>, deadline: Deadline) -> Self {
        let mut road = XendRoad { xend: Some(xend), xm, node: OnceLock::new(), found: Found::Answers };
        let asked = road.reached(deadline).map(|_| ());
        road.found = match asked {
            Ok(()) => Found::Answers,
            Err(error) if error.status == Status::NoConnect => match road.somebody(deadline) {
                None => Found::Absent(error),
                Some(why) => {
                    Found::Silent(Error { message: format!("{}; {}", why.message, error.message), ..why })
                }
            },
            Err(error) => Found::Silent(error),
        };
        road
    }

    /// A road that was found, or one that the caller left out.
    pub(super) fn or_left_out(found: Result<XendRoad>) -> XendRoad {
        found.unwrap_or_else(|left_out| XendRoad {
            xend: None,
            xm: None,
            node: OnceLock::new(),
            found: Found::Absent(left_out),
        })
    }

    /// Why there is no xend on this host, if there is none.
    pub(super) fn absence(&self) -> Option<&Error> {
        match &self.found {
            Found::Absent(error) => Some(error),
            Found::Answers | Found::Silent(_) => None,
        }
    }

    /// Why xend could not be spoken with at open, if it could not.
    pub(super) fn silence(&self) -> Option<&Error> {
        match &self.found {
            Found::Silent(error) => Some(error),
            Found::Answers | Found::Absent(_) => None,
        }
    }

    /// xend, and what it says of itself. One that was silent so far is asked again.
    pub(super) fn reached(&self, deadline: Deadline) -> Result<(&Xend, &NodeFacts)> {
        let xend = match (&self.xend, &self.found) {
            (_, Found::Absent(error)) => return Err(error.clone()),
            (None, _) => {
                return Err(Error::new(Status::Internal, "a xend that is not there was not looked for"));
            }
            (Some(xend), _) => xend,
        };
        if let Some(node) = self.node.get() {
            return Ok((xend, node));
        }
        let node = xend.node(deadline)?;
        Ok((xend, self.node.get_or_init(|| node)))
    }

    /// Whether a host without xend, found so at open, still is one; asked before each act that a xend would have to hear of. Two
    /// connections that are refused at once.
    ///
    /// Errors: somebody has come.
    pub(super) fn still_absent(&self, deadline: Deadline) -> Result<()> {
        match self.somebody(deadline) {
            None => Ok(()),
            Some(why) => Err(Error {
                message: format!(
                    "a xend has come since this connection was opened, and must not be worked behind: open the connection again ({})",
                    why.message
                ),
                ..why
            }),
        }
    }

    /// Who listens although nobody answered over HTTP, or may.
    fn somebody(&self, deadline: Deadline) -> Option<Error> {
        let xend = self.xend.as_ref()?;
        match xend.listens(deadline) {
            Ok(false) => {}
            Ok(true) => {
                let message = format!("somebody listens at {}", xend.describe());
                return Some(Error::new(Status::InvalidState, message).on(Road::Xend));
            }
            Err(error) => return Some(error),
        }
        let path = self.xm.as_ref()?;
        let at = path.display();
        match Stream::connect(&UnixDial(path.clone()), deadline) {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                None
            }
            Err(error) => Some(Error::from_io(
                Road::Xend,
                format!("whether a xend runs cannot be told from {at}"),
                &error,
            )),
            Ok(_) => Some(
                Error::new(
                    Status::NoConnect,
                    format!("a xend runs here (it serves xm at {at}), but it does not offer its HTTP server"),
                )
                .on(Road::Xend),
            ),
        }
    }

    /// Whether this is a xend that said, when it was asked, that it remembers no domain that does not run.
    pub(super) fn forgets(&self) -> bool {
        self.node.get().is_some_and(|node| !node.age().abilities.remembers)
    }

    /// The language of the files that remember domains on this host: xm's of its age where xend remembers none, and xl's where it is not
    /// there.
    pub(super) fn language_of_files(&self) -> Language {
        let node = self.node.get().filter(|node| !node.age().abilities.remembers);
        match node.and_then(|node| XendFormat::from_number(Some(node.config_format))) {
            Some(age) => Language::Xm(age),
            None => Language::Xl,
        }
    }

    /// How many requests were sent.
    pub(super) fn requests(&self) -> u64 {
        self.xend.as_ref().map_or(0, Xend::requests)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_xend_that_serves_xm_alone_is_a_xend_all_the_same() {
        let dir = std::env::temp_dir().join(format!("xenith-xm-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let deadline = Deadline::after(Duration::from_secs(10));
        let find = || {
            let xend = Xend::new(Arc::new(UnixDial(dir.join("xend-socket"))), None);
            XendRoad::find(xend, Some(dir.join("xmlrpc.sock")), deadline)
        };
        let none = find();
        assert_eq!(none.absence().map(|error| error.status), Some(Status::NoConnect));
        none.still_absent(deadline).unwrap();

        let xm = UnixListener::bind(dir.join("xmlrpc.sock")).unwrap();
        assert!(none.still_absent(deadline).is_err(), "it has come since");
        let silent = find();
        assert!(silent.absence().is_none());
        let why = silent.silence().unwrap().to_string();
        assert!(why.contains("xend-unix-server yes") && why.contains("xmlrpc.sock"), "{why}");

        // A socket that a dead xend left refuses.
        drop(xm);
        assert!(find().absence().is_some());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

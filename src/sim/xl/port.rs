//! The near end of the embedded xl: what a program runs instead of /usr/sbin/xl.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::frame::{Answer, Garbled, Question};
use crate::deadline::Deadline;
use crate::sim::sys::{self, Interest};
use crate::wire::port::{Dial, ToolExit, ToolMonitor, ToolOutcome, ToolRun, Toolstack};

/// How long a question that is no run waits for its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Each run is a connection of its own; closing it before the answer has come kills the run.
pub(in crate::sim) struct XlPort(Arc<dyn Dial>);

impl XlPort {
    pub(in crate::sim) fn new(dial: Arc<dyn Dial>) -> Self {
        XlPort(dial)
    }

    /// False where there is no such monitor.
    pub(in crate::sim) fn kill_monitor(&self, pid: u32) -> io::Result<bool> {
        match self.ask(&Question::Kill(pid), Deadline::after(PATIENCE))? {
            Answer::Killed(killed) => Ok(killed),
            Answer::Ran(_) | Answer::Monitors(_) => Err(garbage()),
        }
    }

    fn ask(&self, question: &Question, deadline: Deadline) -> io::Result<Answer> {
        let question = question.encode().map_err(|Garbled| io::Error::from_raw_os_error(libc::E2BIG))?;
        let stream = UnixStream::from(self.0.dial(deadline)?);
        exchange(&stream, &question, deadline)
    }
}

impl Toolstack for XlPort {
    fn run(&self, run: ToolRun<'_>, deadline: Deadline) -> io::Result<ToolOutcome> {
        let question = Question::Run { args: run.args.to_vec(), config: run.config.map(<[u8]>::to_vec) };
        match self.ask(&question, deadline) {
            Ok(Answer::Ran(outcome)) => Ok(outcome),
            Ok(Answer::Monitors(_) | Answer::Killed(_)) => Err(garbage()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Ok(ToolOutcome { exit: ToolExit::Late, stdout: Vec::new(), stderr: Vec::new() })
            }
            Err(error) => Err(error),
        }
    }

    fn monitors(&self) -> io::Result<Vec<ToolMonitor>> {
        match self.ask(&Question::Monitors, Deadline::after(PATIENCE))? {
            Answer::Monitors(monitors) => Ok(monitors),
            Answer::Ran(_) | Answer::Killed(_) => Err(garbage()),
        }
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

fn garbage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the embedded host answered something else")
}

/// Sends a question and waits for its answer. Errors: `TimedOut`, and those of the socket.
fn exchange(mut stream: &UnixStream, mut question: &[u8], deadline: Deadline) -> io::Result<Answer> {
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match sys::send(stream.as_fd(), question) {
            Ok(sent) => question = question.get(sent..).unwrap_or_default(),
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(error),
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => received.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(error),
        }
        if let Some(answer) = Answer::take(&mut received).map_err(|Garbled| garbage())? {
            return Ok(answer);
        }
        if deadline.is_over() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let interest = Interest { fd: stream.as_fd(), read: true, write: !question.is_empty() };
        sys::poll(&[interest], Some(deadline.remaining()))?;
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

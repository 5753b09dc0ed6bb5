//! What goes between the near end of the embedded xl and the far one: a question and its answer, each with its length before it. All
//! numbers are little-endian. Both ends are of one version of xenith: a served host's `host` file says which.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::wire::port::{MAX_TOOL_OUTPUT, ToolExit, ToolMonitor, ToolOutcome};

/// The longest question: a configuration of a MiB is a large one.
const MAX_QUESTION: usize = 8 << 20;

/// The longest answer: both of a run's outputs, and a little.
const MAX_ANSWER: usize = 2 * MAX_TOOL_OUTPUT + 4096;

/// What came is not of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbled;

/// What the far end is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// A run of the command.
    Run { args: Vec<OsString>, config: Option<Vec<u8>> },
    /// Which monitors there are.
    Monitors,
    /// The end of one of them.
    Kill(u32),
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Ran(ToolOutcome),
    Monitors(Vec<ToolMonitor>),
    Killed(bool),
}

const RUN: u8 = 1;
const MONITORS: u8 = 2;
const KILL: u8 = 3;

impl Question {
    /// Writes it. Errors: it is too long.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Garbled> {
        let mut out = Writer::new();
        match self {
            Question::Run { args, config } => {
                out.byte(RUN);
                out.strings(args);
                out.maybe(config.as_deref());
            }
            Question::Monitors => out.byte(MONITORS),
            Question::Kill(pid) => {
                out.byte(KILL);
                out.number(*pid);
            }
        }
        out.finish(MAX_QUESTION)
    }

    /// Takes the first one out of what was received, if all of it is there.
    pub(super) fn take(received: &mut Vec<u8>) -> Result<Option<Question>, Garbled> {
        let Some(body) = take_frame(received, MAX_QUESTION)? else { return Ok(None) };
        let mut body = Reader(&body);
        let question = match body.byte()? {
            RUN => Question::Run { args: body.strings()?, config: body.maybe()?.map(<[u8]>::to_vec) },
            MONITORS => Question::Monitors,
            KILL => Question::Kill(body.number()?),
            _ => return Err(Garbled),
        };
        body.end(question).map(Some)
    }
}

impl Answer {
    /// Writes it; outputs are cut to what is kept of them.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Answer::Ran(ToolOutcome { exit, stdout, stderr }) => {
                out.byte(RUN);
                let (kind, number) = match exit {
                    ToolExit::Code(code) => (0, *code),
                    ToolExit::Signal(signal) => (1, *signal),
                    ToolExit::Late => (2, 0),
                };
                out.byte(kind);
                out.number(number as u32);
                for output in [stdout, stderr] {
                    out.bytes(output.get(..MAX_TOOL_OUTPUT).unwrap_or(output));
                }
            }
            Answer::Monitors(monitors) => {
                out.byte(MONITORS);
                out.number(monitors.len() as u32);
                for ToolMonitor { pid, args, log, domid } in monitors {
                    out.number(*pid);
                    out.strings(args);
                    out.maybe(log.as_deref().map(OsStr::as_bytes));
                    out.byte(domid.is_some().into());
                    out.number(domid.unwrap_or_default());
                }
            }
            Answer::Killed(killed) => {
                out.byte(KILL);
                out.byte((*killed).into());
            }
        }
        // Longer only with more monitors than a host has domains; the near end then hears of garbage.
        out.finish(MAX_ANSWER).unwrap_or_default()
    }

    /// Takes it out of what was received, if all of it is there.
    pub(super) fn take(received: &mut Vec<u8>) -> Result<Option<Answer>, Garbled> {
        let Some(body) = take_frame(received, MAX_ANSWER)? else { return Ok(None) };
        let mut body = Reader(&body);
        let answer = match body.byte()? {
            RUN => {
                let (kind, number) = (body.byte()?, body.number()? as i32);
                let exit = match kind {
                    0 => ToolExit::Code(number),
                    1 => ToolExit::Signal(number),
                    2 => ToolExit::Late,
                    _ => return Err(Garbled),
                };
                let (stdout, stderr) = (body.bytes()?.to_vec(), body.bytes()?.to_vec());
                Answer::Ran(ToolOutcome { exit, stdout, stderr })
            }
            MONITORS => {
                // No room is taken for what is only said to come.
                let mut monitors = Vec::new();
                for _ in 0..body.number()? {
                    let (pid, args) = (body.number()?, body.strings()?);
                    let log = body.maybe()?.map(|log| OsString::from_vec(log.to_vec()));
                    let (has_domid, domid) = (body.byte()? != 0, body.number()?);
                    monitors.push(ToolMonitor { pid, args, log, domid: has_domid.then_some(domid) });
                }
                Answer::Monitors(monitors)
            }
            KILL => Answer::Killed(body.byte()? != 0),
            _ => return Err(Garbled),
        };
        body.end(answer).map(Some)
    }
}

/// Takes one frame's body out of what was received.
fn take_frame(received: &mut Vec<u8>, longest: usize) -> Result<Option<Vec<u8>>, Garbled> {
    let Some(length) = received.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 || length > longest {
        return Err(Garbled);
    }
    let Some(body) = received.get(4..4 + length) else { return Ok(None) };
    let body = body.to_vec();
    received.drain(..4 + length);
    Ok(Some(body))
}

struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Self {
        Writer(vec![0; 4])
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u32);
        self.0.extend_from_slice(bytes);
    }

    fn strings(&mut self, strings: &[OsString]) {
        self.number(strings.len() as u32);
        for string in strings {
            self.bytes(string.as_bytes());
        }
    }

    fn maybe(&mut self, bytes: Option<&[u8]>) {
        self.byte(bytes.is_some().into());
        if let Some(bytes) = bytes {
            self.bytes(bytes);
        }
    }

    fn finish(mut self, longest: usize) -> Result<Vec<u8>, Garbled> {
        let length = self.0.len() - 4;
        if length > longest {
            return Err(Garbled);
        }
        if let Some(head) = self.0.first_chunk_mut::<4>() {
            *head = (length as u32).to_le_bytes();
        }
        Ok(self.0)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Garbled> {
        let (byte, rest) = self.0.split_first().ok_or(Garbled)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u32, Garbled> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Garbled)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*number))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Garbled> {
        let length = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Garbled)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn strings(&mut self) -> Result<Vec<OsString>, Garbled> {
        let mut strings = Vec::new();
        for _ in 0..self.number()? {
            strings.push(OsString::from_vec(self.bytes()?.to_vec()));
        }
        Ok(strings)
    }

    fn maybe(&mut self) -> Result<Option<&'a [u8]>, Garbled> {
        if self.byte()? == 0 { Ok(None) } else { self.bytes().map(Some) }
    }

    fn end<T>(self, whole: T) -> Result<T, Garbled> {
        if self.0.is_empty() { Ok(whole) } else { Err(Garbled) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_arrive_whole_however_they_are_cut() {
        let args = ["create", "/proc/self/fd/3", ""].map(OsString::from).to_vec();
        let run = Question::Run { args: args.clone(), config: Some(b"name='x'".to_vec()) };
        for question in
            [run, Question::Run { args: vec![], config: None }, Question::Monitors, Question::Kill(7)]
        {
            let sent = question.encode().unwrap();
            let mut received = Vec::new();
            for byte in &sent[..sent.len() - 1] {
                received.push(*byte);
                assert_eq!(Question::take(&mut received), Ok(None));
            }
            received.extend([sent[sent.len() - 1], 9]);
            assert_eq!(Question::take(&mut received), Ok(Some(question)));
            assert_eq!(received, [9], "the next frame's bytes stay");
        }
        let outcome = ToolOutcome { exit: ToolExit::Code(-3), stdout: b"out".to_vec(), stderr: vec![] };
        let monitor = ToolMonitor { pid: 1, args, log: Some("/var/log/xen/xl-x.log".into()), domid: Some(3) };
        for answer in [
            Answer::Ran(outcome.clone()),
            Answer::Ran(ToolOutcome { exit: ToolExit::Signal(9), ..outcome.clone() }),
            Answer::Ran(ToolOutcome { exit: ToolExit::Late, ..outcome }),
            Answer::Monitors(vec![monitor.clone(), ToolMonitor { log: None, domid: None, ..monitor }]),
            Answer::Killed(true),
        ] {
            assert_eq!(Answer::take(&mut answer.encode()), Ok(Some(answer)));
        }
    }

    #[test]
    fn what_is_not_of_the_protocol_is_refused_without_taking_room() {
        for bytes in [&[0xff; 8][..], &[0; 8], b"GET / HTTP/1.1\r\n", &[1, 0, 0, 0, 9], &[2, 0, 0, 0, 2, 2]] {
            assert_eq!(Question::take(&mut bytes.to_vec()), Err(Garbled), "{bytes:?}");
        }
        // A million arguments, and none of them there.
        let mut lie = vec![5, 0, 0, 0, RUN];
        lie.extend(1_000_000u32.to_le_bytes());
        assert_eq!(Question::take(&mut lie), Err(Garbled));
        let long = Question::Run { args: vec![], config: Some(vec![0; MAX_QUESTION]) };
        assert_eq!(long.encode(), Err(Garbled));
    }
}

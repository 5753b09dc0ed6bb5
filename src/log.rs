//! Where the library tells its caller what it noticed. Silent unless the caller asked.

use std::fmt;
use std::sync::Arc;

/// How important a line is; the numbers cross the C border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// Something failed that the caller will also hear as an error, or cannot be told otherwise.
    Error = 1,
    /// Something is odd and was worked around.
    Warning = 2,
    /// What was chosen at open and why.
    Info = 3,
    /// Each step.
    Debug = 4,
}

/// A caller's sink for log lines. Cheap to clone; the default one swallows everything.
#[derive(Clone, Default)]
pub struct Log(Option<Arc<Sink>>);

type Sink = dyn Fn(Level, &str) + Send + Sync;

impl Log {
    /// Sends each line to `sink`.
    pub fn to(sink: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        Log(Some(Arc::new(sink)))
    }

    /// Whether anybody listens: what is costly to say is said only then.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Says one line. `log.say(Level::Info, format_args!("..."))`: nothing is formatted when nobody listens.
    pub fn say(&self, level: Level, line: fmt::Arguments<'_>) {
        if let Some(sink) = &self.0 {
            sink(level, &line.to_string());
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "Log(on)" } else { "Log(off)" })
    }
}

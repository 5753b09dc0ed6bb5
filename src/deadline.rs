//! The moment until which a call may take. Every wait in the library is bounded by one.

use std::time::{Duration, Instant};

/// A moment in time; passed down from the driver to each wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `timeout` from now.
    pub fn after(timeout: Duration) -> Self {
        let now = Instant::now();
        // A timeout beyond what the clock can hold is as good as a year.
        Deadline(now.checked_add(timeout).unwrap_or(now + Duration::from_secs(31_536_000)))
    }

    /// What is left; zero when it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn is_over(self) -> bool {
        self.remaining().is_zero()
    }

    /// What is left as poll(2) takes it: milliseconds, rounded up so that a poll never spins at the end.
    pub fn poll_millis(self) -> i32 {
        let remaining = self.remaining();
        i32::try_from(remaining.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
    }

    /// The earlier of two.
    #[must_use]
    pub fn min(self, other: Deadline) -> Deadline {
        Deadline(self.0.min(other.0))
    }

    /// The moment itself.
    pub fn instant(self) -> Instant {
        self.0
    }
}

//! The moment until which a call may take. Every wait in the library is bounded by one.

use std::cell::Cell;
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

/// A deadline that begins when somebody first has to wait: what answers without waiting does not look at the clock. That costs 0.1 us where
/// programs can read the clock themselves (the lab's dom0), and a system call where the kernel's clock source does not let them.
#[derive(Debug)]
pub struct Due(Cell<Begun>);

#[derive(Debug, Clone, Copy)]
enum Begun {
    NotYet(Duration),
    At(Deadline),
}

impl Due {
    /// `timeout` after the first wait begins.
    pub fn within(timeout: Duration) -> Self {
        Due(Cell::new(Begun::NotYet(timeout)))
    }

    /// The moment, for a wait that begins now: the same for all that follow.
    pub fn deadline(&self) -> Deadline {
        let deadline = match self.0.get() {
            Begun::NotYet(timeout) => Deadline::after(timeout),
            Begun::At(deadline) => deadline,
        };
        self.0.set(Begun::At(deadline));
        deadline
    }
}

impl From<Deadline> for Due {
    fn from(deadline: Deadline) -> Self {
        Due(Cell::new(Begun::At(deadline)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_begins_once() {
        let due = Due::within(Duration::from_secs(60));
        let first = due.deadline();
        assert_eq!(due.deadline(), first);
        assert!(first.remaining() <= Duration::from_secs(60) && !first.is_over());
        let passed = Deadline::after(Duration::ZERO);
        assert_eq!(Due::from(passed).deadline(), passed);
    }
}

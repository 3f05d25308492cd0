//! The one place of the data plane that reads a clock.
//!
//! Owns the monotonic origin that all shards of a broker share, so that an
//! instant means the same on every core. Lives on each shard as a copy. Never
//! reads the wall clock. Read next: `crate::time`, the instants handed on.

use std::time::{Duration, Instant};

use crate::time::Timestamp;

/// Milliseconds since the broker's origin, read from the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose origin is now; copies of it agree with each other.
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// The present instant.
    pub(crate) fn now(self) -> Timestamp {
        Timestamp::ZERO.plus(self.origin.elapsed())
    }

    /// How long from the real present until `at`; zero once it has passed.
    pub(crate) fn until(self, at: Timestamp) -> Duration {
        Duration::from_millis(at.as_millis()).saturating_sub(self.origin.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_agree_and_time_moves_on() {
        let clock = Clock::start();
        let copy = clock;
        let before = clock.now();
        assert!(copy.now() >= before);
        assert!(clock.until(before.plus_seconds(60)) > Duration::from_secs(50));
        assert_eq!(clock.until(Timestamp::ZERO), Duration::ZERO);
    }
}

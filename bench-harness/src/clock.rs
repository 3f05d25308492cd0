//! The generator's one clock: nanoseconds since it was created.
//!
//! Pure reading of `CLOCK_MONOTONIC` through the standard library (no system
//! call: the kernel's vDSO answers). The same clock stamps a message when it is
//! sent and when it arrives, so a latency is one subtraction; it is never
//! compared with another process's clock.

use std::time::{Duration, Instant};

/// A monotonic origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts at zero now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Nanoseconds since the origin.
    #[must_use]
    #[inline]
    pub fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }
}

/// A span in nanoseconds; spans of more than 584 years are cut.
#[must_use]
#[inline]
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds of `count` whole seconds.
#[must_use]
pub const fn seconds(count: u64) -> u64 {
    count.saturating_mul(1_000_000_000)
}

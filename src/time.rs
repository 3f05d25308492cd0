//! The instants that the pure layers receive.
//!
//! Owns nothing; the clock itself is read by `shard::clock` (or by a simulated
//! twin) and handed in with every input, so that pure code never asks for it.

use core::time::Duration;

/// Milliseconds since the process's one monotonic origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The origin itself.
    pub const ZERO: Self = Self(0);

    /// The instant `millis` milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This instant moved by whole seconds, saturating.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds as u64 * 1000))
    }

    /// This instant moved by a span, saturating (spans are cut to milliseconds).
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// The span from `earlier` to this instant; zero where it lies after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds left until this instant, rounded up; zero once it has passed.
    #[must_use]
    pub fn seconds_left(self, now: Self) -> u32 {
        let millis = self.0.saturating_sub(now.0);
        u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX)
    }
}

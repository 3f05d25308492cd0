//! HOT PATH: the open loop: when each message of a run is meant to be sent.
//!
//! Pure. Message `n` of the run is due `n / rate` seconds after the start,
//! whatever the broker does; publishers take turns. A latency that is counted
//! from here contains the time that a message had to wait because the broker
//! did not read, so a stall is not omitted from the result.

/// The intended send times of a run.
#[derive(Debug)]
pub struct Schedule {
    start: u64,
    rate: u64,
    publishers: u32,
    /// Messages that have become due.
    due: u64,
    /// No message is due at this instant or after it.
    end: u64,
}

impl Schedule {
    /// `rate` messages per second over all `publishers`, from `start` until `end`.
    #[must_use]
    pub fn new(start: u64, end: u64, rate: u64, publishers: u32) -> Self {
        Self {
            start,
            rate,
            publishers,
            due: 0,
            end,
        }
    }

    /// When the next message becomes due.
    #[must_use]
    #[inline]
    pub fn next_due(&self) -> Option<u64> {
        let at = self.at(self.due);
        (at < self.end).then_some(at)
    }

    /// The publisher of the next message, if it is due by `now`.
    #[inline]
    pub fn advance(&mut self, now: u64) -> Option<u32> {
        let at = self.next_due()?;
        if at > now {
            return None;
        }
        let publisher = u32::try_from(self.due % u64::from(self.publishers))
            .expect("a remainder is below its divisor");
        self.due += 1;
        Some(publisher)
    }

    /// When this publisher's message `sequence` is meant to be sent.
    #[must_use]
    #[inline]
    pub fn intended(&self, publisher: u32, sequence: u64) -> u64 {
        self.at(sequence * u64::from(self.publishers) + u64::from(publisher))
    }

    #[inline]
    fn at(&self, message: u64) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        let whole = message / self.rate;
        let part = message % self.rate;
        self.start + whole * SECOND + part * SECOND / self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_spread_evenly_and_publishers_take_turns() {
        let mut schedule = Schedule::new(1_000, 1_000 + 1_000_000_000, 4, 2);
        assert_eq!(schedule.next_due(), Some(1_000));
        assert_eq!(schedule.advance(1_000), Some(0));
        assert_eq!(schedule.advance(1_000), None);
        let second = 1_000_000_000;
        assert_eq!(schedule.advance(second), Some(1));
        assert_eq!(schedule.advance(second), Some(0));
        assert_eq!(schedule.advance(second), Some(1));
        assert_eq!(schedule.advance(u64::MAX), None);
        assert_eq!(schedule.intended(0, 0), 1_000);
        assert_eq!(schedule.intended(1, 0), 1_000 + second / 4);
        assert_eq!(schedule.intended(0, 1), 1_000 + second / 2);
    }
}

//! One coarse timer wheel per shard.
//!
//! Owns the armed timers. Pure: the caller brings the instant. Nothing is
//! cancelled: a timer that fires asks its subject whether anything is due and is
//! armed again where not, so that traffic costs no timer work at all.

use std::collections::VecDeque;

use crate::ids::{ConnectionId, SessionId};
use crate::time::Timestamp;

/// Milliseconds between two ticks: keep alive and expiry need no more.
const TICK: u64 = 250;

/// Slots of the wheel; a timer further away waits for more than one round.
const SLOTS: usize = 512;

/// A timer fires after this many milliseconds at the latest and is armed again, so
/// that those left behind by an earlier state do not pile up.
const LONGEST: u64 = 3_600_000;

/// Whom a timer concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// CONNECT is late, or the client is silent.
    Connection(ConnectionId),
    /// A will is due, or a session has expired.
    Session(SessionId),
    /// A hook's answer about this connection is late.
    Verdict(ConnectionId),
    /// A connection that published too fast may go on.
    Rate(ConnectionId),
    /// Expired retained messages are to be swept.
    RetainedSweep,
}

/// Timers in slots of a quarter of a second.
#[derive(Debug)]
pub struct Timers {
    slots: Vec<Vec<(u64, Timer)>>,
    /// The last tick whose timers have fired.
    done: u64,
    armed: usize,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            done: 0,
            armed: 0,
        }
    }
}

impl Timers {
    /// Arms a timer for `at` (or earlier, see the module); it never fires before.
    /// Returns the instant at which it really fires.
    pub fn arm(&mut self, at: Timestamp, now: Timestamp, timer: Timer) -> Timestamp {
        let at = at.as_millis().min(now.as_millis() + LONGEST);
        let tick = at.div_ceil(TICK).max(self.done + 1);
        self.slots[Self::slot(tick)].push((tick, timer));
        self.armed += 1;
        Timestamp::from_millis(tick * TICK)
    }

    /// Moves every timer that is due at `now` into `fired`.
    pub fn fire(&mut self, now: Timestamp, fired: &mut VecDeque<Timer>) {
        let tick = now.as_millis() / TICK;
        if self.armed > 0 {
            // After a long pause each slot is looked at once, not once per round.
            let first = (self.done + 1).max(tick.saturating_sub(SLOTS as u64 - 1));
            for passed in first..=tick {
                let before = fired.len();
                self.slots[Self::slot(passed)].retain(|&(due, timer)| {
                    if due <= tick {
                        fired.push_back(timer);
                    }
                    due > tick
                });
                self.armed -= fired.len() - before;
            }
        }
        self.done = self.done.max(tick);
    }

    /// When `fire` should be called next, if any timer is armed.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        if self.armed == 0 {
            return None;
        }
        (self.done + 1..=self.done + SLOTS as u64)
            .find(|&tick| !self.slots[Self::slot(tick)].is_empty())
            .map(|tick| Timestamp::from_millis(tick * TICK))
    }

    /// Timers that are armed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.armed
    }

    /// Whether none is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.armed == 0
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the remainder is below SLOTS"
    )]
    fn slot(tick: u64) -> usize {
        (tick % SLOTS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(slot: u32) -> Timer {
        Timer::Session(SessionId {
            slot,
            generation: 0,
        })
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_timer_fires_once_not_early_and_within_a_tick() {
        let mut timers = Timers::default();
        timers.arm(at(1_010), at(0), session(1));
        let mut fired = VecDeque::new();
        timers.fire(at(1_009), &mut fired);
        assert!(fired.is_empty());
        assert_eq!(timers.next(), Some(at(1_250)));
        timers.fire(at(1_250), &mut fired);
        timers.fire(at(9_999), &mut fired);
        assert_eq!(fired, [session(1)]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_timer_rounds_away_waits_its_rounds_even_across_a_long_pause() {
        let round = TICK * SLOTS as u64;
        let mut timers = Timers::default();
        timers.arm(at(3 * round + 500), at(0), session(1));
        timers.arm(at(500), at(0), session(2));
        let mut fired = VecDeque::new();
        timers.fire(at(2 * round + 500), &mut fired);
        assert_eq!(fired, [session(2)]);
        timers.fire(at(5 * round), &mut fired);
        assert_eq!(fired, [session(2), session(1)]);
    }

    #[test]
    fn a_timer_for_the_past_fires_at_the_next_tick() {
        let mut timers = Timers::default();
        timers.fire(at(10_000), &mut VecDeque::new());
        let fires = timers.arm(at(1), at(10_000), session(1));
        assert_eq!(fires, at(10_250));
        let mut fired = VecDeque::new();
        timers.fire(fires, &mut fired);
        assert_eq!(fired, [session(1)]);
    }
}

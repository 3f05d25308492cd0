//! Time passes: timers fire and are handed to whom they concern.
//!
//! Owns nothing; `timers` holds the wheel. Pure.

use super::Engine;
use super::limits::SESSION_WORK;
use super::timers::Timer;
use crate::time::Timestamp;

/// Milliseconds between two sweeps of the retained store.
const SWEEP_INTERVAL_SECONDS: u32 = 10;

/// Retained messages that one sweep looks at.
const SWEEP_BUDGET: usize = 10_000;

impl Engine {
    /// Fires what is due. To be called when `next_deadline` has come.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.timers.fire(now, &mut self.chores.fired);
        self.handle_fired(now);
    }

    /// Hands timers that have fired to whom they concern, while the pass lasts.
    pub(super) fn handle_fired(&mut self, now: Timestamp) {
        while self.has_budget()
            && let Some(timer) = self.chores.fired.pop_front()
        {
            self.work += SESSION_WORK;
            match timer {
                Timer::Connection(id) => self.connection_timer(id, now),
                Timer::Session(id) => self.session_timer(id, now),
                Timer::Rate(id) => self.rate_timer(id),
                Timer::Verdict(id) => self.question_timer(id, now),
                Timer::RetainedSweep => {
                    self.sweeping = false;
                    self.retained.sweep(now, SWEEP_BUDGET);
                    self.plan_sweep(now);
                }
            }
        }
    }

    /// Sweeps go on while there is anything that could expire.
    pub(super) fn plan_sweep(&mut self, now: Timestamp) {
        if !self.sweeping && !self.retained.is_empty() {
            self.sweeping = true;
            let at = now.plus_seconds(SWEEP_INTERVAL_SECONDS);
            self.timers.arm(at, now, Timer::RetainedSweep);
        }
    }
}

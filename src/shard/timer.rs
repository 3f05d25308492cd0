//! The shard's one timer.
//!
//! Owns at most one glommio timer, armed for the earliest instant at which the
//! turn has something to do; all finer timers are data of the engine. Lives on
//! its shard, polled by the turn task itself. Never sleeps in a task of its own
//! and never fires late; it may fire early, which costs one empty turn.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use glommio::timer::Timer;

use super::clock::Clock;
use crate::time::Timestamp;

/// Wakes the turn task at the earliest deadline it was given.
pub(crate) struct Alarm {
    clock: Clock,
    armed: Option<(Timestamp, Timer)>,
}

impl Alarm {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, armed: None }
    }

    /// Makes sure that the calling task is woken at `deadline`.
    ///
    /// A timer armed for an earlier instant is kept: re-arming costs more than
    /// the one empty turn it may cause.
    pub(crate) fn set(
        &mut self,
        deadline: Option<Timestamp>,
        now: Timestamp,
        context: &mut Context<'_>,
    ) {
        let Some(deadline) = deadline else { return };
        if self
            .armed
            .as_ref()
            .is_some_and(|(at, _)| *at <= deadline && *at > now)
        {
            return;
        }
        let mut timer = Timer::new(self.clock.until(deadline));
        if Pin::new(&mut timer).poll(context).is_ready() {
            // The deadline passed on the way here: come again at once.
            context.waker().wake_by_ref();
            self.armed = None;
        } else {
            self.armed = Some((deadline, timer));
        }
    }
}

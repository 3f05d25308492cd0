//! Work that no packet and no item of another shard stands behind, so that nobody can
//! be paused for it: timers that fired, sessions whose will or end is due, and what
//! ended sessions leave behind in the index.
//!
//! Owns what of it waits for the next pass. A multitude
//! of clients may be lost in one moment, and one session may have a million
//! subscriptions: neither holds the shard up. Pure.

use std::collections::VecDeque;

use super::Engine;
use super::limits::FILTER_WORK;
use super::planted::{Fault as Planted, is_planted};
use super::replay::Replays;
use super::timers::Timer;
use crate::ids::SessionId;
use crate::protocol::TopicFilter;
use crate::session::subscriptions::SubscriptionNames;
use crate::time::Timestamp;

/// What an ended session leaves behind. Its slot is not used again before all of it
/// is gone, since the index names the slot.
#[derive(Debug)]
pub(super) struct Ending {
    session: SessionId,
    names: SubscriptionNames,
    replays: Replays,
}

impl Ending {
    /// Of a session that was taken out.
    pub(super) fn new(session: SessionId, names: SubscriptionNames, replays: Replays) -> Self {
        Self {
            session,
            names,
            replays,
        }
    }
}

/// What waits for the next pass.
#[derive(Debug, Default)]
pub(super) struct Chores {
    /// Timers that have fired.
    pub(super) fired: VecDeque<Timer>,
    /// Sessions without a connection for which something is due.
    due: VecDeque<SessionId>,
    endings: VecDeque<Ending>,
}

impl Chores {
    /// Something is due for a session, and has to wait.
    pub(super) fn put_off(&mut self, session: SessionId) {
        self.due.push_back(session);
    }

    /// A session has ended.
    pub(super) fn put_off_ending(&mut self, ending: Ending) {
        self.endings.push_back(ending);
    }

    /// Whether nothing waits.
    pub(super) fn are_done(&self) -> bool {
        self.fired.is_empty() && self.due.is_empty() && self.endings.is_empty()
    }
}

impl Engine {
    /// Does what waits, while the budget lasts.
    pub(super) fn do_chores(&mut self, now: Timestamp) {
        self.pump_internal(now);
        self.handle_fired(now);
        // Without room, it is made when a lane has credit again.
        while self.has_budget()
            && self.has_room_for_wills()
            && let Some(id) = self.chores.due.pop_front()
        {
            if let Some(slot) = self.clients.sessions.slot_of(id) {
                self.settle_absence(slot, now);
            }
        }
        self.finish_endings();
    }

    /// Whether something waits that the next pass could do.
    pub(super) fn has_chores(&self) -> bool {
        !self.chores.fired.is_empty()
            || !self.chores.endings.is_empty()
            || !self.chores.due.is_empty() && self.has_room_for_wills()
            || !self.internal.is_empty() && !self.has_budget()
    }

    /// Takes out what ended sessions have left behind, while the pass lasts.
    pub(super) fn finish_endings(&mut self) {
        while let Some(mut ending) = self.chores.endings.pop_front() {
            while self.has_budget()
                && let Some(name) = ending.names.pop()
            {
                self.work += FILTER_WORK + name.len();
                if let Ok(filter) = TopicFilter::parse(&name)
                    && filter.share().is_none()
                {
                    self.remove_from_index(ending.session.slot, filter);
                }
            }
            while self.has_budget() && ending.replays.drop_one() {
                self.work += FILTER_WORK;
            }
            if is_planted(Planted::ReuseSlotEarly) && !ending.names.is_empty() {
                self.clients.sessions.free(ending.session.slot);
                return;
            }
            if !ending.names.is_empty() || !ending.replays.is_empty() {
                self.chores.endings.push_front(ending);
                return;
            }
            self.clients.sessions.free(ending.session.slot);
        }
    }
}

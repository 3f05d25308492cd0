//! Retained messages on their way to a new subscription.
//!
//! Owns, per session, the places in the retained store that its subscriptions have
//! come to. Pure. Messages are pulled as the client reads, so that a subscription
//! to `#` over many thousand topics is answered whole and never held in memory at
//! once; and what QoS 1 and 2 subscriptions are owed outlives the connection.

use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;
use std::rc::Rc;

use super::Engine;
use super::deliver::Terms;
use super::planted::{Fault as Planted, is_planted};
use super::publication::Publication;
use crate::ids::ConnectionId;
use crate::protocol::{QoS, TopicFilter};
use crate::routing::RetainedCursor;
use crate::time::Timestamp;

/// One subscription's replay.
#[derive(Debug)]
pub struct Replay {
    filter: Rc<str>,
    qos: QoS,
    subscription_id: Option<u32>,
    cursor: RetainedCursor,
}

impl Replay {
    /// A replay of what was retained before this moment.
    #[must_use]
    pub fn new(
        filter: TopicFilter<'_>,
        qos: QoS,
        subscription_id: Option<u32>,
        cursor: RetainedCursor,
    ) -> Self {
        Self {
            filter: filter.as_str().into(),
            qos,
            subscription_id,
            cursor,
        }
    }
}

/// The replays of one session, at most one per subscription, so that their number
/// is bounded by that of the subscriptions.
#[derive(Debug, Default)]
pub struct Replays {
    /// In the order in which the subscriptions were made.
    pending: BTreeMap<u64, Replay>,
    /// The place of each in `pending`.
    places: BTreeMap<Rc<str>, u64>,
    next_place: u64,
}

impl Replays {
    /// Puts a replay behind the others, in place of an earlier one of its filter.
    fn push(&mut self, replay: Replay) {
        let place = self.next_place;
        self.next_place += 1;
        if let Some(earlier) = self.places.insert(Rc::clone(&replay.filter), place) {
            self.pending.remove(&earlier);
        }
        self.pending.insert(place, replay);
    }

    fn cancel(&mut self, filter: &str) {
        if let Some(place) = self.places.remove(filter) {
            self.pending.remove(&place);
        }
    }

    /// The connection is gone: what is not kept for an absent client is not owed.
    fn forget_connection(&mut self) {
        let places = &mut self.places;
        self.pending.retain(|_, replay| {
            let stays = replay.qos > QoS::AtMostOnce;
            if !stays {
                places.remove(&replay.filter);
            }
            stays
        });
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Gives up one of them; false when there is none.
    pub fn drop_one(&mut self) -> bool {
        self.finish_first()
    }

    fn first(&mut self) -> Option<&mut Replay> {
        self.pending.first_entry().map(OccupiedEntry::into_mut)
    }

    fn finish_first(&mut self) -> bool {
        let first = self.pending.pop_first();
        if let Some((_, replay)) = &first {
            self.places.remove(&replay.filter);
        }
        first.is_some()
    }
}

impl Engine {
    /// Sends retained messages as far as out-buffer, window and budget allow.
    /// True when work is left that no event will bring up again by itself.
    pub(super) fn pump_replays(&mut self, id: ConnectionId, session: u32, now: Timestamp) -> bool {
        let mut steps = self.limits.retained_steps_per_visit;
        while steps > 0 {
            if !self.replays.contains_key(&session) {
                return false;
            }
            let idle = self
                .clients
                .sessions
                .at(session)
                .is_some_and(|s| s.connection == Some(id) && s.outbound.may_start());
            // How large the next message is will be known when it is found.
            if !idle || !self.clients.has_room_or_starves(id, usize::MAX) {
                // The next acknowledgement or flush goes on.
                return false;
            }
            self.replay_one(session, &mut steps, now);
        }
        true
    }

    /// Goes on with the first replay of a session, by one message at most.
    pub(super) fn replay_one(&mut self, session: u32, steps: &mut usize, now: Timestamp) {
        let Some(replays) = self.replays.get_mut(&session) else {
            return;
        };
        let Some(replay) = replays.first() else {
            self.replays.remove(&session);
            return;
        };
        let next = match TopicFilter::parse(&replay.filter) {
            Ok(filter) => self
                .retained
                .next(filter, &mut replay.cursor, now, steps)
                .map(Rc::clone),
            Err(_) => None,
        };
        let (qos, subscription_id) = (replay.qos, replay.subscription_id);
        match next {
            Some(message) => {
                let terms = Terms {
                    session,
                    qos,
                    retain_as_published: true, // [MQTT-3.3.1-8]
                    subscription_ids: subscription_id.as_slice(),
                    group: None,
                };
                self.clients
                    .deliver(&Publication::of(&message), &terms, now);
                if is_planted(Planted::ReplayTwice) {
                    self.clients
                        .deliver(&Publication::of(&message), &terms, now);
                }
            }
            None if replay.cursor.is_done() => {
                replays.finish_first();
            }
            None => {}
        }
    }

    /// A subscription is new: what is retained for it will follow.
    pub(super) fn begin_replay(&mut self, session: u32, replay: Replay) {
        if !self.retained.is_empty() {
            self.replays.entry(session).or_default().push(replay);
        }
    }

    /// A subscription ends: nothing more is owed to it [MQTT-3.10.4-2].
    pub(super) fn cancel_replay(&mut self, session: u32, filter: &str) {
        if let Some(replays) = self.replays.get_mut(&session) {
            replays.cancel(filter);
        }
    }

    /// A session's connection is gone; the next one goes on with what is kept for it.
    pub(super) fn pause_replays(&mut self, session: u32) {
        if let Some(replays) = self.replays.get_mut(&session) {
            replays.forget_connection();
        }
    }

    /// A session ends.
    pub(super) fn take_replays(&mut self, session: u32) -> Replays {
        self.replays.remove(&session).unwrap_or_default()
    }
}

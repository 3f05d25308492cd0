//! Retained messages on their way to a new subscription.
//!
//! Owns the place in the retained store that a subscription has come to. Pure.
//! They are pulled as the client reads, so that a subscription to `#` over many
//! thousand topics is answered whole and never held in memory at once.

use std::rc::Rc;

use super::Engine;
use super::deliver::{Audience, Terms};
use super::limits::RETAINED_STEPS_PER_VISIT;
use super::publication::Publication;
use crate::ids::ConnectionId;
use crate::protocol::{QoS, TopicFilter};
use crate::routing::RetainedCursor;
use crate::time::Timestamp;

/// One subscription's replay.
#[derive(Debug)]
pub struct Replay {
    filter: Box<str>,
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

impl Engine {
    /// Sends retained messages as far as out-buffer, window and budget allow.
    /// True when work is left that no event will bring up again by itself.
    pub(super) fn pump_replays(&mut self, id: ConnectionId, session: u32, now: Timestamp) -> bool {
        let mut steps = RETAINED_STEPS_PER_VISIT;
        while steps > 0 {
            let Some(connection) = self.clients.connections.get(id.slot, id.generation) else {
                return false;
            };
            let idle = self
                .clients
                .sessions
                .at(session)
                .is_some_and(|s| s.outbound.may_start());
            if connection.replays.is_none() || !idle || !self.clients.has_room(connection) {
                // The next acknowledgement or flush goes on.
                return false;
            }
            self.replay_one(id, session, &mut steps, now);
        }
        true
    }

    fn replay_one(&mut self, id: ConnectionId, session: u32, steps: &mut usize, now: Timestamp) {
        let Some(connection) = self.clients.connections.get_mut(id.slot, id.generation) else {
            return;
        };
        let Some(replays) = &mut connection.replays else {
            return;
        };
        let Some(replay) = replays.front_mut() else {
            connection.replays = None;
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
                    retain: true, // [MQTT-3.3.1-8]
                    subscription_ids: subscription_id.as_slice(),
                    group: None,
                };
                self.clients
                    .deliver(&Publication::of(&message), &terms, Audience::One, now);
            }
            None if replay.cursor.is_done() => {
                replays.pop_front();
            }
            None => {}
        }
    }

    /// A subscription is new: what is retained for it will follow.
    pub(super) fn begin_replay(&mut self, id: ConnectionId, replay: Replay) {
        if let Some(connection) = self.clients.open_connection(id) {
            connection.replays.get_or_insert_default().push_back(replay);
        }
    }
}

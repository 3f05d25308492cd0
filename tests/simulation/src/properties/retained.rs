//! Property 5: a new subscriber sees the retained or the live message, never neither
//! and never both (that half is counted in `once`); when all is quiet every shard
//! answers a wildcard alike.
//!
//! Allowances: topics with one publisher, whose last retained message was accepted
//! and does not expire; subscribers that stay connected; a full retained store and a
//! packet too large for the client, where counters tell of them.

use std::collections::BTreeMap;

use ringmq::protocol::QoS;

use crate::client::{Phase, Role};
use crate::history::MessageId;
use crate::topics;
use crate::world::World;

use super::Permission;
use super::delivered::HEAD;

impl World {
    /// Never neither.
    pub fn check_retained(&mut self) {
        if self.stats().dropped_retained_full > 0 {
            return;
        }
        let mut wrong = None;
        for (topic, message) in self.last_retained() {
            for entry in 0..self.history.subscriptions.len() {
                let subscription = &self.history.subscriptions[entry];
                if topics::matches(&subscription.filter, &topic)
                    && self.is_owed_retained(entry, message)
                    && !self.saw_since(entry, message)
                {
                    wrong = Some(format!(
                        "message {message} is retained on {topic}; client {} subscribed to {} \
                         and saw neither it nor the live one",
                        subscription.client, subscription.filter
                    ));
                }
            }
        }
        if let Some(what) = wrong {
            self.violate("retained", || what);
        }
    }

    /// The last message retained on each topic that has one publisher.
    pub fn last_retained(&self) -> BTreeMap<String, MessageId> {
        let mut last = BTreeMap::new();
        for (place, message) in self.history.messages.iter().enumerate() {
            let own = topics::has_one_publisher(&message.topic) && !message.is_will;
            if own && message.retain && message.sent > 0 {
                last.insert(
                    message.topic.clone(),
                    u32::try_from(place).expect("few messages"),
                );
            }
        }
        last.retain(|topic, &mut message| {
            let record = &self.history.messages[message as usize];
            let certain = record.acked.is_some()
                || (record.qos == QoS::AtMostOnce
                    && record.arrived.is_some()
                    && self.history.is_open(record.stream));
            // One that its publisher repeats may come after a newer one.
            let repeated =
                self.history.messages.iter().any(|m| {
                    m.topic == *topic && m.retain && (m.arrivals > 1 || m.sent != m.arrivals)
                });
            certain
                && self.was_published(message, self.end())
                && !record.is_empty
                && record.expiry.is_none()
                && !repeated
                && self.history.connected_in_order(record.publisher)
        });
        last
    }

    fn is_owed_retained(&self, entry: usize, message: MessageId) -> bool {
        let subscription = &self.history.subscriptions[entry];
        let record = &self.history.messages[message as usize];
        let client = subscription.client;
        let fresh = match subscription.retain_handling {
            0 => true,
            1 => subscription.is_new,
            _ => false,
        };
        let size = record.topic.len() * 2 + record.payload_len + HEAD;
        let from = subscription.requested.unwrap_or_default();
        let receive = self.may_receive(client, &record.topic, from, self.end());
        fresh
            && receive == Permission::Granted
            && !subscription.is_shared()
            && subscription.granted.is_some()
            && subscription.ending.is_none()
            && !(record.publisher == client && subscription.no_local)
            && self.clients[client].phase == Phase::Connected
            && self.clients[client].stream == Some(subscription.stream)
            && self.clients[client].role != Role::Watcher
            && size <= self.history.links[subscription.stream].maximum_packet as usize
            && self.stats().dropped_queue_full + self.stats().dropped_outbox_full == 0
    }

    /// Whether a session saw a message, replayed after this subscription or live.
    fn saw_since(&self, entry: usize, message: MessageId) -> bool {
        let subscription = &self.history.subscriptions[entry];
        let record = &self.history.messages[message as usize];
        let before = match (record.acked, subscription.requested) {
            (Some(acked), Some(requested)) => acked < requested,
            _ => false,
        };
        self.history.deliveries.iter().any(|delivery| {
            delivery.message == Some(message)
                && delivery.client == subscription.client
                && Some(delivery.incarnation) == self.history.links[subscription.stream].incarnation
                && (!before
                    || (delivery.retain
                        && subscription
                            .requested
                            .is_some_and(|requested| delivery.left > requested)))
        })
    }
}

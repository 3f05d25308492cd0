//! Property 2: what a client publishes to one topic at one QoS reaches each session
//! in that order [MQTT-4.6.0-5, -6], across shards and across reconnects; what is
//! sent again comes in the order it was sent in first [MQTT-4.6.0-1].
//!
//! Allowances: the first copy of a message counts; a QoS 1 message that its publisher
//! sent more than once is left out (at any QoS where it may have been refused the first
//! time), and so are retained copies (a replay is no part
//! of the stream), members of shared groups, and messages that reached the session at
//! different QoS, because the subscription changed between them.

use std::collections::{BTreeMap, BTreeSet};

use ringmq::protocol::QoS;

use crate::client::Role;
use crate::history::{MessageId, When};
use crate::plan::Feature;
use crate::world::World;

/// Within one of these there is an order: client, its session, publisher, topic, the
/// QoS published at and the QoS delivered at.
type Line<'a> = (usize, u32, usize, &'a str, u8, u8);

impl World {
    /// Order at each session.
    pub fn check_order(&mut self) {
        let mut seen: BTreeSet<(usize, u32, MessageId)> = BTreeSet::new();
        let mut last: BTreeMap<Line<'_>, (When, MessageId)> = BTreeMap::new();
        let mut wrong = None;
        for delivery in &self.history.deliveries {
            let Some(message) = delivery.message else {
                continue;
            };
            let record = &self.history.messages[message as usize];
            let repeated = (record.qos == QoS::AtLeastOnce && record.sent > 1)
                || (self.has(Feature::JudgePublishes) && record.arrivals > 1);
            let worker = matches!(self.clients[delivery.client].role, Role::Worker(_));
            let key = (delivery.client, delivery.incarnation, message);
            if delivery.retain || worker || !seen.insert(key) || repeated || record.is_will {
                continue;
            }
            let line = (
                delivery.client,
                delivery.incarnation,
                record.publisher,
                record.topic.as_str(),
                record.qos as u8,
                delivery.qos as u8,
            );
            let Some(turn) = self.turn_of(message) else {
                continue;
            };
            if let Some((later, before)) = last.insert(line, (turn, message))
                && (later, before) > (turn, message)
            {
                wrong = Some(format!(
                    "client {} gets message {message} after {before}",
                    delivery.client
                ));
                break;
            }
        }
        if let Some(what) = wrong {
            self.violate("order", || what);
        }
        self.check_resends();
    }

    /// When the connection that brought a message first was accepted: a CONNECT may
    /// overtake an earlier one on its way.
    fn turn_of(&self, message: MessageId) -> Option<When> {
        let record = &self.history.messages[message as usize];
        let arrived_on = &record.arrived_on;
        if arrived_on.len() > 1 && !self.history.connected_in_order(record.publisher) {
            return None;
        }
        let accepted = arrived_on
            .iter()
            .map(|&stream| self.history.links[stream].accepted);
        accepted.min().flatten()
    }

    /// Order of what is sent again.
    fn check_resends(&mut self) {
        let mut first: BTreeMap<(usize, u32, MessageId), usize> = BTreeMap::new();
        let mut last: BTreeMap<usize, usize> = BTreeMap::new();
        let mut wrong = None;
        for (place, delivery) in self.history.deliveries.iter().enumerate() {
            let Some(message) = delivery.message else {
                continue;
            };
            if delivery.qos == QoS::AtMostOnce {
                continue;
            }
            let key = (delivery.client, delivery.incarnation, message);
            let origin = *first.entry(key).or_insert(place);
            if delivery.dup
                && let Some(before) = last.insert(delivery.stream, origin)
                && before > origin
            {
                wrong = Some(format!(
                    "stream {}: message {message} is sent again out of order",
                    delivery.stream
                ));
                break;
            }
        }
        // Copies of one message under two identifiers have no one order.
        if let Some(what) = wrong
            && !self.has(Feature::Retained)
            && self.history.messages.iter().all(|m| m.arrivals <= 1)
        {
            self.violate("order", || what);
        }
    }
}

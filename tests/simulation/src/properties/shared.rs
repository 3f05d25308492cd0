//! Property 1 for shared subscriptions: a group gives each message to one member
//! [MQTT-4.8.2-4]; what an ended session left unacknowledged goes to another, but a
//! QoS 2 message once sent never does [MQTT-4.8.2-5].
//!
//! Allowances: each session of a member that ended, or left the group, may have given
//! a message back once; losses are excused by a queue's, a packet's or an expiry's
//! counter, by `dropped_no_member`, and where a member left the group meanwhile.

use std::collections::BTreeSet;

use ringmq::protocol::QoS;

use crate::client::{Phase, Role};
use crate::history::MessageId;
use crate::topics;
use crate::world::World;

use super::delivered::HEAD;
use super::once::times_published;

impl World {
    /// Every group, every message.
    pub fn check_shared(&mut self) {
        let groups: BTreeSet<&'static str> = self
            .clients
            .iter()
            .filter_map(|client| match client.role {
                Role::Worker(group) => Some(group),
                Role::Watcher | Role::Ordinary | Role::Probe => None,
            })
            .collect();
        for group in groups {
            let members: Vec<usize> = (0..self.clients.len())
                .filter(|&client| self.clients[client].role == Role::Worker(group))
                .collect();
            self.check_group(group, &members);
        }
    }

    fn check_group(&mut self, group: &str, members: &[usize]) {
        let mut lost = Vec::new();
        for message in 0..u32::try_from(self.history.messages.len()).expect("few") {
            let record = &self.history.messages[message as usize];
            if record.is_empty || !topics::matches(group, &record.topic) {
                continue;
            }
            let receivers = self.receivers(message, members);
            let times = times_published(&self.history, message);
            let given_back = self.endings(members);
            if receivers.copies > times && given_back == 0 {
                self.violate("shared", || {
                    format!(
                        "message {message} left for {group} {} times",
                        receivers.copies
                    )
                });
                return;
            }
            if receivers.exactly_once > times as usize {
                self.violate("shared", || {
                    format!("QoS 2 message {message} was sent and given to another of {group}")
                });
                return;
            }
            if self.is_lost(group, members, message, &receivers) {
                lost.push(message);
            }
        }
        let stats = self.stats();
        let excused = stats.dropped_queue_full
            + stats.dropped_no_member
            + stats.dropped_too_large
            + stats.dropped_expired
            + stats.dropped_internal_full;
        if lost.len() as u64 > excused {
            self.violate("shared", || {
                format!("messages {lost:?} reached nobody of {group}, {excused} drops counted")
            });
        }
    }

    fn receivers(&self, message: MessageId, members: &[usize]) -> Receivers {
        let mut receivers = Receivers::default();
        let mut exactly_once = BTreeSet::new();
        for delivery in &self.history.deliveries {
            if delivery.message != Some(message) || !members.contains(&delivery.client) {
                continue;
            }
            let session = (delivery.client, delivery.incarnation);
            if delivery.qos == QoS::ExactlyOnce {
                exactly_once.insert(session);
                receivers.safe = true;
            }
            if !delivery.dup && delivery.qos > QoS::AtMostOnce {
                receivers.copies += 1;
            }
            // Who is there at the end has completed what it was sent.
            receivers.safe |= delivery.incarnation == self.history.incarnations[delivery.client]
                && self.clients[delivery.client].phase == Phase::Connected;
            receivers.safe |= self.history.completed.contains(&(delivery.client, message));
        }
        receivers.exactly_once = exactly_once.len();
        receivers
    }

    /// Sessions of members that ended, and subscriptions that members gave up.
    fn endings(&self, members: &[usize]) -> usize {
        let ended: u32 = members
            .iter()
            .map(|&member| self.history.incarnations[member].saturating_sub(1))
            .sum();
        let left = self
            .history
            .subscriptions
            .iter()
            .filter(|s| members.contains(&s.client) && s.left)
            .count();
        ended as usize + left
    }

    fn is_lost(
        &self,
        group: &str,
        members: &[usize],
        message: MessageId,
        receivers: &Receivers,
    ) -> bool {
        let record = &self.history.messages[message as usize];
        let (Some(arrived), Some(acked)) = (record.arrived, record.acked) else {
            return false;
        };
        if !self.was_published(message, acked) {
            return false;
        }
        if receivers.safe || record.refused || record.qos == QoS::AtMostOnce {
            return false;
        }
        let size = record.topic.len() * 2 + record.payload_len + HEAD;
        let excused = self
            .history
            .links
            .iter()
            .any(|link| members.contains(&link.client) && size > link.maximum_packet as usize)
            || record
                .expiry
                .is_some_and(|expiry| self.now >= arrived.at + u64::from(expiry) * 1_000);
        // A member that leaves takes what it has in flight with it.
        let someone_left = self
            .history
            .subscriptions
            .iter()
            .any(|s| members.contains(&s.client) && s.left);
        // At QoS 0 a member that is away or goes loses it.
        let all_acknowledge = self
            .history
            .subscriptions
            .iter()
            .filter(|s| members.contains(&s.client))
            .all(|s| s.qos > QoS::AtMostOnce);
        let stays = self.history.subscriptions.iter().any(|s| {
            s.filter == group
                && members.contains(&s.client)
                && self.history.links[s.stream].incarnation
                    == Some(self.history.incarnations[s.client])
                && s.granted.is_some_and(|granted| granted < arrived)
        });
        stays && all_acknowledge && !excused && !someone_left
    }
}

/// Who of a group got a message.
#[derive(Debug, Default)]
struct Receivers {
    safe: bool,
    copies: u32,
    exactly_once: usize,
}

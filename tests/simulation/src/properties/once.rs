//! Property 1, the counting half: a message leaves for a session once per time that
//! it was published [MQTT-4.3.3-12, MQTT-3.3.5-1], and again only with DUP, under its packet
//! identifier, on a later connection [MQTT-3.3.1-1]; a client takes a QoS 2 message in
//! once.
//!
//! Allowances: a QoS 2 message may be published once in each session of its publisher,
//! where a late CONNECT of an earlier connection ended one unknown to it; a QoS 1 message that its publisher sent again counts as often as it
//! arrived; each SUBSCRIBE that may have found it retained allows one replay.

use std::collections::{BTreeMap, BTreeSet};

use ringmq::protocol::QoS;

use crate::client::Role;
use crate::history::{Delivery, History, MessageId, When};
use crate::topics;
use crate::world::World;

/// How often a message left for one session.
#[derive(Default)]
struct Count {
    live: u32,
    retained: u32,
}

impl World {
    /// Nobody gets more copies than were published.
    pub fn check_once(&mut self) {
        self.check_dup();
        let mut counts: BTreeMap<(usize, u32, MessageId), Count> = BTreeMap::new();
        for delivery in &self.history.deliveries {
            if let (Some(message), false) = (delivery.message, delivery.dup) {
                let key = (delivery.client, delivery.incarnation, message);
                let count = counts.entry(key).or_default();
                if delivery.retain {
                    count.retained += 1;
                } else {
                    count.live += 1;
                }
            }
        }
        let mut wrong = None;
        for (&(client, incarnation, message), count) in &counts {
            if matches!(self.clients[client].role, Role::Worker(_)) {
                continue;
            }
            let times = times_published(&self.history, message);
            let (replays, subscribes) = replays(&self.history, client, incarnation, message);
            // One subscription alone sees the retained or the live message.
            let total = if subscribes == 1 && times == 1 {
                1
            } else {
                times + replays
            };
            if count.live > times || count.live + count.retained > total {
                wrong = Some(format!(
                    "message {message} to client {client}: {} live and {} retained copies; \
                     {times} published, {replays} replays",
                    count.live, count.retained
                ));
                break;
            }
        }
        if let Some(what) = wrong {
            self.violate("once", || what);
        }
        self.check_taken();
    }

    fn check_taken(&mut self) {
        let wrong = self
            .history
            .taken
            .iter()
            .find(|((client, _, message), taken)| {
                !self.forgot_alone(*client)
                    && !matches!(self.clients[*client].role, Role::Worker(_))
                    && self.history.messages[*message as usize].qos == QoS::ExactlyOnce
                    && taken.exactly_once > times_published(&self.history, *message)
                    && !self.history.messages[*message as usize].retain
            })
            .map(|(&(client, _, message), _)| (client, message));
        if let Some((client, message)) = wrong {
            self.violate("once", || {
                format!("client {client} took QoS 2 message {message} in twice")
            });
        }
    }

    /// Whether a client forgot its session for a connection that the broker came to
    /// see only after a later one, or never.
    fn forgot_alone(&self, client: usize) -> bool {
        let links: Vec<_> = self
            .history
            .links
            .iter()
            .filter(|link| link.client == client)
            .collect();
        links.iter().enumerate().any(|(place, link)| {
            (link.clean_start || link.expiry == 0)
                && links[place + 1..].iter().any(|later| {
                    later.accepted.is_some()
                        && link.accepted.is_none_or(|own| Some(own) > later.accepted)
                })
        })
    }

    /// DUP is set on what was sent before, and on nothing else.
    fn check_dup(&mut self) {
        let mut sent: BTreeMap<(usize, u32, u16), (&Delivery, bool)> = BTreeMap::new();
        let mut wrong = None;
        for delivery in &self.history.deliveries {
            if delivery.qos == QoS::AtMostOnce {
                continue;
            }
            let key = (delivery.client, delivery.incarnation, delivery.packet_id);
            let earlier = sent.insert(key, (delivery, delivery.dup));
            if !delivery.dup {
                continue;
            }
            let fits = earlier.is_some_and(|(earlier, _)| {
                earlier.message == delivery.message
                    && earlier.qos == delivery.qos
                    && earlier.stream != delivery.stream
            });
            if !fits {
                wrong = Some(format!(
                    "message {:?} to stream {} has DUP and was not sent before",
                    delivery.message, delivery.stream
                ));
                break;
            }
        }
        if let Some(what) = wrong {
            self.violate("once", || what);
        }
    }
}

/// How often a message may have been published.
pub fn times_published(history: &History, message: MessageId) -> u32 {
    let record = &history.messages[message as usize];
    if record.is_will {
        return 1;
    }
    if record.qos == QoS::AtLeastOnce {
        return record.arrivals;
    }
    let sessions: BTreeSet<Option<u32>> = record
        .arrived_on
        .iter()
        .map(|&stream| history.links[stream].incarnation)
        .collect();
    u32::try_from(sessions.len()).expect("few").max(1)
}

/// SUBSCRIBE packets that may have found a message retained, and all that match it.
fn replays(history: &History, client: usize, incarnation: u32, message: MessageId) -> (u32, u32) {
    let record = &history.messages[message as usize];
    let arrived = record
        .arrived
        .or(history.links[record.stream].arrived)
        .unwrap_or_default();
    let (mut replays, mut all) = (0, 0);
    for subscription in history.subscriptions_of(client, incarnation) {
        if !topics::matches(&subscription.filter, &record.topic) {
            continue;
        }
        all += 1;
        let later = subscription
            .granted
            .is_none_or(|granted: When| granted > arrived);
        if record.retain && later && subscription.retain_handling != 2 {
            replays += 1;
        }
    }
    (replays, all)
}

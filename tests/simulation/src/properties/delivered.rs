//! Properties 1 and 3: a message that was acknowledged to its publisher reaches every
//! session whose SUBACK came before it arrived and whose subscription stood until it
//! was acknowledged; a QoS 0 message reaches everybody who was there all the time.
//!
//! Allowances, each of which a counter has to confirm: a full queue, a packet too
//! large for the client, an expired message; for QoS 0 a full out-buffer; for what may
//! have waited in a queue, later rules. Sessions that ended are owed nothing.

use ringmq::protocol::QoS;

use crate::client::{Phase, Role};
use crate::history::{MessageId, Subscription, When};
use crate::topics;
use crate::world::World;

use super::Permission;

/// A delivery that did not happen.
#[derive(Debug)]
struct Missing {
    message: MessageId,
    client: usize,
    /// The policies that may have dropped it, a bit for each.
    excuses: usize,
}

const QUEUE: usize = 1;
const EXPIRY: usize = 2;
const OUTBOX: usize = 4;
const SIZE: usize = 8;
const DENIED: usize = 16;

/// Bytes of a PUBLISH that are not topic and payload, at most.
pub const HEAD: usize = 60;

impl World {
    /// Whoever was owed a message got it.
    pub fn check_delivered(&mut self) {
        let mut missing = Vec::new();
        for client in 0..self.clients.len() {
            let healthy = self.clients[client].phase == Phase::Connected;
            let worker = matches!(self.clients[client].role, Role::Worker(_));
            if healthy && !worker {
                self.find_missing(client, &mut missing);
            }
        }
        let stats = self.stats();
        let counted = [
            (QUEUE, stats.dropped_queue_full),
            (EXPIRY, stats.dropped_expired),
            (OUTBOX, stats.dropped_outbox_full),
            (SIZE, stats.dropped_too_large),
            (DENIED, stats.denied_deliveries),
        ];
        // Whatever some policies alone may have dropped, they have counted.
        for policies in 0..32 {
            let lost: Vec<_> = missing
                .iter()
                .filter(|lost| lost.excuses & !policies == 0)
                .map(|lost| (lost.message, lost.client))
                .collect();
            let excused: u64 = counted
                .iter()
                .filter(|(policy, _)| policies & policy != 0)
                .map(|(_, count)| count)
                .sum();
            if lost.len() as u64 > excused {
                self.violate("delivered", || {
                    format!(
                        "{} messages did not arrive, policies {policies:#b} count {excused}: \
                         (message, client) {lost:?}",
                        lost.len()
                    )
                });
            }
        }
    }

    fn find_missing(&self, client: usize, missing: &mut Vec<Missing>) {
        let history = &self.history;
        let incarnation = history.incarnations[client];
        let subscriptions: Vec<&Subscription> =
            history.subscriptions_of(client, incarnation).collect();
        for (place, message) in history.messages.iter().enumerate() {
            let (Some(arrived), false) = (message.arrived, message.is_empty || message.refused)
            else {
                continue;
            };
            let until = match message.acked {
                Some(acked) => acked,
                None if message.qos == QoS::AtMostOnce && message.handled.is_some() => self.end(),
                None => continue,
            };
            let id = u32::try_from(place).expect("few");
            if !self.was_published(id, until) {
                continue;
            }
            let own = message.publisher == client;
            let granted = subscriptions
                .iter()
                .filter(|s| topics::matches(&s.filter, &message.topic))
                .filter(|s| s.is_active(arrived, until) && !(own && s.no_local))
                .map(|s| s.qos)
                .max();
            let Some(granted) = granted else { continue };
            let possible = subscriptions
                .iter()
                .filter(|s| topics::matches(&s.filter, &message.topic))
                .filter(|s| s.may_be_active(arrived, until))
                .map(|s| s.qos)
                .max();
            let qos = granted.min(message.qos);
            let clear = possible.is_some_and(|possible| possible.min(message.qos) == qos);
            // What waits, or would be sent again, is judged by the rules of then.
            let at_once = qos == QoS::AtMostOnce && clear;
            let judged = if at_once { until } else { self.end() };
            let permission = self.may_receive(client, &message.topic, arrived, judged);
            if permission != Permission::Granted {
                continue;
            }
            let got = history
                .taken
                .get(&(client, incarnation, id))
                .is_some_and(|taken| taken.any > 0);
            if got || (qos == QoS::AtMostOnce && !self.was_there(client, arrived)) {
                continue;
            }
            let size = message.topic.len() * 2 + message.payload_len + HEAD;
            let too_large = history
                .links
                .iter()
                .any(|link| link.client == client && size > link.maximum_packet as usize);
            let expired = message
                .expiry
                .is_some_and(|expiry| self.now >= arrived.at + u64::from(expiry) * 1_000);
            let may_be_kept = qos > QoS::AtMostOnce || !clear;
            let may_be_zero = qos == QoS::AtMostOnce;
            let denied_later = may_be_kept
                && self.may_receive(client, &message.topic, arrived, self.end())
                    != Permission::Granted;
            let excuses = usize::from(may_be_kept) * QUEUE
                + usize::from(expired) * EXPIRY
                + usize::from(may_be_zero) * OUTBOX
                + usize::from(too_large) * SIZE
                + usize::from(denied_later) * DENIED;
            missing.push(Missing {
                message: id,
                client,
                excuses,
            });
        }
    }

    /// The end of all that was seen.
    pub fn end(&self) -> When {
        When {
            step: u64::MAX,
            at: self.now,
        }
    }

    /// Whether a client's present connection is older than this moment.
    pub fn was_there(&self, client: usize, moment: When) -> bool {
        self.clients[client].stream.is_some_and(|stream| {
            self.history.links[stream]
                .accepted
                .is_some_and(|accepted| accepted < moment)
        })
    }
}

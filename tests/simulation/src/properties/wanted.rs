//! Property 3, the second half: a client gets what it subscribed to, on those terms.
//! After UNSUBACK nothing new comes [MQTT-3.10.4-2]; a No Local subscription brings
//! none of the client's own messages [MQTT-3.8.3-3]; the QoS is the lower of both
//! [MQTT-3.8.4-8]; subscription identifiers are those of the subscriptions that
//! matched [MQTT-3.3.4-3]; RETAIN is set on what was retained alone [MQTT-3.3.1-12].
//!
//! Allowances: a subscription counts as possible from the arrival of SUBSCRIBE to the
//! departure of UNSUBACK, as certain from SUBACK to the arrival of UNSUBSCRIBE; what
//! was queued before UNSUBACK may still come [MQTT-3.10.4-3].

use ringmq::protocol::QoS;

use crate::history::{Delivery, History, Subscription, When};
use crate::topics;
use crate::world::World;

impl World {
    /// Every delivery was asked for.
    pub fn check_wanted(&mut self) {
        let wrong = self
            .history
            .deliveries
            .iter()
            .filter(|delivery| !delivery.dup)
            .find_map(|delivery| {
                unwanted(&self.history, delivery).map(|what| (delivery.clone(), what))
            });
        if let Some((delivery, what)) = wrong {
            self.violate("wanted", || {
                format!(
                    "message {:?} to client {} on stream {} @{}: {what}",
                    delivery.message, delivery.client, delivery.stream, delivery.left.step
                )
            });
        }
    }
}

fn unwanted(history: &History, delivery: &Delivery) -> Option<String> {
    let message = &history.messages[delivery.message? as usize];
    let Some(arrived) = published_at(history, delivery) else {
        return Some("it never arrived".to_owned());
    };
    let own = message.publisher == delivery.client && !message.is_will;
    let possible: Vec<&Subscription> = history
        .subscriptions_of(delivery.client, delivery.incarnation)
        .filter(|s| topics::matches(&s.filter, &message.topic))
        .filter(|s| s.may_be_active(arrived, delivery.left))
        .collect();
    let live: Vec<&&Subscription> = possible.iter().filter(|s| !(own && s.no_local)).collect();
    let replaying = possible
        .iter()
        .any(|s| !s.is_shared() && s.retain_handling != 2);
    if live.is_empty() && !(delivery.retain && replaying) {
        return Some("nobody subscribed to it".to_owned());
    }
    if delivery.retain {
        let as_published = live.iter().any(|s| s.retain_as_published);
        return (!message.retain || !(as_published || replaying))
            .then(|| "RETAIN is set on a live message".to_owned());
    }
    let certain: Vec<&&&Subscription> = live
        .iter()
        .filter(|s| s.is_active(arrived, delivery.left))
        .collect();
    wrong_terms(delivery, &live, &certain, message.qos).or_else(|| {
        let all_as_published = message.retain
            && possible.len() == 1
            && certain.len() == 1
            && certain[0].retain_as_published;
        all_as_published.then(|| "RETAIN is not set as published".to_owned())
    })
}

/// When the message came into being: its arrival, or its connection's end for a will.
fn published_at(history: &History, delivery: &Delivery) -> Option<When> {
    let message = &history.messages[delivery.message? as usize];
    if message.is_will {
        return history.links[message.stream].arrived;
    }
    message.arrived
}

fn wrong_terms(
    delivery: &Delivery,
    live: &[&&Subscription],
    certain: &[&&&Subscription],
    published: QoS,
) -> Option<String> {
    let highest = live.iter().map(|s| s.qos).max()?;
    if delivery.qos > highest.min(published) {
        return Some(format!("QoS {:?} above what was granted", delivery.qos));
    }
    let shared = live.iter().any(|s| s.is_shared());
    let lowest = certain.iter().map(|s| s.qos).max();
    if let Some(lowest) = lowest
        && !shared
        && delivery.qos < lowest.min(published)
    {
        return Some(format!("QoS {:?} below what was granted", delivery.qos));
    }
    let strange = delivery
        .identifiers
        .iter()
        .find(|&&id| live.iter().all(|s| s.identifier != Some(id)));
    if let Some(id) = strange {
        return Some(format!("subscription identifier {id} is not its own"));
    }
    let missing = certain
        .iter()
        .filter_map(|s| s.identifier)
        .find(|id| !delivery.identifiers.contains(id));
    missing
        .filter(|_| !shared)
        .map(|id| format!("subscription identifier {id} is missing"))
}

//! What a single PUBLISH must look like: the topic, payload and properties of its
//! message, no QoS above the publisher's, aliases within the client's maximum, an
//! expiry interval that has not grown, and never after the expiry.
//!
//! Allowances: a message may leave within the slack that a turn and the rounding to
//! whole seconds take.

use ringmq::protocol::{ProtocolVersion, Publish};

use crate::history::{MessageId, When};
use crate::workload::payload;
use crate::world::World;

/// Milliseconds that an engine's output may wait for its turn.
const SLACK: u64 = 20;

impl World {
    /// Checks a PUBLISH that leaves.
    pub fn check_content(
        &mut self,
        stream: usize,
        publish: &Publish<'_>,
        message: Option<MessageId>,
        left: When,
    ) {
        let topic = match self.resolve_alias(stream, publish) {
            Ok(topic) => topic,
            Err(what) => {
                self.violate("content", || format!("stream {stream}: {what}"));
                return;
            }
        };
        let Some(message) = message else { return };
        let Some(record) = self.history.messages.get(message as usize) else {
            self.violate("content", || format!("stream {stream}: no such message"));
            return;
        };
        let wrong = if topic != record.topic {
            Some(format!("its topic is {topic}, not {}", record.topic))
        } else if publish.qos > record.qos {
            Some("its QoS has grown".to_owned())
        } else if publish.payload != payload(&self.history, message) {
            Some("its payload has changed".to_owned())
        } else if self.history.links[stream].version == ProtocolVersion::V5 {
            let content_type = record.content_type.then_some(record.topic.as_str());
            if publish.properties.content_type == content_type {
                self.wrong_expiry(message, publish, left)
            } else {
                Some("its content type has changed".to_owned())
            }
        } else {
            self.wrong_expiry(message, publish, left)
        };
        if let Some(wrong) = wrong {
            self.violate("content", || {
                format!("message {message} to stream {stream}: {wrong}")
            });
        }
    }

    /// The expiry of a message counts from the moment at which it was handled
    /// [MQTT-3.3.2-6].
    fn wrong_expiry(
        &self,
        message: MessageId,
        publish: &Publish<'_>,
        left: When,
    ) -> Option<String> {
        let record = &self.history.messages[message as usize];
        let shown = publish.properties.message_expiry_interval;
        let Some(expiry) = record.expiry else {
            return shown.map(|_| "it has an expiry of the broker's own".to_owned());
        };
        let arrived = record.arrived?.at;
        if let Some(shown) = shown {
            let oldest = arrived + u64::from(expiry) * 1_000;
            if u64::from(shown) * 1_000 + 1_000 + left.at < oldest && !publish.dup {
                return Some("its expiry has shrunk too fast".to_owned());
            }
            if shown > expiry {
                return Some("its expiry has grown".to_owned());
            }
        }
        let accepted = match record.handled {
            Some(handled) if record.arrivals == 1 => handled.at,
            _ => return None,
        };
        let expired = left.at > accepted + u64::from(expiry) * 1_000 + SLACK;
        (expired && !publish.dup).then(|| "it has expired".to_owned()) // [MQTT-3.3.2-5]
    }

    /// The topic that a PUBLISH means to its client.
    fn resolve_alias(&mut self, stream: usize, publish: &Publish<'_>) -> Result<String, String> {
        let maximum = self.history.links[stream].alias_maximum;
        let aliases = &mut self.streams[stream].aliases;
        match publish.properties.topic_alias {
            None if publish.topic.is_empty() => Err("no topic and no alias".to_owned()),
            None => Ok(publish.topic.to_owned()),
            // [MQTT-3.1.2-26]
            Some(alias) if alias.get() > maximum => Err(format!("alias {alias} of {maximum}")),
            Some(alias) if publish.topic.is_empty() => aliases
                .get(&alias.get())
                .cloned()
                .ok_or_else(|| format!("alias {alias} was never set")),
            Some(alias) => {
                aliases.insert(alias.get(), publish.topic.to_owned());
                Ok(publish.topic.to_owned())
            }
        }
    }
}

//! The will message of a connection, kept until it is published or withdrawn.
//!
//! Owns a copy of the bytes. Pure. When it is due is decided by `Session::detach`.

use std::rc::Rc;

use crate::message::Message;
use crate::protocol;
use crate::time::Timestamp;

/// A will as CONNECT carried it.
#[derive(Debug)]
pub struct Will {
    /// The message without its expiry, which starts when the will is published.
    message: Message,
    /// Seconds between the loss of the connection and the publication.
    pub delay_interval: u32,
    expiry_interval: Option<u32>,
}

impl Will {
    /// Copies a will out of CONNECT's buffer.
    #[must_use]
    pub fn new(will: &protocol::Will<'_>) -> Self {
        let mut properties = Vec::new();
        will.properties.write_pass_through(&mut properties);
        Self {
            message: Message::new(
                will.topic,
                &properties,
                will.payload,
                will.qos,
                will.retain,
                None,
            ),
            delay_interval: will.delay_interval.unwrap_or(0),
            expiry_interval: will.properties.message_expiry_interval,
        }
    }

    /// The topic that the will goes to.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.message.topic()
    }

    /// The message as CONNECT carried it, without its expiry.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Seconds after which it is worth nothing, once published.
    #[must_use]
    pub fn expiry_interval(&self) -> Option<u32> {
        self.expiry_interval
    }

    /// The same will with another message.
    #[must_use]
    pub fn altered(self, message: Message, expiry_interval: Option<u32>) -> Self {
        Self {
            message,
            expiry_interval,
            ..self
        }
    }

    /// The message to publish, its expiry counted from now [MQTT-3.1.2-8].
    #[must_use]
    pub fn publish(self, now: Timestamp) -> Rc<Message> {
        let mut message = self.message;
        message.expires_at = self
            .expiry_interval
            .map(|seconds| now.plus_seconds(seconds));
        Rc::new(message)
    }
}

//! A message while it is being published on this shard.
//!
//! Owns nothing but the copy it makes when somebody has to keep the message.
//! Pure. A publication borrows the receive buffer, or a message that is kept already.
//!
//! HOT PATH: one per PUBLISH; allocates only when the message outlives the turn.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::message::Message;
use crate::protocol::{Delivery, QoS};
use crate::session::topic_alias::AliasUse;
use crate::time::Timestamp;

/// What is being published.
#[derive(Debug)]
pub struct Publication<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Encoded properties that pass through unaltered.
    pub properties: &'a [u8],
    /// Application payload.
    pub payload: &'a [u8],
    /// QoS it was published at.
    pub qos: QoS,
    /// Whether it was published with RETAIN.
    pub retain: bool,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    kept: OnceCell<Rc<Message>>,
}

/// The terms of one delivery that show in its packet.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// QoS of the delivery.
    pub qos: QoS,
    /// Whether it may have been sent before.
    pub dup: bool,
    /// RETAIN as the client sees it.
    pub retain: bool,
    /// Identifiers of the subscriptions that matched.
    pub subscription_ids: &'a [u32],
    /// How the topic is written.
    pub alias: AliasUse,
}

impl<'a> Publication<'a> {
    /// A publication out of a receive buffer.
    #[must_use]
    pub fn new(
        topic: &'a str,
        properties: &'a [u8],
        payload: &'a [u8],
        qos: QoS,
        retain: bool,
        expires_at: Option<Timestamp>,
    ) -> Self {
        Self {
            topic,
            properties,
            payload,
            qos,
            retain,
            expires_at,
            kept: OnceCell::new(),
        }
    }

    /// A publication of a message that is kept already.
    #[must_use]
    pub fn of(message: &'a Rc<Message>) -> Self {
        let publication = Self::new(
            message.topic(),
            message.properties(),
            message.payload(),
            message.qos,
            message.retain,
            message.expires_at,
        );
        let kept = publication.kept.set(Rc::clone(message));
        debug_assert!(kept.is_ok(), "the cell is fresh");
        publication
    }

    /// Bytes of topic, properties and payload.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.topic.len() + self.properties.len() + self.payload.len()
    }

    /// The message to keep: copied out of the receive buffer once, however many
    /// sessions keep it.
    pub fn keep(&self) -> &Rc<Message> {
        self.kept.get_or_init(|| {
            Rc::new(Message::new(
                self.topic,
                self.properties,
                self.payload,
                self.qos,
                self.retain,
                self.expires_at,
            ))
        })
    }

    /// The same if it is kept already.
    #[must_use]
    pub fn kept(&self) -> Option<&Rc<Message>> {
        self.kept.get()
    }

    /// The delivery as the protocol layer encodes it; the remaining expiry interval
    /// is that of `now` [MQTT-3.3.2-6].
    #[must_use]
    pub fn delivery(&self, head: &Head<'a>, now: Timestamp) -> Delivery<'a> {
        let (topic, topic_alias) = match head.alias {
            AliasUse::None => (self.topic, None),
            AliasUse::Set(alias) => (self.topic, Some(alias)),
            AliasUse::Use(alias) => ("", Some(alias)),
        };
        Delivery {
            qos: head.qos,
            dup: head.dup,
            retain: head.retain,
            topic,
            pass_through: self.properties,
            payload: self.payload,
            message_expiry_interval: self.expires_at.map(|at| at.seconds_left(now)),
            topic_alias,
            subscription_ids: head.subscription_ids,
        }
    }
}

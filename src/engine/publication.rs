//! A message while it is being published on this shard.
//!
//! Owns nothing but the copy it makes when somebody has to keep the message.
//! Pure. A publication borrows the receive buffer, or a message that is kept already.
//!
//! HOT PATH: one per PUBLISH; allocates only when the message outlives the turn.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::message::Message;
use crate::protocol::{Delivery, Patch, ProtocolVersion, QoS};
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

/// One encoded delivery and the conditions under which it may be copied.
#[derive(Debug)]
struct Shape {
    version: ProtocolVersion,
    qos: QoS,
    retain: bool,
    alias: AliasKind,
    subscription_ids: Vec<u32>,
    bytes: Vec<u8>,
    patch: Patch,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AliasKind {
    None,
    Set,
    Use,
}

impl From<AliasUse> for AliasKind {
    fn from(alias: AliasUse) -> Self {
        match alias {
            AliasUse::None => Self::None,
            AliasUse::Set(_) => Self::Set,
            AliasUse::Use(_) => Self::Use,
        }
    }
}

/// More shapes than this are encoded for each delivery: subscribers that all use
/// identifiers of their own share nothing, and the search would cost more.
const SHAPES_MAX: usize = 8;

/// The encoded shapes of the publication at hand: deliveries that differ in packet
/// identifier and alias number alone are encoded once and copied whole.
#[derive(Debug, Default)]
pub struct Shapes {
    shapes: Vec<Shape>,
    used: usize,
}

impl Shapes {
    /// Forgets the shapes of the publication before; their buffers are kept.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Appends a delivery to `out`: a copy of its shape if there is one.
    /// Returns where packet identifier and alias are to be patched.
    pub fn append(
        &mut self,
        publication: &Publication<'_>,
        head: &Head<'_>,
        version: ProtocolVersion,
        now: Timestamp,
        out: &mut Vec<u8>,
    ) -> Patch {
        let alias = AliasKind::from(head.alias);
        let known = self.shapes[..self.used].iter().find(|shape| {
            shape.qos == head.qos
                && shape.version == version
                && shape.retain == head.retain
                && shape.alias == alias
                && shape.subscription_ids == head.subscription_ids
        });
        if let Some(shape) = known {
            out.extend_from_slice(&shape.bytes);
            return shape.patch;
        }
        let start = out.len();
        let patch = publication.delivery(head, now).encode(version, out);
        if self.used < SHAPES_MAX {
            self.remember(head, version, alias, &out[start..], patch);
        }
        patch
    }

    fn remember(
        &mut self,
        head: &Head<'_>,
        version: ProtocolVersion,
        alias: AliasKind,
        encoded: &[u8],
        patch: Patch,
    ) {
        if self.used == self.shapes.len() {
            self.shapes.push(Shape {
                version,
                qos: head.qos,
                retain: head.retain,
                alias,
                subscription_ids: Vec::new(),
                bytes: Vec::new(),
                patch,
            });
        }
        let shape = &mut self.shapes[self.used];
        self.used += 1;
        shape.version = version;
        shape.qos = head.qos;
        shape.retain = head.retain;
        shape.alias = alias;
        shape.subscription_ids.clear();
        shape
            .subscription_ids
            .extend_from_slice(head.subscription_ids);
        shape.bytes.clear();
        shape.bytes.extend_from_slice(encoded);
        shape.patch = patch;
    }
}

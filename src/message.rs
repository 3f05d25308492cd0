//! A publication in flight: topic, pass-through properties and payload.
//!
//! Owns one reference-counted block with the bytes; cloning never copies them,
//! and a message may cross to another shard. Pure: no I/O, no clock. Built once
//! per PUBLISH that has to outlive its receive buffer.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::protocol::QoS;
use crate::time::Timestamp;

/// An application message kept beyond the buffer it arrived in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Topic, then properties, then payload.
    block: Bytes,
    /// Invariant: `topic_len <= properties_end <= block.len()`.
    topic_len: u16,
    properties_end: u32,
    /// The QoS of the PUBLISH as it came from its sender.
    pub qos: QoS,
    /// The RETAIN flag of the PUBLISH as it came from its sender.
    pub retain: bool,
    /// When the message stops being worth delivering, if ever.
    pub expires_at: Option<Timestamp>,
}

impl Message {
    /// Copies the parts into one block of their own.
    ///
    /// `properties` are encoded MQTT 5 properties that pass through unaltered.
    ///
    /// # Panics
    /// When `topic` is longer than an MQTT string may be (65,535 bytes).
    #[must_use]
    pub fn new(
        topic: &str,
        properties: &[u8],
        payload: &[u8],
        qos: QoS,
        retain: bool,
        expires_at: Option<Timestamp>,
    ) -> Self {
        let topic_len = u16::try_from(topic.len()).expect("a topic is an MQTT string");
        let properties_end = u32::try_from(topic.len() + properties.len())
            .expect("an MQTT packet is shorter than 256 MiB");
        let mut block = Vec::with_capacity(topic.len() + properties.len() + payload.len());
        block.extend_from_slice(topic.as_bytes());
        block.extend_from_slice(properties);
        block.extend_from_slice(payload);
        Self {
            block: block.into(),
            topic_len,
            properties_end,
            qos,
            retain,
            expires_at,
        }
    }

    /// The topic name.
    #[must_use]
    pub fn topic(&self) -> &str {
        core::str::from_utf8(&self.block[..usize::from(self.topic_len)])
            .expect("the block starts with a str")
    }

    /// Encoded properties that pass through unaltered, in their original order.
    #[must_use]
    pub fn properties(&self) -> &[u8] {
        &self.block[usize::from(self.topic_len)..self.properties_end as usize]
    }

    /// The application payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.block[self.properties_end as usize..]
    }

    /// Bytes of topic, properties and payload together: what a queue counts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.block.len()
    }

    /// Whether topic, properties and payload are all empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// Whether the message has outlived its expiry interval [MQTT-3.3.2-5].
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

//! PUBLISH as a broker writes it: one message for one subscriber.
//!
//! HOT PATH: every message goes out through [`Delivery::encode`].
//! Owns nothing: the parts of the message are borrowed and appended to the
//! caller's buffer. Pure; lives on any core. Never looks into topic or
//! properties: they were checked when the message came in. What differs between
//! subscribers of one message can be patched in place (see [`Patch`]).

use alloc::vec::Vec;

use crate::protocol::packet::publish;
use crate::protocol::{PropertyId, ProtocolVersion, QoS, varint};

/// What the broker sends to a subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delivery<'a> {
    /// The QoS that the subscriber gets.
    pub qos: QoS,
    /// It was sent to this subscriber before.
    pub dup: bool,
    /// The RETAIN flag that the subscriber gets.
    pub retain: bool,
    /// The topic name; empty where `topic_alias` stands for it.
    pub topic: &'a str,
    /// Encoded properties that reach subscribers unaltered.
    pub pass_through: &'a [u8],
    /// The application's bytes.
    pub payload: &'a [u8],
    /// What is left of the expiry interval [MQTT-3.3.2-6].
    pub message_expiry_interval: Option<u32>,
    /// The alias to set or to use, never zero.
    pub topic_alias: Option<u16>,
    /// The identifiers of the subscriptions that matched; none of them zero or
    /// above [`varint::MAX`].
    pub subscription_ids: &'a [u32],
}

/// Where in an encoded delivery the parts stand that may change later, counted
/// from the packet's first byte; 0 for a part that is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Patch {
    /// The two bytes of the packet identifier, written as 0.
    pub packet_id: u32,
    /// The two bytes of the topic alias.
    pub topic_alias: u32,
    /// The four bytes of the message expiry interval.
    pub expiry: u32,
}

impl Delivery<'_> {
    /// Bytes of the property block, without its length; 0 before MQTT 5.0.
    #[inline]
    fn properties_len(&self) -> usize {
        let expiry = if self.message_expiry_interval.is_some() {
            5
        } else {
            0
        };
        let alias = if self.topic_alias.is_some() { 3 } else { 0 };
        let ids: usize = self
            .subscription_ids
            .iter()
            .map(|&id| 1 + varint::len(id))
            .sum();
        expiry + alias + ids + self.pass_through.len()
    }

    /// The remaining length of the packet, given its property block's.
    #[inline]
    fn remaining_len(&self, version: ProtocolVersion, properties_len: usize) -> usize {
        let packet_id = if self.qos.has_packet_id() { 2 } else { 0 };
        let properties = if version.has_properties() {
            var_len(properties_len) + properties_len
        } else {
            0
        };
        2 + self.topic.len() + packet_id + properties + self.payload.len()
    }

    /// Bytes of the whole packet: what the subscriber's maximum packet size is
    /// compared with [MQTT-3.1.2-24].
    #[must_use]
    #[inline]
    pub fn encoded_len(&self, version: ProtocolVersion) -> usize {
        let remaining = self.remaining_len(version, self.properties_len());
        1 + var_len(remaining) + remaining
    }

    /// Appends the packet; its packet identifier, with QoS 1 and 2, is 0 until
    /// the caller writes one over it. Before MQTT 5.0 all properties are left out.
    ///
    /// # Panics
    /// When the topic is longer than 65,535 bytes or the packet than 256 MiB:
    /// neither can have been received, and `encoded_len` tells beforehand.
    #[inline]
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Patch {
        let start = out.len();
        let patch = self.encode_head(version, self.payload.len(), out);
        out.extend_from_slice(self.payload);
        debug_assert_eq!(out.len() - start, self.encoded_len(version));
        patch
    }

    /// Appends all of the packet but its payload, with room for so many bytes more.
    ///
    /// # Panics
    /// As [`Delivery::encode`].
    #[inline]
    pub fn encode_head(&self, version: ProtocolVersion, room: usize, out: &mut Vec<u8>) -> Patch {
        debug_assert!(!(self.dup && self.qos == QoS::AtMostOnce), "[MQTT-3.3.1-2]");
        let properties_len = self.properties_len();
        let remaining = self.remaining_len(version, properties_len);
        let start = out.len();
        out.reserve(1 + varint::MAX_LEN + remaining - self.payload.len() + room);
        out.push(publish::first_byte(self.dup, self.qos, self.retain));
        write_len(remaining, out);
        let topic_len = u16::try_from(self.topic.len()).expect("a topic is an MQTT string");
        out.extend_from_slice(&topic_len.to_be_bytes());
        out.extend_from_slice(self.topic.as_bytes());
        let mut patch = Patch::default();
        if self.qos.has_packet_id() {
            patch.packet_id = offset(start, out);
            out.extend_from_slice(&[0, 0]);
        }
        if version.has_properties() {
            write_len(properties_len, out);
            self.write_properties(start, out, &mut patch);
        }
        patch
    }

    #[inline]
    fn write_properties(&self, start: usize, out: &mut Vec<u8>, patch: &mut Patch) {
        if let Some(interval) = self.message_expiry_interval {
            out.push(PropertyId::MESSAGE_EXPIRY_INTERVAL.get());
            patch.expiry = offset(start, out);
            out.extend_from_slice(&interval.to_be_bytes());
        }
        if let Some(alias) = self.topic_alias {
            debug_assert_ne!(alias, 0, "[MQTT-3.3.2-8]");
            out.push(PropertyId::TOPIC_ALIAS.get());
            patch.topic_alias = offset(start, out);
            out.extend_from_slice(&alias.to_be_bytes());
        }
        for &id in self.subscription_ids {
            out.push(PropertyId::SUBSCRIPTION_IDENTIFIER.get());
            varint::write(id, out);
        }
        out.extend_from_slice(self.pass_through);
    }
}

/// Why no length in a delivery exceeds a variable byte integer.
const BOUNDED: &str = "a delivery is about as long as the message that came in";

#[inline]
fn var_len(len: usize) -> usize {
    varint::len(u32::try_from(len).unwrap_or(u32::MAX))
}

#[inline]
fn write_len(len: usize, out: &mut Vec<u8>) {
    let len = u32::try_from(len)
        .ok()
        .filter(|&len| len <= varint::MAX)
        .expect(BOUNDED);
    varint::write(len, out);
}

/// Where `out` ends, counted from the packet's first byte.
#[inline]
fn offset(start: usize, out: &[u8]) -> u32 {
    u32::try_from(out.len() - start).expect(BOUNDED)
}

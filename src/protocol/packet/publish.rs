//! PUBLISH: an application message on its way, in either direction.
//!
//! HOT PATH: every message comes in through [`Publish::decode`].
//! Owns nothing: topic, properties and payload are slices of the receive buffer,
//! and decoding allocates nothing. Pure; lives on any core. Never judges who may
//! publish what, nor resolves an alias. Where to read next: `delivery`.

use alloc::vec::Vec;
use core::num::NonZeroU16;

use crate::protocol::property::{PropertyReader, RawProperties};
use crate::protocol::wire::{self, Reader, Writer};
use crate::protocol::{
    DecodeError, EncodeError, Frame, PacketId, PacketType, PropertyId, ProtocolVersion, QoS,
    SubscriptionIds, UserProperties,
};

/// The flag of a message that may have been sent before.
const DUP: u8 = 0b1000;

/// The flag of a message that is to be kept, or was.
const RETAIN: u8 = 0b0001;

/// PUBLISH.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Publish<'a> {
    /// The message may have been sent before; never with QoS 0.
    pub dup: bool,
    /// How hard it is tried.
    pub qos: QoS,
    /// To be kept, or from what was kept.
    pub retain: bool,
    /// The topic name; empty only where an alias stands for it.
    pub topic: &'a str,
    /// Present exactly with QoS 1 and 2 [MQTT-2.2.1-2].
    pub packet_id: Option<PacketId>,
    /// Empty before MQTT 5.0.
    pub properties: PublishProperties<'a>,
    /// The application's bytes.
    pub payload: &'a [u8],
}

/// The properties of a PUBLISH, and of a will as far as it shares them.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublishProperties<'a> {
    /// The payload is UTF-8 text.
    pub payload_format_utf8: Option<bool>,
    /// Seconds after which the message is worth nothing.
    pub message_expiry_interval: Option<u32>,
    /// A number in place of a topic name.
    pub topic_alias: Option<NonZeroU16>,
    /// Where an answer goes.
    pub response_topic: Option<&'a str>,
    /// What an answer carries back.
    pub correlation_data: Option<&'a [u8]>,
    /// What the payload is.
    pub content_type: Option<&'a str>,
    /// Names and values that mean nothing to MQTT.
    pub user_properties: UserProperties<'a>,
    /// The subscriptions that the message is for; a server sends them, a client
    /// may not [MQTT-3.3.4-6], which is for the session to see.
    pub subscription_ids: SubscriptionIds<'a>,
    /// The block that a decoder read them from; `None` where they were put
    /// together by hand. It stays what passes through when a field is changed.
    pub received: Option<ReceivedProperties<'a>>,
}

/// The properties of a message as its publisher wrote them.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedProperties<'a> {
    block: &'a [u8],
    /// Every property of the block passes through.
    whole: bool,
}

impl PartialEq for PublishProperties<'_> {
    /// The same values; whether and in which order they were received does not
    /// count.
    fn eq(&self, other: &Self) -> bool {
        let Self {
            payload_format_utf8,
            message_expiry_interval,
            topic_alias,
            response_topic,
            correlation_data,
            content_type,
            user_properties,
            subscription_ids,
            received: _,
        } = self;
        *payload_format_utf8 == other.payload_format_utf8
            && *message_expiry_interval == other.message_expiry_interval
            && *topic_alias == other.topic_alias
            && *response_topic == other.response_topic
            && *correlation_data == other.correlation_data
            && *content_type == other.content_type
            && *user_properties == other.user_properties
            && *subscription_ids == other.subscription_ids
    }
}

impl Eq for PublishProperties<'_> {}

impl<'a> Publish<'a> {
    /// Reads a PUBLISH in one pass over its head; the payload is not touched.
    #[inline]
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeError> {
        if frame.first_byte >> 4 != PacketType::Publish as u8 {
            return Err(DecodeError::UnexpectedPacketType);
        }
        let flags = frame.flags();
        let qos = QoS::try_from((flags >> 1) & 0b11)?;
        let dup = flags & DUP != 0;
        // [MQTT-3.3.1-2]
        if dup && qos == QoS::AtMostOnce {
            return Err(DecodeError::DupWithoutQos);
        }
        let mut reader = Reader::new(frame.body);
        // [MQTT-3.3.2-1], [MQTT-3.3.2-2]
        let topic = reader.topic_name()?;
        let packet_id = if qos.has_packet_id() {
            Some(reader.packet_id()?)
        } else {
            None
        };
        let properties = if version.has_properties() {
            PublishProperties::decode(reader.property_block()?)?
        } else {
            PublishProperties {
                received: Some(ReceivedProperties::NONE),
                ..Default::default()
            }
        };
        if topic.is_empty() && properties.topic_alias.is_none() {
            return Err(DecodeError::MissingTopicName);
        }
        let retain = flags & RETAIN != 0;
        Ok(Self {
            dup,
            qos,
            retain,
            topic,
            packet_id,
            properties,
            payload: reader.rest(),
        })
    }

    /// Appends the packet to `out`, which is as it was before when that fails.
    /// Before MQTT 5.0 the properties are left out.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.packet_id.is_some() != self.qos.has_packet_id() {
            return Err(EncodeError::PacketIdMismatch);
        }
        if self.dup && self.qos == QoS::AtMostOnce {
            return Err(EncodeError::DupWithoutQos);
        }
        let named_by_alias = version.has_properties() && self.properties.topic_alias.is_some();
        if self.topic.is_empty() && !named_by_alias {
            return Err(EncodeError::MissingTopicName);
        }
        let first_byte = first_byte(self.dup, self.qos, self.retain);
        // Right unless there are properties, which only costs a move.
        let expected = 2 + self.topic.len() + 3 + self.payload.len();
        wire::write_packet(out, first_byte, expected, |packet| {
            packet.string(self.topic)?;
            if let Some(id) = self.packet_id {
                packet.packet_id(id);
            }
            if version.has_properties() {
                packet.properties(|block| self.properties.write(block))?;
            }
            packet.raw(self.payload);
            Ok(())
        })
    }
}

/// The first byte of a PUBLISH.
#[inline]
pub(super) const fn first_byte(dup: bool, qos: QoS, retain: bool) -> u8 {
    let dup = if dup { DUP } else { 0 };
    let retain = if retain { RETAIN } else { 0 };
    PacketType::Publish.first_byte() | dup | (qos as u8) << 1 | retain
}

impl ReceivedProperties<'_> {
    /// What a message without properties brings.
    pub(super) const NONE: Self = Self {
        block: &[],
        whole: true,
    };
}

impl<'a> PublishProperties<'a> {
    /// Reads the property block of a PUBLISH.
    #[inline]
    pub(super) fn decode(block: &'a [u8]) -> Result<Self, DecodeError> {
        let mut properties = Self {
            received: Some(ReceivedProperties::NONE),
            ..Default::default()
        };
        if !block.is_empty() {
            properties.read(block)?;
        }
        Ok(properties)
    }

    fn read(&mut self, block: &'a [u8]) -> Result<(), DecodeError> {
        let mut reader = PropertyReader::new(block);
        let mut whole = true;
        while let Some(id) = reader.next_id()? {
            whole &= id.passes_through();
            match id {
                PropertyId::TOPIC_ALIAS => {
                    // [MQTT-3.3.2-8]
                    let alias = NonZeroU16::new(reader.u16()?);
                    self.topic_alias = Some(alias.ok_or(DecodeError::ZeroTopicAlias)?);
                }
                PropertyId::SUBSCRIPTION_IDENTIFIER => {
                    reader.subscription_id()?;
                }
                _ => self.read_message_property(id, &mut reader)?,
            }
        }
        self.user_properties = reader.user_properties();
        self.subscription_ids = reader.subscription_ids();
        self.received = Some(ReceivedProperties { block, whole });
        Ok(())
    }

    /// Reads one of the properties that a will has too.
    fn read_message_property(
        &mut self,
        id: PropertyId,
        reader: &mut PropertyReader<'a>,
    ) -> Result<(), DecodeError> {
        match id {
            PropertyId::PAYLOAD_FORMAT_INDICATOR => {
                self.payload_format_utf8 = Some(reader.bool()?);
            }
            PropertyId::MESSAGE_EXPIRY_INTERVAL => {
                self.message_expiry_interval = Some(reader.u32()?);
            }
            PropertyId::CONTENT_TYPE => self.content_type = Some(reader.string()?),
            PropertyId::RESPONSE_TOPIC => {
                // [MQTT-3.3.2-13], [MQTT-3.3.2-14], and a topic is not empty [MQTT-4.7.3-1].
                let topic = match reader.topic_name() {
                    Ok("") | Err(DecodeError::WildcardInTopicName) => {
                        return Err(DecodeError::InvalidResponseTopic);
                    }
                    other => other?,
                };
                self.response_topic = Some(topic);
            }
            PropertyId::CORRELATION_DATA => self.correlation_data = Some(reader.binary()?),
            PropertyId::USER_PROPERTY => reader.user_property()?,
            _ => return Err(DecodeError::PropertyNotAllowed),
        }
        Ok(())
    }

    /// Reads the property block of a will; its delay interval comes back apart.
    pub(super) fn decode_will(block: &'a [u8]) -> Result<(Self, Option<u32>), DecodeError> {
        let mut properties = Self::default();
        let mut delay_interval = None;
        let mut whole = true;
        let mut reader = PropertyReader::new(block);
        while let Some(id) = reader.next_id()? {
            whole &= id.passes_through();
            if id == PropertyId::WILL_DELAY_INTERVAL {
                delay_interval = Some(reader.u32()?);
            } else {
                properties.read_message_property(id, &mut reader)?;
            }
        }
        properties.user_properties = reader.user_properties();
        properties.received = Some(ReceivedProperties { block, whole });
        Ok((properties, delay_interval))
    }

    /// Appends everything that is set to a property block.
    fn write(&self, block: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.write_message_properties(block)?;
        block.property_u16(
            PropertyId::TOPIC_ALIAS,
            self.topic_alias.map(NonZeroU16::get),
        );
        self.subscription_ids.write(block);
        Ok(())
    }

    /// Appends the properties that a will has too.
    pub(super) fn write_message_properties(
        &self,
        block: &mut Writer<'_>,
    ) -> Result<(), EncodeError> {
        block.property_u32(
            PropertyId::MESSAGE_EXPIRY_INTERVAL,
            self.message_expiry_interval,
        );
        self.write_fields_that_pass_through(block)
    }

    fn write_fields_that_pass_through(&self, block: &mut Writer<'_>) -> Result<(), EncodeError> {
        block.property_bool(
            PropertyId::PAYLOAD_FORMAT_INDICATOR,
            self.payload_format_utf8,
        );
        block.property_string(PropertyId::CONTENT_TYPE, self.content_type)?;
        block.property_string(PropertyId::RESPONSE_TOPIC, self.response_topic)?;
        block.property_binary(PropertyId::CORRELATION_DATA, self.correlation_data)?;
        self.user_properties.write(block);
        Ok(())
    }

    /// The received block itself, when every property in it reaches subscribers
    /// as it is.
    #[must_use]
    #[inline]
    pub const fn pass_through(&self) -> Option<&'a [u8]> {
        match self.received {
            Some(ReceivedProperties { block, whole: true }) => Some(block),
            Some(_) | None => None,
        }
    }

    /// Appends what reaches subscribers unaltered: payload format, response
    /// topic, correlation data, content type and user properties, as received
    /// and in the order of their publisher.
    ///
    /// Of properties put together by hand, nothing is written when a field
    /// cannot be (see [`EncodeError`]).
    pub fn write_pass_through(&self, out: &mut Vec<u8>) {
        match self.received {
            Some(ReceivedProperties { block, whole: true }) => out.extend_from_slice(block),
            Some(ReceivedProperties {
                block,
                whole: false,
            }) => {
                for property in RawProperties::new(block) {
                    if property.id.passes_through() {
                        out.extend_from_slice(property.bytes);
                    }
                }
            }
            None => {
                let before = out.len();
                if self
                    .write_fields_that_pass_through(&mut Writer::new(out))
                    .is_err()
                {
                    out.truncate(before);
                }
            }
        }
    }
}

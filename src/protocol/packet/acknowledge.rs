//! PUBACK, PUBREC, PUBREL and PUBCOMP: one shape, four meanings.
//!
//! HOT PATH: one or three of them for every message of QoS 1 or 2.
//! Owns nothing. Pure; lives on any core. Never knows which exchange it belongs
//! to: that is the session's.

use alloc::vec::Vec;

use crate::protocol::property::PropertyReader;
use crate::protocol::wire::{self, Reader, Writer};
use crate::protocol::{
    DecodeError, EncodeError, Frame, PacketId, PacketType, PropertyId, ProtocolVersion, ReasonCode,
    UserProperties,
};

/// Which of the four acknowledgements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AcknowledgeKind {
    /// The receiver has a QoS 1 message.
    PubAck,
    /// The receiver has a QoS 2 message.
    PubRec,
    /// The sender gives a QoS 2 message free.
    PubRel,
    /// A QoS 2 exchange is over.
    PubComp,
}

impl AcknowledgeKind {
    /// The packet type of this kind.
    #[must_use]
    #[inline]
    pub const fn packet_type(self) -> PacketType {
        match self {
            Self::PubAck => PacketType::PubAck,
            Self::PubRec => PacketType::PubRec,
            Self::PubRel => PacketType::PubRel,
            Self::PubComp => PacketType::PubComp,
        }
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledge<'a> {
    /// The exchange.
    pub packet_id: PacketId,
    /// How it went; success before MQTT 5.0.
    pub reason: ReasonCode,
    /// Empty before MQTT 5.0.
    pub properties: ReasonProperties<'a>,
}

/// The properties that go with a reason code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReasonProperties<'a> {
    /// Why, for people.
    pub reason_string: Option<&'a str>,
    /// Names and values that mean nothing to MQTT.
    pub user_properties: UserProperties<'a>,
}

impl<'a> Acknowledge<'a> {
    /// An acknowledgement that says no more than which exchange and how it went.
    #[must_use]
    #[inline]
    pub const fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
        let properties = ReasonProperties {
            reason_string: None,
            user_properties: UserProperties::EMPTY,
        };
        Self {
            packet_id,
            reason,
            properties,
        }
    }

    /// Reads any of the four.
    #[inline]
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeError> {
        let packet = frame.packet_type()?;
        if !matches!(
            packet,
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp
        ) {
            return Err(DecodeError::UnexpectedPacketType);
        }
        frame.expect(version, packet)?;
        let mut reader = Reader::new(frame.body);
        let mut acknowledge = Self::new(reader.packet_id()?, ReasonCode::Success);
        if version.has_properties() && !reader.is_empty() {
            // A reason of 0 may be left out, and so may the length of no properties.
            acknowledge.reason = ReasonCode::try_from(reader.u8()?)?;
            if !acknowledge.reason.is_legal_in(packet) {
                return Err(DecodeError::InvalidReasonCode);
            }
            if !reader.is_empty() {
                acknowledge.properties = ReasonProperties::decode(reader.property_block()?)?;
            }
        }
        reader.finish()?;
        Ok(acknowledge)
    }

    /// Appends the packet to `out`, which is as it was before when that fails.
    ///
    /// Before MQTT 5.0 there is no way to tell a failure: reason and properties
    /// are left out.
    #[inline]
    pub fn encode(
        &self,
        kind: AcknowledgeKind,
        version: ProtocolVersion,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let packet = kind.packet_type();
        let [high, low] = self.packet_id.get().to_be_bytes();
        if !version.has_properties() || *self == Self::new(self.packet_id, ReasonCode::Success) {
            out.extend_from_slice(&[packet.first_byte(), 2, high, low]);
            return Ok(());
        }
        if !self.reason.is_legal_in(packet) {
            return Err(EncodeError::InvalidReasonCode);
        }
        if self.properties.is_empty() {
            out.extend_from_slice(&[packet.first_byte(), 3, high, low, self.reason.as_u8()]);
            return Ok(());
        }
        wire::write_packet(out, packet.first_byte(), 0, |body| {
            body.packet_id(self.packet_id);
            body.u8(self.reason.as_u8());
            body.properties(|block| self.properties.write(block))
        })
    }
}

impl<'a> ReasonProperties<'a> {
    /// Whether there is nothing to write.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.reason_string.is_none() && self.user_properties.is_empty()
    }

    /// Reads a block that may hold these properties alone.
    pub(super) fn decode(block: &'a [u8]) -> Result<Self, DecodeError> {
        let mut properties = Self::default();
        let mut reader = PropertyReader::new(block);
        while let Some(id) = reader.next_id()? {
            properties.read(id, &mut reader)?;
        }
        properties.user_properties = reader.user_properties();
        Ok(properties)
    }

    /// Reads one of these properties and refuses others.
    pub(super) fn read(
        &mut self,
        id: PropertyId,
        reader: &mut PropertyReader<'a>,
    ) -> Result<(), DecodeError> {
        match id {
            PropertyId::REASON_STRING => self.reason_string = Some(reader.string()?),
            PropertyId::USER_PROPERTY => reader.user_property()?,
            _ => return Err(DecodeError::PropertyNotAllowed),
        }
        Ok(())
    }

    /// Appends them to a property block.
    pub(super) fn write(&self, block: &mut Writer<'_>) -> Result<(), EncodeError> {
        block.property_string(PropertyId::REASON_STRING, self.reason_string)?;
        self.user_properties.write(block);
        Ok(())
    }
}

//! UNSUBSCRIBE and UNSUBACK: a client ends subscriptions and is answered.
//!
//! Owns the list of filters of one packet, nothing else. Pure; lives on any core.
//! Never knows whether there was such a subscription.

use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::protocol::packet::subscribe::are_legal;
use crate::protocol::property::PropertyReader;
use crate::protocol::wire::{self, Reader, Writer};
use crate::protocol::{
    DecodeError, EncodeError, Frame, PacketId, PacketType, PropertyId, ProtocolVersion, ReasonCode,
    ReasonProperties, TopicFilter, UserProperties,
};

/// UNSUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsubscribe<'a> {
    /// What UNSUBACK refers to.
    pub packet_id: PacketId,
    /// Names and values that mean nothing to MQTT.
    pub user_properties: UserProperties<'a>,
    /// At least one [MQTT-3.10.3-2].
    pub filters: SmallVec<[TopicFilter<'a>; 4]>,
}

impl<'a> Unsubscribe<'a> {
    /// Reads an UNSUBSCRIBE.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeError> {
        frame.expect(version, PacketType::Unsubscribe)?;
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        let user_properties = if version.has_properties() {
            read_user_properties(reader.property_block()?)?
        } else {
            UserProperties::EMPTY
        };
        let filters = filters(reader.rest()).collect::<Result<SmallVec<_>, _>>()?;
        // [MQTT-3.10.3-2]
        if filters.is_empty() {
            return Err(DecodeError::NoTopicFilter);
        }
        Ok(Self {
            packet_id,
            user_properties,
            filters,
        })
    }

    /// Reads the filters at the end of the body of an UNSUBSCRIBE of which everything
    /// before `from` is known already, one by one; each takes two bytes and its own.
    pub fn filters_from(
        body: &'a [u8],
        from: usize,
    ) -> impl Iterator<Item = Result<TopicFilter<'a>, DecodeError>> + use<'a> {
        filters(body.get(from..).unwrap_or_default())
    }

    /// Appends the packet to `out`, which is as it was before when that fails.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::NoTopicFilter);
        }
        wire::write_packet(out, PacketType::Unsubscribe.first_byte(), 0, |body| {
            body.packet_id(self.packet_id);
            if version.has_properties() {
                body.properties(|block| {
                    self.user_properties.write(block);
                    Ok(())
                })?;
            }
            self.filters
                .iter()
                .try_for_each(|&filter| write_filter(body, filter))
        })
    }
}

/// Filters one after the other, as far as they go.
fn filters(bytes: &[u8]) -> impl Iterator<Item = Result<TopicFilter<'_>, DecodeError>> {
    let mut reader = Reader::new(bytes);
    core::iter::from_fn(move || {
        (!reader.is_empty()).then(|| Ok(TopicFilter::parse(reader.string()?)?))
    })
}

fn read_user_properties(block: &[u8]) -> Result<UserProperties<'_>, DecodeError> {
    let mut reader = PropertyReader::new(block);
    while let Some(id) = reader.next_id()? {
        match id {
            PropertyId::USER_PROPERTY => reader.user_property()?,
            _ => return Err(DecodeError::PropertyNotAllowed),
        }
    }
    Ok(reader.user_properties())
}

/// Appends a topic filter.
pub(super) fn write_filter(
    body: &mut Writer<'_>,
    filter: TopicFilter<'_>,
) -> Result<(), EncodeError> {
    body.string(filter.as_str())
}

/// UNSUBACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnsubAck<'a> {
    /// The UNSUBSCRIBE that is answered.
    pub packet_id: PacketId,
    /// Empty before MQTT 5.0.
    pub properties: ReasonProperties<'a>,
    /// One reason code per filter, in their order [MQTT-3.11.3-1]; none before
    /// MQTT 5.0, where it cannot fail.
    pub reasons: &'a [u8],
}

impl<'a> UnsubAck<'a> {
    /// Reads an UNSUBACK.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeError> {
        frame.expect(version, PacketType::UnsubAck)?;
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        if !version.has_properties() {
            reader.finish()?;
            return Ok(Self {
                packet_id,
                properties: ReasonProperties::default(),
                reasons: &[],
            });
        }
        let properties = ReasonProperties::decode(reader.property_block()?)?;
        let reasons = reader.rest();
        if reasons.is_empty() {
            return Err(DecodeError::NoTopicFilter);
        }
        if !are_legal(reasons, PacketType::UnsubAck) {
            return Err(DecodeError::InvalidReasonCode);
        }
        Ok(Self {
            packet_id,
            properties,
            reasons,
        })
    }

    /// Appends the packet to `out`, which is as it was before when that fails.
    /// Before MQTT 5.0 the reason codes are left out.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if version.has_properties() {
            if self.reasons.is_empty() {
                return Err(EncodeError::NoTopicFilter);
            }
            if !are_legal(self.reasons, PacketType::UnsubAck) {
                return Err(EncodeError::InvalidReasonCode);
            }
        }
        wire::write_packet(out, PacketType::UnsubAck.first_byte(), 0, |body| {
            body.packet_id(self.packet_id);
            if version.has_properties() {
                body.properties(|block| self.properties.write(block))?;
                body.raw(self.reasons);
            }
            Ok(())
        })
    }

    /// The reason codes one by one.
    pub fn reasons(&self) -> impl Iterator<Item = ReasonCode> + 'a {
        self.reasons
            .iter()
            .filter_map(|&code| ReasonCode::try_from(code).ok())
    }
}

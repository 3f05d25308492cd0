//! SUBSCRIBE and SUBACK: a client asks for subscriptions and is answered.
//!
//! Owns the list of requests of one packet, nothing else. Pure; lives on any
//! core. Never grants anything: whether a filter is welcome is the session's and
//! the operator's business.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use smallvec::SmallVec;

use crate::protocol::packet::unsubscribe::write_filter;
use crate::protocol::property::PropertyReader;
use crate::protocol::wire::{self, Reader};
use crate::protocol::{
    DecodeError, EncodeError, Frame, PacketId, PacketType, PropertyId, ProtocolVersion, QoS,
    ReasonCode, ReasonProperties, TopicFilter, UserProperties,
};

/// The bits of the subscription options.
mod option {
    pub(super) const QOS: u8 = 0x03;
    pub(super) const NO_LOCAL: u8 = 0x04;
    pub(super) const RETAIN_AS_PUBLISHED: u8 = 0x08;
    pub(super) const RETAIN_HANDLING: u8 = 0x30;
    pub(super) const RETAIN_HANDLING_SHIFT: u32 = 4;
    pub(super) const RESERVED: u8 = 0xC0;
}

/// SUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscribe<'a> {
    /// What SUBACK refers to.
    pub packet_id: PacketId,
    /// The number of all these subscriptions; none before MQTT 5.0.
    pub subscription_id: Option<NonZeroU32>,
    /// Names and values that mean nothing to MQTT.
    pub user_properties: UserProperties<'a>,
    /// At least one [MQTT-3.8.3-2].
    pub filters: SmallVec<[SubscriptionRequest<'a>; 4]>,
}

/// One subscription that a client asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SubscriptionRequest<'a> {
    /// Which topics.
    pub filter: TopicFilter<'a>,
    /// How.
    pub options: SubscriptionOptions,
}

/// How a subscription is to be served.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SubscriptionOptions {
    /// The highest QoS that the subscriber wants.
    pub qos: QoS,
    /// Not what the subscriber itself publishes.
    pub no_local: bool,
    /// Keep the RETAIN flag as it was published.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
}

/// When a subscription brings retained messages.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum RetainHandling {
    /// Whenever it is subscribed to.
    #[default]
    SendAtSubscribe = 0,
    /// Only when there was no such subscription yet.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

impl SubscriptionOptions {
    /// Options that ask for a QoS and nothing else, as all of 3.x do.
    #[must_use]
    pub const fn with_qos(qos: QoS) -> Self {
        Self {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        }
    }

    /// The options as MQTT 5.0 writes them.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        let no_local = if self.no_local { option::NO_LOCAL } else { 0 };
        let retain_as_published = if self.retain_as_published {
            option::RETAIN_AS_PUBLISHED
        } else {
            0
        };
        let retain_handling = (self.retain_handling as u8) << option::RETAIN_HANDLING_SHIFT;
        self.qos as u8 | no_local | retain_as_published | retain_handling
    }

    /// The options that MQTT 5.0 writes as `byte`.
    pub fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        // [MQTT-3.8.3-5]
        if byte & option::RESERVED != 0 {
            return Err(DecodeError::ReservedSubscriptionOptions);
        }
        let retain_handling =
            match (byte & option::RETAIN_HANDLING) >> option::RETAIN_HANDLING_SHIFT {
                0 => RetainHandling::SendAtSubscribe,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(DecodeError::InvalidRetainHandling),
            };
        Ok(Self {
            qos: QoS::try_from(byte & option::QOS)?,
            no_local: byte & option::NO_LOCAL != 0,
            retain_as_published: byte & option::RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        })
    }

    /// The options in a SUBSCRIBE of any version.
    fn decode(version: ProtocolVersion, byte: u8) -> Result<Self, DecodeError> {
        match version {
            ProtocolVersion::V5 => Self::from_byte(byte),
            // [MQTT-3.8.3-4] of 3.1.1
            ProtocolVersion::V3_1_1 if byte & !option::QOS != 0 => {
                Err(DecodeError::ReservedSubscriptionOptions)
            }
            // MQTT 3.1 does not use the other bits, and does not check them.
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => {
                QoS::try_from(byte & option::QOS).map(Self::with_qos)
            }
        }
    }
}

impl<'a> Subscribe<'a> {
    /// Reads a SUBSCRIBE.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeError> {
        frame.expect(version, PacketType::Subscribe)?;
        let mut reader = Reader::new(frame.body);
        let mut subscribe = Self {
            packet_id: reader.packet_id()?,
            subscription_id: None,
            user_properties: UserProperties::EMPTY,
            filters: SmallVec::new(),
        };
        if version.has_properties() {
            subscribe.read_properties(reader.property_block()?)?;
        }
        for request in requests(version, reader.rest()) {
            subscribe.filters.push(request?);
        }
        // [MQTT-3.8.3-2]
        if subscribe.filters.is_empty() {
            return Err(DecodeError::NoTopicFilter);
        }
        Ok(subscribe)
    }

    /// Reads the requests at the end of the body of a SUBSCRIBE of which everything
    /// before `from` is known already, one by one; each takes
    /// [`SubscriptionRequest::encoded_len`] bytes.
    pub fn requests_from(
        version: ProtocolVersion,
        body: &'a [u8],
        from: usize,
    ) -> impl Iterator<Item = Result<SubscriptionRequest<'a>, DecodeError>> + use<'a> {
        requests(version, body.get(from..).unwrap_or_default())
    }

    fn read_properties(&mut self, block: &'a [u8]) -> Result<(), DecodeError> {
        let mut reader = PropertyReader::new(block);
        while let Some(id) = reader.next_id()? {
            match id {
                PropertyId::SUBSCRIPTION_IDENTIFIER => {
                    let id = reader.subscription_id()?;
                    if self.subscription_id.replace(id).is_some() {
                        return Err(DecodeError::DuplicateProperty);
                    }
                }
                PropertyId::USER_PROPERTY => reader.user_property()?,
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        self.user_properties = reader.user_properties();
        Ok(())
    }

    /// Appends the packet to `out`, which is as it was before when that fails.
    /// Before MQTT 5.0 of the options only the QoS is written.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::NoTopicFilter);
        }
        wire::write_packet(out, PacketType::Subscribe.first_byte(), 0, |body| {
            body.packet_id(self.packet_id);
            if version.has_properties() {
                body.properties(|block| {
                    if let Some(id) = self.subscription_id {
                        block.u8(PropertyId::SUBSCRIPTION_IDENTIFIER.get());
                        block.varint(id.get())?;
                    }
                    self.user_properties.write(block);
                    Ok(())
                })?;
            }
            for request in &self.filters {
                write_filter(body, request.filter)?;
                body.u8(if version.has_properties() {
                    request.options.to_byte()
                } else {
                    u8::from(request.options.qos)
                });
            }
            Ok(())
        })
    }
}

impl SubscriptionRequest<'_> {
    /// Bytes that it takes in a packet.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        size_of::<u16>() + self.filter.as_str().len() + size_of::<u8>()
    }
}

/// Requests one after the other, as far as they go.
fn requests(
    version: ProtocolVersion,
    bytes: &[u8],
) -> impl Iterator<Item = Result<SubscriptionRequest<'_>, DecodeError>> {
    let mut reader = Reader::new(bytes);
    core::iter::from_fn(move || (!reader.is_empty()).then(|| request(version, &mut reader)))
}

fn request<'a>(
    version: ProtocolVersion,
    reader: &mut Reader<'a>,
) -> Result<SubscriptionRequest<'a>, DecodeError> {
    let filter = TopicFilter::parse(reader.string()?)?;
    let options = SubscriptionOptions::decode(version, reader.u8()?)?;
    // [MQTT-3.8.3-4]
    if options.no_local && filter.share().is_some() {
        return Err(DecodeError::NoLocalOnSharedSubscription);
    }
    Ok(SubscriptionRequest { filter, options })
}

/// SUBACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubAck<'a> {
    /// The SUBSCRIBE that is answered.
    pub packet_id: PacketId,
    /// Empty before MQTT 5.0.
    pub properties: ReasonProperties<'a>,
    /// One reason code per filter, in their order [MQTT-3.9.3-1]: the granted QoS
    /// or an error.
    pub reasons: &'a [u8],
}

/// The failure of MQTT 3.1.1; 3.1 has none, and its clients are told the same.
const FAILURE_BEFORE_V5: u8 = 0x80;

impl<'a> SubAck<'a> {
    /// Reads a SUBACK.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeError> {
        frame.expect(version, PacketType::SubAck)?;
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        let properties = if version.has_properties() {
            ReasonProperties::decode(reader.property_block()?)?
        } else {
            ReasonProperties::default()
        };
        let reasons = reader.rest();
        if reasons.is_empty() {
            return Err(DecodeError::NoTopicFilter);
        }
        let legal = if version.has_properties() {
            are_legal(reasons, PacketType::SubAck)
        } else {
            reasons
                .iter()
                .all(|code| matches!(code, 0..=2 | &FAILURE_BEFORE_V5))
        };
        if !legal {
            return Err(DecodeError::InvalidReasonCode);
        }
        Ok(Self {
            packet_id,
            properties,
            reasons,
        })
    }

    /// Appends the packet to `out`, which is as it was before when that fails.
    /// Before MQTT 5.0 every error is 0x80.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.reasons.is_empty() {
            return Err(EncodeError::NoTopicFilter);
        }
        if !are_legal(self.reasons, PacketType::SubAck) {
            return Err(EncodeError::InvalidReasonCode);
        }
        wire::write_packet(out, PacketType::SubAck.first_byte(), 0, |body| {
            body.packet_id(self.packet_id);
            if version.has_properties() {
                body.properties(|block| self.properties.write(block))?;
                body.raw(self.reasons);
            } else {
                for &code in self.reasons {
                    body.u8(code.min(FAILURE_BEFORE_V5));
                }
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

/// Whether MQTT 5.0 allows all these codes in the packet.
pub(super) fn are_legal(reasons: &[u8], packet: PacketType) -> bool {
    reasons
        .iter()
        .all(|&code| ReasonCode::try_from(code).is_ok_and(|reason| reason.is_legal_in(packet)))
}

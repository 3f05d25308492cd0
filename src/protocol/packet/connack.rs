//! CONNACK: the server answers CONNECT.
//!
//! Owns nothing. Pure; lives on any core. Here alone reason codes meet the six
//! return codes of 3.x.

use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use crate::protocol::property::PropertyReader;
use crate::protocol::wire::{self, Reader, Writer};
use crate::protocol::{
    DecodeError, EncodeError, Frame, PacketType, PropertyId, ProtocolVersion, QoS, ReasonCode,
    UserProperties,
};

/// CONNACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConnAck<'a> {
    /// The server had a session and goes on with it; never with a refusal, and
    /// not told in MQTT 3.1.
    pub session_present: bool,
    /// Accepted, or why not.
    pub reason: ReasonCode,
    /// Empty before MQTT 5.0.
    pub properties: ConnAckProperties<'a>,
}

/// The properties of CONNACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConnAckProperties<'a> {
    /// Seconds that the session outlives its connection, where the server does
    /// not do as the client asked.
    pub session_expiry_interval: Option<u32>,
    /// How many QoS 1 and 2 messages the server takes at once.
    pub receive_maximum: Option<NonZeroU16>,
    /// The highest QoS that the server takes: 0 or 1, as absence means 2.
    pub maximum_qos: Option<QoS>,
    /// Whether the server keeps retained messages.
    pub retain_available: Option<bool>,
    /// The largest packet that the server takes.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// The client identifier that the server chose.
    pub assigned_client_identifier: Option<&'a str>,
    /// The highest alias that the server takes.
    pub topic_alias_maximum: Option<u16>,
    /// Why, for people.
    pub reason_string: Option<&'a str>,
    /// Names and values that mean nothing to MQTT.
    pub user_properties: UserProperties<'a>,
    /// Whether filters may have wildcards.
    pub wildcard_subscription_available: Option<bool>,
    /// Whether subscriptions may be numbered.
    pub subscription_identifiers_available: Option<bool>,
    /// Whether subscriptions may be shared.
    pub shared_subscription_available: Option<bool>,
    /// The keep alive that the server chose.
    pub server_keep_alive: Option<u16>,
    /// Where answers may go.
    pub response_information: Option<&'a str>,
    /// Another server.
    pub server_reference: Option<&'a str>,
    /// How the client authenticates beyond a password.
    pub authentication_method: Option<&'a str>,
    /// What that method says.
    pub authentication_data: Option<&'a [u8]>,
}

/// The flag that tells of a session.
const SESSION_PRESENT: u8 = 0x01;

impl<'a> ConnAck<'a> {
    /// A refusal that says no more than why.
    #[must_use]
    pub fn refusal(reason: ReasonCode) -> Self {
        Self {
            reason,
            ..Self::default()
        }
    }

    /// Reads a CONNACK.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeError> {
        frame.expect(version, PacketType::ConnAck)?;
        let mut reader = Reader::new(frame.body);
        let flags = match version {
            // The byte means nothing there.
            ProtocolVersion::V3_1 => reader.u8().map(|_| 0)?,
            ProtocolVersion::V3_1_1 | ProtocolVersion::V5 => reader.u8()?,
        };
        // [MQTT-3.2.2-1]
        if flags & !SESSION_PRESENT != 0 {
            return Err(DecodeError::ReservedConnectFlag);
        }
        let session_present = flags & SESSION_PRESENT != 0;
        let code = reader.u8()?;
        let reason = if version.has_properties() {
            ReasonCode::try_from(code)?
        } else {
            reason_of_return_code(code)?
        };
        if !reason.is_legal_in(PacketType::ConnAck) {
            return Err(DecodeError::InvalidReasonCode);
        }
        // [MQTT-3.2.2-6]
        if session_present && reason != ReasonCode::Success {
            return Err(DecodeError::SessionPresentWithRefusal);
        }
        let properties = if version.has_properties() {
            ConnAckProperties::decode(reader.property_block()?)?
        } else {
            ConnAckProperties::default()
        };
        reader.finish()?;
        Ok(Self {
            session_present,
            reason,
            properties,
        })
    }

    /// Appends the packet to `out`, which is as it was before when that fails.
    ///
    /// A refusal never tells of a session [MQTT-3.2.2-6]. Before MQTT 5.0 the
    /// reason becomes the return code that is nearest to it.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !self.reason.is_legal_in(PacketType::ConnAck) && version.has_properties() {
            return Err(EncodeError::InvalidReasonCode);
        }
        let tells_session = version != ProtocolVersion::V3_1 && self.reason == ReasonCode::Success;
        wire::write_packet(out, PacketType::ConnAck.first_byte(), 0, |body| {
            body.u8(u8::from(self.session_present && tells_session));
            if version.has_properties() {
                body.u8(self.reason.as_u8());
                body.properties(|block| self.properties.write(block))
            } else {
                body.u8(return_code_of_reason(self.reason));
                Ok(())
            }
        })
    }
}

/// The reason that stands for a return code of 3.x.
fn reason_of_return_code(code: u8) -> Result<ReasonCode, DecodeError> {
    Ok(match code {
        0 => ReasonCode::Success,
        1 => ReasonCode::UnsupportedProtocolVersion,
        2 => ReasonCode::ClientIdentifierNotValid,
        3 => ReasonCode::ServerUnavailable,
        4 => ReasonCode::BadUserNameOrPassword,
        5 => ReasonCode::NotAuthorized,
        _ => return Err(DecodeError::InvalidReasonCode),
    })
}

/// The return code of 3.x that is nearest to a reason. What has no code of its
/// own is "server unavailable", the one that invites to try again elsewhere.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever is no other code is code 3"
)]
const fn return_code_of_reason(reason: ReasonCode) -> u8 {
    match reason {
        reason if !reason.is_error() => 0,
        ReasonCode::UnsupportedProtocolVersion => 1,
        ReasonCode::ClientIdentifierNotValid => 2,
        ReasonCode::BadUserNameOrPassword | ReasonCode::BadAuthenticationMethod => 4,
        ReasonCode::NotAuthorized | ReasonCode::Banned => 5,
        _ => 3,
    }
}

impl<'a> ConnAckProperties<'a> {
    fn decode(block: &'a [u8]) -> Result<Self, DecodeError> {
        let mut properties = Self::default();
        let mut reader = PropertyReader::new(block);
        while let Some(id) = reader.next_id()? {
            match id {
                PropertyId::ASSIGNED_CLIENT_IDENTIFIER => {
                    properties.assigned_client_identifier = Some(reader.string()?);
                }
                PropertyId::REASON_STRING => properties.reason_string = Some(reader.string()?),
                PropertyId::USER_PROPERTY => reader.user_property()?,
                PropertyId::RESPONSE_INFORMATION => {
                    properties.response_information = Some(reader.string()?);
                }
                PropertyId::SERVER_REFERENCE => {
                    properties.server_reference = Some(reader.string()?);
                }
                PropertyId::AUTHENTICATION_METHOD => {
                    properties.authentication_method = Some(reader.string()?);
                }
                PropertyId::AUTHENTICATION_DATA => {
                    properties.authentication_data = Some(reader.binary()?);
                }
                _ => properties.read_number(id, &mut reader)?,
            }
        }
        if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
            return Err(DecodeError::MissingAuthenticationMethod);
        }
        properties.user_properties = reader.user_properties();
        Ok(properties)
    }

    /// Reads one of the properties that say what the server can do.
    fn read_number(
        &mut self,
        id: PropertyId,
        reader: &mut PropertyReader<'a>,
    ) -> Result<(), DecodeError> {
        match id {
            PropertyId::SESSION_EXPIRY_INTERVAL => {
                self.session_expiry_interval = Some(reader.u32()?);
            }
            PropertyId::RECEIVE_MAXIMUM => self.receive_maximum = Some(reader.non_zero_u16()?),
            PropertyId::MAXIMUM_QOS => {
                self.maximum_qos = Some(match reader.u8()? {
                    0 => QoS::AtMostOnce,
                    1 => QoS::AtLeastOnce,
                    _ => return Err(DecodeError::InvalidPropertyValue),
                });
            }
            PropertyId::RETAIN_AVAILABLE => self.retain_available = Some(reader.bool()?),
            PropertyId::MAXIMUM_PACKET_SIZE => {
                self.maximum_packet_size = Some(reader.non_zero_u32()?);
            }
            PropertyId::TOPIC_ALIAS_MAXIMUM => self.topic_alias_maximum = Some(reader.u16()?),
            PropertyId::WILDCARD_SUBSCRIPTION_AVAILABLE => {
                self.wildcard_subscription_available = Some(reader.bool()?);
            }
            PropertyId::SUBSCRIPTION_IDENTIFIERS_AVAILABLE => {
                self.subscription_identifiers_available = Some(reader.bool()?);
            }
            PropertyId::SHARED_SUBSCRIPTION_AVAILABLE => {
                self.shared_subscription_available = Some(reader.bool()?);
            }
            PropertyId::SERVER_KEEP_ALIVE => self.server_keep_alive = Some(reader.u16()?),
            _ => return Err(DecodeError::PropertyNotAllowed),
        }
        Ok(())
    }

    fn write(&self, block: &mut Writer<'_>) -> Result<(), EncodeError> {
        if self.authentication_data.is_some() && self.authentication_method.is_none() {
            return Err(EncodeError::MissingAuthenticationMethod);
        }
        block.property_u32(
            PropertyId::SESSION_EXPIRY_INTERVAL,
            self.session_expiry_interval,
        );
        block.property_u16(
            PropertyId::RECEIVE_MAXIMUM,
            self.receive_maximum.map(NonZeroU16::get),
        );
        // 2 may not be written: absence means it.
        let maximum_qos = self.maximum_qos.filter(|&qos| qos != QoS::ExactlyOnce);
        block.property_u8(PropertyId::MAXIMUM_QOS, maximum_qos.map(u8::from));
        block.property_bool(PropertyId::RETAIN_AVAILABLE, self.retain_available);
        let maximum_packet_size = self.maximum_packet_size.map(NonZeroU32::get);
        block.property_u32(PropertyId::MAXIMUM_PACKET_SIZE, maximum_packet_size);
        let assigned = self.assigned_client_identifier;
        block.property_string(PropertyId::ASSIGNED_CLIENT_IDENTIFIER, assigned)?;
        block.property_u16(PropertyId::TOPIC_ALIAS_MAXIMUM, self.topic_alias_maximum);
        block.property_bool(
            PropertyId::WILDCARD_SUBSCRIPTION_AVAILABLE,
            self.wildcard_subscription_available,
        );
        block.property_bool(
            PropertyId::SUBSCRIPTION_IDENTIFIERS_AVAILABLE,
            self.subscription_identifiers_available,
        );
        block.property_bool(
            PropertyId::SHARED_SUBSCRIPTION_AVAILABLE,
            self.shared_subscription_available,
        );
        block.property_u16(PropertyId::SERVER_KEEP_ALIVE, self.server_keep_alive);
        block.property_string(PropertyId::RESPONSE_INFORMATION, self.response_information)?;
        block.property_string(PropertyId::SERVER_REFERENCE, self.server_reference)?;
        block.property_string(
            PropertyId::AUTHENTICATION_METHOD,
            self.authentication_method,
        )?;
        block.property_binary(PropertyId::AUTHENTICATION_DATA, self.authentication_data)?;
        block.property_string(PropertyId::REASON_STRING, self.reason_string)?;
        self.user_properties.write(block);
        Ok(())
    }
}

//! CONNECT: a client asks to be connected, and says in which version.
//!
//! Owns nothing. Pure; lives on any core. Never decides about a client: an empty
//! client identifier, an unknown authentication method or a wrong password is
//! decoded like any other and judged by the session.

use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use crate::protocol::property::PropertyReader;
use crate::protocol::wire::{self, Reader, Writer};
use crate::protocol::{
    DecodeError, EncodeError, Frame, PacketType, PropertyId, ProtocolVersion, PublishProperties,
    QoS, UserProperties,
};

/// The bits of the connect flags.
mod flag {
    pub(super) const RESERVED: u8 = 0x01;
    pub(super) const CLEAN_START: u8 = 0x02;
    pub(super) const WILL: u8 = 0x04;
    pub(super) const WILL_QOS: u8 = 0x18;
    pub(super) const WILL_QOS_SHIFT: u32 = 3;
    pub(super) const WILL_RETAIN: u8 = 0x20;
    pub(super) const PASSWORD: u8 = 0x40;
    pub(super) const USER_NAME: u8 = 0x80;
}

/// CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connect<'a> {
    /// The version of this packet and of the connection that it opens.
    pub version: ProtocolVersion,
    /// Forget an earlier session; called clean session before MQTT 5.0.
    pub clean_start: bool,
    /// Seconds of silence that the client keeps below; 0 for no limit.
    pub keep_alive: u16,
    /// Empty before MQTT 5.0.
    pub properties: ConnectProperties<'a>,
    /// May be empty.
    pub client_id: &'a str,
    /// What to publish when the client is lost.
    pub will: Option<Will<'a>>,
    /// Who the client says it is.
    pub username: Option<&'a str>,
    /// What proves it. Before MQTT 5.0 only with a user name.
    pub password: Option<&'a [u8]>,
}

/// The properties of CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConnectProperties<'a> {
    /// Seconds that the session outlives its connection.
    pub session_expiry_interval: Option<u32>,
    /// How many QoS 1 and 2 messages the client takes at once.
    pub receive_maximum: Option<NonZeroU16>,
    /// The largest packet that the client takes.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// The highest alias that the client takes.
    pub topic_alias_maximum: Option<u16>,
    /// The client asks where answers may go.
    pub request_response_information: Option<bool>,
    /// The client wants to know why.
    pub request_problem_information: Option<bool>,
    /// Names and values that mean nothing to MQTT.
    pub user_properties: UserProperties<'a>,
    /// How the client authenticates beyond a password.
    pub authentication_method: Option<&'a str>,
    /// What that method says; only with a method.
    pub authentication_data: Option<&'a [u8]>,
}

/// What to publish when the client is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Will<'a> {
    /// How hard it is tried.
    pub qos: QoS,
    /// To be kept.
    pub retain: bool,
    /// A topic name, never empty.
    pub topic: &'a str,
    /// The application's bytes.
    pub payload: &'a [u8],
    /// Seconds between the loss of the connection and the will.
    pub delay_interval: Option<u32>,
    /// What a PUBLISH has too: never an alias or subscription identifiers.
    pub properties: PublishProperties<'a>,
}

impl<'a> Connect<'a> {
    /// Only the version, so that even a CONNECT that is broken further on can be
    /// answered in the version that it names.
    pub fn decode_version(frame: Frame<'a>) -> Result<ProtocolVersion, DecodeError> {
        frame.expect(ProtocolVersion::V5, PacketType::Connect)?;
        read_version(&mut Reader::new(frame.body))
    }

    /// Reads a CONNECT of any version.
    pub fn decode(frame: Frame<'a>) -> Result<Self, DecodeError> {
        frame.expect(ProtocolVersion::V5, PacketType::Connect)?;
        let mut reader = Reader::new(frame.body);
        let version = read_version(&mut reader)?;
        let flags = reader.u8()?;
        check_flags(version, flags)?;
        let keep_alive = reader.u16()?;
        let properties = if version.has_properties() {
            ConnectProperties::decode(reader.property_block()?)?
        } else {
            ConnectProperties::default()
        };
        // [MQTT-3.1.3-1]: the order of the payload.
        let client_id = reader.string()?;
        let will = if flags & flag::WILL != 0 {
            Some(Will::decode(version, flags, &mut reader)?)
        } else {
            None
        };
        // In 3.1 a user name or password may be missing despite its flag.
        let absent = |reader: &Reader<'_>| version == ProtocolVersion::V3_1 && reader.is_empty();
        let username = if flags & flag::USER_NAME != 0 && !absent(&reader) {
            Some(reader.string()?)
        } else {
            None
        };
        let password = if flags & flag::PASSWORD != 0 && !absent(&reader) {
            Some(reader.binary()?)
        } else {
            None
        };
        reader.finish()?;
        let clean_start = flags & flag::CLEAN_START != 0;
        Ok(Self {
            version,
            clean_start,
            keep_alive,
            properties,
            client_id,
            will,
            username,
            password,
        })
    }

    /// Appends the packet, in the version that it names, to `out`, which is as it
    /// was before when that fails.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let v5 = self.version.has_properties();
        // [MQTT-3.1.2-22] of 3.1.1.
        if !v5 && self.password.is_some() && self.username.is_none() {
            return Err(EncodeError::PasswordWithoutUserName);
        }
        wire::write_packet(out, PacketType::Connect.first_byte(), 0, |body| {
            body.string(self.version.name())?;
            body.u8(self.version.level());
            body.u8(self.flags());
            body.u16(self.keep_alive);
            if v5 {
                body.properties(|block| self.properties.write(block))?;
            }
            body.string(self.client_id)?;
            if let Some(will) = &self.will {
                will.write(v5, body)?;
            }
            if let Some(username) = self.username {
                body.string(username)?;
            }
            if let Some(password) = self.password {
                body.binary(password)?;
            }
            Ok(())
        })
    }

    fn flags(&self) -> u8 {
        let set = |condition: bool, flag: u8| if condition { flag } else { 0 };
        let will = self.will.map_or(0, |will| {
            flag::WILL
                | u8::from(will.qos) << flag::WILL_QOS_SHIFT
                | set(will.retain, flag::WILL_RETAIN)
        });
        will | set(self.clean_start, flag::CLEAN_START)
            | set(self.username.is_some(), flag::USER_NAME)
            | set(self.password.is_some(), flag::PASSWORD)
    }
}

/// Reads protocol name and level [MQTT-3.1.2-1], [MQTT-3.1.2-2].
fn read_version(reader: &mut Reader<'_>) -> Result<ProtocolVersion, DecodeError> {
    let name = reader.binary()?;
    let level = reader.u8()?;
    [
        ProtocolVersion::V5,
        ProtocolVersion::V3_1_1,
        ProtocolVersion::V3_1,
    ]
    .into_iter()
    .find(|version| version.name().as_bytes() == name && version.level() == level)
    .ok_or(DecodeError::UnsupportedProtocol)
}

/// Refuses connect flags that contradict each other. MQTT 3.1 has the reserved
/// one and those of an absent will disregarded.
fn check_flags(version: ProtocolVersion, flags: u8) -> Result<(), DecodeError> {
    if version != ProtocolVersion::V3_1 {
        // [MQTT-3.1.2-3]
        if flags & flag::RESERVED != 0 {
            return Err(DecodeError::ReservedConnectFlag);
        }
        // [MQTT-3.1.2-11], [MQTT-3.1.2-13]
        if flags & flag::WILL == 0 && flags & (flag::WILL_QOS | flag::WILL_RETAIN) != 0 {
            return Err(DecodeError::WillFlagsWithoutWill);
        }
    }
    // [MQTT-3.1.2-22] of 3.1.1; MQTT 5.0 allows it.
    if !version.has_properties() && flags & flag::PASSWORD != 0 && flags & flag::USER_NAME == 0 {
        return Err(DecodeError::PasswordWithoutUserName);
    }
    Ok(())
}

impl<'a> ConnectProperties<'a> {
    fn decode(block: &'a [u8]) -> Result<Self, DecodeError> {
        let mut properties = Self::default();
        let mut reader = PropertyReader::new(block);
        while let Some(id) = reader.next_id()? {
            match id {
                PropertyId::SESSION_EXPIRY_INTERVAL => {
                    properties.session_expiry_interval = Some(reader.u32()?);
                }
                PropertyId::RECEIVE_MAXIMUM => {
                    properties.receive_maximum = Some(reader.non_zero_u16()?);
                }
                PropertyId::MAXIMUM_PACKET_SIZE => {
                    properties.maximum_packet_size = Some(reader.non_zero_u32()?);
                }
                PropertyId::TOPIC_ALIAS_MAXIMUM => {
                    properties.topic_alias_maximum = Some(reader.u16()?);
                }
                PropertyId::REQUEST_RESPONSE_INFORMATION => {
                    properties.request_response_information = Some(reader.bool()?);
                }
                PropertyId::REQUEST_PROBLEM_INFORMATION => {
                    properties.request_problem_information = Some(reader.bool()?);
                }
                PropertyId::USER_PROPERTY => reader.user_property()?,
                PropertyId::AUTHENTICATION_METHOD => {
                    properties.authentication_method = Some(reader.string()?);
                }
                PropertyId::AUTHENTICATION_DATA => {
                    properties.authentication_data = Some(reader.binary()?);
                }
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
            return Err(DecodeError::MissingAuthenticationMethod);
        }
        properties.user_properties = reader.user_properties();
        Ok(properties)
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
        let maximum_packet_size = self.maximum_packet_size.map(NonZeroU32::get);
        block.property_u32(PropertyId::MAXIMUM_PACKET_SIZE, maximum_packet_size);
        block.property_u16(PropertyId::TOPIC_ALIAS_MAXIMUM, self.topic_alias_maximum);
        block.property_bool(
            PropertyId::REQUEST_RESPONSE_INFORMATION,
            self.request_response_information,
        );
        block.property_bool(
            PropertyId::REQUEST_PROBLEM_INFORMATION,
            self.request_problem_information,
        );
        block.property_string(
            PropertyId::AUTHENTICATION_METHOD,
            self.authentication_method,
        )?;
        block.property_binary(PropertyId::AUTHENTICATION_DATA, self.authentication_data)?;
        self.user_properties.write(block);
        Ok(())
    }
}

impl<'a> Will<'a> {
    fn decode(
        version: ProtocolVersion,
        flags: u8,
        reader: &mut Reader<'a>,
    ) -> Result<Self, DecodeError> {
        // [MQTT-3.1.2-12]
        let qos = QoS::try_from((flags & flag::WILL_QOS) >> flag::WILL_QOS_SHIFT)?;
        let retain = flags & flag::WILL_RETAIN != 0;
        let block = if version.has_properties() {
            reader.property_block()?
        } else {
            &[]
        };
        let (properties, delay_interval) = PublishProperties::decode_will(block)?;
        // [MQTT-3.1.3-11]
        let topic = reader.topic_name()?;
        if topic.is_empty() {
            return Err(DecodeError::MissingWillTopic);
        }
        let payload = reader.binary()?;
        Ok(Self {
            qos,
            retain,
            topic,
            payload,
            delay_interval,
            properties,
        })
    }

    fn write(&self, v5: bool, body: &mut Writer<'_>) -> Result<(), EncodeError> {
        if self.topic.is_empty() {
            return Err(EncodeError::MissingTopicName);
        }
        if v5 {
            body.properties(|block| {
                block.property_u32(PropertyId::WILL_DELAY_INTERVAL, self.delay_interval);
                self.properties.write_message_properties(block)
            })?;
        }
        body.string(self.topic)?;
        body.binary(self.payload)
    }
}

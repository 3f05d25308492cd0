//! AUTH: a step of enhanced authentication, new with MQTT 5.0.
//!
//! Owns nothing. Pure; lives on any core. Never understands a method: that is for
//! whoever offers it.

use alloc::vec::Vec;

use crate::protocol::property::PropertyReader;
use crate::protocol::wire::{self, Reader};
use crate::protocol::{
    DecodeError, EncodeError, Frame, PacketType, PropertyId, ProtocolVersion, ReasonCode,
    ReasonProperties,
};

/// AUTH.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Auth<'a> {
    /// Success, another step, or a new start [MQTT-3.15.2-1].
    pub reason: ReasonCode,
    /// The method; may be missing only where nothing but success is said.
    pub authentication_method: Option<&'a str>,
    /// What the method says.
    pub authentication_data: Option<&'a [u8]>,
    /// Why, for people and programs.
    pub properties: ReasonProperties<'a>,
}

impl<'a> Auth<'a> {
    /// Reads an AUTH.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeError> {
        if !version.has_properties() {
            return Err(DecodeError::UnexpectedPacketType);
        }
        frame.expect(version, PacketType::Auth)?;
        let mut auth = Self::default();
        if frame.body.is_empty() {
            return Ok(auth);
        }
        let mut reader = Reader::new(frame.body);
        auth.reason = ReasonCode::try_from(reader.u8()?)?;
        if !auth.reason.is_legal_in(PacketType::Auth) {
            return Err(DecodeError::InvalidReasonCode);
        }
        auth.read_properties(reader.property_block()?)?;
        reader.finish()?;
        if auth.authentication_method.is_none() && auth != Self::default() {
            return Err(DecodeError::MissingAuthenticationMethod);
        }
        Ok(auth)
    }

    fn read_properties(&mut self, block: &'a [u8]) -> Result<(), DecodeError> {
        let mut reader = PropertyReader::new(block);
        while let Some(id) = reader.next_id()? {
            match id {
                PropertyId::AUTHENTICATION_METHOD => {
                    self.authentication_method = Some(reader.string()?);
                }
                PropertyId::AUTHENTICATION_DATA => {
                    self.authentication_data = Some(reader.binary()?);
                }
                _ => self.properties.read(id, &mut reader)?,
            }
        }
        self.properties.user_properties = reader.user_properties();
        Ok(())
    }

    /// Appends the packet to `out`, which is as it was before when that fails.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !version.has_properties() {
            return Err(EncodeError::NotInVersion);
        }
        if *self == Self::default() {
            out.extend_from_slice(&[PacketType::Auth.first_byte(), 0]);
            return Ok(());
        }
        if !self.reason.is_legal_in(PacketType::Auth) {
            return Err(EncodeError::InvalidReasonCode);
        }
        if self.authentication_method.is_none() {
            return Err(EncodeError::MissingAuthenticationMethod);
        }
        wire::write_packet(out, PacketType::Auth.first_byte(), 0, |body| {
            body.u8(self.reason.as_u8());
            body.properties(|block| {
                let method = self.authentication_method;
                block.property_string(PropertyId::AUTHENTICATION_METHOD, method)?;
                let data = self.authentication_data;
                block.property_binary(PropertyId::AUTHENTICATION_DATA, data)?;
                self.properties.write(block)
            })
        })
    }
}

//! DISCONNECT: one side says that it leaves, and from MQTT 5.0 on why.
//!
//! Owns nothing. Pure; lives on any core. Never knows which side it comes from:
//! codes and properties that only one side may send are the session's to judge.

use alloc::vec::Vec;

use crate::protocol::property::PropertyReader;
use crate::protocol::wire::{self, Reader};
use crate::protocol::{
    DecodeError, EncodeError, Frame, PacketType, PropertyId, ProtocolVersion, ReasonCode,
    ReasonProperties,
};

/// DISCONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Disconnect<'a> {
    /// Why; [`ReasonCode::NORMAL_DISCONNECTION`] before MQTT 5.0.
    pub reason: ReasonCode,
    /// The client changes its mind about how long the session lasts.
    pub session_expiry_interval: Option<u32>,
    /// Empty before MQTT 5.0.
    pub properties: ReasonProperties<'a>,
    /// Another server.
    pub server_reference: Option<&'a str>,
}

impl<'a> Disconnect<'a> {
    /// A DISCONNECT that says no more than why.
    #[must_use]
    pub fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            ..Self::default()
        }
    }

    /// Reads a DISCONNECT.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeError> {
        frame.expect(version, PacketType::Disconnect)?;
        let mut disconnect = Self::default();
        let mut reader = Reader::new(frame.body);
        if version.has_properties() && !reader.is_empty() {
            // A reason of 0 may be left out, and so may the length of no properties.
            disconnect.reason = ReasonCode::try_from(reader.u8()?)?;
            if !disconnect.reason.is_legal_in(PacketType::Disconnect) {
                return Err(DecodeError::InvalidReasonCode);
            }
            if !reader.is_empty() {
                disconnect.read_properties(reader.property_block()?)?;
            }
        }
        reader.finish()?;
        Ok(disconnect)
    }

    fn read_properties(&mut self, block: &'a [u8]) -> Result<(), DecodeError> {
        let mut reader = PropertyReader::new(block);
        while let Some(id) = reader.next_id()? {
            match id {
                PropertyId::SESSION_EXPIRY_INTERVAL => {
                    self.session_expiry_interval = Some(reader.u32()?);
                }
                PropertyId::SERVER_REFERENCE => self.server_reference = Some(reader.string()?),
                _ => self.properties.read(id, &mut reader)?,
            }
        }
        self.properties.user_properties = reader.user_properties();
        Ok(())
    }

    /// Appends the packet to `out`, which is as it was before when that fails.
    /// Before MQTT 5.0 it says nothing but that its sender leaves.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let first_byte = PacketType::Disconnect.first_byte();
        if !version.has_properties() || *self == Self::default() {
            out.extend_from_slice(&[first_byte, 0]);
            return Ok(());
        }
        if !self.reason.is_legal_in(PacketType::Disconnect) {
            return Err(EncodeError::InvalidReasonCode);
        }
        if *self == Self::new(self.reason) {
            out.extend_from_slice(&[first_byte, 1, self.reason.as_u8()]);
            return Ok(());
        }
        wire::write_packet(out, first_byte, 0, |body| {
            body.u8(self.reason.as_u8());
            body.properties(|block| {
                block.property_u32(
                    PropertyId::SESSION_EXPIRY_INTERVAL,
                    self.session_expiry_interval,
                );
                block.property_string(PropertyId::SERVER_REFERENCE, self.server_reference)?;
                self.properties.write(block)
            })
        })
    }
}

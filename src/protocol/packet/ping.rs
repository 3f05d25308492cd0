//! PINGREQ and PINGRESP: two bytes, in every version.
//!
//! Owns nothing. Pure; lives on any core. Never has a body.

use alloc::vec::Vec;

use crate::protocol::wire::Reader;
use crate::protocol::{DecodeError, Frame, PacketType, ProtocolVersion};

/// Accepts a ping of the given type: without flags and without a body.
pub(super) fn decode(
    version: ProtocolVersion,
    frame: Frame<'_>,
    packet: PacketType,
) -> Result<(), DecodeError> {
    frame.expect(version, packet)?;
    Reader::new(frame.body).finish()
}

/// Appends a ping of the given type.
pub(super) fn encode(packet: PacketType, out: &mut Vec<u8>) {
    out.extend_from_slice(&[packet.first_byte(), 0]);
}

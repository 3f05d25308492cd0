//! MQTT on the wire, written down a second time: packets for 3.1, 3.1.1 and 5.0 out of and into bytes.
//!
//! Owns the primitive encodings; `outgoing.rs` builds what a client sends (right or deliberately
//! wrong), `incoming.rs` reads what the broker sends and is strict about it, `properties.rs` holds
//! the property block of version 5. Never looks at the broker's own codec: the two are independent.

pub mod incoming;
pub mod outgoing;
pub mod properties;

pub use incoming::{Ack, ConnAck, Packet, SubAck};
pub use outgoing::{Connect, Publish, Will};
pub use properties::{Properties, property};

/// The protocol versions a client can speak; the number is the one in CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V31 = 3,
    V311 = 4,
    V5 = 5,
}

/// First bytes of packets with the flag bits the specification fixes.
pub mod first_byte {
    pub const CONNECT: u8 = 0x10;
    pub const CONNACK: u8 = 0x20;
    pub const PUBLISH: u8 = 0x30;
    pub const PUBACK: u8 = 0x40;
    pub const PUBREC: u8 = 0x50;
    pub const PUBREL: u8 = 0x62;
    pub const PUBCOMP: u8 = 0x70;
    pub const SUBSCRIBE: u8 = 0x82;
    pub const SUBACK: u8 = 0x90;
    pub const UNSUBSCRIBE: u8 = 0xA2;
    pub const UNSUBACK: u8 = 0xB0;
    pub const PINGREQ: u8 = 0xC0;
    pub const PINGRESP: u8 = 0xD0;
    pub const DISCONNECT: u8 = 0xE0;
    pub const AUTH: u8 = 0xF0;
}

/// Reason codes of version 5 that the tests name.
pub mod reason {
    pub const SUCCESS: u8 = 0x00;
    pub const DISCONNECT_WITH_WILL: u8 = 0x04;
    pub const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
    pub const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
    pub const CONTINUE_AUTHENTICATION: u8 = 0x18;
    pub const RE_AUTHENTICATE: u8 = 0x19;
    pub const UNSPECIFIED_ERROR: u8 = 0x80;
    pub const MALFORMED_PACKET: u8 = 0x81;
    pub const PROTOCOL_ERROR: u8 = 0x82;
    pub const UNSUPPORTED_VERSION: u8 = 0x84;
    pub const CLIENT_ID_NOT_VALID: u8 = 0x85;
    pub const NOT_AUTHORIZED: u8 = 0x87;
    pub const BAD_AUTHENTICATION_METHOD: u8 = 0x8C;
    pub const SERVER_SHUTTING_DOWN: u8 = 0x8B;
    pub const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
    pub const SESSION_TAKEN_OVER: u8 = 0x8E;
    pub const TOPIC_FILTER_INVALID: u8 = 0x8F;
    pub const TOPIC_NAME_INVALID: u8 = 0x90;
    pub const PACKET_ID_NOT_FOUND: u8 = 0x92;
    pub const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
    pub const TOPIC_ALIAS_INVALID: u8 = 0x94;
    pub const PACKET_TOO_LARGE: u8 = 0x95;
    pub const QUOTA_EXCEEDED: u8 = 0x97;
    pub const PAYLOAD_FORMAT_INVALID: u8 = 0x99;
}

/// A variable byte integer in its shortest form.
pub fn varint(mut value: u32) -> Vec<u8> {
    assert!(
        value <= 268_435_455,
        "no variable byte integer holds {value}"
    );
    let mut bytes = Vec::new();
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        bytes.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return bytes;
        }
    }
}

/// A two-byte length and the bytes: how strings and binary data travel.
pub fn binary(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a string on the wire has at most 65,535 bytes");
    [&length.to_be_bytes(), bytes].concat()
}

/// A UTF-8 string on the wire.
pub fn text(text: &str) -> Vec<u8> {
    binary(text.as_bytes())
}

/// A whole packet: first byte, remaining length, body.
pub fn packet(first_byte: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a packet body stays below 256 MiB");
    [&[first_byte][..], &varint(length), body].concat()
}

/// A reader over a packet's body; every method says what is missing instead of panicking.
pub struct Reader<'a> {
    pub rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        if self.rest.len() < count {
            return Err(format!("{count} bytes wanted, {} left", self.rest.len()));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    pub fn two(&mut self) -> Result<u16, String> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub fn four(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A variable byte integer; a form that is longer than it needs to be is an error.
    pub fn varint(&mut self) -> Result<u32, String> {
        let mut value = 0_u32;
        for position in 0..4_u32 {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7F) << (7 * position);
            if byte & 0x80 == 0 {
                if position > 0 && byte == 0 {
                    return Err("a variable byte integer that is not minimal".into());
                }
                return Ok(value);
            }
        }
        Err("a variable byte integer of more than four bytes".into())
    }

    pub fn binary(&mut self) -> Result<Vec<u8>, String> {
        let length = usize::from(self.two()?);
        Ok(self.take(length)?.to_vec())
    }

    pub fn text(&mut self) -> Result<String, String> {
        let bytes = self.binary()?;
        let text = String::from_utf8(bytes).map_err(|error| format!("a bad string: {error}"))?;
        if text.contains('\0') {
            return Err("a string with U+0000".into());
        }
        Ok(text)
    }

    pub fn finish(&self) -> Result<(), String> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(format!("{} bytes too many", self.rest.len()))
        }
    }
}

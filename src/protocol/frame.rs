//! Finding a packet in a stream of bytes.
//!
//! HOT PATH: every packet passes here once.
//! Owns nothing: a [`Frame`] borrows the receive buffer. Pure; lives on any core.
//! Never waits for a body to refuse a packet: type, flags and size are judged by
//! the fixed header alone. Where to read next: `packet`.

use crate::protocol::{DecodeError, ProtocolVersion, varint};

/// The fifteen packets.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PacketType {
    /// A client asks to be connected.
    Connect = 1,
    /// The server answers CONNECT.
    ConnAck = 2,
    /// A message.
    Publish = 3,
    /// The receiver has a QoS 1 message.
    PubAck = 4,
    /// The receiver has a QoS 2 message.
    PubRec = 5,
    /// The sender gives a QoS 2 message free.
    PubRel = 6,
    /// A QoS 2 exchange is over.
    PubComp = 7,
    /// A client asks for subscriptions.
    Subscribe = 8,
    /// The server answers SUBSCRIBE.
    SubAck = 9,
    /// A client ends subscriptions.
    Unsubscribe = 10,
    /// The server answers UNSUBSCRIBE.
    UnsubAck = 11,
    /// A client shows that it lives.
    PingReq = 12,
    /// The server answers PINGREQ.
    PingResp = 13,
    /// One side says that it leaves, and why.
    Disconnect = 14,
    /// A step of enhanced authentication.
    Auth = 15,
}

impl PacketType {
    /// The type in the upper half of a packet's first byte.
    #[inline]
    pub const fn of(first_byte: u8) -> Result<Self, DecodeError> {
        Ok(match first_byte >> 4 {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return Err(DecodeError::ReservedPacketType),
        })
    }

    /// The first byte of such a packet, with the flags that the type prescribes
    /// [MQTT-2.1.3-1]; PUBLISH adds its own.
    #[must_use]
    #[inline]
    pub const fn first_byte(self) -> u8 {
        let flags = match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            Self::Connect
            | Self::ConnAck
            | Self::Publish
            | Self::PubAck
            | Self::PubRec
            | Self::PubComp
            | Self::SubAck
            | Self::UnsubAck
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect
            | Self::Auth => 0,
        };
        (self as u8) << 4 | flags
    }

    /// Whether `first_byte` has the flags that some version allows for its type.
    ///
    /// MQTT 3.1 sets DUP on a repeated PUBREL, SUBSCRIBE or UNSUBSCRIBE.
    const fn check_flags(self, first_byte: u8) -> Result<(), DecodeError> {
        let legal = match self {
            // The flags of PUBLISH say something; QoS 3 is refused [MQTT-3.3.1-4].
            Self::Publish => {
                return if first_byte & 0b0110 == 0b0110 {
                    Err(DecodeError::InvalidQos)
                } else {
                    Ok(())
                };
            }
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => {
                first_byte & !DUP == self.first_byte()
            }
            Self::Connect
            | Self::ConnAck
            | Self::PubAck
            | Self::PubRec
            | Self::PubComp
            | Self::SubAck
            | Self::UnsubAck
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect
            | Self::Auth => first_byte == self.first_byte(),
        };
        if legal {
            Ok(())
        } else {
            Err(DecodeError::ReservedFlags)
        }
    }
}

/// The flag that marks a repeated packet.
const DUP: u8 = 0b1000;

/// One whole packet in the receive buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Packet type and flags.
    pub first_byte: u8,
    /// What follows the fixed header.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// The type of the packet; certain to exist for a frame out of [`split`].
    #[inline]
    pub const fn packet_type(&self) -> Result<PacketType, DecodeError> {
        PacketType::of(self.first_byte)
    }

    /// The lower four bits of the first byte.
    #[must_use]
    #[inline]
    pub const fn flags(&self) -> u8 {
        self.first_byte & 0x0F
    }

    /// Refuses a frame of another type, or with flags that are reserved in this
    /// version [MQTT-2.1.3-1].
    pub(crate) fn expect(
        &self,
        version: ProtocolVersion,
        packet: PacketType,
    ) -> Result<(), DecodeError> {
        if self.first_byte >> 4 != packet as u8 {
            return Err(DecodeError::UnexpectedPacketType);
        }
        let first_byte = if version == ProtocolVersion::V3_1 {
            self.first_byte & !DUP
        } else {
            self.first_byte
        };
        if first_byte == packet.first_byte() {
            Ok(())
        } else {
            Err(DecodeError::ReservedFlags)
        }
    }
}

/// What a stretch of received bytes starts with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Split<'a> {
    /// A whole packet.
    Complete {
        /// The packet.
        frame: Frame<'a>,
        /// Bytes of the whole packet: how far to move on.
        size: usize,
    },
    /// The beginning of a packet.
    Incomplete {
        /// Bytes of the whole packet, once its fixed header has arrived.
        size: Option<usize>,
    },
}

/// Takes the first packet off `bytes`.
///
/// A packet longer than `max_packet_size` (all of its bytes counted), reserved
/// flags, type 0, QoS 3 and a remaining length that is not minimal are refused
/// as soon as they can be seen. Flags that only 3.1 allows are judged again when
/// the packet is decoded.
#[inline]
pub fn split(bytes: &[u8], max_packet_size: u32) -> Result<Split<'_>, DecodeError> {
    let Some((&first_byte, after_type)) = bytes.split_first() else {
        return Ok(Split::Incomplete { size: None });
    };
    PacketType::of(first_byte)?.check_flags(first_byte)?;
    let Some((remaining, length_bytes)) = varint::decode(after_type)? else {
        return Ok(Split::Incomplete { size: None });
    };
    let header = 1 + length_bytes;
    let size = header + remaining as usize;
    // The receiver's maximum counts the whole packet [MQTT-3.1.2-24].
    if size > max_packet_size as usize {
        return Err(DecodeError::PacketTooLarge);
    }
    match bytes.get(header..size) {
        Some(body) => Ok(Split::Complete {
            frame: Frame { first_byte, body },
            size,
        }),
        None => Ok(Split::Incomplete { size: Some(size) }),
    }
}

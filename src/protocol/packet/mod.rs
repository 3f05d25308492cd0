//! The packets: one file each, for all versions.
//!
//! Owns nothing: a decoded packet borrows its frame, an encoder appends to its
//! caller's buffer and leaves it alone when it fails. Pure; lives on any core.
//! Never allocates to decode a PUBLISH; lists of filters are the one thing that
//! is collected, and the packet's size bounds them.

pub mod acknowledge;
pub mod auth;
pub mod connack;
pub mod connect;
pub mod delivery;
pub mod disconnect;
mod ping;
pub mod publish;
pub mod subscribe;
pub mod unsubscribe;

use alloc::vec::Vec;

use crate::protocol::{
    Acknowledge, AcknowledgeKind, Auth, ConnAck, Connect, DecodeError, Disconnect, EncodeError,
    Frame, PacketType, ProtocolVersion, Publish, SubAck, Subscribe, UnsubAck, Unsubscribe,
};

/// Any packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    /// A client asks to be connected.
    Connect(Connect<'a>),
    /// The server answers CONNECT.
    ConnAck(ConnAck<'a>),
    /// A message.
    Publish(Publish<'a>),
    /// The receiver has a QoS 1 message.
    PubAck(Acknowledge<'a>),
    /// The receiver has a QoS 2 message.
    PubRec(Acknowledge<'a>),
    /// The sender gives a QoS 2 message free.
    PubRel(Acknowledge<'a>),
    /// A QoS 2 exchange is over.
    PubComp(Acknowledge<'a>),
    /// A client asks for subscriptions.
    Subscribe(Subscribe<'a>),
    /// The server answers SUBSCRIBE.
    SubAck(SubAck<'a>),
    /// A client ends subscriptions.
    Unsubscribe(Unsubscribe<'a>),
    /// The server answers UNSUBSCRIBE.
    UnsubAck(UnsubAck<'a>),
    /// A client shows that it lives.
    PingReq,
    /// The server answers PINGREQ.
    PingResp,
    /// One side says that it leaves, and why.
    Disconnect(Disconnect<'a>),
    /// A step of enhanced authentication.
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Reads the packet in `frame`. CONNECT says itself which version it is;
    /// for the others it is `version`.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeError> {
        Ok(match frame.packet_type()? {
            PacketType::Publish => Self::Publish(Publish::decode(version, frame)?),
            PacketType::PubAck => Self::PubAck(Acknowledge::decode(version, frame)?),
            PacketType::PubRec => Self::PubRec(Acknowledge::decode(version, frame)?),
            PacketType::PubRel => Self::PubRel(Acknowledge::decode(version, frame)?),
            PacketType::PubComp => Self::PubComp(Acknowledge::decode(version, frame)?),
            PacketType::Connect => Self::Connect(Connect::decode(frame)?),
            PacketType::ConnAck => Self::ConnAck(ConnAck::decode(version, frame)?),
            PacketType::Subscribe => Self::Subscribe(Subscribe::decode(version, frame)?),
            PacketType::SubAck => Self::SubAck(SubAck::decode(version, frame)?),
            PacketType::Unsubscribe => Self::Unsubscribe(Unsubscribe::decode(version, frame)?),
            PacketType::UnsubAck => Self::UnsubAck(UnsubAck::decode(version, frame)?),
            PacketType::PingReq => {
                ping::decode(version, frame, PacketType::PingReq).map(|()| Self::PingReq)?
            }
            PacketType::PingResp => {
                ping::decode(version, frame, PacketType::PingResp).map(|()| Self::PingResp)?
            }
            PacketType::Disconnect => Self::Disconnect(Disconnect::decode(version, frame)?),
            PacketType::Auth => Self::Auth(Auth::decode(version, frame)?),
        })
    }

    /// Appends the packet to `out`, which is as it was before when that fails.
    /// CONNECT is written in the version that it names.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Connect(packet) => packet.encode(out),
            Self::ConnAck(packet) => packet.encode(version, out),
            Self::Publish(packet) => packet.encode(version, out),
            Self::PubAck(packet) => packet.encode(AcknowledgeKind::PubAck, version, out),
            Self::PubRec(packet) => packet.encode(AcknowledgeKind::PubRec, version, out),
            Self::PubRel(packet) => packet.encode(AcknowledgeKind::PubRel, version, out),
            Self::PubComp(packet) => packet.encode(AcknowledgeKind::PubComp, version, out),
            Self::Subscribe(packet) => packet.encode(version, out),
            Self::SubAck(packet) => packet.encode(version, out),
            Self::Unsubscribe(packet) => packet.encode(version, out),
            Self::UnsubAck(packet) => packet.encode(version, out),
            Self::PingReq => {
                ping::encode(PacketType::PingReq, out);
                Ok(())
            }
            Self::PingResp => {
                ping::encode(PacketType::PingResp, out);
                Ok(())
            }
            Self::Disconnect(packet) => packet.encode(version, out),
            Self::Auth(packet) => packet.encode(version, out),
        }
    }

    /// Which packet it is.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

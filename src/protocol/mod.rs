//! Bytes to packets and back, for MQTT 3.1, 3.1.1 and 5.0.
//!
//! What it is: one decoder and one encoder per packet serves all versions, over
//! `core` and `alloc` alone. What it owns: nothing that outlives a call; decoded
//! packets borrow from the bytes they came from. Pure: it may run on any core.
//! What it never does: I/O, clocks, sessions. It judges what can be seen in the
//! bytes of one packet; who may send which packet when is the session's business.
//!
//! The way in: [`frame::split`] finds a packet in the receive buffer,
//! [`Packet::decode`] (or the decoder of one packet) reads it.
//! The way out: every packet has an `encode`; what a broker sends to subscribers
//! is encoded by [`Delivery`].

pub mod error;
pub mod frame;
pub mod packet;
mod packet_id;
pub mod property;
mod qos;
mod reason;
pub mod topic;
pub mod utf8;
pub mod varint;
mod version;
pub mod wire;

#[cfg(test)]
mod tests;

pub use error::{DecodeError, EncodeError};
pub use frame::{Frame, PacketType, Split, split};
pub use packet::Packet;
pub use packet::acknowledge::{Acknowledge, AcknowledgeKind, ReasonProperties};
pub use packet::auth::Auth;
pub use packet::connack::{ConnAck, ConnAckProperties};
pub use packet::connect::{Connect, ConnectProperties, Will};
pub use packet::delivery::{Delivery, Patch};
pub use packet::disconnect::Disconnect;
pub use packet::publish::{Publish, PublishProperties};
pub use packet::subscribe::{
    RetainHandling, SubAck, Subscribe, SubscriptionOptions, SubscriptionRequest,
};
pub use packet::unsubscribe::{UnsubAck, Unsubscribe};
pub use packet_id::PacketId;
pub use property::{
    PropertyId, SubscriptionIds, SubscriptionIdsBuf, UserProperties, UserPropertiesBuf,
};
pub use qos::QoS;
pub use reason::ReasonCode;
pub use topic::{Share, TopicError, TopicFilter, TopicName};
pub use version::ProtocolVersion;

//! What a packet from the server means to the application.
//!
//! Owns nothing: events borrow from the bytes that the driver received. Pure.

use alloc::sync::Arc;
use core::ops::Deref;

use crate::protocol::{
    Acknowledge, AcknowledgeKind, Auth, ConnAck, Disconnect, Publish, SubAck, UnsubAck,
};

/// The outcome of one call of [`Session::handle`](super::Session::handle).
#[derive(Debug)]
pub struct Progress<'b> {
    /// Bytes of the input that are done with. Zero: a packet is incomplete.
    pub consumed: usize,
    /// Size of the whole packet at the start of the input, where it is
    /// incomplete and its fixed header is known: how much to have room for.
    pub wanted: Option<usize>,
    /// What the application should know; some packets concern the session alone.
    pub event: Option<Event<'b>>,
}

/// What the server said.
#[derive(Debug)]
pub enum Event<'b> {
    /// The connection is accepted.
    Connected(ConnAck<'b>),
    /// The connection is refused; the session is over.
    Refused(ConnAck<'b>),
    /// An application message. Its acknowledgement is queued already and leaves
    /// with the next output, so a driver acts on the message before it writes.
    Message(Message<'b>),
    /// The server has the QoS 2 message with this packet id, and the PUBREL is
    /// queued; [`Event::Published`] is still to come.
    Received(Acknowledge<'b>),
    /// A QoS 1 or 2 message is done with: accepted by the server, or refused
    /// when its reason is an error. `kind` says which packet ended it.
    Published {
        /// PUBACK, PUBCOMP, or a PUBREC that refuses.
        kind: AcknowledgeKind,
        /// The packet.
        acknowledge: Acknowledge<'b>,
    },
    /// The server released an incoming QoS 2 message, and the PUBCOMP is queued.
    Released(Acknowledge<'b>),
    /// The answer to a SUBSCRIBE.
    Subscribed(SubAck<'b>),
    /// The answer to an UNSUBSCRIBE.
    Unsubscribed(UnsubAck<'b>),
    /// The answer to a PINGREQ.
    Pong,
    /// A step of an enhanced authentication.
    Authentication(Auth<'b>),
    /// The server ended the connection; the session is over until it reconnects.
    Disconnected(Disconnect<'b>),
}

/// An application message from the server.
#[derive(Debug)]
pub struct Message<'b> {
    /// The topic, also where the packet carried a topic alias alone.
    pub topic: Topic<'b>,
    /// The packet as it came.
    pub publish: Publish<'b>,
}

/// A topic name: borrowed from the packet, or known from an earlier one.
#[derive(Clone, Debug)]
pub enum Topic<'b> {
    /// Stood in the packet.
    Named(&'b str),
    /// Stood in an earlier packet that set the alias.
    Aliased(Arc<str>),
}

impl Deref for Topic<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Aliased(name) => name,
        }
    }
}

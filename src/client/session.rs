//! One client's session: its state, its clock and its outgoing bytes.
//!
//! Owns the encoded CONNECT, what the server allows, and the bytes that wait to
//! be written. Pure: packets come in through `receive.rs`, go out through
//! `send.rs`, and every instant is handed in.

use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU16;
use core::time::Duration;

use super::inbound::Inbound;
use super::keep_alive::{Due, KeepAlive};
use super::outbound::Outbound;
use super::topic_alias::TopicAliases;
use crate::protocol::{
    Connect, DecodeError, Disconnect, EncodeError, Packet, PacketType, ProtocolVersion, QoS,
    ReasonCode,
};
use crate::time::Timestamp;

/// The largest packet there can be, in bytes: what both sides accept where they
/// announce nothing else.
pub(super) const MAXIMUM_PACKET_SIZE: u32 = 268_435_460;

/// What the application decides about a session, beyond its CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Most QoS 1 and 2 messages under way at once; the server's receive maximum
    /// may lower it.
    pub max_inflight: u16,
    /// Whether a message is kept until it is acknowledged, to be sent again after
    /// [`Session::reconnect`]. Without, QoS 1 costs no copy.
    pub resend: bool,
    /// How long the server may take to answer a CONNECT.
    pub connect_timeout: Duration,
}

impl Default for Options {
    /// A window of 20 messages, as mosquitto's clients have, kept for resending.
    fn default() -> Self {
        Self {
            max_inflight: 20,
            resend: true,
            connect_timeout: Duration::from_secs(30),
        }
    }
}

/// Where a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// CONNECT is queued or sent, CONNACK has not come.
    Connecting,
    /// The server accepted the connection.
    Connected,
    /// This side queued a DISCONNECT: write the output and close.
    Leaving,
    /// The connection is of no more use; [`Session::reconnect`] starts anew.
    Closed,
}

/// What ended a connection from this side's point of view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionError {
    /// The server sent something that is no MQTT packet.
    Malformed(DecodeError),
    /// The server sent a packet that it may not send here.
    Violation(Violation),
    /// The server did not answer the CONNECT in time.
    ConnectTimeout,
    /// The server did not answer a PINGREQ in time.
    KeepAliveTimeout,
}

/// A rule that the server broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// A packet that only clients send, or that has no place here.
    Unexpected(PacketType),
    /// A CONNACK that claims a session although a clean start was asked for.
    SessionPresent,
    /// A topic alias above the announced maximum, or one never set.
    TopicAlias,
    /// More QoS 2 messages under way than the announced receive maximum.
    ReceiveMaximum,
}

impl SessionError {
    /// The reason that a DISCONNECT gives the server for it.
    #[must_use]
    pub fn reason(self) -> ReasonCode {
        match self {
            Self::Malformed(error) => error.reason(),
            Self::Violation(Violation::TopicAlias) => ReasonCode::TopicAliasInvalid,
            Self::Violation(Violation::ReceiveMaximum) => ReasonCode::ReceiveMaximumExceeded,
            Self::Violation(Violation::Unexpected(_) | Violation::SessionPresent) => {
                ReasonCode::ProtocolError
            }
            Self::ConnectTimeout | Self::KeepAliveTimeout => ReasonCode::KeepAliveTimeout,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the server sent a bad packet: {error}"),
            Self::Violation(Violation::Unexpected(packet)) => {
                write!(f, "the server sent a {packet:?} where none may come")
            }
            Self::Violation(Violation::SessionPresent) => {
                f.write_str("the server resumed a session although a clean start was asked for")
            }
            Self::Violation(Violation::TopicAlias) => {
                f.write_str("the server used a topic alias that it may not use or never set")
            }
            Self::Violation(Violation::ReceiveMaximum) => {
                f.write_str("the server sent more messages at once than was allowed")
            }
            Self::ConnectTimeout => f.write_str("the server did not answer the connection request"),
            Self::KeepAliveTimeout => f.write_str("the server stopped answering"),
        }
    }
}

impl core::error::Error for SessionError {}

/// What the server accepts, as its CONNACK says.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerLimits {
    pub(super) maximum_packet_size: u32,
    pub(super) maximum_qos: QoS,
    pub(super) retain_available: bool,
}

impl ServerLimits {
    /// What counts before a CONNACK, and where it says nothing.
    pub(super) const DEFAULT: Self = Self {
        maximum_packet_size: MAXIMUM_PACKET_SIZE,
        maximum_qos: QoS::ExactlyOnce,
        retain_available: true,
    };
}

/// The state of one MQTT client.
#[derive(Debug)]
pub struct Session {
    pub(super) version: ProtocolVersion,
    pub(super) clean_start: bool,
    pub(super) status: Status,
    pub(super) options: Options,
    /// The CONNECT as it goes out on every connection.
    connect: Vec<u8>,
    keep_alive_seconds: u16,
    /// The largest packet that the server may send.
    pub(super) maximum_packet_size: u32,
    pub(super) server: ServerLimits,
    pub(super) keep_alive: KeepAlive,
    connect_deadline: Timestamp,
    pub(super) outbound: Outbound,
    pub(super) inbound: Inbound,
    pub(super) aliases: TopicAliases,
    /// Encoded packets; invariant: `written <= output.len()`.
    pub(super) output: Vec<u8>,
    written: usize,
}

impl Session {
    /// A session whose CONNECT is the first output.
    ///
    /// # Errors
    /// When the CONNECT cannot be encoded: a string too long, for example.
    pub fn new(
        connect: &Connect<'_>,
        options: Options,
        now: Timestamp,
    ) -> Result<Self, EncodeError> {
        let mut encoded = Vec::new();
        connect.encode(&mut encoded)?;
        let properties = &connect.properties;
        let receive_maximum = properties.receive_maximum.map_or(u16::MAX, NonZeroU16::get);
        let mut session = Self {
            version: connect.version,
            clean_start: connect.clean_start,
            status: Status::Closed,
            options,
            connect: encoded,
            keep_alive_seconds: connect.keep_alive,
            maximum_packet_size: properties
                .maximum_packet_size
                .map_or(MAXIMUM_PACKET_SIZE, core::num::NonZeroU32::get),
            server: ServerLimits::DEFAULT,
            keep_alive: KeepAlive::new(connect.keep_alive, now),
            connect_deadline: now,
            outbound: Outbound::new(options.max_inflight),
            inbound: Inbound::new(receive_maximum, properties.topic_alias_maximum.unwrap_or(0)),
            aliases: TopicAliases::new(0),
            output: Vec::new(),
            written: 0,
        };
        session.reconnect(now);
        Ok(session)
    }

    /// Starts over on a new connection: CONNECT is queued again, and what the
    /// server has not acknowledged follows after its CONNACK.
    pub fn reconnect(&mut self, now: Timestamp) {
        self.output.clear();
        self.written = 0;
        self.output.extend_from_slice(&self.connect);
        self.server = ServerLimits::DEFAULT;
        self.aliases = TopicAliases::new(0);
        self.keep_alive = KeepAlive::new(self.keep_alive_seconds, now);
        self.connect_deadline = now.plus(self.options.connect_timeout);
        self.status = Status::Connecting;
    }

    /// Where the session stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The protocol version it speaks.
    #[must_use]
    pub const fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Bytes to be written to the server.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output[self.written..]
    }

    /// The first `size` bytes of [`Session::output`] are written.
    ///
    /// # Panics
    /// When there were fewer.
    pub fn handle_sent(&mut self, size: usize, now: Timestamp) {
        assert!(
            size <= self.output.len() - self.written,
            "more was written than there was"
        );
        self.written += size;
        self.keep_alive.sent(now);
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
    }

    /// The connection is gone; [`Session::reconnect`] may follow.
    pub fn handle_closed(&mut self) {
        self.status = Status::Closed;
    }

    /// When to call [`Session::handle_timeout`] at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        match self.status {
            Status::Connecting => Some(self.connect_deadline),
            Status::Connected => self.keep_alive.deadline(),
            Status::Leaving | Status::Closed => None,
        }
    }

    /// Does what is due; true when that queued a PINGREQ.
    ///
    /// # Errors
    /// When the server has been silent for too long; the session is then over.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Result<bool, SessionError> {
        match self.status {
            Status::Connecting if self.connect_deadline <= now => {
                self.status = Status::Closed;
                Err(SessionError::ConnectTimeout)
            }
            Status::Connected => match self.keep_alive.due(now) {
                Due::Nothing => Ok(false),
                Due::Ping => {
                    self.queue(&Packet::PingReq);
                    self.keep_alive.pinged(now);
                    Ok(true)
                }
                Due::Answer => {
                    self.status = Status::Closed;
                    Err(SessionError::KeepAliveTimeout)
                }
            },
            Status::Connecting | Status::Leaving | Status::Closed => Ok(false),
        }
    }

    /// How many more QoS 1 and 2 messages may be published now.
    #[must_use]
    pub fn quota(&self) -> u16 {
        self.outbound.quota()
    }

    /// QoS 1 and 2 messages published and not yet done with.
    #[must_use]
    pub const fn inflight(&self) -> usize {
        self.outbound.messages()
    }

    /// Whether no request and no message waits for an answer of the server.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.outbound.is_empty()
    }

    /// Queues a packet of the session's own making: small, and always encodable.
    pub(super) fn queue(&mut self, packet: &Packet<'_>) {
        let encoded = packet.encode(self.version, &mut self.output);
        debug_assert!(encoded.is_ok(), "{packet:?}: {encoded:?}");
    }

    /// Ends the session because of what the server did, and tells it why.
    pub(super) fn fail(&mut self, error: SessionError) -> SessionError {
        if self.version == ProtocolVersion::V5 && self.status == Status::Connected {
            // [MQTT-4.13.1-1]
            self.queue(&Packet::Disconnect(Disconnect::new(error.reason())));
        }
        self.status = Status::Closed;
        error
    }
}

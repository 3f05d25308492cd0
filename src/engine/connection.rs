//! One network connection as the engine sees it: bytes in, bytes out, terms.
//!
//! Owns what ends with the connection: its out-buffer, unhandled input, topic
//! aliases, keep alive. Lives on the shard that drives the socket. Pure; it knows
//! its session by slot only.

use super::assembly::Assembly;
use super::limits::{CONNECT_PACKET_SIZE_MAX, ConnectionPermit};
use super::outbox::Outbox;
use super::quotas::ConnectionMeter;
use super::subscribe::Progress;
use crate::peer::{Identity, Peer};
use crate::protocol::{ProtocolVersion, ReasonCode};
use crate::session::keep_alive::KeepAlive;
use crate::session::topic_alias::{AliasUse, InboundAliases, OutboundAliases};
use crate::time::Timestamp;

/// Where a connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The peer; behind a trusted proxy, the client that it names.
    pub peer: Peer,
    /// The listener that accepted it, by its place in the configuration.
    pub listener: u16,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// CONNECT is awaited until the connect deadline.
    AwaitingConnect,
    /// The connection carries the session in this slot.
    Serving(u32),
    /// Nothing is read any more; the out-buffer is flushed and the descriptor closed.
    Closing,
}

/// Why a connection reads nothing at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// A lane to another shard has no credit, or too many answers are owed.
    pub by_lane: bool,
    /// Its own out-buffer is full: it sends, but does not read.
    pub by_outbox: bool,
    /// It is on the ready list with packets left over from an earlier turn.
    pub by_budget: bool,
    /// The broker is stopping, and its next packet is a publication or a request.
    pub by_stop: bool,
    /// A hook was asked about its next packet and has not answered yet.
    pub by_verdict: bool,
    /// It publishes faster than it may.
    pub by_rate: bool,
}

impl Held {
    /// Whether reading is held for any reason.
    #[must_use]
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

/// A connection; the bare state of an idle one stays within a few cache lines.
#[derive(Debug)]
pub struct Connection {
    /// Unsent output.
    pub outbox: Outbox,
    /// Unhandled input, if any.
    pub assembly: Option<Box<Assembly>>,
    /// How far the request at the front of that input has come, if it was begun.
    pub request: Option<Box<Progress>>,
    /// When bytes last arrived.
    pub last_seen: Timestamp,
    /// When the timer armed for it fires; later ones are ignored.
    pub timer_at: Option<Timestamp>,
    /// How far it has come.
    pub stage: Stage,
    /// Largest packet the client accepts.
    pub maximum_packet_size: u32,
    /// Largest packet the broker accepts from it.
    pub input_bound: u32,
    /// The agreed keep alive.
    pub keep_alive: KeepAlive,
    /// The protocol spoken; 5.0 until CONNECT tells.
    pub version: ProtocolVersion,
    /// Why it reads nothing, if so.
    pub held: Held,
    /// Whether it is listed as waiting for room in the shard's out-buffers.
    pub starves: bool,
    /// Why the broker ends it, where the broker does: for transports with a word for it.
    pub parting: Option<ReasonCode>,
    /// Whether the shard was told not to read.
    pub reading_paused: bool,
    /// Aliases the client set.
    pub inbound_aliases: Option<Box<InboundAliases>>,
    /// Aliases the broker set.
    pub outbound_aliases: Option<Box<OutboundAliases>>,
    /// Where it came from.
    pub origin: Origin,
    /// What the peer's certificate says of it.
    pub identity: Option<Box<Identity>>,
    /// Whether its CONNECT was counted against its listener's rate.
    pub rate_checked: bool,
    /// What its PUBLISH packets are counted on, where they are bounded.
    pub meter: Option<Box<ConnectionMeter>>,
    /// Its place in the count of connections, until it leaves for another shard.
    pub permit: Option<ConnectionPermit>,
}

// Hot state of a connection with a bare session is to fit in 512 bytes together.
const _: () = assert!(size_of::<Connection>() + size_of::<crate::session::Session>() <= 512);

impl Connection {
    /// A connection that has just been accepted (here or on another shard).
    #[must_use]
    pub fn new(origin: Origin, permit: ConnectionPermit, now: Timestamp) -> Self {
        Self {
            outbox: Outbox::default(),
            assembly: None,
            request: None,
            last_seen: now,
            timer_at: None,
            stage: Stage::AwaitingConnect,
            maximum_packet_size: u32::MAX,
            input_bound: CONNECT_PACKET_SIZE_MAX,
            keep_alive: KeepAlive::default(),
            version: ProtocolVersion::V5,
            held: Held::default(),
            starves: false,
            parting: None,
            reading_paused: false,
            inbound_aliases: None,
            outbound_aliases: None,
            origin,
            identity: None,
            rate_checked: false,
            meter: None,
            permit: Some(permit),
        }
    }

    /// How the topic of the next PUBLISH is written.
    #[must_use]
    pub fn choose_alias(&self, topic: &str) -> AliasUse {
        match &self.outbound_aliases {
            Some(aliases) => aliases.choose(topic),
            None => AliasUse::None,
        }
    }

    /// A PUBLISH that sets an alias is on its way.
    pub fn learn_alias(&mut self, topic: &str) {
        if let Some(aliases) = &mut self.outbound_aliases {
            aliases.learn(topic);
        }
    }

    /// The session it carries.
    #[must_use]
    pub fn session(&self) -> Option<u32> {
        match self.stage {
            Stage::Serving(session) => Some(session),
            Stage::AwaitingConnect | Stage::Closing => None,
        }
    }
}

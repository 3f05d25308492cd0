//! A simulated TCP connection: bytes under way in both directions, and where its
//! broker end is.
//!
//! Owns the bytes of the client's side whole, and counts those of the broker's,
//! whose packets are decoded where they leave. Never delays or cuts by itself: the
//! world decides when how much moves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ringmq::ids::ConnectionId;

use crate::history::{MessageId, When};

/// Where the broker's end of a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// At this shard.
    Shard(usize, ConnectionId),
    /// On its way to its home shard.
    Moving,
    /// Closed.
    Gone,
}

/// How the client's side ends once its bytes are delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    /// End of stream.
    Closed,
    /// Reset: what is under way is lost.
    Reset,
}

/// A packet that a client sent, as the edge has to know it.
#[derive(Clone, Debug)]
pub enum Sent {
    /// CONNECT.
    Connect,
    /// PUBLISH.
    Publish {
        /// Zero for QoS 0.
        packet_id: u16,
        /// Which message.
        message: MessageId,
    },
    /// SUBSCRIBE of these entries of the history.
    Subscribe {
        /// Packet identifier.
        packet_id: u16,
        /// Places in the list of subscriptions.
        entries: Vec<usize>,
    },
    /// UNSUBSCRIBE of these entries of the history.
    Unsubscribe {
        /// Packet identifier.
        packet_id: u16,
        /// Places in the list of subscriptions.
        entries: Vec<usize>,
    },
    /// PUBACK, PUBCOMP: a place in the broker's window is free.
    Completes(u16),
    /// PINGREQ.
    Ping,
    /// DISCONNECT with this reason and session expiry.
    Disconnect(u8, Option<u32>),
    /// Anything else.
    Other,
}

/// A packet that the broker sent.
#[derive(Clone, Debug)]
pub enum Received {
    /// CONNACK.
    ConnAck {
        /// Session Present.
        present: bool,
        /// The broker's Receive Maximum.
        receive_maximum: u16,
        /// The broker's Topic Alias Maximum.
        alias_maximum: u16,
    },
    /// CONNACK with a reason why not.
    Refused,
    /// PUBLISH.
    Publish {
        /// Zero for QoS 0.
        packet_id: u16,
        /// Which message.
        message: Option<MessageId>,
        /// As its number.
        qos: u8,
        /// RETAIN.
        retain: bool,
    },
    /// PUBACK, and whether it tells of success.
    PubAck(u16, bool),
    /// PUBREC, likewise.
    PubRec(u16, bool),
    /// PUBREL.
    PubRel(u16),
    /// PUBCOMP.
    PubComp(u16),
    /// SUBACK or UNSUBACK.
    Granted(u16),
    /// PINGRESP.
    Pong,
    /// DISCONNECT.
    Disconnect,
}

impl Received {
    /// The packet as it must be however many shards there are: packet identifiers of
    /// the broker's own are left out, because messages that are published at once
    /// reach a client in any order.
    #[must_use]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others are compared as they are"
    )]
    pub fn comparable(&self) -> String {
        match self {
            Self::Publish {
                message,
                qos,
                retain,
                ..
            } => format!("Publish {message:?} QoS {qos} retain {retain}"),
            Self::PubRel(_) => "PubRel".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

/// A SUBSCRIBE or UNSUBSCRIBE that arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Places in the list of subscriptions.
    pub entries: Vec<usize>,
    /// Whether it is a SUBSCRIBE.
    pub subscribing: bool,
    /// When it arrived.
    pub arrived: When,
}

/// One connection.
#[derive(Debug)]
pub struct Stream {
    /// The client at the other end.
    pub client: usize,
    /// The broker's end.
    pub place: Place,
    /// The broker has a receive under way.
    pub armed: bool,
    /// Bytes from the client that have not been delivered.
    pub up: VecDeque<u8>,
    /// Bytes from the client that have been delivered.
    pub delivered: u64,
    /// Bytes that the client has written.
    pub written: u64,
    /// Packets not yet delivered whole, by their last byte.
    pub sent: VecDeque<(u64, Sent)>,
    /// How the client's side ends.
    pub finish: Option<Finish>,
    /// The client's bytes stay where they are until then.
    pub stalled_until: u64,
    /// Whether a delivery to the broker is planned.
    pub up_planned: bool,
    /// Bytes that the broker has put into its socket.
    pub flushed: u64,
    /// Bytes of the broker's that are decoded.
    pub tapped: u64,
    /// Bytes that the client has read.
    pub read: u64,
    /// Room in the socket between broker and client.
    pub capacity: u64,
    /// Packets that the client has not read whole, by their last byte.
    pub coming: VecDeque<(u64, Received)>,
    /// The client reads nothing until then.
    pub unread_until: u64,
    /// Whether a delivery to the client is planned.
    pub down_planned: bool,
    /// The broker closed its end.
    pub shut: bool,
    /// The broker wants to close its end and flushes until then.
    pub linger: Option<u64>,
    /// Messages that arrived and may wait in the engine.
    pub unhandled: Vec<MessageId>,
    /// PUBLISH packets of the client by packet identifier, as they arrived.
    pub arrived_ids: BTreeMap<u16, MessageId>,
    /// Requests that arrived and are not answered.
    pub requests: BTreeMap<u16, Request>,
    /// Pings that arrived and are not answered.
    pub pings: u32,
    /// Packet identifiers of the broker that the client has not completed.
    pub window: BTreeSet<u16>,
    /// Topics that the broker set aliases to.
    pub aliases: BTreeMap<u16, String>,
}

impl Stream {
    /// A connection whose socket towards the client has this much room.
    #[must_use]
    pub fn new(client: usize, capacity: u64) -> Self {
        Self {
            client,
            place: Place::Moving,
            armed: false,
            up: VecDeque::new(),
            delivered: 0,
            written: 0,
            sent: VecDeque::new(),
            finish: None,
            stalled_until: 0,
            up_planned: false,
            flushed: 0,
            tapped: 0,
            read: 0,
            capacity,
            coming: VecDeque::new(),
            unread_until: 0,
            down_planned: false,
            shut: false,
            linger: None,
            unhandled: Vec::new(),
            arrived_ids: BTreeMap::new(),
            requests: BTreeMap::new(),
            pings: 0,
            window: BTreeSet::new(),
            aliases: BTreeMap::new(),
        }
    }

    /// Room that is left in the socket towards the client.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.flushed - self.read)
    }
}

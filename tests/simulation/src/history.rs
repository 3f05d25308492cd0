//! What could be seen of a run from outside: messages, deliveries, subscriptions,
//! connections and wills, each with the moments at which the broker's edge saw them.
//!
//! Owns the record that the properties are checked against. Never looks into an
//! engine. Two edges count: a packet *arrives* when its last byte is handed to an
//! engine, and *leaves* when it is found in an out-buffer; what happens between is
//! the broker's business.

use std::collections::{BTreeMap, BTreeSet};

use ringmq::protocol::{ProtocolVersion, QoS};

/// A moment: its place in the order of all observations, and the simulated time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct When {
    /// Place in the order of observations; each is unique.
    pub step: u64,
    /// Milliseconds.
    pub at: u64,
}

/// Number of a message in the history; it is in its payload.
pub type MessageId = u32;

/// An application message, a will included.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The client that published it (its place in the list of clients).
    pub publisher: usize,
    /// Its topic.
    pub topic: String,
    /// The QoS it was published at.
    pub qos: QoS,
    /// Whether with RETAIN.
    pub retain: bool,
    /// Whether its payload is empty, so that no delivery can be told to be its own.
    pub is_empty: bool,
    /// Bytes of its payload.
    pub payload_len: usize,
    /// Its message expiry interval.
    pub expiry: Option<u32>,
    /// Whether a content type was sent along.
    pub content_type: bool,
    /// Whether it is a will.
    pub is_will: bool,
    /// How often it was written to a connection.
    pub sent: u32,
    /// The connection it was written to last.
    pub stream: usize,
    /// When it arrived first.
    pub arrived: Option<When>,
    /// When it was certainly handled by the shard of its publisher: nothing of its
    /// connection waited any more.
    pub handled: Option<When>,
    /// How often it arrived.
    pub arrivals: u32,
    /// On which connections.
    pub arrived_on: Vec<usize>,
    /// When PUBACK or PUBREC with a reason of success left, or reached the client.
    pub acked: Option<When>,
    /// Whether it was refused.
    pub refused: bool,
}

/// A PUBLISH from the broker to a client.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What; `None` for an empty payload.
    pub message: Option<MessageId>,
    /// The connection.
    pub stream: usize,
    /// The client.
    pub client: usize,
    /// Which of its client's sessions.
    pub incarnation: u32,
    /// At this QoS.
    pub qos: QoS,
    /// DUP.
    pub dup: bool,
    /// RETAIN.
    pub retain: bool,
    /// Packet identifier; zero for QoS 0.
    pub packet_id: u16,
    /// Subscription identifiers.
    pub identifiers: Vec<u32>,
    /// When it left.
    pub left: When,
}

/// One subscription, from its SUBSCRIBE to its end.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Who subscribed.
    pub client: usize,
    /// On which connection.
    pub stream: usize,
    /// The whole filter.
    pub filter: String,
    /// Maximum QoS.
    pub qos: QoS,
    /// No Local.
    pub no_local: bool,
    /// Retain As Published.
    pub retain_as_published: bool,
    /// Retain Handling, as its number.
    pub retain_handling: u8,
    /// Subscription identifier.
    pub identifier: Option<u32>,
    /// Whether the client had no such subscription.
    pub is_new: bool,
    /// When SUBSCRIBE arrived.
    pub requested: Option<When>,
    /// When SUBACK left.
    pub granted: Option<When>,
    /// When UNSUBSCRIBE (or the SUBSCRIBE that replaces it) arrived.
    pub ending: Option<When>,
    /// Whether an UNSUBSCRIBE for it arrived.
    pub left: bool,
    /// When UNSUBACK (or the replacing SUBACK) left.
    pub ended: Option<When>,
    /// Whether SUBACK said no.
    pub refused: bool,
}

impl Subscription {
    /// Whether it is a shared one.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.filter.starts_with("$share/")
    }

    /// Whether it may be in force at some moment from `from` to `to`.
    #[must_use]
    pub fn may_be_active(&self, from: When, to: When) -> bool {
        !self.refused
            && self.requested.is_some_and(|requested| requested <= to)
            && self.ended.is_none_or(|ended| ended >= from)
    }

    /// Whether it is certainly in force all the time from `from` to `to`.
    #[must_use]
    pub fn is_active(&self, from: When, to: When) -> bool {
        self.granted.is_some_and(|granted| granted < from)
            && self.ending.is_none_or(|ending| ending > to)
    }
}

/// Why a connection ended, as far as the edge can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// DISCONNECT with reason 0 arrived.
    Normal,
    /// DISCONNECT with reason 4 arrived.
    WithWill,
    /// The client was lost.
    Lost,
    /// The broker ended it: a fault, or silence.
    Fault,
    /// Another connection took the session over.
    TakenOver,
    /// DISCONNECT or a takeover, whichever came first.
    Unclear,
}

/// A will, with what its connection agreed on.
#[derive(Clone, Debug)]
pub struct WillTerms {
    /// The will.
    pub message: MessageId,
    /// Seconds of delay.
    pub delay: u32,
}

/// A network connection.
#[derive(Clone, Debug)]
pub struct Link {
    /// Whose.
    pub client: usize,
    /// The protocol spoken.
    pub version: ProtocolVersion,
    /// Clean Start.
    pub clean_start: bool,
    /// Seconds that the session outlives it.
    pub expiry: u32,
    /// Keep alive.
    pub keep_alive: u16,
    /// The will.
    pub will: Option<WillTerms>,
    /// PUBLISH packets that may be open towards the client.
    pub window: u16,
    /// The largest packet the client accepts.
    pub maximum_packet: u32,
    /// Aliases the broker may set.
    pub alias_maximum: u16,
    /// The user name.
    pub user: Option<String>,
    /// When CONNECT arrived.
    pub arrived: Option<When>,
    /// When it came to its client's home shard.
    pub came_home: Option<When>,
    /// Whether CONNACK said no.
    pub refused: bool,
    /// Whether that was because a later one had come.
    pub overtaken: bool,
    /// When CONNACK left.
    pub accepted: Option<When>,
    /// Session Present.
    pub present: bool,
    /// Which of its client's sessions it carries.
    pub incarnation: Option<u32>,
    /// When the broker ended it, and why.
    pub ended: Option<(When, End)>,
    /// DISCONNECT arrived with this reason.
    pub goodbye: Option<u8>,
    /// DISCONNECT left with this reason.
    pub dismissed: Option<u8>,
    /// When a whole packet of the client arrived last.
    pub heard: u64,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub struct History {
    /// Messages by number.
    pub messages: Vec<Publication>,
    /// Deliveries in the order they left.
    pub deliveries: Vec<Delivery>,
    /// Subscriptions in the order they were sent.
    pub subscriptions: Vec<Subscription>,
    /// Connections in the order they were opened.
    pub links: Vec<Link>,
    /// Messages that a session's client took in, and how often at QoS 2.
    pub taken: BTreeMap<(usize, u32, MessageId), Taken>,
    /// Sessions that each client has had.
    pub incarnations: Vec<u32>,
    /// The connection that is live for a client.
    pub live: Vec<Option<usize>>,
    /// Messages that clients completed: PUBACK or PUBREC was sent for them.
    pub completed: BTreeSet<(usize, MessageId)>,
    steps: u64,
}

/// How a client took a message in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// All receptions.
    pub any: u32,
    /// Receptions at QoS 2 that were new to the client.
    pub exactly_once: u32,
}

impl History {
    /// A history of so many clients.
    #[must_use]
    pub fn new(clients: usize) -> Self {
        Self {
            incarnations: vec![0; clients],
            live: vec![None; clients],
            ..Self::default()
        }
    }

    /// The next moment.
    pub fn when(&mut self, at: u64) -> When {
        self.steps += 1;
        When {
            step: self.steps,
            at,
        }
    }

    /// Subscriptions that a delivery in this session may come from.
    pub fn subscriptions_of(
        &self,
        client: usize,
        incarnation: u32,
    ) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.iter().filter(move |subscription| {
            let link = &self.links[subscription.stream];
            subscription.client == client
                && !link.refused
                && link.incarnation.is_none_or(|of| of == incarnation)
        })
    }

    /// Whether a client's connections were accepted in the order they were opened in.
    #[must_use]
    pub fn connected_in_order(&self, client: usize) -> bool {
        let accepted = self
            .links
            .iter()
            .filter(|link| link.client == client)
            .filter_map(|link| link.accepted);
        accepted.is_sorted()
    }

    /// Whether this connection is open at the broker.
    #[must_use]
    pub fn is_open(&self, stream: usize) -> bool {
        let link = &self.links[stream];
        link.accepted.is_some() && link.ended.is_none()
    }
}

//! One client's state machine: what its packets mean, whichever connection carries them.
//!
//! Owns everything that MQTT calls session state (subscriptions by name, messages
//! in flight and queued, open QoS 2 packet identifiers, the will) and the rules of
//! it. Lives on the client's home shard. Pure: packets and instants in, decisions
//! out; it never sees a socket, a topic index or another session.
//!
//! Read next: [`handshake`] (what CONNECT agrees on), [`outbound`] (towards the
//! client), [`inbound`] (from the client).

pub mod answers;
pub mod handshake;
pub mod inbound;
pub mod keep_alive;
pub mod outbound;
pub mod packet_ids;
pub mod pending;
pub mod subscriptions;
pub mod topic_alias;
pub mod will;

use crate::ids::ConnectionId;
use crate::time::Timestamp;
use answers::Answers;
use handshake::Agreement;
use inbound::Inbound;
use outbound::Outbound;
use subscriptions::SubscriptionNames;
use will::Will;

/// A session expiry interval that never runs out [MQTT-3.1.2.11.2].
pub const NEVER_EXPIRES: u32 = u32::MAX;

/// The state that outlives a network connection (MQTT 5.0, section 4.1).
#[derive(Debug)]
pub struct Session {
    /// Never empty; unique in the whole broker while the session lives.
    pub client_id: Box<str>,
    /// The one live connection, if any.
    pub connection: Option<ConnectionId>,
    /// The listener of its latest connection, by its place; none has this many.
    pub listener: u16,
    /// Seconds that the session outlives its connection; [`NEVER_EXPIRES`] for ever.
    pub expiry_interval: u32,
    /// Messages to the client.
    pub outbound: Outbound,
    /// Messages from the client.
    pub inbound: Inbound,
    /// Answers that wait until other shards have taken over what they acknowledge.
    pub answers: Answers,
    /// Filters this session is subscribed to; the index holds their options.
    pub subscriptions: SubscriptionNames,
    /// To be published when the client vanishes.
    pub will: Option<Box<Will>>,
    /// While no connection is there: when something is due.
    pub absence: Absence,
    /// When the timer armed for it fires; later ones are ignored.
    pub timer_at: Option<Timestamp>,
}

/// What is due while a session has no connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Absence {
    /// The will is published at this instant [MQTT-3.1.3-9].
    pub will_at: Option<Timestamp>,
    /// The session ends at this instant [MQTT-3.1.2-23].
    pub ends_at: Option<Timestamp>,
}

impl Absence {
    /// The next instant at which something is due.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        match (self.will_at, self.ends_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

impl Session {
    /// A session without history.
    #[must_use]
    pub fn new(client_id: &str) -> Self {
        Self {
            client_id: client_id.into(),
            connection: None,
            listener: u16::MAX,
            expiry_interval: 0,
            outbound: Outbound::default(),
            inbound: Inbound::default(),
            answers: Answers::default(),
            subscriptions: SubscriptionNames::default(),
            will: None,
            absence: Absence::default(),
            timer_at: None,
        }
    }

    /// A connection carries the session from now on, under freshly agreed terms.
    pub fn attach(&mut self, connection: ConnectionId, terms: &Agreement, will: Option<Box<Will>>) {
        self.connection = Some(connection);
        self.expiry_interval = terms.session_expiry_interval;
        self.absence = Absence::default();
        self.will = will;
        self.outbound.attach(terms.send_window);
        self.inbound.attach(terms.receive_maximum);
    }

    /// The connection is gone, and with it everything that was only its own.
    /// Answers that waited behind what is forgotten may be due: the caller settles.
    pub fn forget_connection(&mut self) -> Option<ConnectionId> {
        self.outbound.detach();
        self.inbound.detach();
        self.answers.forget_connection();
        self.connection.take()
    }

    /// The connection is gone. What is due afterwards is put into `absence`.
    ///
    /// The will is due after its delay or with the session's end, whichever comes
    /// first [MQTT-3.1.3-9]; the caller has taken it out where it must not be sent.
    pub fn detach(&mut self, now: Timestamp) {
        self.forget_connection();
        let ends_at = match self.expiry_interval {
            NEVER_EXPIRES => None,
            seconds => Some(now.plus_seconds(seconds)),
        };
        let will_at = self.will.as_ref().map(|will| {
            let due = now.plus_seconds(will.delay_interval);
            ends_at.map_or(due, |end| due.min(end))
        });
        self.absence = Absence { will_at, ends_at };
    }
}

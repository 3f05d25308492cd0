//! How a simulated client connects, and how it goes.
//!
//! Owns the choice of terms. A CONNECT's terms are written into the history before
//! it is sent.

use std::num::{NonZeroU16, NonZeroU32};

use ringmq::protocol::{
    Connect, ConnectProperties, Disconnect, Packet, ProtocolVersion, PublishProperties, QoS,
    ReasonCode, Will,
};

use crate::client::{Phase, Role};
use crate::history::{Link, Publication, WillTerms};
use crate::plan::Feature;
use crate::stream::{Finish, Sent};
use crate::workload::payload;
use crate::world::{Event, World};

/// Seconds of a session that outlives any run.
const LONG: u32 = 100_000;

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
struct Terms {
    clean_start: bool,
    expiry: u32,
    keep_alive: u16,
    receive_maximum: Option<u16>,
    maximum_packet: Option<u32>,
    alias_maximum: u16,
}

impl World {
    fn choose_terms(&mut self, client: usize) -> Terms {
        let quiet = Terms {
            clean_start: false,
            expiry: LONG,
            keep_alive: 0,
            receive_maximum: None,
            maximum_packet: None,
            alias_maximum: 0,
        };
        if self.clients[client].role == Role::Watcher {
            return quiet;
        }
        if self.parting {
            return Terms {
                clean_start: true,
                expiry: 0,
                ..quiet
            };
        }
        let version_5 = self.clients[client].version == ProtocolVersion::V5;
        let expiry = if self.healed || self.has(Feature::Persistent) && self.random.percent(75) {
            if self.strikes(Feature::ShortExpiry, 40) {
                u32::try_from(self.random.between(1, 8)).expect("small")
            } else {
                *self.random.pick(&[LONG, u32::MAX])
            }
        } else {
            0
        };
        let clean = self.is_unsure(client)
            || !self.healed
                && ((self.has(Feature::CleanStart) && self.random.percent(25))
                    || (expiry == 0 && self.random.percent(50)));
        let mut terms = Terms {
            clean_start: clean,
            expiry,
            ..quiet
        };
        if self.clients[client].version == ProtocolVersion::V3_1 {
            // A 3.1 server can not tell whether it knows the session.
            terms.clean_start = true;
            terms.expiry = 0;
        } else if !version_5 {
            // One flag says both.
            terms.clean_start = expiry == 0 || clean;
            terms.expiry = if terms.clean_start { 0 } else { u32::MAX };
        } else {
            if self.has(Feature::ReceiveMaximum) && self.random.percent(60) {
                terms.receive_maximum = Some(*self.random.pick(&[1, 2, 3, 10]));
            }
            if self.has(Feature::MaximumPacketSize) && self.random.percent(60) {
                terms.maximum_packet = Some(*self.random.pick(&[40, 60, 500, 5_000]));
            }
            if self.has(Feature::AliasOut) && self.random.percent(60) {
                terms.alias_maximum = *self.random.pick(&[1, 2, 20]);
            }
        }
        if self.has(Feature::Vanish) {
            terms.keep_alive = *self.random.pick(&[5, 10, 20]);
        }
        terms
    }

    /// Whether a client has forgotten its session for a connection that was not let in,
    /// or may not be, while the broker may have kept it: it has to begin anew.
    fn is_unsure(&self, client: usize) -> bool {
        let own = self.history.links.iter().rev();
        self.plan.has_hooks()
            && own
                .filter(|link| link.client == client)
                .take_while(|link| link.accepted.is_none())
                .any(|link| link.clean_start || link.expiry == 0)
    }

    /// A client connects, whatever connection it had.
    pub fn connect(&mut self, client: usize) {
        let terms = self.choose_terms(client);
        let earlier = self.history.links.iter().rev().find(|l| l.client == client);
        if earlier.is_some_and(|link| link.expiry == 0) {
            // The session ended with its connection, on both sides.
            self.clients[client].forget_session();
        }
        let stream = self.open_stream(client);
        let will = self.choose_will(client, stream);
        let user = self.choose_user(client);
        let window = match (self.limits.max_inflight, terms.receive_maximum) {
            (0, theirs) => theirs.unwrap_or(u16::MAX),
            (ours, theirs) => ours.min(theirs.unwrap_or(u16::MAX)),
        };
        self.history.links.push(Link {
            client,
            version: self.clients[client].version,
            clean_start: terms.clean_start,
            expiry: terms.expiry,
            keep_alive: terms.keep_alive,
            will,
            window,
            maximum_packet: terms.maximum_packet.unwrap_or(u32::MAX),
            alias_maximum: terms.alias_maximum,
            user,
            arrived: None,
            came_home: None,
            refused: false,
            overtaken: false,
            accepted: None,
            present: false,
            incarnation: None,
            ended: None,
            goodbye: None,
            dismissed: None,
            heard: self.now,
        });
        let state = &mut self.clients[client];
        state.stream = Some(stream);
        state.phase = Phase::Connecting;
        state.aliases.clear();
        state.alias_maximum = 0;
        state.receive_maximum = 1;
        if terms.clean_start {
            state.forget_session();
        }
        self.send_connect(client, stream, terms);
        if terms.clean_start && self.has(Feature::Eager) && !self.healed {
            for _ in 0..self.random.below(4) {
                self.do_something(client);
            }
        }
    }

    fn send_connect(&mut self, client: usize, stream: usize, terms: Terms) {
        let version_5 = self.clients[client].version == ProtocolVersion::V5;
        let properties = ConnectProperties {
            session_expiry_interval: (version_5 && terms.expiry > 0).then_some(terms.expiry),
            receive_maximum: terms.receive_maximum.and_then(NonZeroU16::new),
            maximum_packet_size: terms.maximum_packet.and_then(NonZeroU32::new),
            topic_alias_maximum: (terms.alias_maximum > 0).then_some(terms.alias_maximum),
            ..ConnectProperties::default()
        };
        let terms_of_will = self.history.links[stream].will.clone();
        let name = self.clients[client].name.clone();
        let user = self.history.links[stream].user.clone();
        let message = terms_of_will
            .as_ref()
            .map(|will| self.history.messages[will.message as usize].clone());
        let bytes = terms_of_will
            .as_ref()
            .map(|will| payload(&self.history, will.message));
        let will = match (&terms_of_will, &message, &bytes) {
            (Some(terms), Some(message), Some(bytes)) => Some(Will {
                qos: message.qos,
                retain: message.retain,
                topic: &message.topic,
                payload: bytes,
                delay_interval: (terms.delay > 0).then_some(terms.delay),
                properties: PublishProperties::default(),
            }),
            _ => None,
        };
        let connect = Connect {
            version: self.clients[client].version,
            clean_start: terms.clean_start,
            keep_alive: terms.keep_alive,
            properties,
            client_id: &name,
            will,
            username: user.as_deref(),
            password: None,
        };
        self.send(client, &Packet::Connect(connect), Sent::Connect);
        if terms.keep_alive > 0 {
            let interval = u64::from(terms.keep_alive) * 700;
            self.plan_in(interval, Event::Ping(client, stream));
        }
    }

    fn choose_will(&mut self, client: usize, stream: usize) -> Option<WillTerms> {
        let wanted = self.has(Feature::Wills)
            && !self.healed
            && self.clients[client].role == Role::Ordinary
            && self.random.percent(60);
        if !wanted {
            return None;
        }
        let version_5 = self.clients[client].version == ProtocolVersion::V5;
        let delayed = version_5 && self.has(Feature::WillDelay) && self.random.percent(60);
        let delay = if delayed {
            self.random.between(1, 12)
        } else {
            0
        };
        let message = self.history.messages.len();
        // The watcher is to see every will.
        let qos = *self.random.pick(&[QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let retain = self.has(Feature::Retained) && self.random.percent(30);
        self.history.messages.push(Publication {
            publisher: client,
            topic: format!("w/{client}"),
            qos,
            retain,
            is_empty: false,
            payload_len: 8,
            expiry: None,
            content_type: false,
            is_will: true,
            sent: 1,
            stream,
            arrived: None,
            handled: None,
            arrivals: 0,
            arrived_on: Vec::new(),
            acked: None,
            refused: false,
        });
        Some(WillTerms {
            message: u32::try_from(message).expect("few"),
            delay: u32::try_from(delay).expect("small"),
        })
    }

    /// A client says goodbye, with its will or without.
    pub fn disconnect(&mut self, client: usize, reason: ReasonCode, expiry: Option<u32>) {
        let Some(stream) = self.clients[client].stream else {
            return;
        };
        let disconnect = Disconnect {
            reason,
            session_expiry_interval: expiry,
            ..Disconnect::default()
        };
        self.send(
            client,
            &Packet::Disconnect(disconnect),
            Sent::Disconnect(reason as u8, expiry),
        );
        self.leave(client, stream, Some(Finish::Closed));
    }

    /// A client leaves its connection: closed, reset, or (`None`) left lying there.
    pub fn leave(&mut self, client: usize, stream: usize, finish: Option<Finish>) {
        self.trace
            .line(self.now, || format!("client {client} leaves: {finish:?}"));
        if let Some(finish) = finish {
            self.finish(stream, finish);
        }
        self.clients[client].stream = None;
        self.clients[client].phase = Phase::Offline;
    }

    /// A client shows that it is there.
    pub fn ping(&mut self, client: usize, stream: usize) {
        if self.clients[client].stream != Some(stream) {
            return;
        }
        if self.clients[client].phase == Phase::Connected {
            self.send(client, &Packet::PingReq, Sent::Ping);
        }
        let interval = u64::from(self.history.links[stream].keep_alive) * 700;
        self.plan_in(interval, Event::Ping(client, stream));
    }
}

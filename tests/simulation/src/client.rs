//! A simulated client: what MQTT obliges it to remember, and how it answers.
//!
//! Owns the client's half of a session. Always correct: whatever goes wrong in a run
//! is the network's doing or the broker's. What it does of its own accord is in
//! `workload`; how it connects is in `connect`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ringmq::protocol::{
    Acknowledge, Packet, PacketId, ProtocolVersion, QoS, ReasonCode, ReasonProperties,
};

use crate::edge::brief;
use crate::history::MessageId;
use crate::plan::{Feature, Plan};
use crate::random::Random;
use crate::stream::{Finish, Received, Sent};
use crate::world::{Event, World};

/// What a client is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Sees every will; nothing ever happens to it.
    Watcher,
    /// Publishes and subscribes.
    Ordinary,
    /// Asks what is retained.
    Probe,
    /// Is a member of this shared group and subscribes to nothing else.
    Worker(&'static str),
}

/// Whether a client has a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// It has none.
    Offline,
    /// CONNECT is sent.
    Connecting,
    /// CONNACK has come.
    Connected,
}

/// A QoS 1 or 2 message of the client that is not complete.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its packet identifier.
    pub packet_id: u16,
    /// The message.
    pub message: MessageId,
    /// PUBREC has come, and PUBREL is to be completed.
    pub released: bool,
}

/// An acknowledgement that a client owes.
#[derive(Clone, Copy, Debug)]
pub struct Owed {
    stream: usize,
    kind: fn(Acknowledge<'static>) -> Packet<'static>,
    packet_id: u16,
    completes: bool,
    message: Option<MessageId>,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    /// Its client identifier.
    pub name: String,
    /// What it is there for.
    pub role: Role,
    /// The protocol it speaks.
    pub version: ProtocolVersion,
    /// Its present connection, as far as it knows.
    pub stream: Option<usize>,
    /// How far that is.
    pub phase: Phase,
    /// The broker's Receive Maximum.
    pub receive_maximum: u16,
    /// The broker's Topic Alias Maximum.
    pub alias_maximum: u16,
    /// Aliases it has set on this connection.
    pub aliases: BTreeMap<u16, String>,
    /// The packet identifier it used last.
    pub last_id: u16,
    /// Its messages that are not complete, in order.
    pub outgoing: VecDeque<Outgoing>,
    /// QoS 2 messages of the broker between PUBLISH and PUBREL.
    pub incoming: BTreeSet<u16>,
    /// Its open requests.
    pub requests: BTreeSet<u16>,
    /// What it owes, in order.
    pub owed: VecDeque<Owed>,
}

impl Client {
    /// The clients of a plan: the watcher, the ordinary ones, the workers.
    #[must_use]
    pub fn all(plan: &Plan) -> Vec<Self> {
        let mut random = Random::new(plan.seed ^ 0x636c_6965_6e74);
        let mut clients = vec![Self::new(
            "watcher".to_owned(),
            Role::Watcher,
            ProtocolVersion::V5,
        )];
        for number in 1..=plan.clients {
            let old = plan.has(Feature::OldVersions) && random.percent(40);
            let version = if old && random.percent(20) {
                ProtocolVersion::V3_1
            } else if old {
                ProtocolVersion::V3_1_1
            } else {
                ProtocolVersion::V5
            };
            clients.push(Self::new(
                format!("client-{number}"),
                Role::Ordinary,
                version,
            ));
        }
        if plan.has(Feature::Shared) {
            let groups = 1 + random.index(2);
            for number in 0..plan.workers {
                let group = crate::topics::GROUPS[(random.index(2) + number % groups) % 4];
                clients.push(Self::new(
                    format!("worker-{number}"),
                    Role::Worker(group),
                    ProtocolVersion::V5,
                ));
            }
        }
        clients
    }

    /// A client that has never connected.
    #[must_use]
    pub fn new(name: String, role: Role, version: ProtocolVersion) -> Self {
        Self {
            name,
            role,
            version,
            stream: None,
            phase: Phase::Offline,
            receive_maximum: u16::MAX,
            alias_maximum: 0,
            aliases: BTreeMap::new(),
            last_id: 0,
            outgoing: VecDeque::new(),
            incoming: BTreeSet::new(),
            requests: BTreeSet::new(),
            owed: VecDeque::new(),
        }
    }

    /// A packet identifier that is not in use.
    pub fn fresh_id(&mut self) -> u16 {
        // A small range, so that identifiers are used again soon.
        loop {
            self.last_id = self.last_id % 200 + 1;
            let id = self.last_id;
            if !self.requests.contains(&id) && self.outgoing.iter().all(|out| out.packet_id != id) {
                return id;
            }
        }
    }

    /// Forgets its half of the session.
    pub fn forget_session(&mut self) {
        self.outgoing.clear();
        self.incoming.clear();
        self.requests.clear();
    }
}

/// A packet that acknowledges.
pub fn acknowledgement(
    kind: fn(Acknowledge<'static>) -> Packet<'static>,
    packet_id: u16,
) -> Packet<'static> {
    kind(Acknowledge {
        packet_id: PacketId::new(packet_id).expect("not zero"),
        reason: ReasonCode::Success,
        properties: ReasonProperties::default(),
    })
}

impl World {
    /// A client sends a packet on its connection.
    pub fn send(&mut self, client: usize, packet: &Packet<'_>, sent: Sent) {
        let Some(stream) = self.clients[client].stream else {
            return;
        };
        let mut bytes = Vec::new();
        packet
            .encode(self.clients[client].version, &mut bytes)
            .expect("a valid packet");
        self.trace
            .line(self.now, || format!("client {client} > {}", brief(packet)));
        self.write(stream, &bytes, sent);
    }

    /// A packet has reached a client.
    pub fn receive(&mut self, stream: usize, packet: &Received) {
        let client = self.streams[stream].client;
        if self.clients[client].stream != Some(stream) {
            return;
        }
        self.trace
            .line(self.now, || format!("client {client} < {packet:?}"));
        if let Some(heard) = &mut self.heard {
            heard.push(format!("client {client} < {}", packet.comparable()));
        }
        match *packet {
            Received::ConnAck {
                present,
                receive_maximum,
                alias_maximum,
            } => {
                let state = &mut self.clients[client];
                state.receive_maximum = receive_maximum;
                state.alias_maximum = alias_maximum;
                self.accepted(client, stream, present);
            }
            Received::Publish {
                packet_id,
                message,
                qos,
                retain,
            } => self.take_in(client, stream, packet_id, message, qos, retain),
            Received::PubAck(packet_id, success) => self.answered(client, packet_id, 1, success),
            Received::PubRec(packet_id, success) => self.answered(client, packet_id, 2, success),
            Received::PubRel(packet_id) => {
                self.clients[client].incoming.remove(&packet_id);
                self.owe(client, stream, Packet::PubComp, packet_id, true, None);
            }
            Received::PubComp(packet_id) => {
                self.clients[client]
                    .outgoing
                    .retain(|out| out.packet_id != packet_id || !out.released);
            }
            Received::Granted(packet_id) => {
                self.clients[client].requests.remove(&packet_id);
            }
            Received::Refused | Received::Disconnect => self.end_of_stream(stream),
            Received::Pong => {}
        }
    }

    fn accepted(&mut self, client: usize, stream: usize, present: bool) {
        self.clients[client].phase = Phase::Connected;
        if !present && !self.history.links[stream].clean_start {
            self.clients[client].forget_session();
        }
        if present {
            // Requests without an answer were lost with their connection.
            self.clients[client].requests.clear();
            for out in self.clients[client].outgoing.clone() {
                if out.released {
                    let packet = acknowledgement(Packet::PubRel, out.packet_id);
                    self.send(client, &packet, Sent::Other);
                } else {
                    self.send_publish(client, out.message, out.packet_id, true);
                }
            }
        }
        self.after_connect(client);
    }

    fn take_in(
        &mut self,
        client: usize,
        stream: usize,
        packet_id: u16,
        message: Option<MessageId>,
        qos: u8,
        retain: bool,
    ) {
        let is_new = qos < 2 || self.clients[client].incoming.insert(packet_id);
        if let (Some(message), Some(incarnation)) =
            (message, self.history.links[stream].incarnation)
        {
            let taken = self
                .history
                .taken
                .entry((client, incarnation, message))
                .or_default();
            taken.any += 1;
            if qos == 2 && is_new && !retain {
                taken.exactly_once += 1;
            }
        }
        match qos {
            0 => {}
            1 => self.owe(client, stream, Packet::PubAck, packet_id, true, message),
            _ => self.owe(client, stream, Packet::PubRec, packet_id, false, message),
        }
    }

    /// PUBACK or PUBREC for a message of the client's own.
    fn answered(&mut self, client: usize, packet_id: u16, qos: u8, success: bool) {
        let out = self.clients[client]
            .outgoing
            .iter()
            .position(|out| out.packet_id == packet_id && !out.released);
        let Some(index) = out else {
            if qos == 2 && success {
                let packet = acknowledgement(Packet::PubRel, packet_id);
                self.send(client, &packet, Sent::Other);
            }
            return;
        };
        let message = self.clients[client].outgoing[index].message;
        if self.history.messages[message as usize].qos as u8 != qos {
            return;
        }
        if success && self.history.messages[message as usize].arrived.is_none() {
            self.violate("delivered", || {
                format!("message {message} was acknowledged to client {client} and never arrived")
            });
        }
        if qos == 1 || !success {
            self.clients[client].outgoing.remove(index);
        } else {
            self.clients[client].outgoing[index].released = true;
            let packet = acknowledgement(Packet::PubRel, packet_id);
            self.send(client, &packet, Sent::Other);
        }
        let when = self.history.when(self.now);
        let record = &mut self.history.messages[message as usize];
        if success {
            record.acked.get_or_insert(when);
        } else {
            record.refused = true;
        }
    }

    fn owe(
        &mut self,
        client: usize,
        stream: usize,
        kind: fn(Acknowledge<'static>) -> Packet<'static>,
        packet_id: u16,
        completes: bool,
        message: Option<MessageId>,
    ) {
        let owed = Owed {
            stream,
            kind,
            packet_id,
            completes,
            message,
        };
        self.clients[client].owed.push_back(owed);
        let slow = self.clients[client].role != Role::Watcher
            && self.storms(Feature::SlowAcknowledgements, 40);
        let delay = self.weather.below(if slow { 3_000 } else { 5 });
        self.plan_in(delay, Event::Acknowledge(client));
    }

    /// A client sends the oldest acknowledgement that it owes.
    pub fn acknowledge_next(&mut self, client: usize) {
        let Some(owed) = self.clients[client].owed.pop_front() else {
            return;
        };
        if self.clients[client].stream != Some(owed.stream) {
            return;
        }
        if let Some(message) = owed.message {
            self.history.completed.insert((client, message));
        }
        let sent = if owed.completes {
            Sent::Completes(owed.packet_id)
        } else {
            Sent::Other
        };
        self.send(client, &acknowledgement(owed.kind, owed.packet_id), sent);
    }

    /// The broker has closed a connection, or said that it will.
    pub fn end_of_stream(&mut self, stream: usize) {
        let client = self.streams[stream].client;
        self.finish(stream, Finish::Closed);
        if self.clients[client].stream == Some(stream) {
            self.trace
                .line(self.now, || format!("client {client} is offline"));
            self.clients[client].stream = None;
            self.clients[client].phase = Phase::Offline;
        }
    }

    /// The highest QoS that this run uses, chosen for one message or filter.
    pub fn choose_qos(&mut self) -> QoS {
        let mut choices = vec![QoS::AtMostOnce];
        if self.has(Feature::AtLeastOnce) {
            choices.extend([QoS::AtLeastOnce; 2]);
        }
        if self.has(Feature::ExactlyOnce) {
            choices.extend([QoS::ExactlyOnce; 2]);
        }
        *self.random.pick(&choices)
    }
}

//! A few engines on one thread with an in-memory network, mesh and clock.
//!
//! Owns the streams of its clients. Nothing here sleeps: time is set by the test,
//! and mesh batches move when the test says so.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use ahash::RandomState;

use crate::engine::connection::Connection;
use crate::engine::{
    ConnectionBudget, Engine, EngineConfig, Limits, ListenerPolicy, LostCause, Origin, Outbox,
    PeerBatch, StopPhase,
};
use crate::hooks::{Answer, Chain, Inquiry, Ticket};
use crate::ids::{ConnectionId, ShardId};
use crate::peer::{Identity, Peer};
use crate::protocol::{
    Acknowledge, Connect, ConnectProperties, Disconnect, Packet, PacketId, ProtocolVersion,
    Publish, PublishProperties, QoS, ReasonCode, ReasonProperties, RetainHandling, Split,
    Subscribe, SubscriptionOptions, SubscriptionRequest, TopicFilter, Unsubscribe, UserProperties,
    Will, split,
};
use crate::routing::InterestTable;
use crate::time::Timestamp;

/// What a client has received, as far as tests look at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    ConnAck {
        present: bool,
        reason: ReasonCode,
    },
    Publish {
        topic: String,
        payload: String,
        qos: u8,
        dup: bool,
        retain: bool,
        id: u16,
    },
    Ack(&'static str, u16, ReasonCode),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16, Vec<u8>),
    Disconnect(ReasonCode),
    Other(String),
}

/// A client's end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Client(usize);

struct Stream {
    shard: usize,
    id: ConnectionId,
    version: ProtocolVersion,
    received: Vec<u8>,
    closed: bool,
    reads: bool,
}

/// How a client connects.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    pub version: ProtocolVersion,
    pub clean: bool,
    pub expiry: Option<u32>,
    pub keep_alive: u16,
    pub receive_maximum: Option<u16>,
    pub maximum_packet_size: Option<u32>,
    pub topic_alias_maximum: Option<u16>,
    pub will: Option<(&'a str, &'a str, u32)>,
}

/// A clean 5.0 client without anything special.
pub const PLAIN: Wish<'static> = Wish {
    version: ProtocolVersion::V5,
    clean: true,
    expiry: None,
    keep_alive: 0,
    receive_maximum: None,
    maximum_packet_size: None,
    topic_alias_maximum: None,
    will: None,
};

/// A 5.0 client whose session stays.
pub const KEPT: Wish<'static> = Wish {
    clean: false,
    expiry: Some(1_000),
    ..PLAIN
};

/// All of it.
pub struct World {
    pub engines: Vec<Engine>,
    pub now: Timestamp,
    budget: Arc<ConnectionBudget>,
    streams: Vec<Stream>,
    by_connection: HashMap<(usize, ConnectionId), usize>,
    /// Batches under way, per (from, to).
    lanes: BTreeMap<(usize, usize), VecDeque<PeerBatch>>,
}

impl World {
    pub fn new(shards: u16, limits: Limits) -> Self {
        Self::with_rules(shards, limits, Arc::default(), None)
    }

    /// A world with hooks and with a listener's policy towards anonymous clients.
    pub fn with_rules(
        shards: u16,
        limits: Limits,
        hooks: Arc<Chain>,
        allow_anonymous: Option<bool>,
    ) -> Self {
        let listener = ListenerPolicy {
            name: "tcp".into(),
            allow_anonymous,
            quotas: Arc::default(),
        };
        let listeners: Arc<[ListenerPolicy]> = Arc::from([listener]);
        let interest = Arc::new(InterestTable::new(
            shards,
            RandomState::with_seeds(1, 2, 3, 4),
        ));
        let limits = Arc::new(limits);
        let engines = (0..shards).map(|shard| {
            Engine::new(EngineConfig {
                shard: ShardId(shard),
                shards,
                limits: Arc::clone(&limits),
                listeners: Arc::clone(&listeners),
                hooks: Arc::clone(&hooks),
                placement_seed: [1, 2, 3, 4],
                random_seed: u64::from(shard),
                interest: Arc::clone(&interest),
            })
        });
        Self {
            engines: engines.collect(),
            now: Timestamp::from_millis(1_000),
            budget: ConnectionBudget::new(1_000),
            streams: Vec::new(),
            by_connection: HashMap::new(),
            lanes: BTreeMap::new(),
        }
    }

    /// Opens a stream to the shard of the test's choice and sends nothing.
    pub fn open(&mut self, shard: usize, version: ProtocolVersion) -> Client {
        let origin = Origin {
            peer: ([127, 0, 0, 1], 1).into(),
            listener: 0,
        };
        let permit = self.budget.try_acquire().expect("room in the test");
        let id = self.engines[shard]
            .handle_accepted(origin, permit, self.now)
            .expect("running");
        let client = self.streams.len();
        let (received, closed, reads) = (Vec::new(), false, true);
        self.streams.push(Stream {
            shard,
            id,
            version,
            received,
            closed,
            reads,
        });
        self.by_connection.insert((shard, id), client);
        Client(client)
    }

    /// Tells the engine who a client is, as a transport does.
    pub fn establish(&mut self, client: Client, peer: Peer, identity: Identity) {
        let stream = &self.streams[client.0];
        let identity = Some(Box::new(identity));
        self.engines[stream.shard].handle_established(stream.id, Some(peer), identity);
    }

    /// The questions that have left the shards.
    pub fn questions(&mut self) -> Vec<Inquiry> {
        self.engines
            .iter_mut()
            .flat_map(|engine| std::iter::from_fn(|| engine.next_question()))
            .collect()
    }

    /// The answer to a question arrives, and what it sets free happens.
    pub fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.engines[ticket.shard.index()].handle_verdict(ticket, answer, self.now);
        self.settle();
    }

    /// Whether a client waits for a verdict of which nobody else would hear.
    pub fn awaits_in_vain(&self, client: Client) -> bool {
        let stream = &self.streams[client.0];
        let engine = &self.engines[stream.shard];
        engine.awaits_verdict(stream.id) && engine.only_its_peer_waits(stream.id)
    }

    /// A client's connection, on whichever shard it is.
    pub fn connection_of(&self, client: Client) -> &Connection {
        let stream = &self.streams[client.0];
        let connections = &self.engines[stream.shard].clients.connections;
        let connection = connections.get(stream.id.slot, stream.id.generation);
        connection.expect("the client is connected")
    }

    /// Connects and moves everything until all is quiet.
    pub fn connect(&mut self, client_id: &str, wish: Wish<'_>) -> Client {
        let client = self.begin_connect(client_id, wish);
        self.settle();
        client
    }

    /// Sends CONNECT on a fresh stream.
    pub fn begin_connect(&mut self, client_id: &str, wish: Wish<'_>) -> Client {
        let client = self.open(self.streams.len() % self.engines.len(), wish.version);
        self.greet(client, client_id, wish);
        client
    }

    /// Sends CONNECT on a stream that is open.
    pub fn greet(&mut self, client: Client, client_id: &str, wish: Wish<'_>) {
        let will = wish.will.map(|(topic, payload, delay)| Will {
            qos: QoS::AtLeastOnce,
            retain: false,
            topic,
            payload: payload.as_bytes(),
            delay_interval: Some(delay),
            properties: PublishProperties::default(),
        });
        let connect = Connect {
            version: wish.version,
            clean_start: wish.clean,
            keep_alive: wish.keep_alive,
            properties: ConnectProperties {
                session_expiry_interval: wish.expiry,
                receive_maximum: wish.receive_maximum.and_then(NonZeroU16::new),
                maximum_packet_size: wish.maximum_packet_size.and_then(NonZeroU32::new),
                topic_alias_maximum: wish.topic_alias_maximum,
                ..ConnectProperties::default()
            },
            client_id,
            will,
            username: None,
            password: None,
        };
        self.send(client, &Packet::Connect(connect));
    }

    pub fn send(&mut self, client: Client, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet
            .encode(self.streams[client.0].version, &mut bytes)
            .expect("a valid packet");
        self.send_bytes(client, &bytes);
    }

    pub fn send_bytes(&mut self, client: Client, bytes: &[u8]) {
        let stream = &self.streams[client.0];
        self.engines[stream.shard].handle_bytes(stream.id, bytes, self.now);
    }

    pub fn publish(&mut self, client: Client, topic: &str, payload: &str, qos: QoS, id: u16) {
        self.publish_with(client, topic, payload, qos, id, false);
    }

    pub fn publish_with(
        &mut self,
        client: Client,
        topic: &str,
        payload: &str,
        qos: QoS,
        id: u16,
        retain: bool,
    ) {
        let publish = Publish {
            dup: false,
            qos,
            retain,
            topic,
            packet_id: PacketId::new(id),
            properties: PublishProperties::default(),
            payload: payload.as_bytes(),
        };
        self.send(client, &Packet::Publish(publish));
    }

    pub fn publish_expiring(&mut self, client: Client, topic: &str, payload: &str, seconds: u32) {
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic,
            packet_id: PacketId::new(1),
            properties: PublishProperties {
                message_expiry_interval: Some(seconds),
                ..PublishProperties::default()
            },
            payload: payload.as_bytes(),
        };
        self.send(client, &Packet::Publish(publish));
    }

    pub fn subscribe(&mut self, client: Client, filter: &str, qos: QoS) {
        let options = SubscriptionOptions {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        };
        let filter = TopicFilter::parse(filter).expect("a valid filter");
        let subscribe = Subscribe {
            packet_id: PacketId::new(77).expect("not zero"),
            subscription_id: None,
            user_properties: UserProperties::default(),
            filters: [SubscriptionRequest { filter, options }]
                .into_iter()
                .collect(),
        };
        self.send(client, &Packet::Subscribe(subscribe));
    }

    pub fn unsubscribe(&mut self, client: Client, filter: &str) {
        let unsubscribe = Unsubscribe {
            packet_id: PacketId::new(78).expect("not zero"),
            user_properties: UserProperties::default(),
            filters: [TopicFilter::parse(filter).expect("a valid filter")]
                .into_iter()
                .collect(),
        };
        self.send(client, &Packet::Unsubscribe(unsubscribe));
    }

    /// Acknowledges with a packet of this kind.
    pub fn acknowledge(
        &mut self,
        client: Client,
        kind: fn(Acknowledge<'static>) -> Packet<'static>,
        id: u16,
    ) {
        let packet_id = PacketId::new(id).expect("not zero");
        let (reason, properties) = (ReasonCode::Success, ReasonProperties::default());
        self.send(
            client,
            &kind(Acknowledge {
                packet_id,
                reason,
                properties,
            }),
        );
    }

    pub fn disconnect(&mut self, client: Client) {
        self.send(client, &Packet::Disconnect(Disconnect::default()));
        self.settle();
    }

    /// The client leaves, and its session expires after so many seconds.
    pub fn disconnect_with(&mut self, client: Client, session_expiry_interval: u32) {
        let disconnect = Disconnect {
            session_expiry_interval: Some(session_expiry_interval),
            ..Disconnect::default()
        };
        self.send(client, &Packet::Disconnect(disconnect));
        self.settle();
    }

    /// The network takes the client away.
    pub fn lose(&mut self, client: Client) {
        self.cut(client);
        self.settle();
    }

    /// The network takes the client away while everything else stands still.
    pub fn cut(&mut self, client: Client) {
        let stream = &self.streams[client.0];
        let (shard, id) = (stream.shard, stream.id);
        self.engines[shard].handle_lost(id, LostCause::EndOfStream, self.now);
    }

    /// The shard that serves a client.
    pub fn shard_of(&self, client: Client) -> usize {
        self.streams[client.0].shard
    }

    /// A client that reads nothing any more, or again.
    pub fn set_reading(&mut self, client: Client, reads: bool) {
        self.streams[client.0].reads = reads;
        if reads {
            let (shard, id) = (self.streams[client.0].shard, self.streams[client.0].id);
            self.flush(shard, id);
        }
    }

    /// Moves everything until nothing moves any more.
    pub fn settle(&mut self) {
        while self.turn() | self.carry() {}
    }

    /// Every engine's outputs, once; batches wait in their lanes.
    pub fn turn(&mut self) -> bool {
        let mut moved = false;
        for shard in 0..self.engines.len() {
            moved |= self.engines[shard].handle_ready(self.now);
            while let Some((to, batch)) = self.engines[shard].next_peer_batch() {
                self.lanes
                    .entry((shard, to.index()))
                    .or_default()
                    .push_back(batch);
                moved = true;
            }
            while let Some(id) = self.engines[shard].next_dirty() {
                moved |= self.flush(shard, id);
            }
            while let Some((id, to, arrival)) = self.engines[shard].next_handoff() {
                let client = self.by_connection.remove(&(shard, id)).expect("known");
                self.engines[shard].release(id);
                let adopted = self.engines[to.index()].handle_adopted(arrival, self.now);
                self.streams[client].shard = to.index();
                self.streams[client].id = adopted;
                self.by_connection.insert((to.index(), adopted), client);
                moved = true;
            }
            while let Some(id) = self.engines[shard].next_close() {
                self.flush(shard, id);
                self.engines[shard].release(id);
                let client = self.by_connection.remove(&(shard, id)).expect("known");
                self.streams[client].closed = true;
                moved = true;
            }
            while self.engines[shard].next_resumed().is_some() {}
        }
        moved
    }

    fn flush(&mut self, shard: usize, id: ConnectionId) -> bool {
        let Some(&client) = self.by_connection.get(&(shard, id)) else {
            return false;
        };
        if !self.streams[client].reads {
            return false;
        }
        let Some(outbox) = self.engines[shard].outbox(id) else {
            return false;
        };
        let bytes = outbox.len();
        take(outbox, bytes, &mut self.streams[client].received);
        self.engines[shard].handle_flushed(id, self.now);
        bytes > 0
    }

    /// Every batch under way arrives.
    pub fn carry(&mut self) -> bool {
        let mut moved = false;
        for ((from, to), batches) in std::mem::take(&mut self.lanes) {
            let from = ShardId(u16::try_from(from).expect("few shards"));
            for batch in batches {
                self.engines[to].handle_peer(from, batch, self.now);
                moved = true;
            }
        }
        moved
    }

    /// Time passes, and what is due happens.
    pub fn pass(&mut self, seconds: u32) {
        let end = self.now.plus_seconds(seconds);
        while let Some(next) = self
            .engines
            .iter()
            .filter_map(Engine::next_deadline)
            .min()
            .filter(|&at| at <= end)
        {
            self.now = self.now.max(next);
            for engine in &mut self.engines {
                engine.handle_timeout(self.now);
            }
            self.settle();
        }
        self.now = end;
    }

    pub fn stop(&mut self, phase: StopPhase) {
        for engine in &mut self.engines {
            engine.handle_stop(phase, self.now);
        }
    }

    pub fn is_closed(&self, client: Client) -> bool {
        self.streams[client.0].closed
    }

    /// Bytes of each packet that has arrived since the last look.
    pub fn sizes(&mut self, client: Client) -> Vec<usize> {
        let bytes = std::mem::take(&mut self.streams[client.0].received);
        let (mut rest, mut sizes) = (&bytes[..], Vec::new());
        while let Ok(Split::Complete { size, .. }) = split(rest, u32::MAX) {
            sizes.push(size);
            rest = &rest[size..];
        }
        sizes
    }

    /// The client takes some of what is owed to it, if it reads at all.
    pub fn read_some(&mut self, client: Client, bytes: usize) {
        let stream = &mut self.streams[client.0];
        let outbox = self.engines[stream.shard].outbox(stream.id).expect("open");
        take(outbox, bytes, &mut stream.received);
        if outbox.is_empty() {
            self.engines[stream.shard].handle_flushed(stream.id, self.now);
        }
    }

    /// What has arrived since the last look.
    pub fn seen(&mut self, client: Client) -> Vec<Seen> {
        let stream = &mut self.streams[client.0];
        let bytes = std::mem::take(&mut stream.received);
        let mut rest = &bytes[..];
        let mut seen = Vec::new();
        while let Ok(Split::Complete { frame, size }) = split(rest, u32::MAX) {
            let packet = Packet::decode(stream.version, frame).expect("the broker's own packet");
            seen.push(look(&packet));
            rest = &rest[size..];
        }
        assert!(rest.is_empty(), "whole packets only");
        seen
    }

    /// Payloads of the messages that have arrived since the last look.
    pub fn payloads(&mut self, client: Client) -> Vec<String> {
        let publishes = self.seen(client).into_iter().filter_map(|seen| match seen {
            Seen::Publish { payload, .. } => Some(payload),
            _ => None,
        });
        publishes.collect()
    }
}

/// Moves so many bytes from an out-buffer, as far as it holds them.
fn take(outbox: &mut Outbox, bytes: usize, received: &mut Vec<u8>) {
    let mut left = bytes.min(outbox.len());
    while left > 0 {
        let taken = left.min(outbox.pending().len());
        received.extend_from_slice(&outbox.pending()[..taken]);
        outbox.advance(taken);
        left -= taken;
    }
}

fn look(packet: &Packet<'_>) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ack = |kind, ack: &Acknowledge<'_>| Seen::Ack(kind, ack.packet_id.get(), ack.reason);
    match packet {
        Packet::ConnAck(connack) => Seen::ConnAck {
            present: connack.session_present,
            reason: connack.reason,
        },
        Packet::Publish(publish) => Seen::Publish {
            topic: publish.topic.to_owned(),
            payload: text(publish.payload),
            qos: publish.qos as u8,
            dup: publish.dup,
            retain: publish.retain,
            id: publish.packet_id.map_or(0, PacketId::get),
        },
        Packet::PubAck(a) => ack("PUBACK", a),
        Packet::PubRec(a) => ack("PUBREC", a),
        Packet::PubRel(a) => ack("PUBREL", a),
        Packet::PubComp(a) => ack("PUBCOMP", a),
        Packet::SubAck(s) => Seen::SubAck(s.packet_id.get(), s.reasons.to_vec()),
        Packet::UnsubAck(u) => Seen::UnsubAck(u.packet_id.get(), u.reasons.to_vec()),
        Packet::Disconnect(d) => Seen::Disconnect(d.reason),
        other => Seen::Other(format!("{other:?}")),
    }
}

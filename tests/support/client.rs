//! A client over a raw stream of bytes that says what a test tells it and waits with deadlines.
//!
//! Owns the connection, the bytes received so far and the PUBLISH packets that came while it waited for
//! something else. Checks for every packet what can be seen only in a sequence: the client's maximum
//! packet size, packet identifiers in use, topic aliases (which it also resolves), nothing after a
//! DISCONNECT. Never acknowledges by itself: [`Client::receive`] does the whole flow, and
//! [`Client::expect_publish`] leaves it to the test.

mod expect;
mod flow;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::broker::{Broker, unique};
use super::stream::Stream;
use super::wire::incoming::{decode, split};
use super::wire::{ConnAck, Connect, Packet, Publish, Version, property};

/// How long an answer may take. Far beyond what a broker needs, because test machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Lets real time pass. Only for promises about time itself: an event is waited for.
pub fn let_pass(time: Duration) {
    std::thread::sleep(time);
}

/// Why no packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The broker closed the connection.
    Closed,
    /// The deadline passed.
    TimedOut,
}

/// A connection to the broker.
pub struct Client {
    stream: Stream,
    version: Version,
    bytes: Vec<u8>,
    /// PUBLISH packets that arrived while the test waited for an answer.
    set_aside: VecDeque<Publish>,
    next_id: u16,
    maximum_packet_size: Option<u32>,
    topic_alias_maximum: u32,
    aliases: HashMap<u32, String>,
    /// Identifiers of QoS 1 and 2 messages that this client has not finished.
    held: BTreeSet<u16>,
    disconnected: bool,
    /// Other brokers may close without DISCONNECT, which is only a SHOULD; ours says why.
    may_be_silent: bool,
}

impl Client {
    /// A TCP connection on which nothing has been said.
    pub fn open(broker: &Broker, version: Version) -> Self {
        let way = broker.way();
        let stream =
            Stream::open(way).unwrap_or_else(|error| panic!("no connection by {way:?}: {error}"));
        Self::on(stream, version, broker.is_ours())
    }

    /// A client on a stream that is open.
    pub fn on(stream: Stream, version: Version, is_ours: bool) -> Self {
        Self {
            stream,
            version,
            bytes: Vec::new(),
            set_aside: VecDeque::new(),
            next_id: 1,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            aliases: HashMap::new(),
            held: BTreeSet::new(),
            disconnected: false,
            may_be_silent: version != Version::V5 || !is_ours,
        }
    }

    /// Sends CONNECT; the answer is still to come.
    pub fn start(broker: &Broker, connect: &Connect) -> Self {
        let mut client = Self::open(broker, connect.version);
        client.send_connect(connect);
        client
    }

    /// Sends CONNECT on a connection that is already open.
    pub fn send_connect(&mut self, connect: &Connect) {
        self.maximum_packet_size = connect.properties.number(property::MAXIMUM_PACKET_SIZE);
        self.topic_alias_maximum = connect
            .properties
            .number(property::TOPIC_ALIAS_MAXIMUM)
            .unwrap_or(0);
        self.send(connect.encode());
    }

    /// Connects and returns the broker's answer, which must be a success.
    pub fn handshake(broker: &Broker, connect: &Connect) -> (Self, ConnAck) {
        let mut client = Self::start(broker, connect);
        let answer = client.expect_connack();
        assert_eq!(answer.code, 0, "the broker refuses {connect:?}");
        (client, answer)
    }

    pub fn connect(broker: &Broker, connect: &Connect) -> Self {
        Self::handshake(broker, connect).0
    }

    /// A version 5 client with a name of its own and a clean start.
    pub fn v5(broker: &Broker) -> Self {
        Self::connect(broker, &Connect::v5(&unique("c")))
    }

    /// A version 3.1.1 client with a name of its own and a clean session.
    pub fn v311(broker: &Broker) -> Self {
        Self::connect(broker, &Connect::v311(&unique("c")))
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .unwrap_or_else(|error| panic!("the broker does not take bytes: {error}"));
    }

    /// Sends although the broker may have closed already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// An identifier that this client has not used for a while.
    pub fn fresh_id(&mut self) -> u16 {
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        id
    }

    // Reading.

    /// The next packet, whatever it is.
    pub fn next_within(&mut self, patience: Duration) -> Result<Packet, Ended> {
        if let Some(publish) = self.set_aside.pop_front() {
            return Ok(Packet::Publish(publish));
        }
        self.read(Instant::now() + patience)
    }

    pub fn next(&mut self) -> Packet {
        self.next_within(PATIENCE)
            .unwrap_or_else(|ended| panic!("no packet: {ended:?}"))
    }

    fn read(&mut self, deadline: Instant) -> Result<Packet, Ended> {
        loop {
            match split(&self.bytes) {
                Err(what) => panic!("the broker sent {what}: {:02x?}", self.bytes),
                Ok(None) => self.fill(deadline)?,
                Ok(Some(frame)) => {
                    let size = frame.size;
                    let packet =
                        decode(self.version, frame.first_byte, frame.body).unwrap_or_else(|what| {
                            panic!("the broker sent {what}: {:02x?}", &self.bytes[..size])
                        });
                    self.bytes.drain(..size);
                    return Ok(self.judge(packet, size));
                }
            }
        }
    }

    fn fill(&mut self, deadline: Instant) -> Result<(), Ended> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Ended::TimedOut);
            }
            match self.stream.read_within(&mut buffer, left) {
                Ok(0) => return Err(Ended::Closed),
                Ok(count) => {
                    self.bytes.extend_from_slice(&buffer[..count]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(Ended::Closed),
                },
            }
        }
    }

    /// What a packet must obey in the light of those before it.
    fn judge(&mut self, packet: Packet, size: usize) -> Packet {
        assert!(
            !self.disconnected,
            "a packet after DISCONNECT [MQTT-3.14.4-1]: {packet:?}"
        );
        if let Some(maximum) = self.maximum_packet_size {
            assert!(
                size <= maximum as usize,
                "{size} bytes for a client that takes {maximum} [MQTT-3.1.2-24]: {packet:?}"
            );
        }
        match packet {
            Packet::Publish(publish) => Packet::Publish(self.judge_publish(publish)),
            Packet::Disconnect(disconnect) => {
                self.disconnected = true;
                Packet::Disconnect(disconnect)
            }
            other => other,
        }
    }

    fn judge_publish(&mut self, mut publish: Publish) -> Publish {
        if let Some(id) = publish.id {
            let new = self.held.insert(id);
            assert!(
                new || publish.dup,
                "identifier {id} is in use [MQTT-2.2.1-4]: {publish:?}"
            );
        }
        if let Some(alias) = publish.properties.number(property::TOPIC_ALIAS) {
            assert!(
                alias <= self.topic_alias_maximum,
                "alias {alias} above {} [MQTT-3.1.2-26]",
                self.topic_alias_maximum
            );
            if publish.topic.is_empty() {
                let known = self.aliases.get(&alias);
                publish.topic = known.expect("an alias set before").clone();
            } else {
                self.aliases.insert(alias, publish.topic.clone());
            }
        }
        publish
    }

    /// The next packet that is no PUBLISH; those are kept for later.
    pub fn answer(&mut self) -> Packet {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.read(deadline) {
                Ok(Packet::Publish(publish)) => self.set_aside.push_back(publish),
                Ok(packet) => return packet,
                Err(ended) => panic!("no answer: {ended:?}"),
            }
        }
    }
}

/// Two clients of the same kind, one to publish and one to listen: most tests need no more.
pub fn pair(broker: &Broker, version: Version) -> (Client, Client) {
    let client = || Client::connect(broker, &Connect::new(version, &unique("c")));
    (client(), client())
}

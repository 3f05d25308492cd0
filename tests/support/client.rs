//! A client over a raw TCP connection that says what a test tells it and waits with deadlines.
//!
//! Owns the connection, the bytes received so far and the PUBLISH packets that came while it waited for
//! something else. Checks for every packet what can be seen only in a sequence: the client's maximum
//! packet size, packet identifiers in use, topic aliases (which it also resolves), nothing after a
//! DISCONNECT. Never acknowledges by itself: [`Client::receive`] does the whole flow, and
//! [`Client::expect_publish`] leaves it to the test.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::broker::{Broker, unique};
use super::wire::incoming::{decode, split};
use super::wire::outgoing::{ack, disconnect, pingreq, subscribe, unsubscribe};
use super::wire::{
    Ack, ConnAck, Connect, Packet, Properties, Publish, SubAck, Version, first_byte, property,
};

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
    stream: TcpStream,
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
        let stream = TcpStream::connect(broker.address())
            .unwrap_or_else(|error| panic!("no connection to {}: {error}", broker.address()));
        stream.set_nodelay(true).expect("a TCP option");
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
            may_be_silent: version != Version::V5 || !broker.is_ours(),
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
            self.stream
                .set_read_timeout(Some(left))
                .expect("a time-out above zero");
            match self.stream.read(&mut buffer) {
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

    pub fn expect_connack(&mut self) -> ConnAck {
        match self.next() {
            Packet::ConnAck(connack) => connack,
            other => panic!("CONNACK wanted, got {other:?}"),
        }
    }

    pub fn expect_suback(&mut self) -> SubAck {
        match self.answer() {
            Packet::SubAck(suback) => suback,
            other => panic!("SUBACK wanted, got {other:?}"),
        }
    }

    pub fn expect_unsuback(&mut self) -> SubAck {
        match self.answer() {
            Packet::UnsubAck(unsuback) => unsuback,
            other => panic!("UNSUBACK wanted, got {other:?}"),
        }
    }

    pub fn expect_puback(&mut self, id: u16) -> Ack {
        match self.answer() {
            Packet::PubAck(ack) if ack.id == id => ack,
            other => panic!("PUBACK {id} wanted, got {other:?}"),
        }
    }

    pub fn expect_pubrec(&mut self, id: u16) -> Ack {
        match self.answer() {
            Packet::PubRec(ack) if ack.id == id => ack,
            other => panic!("PUBREC {id} wanted, got {other:?}"),
        }
    }

    pub fn expect_pubrel(&mut self, id: u16) -> Ack {
        match self.answer() {
            Packet::PubRel(ack) if ack.id == id => ack,
            other => panic!("PUBREL {id} wanted, got {other:?}"),
        }
    }

    pub fn expect_pubcomp(&mut self, id: u16) -> Ack {
        match self.answer() {
            Packet::PubComp(ack) if ack.id == id => ack,
            other => panic!("PUBCOMP {id} wanted, got {other:?}"),
        }
    }

    /// The next packet, which must be a PUBLISH; not acknowledged.
    pub fn expect_publish(&mut self) -> Publish {
        self.expect_publish_within(PATIENCE)
    }

    pub fn expect_publish_within(&mut self, patience: Duration) -> Publish {
        match self.next_within(patience) {
            Ok(Packet::Publish(publish)) => publish,
            other => panic!("PUBLISH wanted, got {other:?}"),
        }
    }

    // Whole flows.

    /// Takes the next message and acknowledges it as its QoS asks for.
    pub fn receive(&mut self) -> Publish {
        let publish = self.expect_publish();
        self.acknowledge(&publish);
        publish
    }

    /// The messages that came while the test waited for something else; not acknowledged.
    pub fn take_set_aside(&mut self) -> Vec<Publish> {
        self.set_aside.drain(..).collect()
    }

    /// Takes the next message and compares its payload.
    pub fn expect_message(&mut self, payload: &str) -> Publish {
        let publish = self.receive();
        assert_eq!(publish.text(), payload, "another message: {publish:?}");
        publish
    }

    /// The next message, and a PUBREL for `id` before or after it, which is answered.
    pub fn expect_publish_and_pubrel(&mut self, id: u16) -> Publish {
        self.expect_pubrel(id);
        self.pubcomp(id);
        self.expect_publish()
    }

    pub fn acknowledge(&mut self, publish: &Publish) {
        match (publish.qos, publish.id) {
            (1, Some(id)) => self.puback(id),
            (2, Some(id)) => {
                self.pubrec(id);
                self.expect_pubrel(id);
                self.pubcomp(id);
            }
            _ => {}
        }
    }

    pub fn puback(&mut self, id: u16) {
        self.held.remove(&id);
        self.send(ack(first_byte::PUBACK, id));
    }

    pub fn pubrec(&mut self, id: u16) {
        self.send(ack(first_byte::PUBREC, id));
    }

    pub fn pubcomp(&mut self, id: u16) {
        self.held.remove(&id);
        self.send(ack(first_byte::PUBCOMP, id));
    }

    /// PUBACK or PUBREC with an error: ends the flow of that message.
    pub fn refuse(&mut self, first_byte: u8, id: u16, reason: u8) {
        self.held.remove(&id);
        self.send(super::wire::outgoing::ack_with_reason(
            first_byte, id, reason,
        ));
    }

    pub fn pubrel(&mut self, id: u16) {
        self.send(ack(first_byte::PUBREL, id));
    }

    pub fn send_publish(&mut self, publish: &Publish) {
        let bytes = publish.encode(self.version);
        self.send(bytes);
    }

    /// Publishes and waits until the broker has taken it.
    pub fn publish(&mut self, topic: &str, payload: &str, qos: u8) {
        self.publish_with(Publish::new(topic, payload).qos(qos));
    }

    pub fn publish_with(&mut self, mut publish: Publish) {
        if publish.qos > 0 && publish.id.is_none() {
            publish.id = Some(self.fresh_id());
        }
        self.send_publish(&publish);
        if let Some(id) = publish.id {
            let reason = if publish.qos == 1 {
                self.expect_puback(id).reason
            } else {
                let reason = self.expect_pubrec(id).reason;
                if reason < 0x80 {
                    self.pubrel(id);
                    self.expect_pubcomp(id);
                }
                reason
            };
            assert!(reason < 0x80, "refused with {reason:#04x}: {publish:?}");
        }
    }

    /// Subscribes and insists on the QoS.
    pub fn subscribe(&mut self, filter: &str, qos: u8) {
        let answer = self.subscribe_with(&[(filter, qos)], &Properties::new());
        assert_eq!(answer.reasons, [qos], "not granted: {filter}");
    }

    /// Subscribes with options and, optionally, a subscription identifier.
    pub fn subscribe_options(&mut self, filter: &str, options: u8, identifier: Option<u32>) {
        let mut properties = Properties::new();
        if let Some(identifier) = identifier {
            properties = properties.varint(property::SUBSCRIPTION_ID, identifier);
        }
        let answer = self.subscribe_with(&[(filter, options)], &properties);
        assert_eq!(answer.reasons, [options & 3], "not granted: {filter}");
    }

    pub fn subscribe_with(&mut self, filters: &[(&str, u8)], properties: &Properties) -> SubAck {
        let id = self.fresh_id();
        self.send(subscribe(self.version, id, filters, properties));
        let answer = self.expect_suback();
        assert_eq!(answer.id, id, "a SUBACK for another SUBSCRIBE");
        answer
    }

    pub fn unsubscribe(&mut self, filters: &[&str]) -> SubAck {
        let id = self.fresh_id();
        self.send(unsubscribe(self.version, id, filters, &Properties::new()));
        let answer = self.expect_unsuback();
        assert_eq!(answer.id, id, "an UNSUBACK for another UNSUBSCRIBE");
        answer
    }

    /// Asks for a sign of life and waits for it.
    pub fn ping(&mut self) {
        self.send(pingreq());
        match self.answer() {
            Packet::PingResp => {}
            other => panic!("PINGRESP wanted, got {other:?}"),
        }
    }

    /// Proves that nothing is on its way: what was queued for this client before the PINGREQ
    /// comes before the PINGRESP. Have a publish acknowledged first: a PUBACK says that the message
    /// has been queued for everyone who is to get it.
    pub fn expect_nothing(&mut self) {
        self.ping();
        assert!(
            self.set_aside.is_empty(),
            "nothing wanted, got {:?}",
            self.set_aside
        );
    }

    // Endings.

    /// Says goodbye; the will is dropped.
    pub fn disconnect(mut self) {
        self.send(disconnect());
        self.expect_end();
    }

    /// Ends the connection without a word, and waits until the broker has noticed.
    pub fn vanish(mut self) {
        // The broker may have been first.
        let _ = self.stream.shutdown(Shutdown::Write);
        self.read_to_end();
    }

    /// The broker closes the connection, with nothing before it but what was set aside.
    pub fn expect_end(&mut self) {
        self.expect_end_within(PATIENCE);
    }

    pub fn expect_end_within(&mut self, patience: Duration) {
        match self.read(Instant::now() + patience) {
            Err(Ended::Closed) => {}
            other => panic!("the end of the connection wanted, got {other:?}"),
        }
    }

    /// The broker gives up on this connection: in version 5 it says DISCONNECT with one of these
    /// reasons, before that it just closes. Messages on their way before that are skipped.
    pub fn expect_error(&mut self, reasons: &[u8]) {
        self.expect_error_within(PATIENCE, reasons);
    }

    pub fn expect_error_within(&mut self, patience: Duration, reasons: &[u8]) {
        let deadline = Instant::now() + patience;
        loop {
            match self.read(deadline) {
                Ok(Packet::Publish(publish)) => self.set_aside.push_back(publish),
                Ok(Packet::Disconnect(disconnect)) => {
                    assert!(
                        reasons.contains(&disconnect.reason),
                        "one of {reasons:02x?} wanted, got {disconnect:?}"
                    );
                    let left = deadline.saturating_duration_since(Instant::now());
                    return self.expect_end_within(left);
                }
                Err(Ended::Closed) if self.may_be_silent => return,
                other => panic!("DISCONNECT {reasons:02x?} wanted, got {other:?}"),
            }
        }
    }

    /// Everything until the broker closes, as bytes: for answers whose form is the broker's choice.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.fill(deadline) {
                Ok(()) => {}
                Err(Ended::Closed) => return std::mem::take(&mut self.bytes),
                Err(Ended::TimedOut) => panic!("the connection stays open: {:02x?}", self.bytes),
            }
        }
    }

    /// The broker refuses a CONNECT: it may say so with one of these codes, and must close.
    pub fn expect_refusal(&mut self, codes: &[u8]) {
        match self.next_within(PATIENCE) {
            Err(Ended::Closed) => {}
            Ok(Packet::ConnAck(answer)) => {
                assert!(
                    codes.contains(&answer.code),
                    "one of {codes:02x?} wanted, got {answer:?}"
                );
                self.expect_end();
            }
            other => panic!("a refusal {codes:02x?} wanted, got {other:?}"),
        }
    }
}

/// Two clients of the same kind, one to publish and one to listen: most tests need no more.
pub fn pair(broker: &Broker, version: Version) -> (Client, Client) {
    let client = || Client::connect(broker, &Connect::new(version, &unique("c")));
    (client(), client())
}

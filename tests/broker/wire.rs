//! Just enough MQTT to talk to a broker process: connect, publish, subscribe, read.
//!
//! Owns one raw socket per client. Written apart from the broker's own codec, so that
//! an error there cannot hide. Checks nothing of the protocol's fine print; that is
//! what `tests/conformance` is for.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::wait::PATIENCE;

pub const CONNACK: u8 = 0x20;
pub const PUBLISH: u8 = 0x30;
pub const PUBACK: u8 = 0x40;
pub const SUBACK: u8 = 0x90;
pub const UNSUBACK: u8 = 0xB0;
pub const PINGRESP: u8 = 0xD0;
pub const DISCONNECT: u8 = 0xE0;

/// Why no packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    Closed,
    TimedOut,
}

/// A packet as its first byte and what follows the remaining length.
#[derive(Debug, PartialEq, Eq)]
pub struct Packet {
    pub first: u8,
    pub body: Vec<u8>,
}

/// A PUBLISH taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub qos: u8,
    pub id: u16,
    pub payload: Vec<u8>,
}

impl Packet {
    pub fn kind(&self) -> u8 {
        self.first & 0xF0
    }

    /// The packet id of an acknowledgement.
    pub fn id(&self) -> u16 {
        u16::from_be_bytes([self.body[0], self.body[1]])
    }

    /// Takes a PUBLISH of a client with this protocol level apart.
    pub fn message(&self, level: u8) -> Message {
        assert_eq!(
            self.kind(),
            PUBLISH,
            "wanted PUBLISH, got {:#04x}",
            self.first
        );
        let length = usize::from(self.id());
        let (topic, mut rest) = self.body[2..].split_at(length);
        let qos = (self.first >> 1) & 3;
        let mut id = 0;
        if qos > 0 {
            id = u16::from_be_bytes([rest[0], rest[1]]);
            rest = &rest[2..];
        }
        if level == 5 {
            let (length, size) = variable(rest).expect("a complete property length");
            rest = &rest[size + length..];
        }
        let topic = String::from_utf8(topic.to_vec()).expect("a topic is UTF-8");
        Message {
            topic,
            qos,
            id,
            payload: rest.to_vec(),
        }
    }
}

/// A variable byte integer and its size; `None` while it is incomplete.
fn variable(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// A packet with this body.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest & 0x7F).expect("seven bits");
        rest >>= 7;
        bytes.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// Appends a string with its length.
pub fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(
        u16::try_from(text.len())
            .expect("a short text")
            .to_be_bytes(),
    );
    body.extend(text.as_bytes());
}

/// CONNECT with clean start and no keep alive; `level` is 4 or 5.
pub fn connect(level: u8, id: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([level, 0x02, 0, 0]);
    if level == 5 {
        body.push(0);
    }
    text(&mut body, id);
    packet(0x10, &body)
}

pub fn publish(level: u8, topic: &str, payload: &[u8], qos: u8, retain: bool, id: u16) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    if level == 5 {
        body.push(0);
    }
    body.extend(payload);
    packet(PUBLISH | qos << 1 | u8::from(retain), &body)
}

pub fn puback(id: u16) -> Vec<u8> {
    packet(PUBACK, &id.to_be_bytes())
}

/// A raw connection.
pub struct Client {
    stream: TcpStream,
    level: u8,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken already.
    taken: usize,
}

impl Client {
    /// A TCP connection on which nothing was said.
    pub fn open(address: SocketAddr, level: u8) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_nodelay(true).expect("a TCP option");
        Self {
            stream,
            level,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    /// A client that the broker has let in.
    pub fn connect(address: SocketAddr, level: u8, id: &str) -> Self {
        let mut client = Self::open(address, level);
        client.send(&connect(level, id));
        let ack = client.expect(CONNACK);
        assert_eq!(ack.body[1], 0, "CONNACK refuses: {ack:?}");
        client
    }

    /// A v5 client.
    pub fn v5(address: SocketAddr, id: &str) -> Self {
        Self::connect(address, 5, id)
    }

    /// The same connection for a second thread, which then only sends.
    pub fn sender(&self) -> Self {
        let stream = self.stream.try_clone().expect("a descriptor is free");
        Self {
            stream,
            level: self.level,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    /// Makes the kernel take little for a client that does not read.
    pub fn shrink_receive_buffer(&self) {
        let bytes: libc::c_int = 4096;
        // SAFETY: the option's value outlives the call and its size is given.
        let result = unsafe {
            libc::setsockopt(
                self.stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUF,
                (&raw const bytes).cast(),
                4,
            )
        };
        assert_eq!(result, 0, "SO_RCVBUF");
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the broker reads");
    }

    /// Sends to a broker that may have closed already.
    pub fn try_send(&mut self, bytes: &[u8]) {
        // What matters is what comes back.
        let _ = self.stream.write_all(bytes);
    }

    /// The next packet within `patience`.
    pub fn next(&mut self, patience: Duration) -> Result<Packet, Nothing> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(packet) = self.take() {
                return Ok(packet);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Nothing::TimedOut);
            }
            self.stream
                .set_read_timeout(Some(left))
                .expect("more than zero");
            let mut chunk = [0; 65536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Nothing::Closed),
                Ok(size) => self.buffer.extend(&chunk[..size]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(Nothing::TimedOut);
                }
                Err(_) => return Err(Nothing::Closed),
            }
        }
    }

    fn take(&mut self) -> Option<Packet> {
        let bytes = &self.buffer[self.taken..];
        let first = *bytes.first()?;
        let (length, size) = variable(&bytes[1..])?;
        let body = bytes.get(1 + size..1 + size + length)?.to_vec();
        self.taken += 1 + size + length;
        if self.taken == self.buffer.len() {
            self.buffer.clear();
            self.taken = 0;
        } else if self.taken > 1 << 20 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        Some(Packet { first, body })
    }

    pub fn expect(&mut self, kind: u8) -> Packet {
        let packet = self
            .next(PATIENCE)
            .unwrap_or_else(|why| panic!("no {kind:#04x}: {why:?}"));
        assert_eq!(packet.kind(), kind, "wanted {kind:#04x}, got {packet:?}");
        packet
    }

    pub fn expect_closed(&mut self, patience: Duration) {
        loop {
            match self.next(patience) {
                Ok(_) => {}
                Err(Nothing::Closed) => return,
                Err(Nothing::TimedOut) => panic!("still open after {patience:?}"),
            }
        }
    }

    pub fn subscribe(&mut self, filter: &str, qos: u8) {
        let mut body = vec![0, 1];
        if self.level == 5 {
            body.push(0);
        }
        text(&mut body, filter);
        body.push(qos);
        self.send(&packet(0x82, &body));
        let ack = self.expect(SUBACK);
        assert_eq!(ack.body.last(), Some(&qos), "SUBACK refuses: {ack:?}");
    }

    /// Publishes with QoS 1 and waits for the acknowledgement.
    pub fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) {
        self.send(&publish(self.level, topic, payload, 1, retain, 1));
        assert_eq!(self.expect(PUBACK).id(), 1);
    }

    pub fn publish_unacknowledged(&mut self, topic: &str, payload: &[u8], qos: u8, id: u16) {
        self.send(&publish(self.level, topic, payload, qos, false, id));
    }

    /// A PUBLISH of this client's version.
    pub fn take_apart(&self, packet: &Packet) -> Message {
        packet.message(self.level)
    }

    /// The next message; a QoS 1 message is acknowledged.
    pub fn message(&mut self) -> Message {
        let packet = self.expect(PUBLISH);
        let message = self.take_apart(&packet);
        if message.qos == 1 {
            self.send(&puback(message.id));
        }
        message
    }

    pub fn ping(&mut self) {
        self.send(&packet(0xC0, &[]));
        self.expect(PINGRESP);
    }

    pub fn disconnect(mut self) {
        self.try_send(&packet(DISCONNECT, &[]));
    }
}

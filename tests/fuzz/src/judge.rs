//! Reads what the broker says to one client, and finds fault.
//!
//! Owns the bytes that are not a whole packet yet. Judges what can be seen on one
//! connection alone, whatever the client says: whole packets that only a server
//! sends, CONNACK first, nothing after DISCONNECT, none above the client's maximum,
//! a window that is kept. What the messages mean is judged elsewhere. Pure.

use ringmq::protocol::{Packet, ProtocolVersion, Split, split};

use super::naive;

/// A client's ear.
pub struct Judge {
    version: ProtocolVersion,
    maximum: u32,
    half: Vec<u8>,
    /// CONNACK has come.
    pub greeted: bool,
    /// CONNACK said no, or DISCONNECT came.
    over: bool,
    /// Topics of the messages that came.
    pub topics: Vec<String>,
}

impl Judge {
    /// For a client of this version that accepts packets up to `maximum`.
    pub fn new(version: ProtocolVersion, maximum: u32) -> Self {
        Self {
            version,
            maximum,
            half: Vec::new(),
            greeted: false,
            over: false,
            topics: Vec::new(),
        }
    }

    /// The client hears these bytes.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.half.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.half);
        let mut rest = &all[..];
        loop {
            match split(rest, self.maximum) {
                Ok(Split::Complete { frame, size }) => {
                    let packet = Packet::decode(self.version, frame)
                        .unwrap_or_else(|error| panic!("the broker says nonsense: {error}"));
                    self.packet(&packet);
                    rest = &rest[size..];
                }
                Ok(Split::Incomplete { .. }) => break,
                Err(error) => panic!("the broker says nonsense: {error}"),
            }
        }
        self.half = rest.to_vec();
    }

    /// The connection ends; an answer cut in half is nobody's fault if the client
    /// read none of it.
    pub fn end(&self, read_all: bool) {
        assert!(
            !read_all || self.half.is_empty(),
            "half a packet at the end"
        );
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        assert!(!self.over, "something after the end: {packet:?}");
        let is_connack = matches!(packet, Packet::ConnAck(_));
        let refusal = matches!(packet, Packet::Disconnect(_));
        assert!(
            is_connack != self.greeted || refusal,
            "CONNACK comes first and once: {packet:?}"
        );
        match packet {
            Packet::ConnAck(answer) => {
                self.greeted = true;
                self.over = answer.reason.is_error();
                assert!(!(self.over && answer.session_present), "[MQTT-3.2.2-6]");
            }
            Packet::Disconnect(_) => {
                assert_eq!(
                    self.version,
                    ProtocolVersion::V5,
                    "3.x knows no such DISCONNECT"
                );
                self.over = true;
            }
            Packet::Publish(publish) => {
                assert!(publish.topic.is_empty() || naive::is_name(publish.topic));
                assert!(!publish.topic.is_empty() || publish.properties.topic_alias.is_some());
                self.topics.push(publish.topic.to_owned());
            }
            Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => {}
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Auth(_) => panic!("no broker says {packet:?}"),
        }
    }
}

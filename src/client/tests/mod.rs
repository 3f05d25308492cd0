//! A session against a scripted server, in memory: what it sends, when, and what
//! it makes of the answers.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names the rest by their type"
)]

mod connection;
mod messages;

use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::time::Duration;

use super::*;
use crate::protocol::{
    Acknowledge, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, Packet,
    PacketId, PacketType, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode,
    ReasonProperties, Split, SubAck, SubscriptionOptions, SubscriptionRequest, TopicFilter,
    UserProperties, split,
};
use crate::time::Timestamp;

const ALL: [ProtocolVersion; 3] = [
    ProtocolVersion::V3_1,
    ProtocolVersion::V3_1_1,
    ProtocolVersion::V5,
];

fn connect(version: ProtocolVersion) -> Connect<'static> {
    Connect {
        version,
        clean_start: false,
        keep_alive: 10,
        properties: ConnectProperties::default(),
        client_id: "me",
        will: None,
        username: None,
        password: None,
    }
}

/// A session and the bytes of its server.
struct Pair {
    session: Session,
    now: Timestamp,
}

impl Pair {
    fn new(connect: &Connect<'_>, options: Options) -> Self {
        let now = Timestamp::from_millis(5);
        let session = Session::new(connect, options, now).expect("a good CONNECT");
        Self { session, now }
    }

    fn connected(version: ProtocolVersion) -> Self {
        let mut pair = Self::new(&connect(version), Options::default());
        pair.accept(ConnAckProperties::default(), false);
        pair
    }

    fn accept(&mut self, properties: ConnAckProperties<'_>, session_present: bool) {
        assert_eq!(self.sent(), [PacketType::Connect]);
        let connack = ConnAck {
            session_present,
            reason: ReasonCode::Success,
            properties,
        };
        let events = self
            .receive(&Packet::ConnAck(connack))
            .expect("a good CONNACK");
        assert_eq!(events, ["Connected"]);
    }

    /// Takes the output: the types of its packets, or for messages and their
    /// acknowledgements a short text.
    fn take(&mut self) -> Vec<String> {
        let bytes = self.session.output().to_vec();
        self.session.handle_sent(bytes.len(), self.now);
        let mut rest = &bytes[..];
        let mut packets = Vec::new();
        while let Ok(Split::Complete { frame, size }) = split(rest, MAXIMUM) {
            let packet = if frame.first_byte >> 4 == 1 {
                Packet::Connect(Connect::decode(frame).expect("a CONNECT of ours"))
            } else {
                Packet::decode(self.session.version(), frame).expect("a packet of ours")
            };
            packets.push(match packet {
                Packet::Publish(p) => format!(
                    "Publish {} {}{}",
                    p.packet_id.map_or(0, PacketId::get),
                    p.topic,
                    if p.dup { " dup" } else { "" }
                ),
                Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubRel(a) | Packet::PubComp(a) => {
                    format!(
                        "{:?} {} {}",
                        packet_type(frame.first_byte),
                        a.packet_id.get(),
                        a.reason.name()
                    )
                }
                other => format!("{:?}", other.packet_type()),
            });
            rest = &rest[size..];
        }
        assert!(rest.is_empty(), "the output ends with a whole packet");
        packets
    }

    fn sent(&mut self) -> Vec<PacketType> {
        let bytes = self.session.output().to_vec();
        self.session.handle_sent(bytes.len(), self.now);
        let mut rest = &bytes[..];
        let mut types = Vec::new();
        while let Ok(Split::Complete { frame, size }) = split(rest, MAXIMUM) {
            types.push(packet_type(frame.first_byte));
            rest = &rest[size..];
        }
        types
    }

    /// Gives the session a packet, byte by byte; the names of the events.
    fn receive(&mut self, packet: &Packet<'_>) -> Result<Vec<String>, SessionError> {
        let mut bytes = Vec::new();
        packet
            .encode(self.session.version(), &mut bytes)
            .expect("a good packet");
        let mut input = Input::new();
        let mut events = Vec::new();
        for byte in bytes {
            input.space(None)[0] = byte;
            input.commit(1);
            let progress = self.session.handle(input.bytes(), self.now)?;
            events.extend(progress.event.map(|event| name(&event)));
            input.consume(progress.consumed);
        }
        Ok(events)
    }

    fn publish(&mut self, qos: QoS, topic: &str) -> Result<Option<PacketId>, SendError> {
        self.session.publish(&Publish {
            qos,
            topic,
            payload: b"x",
            ..Publish::default()
        })
    }

    fn reconnect(&mut self, session_present: bool) {
        self.session.handle_closed();
        self.session.reconnect(self.now);
        self.accept(ConnAckProperties::default(), session_present);
    }

    fn wait(&mut self, span: Duration) -> Result<bool, SessionError> {
        self.now = self.now.plus(span);
        self.session.handle_timeout(self.now)
    }
}

const MAXIMUM: u32 = 268_435_460;

fn packet_type(first_byte: u8) -> PacketType {
    PacketType::of(first_byte).expect("a packet type")
}

fn name(event: &Event<'_>) -> String {
    match event {
        Event::Message(message) => format!("Message {}", &*message.topic),
        Event::Published { kind, acknowledge } => {
            format!("Published by {kind:?} {}", acknowledge.reason.name())
        }
        other => {
            let text = format!("{other:?}");
            text.split(['(', ' ']).next().unwrap_or_default().to_owned()
        }
    }
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("not zero")
}

fn ok(packet_id: u16) -> Acknowledge<'static> {
    Acknowledge::new(id(packet_id), ReasonCode::Success)
}

fn message(qos: QoS, packet_id: u16, topic: &str) -> Packet<'_> {
    let packet_id = PacketId::new(packet_id);
    Packet::Publish(Publish {
        qos,
        topic,
        packet_id,
        payload: b"x",
        ..Publish::default()
    })
}

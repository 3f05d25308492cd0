//! Well-formed packets of a client, made of a few bytes: what arbitrary bytes
//! alone would take the fuzzer ages to find.
//!
//! Owns nothing. Pure.

use std::num::{NonZeroU16, NonZeroU32};

use ringmq::protocol::{
    Acknowledge, Connect, ConnectProperties, Disconnect, Packet, PacketId, ProtocolVersion,
    Publish, PublishProperties, QoS, ReasonCode, ReasonProperties, Subscribe, SubscriptionOptions,
    SubscriptionRequest, TopicFilter, Unsubscribe, UserProperties, Will,
};

use super::decode::VERSIONS;
use super::input::Input;

const CLIENTS: [&str; 4] = ["a", "b", "", "client-c"];

/// A CONNECT and its version, and the largest packet that it accepts.
pub fn connect(input: &mut Input<'_>) -> Option<(ProtocolVersion, u32, Vec<u8>)> {
    let (flags, more) = (input.byte()?, input.byte()?);
    let version = VERSIONS[usize::from(flags & 3) % 3];
    let v5 = version == ProtocolVersion::V5;
    let clean_start = flags & 4 != 0;
    let client_id = CLIENTS[usize::from(flags >> 3 & 3)];
    let topic = input.topic()?;
    let will = (flags & 0x20 != 0).then(|| Will {
        qos: QoS::try_from(more & 3).unwrap_or_default(),
        retain: more & 4 != 0,
        topic: &topic,
        payload: b"will",
        delay_interval: v5.then_some(u32::from(more >> 3 & 3)),
        properties: PublishProperties::default(),
    });
    let mut properties = ConnectProperties::default();
    let mut maximum = u32::MAX;
    if v5 {
        properties.session_expiry_interval = (flags & 0x40 != 0).then_some(u32::from(more >> 4));
        properties.receive_maximum = NonZeroU16::new(u16::from(more >> 5));
        properties.topic_alias_maximum = (flags & 0x80 != 0).then_some(2);
        if more & 0x60 == 0x60 {
            maximum = u32::from(input.byte()?).max(1);
            properties.maximum_packet_size = NonZeroU32::new(maximum);
        }
    }
    let connect = Connect {
        version,
        clean_start,
        keep_alive: u16::from(more & 8),
        properties,
        client_id,
        will,
        username: None,
        password: None,
    };
    Some((version, maximum, encode(version, &Packet::Connect(connect))))
}

fn encode(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    // What cannot be written in this version is not said.
    let _ = packet.encode(version, &mut out);
    out
}

fn id(byte: u8) -> PacketId {
    PacketId::new(u16::from(byte & 7) + 1).expect("not zero")
}

/// Any other packet of a client.
pub fn other(input: &mut Input<'_>, version: ProtocolVersion) -> Option<Vec<u8>> {
    let (kind, choice) = (input.byte()?, input.byte()?);
    Some(match kind % 12 {
        0 | 1 => subscribe(input, version, choice)?,
        2 => {
            let text = filter(input, choice)?;
            let unsubscribe = Unsubscribe {
                packet_id: id(choice),
                user_properties: UserProperties::EMPTY,
                filters: [TopicFilter::parse(&text).ok()?].into_iter().collect(),
            };
            encode(version, &Packet::Unsubscribe(unsubscribe))
        }
        3..=6 => publish(input, version, choice)?,
        7 => acknowledge(version, choice, Packet::PubAck),
        8 => acknowledge(version, choice, Packet::PubRec),
        9 => acknowledge(version, choice, Packet::PubRel),
        10 => acknowledge(version, choice, Packet::PubComp),
        _ if choice < 0xE0 => encode(version, &Packet::PingReq),
        _ => {
            let v5 = version == ProtocolVersion::V5;
            let disconnect = Disconnect {
                reason: if v5 && choice & 1 == 1 {
                    ReasonCode::DisconnectWithWill
                } else {
                    ReasonCode::Success
                },
                session_expiry_interval: (v5 && choice & 2 == 2).then_some(u32::from(choice & 7)),
                ..Disconnect::default()
            };
            encode(version, &Packet::Disconnect(disconnect))
        }
    })
}

fn acknowledge(
    version: ProtocolVersion,
    choice: u8,
    kind: fn(Acknowledge<'static>) -> Packet<'static>,
) -> Vec<u8> {
    let refuses = version == ProtocolVersion::V5 && choice & 0xF0 == 0xF0;
    encode(
        version,
        &kind(Acknowledge {
            packet_id: id(choice),
            reason: if refuses {
                ReasonCode::UnspecifiedError
            } else {
                ReasonCode::Success
            },
            properties: ReasonProperties::default(),
        }),
    )
}

fn filter(input: &mut Input<'_>, choice: u8) -> Option<String> {
    let filter = input.filter()?;
    Some(if choice & 0x80 == 0 {
        filter
    } else {
        format!("$share/g/{filter}")
    })
}

fn subscribe(input: &mut Input<'_>, version: ProtocolVersion, choice: u8) -> Option<Vec<u8>> {
    let text = filter(input, choice)?;
    let v5 = version == ProtocolVersion::V5;
    let options = input.byte()?;
    let options = if v5 { options & 0x3F } else { options & 3 };
    let request = SubscriptionRequest {
        filter: TopicFilter::parse(&text).ok()?,
        options: SubscriptionOptions::from_byte(options).ok()?,
    };
    let number = u32::from(choice >> 4 & 3);
    let subscribe = Subscribe {
        packet_id: id(choice),
        subscription_id: NonZeroU32::new(number).filter(|_| v5),
        user_properties: UserProperties::EMPTY,
        filters: [request].into_iter().collect(),
    };
    Some(encode(version, &Packet::Subscribe(subscribe)))
}

fn publish(input: &mut Input<'_>, version: ProtocolVersion, choice: u8) -> Option<Vec<u8>> {
    let topic = input.topic()?;
    let more = input.byte()?;
    let qos = QoS::try_from(more & 3).unwrap_or_default();
    let mut properties = PublishProperties::default();
    let mut name = topic.as_str();
    if version == ProtocolVersion::V5 {
        properties.message_expiry_interval = (more & 4 != 0).then_some(u32::from(more >> 4 & 3));
        properties.topic_alias = NonZeroU16::new(u16::from(more >> 6));
        if properties.topic_alias.is_some() && more & 8 != 0 {
            name = "";
        }
    }
    let payload = [b'p'; 300];
    let publish = Publish {
        dup: qos.has_packet_id() && choice & 0x40 != 0,
        qos,
        retain: choice & 0x20 != 0,
        topic: name,
        packet_id: qos.has_packet_id().then(|| id(choice)),
        properties,
        payload: &payload[..usize::from(choice >> 3 & 3) * 100],
    };
    Some(encode(version, &Packet::Publish(publish)))
}

//! What the broker sends, read strictly: every rule that a single packet can break is checked here.
//!
//! So each test of the suite also proves, for every packet it receives: reserved bits
//! [MQTT-2.1.3-1], minimal lengths [MQTT-1.5.5-1], a property length where one belongs
//! [MQTT-2.2.2-1], only properties and reason codes that the packet may carry, strings that are UTF-8
//! without U+0000. Never judges a sequence of packets: that is the client's business.

use super::{Properties, Publish, Reader, Version, first_byte as first, property as p};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    pub session_present: bool,
    /// Reason code in version 5, return code before.
    pub code: u8,
    pub properties: Properties,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    pub id: u16,
    pub reason: u8,
    pub properties: Properties,
}

/// SUBACK or UNSUBACK; the latter has no reasons before version 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck {
    pub id: u16,
    pub reasons: Vec<u8>,
    pub properties: Properties,
}

/// DISCONNECT or AUTH from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    pub reason: u8,
    pub properties: Properties,
}

/// A packet as a broker may send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    ConnAck(ConnAck),
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    SubAck(SubAck),
    UnsubAck(SubAck),
    PingResp,
    Disconnect(Disconnect),
    Auth(Disconnect),
}

/// A packet that is not read yet.
pub struct Frame<'a> {
    pub first_byte: u8,
    pub body: &'a [u8],
    /// Bytes of the whole packet.
    pub size: usize,
}

/// Splits the first whole packet off `bytes`; `None` while it is incomplete.
pub fn split(bytes: &[u8]) -> Result<Option<Frame<'_>>, String> {
    let mut length = 0_usize;
    for position in 0..4 {
        let Some(byte) = bytes.get(1 + position) else {
            return Ok(None);
        };
        length |= usize::from(byte & 0x7F) << (7 * position);
        if byte & 0x80 == 0 {
            if position > 0 && *byte == 0 {
                return Err("a remaining length that is not minimal".into());
            }
            let start = 2 + position;
            let body = bytes.get(start..start + length);
            return Ok(body.map(|body| Frame {
                first_byte: bytes[0],
                body,
                size: start + length,
            }));
        }
    }
    Err("a remaining length of more than four bytes".into())
}

const CONNECT_REASONS: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
    0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
];
const PUBACK_REASONS: &[u8] = &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const PUBREL_REASONS: &[u8] = &[0x00, 0x92];
const SUBACK_REASONS: &[u8] = &[
    0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
];
const UNSUBACK_REASONS: &[u8] = &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
/// Those that a server may send.
const DISCONNECT_REASONS: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];
/// A server continues or succeeds; only a client starts a re-authentication.
const AUTH_REASONS: &[u8] = &[0x00, 0x18];

const CONNACK_PROPERTIES: &[u8] = &[
    p::SESSION_EXPIRY,
    p::RECEIVE_MAXIMUM,
    p::MAXIMUM_QOS,
    p::RETAIN_AVAILABLE,
    p::MAXIMUM_PACKET_SIZE,
    p::ASSIGNED_CLIENT_ID,
    p::TOPIC_ALIAS_MAXIMUM,
    p::REASON_STRING,
    p::USER_PROPERTY,
    p::WILDCARD_AVAILABLE,
    p::SUBSCRIPTION_ID_AVAILABLE,
    p::SHARED_AVAILABLE,
    p::SERVER_KEEP_ALIVE,
    p::RESPONSE_INFORMATION,
    p::SERVER_REFERENCE,
    p::AUTHENTICATION_METHOD,
    p::AUTHENTICATION_DATA,
];
const PUBLISH_PROPERTIES: &[u8] = &[
    p::PAYLOAD_FORMAT,
    p::MESSAGE_EXPIRY,
    p::TOPIC_ALIAS,
    p::RESPONSE_TOPIC,
    p::CORRELATION_DATA,
    p::USER_PROPERTY,
    p::SUBSCRIPTION_ID,
    p::CONTENT_TYPE,
];
const REASON_PROPERTIES: &[u8] = &[p::REASON_STRING, p::USER_PROPERTY];
/// A server never sends a session expiry interval here [MQTT-3.14.2-2].
const DISCONNECT_PROPERTIES: &[u8] = &[p::REASON_STRING, p::USER_PROPERTY, p::SERVER_REFERENCE];
const AUTH_PROPERTIES: &[u8] = &[
    p::AUTHENTICATION_METHOD,
    p::AUTHENTICATION_DATA,
    p::REASON_STRING,
    p::USER_PROPERTY,
];

/// Reads one packet; the error says which rule the broker broke.
pub fn decode(version: Version, first_byte: u8, body: &[u8]) -> Result<Packet, String> {
    let reader = &mut Reader { rest: body };
    let v5 = version == Version::V5;
    let packet = match first_byte {
        first::CONNACK => Packet::ConnAck(connack(v5, reader)?),
        first::PUBACK => Packet::PubAck(ack(v5, reader, PUBACK_REASONS)?),
        first::PUBREC => Packet::PubRec(ack(v5, reader, PUBACK_REASONS)?),
        first::PUBREL => Packet::PubRel(ack(v5, reader, PUBREL_REASONS)?),
        first::PUBCOMP => Packet::PubComp(ack(v5, reader, PUBREL_REASONS)?),
        first::SUBACK => {
            let allowed = if v5 { SUBACK_REASONS } else { &[0, 1, 2, 0x80] };
            Packet::SubAck(suback(v5, reader, allowed)?)
        }
        first::UNSUBACK => {
            let allowed = if v5 { UNSUBACK_REASONS } else { &[] };
            Packet::UnsubAck(suback(v5, reader, allowed)?)
        }
        first::PINGRESP => Packet::PingResp,
        first::DISCONNECT if v5 => {
            let properties = DISCONNECT_PROPERTIES;
            Packet::Disconnect(disconnect(reader, DISCONNECT_REASONS, properties)?)
        }
        first::AUTH if v5 => Packet::Auth(disconnect(reader, AUTH_REASONS, AUTH_PROPERTIES)?),
        _ if first_byte >> 4 == first::PUBLISH >> 4 => {
            Packet::Publish(publish(v5, first_byte, reader)?)
        }
        _ => {
            return Err(format!(
                "first byte {first_byte:#04x} is none a server sends"
            ));
        }
    };
    reader.finish()?;
    Ok(packet)
}

fn one_of(reason: u8, allowed: &[u8]) -> Result<u8, String> {
    if allowed.contains(&reason) {
        Ok(reason)
    } else {
        Err(format!("reason {reason:#04x} does not belong here"))
    }
}

fn connack(v5: bool, reader: &mut Reader<'_>) -> Result<ConnAck, String> {
    let flags = reader.byte()?;
    if flags > 1 {
        return Err(format!("connect acknowledge flags {flags:#04x}"));
    }
    let code = reader.byte()?;
    let properties = if v5 {
        one_of(code, CONNECT_REASONS)?;
        Properties::decode(reader, CONNACK_PROPERTIES, &[p::USER_PROPERTY])?
    } else {
        one_of(code, &[0, 1, 2, 3, 4, 5])?;
        Properties::new()
    };
    let session_present = flags == 1;
    if code != 0 && session_present {
        return Err("session present beside an error".into());
    }
    Ok(ConnAck {
        session_present,
        code,
        properties,
    })
}

fn packet_id(reader: &mut Reader<'_>) -> Result<u16, String> {
    match reader.two()? {
        0 => Err("packet identifier 0".into()),
        id => Ok(id),
    }
}

fn publish(v5: bool, first_byte: u8, reader: &mut Reader<'_>) -> Result<Publish, String> {
    let qos = (first_byte >> 1) & 3;
    let dup = first_byte & 8 != 0;
    if qos == 3 || (qos == 0 && dup) {
        return Err(format!("PUBLISH flags {:#03x}", first_byte & 0x0F));
    }
    let topic = reader.text()?;
    if topic.contains(['#', '+']) {
        return Err("a wildcard in a topic name".into());
    }
    let id = if qos > 0 {
        Some(packet_id(reader)?)
    } else {
        None
    };
    let properties = if v5 {
        let repeatable = [p::USER_PROPERTY, p::SUBSCRIPTION_ID];
        Properties::decode(reader, PUBLISH_PROPERTIES, &repeatable)?
    } else {
        Properties::new()
    };
    if topic.is_empty() && !properties.has(p::TOPIC_ALIAS) {
        return Err("neither topic name nor topic alias".into());
    }
    Ok(Publish {
        dup,
        qos,
        retain: first_byte & 1 != 0,
        topic,
        id,
        properties,
        payload: reader.take(reader.rest.len())?.to_vec(),
    })
}

fn ack(v5: bool, reader: &mut Reader<'_>, allowed: &[u8]) -> Result<Ack, String> {
    let id = packet_id(reader)?;
    let mut ack = Ack {
        id,
        reason: 0,
        properties: Properties::new(),
    };
    if v5 && !reader.rest.is_empty() {
        ack.reason = one_of(reader.byte()?, allowed)?;
        if !reader.rest.is_empty() {
            ack.properties = Properties::decode(reader, REASON_PROPERTIES, &[p::USER_PROPERTY])?;
        }
    }
    Ok(ack)
}

fn suback(v5: bool, reader: &mut Reader<'_>, allowed: &[u8]) -> Result<SubAck, String> {
    let id = packet_id(reader)?;
    let properties = if v5 {
        Properties::decode(reader, REASON_PROPERTIES, &[p::USER_PROPERTY])?
    } else {
        Properties::new()
    };
    let reasons = reader.take(reader.rest.len())?.to_vec();
    for reason in &reasons {
        one_of(*reason, allowed)?;
    }
    Ok(SubAck {
        id,
        reasons,
        properties,
    })
}

fn disconnect(
    reader: &mut Reader<'_>,
    reasons: &[u8],
    properties: &[u8],
) -> Result<Disconnect, String> {
    let mut packet = Disconnect {
        reason: 0,
        properties: Properties::new(),
    };
    if !reader.rest.is_empty() {
        packet.reason = one_of(reader.byte()?, reasons)?;
        if !reader.rest.is_empty() {
            packet.properties = Properties::decode(reader, properties, &[p::USER_PROPERTY])?;
        }
    }
    Ok(packet)
}

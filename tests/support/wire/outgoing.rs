//! What a client sends: CONNECT, PUBLISH, SUBSCRIBE and the rest, for all three versions.
//!
//! Owns only bytes. Everything a test wants wrong can be made wrong: builders do not judge, and where
//! they cannot say it a test glues the bytes together with `packet` and `text`.

use super::{Properties, Version, binary, first_byte, packet, property, text};

/// A CONNECT under construction.
#[derive(Clone, Debug)]
pub struct Connect {
    pub version: Version,
    pub clean: bool,
    pub keep_alive: u16,
    pub properties: Properties,
    pub client_id: String,
    pub will: Option<Will>,
    pub username: Option<String>,
    pub password: Option<Vec<u8>>,
}

impl Connect {
    pub fn new(version: Version, client_id: &str) -> Self {
        Self {
            version,
            clean: true,
            keep_alive: 0,
            properties: Properties::new(),
            client_id: client_id.into(),
            will: None,
            username: None,
            password: None,
        }
    }

    pub fn v5(client_id: &str) -> Self {
        Self::new(Version::V5, client_id)
    }

    pub fn v311(client_id: &str) -> Self {
        Self::new(Version::V311, client_id)
    }

    pub fn v31(client_id: &str) -> Self {
        Self::new(Version::V31, client_id)
    }

    /// Clean start (clean session) off: goes on with the session if there is one.
    pub fn resume(mut self) -> Self {
        self.clean = false;
        self
    }

    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// Version 5's session expiry interval, in seconds.
    pub fn expiry(mut self, seconds: u32) -> Self {
        self.properties = self.properties.four(property::SESSION_EXPIRY, seconds);
        self
    }

    pub fn receive_maximum(mut self, maximum: u16) -> Self {
        self.properties = self.properties.two(property::RECEIVE_MAXIMUM, maximum);
        self
    }

    pub fn maximum_packet_size(mut self, bytes: u32) -> Self {
        self.properties = self.properties.four(property::MAXIMUM_PACKET_SIZE, bytes);
        self
    }

    pub fn topic_alias_maximum(mut self, maximum: u16) -> Self {
        self.properties = self.properties.two(property::TOPIC_ALIAS_MAXIMUM, maximum);
        self
    }

    pub fn with(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    pub fn will(mut self, will: Will) -> Self {
        self.will = Some(will);
        self
    }

    pub fn username(mut self, name: &str) -> Self {
        self.username = Some(name.into());
        self
    }

    pub fn password(mut self, password: &[u8]) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The connect flags that the fields ask for.
    pub fn flags(&self) -> u8 {
        let mut flags = u8::from(self.clean) << 1;
        if let Some(will) = &self.will {
            flags |= 0x04 | (will.qos << 3) | (u8::from(will.retain) << 5);
        }
        if self.password.is_some() {
            flags |= 0x40;
        }
        if self.username.is_some() {
            flags |= 0x80;
        }
        flags
    }

    pub fn encode(&self) -> Vec<u8> {
        self.encode_with_flags(self.flags())
    }

    /// The packet with these connect flags, whether they fit the payload or not.
    pub fn encode_with_flags(&self, flags: u8) -> Vec<u8> {
        let name = if self.version == Version::V31 {
            "MQIsdp"
        } else {
            "MQTT"
        };
        let head = [text(name), vec![self.version as u8, flags]].concat();
        packet(first_byte::CONNECT, &[head, self.after_flags()].concat())
    }

    /// Keep alive, properties and payload: what follows the connect flags.
    pub fn after_flags(&self) -> Vec<u8> {
        let mut bytes = self.keep_alive.to_be_bytes().to_vec();
        let v5 = self.version == Version::V5;
        if v5 {
            bytes.extend(self.properties.encode());
        }
        bytes.extend(text(&self.client_id));
        if let Some(will) = &self.will {
            if v5 {
                bytes.extend(will.properties.encode());
            }
            bytes.extend(text(&will.topic));
            bytes.extend(binary(&will.payload));
        }
        if let Some(name) = &self.username {
            bytes.extend(text(name));
        }
        if let Some(password) = &self.password {
            bytes.extend(binary(password));
        }
        bytes
    }
}

/// A will in a CONNECT.
#[derive(Clone, Debug)]
pub struct Will {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub properties: Properties,
}

impl Will {
    pub fn new(topic: &str, payload: &str) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: 0,
            retain: false,
            properties: Properties::new(),
        }
    }

    pub fn qos(mut self, qos: u8) -> Self {
        self.qos = qos;
        self
    }

    pub fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    pub fn delay(mut self, seconds: u32) -> Self {
        self.properties = self.properties.four(property::WILL_DELAY, seconds);
        self
    }

    pub fn with(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }
}

/// A PUBLISH, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    pub dup: bool,
    pub qos: u8,
    pub retain: bool,
    pub topic: String,
    pub id: Option<u16>,
    pub properties: Properties,
    pub payload: Vec<u8>,
}

impl Publish {
    pub fn new(topic: &str, payload: impl AsRef<[u8]>) -> Self {
        Self {
            dup: false,
            qos: 0,
            retain: false,
            topic: topic.into(),
            id: None,
            properties: Properties::new(),
            payload: payload.as_ref().to_vec(),
        }
    }

    pub fn qos(mut self, qos: u8) -> Self {
        self.qos = qos;
        self
    }

    pub fn id(mut self, id: u16) -> Self {
        self.id = Some(id);
        self
    }

    pub fn dup(mut self) -> Self {
        self.dup = true;
        self
    }

    pub fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    pub fn with(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    pub fn alias(mut self, alias: u16) -> Self {
        self.properties = self.properties.two(property::TOPIC_ALIAS, alias);
        self
    }

    pub fn expiry(mut self, seconds: u32) -> Self {
        self.properties = self.properties.four(property::MESSAGE_EXPIRY, seconds);
        self
    }

    /// The payload as text, for messages of failed comparisons.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    pub fn encode(&self, version: Version) -> Vec<u8> {
        let flags = (u8::from(self.dup) << 3) | (self.qos << 1) | u8::from(self.retain);
        let mut body = text(&self.topic);
        if let Some(id) = self.id {
            body.extend(id.to_be_bytes());
        }
        if version == Version::V5 {
            body.extend(self.properties.encode());
        }
        body.extend(&self.payload);
        packet(first_byte::PUBLISH | flags, &body)
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP in its short form.
pub fn ack(first_byte: u8, id: u16) -> Vec<u8> {
    packet(first_byte, &id.to_be_bytes())
}

/// The same with a reason code and no properties (version 5 only).
pub fn ack_with_reason(first_byte: u8, id: u16, reason: u8) -> Vec<u8> {
    packet(first_byte, &[&id.to_be_bytes()[..], &[reason, 0]].concat())
}

/// SUBSCRIBE; each filter comes with its options byte (in version 3: its QoS).
pub fn subscribe(
    version: Version,
    id: u16,
    filters: &[(&str, u8)],
    properties: &Properties,
) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.extend(properties.encode());
    }
    for (filter, options) in filters {
        body.extend(text(filter));
        body.push(*options);
    }
    packet(first_byte::SUBSCRIBE, &body)
}

pub fn unsubscribe(
    version: Version,
    id: u16,
    filters: &[&str],
    properties: &Properties,
) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.extend(properties.encode());
    }
    for filter in filters {
        body.extend(text(filter));
    }
    packet(first_byte::UNSUBSCRIBE, &body)
}

pub fn pingreq() -> Vec<u8> {
    packet(first_byte::PINGREQ, &[])
}

/// DISCONNECT without reason: normal in every version.
pub fn disconnect() -> Vec<u8> {
    packet(first_byte::DISCONNECT, &[])
}

pub fn disconnect_with(reason: u8, properties: &Properties) -> Vec<u8> {
    packet(
        first_byte::DISCONNECT,
        &[vec![reason], properties.encode()].concat(),
    )
}

pub fn auth(reason: u8, properties: &Properties) -> Vec<u8> {
    packet(
        first_byte::AUTH,
        &[vec![reason], properties.encode()].concat(),
    )
}

/// Subscription option bits of version 5.
pub mod option {
    pub const NO_LOCAL: u8 = 0x04;
    pub const RETAIN_AS_PUBLISHED: u8 = 0x08;
    /// Retain handling 1: retained messages only for a subscription that is new.
    pub const RETAINED_IF_NEW: u8 = 0x10;
    /// Retain handling 2: no retained messages.
    pub const NO_RETAINED: u8 = 0x20;
}

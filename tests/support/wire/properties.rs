//! The property block of version 5: built in any order and as wrong as a test wants, read strictly.
//!
//! Owns the table of identifiers and their data types. Never decides which packet may carry which
//! property on the way out; on the way in `incoming.rs` passes the list that its packet allows.

use super::{Reader, binary, text, varint};

/// Property identifiers (table 2-4 of the specification).
pub mod property {
    pub const PAYLOAD_FORMAT: u8 = 0x01;
    pub const MESSAGE_EXPIRY: u8 = 0x02;
    pub const CONTENT_TYPE: u8 = 0x03;
    pub const RESPONSE_TOPIC: u8 = 0x08;
    pub const CORRELATION_DATA: u8 = 0x09;
    pub const SUBSCRIPTION_ID: u8 = 0x0B;
    pub const SESSION_EXPIRY: u8 = 0x11;
    pub const ASSIGNED_CLIENT_ID: u8 = 0x12;
    pub const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub const AUTHENTICATION_METHOD: u8 = 0x15;
    pub const AUTHENTICATION_DATA: u8 = 0x16;
    pub const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub const WILL_DELAY: u8 = 0x18;
    pub const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub const RESPONSE_INFORMATION: u8 = 0x1A;
    pub const SERVER_REFERENCE: u8 = 0x1C;
    pub const REASON_STRING: u8 = 0x1F;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub const TOPIC_ALIAS: u8 = 0x23;
    pub const MAXIMUM_QOS: u8 = 0x24;
    pub const RETAIN_AVAILABLE: u8 = 0x25;
    pub const USER_PROPERTY: u8 = 0x26;
    pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub const WILDCARD_AVAILABLE: u8 = 0x28;
    pub const SUBSCRIPTION_ID_AVAILABLE: u8 = 0x29;
    pub const SHARED_AVAILABLE: u8 = 0x2A;
}

/// One property's value in its wire type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Byte(u8),
    Two(u16),
    Four(u32),
    Varint(u32),
    Text(String),
    Binary(Vec<u8>),
    Pair(String, String),
    /// Bytes that follow the identifier as they are: for deliberately wrong packets.
    Raw(Vec<u8>),
}

/// A property block, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Vec<(u8, Value)>);

impl Properties {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    fn with(mut self, id: u8, value: Value) -> Self {
        self.0.push((id, value));
        self
    }

    pub fn byte(self, id: u8, value: u8) -> Self {
        self.with(id, Value::Byte(value))
    }

    pub fn two(self, id: u8, value: u16) -> Self {
        self.with(id, Value::Two(value))
    }

    pub fn four(self, id: u8, value: u32) -> Self {
        self.with(id, Value::Four(value))
    }

    pub fn varint(self, id: u8, value: u32) -> Self {
        self.with(id, Value::Varint(value))
    }

    pub fn text(self, id: u8, value: &str) -> Self {
        self.with(id, Value::Text(value.into()))
    }

    pub fn binary(self, id: u8, value: &[u8]) -> Self {
        self.with(id, Value::Binary(value.into()))
    }

    pub fn user(self, name: &str, value: &str) -> Self {
        self.with(
            property::USER_PROPERTY,
            Value::Pair(name.into(), value.into()),
        )
    }

    pub fn raw(self, id: u8, bytes: &[u8]) -> Self {
        self.with(id, Value::Raw(bytes.into()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, id: u8) -> bool {
        self.0.iter().any(|(each, _)| *each == id)
    }

    pub fn ids(&self) -> Vec<u8> {
        self.0.iter().map(|(id, _)| *id).collect()
    }

    fn first(&self, id: u8) -> Option<&Value> {
        self.0
            .iter()
            .find(|(each, _)| *each == id)
            .map(|(_, value)| value)
    }

    /// The value of a property that holds a number.
    pub fn number(&self, id: u8) -> Option<u32> {
        self.first(id).map(|value| match value {
            Value::Byte(value) => u32::from(*value),
            Value::Two(value) => u32::from(*value),
            Value::Four(value) | Value::Varint(value) => *value,
            Value::Text(_) | Value::Binary(_) | Value::Pair(..) | Value::Raw(_) => {
                panic!("property {id:#04x} holds no number")
            }
        })
    }

    pub fn get_text(&self, id: u8) -> Option<&str> {
        self.first(id).map(|value| {
            if let Value::Text(text) = value {
                text.as_str()
            } else {
                panic!("property {id:#04x} holds no text")
            }
        })
    }

    pub fn get_binary(&self, id: u8) -> Option<&[u8]> {
        self.first(id).map(|value| {
            if let Value::Binary(bytes) = value {
                bytes.as_slice()
            } else {
                panic!("property {id:#04x} holds no binary data")
            }
        })
    }

    /// All user properties, in order.
    pub fn users(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .filter_map(|(_, value)| {
                if let Value::Pair(name, value) = value {
                    Some((name.as_str(), value.as_str()))
                } else {
                    None
                }
            })
            .collect()
    }

    /// All subscription identifiers, sorted: their order means nothing.
    pub fn subscription_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .0
            .iter()
            .filter(|(id, _)| *id == property::SUBSCRIPTION_ID)
            .filter_map(|(_, value)| {
                if let Value::Varint(value) = value {
                    Some(*value)
                } else {
                    None
                }
            })
            .collect();
        ids.sort_unstable();
        ids
    }

    /// The block with its length in front.
    pub fn encode(&self) -> Vec<u8> {
        let mut block = Vec::new();
        for (id, value) in &self.0 {
            block.push(*id);
            match value {
                Value::Byte(value) => block.push(*value),
                Value::Two(value) => block.extend(value.to_be_bytes()),
                Value::Four(value) => block.extend(value.to_be_bytes()),
                Value::Varint(value) => block.extend(varint(*value)),
                Value::Text(value) => block.extend(text(value)),
                Value::Binary(value) => block.extend(binary(value)),
                Value::Pair(name, value) => {
                    block.extend(text(name));
                    block.extend(text(value));
                }
                Value::Raw(bytes) => block.extend(bytes),
            }
        }
        let length = u32::try_from(block.len()).expect("a property block stays small");
        [varint(length), block].concat()
    }

    /// Reads a block; refuses what `allowed` does not list and what appears twice without being
    /// one of `repeatable`.
    pub fn decode(
        reader: &mut Reader<'_>,
        allowed: &[u8],
        repeatable: &[u8],
    ) -> Result<Self, String> {
        let length = reader.varint()?;
        let mut block = Reader {
            rest: reader.take(length as usize)?,
        };
        let mut properties = Self::new();
        while !block.rest.is_empty() {
            let id = block.byte()?;
            if !allowed.contains(&id) {
                return Err(format!("property {id:#04x} does not belong here"));
            }
            if properties.has(id) && !repeatable.contains(&id) {
                return Err(format!("property {id:#04x} appears twice"));
            }
            let value = read_value(id, &mut block)?;
            properties.0.push((id, value));
        }
        Ok(properties)
    }
}

fn read_value(id: u8, block: &mut Reader<'_>) -> Result<Value, String> {
    use property as p;
    Ok(match id {
        p::PAYLOAD_FORMAT
        | p::REQUEST_PROBLEM_INFORMATION
        | p::REQUEST_RESPONSE_INFORMATION
        | p::MAXIMUM_QOS
        | p::RETAIN_AVAILABLE
        | p::WILDCARD_AVAILABLE
        | p::SUBSCRIPTION_ID_AVAILABLE
        | p::SHARED_AVAILABLE => {
            let value = block.byte()?;
            if value > 1 {
                return Err(format!("property {id:#04x} with value {value}"));
            }
            Value::Byte(value)
        }
        p::SERVER_KEEP_ALIVE | p::RECEIVE_MAXIMUM | p::TOPIC_ALIAS_MAXIMUM | p::TOPIC_ALIAS => {
            let value = block.two()?;
            if value == 0 && matches!(id, p::RECEIVE_MAXIMUM | p::TOPIC_ALIAS) {
                return Err(format!("property {id:#04x} with value 0"));
            }
            Value::Two(value)
        }
        p::MESSAGE_EXPIRY | p::SESSION_EXPIRY | p::WILL_DELAY | p::MAXIMUM_PACKET_SIZE => {
            Value::Four(block.four()?)
        }
        p::SUBSCRIPTION_ID => {
            let value = block.varint()?;
            if value == 0 {
                return Err("a subscription identifier 0".into());
            }
            Value::Varint(value)
        }
        p::CONTENT_TYPE
        | p::RESPONSE_TOPIC
        | p::ASSIGNED_CLIENT_ID
        | p::AUTHENTICATION_METHOD
        | p::RESPONSE_INFORMATION
        | p::SERVER_REFERENCE
        | p::REASON_STRING => Value::Text(block.text()?),
        p::CORRELATION_DATA | p::AUTHENTICATION_DATA => Value::Binary(block.binary()?),
        p::USER_PROPERTY => Value::Pair(block.text()?, block.text()?),
        _ => return Err(format!("property {id:#04x} is unknown")),
    })
}

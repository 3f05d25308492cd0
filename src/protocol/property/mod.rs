//! MQTT 5.0 properties: their identifiers and the blocks that hold them.
//!
//! HOT PATH: the block of every PUBLISH that has one is read here.
//! Owns nothing: everything borrows the block, and what may stand many times is
//! read from it again when asked for, so that nothing is collected. Pure; lives on
//! any core. Never knows which packet may carry what: each packet's decoder names
//! the properties it takes and refuses the others.

mod block;
mod subscription_ids;
mod user;

pub use block::{PropertyReader, RawProperties, RawProperty};
pub use subscription_ids::{SubscriptionIds, SubscriptionIdsBuf, SubscriptionIdsIter};
pub use user::{UserProperties, UserPropertiesBuf, UserPropertiesIter};

/// The identifier of a property that the specification defines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PropertyId(u8);

/// How a property's value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PropertyKind {
    /// One byte.
    Byte,
    /// Two bytes.
    TwoBytes,
    /// Four bytes.
    FourBytes,
    /// A variable byte integer.
    VariableInteger,
    /// Binary data or a string behind a two-byte length.
    LengthPrefixed,
    /// Two strings.
    StringPair,
}

impl PropertyId {
    /// Whether the payload is text.
    pub const PAYLOAD_FORMAT_INDICATOR: Self = Self(0x01);
    /// Seconds after which a message is worth nothing.
    pub const MESSAGE_EXPIRY_INTERVAL: Self = Self(0x02);
    /// What the payload is.
    pub const CONTENT_TYPE: Self = Self(0x03);
    /// Where an answer goes.
    pub const RESPONSE_TOPIC: Self = Self(0x08);
    /// What an answer carries back.
    pub const CORRELATION_DATA: Self = Self(0x09);
    /// The number of a subscription.
    pub const SUBSCRIPTION_IDENTIFIER: Self = Self(0x0B);
    /// Seconds that a session outlives its connection.
    pub const SESSION_EXPIRY_INTERVAL: Self = Self(0x11);
    /// The client identifier that the server chose.
    pub const ASSIGNED_CLIENT_IDENTIFIER: Self = Self(0x12);
    /// The keep alive that the server chose.
    pub const SERVER_KEEP_ALIVE: Self = Self(0x13);
    /// How a client authenticates beyond a password.
    pub const AUTHENTICATION_METHOD: Self = Self(0x15);
    /// What that method says.
    pub const AUTHENTICATION_DATA: Self = Self(0x16);
    /// Whether the client wants to know why.
    pub const REQUEST_PROBLEM_INFORMATION: Self = Self(0x17);
    /// Seconds between the loss of a connection and its will.
    pub const WILL_DELAY_INTERVAL: Self = Self(0x18);
    /// Whether the client asks where answers may go.
    pub const REQUEST_RESPONSE_INFORMATION: Self = Self(0x19);
    /// Where answers may go.
    pub const RESPONSE_INFORMATION: Self = Self(0x1A);
    /// Another server.
    pub const SERVER_REFERENCE: Self = Self(0x1C);
    /// Why, for people.
    pub const REASON_STRING: Self = Self(0x1F);
    /// How many QoS 1 and 2 messages may be open at once.
    pub const RECEIVE_MAXIMUM: Self = Self(0x21);
    /// The highest topic alias.
    pub const TOPIC_ALIAS_MAXIMUM: Self = Self(0x22);
    /// A number in place of a topic name.
    pub const TOPIC_ALIAS: Self = Self(0x23);
    /// The highest QoS that the server takes.
    pub const MAXIMUM_QOS: Self = Self(0x24);
    /// Whether the server keeps retained messages.
    pub const RETAIN_AVAILABLE: Self = Self(0x25);
    /// A name and a value that mean nothing to MQTT.
    pub const USER_PROPERTY: Self = Self(0x26);
    /// The largest packet that the sender takes.
    pub const MAXIMUM_PACKET_SIZE: Self = Self(0x27);
    /// Whether filters may have wildcards.
    pub const WILDCARD_SUBSCRIPTION_AVAILABLE: Self = Self(0x28);
    /// Whether subscriptions may be numbered.
    pub const SUBSCRIPTION_IDENTIFIERS_AVAILABLE: Self = Self(0x29);
    /// Whether subscriptions may be shared.
    pub const SHARED_SUBSCRIPTION_AVAILABLE: Self = Self(0x2A);

    /// The identifier `value`, if the specification defines it.
    ///
    /// All of them are below 0x80, so that their encoding as a variable byte
    /// integer is the one byte itself.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        match KINDS.get_one(value) {
            Some(_) => Some(Self(value)),
            None => None,
        }
    }

    /// The identifier as a number.
    #[must_use]
    #[inline]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// How the value is written.
    #[must_use]
    pub const fn kind(self) -> PropertyKind {
        match KINDS.get_one(self.0) {
            Some(kind) => kind,
            // Not reached: the constants above and `new` hold defined ones only.
            None => PropertyKind::Byte,
        }
    }

    /// Whether a message's properties of this kind reach its subscribers as its
    /// publisher wrote them [MQTT-3.3.2-4], [MQTT-3.3.2-15], [MQTT-3.3.2-16],
    /// [MQTT-3.3.2-17], [MQTT-3.3.2-20].
    #[must_use]
    #[inline]
    pub const fn passes_through(self) -> bool {
        matches!(
            self,
            Self::PAYLOAD_FORMAT_INDICATOR
                | Self::CONTENT_TYPE
                | Self::RESPONSE_TOPIC
                | Self::CORRELATION_DATA
                | Self::USER_PROPERTY
        )
    }
}

/// The kind of every identifier up to the highest one.
struct Kinds([Option<PropertyKind>; 0x2B]);

impl Kinds {
    const fn get_one(&self, id: u8) -> Option<PropertyKind> {
        if (id as usize) < self.0.len() {
            self.0[id as usize]
        } else {
            None
        }
    }
}

static KINDS: Kinds = {
    use PropertyKind::{Byte, FourBytes, LengthPrefixed, StringPair, TwoBytes, VariableInteger};
    let defined = [
        (PropertyId::PAYLOAD_FORMAT_INDICATOR, Byte),
        (PropertyId::MESSAGE_EXPIRY_INTERVAL, FourBytes),
        (PropertyId::CONTENT_TYPE, LengthPrefixed),
        (PropertyId::RESPONSE_TOPIC, LengthPrefixed),
        (PropertyId::CORRELATION_DATA, LengthPrefixed),
        (PropertyId::SUBSCRIPTION_IDENTIFIER, VariableInteger),
        (PropertyId::SESSION_EXPIRY_INTERVAL, FourBytes),
        (PropertyId::ASSIGNED_CLIENT_IDENTIFIER, LengthPrefixed),
        (PropertyId::SERVER_KEEP_ALIVE, TwoBytes),
        (PropertyId::AUTHENTICATION_METHOD, LengthPrefixed),
        (PropertyId::AUTHENTICATION_DATA, LengthPrefixed),
        (PropertyId::REQUEST_PROBLEM_INFORMATION, Byte),
        (PropertyId::WILL_DELAY_INTERVAL, FourBytes),
        (PropertyId::REQUEST_RESPONSE_INFORMATION, Byte),
        (PropertyId::RESPONSE_INFORMATION, LengthPrefixed),
        (PropertyId::SERVER_REFERENCE, LengthPrefixed),
        (PropertyId::REASON_STRING, LengthPrefixed),
        (PropertyId::RECEIVE_MAXIMUM, TwoBytes),
        (PropertyId::TOPIC_ALIAS_MAXIMUM, TwoBytes),
        (PropertyId::TOPIC_ALIAS, TwoBytes),
        (PropertyId::MAXIMUM_QOS, Byte),
        (PropertyId::RETAIN_AVAILABLE, Byte),
        (PropertyId::USER_PROPERTY, StringPair),
        (PropertyId::MAXIMUM_PACKET_SIZE, FourBytes),
        (PropertyId::WILDCARD_SUBSCRIPTION_AVAILABLE, Byte),
        (PropertyId::SUBSCRIPTION_IDENTIFIERS_AVAILABLE, Byte),
        (PropertyId::SHARED_SUBSCRIPTION_AVAILABLE, Byte),
    ];
    let mut kinds = [None; 0x2B];
    let mut index = 0;
    while index < defined.len() {
        kinds[defined[index].0.0 as usize] = Some(defined[index].1);
        index += 1;
    }
    Kinds(kinds)
};

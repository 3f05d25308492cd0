//! What can be wrong with a packet: the peer's fault, and ours.
//!
//! Owns nothing. Pure; lives on any core. [`DecodeError`] says what the peer
//! did, and with which reason code it deserves to be told; [`EncodeError`] says
//! why a packet of ours cannot be written. Neither ever holds data of the peer.

use core::fmt;

use crate::protocol::ReasonCode;

/// What the peer did that makes its bytes no packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// Packet type 0, which no version defines.
    ReservedPacketType,
    /// A packet that its version does not have, or another one than asked for.
    UnexpectedPacketType,
    /// Flag bits of the fixed header differ from what the type prescribes.
    ReservedFlags,
    /// A variable byte integer goes on after its fourth byte.
    EndlessInteger,
    /// A variable byte integer takes more bytes than it needs.
    OverlongInteger,
    /// The packet exceeds what its receiver accepts.
    PacketTooLarge,
    /// The packet ends in the middle of a field.
    Truncated,
    /// Bytes follow the last field.
    TrailingBytes,
    /// A string is not well-formed UTF-8.
    IllFormedUtf8,
    /// A string holds U+0000.
    NulInString,
    /// CONNECT names a protocol or a level that is not spoken here.
    UnsupportedProtocol,
    /// The reserved flag of CONNECT or CONNACK is set.
    ReservedConnectFlag,
    /// Will QoS or will retain without a will.
    WillFlagsWithoutWill,
    /// A password without a user name, before 5.0.
    PasswordWithoutUserName,
    /// QoS 3.
    InvalidQos,
    /// DUP together with QoS 0.
    DupWithoutQos,
    /// Packet identifier 0.
    ZeroPacketId,
    /// No topic name and no alias that stands for one.
    MissingTopicName,
    /// A topic name with a wildcard.
    WildcardInTopicName,
    /// A will without a topic.
    MissingWillTopic,
    /// A response topic that is empty or has a wildcard.
    InvalidResponseTopic,
    /// Topic alias 0.
    ZeroTopicAlias,
    /// A topic filter that cannot be one.
    InvalidTopicFilter,
    /// SUBSCRIBE or UNSUBSCRIBE without a filter, or an answer to none.
    NoTopicFilter,
    /// Reserved bits of the subscription options are set.
    ReservedSubscriptionOptions,
    /// Retain handling 3.
    InvalidRetainHandling,
    /// No local on a shared subscription.
    NoLocalOnSharedSubscription,
    /// A property identifier that nobody defined.
    UnknownProperty,
    /// A property that this packet may not carry.
    PropertyNotAllowed,
    /// A property that may stand once stands twice.
    DuplicateProperty,
    /// A property's value is outside its range.
    InvalidPropertyValue,
    /// Authentication data without a method, or AUTH without one.
    MissingAuthenticationMethod,
    /// A reason code that is unknown or that this packet may not carry.
    InvalidReasonCode,
    /// CONNACK tells of a present session while it refuses.
    SessionPresentWithRefusal,
}

impl DecodeError {
    /// The reason code that tells the peer.
    #[must_use]
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::ReservedPacketType
            | Self::ReservedFlags
            | Self::EndlessInteger
            | Self::OverlongInteger
            | Self::Truncated
            | Self::TrailingBytes
            | Self::IllFormedUtf8
            | Self::NulInString
            | Self::ReservedConnectFlag
            | Self::WillFlagsWithoutWill
            | Self::PasswordWithoutUserName
            | Self::InvalidQos
            | Self::DupWithoutQos
            | Self::InvalidTopicFilter
            | Self::ReservedSubscriptionOptions
            | Self::UnknownProperty
            | Self::PropertyNotAllowed => ReasonCode::MalformedPacket,
            Self::UnexpectedPacketType
            | Self::ZeroPacketId
            | Self::MissingTopicName
            | Self::InvalidResponseTopic
            | Self::NoTopicFilter
            | Self::InvalidRetainHandling
            | Self::NoLocalOnSharedSubscription
            | Self::DuplicateProperty
            | Self::InvalidPropertyValue
            | Self::MissingAuthenticationMethod
            | Self::InvalidReasonCode
            | Self::SessionPresentWithRefusal => ReasonCode::ProtocolError,
            Self::PacketTooLarge => ReasonCode::PacketTooLarge,
            Self::UnsupportedProtocol => ReasonCode::UnsupportedProtocolVersion,
            Self::WildcardInTopicName | Self::MissingWillTopic => ReasonCode::TopicNameInvalid,
            Self::ZeroTopicAlias => ReasonCode::TopicAliasInvalid,
        }
    }

    /// What happened, in words.
    const fn description(self) -> &'static str {
        match self {
            Self::ReservedPacketType => "packet type 0 is reserved",
            Self::UnexpectedPacketType => "this packet type has no place here",
            Self::ReservedFlags => "reserved flags of the fixed header are set",
            Self::EndlessInteger => "a variable byte integer is longer than four bytes",
            Self::OverlongInteger => "a variable byte integer takes more bytes than it needs",
            Self::PacketTooLarge => "the packet is larger than accepted",
            Self::Truncated => "the packet ends in the middle of a field",
            Self::TrailingBytes => "bytes follow the last field of the packet",
            Self::IllFormedUtf8 => "a string is not well-formed UTF-8",
            Self::NulInString => "a string holds the null character",
            Self::UnsupportedProtocol => "the protocol name or level is not supported",
            Self::ReservedConnectFlag => "a reserved connect flag is set",
            Self::WillFlagsWithoutWill => "will QoS or will retain is set without a will",
            Self::PasswordWithoutUserName => "a password comes without a user name",
            Self::InvalidQos => "QoS 3 does not exist",
            Self::DupWithoutQos => "DUP is set on a QoS 0 message",
            Self::ZeroPacketId => "the packet identifier is zero",
            Self::MissingTopicName => "neither a topic name nor a topic alias is given",
            Self::WildcardInTopicName => "a topic name holds a wildcard",
            Self::MissingWillTopic => "the will has no topic",
            Self::InvalidResponseTopic => "the response topic is empty or holds a wildcard",
            Self::ZeroTopicAlias => "the topic alias is zero",
            Self::InvalidTopicFilter => "a topic filter is malformed",
            Self::NoTopicFilter => "the packet lists no topic filter",
            Self::ReservedSubscriptionOptions => "reserved subscription option bits are set",
            Self::InvalidRetainHandling => "retain handling 3 does not exist",
            Self::NoLocalOnSharedSubscription => "no local is set on a shared subscription",
            Self::UnknownProperty => "a property identifier is unknown",
            Self::PropertyNotAllowed => "a property is not allowed in this packet",
            Self::DuplicateProperty => "a property is given more than once",
            Self::InvalidPropertyValue => "a property value is out of range",
            Self::MissingAuthenticationMethod => "the authentication method is missing",
            Self::InvalidReasonCode => "the reason code is not valid for this packet",
            Self::SessionPresentWithRefusal => "a refusal claims that a session is present",
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())
    }
}

impl core::error::Error for DecodeError {}

/// Why a packet of ours cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EncodeError {
    /// A string or binary field is longer than 65,535 bytes.
    FieldTooLong,
    /// A string holds U+0000.
    NulInString,
    /// The packet is longer than the format allows.
    PacketTooLarge,
    /// A packet identifier is missing with QoS above 0, or given with QoS 0.
    PacketIdMismatch,
    /// DUP together with QoS 0.
    DupWithoutQos,
    /// No topic name and no alias that stands for one.
    MissingTopicName,
    /// A number is too large for a variable byte integer.
    IntegerTooLarge,
    /// SUBSCRIBE or UNSUBSCRIBE without a filter, or an answer to none.
    NoTopicFilter,
    /// A reason code that this packet may not carry.
    InvalidReasonCode,
    /// A password without a user name, before 5.0.
    PasswordWithoutUserName,
    /// AUTH, or authentication data, without a method.
    MissingAuthenticationMethod,
    /// The version has no such packet.
    NotInVersion,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FieldTooLong => "a string or binary field is longer than 65,535 bytes",
            Self::NulInString => "a string holds the null character",
            Self::PacketTooLarge => "the packet is longer than the format allows",
            Self::PacketIdMismatch => "packet identifier and QoS do not go together",
            Self::DupWithoutQos => "DUP is set on a QoS 0 message",
            Self::MissingTopicName => "neither a topic name nor a topic alias is given",
            Self::IntegerTooLarge => "a number is too large for a variable byte integer",
            Self::NoTopicFilter => "the packet lists no topic filter",
            Self::InvalidReasonCode => "the reason code is not valid for this packet",
            Self::PasswordWithoutUserName => "a password needs a user name before MQTT 5.0",
            Self::MissingAuthenticationMethod => "the authentication method is missing",
            Self::NotInVersion => "the protocol version has no such packet",
        })
    }
}

impl core::error::Error for EncodeError {}

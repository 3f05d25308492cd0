//! Reason codes, and which packet may carry which.
//!
//! Owns nothing. Pure; lives on any core. Never translates on its own: the codes
//! of 3.x live in the packets that have them (CONNACK, SUBACK).

use core::fmt;

use crate::protocol::{DecodeError, PacketType};

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// How an operation ended, as MQTT 5.0 numbers it.
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub enum ReasonCode {
            $($(#[$doc])* $name = $value,)*
        }

        impl TryFrom<u8> for ReasonCode {
            type Error = DecodeError;

            fn try_from(value: u8) -> Result<Self, DecodeError> {
                match value {
                    $($value => Ok(Self::$name),)*
                    _ => Err(DecodeError::InvalidReasonCode),
                }
            }
        }

        impl ReasonCode {
            /// Every code there is, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name that the specification gives it, in lower case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reason_codes! {
    /// Success; also normal disconnection and granted QoS 0.
    #[default]
    Success = 0x00, "success";
    /// The subscription is accepted with QoS 1 at most.
    GrantedQoS1 = 0x01, "granted QoS 1";
    /// The subscription is accepted with QoS 2 at most.
    GrantedQoS2 = 0x02, "granted QoS 2";
    /// The client leaves and wants its will published.
    DisconnectWithWill = 0x04, "disconnect with will message";
    /// The message is accepted, and nobody subscribes to it.
    NoMatchingSubscribers = 0x10, "no matching subscribers";
    /// There was no such subscription to end.
    NoSubscriptionExisted = 0x11, "no subscription existed";
    /// Authentication goes on with another step.
    ContinueAuthentication = 0x18, "continue authentication";
    /// The client starts to authenticate again.
    ReAuthenticate = 0x19, "re-authenticate";
    /// The sender does not want to say why.
    UnspecifiedError = 0x80, "unspecified error";
    /// The packet could not be parsed.
    MalformedPacket = 0x81, "malformed packet";
    /// The packet breaks a rule of the protocol.
    ProtocolError = 0x82, "protocol error";
    /// Valid, but not accepted by this receiver.
    ImplementationSpecific = 0x83, "implementation specific error";
    /// The version is not supported.
    UnsupportedProtocolVersion = 0x84, "unsupported protocol version";
    /// The client identifier is valid but not allowed.
    ClientIdentifierNotValid = 0x85, "client identifier not valid";
    /// The credentials are not accepted.
    BadUserNameOrPassword = 0x86, "bad user name or password";
    /// The operation is not permitted.
    NotAuthorized = 0x87, "not authorized";
    /// The server is not available.
    ServerUnavailable = 0x88, "server unavailable";
    /// The server is busy; try again later.
    ServerBusy = 0x89, "server busy";
    /// The client is barred by an operator.
    Banned = 0x8A, "banned";
    /// The server is stopping.
    ServerShuttingDown = 0x8B, "server shutting down";
    /// The authentication method is unknown or is not the current one.
    BadAuthenticationMethod = 0x8C, "bad authentication method";
    /// Nothing was heard for one and a half keep alive intervals.
    KeepAliveTimeout = 0x8D, "keep alive timeout";
    /// Another connection uses the same client identifier.
    SessionTakenOver = 0x8E, "session taken over";
    /// The filter is well-formed but not accepted.
    TopicFilterInvalid = 0x8F, "topic filter invalid";
    /// The topic name is not accepted.
    TopicNameInvalid = 0x90, "topic name invalid";
    /// The packet identifier is already in use.
    PacketIdentifierInUse = 0x91, "packet identifier in use";
    /// The packet identifier is not known.
    PacketIdentifierNotFound = 0x92, "packet identifier not found";
    /// More messages are in flight than the receiver allowed.
    ReceiveMaximumExceeded = 0x93, "receive maximum exceeded";
    /// The topic alias is zero, too large or not set.
    TopicAliasInvalid = 0x94, "topic alias invalid";
    /// The packet exceeds the receiver's maximum.
    PacketTooLarge = 0x95, "packet too large";
    /// Data comes too fast.
    MessageRateTooHigh = 0x96, "message rate too high";
    /// A limit of the implementation or the operator is reached.
    QuotaExceeded = 0x97, "quota exceeded";
    /// An operator acted.
    AdministrativeAction = 0x98, "administrative action";
    /// The payload is not what its format indicator says.
    PayloadFormatInvalid = 0x99, "payload format invalid";
    /// The server keeps no retained messages.
    RetainNotSupported = 0x9A, "retain not supported";
    /// The QoS exceeds the server's maximum.
    QoSNotSupported = 0x9B, "QoS not supported";
    /// Use another server for now.
    UseAnotherServer = 0x9C, "use another server";
    /// Use another server from now on.
    ServerMoved = 0x9D, "server moved";
    /// Shared subscriptions are not available.
    SharedSubscriptionsNotSupported = 0x9E, "shared subscriptions not supported";
    /// Too many connections in too short a time.
    ConnectionRateExceeded = 0x9F, "connection rate exceeded";
    /// The connection has lasted as long as it may.
    MaximumConnectTime = 0xA0, "maximum connect time";
    /// Subscription identifiers are not available.
    SubscriptionIdentifiersNotSupported = 0xA1, "subscription identifiers not supported";
    /// Wildcards in filters are not available.
    WildcardSubscriptionsNotSupported = 0xA2, "wildcard subscriptions not supported";
}

impl ReasonCode {
    /// [`ReasonCode::Success`] as DISCONNECT calls it.
    pub const NORMAL_DISCONNECTION: Self = Self::Success;

    /// [`ReasonCode::Success`] as SUBACK calls it.
    pub const GRANTED_QOS_0: Self = Self::Success;

    /// The code as the wire has it.
    #[must_use]
    #[inline]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Whether the operation failed.
    #[must_use]
    #[inline]
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// Whether an MQTT 5.0 packet of this type may carry the code, whichever
    /// side sends it.
    #[must_use]
    pub const fn is_legal_in(self, packet: PacketType) -> bool {
        match packet {
            PacketType::ConnAck => self.is_legal_in_connack(),
            PacketType::PubAck | PacketType::PubRec => self.is_legal_in_puback(),
            PacketType::PubRel | PacketType::PubComp => {
                matches!(self, Self::Success | Self::PacketIdentifierNotFound)
            }
            PacketType::SubAck => self.is_legal_in_suback(),
            PacketType::UnsubAck => self.is_legal_in_unsuback(),
            PacketType::Disconnect => self.is_legal_in_disconnect(),
            PacketType::Auth => matches!(
                self,
                Self::Success | Self::ContinueAuthentication | Self::ReAuthenticate
            ),
            PacketType::Connect
            | PacketType::Publish
            | PacketType::Subscribe
            | PacketType::Unsubscribe
            | PacketType::PingReq
            | PacketType::PingResp => false,
        }
    }

    /// The codes of CONNACK [MQTT-3.2.2-8].
    const fn is_legal_in_connack(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::UnspecifiedError
                | Self::MalformedPacket
                | Self::ProtocolError
                | Self::ImplementationSpecific
                | Self::UnsupportedProtocolVersion
                | Self::ClientIdentifierNotValid
                | Self::BadUserNameOrPassword
                | Self::NotAuthorized
                | Self::ServerUnavailable
                | Self::ServerBusy
                | Self::Banned
                | Self::BadAuthenticationMethod
                | Self::TopicNameInvalid
                | Self::PacketTooLarge
                | Self::QuotaExceeded
                | Self::PayloadFormatInvalid
                | Self::RetainNotSupported
                | Self::QoSNotSupported
                | Self::UseAnotherServer
                | Self::ServerMoved
                | Self::ConnectionRateExceeded
        )
    }

    /// The codes of PUBACK [MQTT-3.4.2-1] and PUBREC [MQTT-3.5.2-1].
    const fn is_legal_in_puback(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::NoMatchingSubscribers
                | Self::UnspecifiedError
                | Self::ImplementationSpecific
                | Self::NotAuthorized
                | Self::TopicNameInvalid
                | Self::PacketIdentifierInUse
                | Self::QuotaExceeded
                | Self::PayloadFormatInvalid
        )
    }

    /// The codes of SUBACK [MQTT-3.9.3-2].
    const fn is_legal_in_suback(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::GrantedQoS1
                | Self::GrantedQoS2
                | Self::UnspecifiedError
                | Self::ImplementationSpecific
                | Self::NotAuthorized
                | Self::TopicFilterInvalid
                | Self::PacketIdentifierInUse
                | Self::QuotaExceeded
                | Self::SharedSubscriptionsNotSupported
                | Self::SubscriptionIdentifiersNotSupported
                | Self::WildcardSubscriptionsNotSupported
        )
    }

    /// The codes of UNSUBACK [MQTT-3.11.3-2].
    const fn is_legal_in_unsuback(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::NoSubscriptionExisted
                | Self::UnspecifiedError
                | Self::ImplementationSpecific
                | Self::NotAuthorized
                | Self::TopicFilterInvalid
                | Self::PacketIdentifierInUse
        )
    }

    /// The codes of DISCONNECT [MQTT-3.14.2-1]. 0x8C stands in the general table
    /// of reason codes as one of DISCONNECT, though not in DISCONNECT's own.
    const fn is_legal_in_disconnect(self) -> bool {
        match self {
            Self::Success
            | Self::DisconnectWithWill
            | Self::UnspecifiedError
            | Self::MalformedPacket
            | Self::ProtocolError
            | Self::ImplementationSpecific
            | Self::NotAuthorized
            | Self::ServerBusy
            | Self::ServerShuttingDown
            | Self::BadAuthenticationMethod
            | Self::KeepAliveTimeout
            | Self::SessionTakenOver
            | Self::TopicFilterInvalid
            | Self::TopicNameInvalid
            | Self::ReceiveMaximumExceeded
            | Self::TopicAliasInvalid
            | Self::PacketTooLarge
            | Self::MessageRateTooHigh
            | Self::QuotaExceeded
            | Self::AdministrativeAction
            | Self::PayloadFormatInvalid
            | Self::RetainNotSupported
            | Self::QoSNotSupported
            | Self::UseAnotherServer
            | Self::ServerMoved
            | Self::SharedSubscriptionsNotSupported
            | Self::ConnectionRateExceeded
            | Self::MaximumConnectTime
            | Self::SubscriptionIdentifiersNotSupported
            | Self::WildcardSubscriptionsNotSupported => true,
            Self::GrantedQoS1
            | Self::GrantedQoS2
            | Self::NoMatchingSubscribers
            | Self::NoSubscriptionExisted
            | Self::ContinueAuthentication
            | Self::ReAuthenticate
            | Self::UnsupportedProtocolVersion
            | Self::ClientIdentifierNotValid
            | Self::BadUserNameOrPassword
            | Self::ServerUnavailable
            | Self::Banned
            | Self::PacketIdentifierInUse
            | Self::PacketIdentifierNotFound => false,
        }
    }
}

impl From<ReasonCode> for u8 {
    #[inline]
    fn from(reason: ReasonCode) -> Self {
        reason as Self
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.name(), self.as_u8())
    }
}

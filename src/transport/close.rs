//! Why our side closes a connection, in WebSocket's numbers (RFC 6455, section 7.4.1).
//!
//! Owns the mapping alone; pure.

/// Why the connection is closed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum CloseReason {
    /// Done: the client said DISCONNECT, or was told why in a packet of MQTT 5.
    #[default]
    Normal,
    /// The server stops.
    GoingAway,
    /// The peer broke the protocol, WebSocket's or MQTT's.
    Protocol,
    /// Not binary.
    Unsupported,
    /// The content does not fit its type.
    InvalidPayload,
    /// Against the operator's rules: not authorised, taken over, idle.
    Policy,
    /// Above a limit of ours.
    TooLarge,
    /// Our own failure.
    Internal,
}

impl CloseReason {
    /// The status code on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::InvalidPayload => 1007,
            Self::Policy => 1008,
            Self::TooLarge => 1009,
            Self::Internal => 1011,
        }
    }
}

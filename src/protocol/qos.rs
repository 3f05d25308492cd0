//! The three levels of quality of service.
//!
//! Owns nothing. Pure; lives on any core. Never holds a fourth level: the value
//! 3 is refused where bytes are read.

use crate::protocol::DecodeError;

/// How hard a message is tried to be delivered.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum QoS {
    /// At most once: sent and forgotten.
    #[default]
    AtMostOnce = 0,
    /// At least once: repeated until acknowledged.
    AtLeastOnce = 1,
    /// Exactly once: the four-packet handshake.
    ExactlyOnce = 2,
}

impl QoS {
    /// Whether packets of this level carry a packet identifier.
    #[must_use]
    pub const fn has_packet_id(self) -> bool {
        !matches!(self, Self::AtMostOnce)
    }
}

impl TryFrom<u8> for QoS {
    type Error = DecodeError;

    /// A level of 3 is malformed [MQTT-3.3.1-4].
    #[inline]
    fn try_from(value: u8) -> Result<Self, DecodeError> {
        match value {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            _ => Err(DecodeError::InvalidQos),
        }
    }
}

impl From<QoS> for u8 {
    #[inline]
    fn from(qos: QoS) -> Self {
        qos as Self
    }
}

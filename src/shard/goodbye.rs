//! MQTT's reasons in the words of a transport that closes.
//!
//! Owns the mapping alone. A client of MQTT 5 was told in DISCONNECT or CONNACK; for
//! others the close frame of WebSocket is the only word. Pure.

use crate::protocol::ReasonCode;
use crate::transport::CloseReason;

/// Why a connection ends, by what the engine noted; `None`: the client left.
pub(super) fn goodbye(parting: Option<ReasonCode>) -> CloseReason {
    let Some(reason) = parting else {
        return CloseReason::Normal;
    };
    match reason as u8 {
        0..0x80 => CloseReason::Normal,
        // Unspecified, implementation specific.
        0x80 | 0x83 => CloseReason::Internal,
        // Malformed, protocol, version, filters, names, identifiers, windows, aliases,
        // formats, and what a server does not support.
        0x81 | 0x82 | 0x84 | 0x8F..=0x94 | 0x99..=0x9B | 0x9E | 0xA1 | 0xA2 => {
            CloseReason::Protocol
        }
        // Unavailable, shutting down, elsewhere.
        0x88 | 0x8B | 0x9C | 0x9D => CloseReason::GoingAway,
        // Packet too large.
        0x95 => CloseReason::TooLarge,
        // Credentials, rights, quotas, silence, another connection.
        0x85..=0xFF => CloseReason::Policy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_left_is_told_nothing_and_who_erred_what() {
        assert_eq!(goodbye(None), CloseReason::Normal);
        for (reason, expected) in [
            (ReasonCode::Success, CloseReason::Normal),
            (ReasonCode::MalformedPacket, CloseReason::Protocol),
            (ReasonCode::TopicAliasInvalid, CloseReason::Protocol),
            (ReasonCode::PacketTooLarge, CloseReason::TooLarge),
            (ReasonCode::ServerShuttingDown, CloseReason::GoingAway),
            (ReasonCode::SessionTakenOver, CloseReason::Policy),
            (ReasonCode::NotAuthorized, CloseReason::Policy),
        ] {
            assert_eq!(goodbye(Some(reason)), expected, "{reason:?}");
        }
    }
}

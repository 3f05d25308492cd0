//! The cases of PINGREQ, PINGRESP, DISCONNECT and AUTH in all versions.
//!
//! Owns nothing. See the table's head for what a case is.

use super::*;

pub(super) fn pings_and_disconnects() -> Vec<Case> {
    let disconnect = |reason| Packet::Disconnect(Disconnect::new(reason));
    vec![
        both("PINGREQ", ALL, b"\xc0\0", Packet::PingReq),
        both("PINGRESP", ALL, b"\xd0\0", Packet::PingResp),
        both(
            "DISCONNECT",
            ALL,
            b"\xe0\0",
            disconnect(ReasonCode::NORMAL_DISCONNECTION),
        ),
        both(
            "DISCONNECT, why",
            &[V5],
            b"\xe0\x01\x8e",
            disconnect(ReasonCode::SessionTakenOver),
        ),
        only_read(
            "normal, spelled out",
            &[V5],
            b"\xe0\x01\0",
            disconnect(ReasonCode::Success),
        ),
        only_read(
            "no properties, counted",
            &[V5],
            b"\xe0\x02\0\0",
            disconnect(ReasonCode::Success),
        ),
        both(
            "DISCONNECT with everything",
            &[V5],
            b"\xe0\x17\x9d\x15\x11\0\0\0\x07\x1c\0\x01s\x1f\0\x02no\x26\0\x01k\0\x01v",
            Packet::Disconnect(Disconnect {
                reason: ReasonCode::ServerMoved,
                session_expiry_interval: Some(7),
                properties: REASON,
                server_reference: Some("s"),
            }),
        ),
    ]
}

pub(super) fn auths() -> Vec<Case> {
    let method = Auth {
        authentication_method: Some("m"),
        ..Auth::default()
    };
    vec![
        both(
            "AUTH, success",
            &[V5],
            b"\xf0\0",
            Packet::Auth(Auth::default()),
        ),
        only_read(
            "AUTH, success, spelled out",
            &[V5],
            b"\xf0\x02\0\0",
            Packet::Auth(Auth::default()),
        ),
        both(
            "AUTH, success with a method",
            &[V5],
            b"\xf0\x06\0\x04\x15\0\x01m",
            Packet::Auth(method),
        ),
        both(
            "AUTH with everything",
            &[V5],
            b"\xf0\x16\x18\x14\x15\0\x01m\x16\0\x01d\x1f\0\x02no\x26\0\x01k\0\x01v",
            Packet::Auth(Auth {
                reason: ReasonCode::ContinueAuthentication,
                authentication_data: Some(b"d"),
                properties: REASON,
                ..method
            }),
        ),
    ]
}

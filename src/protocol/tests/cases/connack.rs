//! The cases of CONNACK in all versions.
//!
//! Owns nothing. See the table's head for what a case is.

use super::*;

pub(super) fn connack_before_v5() -> Vec<Case> {
    let refusal = |reason| Packet::ConnAck(ConnAck::refusal(reason));
    let accepted = ConnAck {
        session_present: true,
        ..ConnAck::default()
    };
    vec![
        both(
            "accepted",
            OLD,
            b"\x20\x02\0\0",
            Packet::ConnAck(ConnAck::default()),
        ),
        both(
            "3.1.1: a session is present",
            &[V3_1_1],
            b"\x20\x02\x01\0",
            Packet::ConnAck(accepted),
        ),
        only_read(
            "3.1: the first byte means nothing",
            &[V3_1],
            b"\x20\x02\xff\0",
            Packet::ConnAck(ConnAck::default()),
        ),
        both(
            "1",
            OLD,
            b"\x20\x02\0\x01",
            refusal(ReasonCode::UnsupportedProtocolVersion),
        ),
        both(
            "2",
            OLD,
            b"\x20\x02\0\x02",
            refusal(ReasonCode::ClientIdentifierNotValid),
        ),
        both(
            "3",
            OLD,
            b"\x20\x02\0\x03",
            refusal(ReasonCode::ServerUnavailable),
        ),
        both(
            "4",
            OLD,
            b"\x20\x02\0\x04",
            refusal(ReasonCode::BadUserNameOrPassword),
        ),
        both(
            "5",
            OLD,
            b"\x20\x02\0\x05",
            refusal(ReasonCode::NotAuthorized),
        ),
    ]
}

pub(super) fn connack_v5() -> Vec<Case> {
    let refusal = |reason| Packet::ConnAck(ConnAck::refusal(reason));
    let accepted = ConnAck {
        session_present: true,
        ..ConnAck::default()
    };
    vec![
        both(
            "5.0: accepted",
            &[V5],
            b"\x20\x03\x01\0\0",
            Packet::ConnAck(accepted),
        ),
        both(
            "5.0: banned",
            &[V5],
            b"\x20\x03\0\x8a\0",
            refusal(ReasonCode::Banned),
        ),
        both(
            "CONNACK with every property",
            &[V5],
            b"\x20\x40\0\0\x3d\
              \x11\0\0\0\x01\x21\0\x02\x24\x01\x25\0\x27\0\0\0\x03\x12\0\x01i\x22\0\x04\
              \x28\0\x29\x01\x2a\0\x13\0\x05\x1a\0\x01n\x1c\0\x01s\x15\0\x01m\x16\0\x01d\
              \x1f\0\x02no\x26\0\x01k\0\x01v",
            Packet::ConnAck(ConnAck {
                properties: ConnAckProperties {
                    session_expiry_interval: Some(1),
                    receive_maximum: Some(two(2)),
                    maximum_qos: Some(QoS::AtLeastOnce),
                    retain_available: Some(false),
                    maximum_packet_size: Some(four(3)),
                    assigned_client_identifier: Some("i"),
                    topic_alias_maximum: Some(4),
                    reason_string: Some("no"),
                    user_properties: kv(),
                    wildcard_subscription_available: Some(false),
                    subscription_identifiers_available: Some(true),
                    shared_subscription_available: Some(false),
                    server_keep_alive: Some(5),
                    response_information: Some("n"),
                    server_reference: Some("s"),
                    authentication_method: Some("m"),
                    authentication_data: Some(b"d"),
                },
                ..ConnAck::default()
            }),
        ),
    ]
}

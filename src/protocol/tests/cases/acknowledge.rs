//! The cases of PUBACK, PUBREC, PUBREL and PUBCOMP in all versions.
//!
//! Owns nothing. See the table's head for what a case is.

use super::*;

pub(super) fn plain_acknowledgements() -> Vec<Case> {
    let success = Acknowledge::new(id(258), ReasonCode::Success);
    vec![
        both("PUBACK", ALL, b"\x40\x02\x01\x02", Packet::PubAck(success)),
        both("PUBREC", ALL, b"\x50\x02\x01\x02", Packet::PubRec(success)),
        both("PUBREL", ALL, b"\x62\x02\x01\x02", Packet::PubRel(success)),
        both(
            "PUBCOMP",
            ALL,
            b"\x70\x02\x01\x02",
            Packet::PubComp(success),
        ),
        only_read(
            "a repeated PUBREL of 3.1",
            &[V3_1],
            b"\x6a\x02\x01\x02",
            Packet::PubRel(success),
        ),
    ]
}

pub(super) fn acknowledgements_v5() -> Vec<Case> {
    let success = Acknowledge::new(id(258), ReasonCode::Success);
    let quota = Acknowledge::new(id(258), ReasonCode::QuotaExceeded);
    let lost = Acknowledge::new(id(258), ReasonCode::PacketIdentifierNotFound);
    let explained = Acknowledge {
        properties: REASON,
        ..quota
    };
    vec![
        both(
            "PUBACK, refused",
            &[V5],
            b"\x40\x03\x01\x02\x97",
            Packet::PubAck(quota),
        ),
        both(
            "PUBREC, refused",
            &[V5],
            b"\x50\x03\x01\x02\x97",
            Packet::PubRec(quota),
        ),
        both(
            "PUBREL, unknown",
            &[V5],
            b"\x62\x03\x01\x02\x92",
            Packet::PubRel(lost),
        ),
        both(
            "PUBCOMP, unknown",
            &[V5],
            b"\x70\x03\x01\x02\x92",
            Packet::PubComp(lost),
        ),
        only_read(
            "success, spelled out",
            &[V5],
            b"\x40\x03\x01\x02\0",
            Packet::PubAck(success),
        ),
        only_read(
            "no properties, counted",
            &[V5],
            b"\x40\x04\x01\x02\0\0",
            Packet::PubAck(success),
        ),
        both(
            "PUBACK, refused and explained",
            &[V5],
            b"\x40\x10\x01\x02\x97\x0c\x1f\0\x02no\x26\0\x01k\0\x01v",
            Packet::PubAck(explained),
        ),
        both(
            "success, explained",
            &[V5],
            b"\x40\x09\x01\x02\0\x05\x1f\0\x02no",
            Packet::PubAck(Acknowledge {
                properties: ReasonProperties {
                    user_properties: UserProperties::EMPTY,
                    ..REASON
                },
                ..success
            }),
        ),
    ]
}

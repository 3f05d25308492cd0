//! The cases of PUBLISH in all versions.
//!
//! Owns nothing. See the table's head for what a case is.

use super::*;

pub(super) fn plain_publish() -> Vec<Case> {
    let bare = Publish {
        topic: "a/b",
        payload: b"hi",
        ..Publish::default()
    };
    let numbered = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(id(10)),
        ..bare
    };
    vec![
        both("QoS 0", OLD, b"\x30\x07\0\x03a/bhi", Packet::Publish(bare)),
        both(
            "QoS 0 of 5.0",
            &[V5],
            b"\x30\x08\0\x03a/b\0hi",
            Packet::Publish(bare),
        ),
        both(
            "QoS 1",
            OLD,
            b"\x32\x09\0\x03a/b\0\x0ahi",
            Packet::Publish(numbered),
        ),
        both(
            "QoS 1 of 5.0",
            &[V5],
            b"\x32\x0a\0\x03a/b\0\x0a\0hi",
            Packet::Publish(numbered),
        ),
        both(
            "all flags, QoS 2, no payload",
            OLD,
            b"\x3d\x07\0\x03a/b\0\x0a",
            Packet::Publish(Publish {
                dup: true,
                qos: QoS::ExactlyOnce,
                retain: true,
                payload: b"",
                ..numbered
            }),
        ),
    ]
}

pub(super) fn publish_with_properties() -> Vec<Case> {
    let bare = Publish {
        topic: "a/b",
        payload: b"hi",
        ..Publish::default()
    };
    vec![
        both(
            "an alias in place of the topic",
            &[V5],
            b"\x30\x08\0\0\x03\x23\0\x07hi",
            Packet::Publish(Publish {
                topic: "",
                properties: PublishProperties {
                    topic_alias: Some(two(7)),
                    ..NO_PROPERTIES
                },
                ..bare
            }),
        ),
        both(
            "PUBLISH with every property",
            &[V5],
            b"\x30\x2a\0\x03a/b\x22\
              \x02\0\0\0\x08\x01\0\x03\0\x01c\x08\0\x01r\x09\0\x01d\
              \x26\0\x01k\0\x01v\x23\0\x07\x0b\x01\x0b\x80\x01hi",
            Packet::Publish(Publish {
                properties: PublishProperties {
                    payload_format_utf8: Some(false),
                    message_expiry_interval: Some(8),
                    topic_alias: Some(two(7)),
                    response_topic: Some("r"),
                    correlation_data: Some(b"d"),
                    content_type: Some("c"),
                    user_properties: kv(),
                    subscription_ids: SubscriptionIds::of_checked(b"\x0b\x01\x0b\x80\x01"),
                    received: None,
                },
                ..bare
            }),
        ),
        only_read(
            "properties in another order, the repeatable ones apart",
            &[V5],
            b"\x30\x1b\0\x03a/b\x13\x0b\x01\x26\0\x01k\0\x01v\x0b\x80\x01\x01\x01\x26\0\0\0\0hi",
            Packet::Publish(Publish {
                properties: PublishProperties {
                    payload_format_utf8: Some(true),
                    user_properties: UserProperties::of_checked(b"\x26\0\x01k\0\x01v\x26\0\0\0\0"),
                    subscription_ids: SubscriptionIds::of_checked(b"\x0b\x01\x0b\x80\x01"),
                    ..NO_PROPERTIES
                },
                ..bare
            }),
        ),
        both(
            "control characters, non-characters and a byte order mark are no fault",
            OLD,
            b"\x30\x0a\0\x08\x01\x7f\xef\xbf\xbf\xef\xbb\xbf",
            Packet::Publish(Publish {
                topic: "\u{1}\u{7f}\u{ffff}\u{feff}",
                payload: b"",
                ..bare
            }),
        ),
    ]
}

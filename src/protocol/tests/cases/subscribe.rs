//! The cases of SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK in all versions.
//!
//! Owns nothing. See the table's head for what a case is.

use super::*;

pub(super) fn subscriptions() -> Vec<Case> {
    let request = |filter, options| SubscriptionRequest {
        filter: TopicFilter::parse(filter).expect(filter),
        options,
    };
    let exactly_once = SubscriptionOptions::with_qos(QoS::ExactlyOnce);
    let plain = Subscribe {
        packet_id: id(10),
        subscription_id: None,
        user_properties: UserProperties::EMPTY,
        filters: smallvec![
            request("a/+", exactly_once),
            request("#", Default::default())
        ],
    };
    let full = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let numbered = Subscribe {
        subscription_id: Some(four(300)),
        user_properties: kv(),
        filters: smallvec![request("a", full), request("$share/g/a", exactly_once)],
        ..plain.clone()
    };
    let again = Subscribe {
        filters: smallvec![request("#", exactly_once)],
        ..plain.clone()
    };
    vec![
        both(
            "SUBSCRIBE",
            OLD,
            b"\x82\x0c\0\x0a\0\x03a/+\x02\0\x01#\0",
            Packet::Subscribe(plain.clone()),
        ),
        both(
            "SUBSCRIBE of 5.0",
            &[V5],
            b"\x82\x0d\0\x0a\0\0\x03a/+\x02\0\x01#\0",
            Packet::Subscribe(plain),
        ),
        only_read(
            "3.1: a repeated SUBSCRIBE, with bits that are not used",
            &[V3_1],
            b"\x8a\x06\0\x0a\0\x01#\xfe",
            Packet::Subscribe(again),
        ),
        both(
            "SUBSCRIBE with everything",
            &[V5],
            b"\x82\x1e\0\x0a\x0a\x0b\xac\x02\x26\0\x01k\0\x01v\0\x01a\x2d\0\x0a$share/g/a\x02",
            Packet::Subscribe(numbered),
        ),
    ]
}

pub(super) fn subacks() -> Vec<Case> {
    vec![
        both(
            "SUBACK",
            OLD,
            b"\x90\x06\0\x0a\0\x01\x02\x80",
            Packet::SubAck(SubAck {
                packet_id: id(10),
                properties: ReasonProperties::default(),
                reasons: &[0, 1, 2, 0x80],
            }),
        ),
        both(
            "SUBACK of 5.0",
            &[V5],
            b"\x90\x11\0\x0a\x0c\x1f\0\x02no\x26\0\x01k\0\x01v\x02\x8f",
            Packet::SubAck(SubAck {
                packet_id: id(10),
                properties: REASON,
                reasons: &[2, 0x8f],
            }),
        ),
    ]
}

pub(super) fn unsubscriptions() -> Vec<Case> {
    let filter = |text| TopicFilter::parse(text).expect(text);
    let plain = Unsubscribe {
        packet_id: id(10),
        user_properties: UserProperties::EMPTY,
        filters: smallvec![filter("a/+"), filter("#")],
    };
    let explained = Unsubscribe {
        user_properties: kv(),
        ..plain.clone()
    };
    let unsuback = UnsubAck {
        packet_id: id(10),
        properties: ReasonProperties::default(),
        reasons: &[],
    };
    vec![
        both(
            "UNSUBSCRIBE",
            OLD,
            b"\xa2\x0a\0\x0a\0\x03a/+\0\x01#",
            Packet::Unsubscribe(plain.clone()),
        ),
        only_read(
            "3.1: a repeated UNSUBSCRIBE",
            &[V3_1],
            b"\xaa\x0a\0\x0a\0\x03a/+\0\x01#",
            Packet::Unsubscribe(plain),
        ),
        both(
            "UNSUBSCRIBE of 5.0",
            &[V5],
            b"\xa2\x12\0\x0a\x07\x26\0\x01k\0\x01v\0\x03a/+\0\x01#",
            Packet::Unsubscribe(explained),
        ),
        both(
            "UNSUBACK",
            OLD,
            b"\xb0\x02\0\x0a",
            Packet::UnsubAck(unsuback),
        ),
        both(
            "UNSUBACK of 5.0",
            &[V5],
            b"\xb0\x05\0\x0a\0\0\x11",
            Packet::UnsubAck(UnsubAck {
                reasons: &[0, 0x11],
                ..unsuback
            }),
        ),
        both(
            "UNSUBACK, explained",
            &[V5],
            b"\xb0\x10\0\x0a\x0c\x1f\0\x02no\x26\0\x01k\0\x01v\x87",
            Packet::UnsubAck(UnsubAck {
                properties: REASON,
                reasons: &[0x87],
                ..unsuback
            }),
        ),
    ]
}

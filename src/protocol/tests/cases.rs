//! One table of packets: their bytes on one side, what they say on the other.
//!
//! Owns nothing. A case is read and written, unless it is marked as one of the
//! forms that are read but never written.

use std::num::{NonZeroU16, NonZeroU32};

use smallvec::smallvec;

use super::{decode, encode};
use crate::protocol::ProtocolVersion::{self, V3_1, V3_1_1, V5};
use crate::protocol::{
    Acknowledge, Auth, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, Packet,
    PacketId, Publish, PublishProperties, QoS, ReasonCode, ReasonProperties, RetainHandling,
    SubAck, Subscribe, SubscriptionIds, SubscriptionOptions, SubscriptionRequest, TopicFilter,
    UnsubAck, Unsubscribe, UserProperties, Will,
};

struct Case {
    name: &'static str,
    versions: &'static [ProtocolVersion],
    bytes: &'static [u8],
    packet: Packet<'static>,
    /// What an encoder of ours makes of it is shorter, or more regular.
    only_read: bool,
}

const ALL: &[ProtocolVersion] = &super::VERSIONS;
const OLD: &[ProtocolVersion] = &[V3_1, V3_1_1];

fn both(
    name: &'static str,
    versions: &'static [ProtocolVersion],
    bytes: &'static [u8],
    packet: Packet<'static>,
) -> Case {
    Case {
        name,
        versions,
        bytes,
        packet,
        only_read: false,
    }
}

fn only_read(
    name: &'static str,
    versions: &'static [ProtocolVersion],
    bytes: &'static [u8],
    packet: Packet<'static>,
) -> Case {
    Case {
        name,
        versions,
        bytes,
        packet,
        only_read: true,
    }
}

const fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not zero")
}

const fn two(value: u16) -> NonZeroU16 {
    NonZeroU16::new(value).expect("not zero")
}

const fn four(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).expect("not zero")
}

/// The user property `k: v`, alone in a block.
const KV: &[u8] = b"\x26\0\x01k\0\x01v";

const fn kv() -> UserProperties<'static> {
    UserProperties::of_checked(KV)
}

const REASON: ReasonProperties<'static> = ReasonProperties {
    reason_string: Some("no"),
    user_properties: kv(),
};

const BARE_CONNECT: Connect<'static> = Connect {
    version: V3_1_1,
    clean_start: true,
    keep_alive: 60,
    properties: ConnectProperties {
        session_expiry_interval: None,
        receive_maximum: None,
        maximum_packet_size: None,
        topic_alias_maximum: None,
        request_response_information: None,
        request_problem_information: None,
        user_properties: UserProperties::EMPTY,
        authentication_method: None,
        authentication_data: None,
    },
    client_id: "abc",
    will: None,
    username: None,
    password: None,
};

const BARE_WILL: Will<'static> = Will {
    qos: QoS::AtLeastOnce,
    retain: true,
    topic: "t",
    payload: b"bye",
    delay_interval: None,
    properties: NO_PROPERTIES,
};

const NO_PROPERTIES: PublishProperties<'static> = PublishProperties {
    payload_format_utf8: None,
    message_expiry_interval: None,
    topic_alias: None,
    response_topic: None,
    correlation_data: None,
    content_type: None,
    user_properties: UserProperties::EMPTY,
    subscription_ids: SubscriptionIds::EMPTY,
    received: None,
};

fn connect_before_v5() -> Vec<Case> {
    vec![
        both(
            "the shortest CONNECT of 3.1.1",
            ALL,
            b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03abc",
            Packet::Connect(BARE_CONNECT),
        ),
        both(
            "an empty client identifier is for the session to judge",
            ALL,
            b"\x10\x0c\0\x04MQTT\x04\x00\0\0\0\0",
            Packet::Connect(Connect {
                clean_start: false,
                keep_alive: 0,
                client_id: "",
                ..BARE_CONNECT
            }),
        ),
        both(
            "CONNECT of 3.1.1 with everything",
            ALL,
            b"\x10\x1c\0\x04MQTT\x04\xee\0\x3c\0\x03abc\0\x01t\0\x03bye\0\x01u\0\0",
            Packet::Connect(Connect {
                will: Some(BARE_WILL),
                username: Some("u"),
                password: Some(b""),
                ..BARE_CONNECT
            }),
        ),
        both(
            "the shortest CONNECT of 3.1",
            ALL,
            b"\x10\x11\0\x06MQIsdp\x03\x02\0\x3c\0\x03abc",
            Packet::Connect(Connect {
                version: V3_1,
                ..BARE_CONNECT
            }),
        ),
        only_read(
            "3.1: user name and password may be missing despite their flags",
            ALL,
            b"\x10\x11\0\x06MQIsdp\x03\xc2\0\x3c\0\x03abc",
            Packet::Connect(Connect {
                version: V3_1,
                ..BARE_CONNECT
            }),
        ),
        only_read(
            "3.1: the password alone may be missing",
            ALL,
            b"\x10\x14\0\x06MQIsdp\x03\xc2\0\x3c\0\x03abc\0\x01u",
            Packet::Connect(Connect {
                version: V3_1,
                username: Some("u"),
                ..BARE_CONNECT
            }),
        ),
        only_read(
            "3.1: the reserved flag and those of an absent will are disregarded",
            ALL,
            b"\x10\x11\0\x06MQIsdp\x03\x3b\0\x3c\0\x03abc",
            Packet::Connect(Connect {
                version: V3_1,
                ..BARE_CONNECT
            }),
        ),
    ]
}

fn connect_v5() -> Vec<Case> {
    let v5 = Connect {
        version: V5,
        ..BARE_CONNECT
    };
    vec![
        both(
            "the shortest CONNECT of 5.0",
            ALL,
            b"\x10\x10\0\x04MQTT\x05\x02\0\x3c\0\0\x03abc",
            Packet::Connect(v5),
        ),
        both(
            "5.0: a password without a user name",
            ALL,
            b"\x10\x13\0\x04MQTT\x05\x42\0\x3c\0\0\x03abc\0\x01\xff",
            Packet::Connect(Connect {
                password: Some(b"\xff"),
                ..v5
            }),
        ),
        both(
            "CONNECT of 5.0 with every property",
            ALL,
            b"\x10\x39\0\x04MQTT\x05\x02\0\x3c\x29\
              \x11\0\0\0\x0a\x21\0\x14\x27\0\0\x01\0\x22\0\x05\x19\x01\x17\0\
              \x15\0\x01m\x16\0\x02\x00\xff\x26\0\x01k\0\x01v\x26\0\0\0\0\
              \0\x03abc",
            Packet::Connect(Connect {
                properties: ConnectProperties {
                    session_expiry_interval: Some(10),
                    receive_maximum: Some(two(20)),
                    maximum_packet_size: Some(four(256)),
                    topic_alias_maximum: Some(5),
                    request_response_information: Some(true),
                    request_problem_information: Some(false),
                    user_properties: UserProperties::of_checked(b"\x26\0\x01k\0\x01v\x26\0\0\0\0"),
                    authentication_method: Some("m"),
                    authentication_data: Some(b"\x00\xff"),
                },
                ..v5
            }),
        ),
        both(
            "a will of 5.0 with every property",
            ALL,
            b"\x10\x3d\0\x04MQTT\x05\x2e\0\x3c\0\0\x03abc\
              \x24\x18\0\0\0\x07\x02\0\0\0\x08\x01\x01\x03\0\x01c\x08\0\x01r\x09\0\x01d\
              \x26\0\x01k\0\x01v\x26\0\0\0\0\
              \0\x01t\0\x03bye",
            Packet::Connect(Connect {
                will: Some(Will {
                    delay_interval: Some(7),
                    properties: PublishProperties {
                        payload_format_utf8: Some(true),
                        message_expiry_interval: Some(8),
                        response_topic: Some("r"),
                        correlation_data: Some(b"d"),
                        content_type: Some("c"),
                        user_properties: UserProperties::of_checked(
                            b"\x26\0\x01k\0\x01v\x26\0\0\0\0",
                        ),
                        ..NO_PROPERTIES
                    },
                    ..BARE_WILL
                }),
                ..v5
            }),
        ),
    ]
}

fn connack() -> Vec<Case> {
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

fn publish() -> Vec<Case> {
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

fn acknowledgements() -> Vec<Case> {
    let success = Acknowledge::new(id(258), ReasonCode::Success);
    let quota = Acknowledge::new(id(258), ReasonCode::QuotaExceeded);
    let lost = Acknowledge::new(id(258), ReasonCode::PacketIdentifierNotFound);
    let explained = Acknowledge {
        properties: REASON,
        ..quota
    };
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

fn subscriptions() -> Vec<Case> {
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

fn unsubscriptions() -> Vec<Case> {
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

fn pings_and_goodbyes() -> Vec<Case> {
    let disconnect = |reason| Packet::Disconnect(Disconnect::new(reason));
    let method = Auth {
        authentication_method: Some("m"),
        ..Auth::default()
    };
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

#[test]
fn bytes_and_packets_say_the_same() {
    let groups = [
        connect_before_v5(),
        connect_v5(),
        connack(),
        publish(),
        acknowledgements(),
        subscriptions(),
        unsubscriptions(),
        pings_and_goodbyes(),
    ];
    for case in groups.iter().flatten() {
        for &version in case.versions {
            let read = decode(version, case.bytes);
            assert_eq!(
                read.as_ref(),
                Ok(&case.packet),
                "{} ({version:?})",
                case.name
            );
            let written = encode(version, &case.packet);
            let as_given = written.as_deref() == Ok(case.bytes);
            assert_eq!(
                as_given, !case.only_read,
                "{} ({version:?}): {written:02x?} for {:02x?}",
                case.name, case.bytes
            );
            if let Ok(written) = written {
                assert_eq!(
                    decode(version, written.leak()).as_ref(),
                    Ok(&case.packet),
                    "{}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn the_version_of_a_broken_connect_is_still_found() {
    let frame = crate::protocol::Frame {
        first_byte: 0x10,
        body: b"\0\x04MQTT\x05\x01\0",
    };
    assert_eq!(Connect::decode_version(frame), Ok(V5));
    assert!(Connect::decode(frame).is_err());
}

#[test]
fn a_refusal_before_v5_is_the_nearest_return_code() {
    let cases = [
        (ReasonCode::Success, 0),
        (ReasonCode::UnsupportedProtocolVersion, 1),
        (ReasonCode::ClientIdentifierNotValid, 2),
        (ReasonCode::ServerBusy, 3),
        (ReasonCode::QuotaExceeded, 3),
        (ReasonCode::BadAuthenticationMethod, 4),
        (ReasonCode::Banned, 5),
    ];
    for (reason, code) in cases {
        for &version in OLD {
            let packet = Packet::ConnAck(ConnAck::refusal(reason));
            assert_eq!(
                encode(version, &packet).as_deref(),
                Ok(&[0x20, 2, 0, code][..])
            );
        }
    }
}

#[test]
fn every_failure_before_v5_is_0x80() {
    let suback = Packet::SubAck(SubAck {
        packet_id: id(1),
        properties: REASON,
        reasons: &[2, 0x87, 0x8f, 0xa2],
    });
    let expected = b"\x90\x06\0\x01\x02\x80\x80\x80";
    assert_eq!(encode(V3_1_1, &suback).as_deref(), Ok(&expected[..]));
}

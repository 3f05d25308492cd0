//! The cases of CONNECT in all versions.
//!
//! Owns nothing. See the table's head for what a case is.

use super::*;

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

pub(super) fn connect_before_v5() -> Vec<Case> {
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

pub(super) fn connect_v5() -> Vec<Case> {
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

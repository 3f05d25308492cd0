//! Every rule that the decoders hold, broken once.
//!
//! Owns nothing. A case gives the bytes and what their sender is told.

use super::decode;
use crate::protocol::DecodeError::{self, *};
use crate::protocol::ProtocolVersion::{self, V3_1, V3_1_1, V5};
use crate::protocol::{
    Acknowledge, Connect, Disconnect, Frame, Packet, PacketType, Publish, ReasonCode, Split,
    Subscribe, split,
};

type Case = (ProtocolVersion, &'static [u8], DecodeError);

fn check(cases: &[Case]) {
    for &(version, bytes, error) in cases {
        assert_eq!(
            decode(version, bytes),
            Err(error),
            "{version:?} {bytes:02x?}"
        );
    }
}

#[test]
fn a_fixed_header_is_judged_alone() {
    // Only the bytes that it takes to see the fault.
    let cases: [(&[u8], DecodeError); 17] = [
        (b"\x00", ReservedPacketType),
        (b"\x0f", ReservedPacketType),
        // [MQTT-2.1.3-1]
        (b"\x11", ReservedFlags),
        (b"\x22", ReservedFlags),
        (b"\x41", ReservedFlags),
        (b"\x58", ReservedFlags),
        (b"\x60", ReservedFlags),
        (b"\x63", ReservedFlags),
        (b"\x72", ReservedFlags),
        (b"\x80", ReservedFlags),
        (b"\x92", ReservedFlags),
        (b"\xa0", ReservedFlags),
        (b"\xc1", ReservedFlags),
        // [MQTT-3.3.1-4]
        (b"\x36", InvalidQos),
        // [MQTT-1.5.5-1]
        (b"\x30\x80\x00", OverlongInteger),
        (b"\x30\xff\xff\xff\xff", EndlessInteger),
        (b"\x30\xff\xff\xff\x7f", PacketTooLarge),
    ];
    for (bytes, error) in cases {
        assert_eq!(split(bytes, 1_000_000), Err(error), "{bytes:02x?}");
    }
    assert_eq!(split(b"", 10), Ok(Split::Incomplete { size: None }));
    assert_eq!(
        split(b"\x30\x08", 10),
        Ok(Split::Incomplete { size: Some(10) })
    );
    assert_eq!(split(b"\x30\x09", 10), Err(PacketTooLarge));
}

#[test]
fn flags_that_only_3_1_has_are_refused_later() {
    check(&[
        (V3_1_1, b"\x6a\x02\0\x01", ReservedFlags),
        (V5, b"\x6a\x02\0\x01", ReservedFlags),
        (V3_1_1, b"\x8a\x06\0\x01\0\x01a\0", ReservedFlags),
        (V5, b"\xaa\x06\0\x01\0\0\x01a", ReservedFlags),
    ]);
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused() {
    check(&[
        (V5, b"\x10\x07\0\x04MQTT\x06", UnsupportedProtocol),
        (V5, b"\x10\x07\0\x04MQTT\x03", UnsupportedProtocol),
        (V5, b"\x10\x07\0\x04mqtt\x04", UnsupportedProtocol),
        (V5, b"\x10\x09\0\x06MQIsdp\x04", UnsupportedProtocol),
        (V5, b"\x10\x07\0\x04MQTT\x84", UnsupportedProtocol),
    ]);
}

#[test]
fn connect_is_refused() {
    check(&[
        (V5, b"\x10\x00", Truncated),
        (V5, b"\x10\x08\0\x04MQTT\x04\x02", Truncated),
        (V5, b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x04abc", Truncated),
        (
            V5,
            b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x03abcd",
            TrailingBytes,
        ),
        // [MQTT-3.1.2-3]
        (
            V5,
            b"\x10\x0f\0\x04MQTT\x04\x03\0\x3c\0\x03abc",
            ReservedConnectFlag,
        ),
        (
            V5,
            b"\x10\x10\0\x04MQTT\x05\x03\0\x3c\0\0\x03abc",
            ReservedConnectFlag,
        ),
        // [MQTT-3.1.2-11], [MQTT-3.1.2-13]
        (
            V5,
            b"\x10\x0f\0\x04MQTT\x04\x0a\0\x3c\0\x03abc",
            WillFlagsWithoutWill,
        ),
        (
            V5,
            b"\x10\x10\0\x04MQTT\x05\x22\0\x3c\0\0\x03abc",
            WillFlagsWithoutWill,
        ),
        // [MQTT-3.1.2-12]
        (
            V5,
            b"\x10\x14\0\x04MQTT\x04\x1e\0\x3c\0\x03abc\0\x01t\0\0",
            InvalidQos,
        ),
        (
            V5,
            b"\x10\x16\0\x06MQIsdp\x03\x1e\0\x3c\0\x03abc\0\x01t\0\0",
            InvalidQos,
        ),
        (
            V5,
            b"\x10\x13\0\x04MQTT\x04\x06\0\x3c\0\x03abc\0\0\0\0",
            MissingWillTopic,
        ),
        (
            V5,
            b"\x10\x14\0\x04MQTT\x04\x06\0\x3c\0\x03abc\0\x01#\0\0",
            WildcardInTopicName,
        ),
        (
            V5,
            b"\x10\x12\0\x04MQTT\x04\x42\0\x3c\0\x03abc\0\x01p",
            PasswordWithoutUserName,
        ),
        (
            V5,
            b"\x10\x14\0\x06MQIsdp\x03\x42\0\x3c\0\x03abc\0\x01p",
            PasswordWithoutUserName,
        ),
        // 3.1.1 has no excuse for a user name that is not there.
        (V5, b"\x10\x0f\0\x04MQTT\x04\x82\0\x3c\0\x03abc", Truncated),
    ]);
}

#[test]
fn a_client_identifier_is_a_string() {
    check(&[
        (
            V5,
            b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03a\0c",
            NulInString,
        ),
        (
            V5,
            b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03a\xffc",
            IllFormedUtf8,
        ),
    ]);
}

#[test]
fn connect_properties_are_refused() {
    // Every case but its properties: clean start, keep alive 0, client id "".
    let cases: [(&[u8], DecodeError); 21] = [
        (b"\x21\0\0", InvalidPropertyValue),
        (b"\x27\0\0\0\0", InvalidPropertyValue),
        (b"\x17\x02", InvalidPropertyValue),
        (b"\x19\x02", InvalidPropertyValue),
        (b"\x17\0\x17\0", DuplicateProperty),
        (b"\x11\0\0\0\0\x11\0\0\0\0", DuplicateProperty),
        (b"\x15\0\0\x15\0\0", DuplicateProperty),
        (b"\x16\0\0", MissingAuthenticationMethod),
        (b"\x00", UnknownProperty),
        (b"\x2b\0", UnknownProperty),
        (b"\x7f\0", UnknownProperty),
        (b"\x91\x02\0", UnknownProperty),
        (b"\x91\0\0", OverlongInteger),
        (b"\x91\x91\x91\x91\x91", EndlessInteger),
        (b"\x91", Truncated),
        (b"\x01\0", PropertyNotAllowed),
        (b"\x18\0\0\0\0", PropertyNotAllowed),
        (b"\x22\0", Truncated),
        (b"\x26\0\x01k", Truncated),
        (b"\x26\0\x01\0\0\x01v", NulInString),
        (b"\x26\0\x01k\0\x01\xc0", IllFormedUtf8),
    ];
    for (block, error) in cases {
        let mut body = b"\0\x04MQTT\x05\x02\0\0".to_vec();
        body.push(u8::try_from(block.len()).expect("short"));
        body.extend_from_slice(block);
        body.extend_from_slice(b"\0\0");
        let connect = Connect::decode(Frame {
            first_byte: 0x10,
            body: &body,
        });
        assert_eq!(connect.map(drop), Err(error), "{block:02x?}");
    }
}

#[test]
fn connack_is_refused() {
    check(&[
        (V3_1_1, b"\x20\x01\0", Truncated),
        (V3_1_1, b"\x20\x03\0\0\0", TrailingBytes),
        (V3_1_1, b"\x20\x02\0\x06", InvalidReasonCode),
        // [MQTT-3.2.2-1]
        (V3_1_1, b"\x20\x02\x02\0", ReservedConnectFlag),
        // [MQTT-3.2.2-6]
        (V3_1_1, b"\x20\x02\x01\x05", SessionPresentWithRefusal),
        (V5, b"\x20\x03\x01\x87\0", SessionPresentWithRefusal),
        (V5, b"\x20\x02\0\0", Truncated),
        // [MQTT-3.2.2-8]
        (V5, b"\x20\x03\0\x01\0", InvalidReasonCode),
        (V5, b"\x20\x03\0\x8e\0", InvalidReasonCode),
        (V5, b"\x20\x03\0\xff\0", InvalidReasonCode),
        (V5, b"\x20\x05\0\0\x02\x24\x02", InvalidPropertyValue),
        (V5, b"\x20\x05\0\0\x02\x25\x02", InvalidPropertyValue),
        (V5, b"\x20\x06\0\0\x03\x21\0\0", InvalidPropertyValue),
        (V5, b"\x20\x06\0\0\x03\x23\0\x01", PropertyNotAllowed),
        (V5, b"\x20\x06\0\0\x03\x16\0\0", MissingAuthenticationMethod),
    ]);
}

#[test]
fn publish_is_refused() {
    check(&[
        // [MQTT-3.3.1-2]
        (V3_1_1, b"\x38\x03\0\x01a", DupWithoutQos),
        (V5, b"\x38\x04\0\x01a\0", DupWithoutQos),
        (V3_1_1, b"\x30\x00", Truncated),
        (V3_1_1, b"\x30\x03\0\x02a", Truncated),
        (V3_1_1, b"\x32\x04\0\x01a\0", Truncated),
        (V5, b"\x30\x03\0\x01a", Truncated),
        (V5, b"\x30\x04\0\x01a\x01", Truncated),
        // [MQTT-2.2.1-3]
        (V3_1_1, b"\x32\x05\0\x01a\0\0", ZeroPacketId),
        (V5, b"\x34\x06\0\x01a\0\0\0", ZeroPacketId),
        // [MQTT-3.3.2-2]
        (V3_1_1, b"\x30\x05\0\x03a/+", WildcardInTopicName),
        (V5, b"\x30\x04\0\x01#\0", WildcardInTopicName),
        // [MQTT-1.5.4-1], [MQTT-1.5.4-2]
        (V3_1_1, b"\x30\x05\0\x03a\0b", NulInString),
        (V3_1_1, b"\x30\x04\0\x02\xc0\x80", IllFormedUtf8),
        (V5, b"\x30\x06\0\x03\xed\xa0\x80\0", IllFormedUtf8),
        (V3_1, b"\x30\x03\0\x01\xff", IllFormedUtf8),
        (V3_1_1, b"\x30\x02\0\0", MissingTopicName),
        (V5, b"\x30\x03\0\0\0", MissingTopicName),
        // [MQTT-3.3.2-8]
        (V5, b"\x30\x07\0\x01a\x03\x23\0\0", ZeroTopicAlias),
        (V5, b"\x30\x06\0\x01a\x02\x01\x02", InvalidPropertyValue),
        (V5, b"\x30\x06\0\x01a\x02\x0b\0", InvalidPropertyValue),
        // [MQTT-3.3.2-14], [MQTT-4.7.3-1]
        (V5, b"\x30\x08\0\x01a\x04\x08\0\x01#", InvalidResponseTopic),
        (V5, b"\x30\x07\0\x01a\x03\x08\0\0", InvalidResponseTopic),
        (V5, b"\x30\x08\0\x01a\x04\x01\0\x01\0", DuplicateProperty),
        (
            V5,
            b"\x30\x0a\0\x01a\x06\x23\0\x01\x23\0\x01",
            DuplicateProperty,
        ),
        (V5, b"\x30\x09\0\x01a\x05\x11\0\0\0\0", PropertyNotAllowed),
        (V5, b"\x30\x09\0\x01a\x05\x18\0\0\0\0", PropertyNotAllowed),
        (V5, b"\x30\x06\0\x01a\x02\x02\0", Truncated),
    ]);
}

#[test]
fn acknowledgements_are_refused() {
    check(&[
        (V3_1_1, b"\x40\x00", Truncated),
        (V3_1_1, b"\x40\x01\0", Truncated),
        (V3_1_1, b"\x40\x02\0\0", ZeroPacketId),
        (V3_1_1, b"\x40\x03\0\x01\0", TrailingBytes),
        (V5, b"\x62\x02\0\0", ZeroPacketId),
        // [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1]
        (V5, b"\x40\x03\0\x01\x92", InvalidReasonCode),
        (V5, b"\x50\x03\0\x01\x92", InvalidReasonCode),
        (V5, b"\x62\x03\0\x01\x10", InvalidReasonCode),
        (V5, b"\x70\x03\0\x01\x97", InvalidReasonCode),
        (V5, b"\x40\x03\0\x01\x05", InvalidReasonCode),
        (V5, b"\x40\x05\0\x01\0\0\0", TrailingBytes),
        (V5, b"\x40\x04\0\x01\0\x01", Truncated),
        (V5, b"\x40\x06\0\x01\0\x02\x01\0", PropertyNotAllowed),
        (
            V5,
            b"\x40\x0a\0\x01\0\x06\x1f\0\0\x1f\0\0",
            DuplicateProperty,
        ),
    ]);
}

#[test]
fn subscribe_and_suback_are_refused() {
    check(&[
        (V3_1_1, b"\x82\x06\0\0\0\x01a\0", ZeroPacketId),
        // [MQTT-3.8.3-2]
        (V3_1_1, b"\x82\x02\0\x01", NoTopicFilter),
        (V5, b"\x82\x03\0\x01\0", NoTopicFilter),
        (V3_1_1, b"\x82\x05\0\x01\0\x01a", Truncated),
        (V3_1_1, b"\x82\x06\0\x01\0\x01a\x03", InvalidQos),
        (V3_1, b"\x82\x06\0\x01\0\x01a\x03", InvalidQos),
        (V5, b"\x82\x07\0\x01\0\0\x01a\x03", InvalidQos),
        (
            V3_1_1,
            b"\x82\x06\0\x01\0\x01a\x04",
            ReservedSubscriptionOptions,
        ),
        // [MQTT-3.8.3-5]
        (
            V5,
            b"\x82\x07\0\x01\0\0\x01a\x40",
            ReservedSubscriptionOptions,
        ),
        (
            V5,
            b"\x82\x07\0\x01\0\0\x01a\x80",
            ReservedSubscriptionOptions,
        ),
        (V5, b"\x82\x07\0\x01\0\0\x01a\x30", InvalidRetainHandling),
        // [MQTT-3.8.3-4]
        (
            V5,
            b"\x82\x10\0\x01\0\0\x0a$share/g/a\x04",
            NoLocalOnSharedSubscription,
        ),
        (V3_1_1, b"\x82\x05\0\x01\0\0\0", InvalidTopicFilter),
        (V3_1_1, b"\x82\x07\0\x01\0\x02a#\0", InvalidTopicFilter),
        (V5, b"\x82\x0e\0\x01\0\0\x08$share/g\0", InvalidTopicFilter),
        (V3_1_1, b"\x82\x06\0\x01\0\x01\0\0", NulInString),
        (
            V5,
            b"\x82\x09\0\x01\x02\x0b\0\0\x01a\0",
            InvalidPropertyValue,
        ),
        (
            V5,
            b"\x82\x0b\0\x01\x04\x0b\x01\x0b\x01\0\x01a\0",
            DuplicateProperty,
        ),
        (
            V5,
            b"\x82\x0a\0\x01\x03\x1f\0\0\0\x01a\0",
            PropertyNotAllowed,
        ),
        (V3_1_1, b"\x90\x02\0\x01", NoTopicFilter),
        (V5, b"\x90\x03\0\x01\0", NoTopicFilter),
        (V3_1_1, b"\x90\x03\0\x01\x03", InvalidReasonCode),
        (V3_1_1, b"\x90\x03\0\x01\x87", InvalidReasonCode),
        // [MQTT-3.9.3-2]
        (V5, b"\x90\x04\0\x01\0\x11", InvalidReasonCode),
    ]);
}

#[test]
fn unsubscribe_and_unsuback_are_refused() {
    check(&[
        (V3_1_1, b"\xa2\x05\0\0\0\x01a", ZeroPacketId),
        // [MQTT-3.10.3-2]
        (V3_1_1, b"\xa2\x02\0\x01", NoTopicFilter),
        (V5, b"\xa2\x03\0\x01\0", NoTopicFilter),
        (V3_1_1, b"\xa2\x06\0\x01\0\x02+a", InvalidTopicFilter),
        (V5, b"\xa2\x08\0\x01\x02\x0b\x01\0\x01a", PropertyNotAllowed),
        (V3_1_1, b"\xb0\x03\0\x01\0", TrailingBytes),
        (V5, b"\xb0\x03\0\x01\0", NoTopicFilter),
        // [MQTT-3.11.3-2]
        (V5, b"\xb0\x04\0\x01\0\x01", InvalidReasonCode),
    ]);
}

#[test]
fn pings_and_goodbyes_are_refused() {
    check(&[
        (V3_1_1, b"\xc0\x01\0", TrailingBytes),
        (V5, b"\xd0\x01\0", TrailingBytes),
        (V3_1_1, b"\xe0\x01\0", TrailingBytes),
        // [MQTT-3.14.2-1]
        (V5, b"\xe0\x01\x01", InvalidReasonCode),
        (V5, b"\xe0\x01\x84", InvalidReasonCode),
        (V5, b"\xe0\x04\0\x02\x01\0", PropertyNotAllowed),
        (
            V5,
            b"\xe0\x0c\0\x0a\x11\0\0\0\0\x11\0\0\0\0",
            DuplicateProperty,
        ),
        (V3_1, b"\xf0\0", UnexpectedPacketType),
        (V3_1_1, b"\xf0\0", UnexpectedPacketType),
        // [MQTT-3.15.2-1]
        (V5, b"\xf0\x02\x87\0", InvalidReasonCode),
        (V5, b"\xf0\x01\x18", Truncated),
        (V5, b"\xf0\x02\x18\0", MissingAuthenticationMethod),
        (V5, b"\xf0\x05\0\x03\x16\0\0", MissingAuthenticationMethod),
        (V5, b"\xf0\x07\x18\x04\x15\0\x01m\0", TrailingBytes),
    ]);
}

#[test]
fn a_decoder_refuses_a_frame_of_another_type() {
    let frame = Frame {
        first_byte: 0xC0,
        body: b"",
    };
    let refused = Err(UnexpectedPacketType);
    assert_eq!(Connect::decode(frame).map(drop), refused);
    assert_eq!(Publish::decode(V5, frame).map(drop), refused);
    assert_eq!(Acknowledge::decode(V5, frame).map(drop), refused);
    assert_eq!(Subscribe::decode(V5, frame).map(drop), refused);
    assert_eq!(Disconnect::decode(V5, frame).map(drop), refused);
    assert_eq!(
        Packet::decode(
            V5,
            Frame {
                first_byte: 0,
                body: b""
            }
        ),
        Err(ReservedPacketType)
    );
}

#[test]
fn the_peer_is_told_the_reason_that_fits() {
    let cases = [
        (Truncated, ReasonCode::MalformedPacket),
        (PropertyNotAllowed, ReasonCode::MalformedPacket),
        (InvalidTopicFilter, ReasonCode::MalformedPacket),
        (DuplicateProperty, ReasonCode::ProtocolError),
        (NoTopicFilter, ReasonCode::ProtocolError),
        (UnsupportedProtocol, ReasonCode::UnsupportedProtocolVersion),
        (PacketTooLarge, ReasonCode::PacketTooLarge),
        (WildcardInTopicName, ReasonCode::TopicNameInvalid),
        (ZeroTopicAlias, ReasonCode::TopicAliasInvalid),
    ];
    for (error, reason) in cases {
        assert_eq!(error.reason(), reason, "{error}");
        // What a packet is refused with can be said in CONNACK or DISCONNECT.
        assert!(
            reason.is_legal_in(PacketType::Disconnect) || reason.is_legal_in(PacketType::ConnAck)
        );
    }
}

#[test]
fn reason_codes_are_those_of_the_specification() {
    for value in 0..=u8::MAX {
        if let Ok(reason) = ReasonCode::try_from(value) {
            assert_eq!(reason.as_u8(), value);
            assert_eq!(reason.is_error(), value >= 0x80);
        }
    }
    assert_eq!(ReasonCode::ALL.len(), 43);
    assert!(ReasonCode::ALL.is_sorted());
    let count = |packet| {
        ReasonCode::ALL
            .iter()
            .filter(|code| code.is_legal_in(packet))
            .count()
    };
    assert_eq!(count(PacketType::ConnAck), 22);
    assert_eq!(count(PacketType::PubAck), 9);
    assert_eq!(count(PacketType::PubRec), 9);
    assert_eq!(count(PacketType::PubRel), 2);
    assert_eq!(count(PacketType::PubComp), 2);
    assert_eq!(count(PacketType::SubAck), 12);
    assert_eq!(count(PacketType::UnsubAck), 7);
    assert_eq!(count(PacketType::Disconnect), 30);
    assert_eq!(count(PacketType::Auth), 3);
    assert_eq!(count(PacketType::Publish), 0);
}

//! One table of packets: their bytes on one side, what they say on the other.
//!
//! Owns nothing. A case is read and written, unless it is marked as one of the
//! forms that are read but never written.

mod acknowledge;
mod connack;
mod connect;
mod goodbye;
mod publish;
mod subscribe;

use std::num::{NonZeroU16, NonZeroU32};

use smallvec::smallvec;

use super::{VERSIONS, decode, encode};
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

const ALL: &[ProtocolVersion] = &VERSIONS;
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

#[test]
fn bytes_and_packets_say_the_same() {
    let groups = [
        connect::connect_before_v5(),
        connect::connect_v5(),
        connack::connack_before_v5(),
        connack::connack_v5(),
        publish::plain_publish(),
        publish::publish_with_properties(),
        acknowledge::plain_acknowledgements(),
        acknowledge::acknowledgements_v5(),
        subscribe::subscriptions(),
        subscribe::subacks(),
        subscribe::unsubscriptions(),
        goodbye::pings_and_disconnects(),
        goodbye::auths(),
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

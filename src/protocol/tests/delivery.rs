//! A delivery is the PUBLISH that its parts describe.

use std::num::NonZeroU16;

use proptest::prelude::*;

use super::strategies::publish;
use super::{VERSIONS, decode};
use crate::protocol::{Delivery, Packet, PacketId, ProtocolVersion, Publish, QoS};

/// Reads back the one packet in `bytes`.
fn read(version: ProtocolVersion, bytes: &[u8]) -> Publish<'_> {
    let Packet::Publish(publish) = decode(version, bytes).expect("well-formed") else {
        panic!("not a PUBLISH: {bytes:02x?}");
    };
    publish
}

#[test]
fn parts_are_found_where_the_patch_says() {
    let delivery = Delivery {
        qos: QoS::AtLeastOnce,
        topic: "a/b",
        pass_through: &[0x01, 1, 0x26, 0, 1, b'n', 0, 1, b'v'],
        payload: b"hello",
        message_expiry_interval: Some(7),
        topic_alias: Some(3),
        subscription_ids: &[1, 300],
        ..Delivery::default()
    };
    let mut out = vec![0xAA];
    let patch = delivery.encode(ProtocolVersion::V5, &mut out);
    let packet = &mut out[1..];
    assert_eq!(packet.len(), delivery.encoded_len(ProtocolVersion::V5));
    packet[patch.packet_id as usize + 1] = 9;
    packet[patch.topic_alias as usize + 1] = 4;
    packet[patch.expiry as usize + 3] = 8;
    let publish = read(ProtocolVersion::V5, packet);
    assert_eq!(publish.packet_id, PacketId::new(9));
    assert_eq!(
        publish.properties.topic_alias.map(|alias| alias.get()),
        Some(4)
    );
    assert_eq!(publish.properties.message_expiry_interval, Some(8));
    assert_eq!(publish.properties.payload_format_utf8, Some(true));
    assert_eq!(
        publish
            .properties
            .subscription_ids
            .iter()
            .collect::<Vec<_>>(),
        [1, 300]
    );
    assert_eq!(
        publish
            .properties
            .user_properties
            .iter()
            .collect::<Vec<_>>(),
        [("n", "v")]
    );
    assert_eq!(
        (publish.topic, publish.payload),
        ("a/b", b"hello".as_slice())
    );
}

#[test]
fn before_v5_no_property_is_written() {
    let delivery = Delivery {
        topic: "t",
        pass_through: &[0x01, 1],
        payload: b"x",
        message_expiry_interval: Some(7),
        subscription_ids: &[1],
        ..Delivery::default()
    };
    let mut out = Vec::new();
    let patch = delivery.encode(ProtocolVersion::V3_1_1, &mut out);
    assert_eq!(out, [0x30, 4, 0, 1, b't', b'x']);
    assert_eq!((patch.packet_id, patch.expiry), (0, 0));
    assert_eq!(delivery.encoded_len(ProtocolVersion::V3_1_1), out.len());
}

#[test]
fn the_order_of_the_publisher_stays_whatever_is_left_out() {
    // [MQTT-3.3.2-18]: a user property, an id, a format, an expiry, a user property.
    let bytes = b"\x30\x1f\0\x01a\x1a\
        \x26\0\x01k\0\x01v\x0b\x05\x01\x01\x02\0\0\0\x09\x26\0\x01k\0\x01w\x23\0\x04x";
    let mut publish = read(ProtocolVersion::V5, bytes);
    assert_eq!(publish.properties.pass_through(), None);
    // An alias that the session has resolved changes nothing about the rest.
    publish.properties.topic_alias = None;
    let mut written = Vec::new();
    publish.properties.write_pass_through(&mut written);
    assert_eq!(written, b"\x26\0\x01k\0\x01v\x01\x01\x26\0\x01k\0\x01w");
}

proptest! {
    #![proptest_config(super::random(1024))]

    #[test]
    fn a_delivery_is_the_publish_it_came_from(
        publish in publish(ProtocolVersion::V5),
        version in prop::sample::select(VERSIONS.to_vec()),
    ) {
        prop_assume!(version == ProtocolVersion::V5 || !publish.topic.is_empty());
        let mut pass_through = Vec::new();
        publish.properties.write_pass_through(&mut pass_through);
        let subscription_ids: Vec<u32> = publish.properties.subscription_ids.iter().collect();
        let delivery = Delivery {
            qos: publish.qos,
            dup: publish.dup,
            retain: publish.retain,
            topic: publish.topic,
            pass_through: &pass_through,
            payload: publish.payload,
            message_expiry_interval: publish.properties.message_expiry_interval,
            topic_alias: publish.properties.topic_alias.map(NonZeroU16::get),
            subscription_ids: &subscription_ids,
        };
        let mut out = b"before".to_vec();
        let patch = delivery.encode(version, &mut out);
        let packet = &mut out[6..];
        prop_assert_eq!(packet.len(), delivery.encoded_len(version));
        prop_assert_eq!(patch.packet_id != 0, publish.packet_id.is_some());
        if let Some(id) = publish.packet_id {
            let at = patch.packet_id as usize;
            prop_assert_eq!(&packet[at..at + 2], &[0, 0]);
            packet[at..at + 2].copy_from_slice(&id.get().to_be_bytes());
        }
        let v5 = version == ProtocolVersion::V5;
        if let Some(alias) = delivery.topic_alias.filter(|_| v5) {
            let at = patch.topic_alias as usize;
            prop_assert_eq!(&packet[at..at + 2], &alias.to_be_bytes());
        } else {
            prop_assert_eq!(patch.topic_alias, 0);
        }
        if let Some(interval) = delivery.message_expiry_interval.filter(|_| v5) {
            let at = patch.expiry as usize;
            prop_assert_eq!(&packet[at..at + 4], &interval.to_be_bytes());
        } else {
            prop_assert_eq!(patch.expiry, 0);
        }
        let mut expected = publish;
        if !v5 {
            expected.properties = crate::protocol::PublishProperties::default();
        }
        prop_assert_eq!(read(version, packet), expected);
    }
}

//! A delivery is the PUBLISH that its parts describe.

use crate::protocol::{Delivery, Packet, PacketId, ProtocolVersion, Publish, QoS, Split, split};

/// Reads back the one packet in `bytes`.
fn read(version: ProtocolVersion, bytes: &[u8]) -> Publish<'_> {
    let Ok(Split::Complete { frame, size }) = split(bytes, u32::MAX) else {
        panic!("no whole packet: {bytes:02x?}");
    };
    assert_eq!(size, bytes.len());
    match Packet::decode(version, frame).expect("well-formed") {
        Packet::Publish(publish) => publish,
        other => panic!("not a PUBLISH: {other:?}"),
    }
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

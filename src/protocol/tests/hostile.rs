//! Arbitrary bytes are refused or read; they never panic, and what was read from
//! them is a packet that can be written again.

use proptest::collection::vec;
use proptest::prelude::*;

use super::strategies::versioned_packet;
use super::{VERSIONS, encode};
use crate::protocol::property::{PropertyId, RawProperties};
use crate::protocol::{
    Connect, Frame, Packet, ProtocolVersion, Split, SubscriptionIds, UserProperties, split,
};

/// Decodes `frame` in every version; whatever comes out has to survive being
/// written and read again.
fn decode_everywhere(frame: Frame<'_>) {
    let _ = Connect::decode_version(frame);
    for version in VERSIONS {
        let Ok(packet) = Packet::decode(version, frame) else {
            continue;
        };
        // CONNECT names its own version.
        let version = if let Packet::Connect(connect) = &packet {
            connect.version
        } else {
            version
        };
        let bytes = encode(version, &packet)
            .expect("what was read can be written")
            .leak();
        let Ok(Split::Complete { frame, .. }) = split(bytes, u32::MAX) else {
            panic!("no whole packet: {bytes:02x?}");
        };
        assert_eq!(Packet::decode(version, frame).as_ref(), Ok(&packet));
        if let Packet::Publish(publish) = &packet {
            let mut out = Vec::new();
            publish.properties.write_pass_through(&mut out);
        }
    }
}

/// A body with a chance to get beyond its first field.
fn plausible_body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 1..4),
        (0..8u8, vec(b'a'..=b'c', 8)).prop_map(|(len, text)| {
            let mut piece = vec![0, len];
            piece.extend_from_slice(&text[..usize::from(len)]);
            piece
        }),
        (0..0x2Cu8, vec(0..3u8, 4)).prop_map(|(id, value)| {
            let mut piece = vec![id];
            piece.extend_from_slice(&value);
            piece
        }),
        Just(b"\0\x04MQTT\x05\x02\0\0\0".to_vec()),
        Just(vec![0]),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(super::random(8192))]

    #[test]
    fn no_stream_makes_split_panic(bytes in vec(any::<u8>(), 0..40), maximum in any::<u32>()) {
        if let Ok(Split::Complete { frame, size }) = split(&bytes, maximum) {
            prop_assert!(size <= bytes.len());
            prop_assert!(size <= maximum as usize);
            decode_everywhere(frame);
        }
    }

    #[test]
    fn no_frame_makes_a_decoder_panic(first_byte in any::<u8>(), body in vec(any::<u8>(), 0..40)) {
        decode_everywhere(Frame { first_byte, body: &body });
    }

    #[test]
    fn no_plausible_frame_makes_a_decoder_panic(
        first_byte in any::<u8>(),
        body in plausible_body(),
    ) {
        decode_everywhere(Frame { first_byte, body: &body });
    }

    #[test]
    fn no_damaged_packet_makes_a_decoder_panic(
        (version, packet) in versioned_packet(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in option_of_index(),
    ) {
        let mut bytes = encode(version, &packet).expect("a packet of this version");
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(Split::Complete { frame, .. }) = split(&bytes, u32::MAX) {
            decode_everywhere(frame);
        }
        if let Some(body) = bytes.get(2..) {
            decode_everywhere(Frame { first_byte: bytes[0], body });
        }
    }

    #[test]
    fn no_block_makes_a_view_panic(block in vec(any::<u8>(), 0..40)) {
        let walked: usize = RawProperties::new(&block).map(|property| property.bytes.len()).sum();
        prop_assert!(walked <= block.len());
        let users = UserProperties::of_checked(&block).iter().count();
        let ids = SubscriptionIds::of_checked(&block).iter().count();
        let of = |id| RawProperties::new(&block).filter(|property| property.id == id).count();
        prop_assert!(users <= of(PropertyId::USER_PROPERTY));
        prop_assert!(ids <= of(PropertyId::SUBSCRIPTION_IDENTIFIER));
    }
}

fn option_of_index() -> impl Strategy<Value = Option<prop::sample::Index>> {
    proptest::option::of(any::<prop::sample::Index>())
}

#[test]
fn a_long_list_of_filters_is_read_whole() {
    let mut body = vec![0, 1];
    for _ in 0..10_000 {
        body.extend_from_slice(b"\0\x01a\x01");
    }
    let frame = Frame {
        first_byte: 0x82,
        body: &body,
    };
    match Packet::decode(ProtocolVersion::V3_1_1, frame) {
        Ok(Packet::Subscribe(subscribe)) => assert_eq!(subscribe.filters.len(), 10_000),
        other => panic!("{other:?}"),
    }
}

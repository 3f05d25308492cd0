//! What is written is read back, in every version, wherever the bytes are cut.

use proptest::prelude::*;

use super::strategies::{publish, versioned_packet};
use super::{decode, encode};
use crate::protocol::{Packet, ProtocolVersion, Split, TopicName, split};

proptest! {
    #![proptest_config(super::random(2048))]

    #[test]
    fn every_packet_comes_back_as_it_was((version, packet) in versioned_packet()) {
        let bytes = encode(version, &packet).expect("a packet of this version").leak();
        prop_assert_eq!(bytes[0] >> 4, packet.packet_type() as u8);
        let read = decode(version, bytes);
        prop_assert_eq!(read.as_ref(), Ok(&packet));
    }

    #[test]
    fn a_packet_is_found_wherever_the_stream_is_cut(
        (version, packet) in versioned_packet(),
        behind in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let packet = encode(version, &packet).expect("a packet of this version");
        let mut stream = packet.clone();
        stream.extend_from_slice(&behind);
        for cut in 0..packet.len() {
            match split(&stream[..cut], u32::MAX) {
                Ok(Split::Incomplete { size }) => {
                    prop_assert!(size.is_none_or(|size| size == packet.len()), "cut at {}", cut);
                    // A size is known from the fifth byte on at the latest.
                    prop_assert!(size.is_some() || cut < 5, "cut at {}", cut);
                }
                other => prop_assert!(false, "cut at {}: {:?}", cut, other),
            }
        }
        match split(&stream, u32::MAX) {
            Ok(Split::Complete { frame, size }) => {
                prop_assert_eq!(size, packet.len());
                prop_assert_eq!(frame.first_byte, packet[0]);
                prop_assert!(packet.ends_with(frame.body));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_packet_is_refused_exactly_above_the_maximum((version, packet) in versioned_packet()) {
        let packet = encode(version, &packet).expect("a packet of this version");
        let size = u32::try_from(packet.len()).expect("small");
        prop_assert!(split(&packet, size).is_ok());
        prop_assert!(split(&packet, size - 1).is_err());
        // Known from the fixed header, before the body is there.
        let header = packet.len().min(5);
        prop_assert!(split(&packet[..header], size - 1).is_err());
    }

    #[test]
    fn what_passes_through_keeps_its_bytes_and_order(
        publish in publish(ProtocolVersion::V5),
    ) {
        let bytes = encode(ProtocolVersion::V5, &Packet::Publish(publish)).expect("well-formed");
        let Packet::Publish(read) = decode(ProtocolVersion::V5, &bytes).expect("well-formed") else {
            panic!("not a PUBLISH");
        };
        let mut written = Vec::new();
        read.properties.write_pass_through(&mut written);
        let mut by_hand = Vec::new();
        publish.properties.write_pass_through(&mut by_hand);
        prop_assert_eq!(&written, &by_hand);
        if let Some(whole) = read.properties.pass_through() {
            prop_assert_eq!(whole, &written[..]);
        }
        let has_more = publish.properties.message_expiry_interval.is_some()
            || publish.properties.topic_alias.is_some()
            || !publish.properties.subscription_ids.is_empty();
        prop_assert_eq!(read.properties.pass_through().is_none(), has_more);
    }

    #[test]
    fn a_topic_that_is_read_is_a_topic_name(publish in publish(ProtocolVersion::V3_1_1)) {
        prop_assert!(TopicName::parse(publish.topic).is_ok());
    }
}

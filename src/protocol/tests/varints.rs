//! Variable byte integers: what the specification's tables say, and nothing else.

use proptest::prelude::*;

use crate::protocol::{DecodeError, varint};

/// The algorithm of the specification, division by division.
fn encode_by_the_book(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(value % 128).expect("a remainder of 128");
        value /= 128;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte + 128);
    }
}

#[test]
fn the_bounds_of_each_length_are_the_tables() {
    // [MQTT-1.5.5-1] and table 1-1.
    let bounds: [(u32, &[u8]); 8] = [
        (0, &[0x00]),
        (127, &[0x7F]),
        (128, &[0x80, 0x01]),
        (16_383, &[0xFF, 0x7F]),
        (16_384, &[0x80, 0x80, 0x01]),
        (2_097_151, &[0xFF, 0xFF, 0x7F]),
        (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
        (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
    ];
    for (value, bytes) in bounds {
        let mut out = Vec::new();
        varint::write(value, &mut out);
        assert_eq!(out, bytes, "{value}");
        assert_eq!(varint::len(value), bytes.len(), "{value}");
        assert_eq!(varint::decode(bytes), Ok(Some((value, bytes.len()))));
    }
}

#[test]
fn more_bytes_than_needed_are_refused() {
    for bytes in [
        &[0x80, 0x00][..],
        &[0xFF, 0x80, 0x00],
        &[0x80, 0x80, 0x80, 0x00],
    ] {
        assert_eq!(
            varint::decode(bytes),
            Err(DecodeError::OverlongInteger),
            "{bytes:02x?}"
        );
    }
}

#[test]
fn a_fifth_byte_is_refused_before_it_arrives() {
    for bytes in [&[0xFF; 4][..], &[0x80; 4], &[0x80, 0x80, 0x80, 0x80, 0x01]] {
        assert_eq!(
            varint::decode(bytes),
            Err(DecodeError::EndlessInteger),
            "{bytes:02x?}"
        );
    }
}

proptest! {
    #[test]
    fn every_value_comes_back(value in 0..=varint::MAX, behind in any::<[u8; 3]>()) {
        let mut out = Vec::new();
        varint::write(value, &mut out);
        prop_assert_eq!(&out, &encode_by_the_book(value));
        for cut in 0..out.len() {
            prop_assert_eq!(varint::decode(&out[..cut]), Ok(None));
        }
        let len = out.len();
        out.extend_from_slice(&behind);
        prop_assert_eq!(varint::decode(&out), Ok(Some((value, len))));
    }

    #[test]
    fn what_is_read_is_what_would_be_written(bytes in any::<[u8; 5]>()) {
        if let Ok(Some((value, len))) = varint::decode(&bytes) {
            prop_assert_eq!(&bytes[..len], &encode_by_the_book(value)[..]);
        }
    }
}

//! Variable byte integers: seven bits per byte, least significant first.
//!
//! HOT PATH: every packet has one, and every property block.
//! Owns nothing. Pure; lives on any core. Never reads more than four bytes.

use alloc::vec::Vec;

use crate::protocol::DecodeError;

/// The largest value that four bytes can hold.
pub const MAX: u32 = 268_435_455;

/// The most bytes that one integer takes.
pub const MAX_LEN: usize = 4;

/// Reads the integer that `bytes` start with, and how many bytes it takes;
/// `None` when it has not ended yet.
///
/// An integer that goes on after the fourth byte, or that takes more bytes than
/// it needs [MQTT-1.5.5-1], is refused.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0u32;
    for (index, &byte) in bytes.iter().take(MAX_LEN).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return Err(DecodeError::OverlongInteger);
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < MAX_LEN {
        Ok(None)
    } else {
        Err(DecodeError::EndlessInteger)
    }
}

/// How many bytes `value` takes.
#[must_use]
#[inline]
pub const fn len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// The bytes of `value`, of which the first [`len`] count.
///
/// `value <= MAX`; the bits above are lost.
#[must_use]
#[inline]
pub const fn encode(value: u32) -> [u8; MAX_LEN] {
    debug_assert!(value <= MAX);
    let mut groups = [0u8; MAX_LEN];
    let count = len(value);
    let mut index = 0;
    while index < count {
        let group = ((value >> (7 * index)) & 0x7F) as u8;
        groups[index] = if index + 1 < count {
            group | 0x80
        } else {
            group
        };
        index += 1;
    }
    groups
}

/// Appends `value` in as few bytes as it needs [MQTT-1.5.5-1]; `value <= MAX`.
#[inline]
pub fn write(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&encode(value)[..len(value)]);
}

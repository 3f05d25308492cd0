//! HOT PATH: the masking of a client's frames (RFC 6455, section 5.3).
//!
//! Owns nothing. Pure. Whole words at a time, which the compiler turns into
//! vector instructions; masking and unmasking are the same.

/// XORs `bytes` with the mask, starting with its first byte, and returns the mask
/// turned so that it goes on with the byte that follows.
#[must_use]
pub fn apply(bytes: &mut [u8], mask: [u8; 4]) -> [u8; 4] {
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let after = bytes.len() % 4;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for place in words {
        *place = (u64::from_ne_bytes(*place) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    let mut turned = mask;
    turned.rotate_left(after);
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_masks_as_the_definition_says() {
        let mask = [0x11, 0xfe, 0x80, 0x07];
        let plain: Vec<u8> = (0..100u8).collect();
        let expected: Vec<u8> = plain
            .iter()
            .zip(mask.iter().cycle())
            .map(|(b, m)| b ^ m)
            .collect();
        for first in 0..=plain.len() {
            for second in first..=plain.len() {
                let mut bytes = plain.clone();
                let mask = apply(&mut bytes[..first], mask);
                let mask = apply(&mut bytes[first..second], mask);
                let _ = apply(&mut bytes[second..], mask);
                assert_eq!(bytes, expected, "split at {first} and {second}");
            }
        }
    }
}

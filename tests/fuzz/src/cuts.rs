//! Where a stream is cut: pieces of sizes that an input chose.
//!
//! Owns nothing but the choice. Pure.

/// Hands `bytes` over in pieces: all at once for 0, byte by byte for 1, and a
/// pattern of small and larger ones for the others. Stops at the first error.
pub fn feed<E>(
    pattern: u8,
    bytes: &[u8],
    mut take: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut state = u32::from(pattern);
    while !rest.is_empty() {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let size = match pattern {
            0 => usize::MAX,
            1 => 1,
            2..=127 => 1 + (state >> 16) as usize % 7,
            _ => 1 + (state >> 16) as usize % 200,
        };
        let (piece, next) = rest.split_at_mut(size.min(rest.len()));
        rest = next;
        take(piece)?;
    }
    Ok(())
}

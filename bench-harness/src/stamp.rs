//! HOT PATH: the first bytes of every payload: who sent it, as which message of
//! his, and when.
//!
//! Pure. Sixteen bytes, so that the small-payload presets of published
//! comparisons (16 B) can be run: 24 bits of publisher, 40 bits of sequence
//! number, 64 bits of nanoseconds on the generator's own clock.

/// Bytes that a stamp takes; the smallest payload.
pub const STAMP_BYTES: usize = 16;

/// The most publishers one run can have (24 bits).
pub const MAX_PUBLISHERS: u32 = 1 << 24;

const SEQUENCE_BITS: u32 = 40;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;

/// Identifies one message of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The publisher's number, below [`MAX_PUBLISHERS`].
    pub publisher: u32,
    /// 0 for the publisher's first message; below 2^40.
    pub sequence: u64,
    /// When it was handed to its publisher's socket. When it was meant to be, an
    /// open loop knows from its schedule.
    pub sent: u64,
}

impl Stamp {
    /// Writes the stamp over the first bytes of a payload.
    ///
    /// # Panics
    /// If the payload is shorter than [`STAMP_BYTES`]; plans are checked for it.
    #[inline]
    pub fn write(self, payload: &mut [u8]) {
        let identity = (u64::from(self.publisher) << SEQUENCE_BITS) | self.sequence;
        payload[..8].copy_from_slice(&identity.to_le_bytes());
        payload[8..STAMP_BYTES].copy_from_slice(&self.sent.to_le_bytes());
    }

    /// Reads it back; `None` where the payload is too short to be ours.
    #[must_use]
    #[inline]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (identity, rest) = payload.split_first_chunk::<8>()?;
        let sent = rest.first_chunk::<8>()?;
        let identity = u64::from_le_bytes(*identity);
        // Lossless: 24 bits are left.
        let publisher = (identity >> SEQUENCE_BITS) as u32;
        Some(Self {
            publisher,
            sequence: identity & SEQUENCE_MASK,
            sent: u64::from_le_bytes(*sent),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_to_the_last_bit() {
        let stamp = Stamp {
            publisher: MAX_PUBLISHERS - 1,
            sequence: SEQUENCE_MASK,
            sent: u64::MAX,
        };
        let mut payload = [0; 20];
        stamp.write(&mut payload);
        assert_eq!(Stamp::read(&payload), Some(stamp));
        assert_eq!(Stamp::read(&payload[..15]), None);
    }
}

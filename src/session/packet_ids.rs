//! Packet identifiers for what the broker sends.
//!
//! Owns the last one given out. Pure. Uniqueness among those in use is the
//! caller's question to answer, because only he knows what is in flight.

use crate::protocol::PacketId;

/// Gives out packet identifiers in a circle of 1..=65535 [MQTT-2.2.1-3].
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketIds {
    last: u16,
    /// Identifiers gone through so far, 0 and those in use included.
    passed: u64,
}

/// When an identifier was given out.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

impl PacketIds {
    /// The place of the identifier that was given out last.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.passed)
    }

    /// Whether the circle comes round to what was given out at `mark`: before that,
    /// none of the identifiers given out since can be the next.
    #[must_use]
    pub fn comes_round_to(&self, mark: Mark) -> bool {
        // The next is one further, or two where it would be zero.
        self.passed + 2 - mark.0 > u64::from(u16::MAX)
    }

    /// The next identifier that `in_use` does not claim [MQTT-2.2.1-4].
    ///
    /// `None` when all 65,535 are taken.
    pub fn allocate(&mut self, in_use: impl Fn(PacketId) -> bool) -> Option<PacketId> {
        for _ in 0..=u16::MAX {
            self.last = self.last.wrapping_add(1);
            self.passed += 1;
            if let Some(id) = PacketId::new(self.last)
                && !in_use(id)
            {
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_wrap_around_zero_and_skip_what_is_in_use() {
        let mut ids = PacketIds {
            last: u16::MAX - 1,
            passed: 0,
        };
        let given: Vec<u16> = (0..3)
            .filter_map(|_| ids.allocate(|id| id.get() == 1))
            .map(PacketId::get)
            .collect();
        assert_eq!(given, [u16::MAX, 2, 3]);
    }

    #[test]
    fn a_full_circle_yields_nothing() {
        assert!(PacketIds::default().allocate(|_| true).is_none());
    }
}

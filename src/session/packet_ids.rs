//! Packet identifiers for what the broker sends.
//!
//! Owns the last one given out. Pure. Uniqueness among those in use is the
//! caller's question to answer, because only he knows what is in flight.

use crate::protocol::PacketId;

/// Gives out packet identifiers in a circle of 1..=65535 [MQTT-2.2.1-3].
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketIds {
    last: u16,
}

impl PacketIds {
    /// The next identifier that `in_use` does not claim [MQTT-2.2.1-4].
    ///
    /// `None` when all 65,535 are taken.
    pub fn allocate(&mut self, in_use: impl Fn(PacketId) -> bool) -> Option<PacketId> {
        for _ in 0..=u16::MAX {
            self.last = self.last.wrapping_add(1);
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
        let mut ids = PacketIds { last: u16::MAX - 1 };
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

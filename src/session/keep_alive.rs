//! How long a client may be silent.
//!
//! Owns nothing but the interval. Pure: the caller brings the instants.

use crate::time::Timestamp;

/// The agreed keep alive of a connection, in seconds; zero switches it off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive(pub u16);

impl KeepAlive {
    /// When a client that was last heard at `last_seen` counts as gone:
    /// one and a half times its keep alive [MQTT-3.1.2-22].
    #[must_use]
    pub fn deadline(self, last_seen: Timestamp) -> Option<Timestamp> {
        (self.0 > 0)
            .then(|| Timestamp::from_millis(last_seen.as_millis() + u64::from(self.0) * 1500))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_allowed_for_one_and_a_half_intervals() {
        let deadline = KeepAlive(10).deadline(Timestamp::from_millis(2_000));
        assert_eq!(deadline, Some(Timestamp::from_millis(17_000)));
    }

    #[test]
    fn zero_switches_keep_alive_off() {
        assert_eq!(KeepAlive(0).deadline(Timestamp::ZERO), None);
    }
}

//! HOT PATH: fan-out skew: from the first to the last subscriber of one message.
//!
//! Pure. Remembers the messages under way of one publisher in a ring; a message
//! whose place is taken by a newer one before it has reached everybody (a loss,
//! or an overload) has no skew.

/// Messages under way that are remembered per publisher: more than a closed
/// loop's usual window.
const MESSAGES: usize = 1024;

#[derive(Clone, Copy, Default, Debug)]
struct Message {
    sequence: u64,
    first: u64,
    /// 0: the place was never taken.
    seen: u32,
}

/// The messages of one publisher.
#[derive(Debug)]
pub struct Skew {
    audience: u32,
    messages: Box<[Message]>,
}

impl Skew {
    /// Of a publisher with `audience` subscribers; `None` where there are not
    /// two to compare.
    #[must_use]
    pub fn new(audience: u32) -> Option<Self> {
        (audience > 1).then(|| Self {
            audience,
            messages: vec![Message::default(); MESSAGES].into_boxed_slice(),
        })
    }

    /// A message has arrived somewhere; tells the skew at its last subscriber.
    #[inline]
    pub fn arrive(&mut self, sequence: u64, now: u64) -> Option<u64> {
        #[expect(clippy::cast_possible_truncation, reason = "the remainder is small")]
        let place = &mut self.messages[(sequence % MESSAGES as u64) as usize];
        if place.seen == 0 || place.sequence < sequence {
            *place = Message {
                sequence,
                first: now,
                seen: 1,
            };
            return None;
        }
        if place.sequence > sequence {
            return None;
        }
        place.seen += 1;
        (place.seen == self.audience).then(|| now.saturating_sub(place.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_the_audience_tells_the_skew() {
        let mut skew = Skew::new(3).expect("three can differ");
        assert_eq!(skew.arrive(0, 10), None);
        assert_eq!(skew.arrive(1, 11), None);
        assert_eq!(skew.arrive(0, 15), None);
        assert_eq!(skew.arrive(0, 17), Some(7));
        assert!(Skew::new(1).is_none());
    }

    #[test]
    fn a_message_pushed_out_has_none() {
        let mut skew = Skew::new(2).expect("two can differ");
        assert_eq!(skew.arrive(0, 10), None);
        assert_eq!(skew.arrive(MESSAGES as u64, 20), None);
        assert_eq!(skew.arrive(0, 30), None);
        assert_eq!(skew.arrive(MESSAGES as u64, 40), Some(20));
    }
}

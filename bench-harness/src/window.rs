//! HOT PATH: the closed loop: how many of a publisher's messages may be on their
//! way to subscribers at once.
//!
//! Pure. A message leaves the window when the last subscriber has got it, or has
//! got a later one (then it was lost or will come late, and waiting for it would
//! hide how the broker goes on).

/// One publisher's window.
#[derive(Debug)]
pub struct Window {
    limit: u64,
    audience: u32,
    /// The oldest message that some subscriber has not passed.
    base: u64,
    /// Subscribers past message `n`, at `n & mask`, for `base <= n < base + limit`.
    passed: Vec<u32>,
    base_at_last_look: u64,
}

impl Window {
    /// A window of `limit` messages, each for `audience` subscribers.
    #[must_use]
    pub fn new(limit: u32, audience: u32) -> Self {
        Self {
            limit: u64::from(limit),
            audience,
            base: 0,
            passed: vec![0; limit.next_power_of_two() as usize],
            base_at_last_look: 0,
        }
    }

    /// Whether message number `next` may be sent.
    #[must_use]
    #[inline]
    pub fn has_room(&self, next: u64) -> bool {
        next - self.base < self.limit
    }

    /// A subscriber has gone past the messages `from..to`; whether room was made.
    ///
    /// None of them may lie beyond what was sent.
    #[inline]
    pub fn pass(&mut self, from: u64, to: u64) -> bool {
        for sequence in from.max(self.base)..to {
            let slot = self.slot(sequence);
            self.passed[slot] += 1;
        }
        let before = self.base;
        loop {
            let slot = self.slot(self.base);
            if self.passed[slot] != self.audience {
                return self.base != before;
            }
            self.passed[slot] = 0;
            self.base += 1;
        }
    }

    /// Called now and then with the number of messages sent: when nothing moved
    /// since the last look although something is out, the window begins anew
    /// behind what was sent. Returns whether it did.
    pub fn write_off_if_stuck(&mut self, sent: u64) -> bool {
        let stuck = self.base < sent && self.base == self.base_at_last_look;
        if stuck {
            self.base = sent;
            self.passed.fill(0);
        }
        self.base_at_last_look = self.base;
        stuck
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the mask cuts it anyway")]
    fn slot(&self, sequence: u64) -> usize {
        sequence as usize & (self.passed.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_leaves_when_the_last_subscriber_has_it() {
        let mut window = Window::new(2, 2);
        assert!(window.has_room(0) && window.has_room(1) && !window.has_room(2));
        assert!(!window.pass(0, 1));
        assert!(!window.pass(1, 2));
        assert!(!window.has_room(2));
        assert!(window.pass(0, 1));
        assert!(window.has_room(2) && !window.has_room(3));
        assert!(window.pass(1, 2));
        assert!(window.has_room(3));
    }

    #[test]
    fn a_message_passed_over_does_not_hold_the_window() {
        let mut window = Window::new(3, 1);
        assert!(window.pass(0, 3));
        assert!(window.has_room(5));
    }

    #[test]
    fn a_stuck_window_begins_anew_and_ignores_what_came_before() {
        let mut window = Window::new(2, 2);
        window.pass(0, 2);
        assert!(window.write_off_if_stuck(2));
        assert!(window.has_room(3) && !window.has_room(4));
        assert!(!window.pass(0, 2));
        assert!(!window.pass(2, 3));
        assert!(window.pass(2, 3));
    }

    #[test]
    fn a_window_that_moves_or_is_empty_is_not_stuck() {
        let mut window = Window::new(2, 1);
        assert!(!window.write_off_if_stuck(0));
        window.pass(0, 1);
        assert!(!window.write_off_if_stuck(2));
        assert!(window.write_off_if_stuck(2));
    }
}

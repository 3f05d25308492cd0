//! HOT PATH: checks that what one subscriber got from one publisher is complete,
//! single and in order.
//!
//! Pure. A stream that is in order costs one comparison and one addition per
//! message; what went wrong is kept in a box that only a troubled stream has.

use std::collections::BTreeMap;

/// Gaps remembered per stream. Beyond it (a broker that drops every other
/// message of a long run) the oldest gap is settled as lost, and a message of it
/// that turned up after all would be counted as duplicated.
pub const MAX_GAPS: usize = 4096;

/// What a sequence number says about its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The expected one.
    InOrder,
    /// This many were passed over: lost, unless they turn up late.
    Ahead(u64),
    /// One of those passed over: reordered.
    Late,
    /// Seen before.
    Duplicate,
}

/// What went wrong in one stream, or in the sum of several.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// Never arrived.
    pub lost: u64,
    /// Arrived again.
    pub duplicated: u64,
    /// Arrived after a message that was sent later.
    pub reordered: u64,
}

impl Losses {
    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another stream's account.
    pub fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
    }
}

#[derive(Default, Debug)]
struct Trouble {
    /// Sequence numbers passed over: first -> one past the last; disjoint.
    gaps: BTreeMap<u64, u64>,
    settled: Losses,
}

/// One (publisher, subscriber) pair.
#[derive(Default, Debug)]
pub struct Stream {
    next: u64,
    trouble: Option<Box<Trouble>>,
}

impl Stream {
    /// One more than the highest sequence number seen.
    #[must_use]
    #[inline]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Judges a message.
    #[inline]
    pub fn receive(&mut self, sequence: u64) -> Verdict {
        if sequence == self.next {
            self.next += 1;
            return Verdict::InOrder;
        }
        self.receive_out_of_order(sequence)
    }

    /// The account after the last message, when the publisher sent `sent`.
    #[must_use]
    pub fn account(&self, sent: u64) -> Losses {
        let mut losses = Losses {
            lost: sent.saturating_sub(self.next),
            ..Losses::default()
        };
        if let Some(trouble) = &self.trouble {
            losses.add(trouble.settled);
            losses.lost += trouble
                .gaps
                .iter()
                .map(|(first, end)| end - first)
                .sum::<u64>();
        }
        losses
    }

    #[cold]
    fn receive_out_of_order(&mut self, sequence: u64) -> Verdict {
        let trouble = self.trouble.get_or_insert_default();
        if sequence > self.next {
            let passed = sequence - self.next;
            trouble.gaps.insert(self.next, sequence);
            if trouble.gaps.len() > MAX_GAPS
                && let Some((first, end)) = trouble.gaps.pop_first()
            {
                trouble.settled.lost += end - first;
            }
            self.next = sequence + 1;
            return Verdict::Ahead(passed);
        }
        if trouble.fill(sequence) {
            trouble.settled.reordered += 1;
            Verdict::Late
        } else {
            trouble.settled.duplicated += 1;
            Verdict::Duplicate
        }
    }
}

impl Trouble {
    /// Takes `sequence` out of the gaps; `false` where it was in none.
    fn fill(&mut self, sequence: u64) -> bool {
        let Some((&first, &end)) = self.gaps.range(..=sequence).next_back() else {
            return false;
        };
        if sequence >= end {
            return false;
        }
        self.gaps.remove(&first);
        if first < sequence {
            self.gaps.insert(first, sequence);
        }
        if sequence + 1 < end {
            self.gaps.insert(sequence + 1, end);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account_of(arrivals: &[u64], sent: u64) -> Losses {
        let mut stream = Stream::default();
        for &sequence in arrivals {
            stream.receive(sequence);
        }
        stream.account(sent)
    }

    #[test]
    fn a_stream_in_order_is_clean() {
        assert!(account_of(&[0, 1, 2, 3], 4).is_clean());
    }

    #[test]
    fn a_message_passed_over_is_lost_until_it_turns_up_late() {
        let mut stream = Stream::default();
        assert_eq!(stream.receive(0), Verdict::InOrder);
        assert_eq!(stream.receive(4), Verdict::Ahead(3));
        assert_eq!(stream.account(5).lost, 3);
        assert_eq!(stream.receive(2), Verdict::Late);
        assert_eq!(
            stream.account(5),
            Losses {
                lost: 2,
                duplicated: 0,
                reordered: 1
            }
        );
        assert_eq!(stream.receive(2), Verdict::Duplicate);
        assert_eq!(stream.receive(1), Verdict::Late);
        assert_eq!(stream.receive(3), Verdict::Late);
        assert_eq!(
            stream.account(5),
            Losses {
                lost: 0,
                duplicated: 1,
                reordered: 3
            }
        );
    }

    #[test]
    fn the_tail_that_never_came_is_lost() {
        assert_eq!(account_of(&[0, 1], 10).lost, 8);
        assert_eq!(account_of(&[], 3).lost, 3);
    }

    #[test]
    fn every_repetition_is_a_duplicate() {
        assert_eq!(account_of(&[0, 0, 1, 0, 1], 2).duplicated, 3);
    }

    #[test]
    fn losses_are_exact_beyond_the_remembered_gaps() {
        let every_other: Vec<u64> = (0..MAX_GAPS as u64 * 3).map(|n| n * 2).collect();
        let losses = account_of(&every_other, MAX_GAPS as u64 * 6);
        assert_eq!(losses.lost, MAX_GAPS as u64 * 3);
    }
}

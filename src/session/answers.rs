//! Answers to the client that wait until every shard concerned has done its part.
//!
//! Owns the order of a client's answers: PUBACKs leave in the order of their
//! PUBLISH packets [MQTT-4.6.0-2], and none before its cause is safe. Lives on the
//! home shard. Pure: what a wait means is the engine's business; here it is compared.

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::ids::ShardId;
use crate::protocol::{PacketId, ReasonCode};

/// What has to be reached before an answer may leave: a position in the stream of
/// items that went to another shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait {
    /// Who has to accept.
    pub shard: ShardId,
    /// In which rank of the lane.
    pub rank: u8,
    /// Up to which item.
    pub sequence: u64,
}

/// All waits of one cause; empty when only this shard was concerned.
pub type Waits = SmallVec<[Wait; 1]>;

/// Adds a wait for a later item than those before. One per lane and rank is enough,
/// since acceptance is cumulative.
pub fn wait_also(waits: &mut Waits, wait: Wait) {
    let same = |earlier: &&mut Wait| (earlier.shard, earlier.rank) == (wait.shard, wait.rank);
    match waits.iter_mut().find(same) {
        Some(earlier) => {
            debug_assert!(earlier.sequence < wait.sequence);
            *earlier = wait;
        }
        None => waits.push(wait),
    }
}

/// An answer that is owed to the client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// To a QoS 1 PUBLISH.
    PubAck(PacketId, ReasonCode),
    /// To a QoS 2 PUBLISH.
    PubRec(PacketId, ReasonCode),
    /// To SUBSCRIBE or UNSUBSCRIBE: an encoded packet.
    Request(Box<[u8]>),
}

/// Answers in the order they are owed; no memory while there are none.
#[expect(
    clippy::box_collection,
    reason = "eight bytes in the hot state of a session"
)]
#[derive(Debug, Default)]
pub struct Answers {
    owed: Option<Box<VecDeque<(Waits, Answer)>>>,
}

impl Answers {
    /// Whether nothing is owed, so that an answer without waits may leave at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owed.is_none()
    }

    /// How many answers are owed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owed.as_ref().map_or(0, |owed| owed.len())
    }

    /// Puts an answer behind the others.
    pub fn push(&mut self, waits: Waits, answer: Answer) {
        self.owed.get_or_insert_default().push_back((waits, answer));
    }

    /// The next answer, if all it waits for has been reached.
    pub fn next(&mut self, reached: impl Fn(&Wait) -> bool) -> Option<Answer> {
        let owed = self.owed.as_mut()?;
        let (waits, _) = owed.front()?;
        if !waits.iter().all(reached) {
            return None;
        }
        let answer = owed.pop_front().map(|(_, answer)| answer);
        if owed.is_empty() {
            self.owed = None;
        }
        answer
    }

    /// The connection is gone. Its requests are owed nothing any more, and neither
    /// are its QoS 1 messages: they come again [MQTT-4.4.0-1], and a PUBACK for the
    /// first copy would then answer whatever carries that identifier by now. What is
    /// known of QoS 2 messages belongs to the session and stays.
    ///
    /// What was behind a forgotten answer may be due: the caller settles.
    pub fn forget_connection(&mut self) {
        if let Some(owed) = &mut self.owed {
            owed.retain(|(_, answer)| matches!(answer, Answer::PubRec(..)));
            if owed.is_empty() {
                self.owed = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(sequence: u64) -> Waits {
        SmallVec::from_iter([Wait {
            shard: ShardId(1),
            rank: 0,
            sequence,
        }])
    }

    fn ack(id: u16) -> Answer {
        Answer::PubAck(PacketId::new(id).expect("not zero"), ReasonCode::Success)
    }

    #[test]
    fn an_answer_waits_behind_an_earlier_one_even_when_its_own_cause_is_settled() {
        let mut answers = Answers::default();
        answers.push(wait(5), ack(1));
        answers.push(Waits::new(), ack(2));
        assert_eq!(answers.next(|w| w.sequence <= 4), None, "[MQTT-4.6.0-2]");
        assert_eq!(answers.next(|w| w.sequence <= 5), Some(ack(1)));
        assert_eq!(answers.next(|_| false), Some(ack(2)));
        assert!(answers.is_empty());
    }

    #[test]
    fn a_lost_connection_is_owed_neither_suback_nor_puback_but_its_session_keeps_pubrec() {
        let received = Answer::PubRec(PacketId::new(2).expect("not zero"), ReasonCode::Success);
        let mut answers = Answers::default();
        answers.push(wait(1), Answer::Request(Box::new([0x90])));
        answers.push(wait(2), ack(1));
        answers.push(wait(3), received.clone());
        answers.forget_connection();
        assert_eq!(answers.next(|_| true), Some(received));
        assert!(answers.is_empty());
    }
}

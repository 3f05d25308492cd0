//! What one client was allowed and refused before.
//!
//! Owns a handful of decisions per session, by topic. Pure. Bounded in number and in
//! bytes: a long topic, or the seventeenth one, is decided again each time.
//!
//! HOT PATH: `recall` runs once per judged PUBLISH or delivery.

use std::time::Duration;

use super::planted::{Fault as Planted, is_planted};
use crate::protocol::{QoS, ReasonCode};
use crate::time::Timestamp;

/// Decisions that one session remembers; the oldest makes room.
const REMEMBERED_MAX: usize = 16;

/// Bytes of a topic that is remembered.
const REMEMBERED_TOPIC_MAX: usize = 256;

/// What was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Yes.
    Allow,
    /// Yes, but each delivery is judged.
    AllowFiltered,
    /// No, for this reason.
    Deny(ReasonCode),
}

/// What a topic was wanted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// To publish, so retained or not.
    Publish(QoS, bool),
    /// To receive, so retained or not.
    Deliver(QoS, bool),
}

#[derive(Debug)]
struct Remembered {
    access: Access,
    topic: Box<str>,
    decision: Decision,
    /// `None`: until a reload.
    until: Option<Timestamp>,
}

/// The decisions of one session.
#[derive(Debug, Default)]
pub struct Decisions {
    /// The generation of the rules that made them.
    generation: u64,
    remembered: Vec<Remembered>,
    /// The place that makes room next.
    oldest: usize,
}

impl Decisions {
    /// What was decided before by rules of this generation.
    #[must_use]
    pub fn recall(
        &self,
        generation: u64,
        access: Access,
        topic: &str,
        now: Timestamp,
    ) -> Option<Decision> {
        if self.generation != generation && !is_planted(Planted::DecisionsSurviveReload) {
            return None;
        }
        self.remembered
            .iter()
            .find(|known| known.access == access && *known.topic == *topic)
            .filter(|known| known.until.is_none_or(|until| now < until))
            .map(|known| known.decision)
    }

    /// Remembers a decision for `memory`, in place of an earlier one about the same.
    pub fn remember(
        &mut self,
        generation: u64,
        access: Access,
        topic: &str,
        decision: Decision,
        memory: Duration,
        now: Timestamp,
    ) {
        if self.generation != generation {
            *self = Self {
                generation,
                ..Self::default()
            };
        }
        // What broke down (a panic, a third party that is away) was no decision.
        let broken = decision == Decision::Deny(ReasonCode::ImplementationSpecific);
        if memory.is_zero() || topic.len() > REMEMBERED_TOPIC_MAX || broken {
            return;
        }
        let until = (memory != Duration::MAX).then(|| now.plus(memory));
        let same = |known: &&mut Remembered| known.access == access && *known.topic == *topic;
        if let Some(known) = self.remembered.iter_mut().find(same) {
            known.decision = decision;
            known.until = until;
            return;
        }
        let new = Remembered {
            access,
            topic: topic.into(),
            decision,
            until,
        };
        if self.remembered.len() < REMEMBERED_MAX {
            self.remembered.push(new);
        } else {
            self.remembered[self.oldest] = new;
            self.oldest = (self.oldest + 1) % REMEMBERED_MAX;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISH: Access = Access::Publish(QoS::AtMostOnce, false);

    fn at(seconds: u32) -> Timestamp {
        Timestamp::ZERO.plus_seconds(seconds)
    }

    #[test]
    fn a_decision_is_recalled_until_its_time_or_its_generation_is_over() {
        let mut decisions = Decisions::default();
        let memory = Duration::from_secs(10);
        decisions.remember(0, PUBLISH, "t", Decision::Allow, memory, at(0));
        assert_eq!(
            decisions.recall(0, PUBLISH, "t", at(9)),
            Some(Decision::Allow)
        );
        assert_eq!(decisions.recall(0, PUBLISH, "t", at(10)), None);
        let retained = Access::Publish(QoS::AtMostOnce, true);
        assert_eq!(decisions.recall(0, retained, "t", at(0)), None);
        assert_eq!(decisions.recall(1, PUBLISH, "t", at(0)), None);
        decisions.remember(1, PUBLISH, "u", Decision::Allow, Duration::MAX, at(0));
        assert_eq!(decisions.recall(1, PUBLISH, "t", at(0)), None);
        assert_eq!(
            decisions.recall(1, PUBLISH, "u", at(u32::MAX)),
            Some(Decision::Allow)
        );
    }

    #[test]
    fn memory_is_bounded_whatever_a_client_publishes_to() {
        let mut decisions = Decisions::default();
        for number in 0..1_000 {
            let topic = format!("t/{number}");
            decisions.remember(0, PUBLISH, &topic, Decision::Allow, Duration::MAX, at(0));
        }
        let long = "x".repeat(REMEMBERED_TOPIC_MAX + 1);
        decisions.remember(0, PUBLISH, &long, Decision::Allow, Duration::MAX, at(0));
        assert_eq!(decisions.remembered.len(), REMEMBERED_MAX);
        assert_eq!(decisions.recall(0, PUBLISH, &long, at(0)), None);
        assert_eq!(
            decisions.recall(0, PUBLISH, "t/999", at(0)),
            Some(Decision::Allow)
        );
        decisions.remember(0, PUBLISH, "none", Decision::Allow, Duration::ZERO, at(0));
        assert_eq!(decisions.recall(0, PUBLISH, "none", at(0)), None);
    }
}

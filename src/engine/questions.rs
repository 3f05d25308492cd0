//! Questions that leave the shard, and the answers that come back.
//!
//! Owns which connection waits for which answer. Pure. The packet that asks stays
//! unhandled in its connection's assembly buffer and is handled again when the
//! answer is here; meanwhile nothing is read from that connection alone. Every
//! question is answered: by a hook, by its deadline, or because nobody has room.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::Engine;
use super::connection::Stage;
use super::limits::QUESTIONS_MAX;
use super::planted::{Fault as Planted, is_planted};
use super::timers::Timer;
use crate::hooks::{Answer, Inquiry, Patience, Subject, Ticket, Verdict};
use crate::ids::ConnectionId;
use crate::protocol::{PacketType, ReasonCode, Split, split};
use crate::time::Timestamp;

/// What all questions about one packet have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inquest {
    /// What is left of the time that hooks may take for it.
    left: Duration,
    /// The generation of the rules that were asked first.
    generation: u64,
}

/// A connection whose next packet waits for an answer, or has it.
#[derive(Debug)]
struct Waiting {
    /// Which of the connection's questions.
    number: u64,
    /// The place of the hook that was asked.
    place: usize,
    inquest: Inquest,
    /// No answer by then means no.
    deadline: Timestamp,
    answer: Option<Answer>,
    /// Whoever works at the answer learns by its end that it is not needed any more.
    patience: Option<Patience>,
    /// Whether the answer is a hook's own, and not made up for want of one.
    is_given: bool,
}

/// An answered question on its way back into its packet.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) place: usize,
    pub(super) answer: Answer,
    pub(super) inquest: Inquest,
    is_given: bool,
}

impl Answered {
    /// Whether the answer may be remembered: rules of this generation gave it. That
    /// nobody answered is no decision.
    pub(super) fn is_of(&self, generation: u64) -> bool {
        let is_given = self.is_given || is_planted(Planted::RememberSilence);
        let is_recent =
            self.inquest.generation == generation || is_planted(Planted::RememberOldAnswer);
        is_given && is_recent && matches!(self.answer, Answer::Verdict(_))
    }
}

/// All open questions of a shard.
#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: BTreeMap<ConnectionId, Waiting>,
    /// Questions that the shard has not fetched yet.
    leaving: VecDeque<Inquiry>,
    /// Numbers of the questions that somebody still has to answer, in time or not.
    outstanding: BTreeSet<u64>,
    /// Connections with a timer for their questions: each has one, however many
    /// questions it asks.
    timed: BTreeSet<ConnectionId>,
    asked: u64,
}

impl Questions {
    /// The answer that a connection's packet has waited for.
    pub(super) fn take_answered(&mut self, id: ConnectionId) -> Option<Answered> {
        // Most brokers ask nobody anything.
        if self.waiting.is_empty() {
            return None;
        }
        let waiting = self.waiting.get_mut(&id)?;
        let answer = waiting.answer.take()?;
        let waiting = self.waiting.remove(&id)?;
        Some(Answered {
            place: waiting.place,
            answer,
            inquest: waiting.inquest,
            is_given: waiting.is_given,
        })
    }

    /// The connection is gone: nobody waits any more.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if !is_planted(Planted::KeepQuestions) {
            self.waiting.remove(&id);
        }
    }
}

impl Engine {
    /// A question that only a worker can answer; its answer comes to
    /// [`Engine::handle_verdict`], always.
    pub fn next_question(&mut self) -> Option<Inquiry> {
        self.questions.leaving.pop_front()
    }

    /// Questions that somebody has to answer yet, and connections that wait for one.
    #[must_use]
    pub fn open_questions(&self) -> usize {
        let (questions, candidates) = (&self.questions, self.candidates.len());
        questions.outstanding.len() + questions.waiting.len() + candidates
    }

    /// As if as many questions were open as may be.
    #[cfg(test)]
    pub(super) fn fill_questions(&mut self) {
        self.questions.outstanding = (0..QUESTIONS_MAX as u64).map(|n| !n).collect();
    }

    /// The answer to a question. One that comes after its deadline or a second time,
    /// or whose connection has gone, changes nothing.
    pub fn handle_verdict(&mut self, ticket: Ticket, answer: Answer, now: Timestamp) {
        let is_first = self.questions.outstanding.remove(&ticket.number);
        if !is_first && !is_planted(Planted::AnswerAnyQuestion) {
            return;
        }
        if matches!(answer, Answer::Busy) {
            self.clients.stats.questions_refused += 1;
        }
        self.settle_question(ticket.connection, Some(ticket.number), answer, now);
    }

    /// Puts a question about a connection's packet; reading from it is held. `inquest`
    /// came with the answer to an earlier question about the same packet.
    ///
    /// # Errors
    /// Why the question is answered no at once: `busy` where there are too many, another
    /// reason where the packet has had its time.
    pub(super) fn ask(
        &mut self,
        id: ConnectionId,
        (place, subject): (usize, Subject),
        inquest: Option<Inquest>,
        busy: ReasonCode,
        now: Timestamp,
    ) -> Result<(), ReasonCode> {
        if self.questions.outstanding.len() >= QUESTIONS_MAX {
            self.clients.stats.questions_refused += 1;
            return Err(busy);
        }
        let inquest = inquest.unwrap_or_else(|| Inquest {
            left: self.limits.verdict_timeout,
            generation: self.chain.generation(),
        });
        if inquest.left.is_zero() {
            self.clients.stats.questions_late += 1;
            return Err(ReasonCode::NotAuthorized);
        }
        self.questions.asked += 1;
        self.clients.stats.questions_asked += 1;
        let number = self.questions.asked;
        self.questions.outstanding.insert(number);
        let deadline = now.plus(inquest.left);
        let patience = Patience::default();
        let awaited = patience.awaited();
        let waiting = Waiting {
            number,
            place,
            inquest,
            deadline,
            answer: None,
            patience: Some(patience),
            is_given: false,
        };
        self.questions.waiting.insert(id, waiting);
        let ticket = Ticket {
            shard: self.shard,
            connection: id,
            number,
        };
        self.questions.leaving.push_back(Inquiry {
            ticket,
            subject,
            awaited,
        });
        self.time_question(id, deadline, now);
        self.hold(id, |held| held.by_verdict = true);
        Ok(())
    }

    /// Sees to it that a timer fires when a question's time is over, or before.
    fn time_question(&mut self, id: ConnectionId, deadline: Timestamp, now: Timestamp) {
        if self.questions.timed.insert(id) {
            self.timers.arm(deadline, now, Timer::Verdict(id));
        }
    }

    /// Whether the next packet of this connection waits for an answer.
    #[must_use]
    pub fn awaits_verdict(&self, id: ConnectionId) -> bool {
        let connection = self.clients.connections.get(id.slot, id.generation);
        connection.is_some_and(|it| it.held.by_verdict && it.stage != Stage::Closing)
    }

    /// Whether nothing is lost when a connection that waits for an answer ends at once:
    /// what waits is no message, and nothing was received after it. Who publishes and
    /// goes is heard, and so is the DISCONNECT behind it.
    #[must_use]
    pub fn only_its_peer_waits(&self, id: ConnectionId) -> bool {
        let connection = self.clients.connections.get(id.slot, id.generation);
        let Some(assembly) = connection.and_then(|it| it.assembly.as_deref()) else {
            return true;
        };
        match split(assembly.bytes(), u32::MAX) {
            Ok(Split::Complete { frame, size }) => {
                size == assembly.len() && frame.packet_type() != Ok(PacketType::Publish)
            }
            Ok(Split::Incomplete { .. }) | Err(_) => true,
        }
    }

    /// The deadline of a question may have come: no answer means no.
    pub(super) fn question_timer(&mut self, id: ConnectionId, now: Timestamp) {
        self.questions.timed.remove(&id);
        let Some(waiting) = self.questions.waiting.get(&id) else {
            return;
        };
        if waiting.answer.is_some() {
            return;
        }
        let deadline = waiting.deadline;
        if deadline <= now {
            self.clients.stats.questions_late += 1;
            let no = if is_planted(Planted::SilenceIsConsent) {
                Verdict::Allow
            } else {
                Verdict::Deny(ReasonCode::NotAuthorized)
            };
            self.settle_question(id, None, Answer::Verdict(no), now);
        } else {
            // The timer of an earlier question, or one that reaches far.
            self.time_question(id, deadline, now);
        }
    }

    fn settle_question(
        &mut self,
        id: ConnectionId,
        number: Option<u64>,
        answer: Answer,
        now: Timestamp,
    ) {
        let Some(waiting) = self.questions.waiting.get_mut(&id) else {
            return;
        };
        let is_this = number.is_none_or(|number| number == waiting.number)
            || is_planted(Planted::AnswerAnyQuestion);
        if !is_this || waiting.answer.is_some() {
            return;
        }
        waiting.answer = Some(answer);
        waiting.patience = None;
        waiting.inquest.left = waiting.deadline.since(now);
        waiting.is_given = number.is_some();
        if let Some(connection) = self.clients.open_connection(id) {
            connection.held.by_verdict = false;
            self.make_ready(id);
        }
    }
}

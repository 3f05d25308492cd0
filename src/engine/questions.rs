//! Questions that leave the shard, and the answers that come back.
//!
//! Owns which connection waits for which answer. Pure. The packet that asks stays
//! unhandled in its connection's assembly buffer and is handled again when the
//! answer is here; meanwhile nothing is read from that connection alone. Every
//! question is answered: by a hook, by its deadline, or because nobody has room.

use std::collections::{BTreeMap, VecDeque};

use super::Engine;
use super::connection::Stage;
use super::limits::QUESTIONS_MAX;
use super::timers::Timer;
use crate::hooks::{Answer, Inquiry, Patience, Subject, Ticket, Verdict};
use crate::ids::ConnectionId;
use crate::protocol::{PacketType, ReasonCode, Split, split};
use crate::time::Timestamp;

/// A connection whose next packet waits for an answer, or has it.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Which of the connection's questions.
    number: u64,
    /// The place of the hook that was asked.
    place: usize,
    /// No answer by then means no.
    deadline: Timestamp,
    answer: Option<Answer>,
    /// Whoever works at the answer learns by its end that it is not needed any more.
    patience: Option<Patience>,
}

/// An answered question on its way back into its packet.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) place: usize,
    pub(super) answer: Answer,
}

/// All open questions of a shard.
#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: BTreeMap<ConnectionId, Waiting>,
    /// Questions that the shard has not fetched yet.
    leaving: VecDeque<Inquiry>,
    /// Questions that somebody still has to answer, in time or not.
    outstanding: usize,
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
        })
    }

    /// The connection is gone: nobody waits any more.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.waiting.remove(&id);
    }
}

impl Engine {
    /// A question that only a worker can answer; its answer comes to
    /// [`Engine::handle_verdict`], always.
    pub fn next_question(&mut self) -> Option<Inquiry> {
        self.questions.leaving.pop_front()
    }

    /// Questions that were fetched and not answered yet.
    #[must_use]
    pub fn open_questions(&self) -> usize {
        self.questions.outstanding
    }

    /// As if as many questions were open as may be.
    #[cfg(test)]
    pub(super) fn fill_questions(&mut self) {
        self.questions.outstanding = QUESTIONS_MAX;
    }

    /// The answer to a question. One that comes after its deadline, or whose
    /// connection has gone, changes nothing.
    pub fn handle_verdict(&mut self, ticket: Ticket, answer: Answer, _now: Timestamp) {
        self.questions.outstanding = self.questions.outstanding.saturating_sub(1);
        if matches!(answer, Answer::Busy) {
            self.clients.stats.questions_refused += 1;
        }
        self.settle_question(ticket.connection, Some(ticket.number), answer);
    }

    /// Puts a question about a connection's packet; reading from it is held. `deadline`
    /// is that of an earlier question about the same packet. Tells the deadline; `None`:
    /// there are too many questions.
    pub(super) fn ask(
        &mut self,
        id: ConnectionId,
        place: usize,
        subject: Subject,
        deadline: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if self.questions.outstanding >= QUESTIONS_MAX {
            self.clients.stats.questions_refused += 1;
            return None;
        }
        let deadline = deadline.unwrap_or_else(|| now.plus(self.limits.verdict_timeout));
        self.questions.asked += 1;
        self.questions.outstanding += 1;
        self.clients.stats.questions_asked += 1;
        let number = self.questions.asked;
        let patience = Patience::default();
        let awaited = patience.awaited();
        let waiting = Waiting {
            number,
            place,
            deadline,
            answer: None,
            patience: Some(patience),
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
        self.timers.arm(deadline, now, Timer::Verdict(id));
        self.hold(id, |held| held.by_verdict = true);
        Some(deadline)
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
        let Some(waiting) = self.questions.waiting.get(&id) else {
            return;
        };
        if waiting.answer.is_some() {
            return;
        }
        if waiting.deadline <= now {
            self.clients.stats.questions_late += 1;
            let no = Answer::Verdict(Verdict::Deny(ReasonCode::NotAuthorized));
            self.settle_question(id, None, no);
        } else {
            // The timer of an earlier question, or one that reaches far.
            self.timers.arm(waiting.deadline, now, Timer::Verdict(id));
        }
    }

    fn settle_question(&mut self, id: ConnectionId, number: Option<u64>, answer: Answer) {
        let Some(waiting) = self.questions.waiting.get_mut(&id) else {
            return;
        };
        let is_this = number.is_none_or(|number| number == waiting.number);
        if !is_this || waiting.answer.is_some() {
            return;
        }
        waiting.answer = Some(answer);
        waiting.patience = None;
        if let Some(connection) = self.clients.open_connection(id) {
            connection.held.by_verdict = false;
            self.make_ready(id);
        }
    }
}

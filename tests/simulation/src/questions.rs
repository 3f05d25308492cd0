//! The way of a question from an engine to a hook that takes its time, and of the
//! answer back; and how rules change meanwhile.
//!
//! Owns the record of all questions, and when each is answered: out of order, late,
//! twice or never, as the run's features have it. What a hook finds out it finds out
//! at once, by the rules of that moment; only the way back is long. Never decides what
//! an answer means.

use ringmq::hooks::{Answer, Inquiry, Question, Subject, Ticket, Verdict};

use crate::history::When;
use crate::plan::Feature;
use crate::rules::{Opinion, Wish};
use crate::world::{Event, World};

/// Milliseconds by which a deadline is noticed late, and what waited is handled.
const LATENESS: u64 = 500;

/// Milliseconds that a question may have waited for its shard's turn before it was seen.
const TURN: u64 = 20;

/// What a worker sends back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Word {
    /// What the rules say.
    Found(Opinion),
    /// The question was never put.
    Busy,
}

/// One question.
#[derive(Clone, Debug)]
pub struct Asked {
    ticket: Ticket,
    shard: usize,
    /// Who waits.
    pub client: usize,
    /// About what.
    pub wish: Wish,
    /// When it left the engine.
    pub asked: When,
    /// From then on no answer means no.
    deadline: u64,
    /// When the answer reached the engine first.
    pub answered: Option<When>,
    /// Whether that was what the rules say, in time.
    pub sound: bool,
    word: Word,
}

impl World {
    /// A shard fetches its questions and hands them to workers.
    pub fn take_questions(&mut self, shard: usize) {
        while let Some(inquiry) = self.engines[shard].next_question() {
            self.take_question(shard, inquiry);
        }
    }

    fn take_question(&mut self, shard: usize, inquiry: Inquiry) {
        let Inquiry {
            ticket, subject, ..
        } = inquiry;
        let Subject::Hook(place, question) = subject else {
            self.violate("permitted", || "a question about no hook".to_owned());
            return;
        };
        let Some((name, wish)) = wish_of(&question) else {
            self.violate("permitted", || format!("a strange question {question:?}"));
            return;
        };
        let client = self.clients.iter().position(|client| client.name == name);
        let client = client.expect("a client that there is");
        let index = self.questions.len();
        let found = Word::Found(self.rules.found(place, &name, &wish));
        let word = if self.breaks(4) {
            Word::Busy
        } else if self.breaks(4) {
            Word::Found(Opinion::Panic)
        } else {
            found
        };
        let asked = self.history.when(self.now);
        self.trace.mix(self.now);
        self.trace.mix(ticket.number);
        self.trace.line(self.now, || {
            format!("question {index} of client {client}: {wish:?}, will be told {word:?}")
        });
        let deadline = self.deadline_of(shard, &ticket, &wish);
        self.questions.push(Asked {
            ticket,
            shard,
            client,
            wish,
            asked,
            deadline,
            answered: None,
            sound: word == found,
            word,
        });
        self.plan_answer(index);
    }

    /// All questions about one packet share its time, of which one takes what the next
    /// has not; packets of a kind that follow each other are not told apart.
    fn deadline_of(&self, shard: usize, ticket: &Ticket, wish: &Wish) -> u64 {
        let before = self.questions.iter().rev().find(|question| {
            question.shard == shard && question.ticket.connection == ticket.connection
        });
        let same = |before: &&Asked| match (&before.wish, wish) {
            (Wish::Publish(earlier), Wish::Publish(later)) => earlier == later,
            (Wish::Publish(_), _) | (_, Wish::Publish(_)) => false,
            (Wish::Subscribe(_), later) => matches!(later, Wish::Subscribe(_)),
            (_, later) => !matches!(later, Wish::Subscribe(_)),
        };
        let left = before.filter(same).map(|before| {
            let answered = before.answered.map_or(u64::MAX, |when| when.at);
            before.deadline.saturating_sub(answered)
        });
        // Nothing is asked about a packet that has had its time.
        let left = left.filter(|&left| left > 0);
        self.now + left.unwrap_or(self.patience())
    }

    /// Milliseconds that a hook may take.
    fn patience(&self) -> u64 {
        u64::try_from(self.limits.verdict_timeout.as_millis()).expect("short")
    }

    fn breaks(&mut self, percent: u64) -> bool {
        self.has(Feature::BrokenHooks) && !self.healed && self.answers.percent(percent)
    }

    fn plan_answer(&mut self, index: usize) {
        if self.questions[index].word == Word::Busy {
            self.answer(index);
            return;
        }
        let patience = self.patience();
        let late = (self.has(Feature::LateAnswers) && !self.healed) || self.stopping;
        let delay = match self.answers.below(100) {
            0..10 if late => return,
            10..22 if late => self.answers.below(patience * 2),
            22..30 if late => {
                let again = self.answers.below(patience);
                self.plan_in(again, Event::Answer(index));
                self.answers.below(again + 1)
            }
            30..45 if !self.healed => self.answers.below(500),
            _ => self.answers.below(30),
        };
        if self.has(Feature::Reloads) && !self.healed && self.answers.percent(4) {
            let meanwhile = self.answers.below(delay + 1);
            self.plan_in(meanwhile, Event::Reload);
        }
        self.plan_in(delay, Event::Answer(index));
    }

    /// An answer reaches the shard that asked, in time or not.
    pub fn answer(&mut self, index: usize) {
        let when = self.history.when(self.now);
        let asked = &mut self.questions[index];
        let is_first = asked.answered.is_none();
        if is_first {
            asked.answered = Some(when);
            asked.sound &= when.at + TURN < asked.deadline;
        }
        let answer = match asked.word {
            // What nobody asked for must change nothing.
            _ if !is_first => Answer::Verdict(Verdict::Allow),
            Word::Busy => Answer::Busy,
            Word::Found(Opinion::None) => Answer::Verdict(Verdict::Next),
            Word::Found(Opinion::Allow) => Answer::Verdict(Verdict::Allow),
            Word::Found(Opinion::AllowFiltered) => Answer::Verdict(Verdict::AllowFiltered),
            Word::Found(Opinion::Deny(reason)) => Answer::Verdict(Verdict::Deny(reason)),
            Word::Found(Opinion::Panic) => Answer::Panicked,
        };
        let (shard, ticket) = (asked.shard, asked.ticket);
        self.trace.mix(self.now);
        self.trace.line(self.now, || {
            format!("question {index} is answered: {answer:?}")
        });
        let now = self.timestamp();
        self.engines[shard].handle_verdict(ticket, answer, now);
        self.tap_all(shard);
        self.poke(shard);
    }

    /// The answers that never came come after all, when nobody waits any more.
    pub fn answer_the_rest(&mut self) {
        for index in 0..self.questions.len() {
            if self.questions[index].answered.is_none() {
                self.answer(index);
            }
        }
    }

    /// The rules change once or twice while everybody acts.
    pub fn plan_reloads(&mut self) {
        if self.has(Feature::Reloads) && self.plan.has_hooks() {
            for _ in 0..self.answers.between(1, 3) {
                let at = self.answers.below(20_000);
                self.plan_in(at, Event::Reload);
            }
        }
    }

    /// The rules change for all shards at once, and each hears of it a little later.
    pub fn reload(&mut self) {
        if self.healed {
            return;
        }
        self.chain.reload().expect("nothing to go wrong");
        let when = self.history.when(self.now);
        self.reloads.push(when);
        self.trace
            .line(self.now, || format!("rules change @{}", when.step));
        for shard in 0..self.engines.len() {
            let delay = self.answers.below(20);
            self.plan_in(delay, Event::Reloaded(shard));
        }
    }

    /// A shard hears of it.
    pub fn hear_of_reload(&mut self, shard: usize) {
        self.engines[shard].handle_reload();
        self.poke(shard);
    }

    /// Whether an answer about this failed that was waited for at some moment from
    /// `from` to `to`: it broke down, was late, or has not come. A filter shares the fate
    /// of those before it.
    #[must_use]
    pub fn was_let_down(&self, client: usize, wish: &Wish, from: When, to: When) -> bool {
        self.questions.iter().any(|question| {
            let ends = question.asked.at + self.patience() + LATENESS;
            question.client == client
                && (question.wish == *wish || both_subscribe(&question.wish, wish))
                && (!question.sound || question.answered.is_none())
                && question.asked <= to
                && question.answered.map_or(ends, |when| when.at.min(ends)) >= from.at
        })
    }

    /// Whether a connection of this client may wait for an answer.
    #[must_use]
    pub fn may_wait(&self, client: usize) -> bool {
        self.questions.iter().any(|question| {
            let answered = question.answered.map_or(u64::MAX, |when| when.at);
            question.client == client
                && self.now <= answered.min(question.asked.at + self.patience()) + LATENESS
        })
    }
}

fn both_subscribe(one: &Wish, other: &Wish) -> bool {
    matches!((one, other), (Wish::Subscribe(_), Wish::Subscribe(_)))
}

/// Who wants what.
fn wish_of(question: &Question) -> Option<(String, Wish)> {
    match question {
        Question::Connect(attempt) => {
            let user = attempt.user_name().unwrap_or_default().to_owned();
            Some((attempt.client_id().to_owned(), Wish::Connect(user)))
        }
        Question::Authenticate(attempt) => {
            let user = attempt.user_name().unwrap_or_default().to_owned();
            Some((attempt.client_id().to_owned(), Wish::Authenticate(user)))
        }
        Question::Publish {
            client,
            topic,
            will,
            ..
        } => {
            let wish = if *will {
                Wish::Will
            } else {
                Wish::Publish(topic.to_string())
            };
            Some((client.client_id().to_owned(), wish))
        }
        Question::Subscribe { client, filter, .. } => {
            let wish = Wish::Subscribe(filter.to_string());
            Some((client.client_id().to_owned(), wish))
        }
        _ => None,
    }
}

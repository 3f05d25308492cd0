//! Several hooks in their order, as one.
//!
//! Owns the hooks; one chain is shared by all shards and workers. Contains what a
//! hook breaks: a panic counts as a refusal and is counted. Lives wherever it is
//! asked; never waits.
//!
//! [`Chain::phases`] is looked at before anything is done for a phase; without hooks
//! that is all that messages pay.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{
    Answer, Client, Credentials, Exchange, Grant, Hook, HookError, Outgoing, Phases, Step,
    Treatment, Verdict,
};
use crate::protocol::ReasonCode;

/// The reason when a hook panics: nothing is wrong with the client.
const FAULTY: ReasonCode = ReasonCode::ImplementationSpecific;

/// What a chain has come to.
#[derive(Debug)]
pub enum Ruling {
    /// No hook had an opinion.
    Undecided,
    /// A hook allowed it.
    Allow {
        /// Who the client is, where it says so.
        grant: Option<Box<Grant>>,
        /// Deliveries are to be judged one by one.
        filtered: bool,
    },
    /// A hook denied it, or broke down over it.
    Deny(ReasonCode),
    /// The hook with this place needs time.
    Ask(usize),
}

struct Link {
    hook: Arc<dyn Hook>,
    phases: Phases,
    /// How long an answer that came this far along the chain may be remembered.
    memory: Duration,
}

/// All hooks of a broker.
#[derive(Default)]
pub struct Chain {
    links: Vec<Link>,
    phases: Phases,
    generation: AtomicU64,
    panics: AtomicU64,
}

impl Chain {
    /// These hooks in this order.
    #[must_use]
    pub fn new(hooks: impl IntoIterator<Item = Arc<dyn Hook>>) -> Self {
        let mut chain = Self::default();
        let mut memory = Duration::MAX;
        for hook in hooks {
            let phases = hook.phases();
            chain.phases |= phases;
            memory = memory.min(hook.memory());
            chain.links.push(Link {
                hook,
                phases,
                memory,
            });
        }
        chain
    }

    /// The phases in which any hook takes part.
    #[must_use]
    #[inline]
    pub fn phases(&self) -> Phases {
        self.phases
    }

    /// Whether there is no hook.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Counts the reloads: what was decided in an earlier generation is forgotten.
    #[must_use]
    #[inline]
    pub fn generation(&self) -> u64 {
        // Relaxed: a decision more or less by the old rules is a matter of when the
        // reload was asked for.
        self.generation.load(Ordering::Relaxed)
    }

    /// How often a hook panicked.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// How long decisions may be remembered that the hook at this place made, or that
    /// nobody made.
    #[must_use]
    pub fn memory(&self, decided_by: Option<usize>) -> Duration {
        let link = match decided_by {
            Some(place) => self.links.get(place),
            None => self.links.last(),
        };
        link.map_or(Duration::MAX, |link| link.memory)
    }

    /// The hook at this place.
    #[must_use]
    pub fn hook(&self, place: usize) -> Option<&Arc<dyn Hook>> {
        self.links.get(place).map(|link| &link.hook)
    }

    /// Asks the hooks of a phase from a place on, until one decides. Tells its place.
    pub fn rule(
        &self,
        phase: Phases,
        from: usize,
        ask: impl Fn(&dyn Hook) -> Verdict,
    ) -> (Ruling, Option<usize>) {
        for (place, link) in self.links.iter().enumerate().skip(from) {
            if !link.phases.any_of(phase) {
                continue;
            }
            let verdict = self.contain(link, || ask(&*link.hook));
            let ruling = match verdict {
                None => Ruling::Deny(FAULTY),
                Some(Verdict::Ask) => Ruling::Ask(place),
                Some(verdict) => Self::judge(verdict),
            };
            if !matches!(ruling, Ruling::Undecided) {
                return (ruling, Some(place));
            }
        }
        (Ruling::Undecided, None)
    }

    /// Goes on where an answer has come to a question, or begins. `busy` is the reason
    /// where the question was never put for want of room.
    pub fn resume(
        &self,
        phase: Phases,
        answered: Option<(usize, Answer)>,
        busy: ReasonCode,
        ask: impl Fn(&dyn Hook) -> Verdict,
    ) -> (Ruling, Option<usize>) {
        match answered {
            None => self.rule(phase, 0, ask),
            Some((place, Answer::Verdict(Verdict::Next))) => self.rule(phase, place + 1, ask),
            Some((place, Answer::Verdict(verdict))) => (Self::judge(verdict), Some(place)),
            Some((place, Answer::Busy)) => (Ruling::Deny(busy), Some(place)),
            Some((place, Answer::Panicked | Answer::Step(..))) => {
                (Ruling::Deny(FAULTY), Some(place))
            }
        }
    }

    /// What a verdict means by itself; one that only asks for time is a refusal.
    #[must_use]
    pub fn judge(verdict: Verdict) -> Ruling {
        let allow = |grant, filtered| Ruling::Allow { grant, filtered };
        match verdict {
            Verdict::Next => Ruling::Undecided,
            Verdict::Allow => allow(None, false),
            Verdict::AllowFiltered => allow(None, true),
            Verdict::Grant(grant) => allow(Some(grant), false),
            Verdict::Deny(reason) if reason.is_error() => Ruling::Deny(reason),
            Verdict::Deny(_) => Ruling::Deny(ReasonCode::NotAuthorized),
            Verdict::Ask => Ruling::Deny(FAULTY),
        }
    }

    /// Lets all hooks of the publish phase treat a message, until one stops it.
    pub fn treat(&self, client: &Client, message: &mut Outgoing<'_>) -> Treatment {
        for link in &self.links {
            if !link.phases.any_of(Phases::PUBLISH) {
                continue;
            }
            let treatment = self.contain(link, || link.hook.publish(client, message));
            match treatment.unwrap_or(Treatment::Refuse(FAULTY)) {
                Treatment::Next => {}
                stopped @ (Treatment::Drop | Treatment::Refuse(_)) => return stopped,
            }
        }
        Treatment::Next
    }

    /// The exchange of the first hook that offers the method.
    pub fn exchange(&self, attempt: &Credentials, method: &str) -> Option<Box<dyn Exchange>> {
        self.links
            .iter()
            .filter(|link| link.phases.any_of(Phases::EXCHANGE))
            .find_map(|link| {
                self.contain(link, || link.hook.exchange(attempt, method))
                    .flatten()
            })
    }

    /// One step of an exchange.
    pub fn step(&self, exchange: &mut dyn Exchange, data: Option<&[u8]>) -> Step {
        catch_unwind(AssertUnwindSafe(|| exchange.step(data))).unwrap_or_else(|_| {
            self.count_panic("an exchange");
            Step::Deny(FAULTY)
        })
    }

    /// Tells all hooks of a phase.
    pub fn tell(&self, phase: Phases, tell: impl Fn(&dyn Hook)) {
        for link in &self.links {
            if link.phases.any_of(phase) {
                self.contain(link, || tell(&*link.hook));
            }
        }
    }

    /// Reads again what the hooks were configured with, and puts it into use where
    /// all have succeeded. The caller has the engines forget what they remember.
    ///
    /// # Errors
    /// The first hook's error; everything stays as it was.
    pub fn reload(&self) -> Result<(), HookError> {
        let commits = self
            .links
            .iter()
            .map(|link| link.hook.prepare_reload())
            .collect::<Result<Vec<_>, _>>()?;
        for commit in commits {
            commit();
        }
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Counts a panic that was caught elsewhere.
    pub fn count_panic(&self, whose: &str) {
        self.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!(hook = whose, "a hook panicked; taken for a refusal");
    }

    /// Runs one hook; `None` when it panicked.
    fn contain<T>(&self, link: &Link, run: impl FnOnce() -> T) -> Option<T> {
        // A hook is shared by shards that run at once, so it must be fit to be seen
        // half way through anyway.
        let outcome = catch_unwind(AssertUnwindSafe(run)).ok();
        if outcome.is_none() {
            self.count_panic(link.hook.name());
        }
        outcome
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.links
                    .iter()
                    .map(|link| (link.hook.name(), link.phases)),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests;

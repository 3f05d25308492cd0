//! Several hooks in their order, as one.
//!
//! Owns the hooks, and which of them hold for which listener; one chain is shared by all
//! shards and workers. Contains what a hook breaks: a panic counts as a refusal and is
//! counted. Lives wherever it is asked; never waits.
//!
//! [`Chain::phases`] is looked at before anything is done for a phase; without hooks
//! that is all that messages pay. Which hooks are asked depends on the listener that a
//! client came through; each listener has its own list, so nothing is searched.

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
    memory: Duration,
}

/// The hooks that are asked about the clients of one listener.
#[derive(Default)]
struct Line {
    /// Places among the links, in the order of asking, and how long an answer that came
    /// this far may be remembered.
    places: Vec<(usize, Duration)>,
    phases: Phases,
    /// Whether any of them judges filters and never the deliveries that they bring.
    grants_for_good: bool,
}

/// All hooks of a broker.
#[derive(Default)]
pub struct Chain {
    /// Each hook once, however many listeners have it.
    links: Vec<Link>,
    phases: Phases,
    /// By listener.
    lines: Vec<Line>,
    /// For listeners that have no hooks of their own.
    general: Line,
    generation: AtomicU64,
    panics: AtomicU64,
}

impl Chain {
    /// These hooks in this order, for all listeners.
    #[must_use]
    pub fn new(hooks: impl IntoIterator<Item = Arc<dyn Hook>>) -> Self {
        let general: Vec<_> = hooks.into_iter().collect();
        Self::of_listeners(&[], &general)
    }

    /// For each listener its own hooks in their order, and behind them the general ones.
    #[must_use]
    pub fn of_listeners(own: &[Vec<Arc<dyn Hook>>], general: &[Arc<dyn Hook>]) -> Self {
        let mut chain = Self::default();
        chain.general = chain.line(general.iter());
        chain.lines = own
            .iter()
            .map(|own| chain.line(own.iter().chain(general)))
            .collect();
        chain
    }

    fn line<'a>(&mut self, hooks: impl Iterator<Item = &'a Arc<dyn Hook>>) -> Line {
        let mut line = Line::default();
        let mut memory = Duration::MAX;
        for hook in hooks {
            let place = self.place_of(hook);
            let link = &self.links[place];
            // A hook that a listener shares with all others is asked once.
            if line.places.iter().all(|(known, _)| *known != place) {
                memory = memory.min(link.memory);
                line.phases |= link.phases;
                line.grants_for_good |= link.phases.any_of(Phases::AUTHORIZE_SUBSCRIBE)
                    && !link
                        .phases
                        .any_of(Phases::DELIVER | Phases::DELIVER_FILTERED);
                line.places.push((place, memory));
            }
        }
        line
    }

    fn place_of(&mut self, hook: &Arc<dyn Hook>) -> usize {
        let same = |link: &Link| std::ptr::addr_eq(Arc::as_ptr(&link.hook), Arc::as_ptr(hook));
        if let Some(known) = self.links.iter().position(same) {
            return known;
        }
        let phases = hook.phases();
        self.phases |= phases;
        self.links.push(Link {
            hook: Arc::clone(hook),
            phases,
            memory: hook.memory(),
        });
        self.links.len() - 1
    }

    #[inline]
    fn line_of(&self, listener: u16) -> &Line {
        self.lines
            .get(usize::from(listener))
            .unwrap_or(&self.general)
    }

    /// The links that take part in a phase for this listener.
    fn links_in(&self, listener: u16, phase: Phases) -> impl Iterator<Item = &Link> {
        let places = self.line_of(listener).places.iter();
        places
            .map(|(place, _)| &self.links[*place])
            .filter(move |link| link.phases.any_of(phase))
    }

    /// The phases in which any hook takes part, for any listener.
    #[must_use]
    #[inline]
    pub fn phases(&self) -> Phases {
        self.phases
    }

    /// The phases in which any hook takes part for this listener.
    #[must_use]
    #[inline]
    pub fn phases_of(&self, listener: u16) -> Phases {
        self.line_of(listener).phases
    }

    /// Whether a hook of this listener decides about subscriptions that never sees what
    /// they bring, so that there is no judging its clients anew but by their SUBSCRIBE.
    #[must_use]
    pub(crate) fn grants_for_good(&self, listener: u16) -> bool {
        self.line_of(listener).grants_for_good
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

    /// How long decisions about clients of this listener may be remembered that the hook
    /// at this place made, or that nobody made.
    #[must_use]
    pub fn memory(&self, listener: u16, decided_by: Option<usize>) -> Duration {
        let places = &self.line_of(listener).places;
        let decided = match decided_by {
            Some(place) => places.iter().find(|(known, _)| *known == place),
            None => places.last(),
        };
        decided.map_or(Duration::MAX, |(_, memory)| *memory)
    }

    /// The hook at this place.
    #[must_use]
    pub fn hook(&self, place: usize) -> Option<&Arc<dyn Hook>> {
        self.links.get(place).map(|link| &link.hook)
    }

    /// Asks the hooks of a phase that hold for a listener, until one decides. Tells its
    /// place.
    pub fn rule(
        &self,
        listener: u16,
        phase: Phases,
        ask: impl Fn(&dyn Hook) -> Verdict,
    ) -> (Ruling, Option<usize>) {
        self.rule_among(&self.line_of(listener).places, phase, ask)
    }

    fn rule_among(
        &self,
        places: &[(usize, Duration)],
        phase: Phases,
        ask: impl Fn(&dyn Hook) -> Verdict,
    ) -> (Ruling, Option<usize>) {
        for &(place, _) in places {
            let link = &self.links[place];
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
        listener: u16,
        phase: Phases,
        answered: Option<(usize, Answer)>,
        busy: ReasonCode,
        ask: impl Fn(&dyn Hook) -> Verdict,
    ) -> (Ruling, Option<usize>) {
        match answered {
            None => self.rule(listener, phase, ask),
            Some((place, Answer::Verdict(Verdict::Next))) => {
                let places = &self.line_of(listener).places;
                let behind = places.iter().skip_while(|(known, _)| *known != place);
                let behind = places.len() - behind.skip(1).count();
                self.rule_among(&places[behind..], phase, ask)
            }
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
        for link in self.links_in(client.listener(), Phases::PUBLISH) {
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
        self.links_in(attempt.listener(), Phases::EXCHANGE)
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

    /// Tells all hooks of a phase that hold for a listener.
    pub fn tell(&self, listener: u16, phase: Phases, tell: impl Fn(&dyn Hook)) {
        for link in self.links_in(listener, phase) {
            self.contain(link, || tell(&*link.hook));
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

//! What the hooks of a run decide: rules that hooks and checker share, and the hooks.
//!
//! Owns the rules and their generation. The opinions are functions of names, the
//! run's seed and the generation, so that the checker knows them without having seen
//! a hook asked. Hooks live in the engines; they wait for nothing: where they ask for
//! time, `questions` finds the answer, by the same rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringmq::hooks::{
    Client, Commit, Credentials, DeliverRequest, Hook, HookError, Phases, PublishRequest,
    SubscribeRequest, Verdict,
};
use ringmq::protocol::ReasonCode;

use crate::plan::{Feature, Plan};
use crate::random::Random;

/// What a rule says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opinion {
    /// Nothing.
    None,
    /// Yes.
    Allow,
    /// Yes, but each delivery is judged.
    AllowFiltered,
    /// No.
    Deny(ReasonCode),
    /// It breaks down.
    Panic,
}

impl Opinion {
    /// As a hook on a shard says it.
    fn said(self) -> Verdict {
        match self {
            Self::None => Verdict::Next,
            Self::Allow => Verdict::Allow,
            Self::AllowFiltered => Verdict::AllowFiltered,
            Self::Deny(reason) => Verdict::Deny(reason),
            // Unlike `panic!` it prints nothing.
            Self::Panic => std::panic::resume_unwind(Box::new("a hook panics on purpose")),
        }
    }
}

/// What is wanted, in words that do not borrow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wish {
    /// To connect under this user name; asked first.
    Connect(String),
    /// To be who that is; asked next.
    Authenticate(String),
    /// To leave a will.
    Will,
    /// To publish there.
    Publish(String),
    /// To subscribe to this.
    Subscribe(String),
    /// To receive this.
    Deliver(String),
}

/// The rules of a run.
#[derive(Debug)]
pub struct Rules {
    plan: Plan,
    generation: AtomicU64,
}

impl Rules {
    /// The rules of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.clone(),
            generation: AtomicU64::new(0),
        }
    }

    /// Counts the changes of the rules.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// What is said of this client's wish under the rules of a generation, by
    /// whichever hook decides.
    #[must_use]
    pub fn opinion(&self, client: &str, wish: &Wish, generation: u64) -> Opinion {
        let ordinary = client.starts_with("client-");
        let mut dice = self.dice(client, wish, generation);
        let breaks = ordinary && self.plan.has(Feature::BrokenHooks) && dice.percent(4);
        let denies = ordinary && dice.percent(15);
        match wish {
            Wish::Connect(user) if user.starts_with("banned") => Opinion::Deny(ReasonCode::Banned),
            Wish::Connect(user) if user.starts_with("crash") => Opinion::Panic,
            Wish::Authenticate(user) if user.starts_with("intruder") => {
                Opinion::Deny(ReasonCode::BadUserNameOrPassword)
            }
            Wish::Connect(_) => Opinion::None,
            Wish::Authenticate(user) if user.starts_with("stranger") => Opinion::None,
            Wish::Authenticate(_) => Opinion::Allow,
            Wish::Publish(_) | Wish::Subscribe(_) if breaks => Opinion::Panic,
            Wish::Deliver(_) if denies => Opinion::Deny(ReasonCode::NotAuthorized),
            Wish::Will | Wish::Publish(_) | Wish::Subscribe(_) if denies => {
                Opinion::Deny(*dice.pick(&[
                    ReasonCode::NotAuthorized,
                    ReasonCode::QuotaExceeded,
                    // What some answers can not carry.
                    ReasonCode::Banned,
                    ReasonCode::PacketIdentifierInUse,
                ]))
            }
            Wish::Subscribe(_) if self.filters() => Opinion::AllowFiltered,
            Wish::Will | Wish::Publish(_) | Wish::Subscribe(_) | Wish::Deliver(_) => Opinion::Allow,
        }
    }

    /// Whether deliveries are judged only where subscriptions were granted so.
    fn filters(&self) -> bool {
        self.plan.has(Feature::JudgeDeliveries)
            && self.plan.has(Feature::JudgeSubscribes)
            && self.plan.seed.is_multiple_of(2)
    }

    /// Whether the hook in this place needs time to answer.
    fn takes_time(&self, place: usize, client: &str, wish: &Wish) -> bool {
        // The watcher and the probes only look on.
        let looks_on = !client.starts_with("client-") && !client.starts_with("worker-");
        let mut dice = self.dice(client, wish, place as u64 + 1_000);
        !looks_on && dice.percent(if place == 0 { 20 } else { 50 })
    }

    fn dice(&self, client: &str, wish: &Wish, salt: u64) -> Random {
        let (kind, name) = match wish {
            Wish::Connect(user) => (1, user.as_str()),
            Wish::Authenticate(user) => (2, user.as_str()),
            Wish::Will => (3, ""),
            Wish::Publish(topic) => (4, topic.as_str()),
            Wish::Subscribe(filter) => (5, filter.as_str()),
            Wish::Deliver(topic) => (6, topic.as_str()),
        };
        let bytes = client.bytes().chain([0, kind]).chain(name.bytes());
        let mixed = bytes.fold(self.plan.seed ^ salt, |hash, byte| {
            (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517C_C1B7_2722_0A95)
        });
        Random::new(mixed)
    }

    /// The hooks: the first has no opinion and sometimes needs time to find that out,
    /// the second decides.
    #[must_use]
    pub fn hooks(self: &Arc<Self>) -> Vec<Arc<dyn Hook>> {
        if !self.plan.has_hooks() {
            return Vec::new();
        }
        let hook = |place| {
            let rules = Arc::clone(self);
            Arc::new(Judge { place, rules }) as Arc<dyn Hook>
        };
        vec![hook(0), hook(1)]
    }

    /// What a worker finds out for the hook in this place.
    #[must_use]
    pub fn found(&self, place: usize, client: &str, wish: &Wish) -> Opinion {
        if place == 0 {
            return Opinion::None;
        }
        self.opinion(client, wish, self.generation())
    }
}

/// One of the hooks.
struct Judge {
    place: usize,
    rules: Arc<Rules>,
}

impl Judge {
    fn say(&self, client: &str, wish: &Wish) -> Verdict {
        if self.rules.takes_time(self.place, client, wish) {
            return Verdict::Ask;
        }
        self.rules.found(self.place, client, wish).said()
    }
}

impl Hook for Judge {
    fn name(&self) -> &'static str {
        "judge"
    }

    fn phases(&self) -> Phases {
        let plan = &self.rules.plan;
        let mut phases = Phases::NONE;
        if plan.has(Feature::JudgeConnects) {
            phases |= Phases::CONNECT | Phases::AUTHENTICATE;
        }
        if plan.has(Feature::JudgePublishes) {
            phases |= Phases::AUTHORIZE_PUBLISH;
        }
        if plan.has(Feature::JudgeSubscribes) {
            phases |= Phases::AUTHORIZE_SUBSCRIBE;
        }
        if plan.has(Feature::JudgeDeliveries) && self.place == 1 {
            phases |= if self.rules.filters() {
                Phases::DELIVER_FILTERED
            } else {
                Phases::DELIVER
            };
        }
        phases
    }

    fn memory(&self) -> Duration {
        match self.rules.plan.seed % 3 {
            0 => Duration::ZERO,
            1 => Duration::from_secs(2),
            _ => Duration::MAX,
        }
    }

    fn connect(&self, attempt: &Credentials) -> Verdict {
        let user = attempt.user_name().unwrap_or_default().to_owned();
        self.say(attempt.client_id(), &Wish::Connect(user))
    }

    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        let user = attempt.user_name().unwrap_or_default().to_owned();
        self.say(attempt.client_id(), &Wish::Authenticate(user))
    }

    fn authorize_publish(&self, client: &Client, request: &PublishRequest<'_>) -> Verdict {
        let wish = if request.will {
            Wish::Will
        } else {
            Wish::Publish(request.topic.to_owned())
        };
        self.say(client.client_id(), &wish)
    }

    fn authorize_subscribe(&self, client: &Client, request: &SubscribeRequest<'_>) -> Verdict {
        let wish = Wish::Subscribe(request.filter.as_str().to_owned());
        self.say(client.client_id(), &wish)
    }

    fn deliver(&self, client: &Client, request: &DeliverRequest<'_>) -> Verdict {
        let wish = Wish::Deliver(request.topic.to_owned());
        self.rules.found(1, client.client_id(), &wish).said()
    }

    fn prepare_reload(&self) -> Result<Commit<'_>, HookError> {
        Ok(Box::new(|| {
            if self.place == 1 {
                self.rules.generation.fetch_add(1, Ordering::Relaxed);
            }
        }))
    }
}

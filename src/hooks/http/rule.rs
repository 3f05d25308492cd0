//! The hook that has a third party decide.
//!
//! Owns threads, the queue before them, and a memory of answers. On the shard it only
//! says that it has to ask. A question that nobody waits for any more is not put; a
//! full queue refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;

use super::caller::Caller;
use super::message::{Answered, Outcome, body};
use super::settings::{HttpQuestions, HttpSettings};
use crate::hooks::secrets::{Digest256, hmac, random};
use crate::hooks::{
    Client, Commit, Credentials, Grant, Hook, HookError, Phases, PublishRequest, Question, Reply,
    SubscribeRequest, Verdict,
};
use crate::protocol::ReasonCode;

/// Requests under way at once.
const THREADS: usize = 16;

/// Questions that may wait for a thread.
const QUEUE: usize = 1_024;

/// Answers remembered, of about 200 bytes each.
const REMEMBERED: usize = 16_384;

/// Between two lines in the log about a third party that does not answer.
const SILENCE: Duration = Duration::from_secs(10);

/// Asks a third party.
pub struct HttpRule {
    settings: HttpSettings,
    shared: Arc<Shared>,
    /// The threads end when it is gone.
    queue: flume::Sender<Waiting>,
}

/// A question in the queue.
struct Waiting {
    question: Question,
    reply: Reply,
}

#[derive(Clone)]
struct Remembered {
    answered: Answered,
    until: Instant,
    generation: u64,
}

/// What the threads have in common.
struct Shared {
    caller: ArcSwap<Caller>,
    /// By a digest of the whole question.
    answers: Cache<Digest256, Remembered>,
    /// Keys the digests: those of passwords say nothing outside this process.
    key: Digest256,
    memory: Duration,
    generation: AtomicU64,
    started: Instant,
    /// Milliseconds from `started` on until which the log has heard enough.
    quiet_until: AtomicU64,
}

impl HttpRule {
    /// Reads the files that the settings name and starts the threads; asks nothing yet.
    pub fn open(settings: &HttpSettings) -> Result<Self, HookError> {
        let key = random().map_err(|error| HookError(format!("no random bytes: {error}")))?;
        let shared = Arc::new(Shared {
            caller: ArcSwap::from_pointee(Caller::new(settings)?),
            answers: Cache::new(REMEMBERED),
            key,
            memory: settings.memory,
            generation: AtomicU64::new(0),
            started: Instant::now(),
            quiet_until: AtomicU64::new(0),
        });
        let (queue, questions) = flume::bounded::<Waiting>(QUEUE);
        for number in 0..THREADS {
            let (shared, questions) = (Arc::clone(&shared), questions.clone());
            // Nobody joins them: a request under way must not hold up the stop.
            thread::Builder::new()
                .name(format!("http-{number}"))
                .spawn(move || {
                    for waiting in &questions {
                        shared.serve(waiting);
                    }
                })
                .map_err(|error| HookError(format!("a thread for {}: {error}", settings.url)))?;
        }
        if settings.url.starts_with("http://") && !is_local(&settings.url) {
            let url = &settings.url;
            tracing::warn!("{url} is asked without TLS: passwords cross the network in clear");
        }
        Ok(Self {
            settings: settings.clone(),
            shared,
            queue,
        })
    }

    fn questions(&self) -> HttpQuestions {
        self.settings.questions
    }
}

fn is_local(url: &str) -> bool {
    let host = url.trim_start_matches("http://");
    ["127.", "localhost", "[::1]"]
        .iter()
        .any(|local| host.starts_with(local))
}

impl Shared {
    /// Answers one question. Blocks.
    fn serve(&self, waiting: Waiting) {
        let Waiting { question, reply } = waiting;
        // Otherwise the reply is dropped, which denies; its client is gone or was
        // refused already.
        if reply.is_awaited() {
            reply.answer(self.verdict(&question));
        }
    }

    fn verdict(&self, question: &Question) -> Verdict {
        let Some(body) = body(question) else {
            return Verdict::Next;
        };
        let connecting = matches!(question, Question::Authenticate(_));
        let generation = self.generation.load(Ordering::Acquire);
        let digest = hmac(&self.key, &[&body]);
        if let Some(known) = self.answers.get(&digest)
            && known.generation == generation
            && Instant::now() < known.until
        {
            return verdict(known.answered, connecting);
        }
        match self.caller.load().ask(&body) {
            Ok(answered) => {
                // Refused logins are not remembered: whoever guesses passwords must not
                // push out what others live on.
                if !self.memory.is_zero() && (!connecting || answered.result == Outcome::Allow) {
                    let remembered = Remembered {
                        answered: answered.clone(),
                        until: Instant::now() + self.memory,
                        generation,
                    };
                    self.answers.insert(digest, remembered);
                }
                verdict(answered, connecting)
            }
            Err(why) => {
                self.tell(&why);
                Verdict::Deny(if connecting {
                    ReasonCode::ServerUnavailable
                } else {
                    ReasonCode::ImplementationSpecific
                })
            }
        }
    }

    /// Says in the log what is wrong, now and then.
    fn tell(&self, why: &str) {
        let now = millis(self.started.elapsed());
        let quiet_until = self.quiet_until.load(Ordering::Relaxed);
        let next = now.saturating_add(millis(SILENCE));
        let first = now >= quiet_until
            && self
                .quiet_until
                .compare_exchange(quiet_until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if first {
            tracing::error!("no answer about who may do what, so nobody may: {why}");
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn verdict(answered: Answered, connecting: bool) -> Verdict {
    match (answered.result, connecting) {
        (Outcome::Allow, false) => Verdict::Allow,
        (Outcome::Allow, true) => Verdict::Grant(Box::new(Grant {
            user_name: answered.user_name.map(Into::into),
            lasts: answered.expires_in.map(Duration::from_secs),
            attachment: None,
        })),
        (Outcome::Ignore, true) => Verdict::Next,
        (Outcome::Deny, true) => Verdict::Deny(ReasonCode::BadUserNameOrPassword),
        // The last of all rules: what nobody has allowed is denied.
        (Outcome::Deny | Outcome::Ignore, false) => Verdict::Deny(ReasonCode::NotAuthorized),
    }
}

impl Hook for HttpRule {
    fn name(&self) -> &'static str {
        "HTTP"
    }

    fn phases(&self) -> Phases {
        let asked = self.questions();
        let mut phases = Phases::NONE;
        for (asked, phase) in [
            (asked.connect, Phases::AUTHENTICATE),
            (asked.publish, Phases::AUTHORIZE_PUBLISH),
            (asked.subscribe, Phases::AUTHORIZE_SUBSCRIBE),
        ] {
            if asked {
                phases |= phase;
            }
        }
        phases
    }

    fn memory(&self) -> Duration {
        self.settings.memory
    }

    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        if attempt.is_anonymous() {
            Verdict::Next
        } else {
            Verdict::Ask
        }
    }

    fn authorize_publish(&self, _: &Client, _: &PublishRequest<'_>) -> Verdict {
        Verdict::Ask
    }

    fn authorize_subscribe(&self, _: &Client, _: &SubscribeRequest<'_>) -> Verdict {
        Verdict::Ask
    }

    fn resolve(&self, question: Question, reply: Reply) {
        let waiting = Waiting { question, reply };
        if let Err(refused) = self.queue.try_send(waiting) {
            let Waiting {
                question, reply, ..
            } = refused.into_inner();
            let connecting = matches!(question, Question::Authenticate(_));
            reply.answer(Verdict::Deny(if connecting {
                ReasonCode::ServerBusy
            } else {
                ReasonCode::ImplementationSpecific
            }));
        }
    }

    fn prepare_reload(&self) -> Result<Commit<'_>, HookError> {
        let caller = Arc::new(Caller::new(&self.settings)?);
        Ok(Box::new(move || {
            self.shared.caller.store(caller);
            self.shared.generation.fetch_add(1, Ordering::Release);
            self.shared.answers.clear();
        }))
    }
}

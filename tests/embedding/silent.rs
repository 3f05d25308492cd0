//! A hook that answers only when the test does.
//!
//! Owns the replies that it was given. What is called `slow` is asked about, what is
//! called `panic` panics, everything else is allowed.

use std::sync::{Arc, Mutex};

use ringmq::broker::Limits;
use ringmq::hooks::{
    Client as HookClient, Credentials, Hook, Phases, PublishRequest, Question, Reply,
    SubscribeRequest, Verdict,
};

use crate::support::wire::Connect;
use crate::wait::until;
use crate::with_brokers;

/// Keeps the replies to everything that it is asked.
#[derive(Clone, Default)]
pub struct Silent(Arc<Mutex<Vec<(String, Reply)>>>);

impl Silent {
    pub fn asked(&self) -> usize {
        self.0.lock().expect("not poisoned").len()
    }

    pub fn take(&self) -> (String, Reply) {
        until("a question", || self.asked() > 0);
        self.0.lock().expect("not poisoned").remove(0)
    }
}

impl Hook for Silent {
    fn phases(&self) -> Phases {
        Phases::AUTHENTICATE | Phases::AUTHORIZE_PUBLISH | Phases::AUTHORIZE_SUBSCRIBE
    }

    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        match attempt.user_name() {
            Some("slow") => Verdict::Ask,
            Some("panic") => panic!("on purpose"),
            _ => Verdict::Allow,
        }
    }

    fn authorize_publish(&self, _: &HookClient, request: &PublishRequest<'_>) -> Verdict {
        match request.topic {
            "slow" => Verdict::Ask,
            "panic" => panic!("on purpose"),
            _ => Verdict::Allow,
        }
    }

    fn authorize_subscribe(&self, _: &HookClient, request: &SubscribeRequest<'_>) -> Verdict {
        match request.filter.as_str() {
            "slow" => Verdict::Ask,
            _ => Verdict::Allow,
        }
    }

    fn resolve(&self, question: Question, reply: Reply) {
        let about = match &question {
            Question::Authenticate(attempt) => attempt.client_id().to_owned(),
            Question::Publish { client, .. } | Question::Subscribe { client, .. } => {
                client.client_id().to_owned()
            }
            other => panic!("not asked for: {other:?}"),
        };
        if about.starts_with("break") {
            panic!("on purpose");
        }
        self.0.lock().expect("not poisoned").push((about, reply));
    }
}

/// CONNECT of a client whose verdict the test gives.
pub fn slow(client_id: &str) -> Connect {
    Connect::v5(client_id).username("slow").password(b"p")
}

/// Brokers with one shard and with four, and their hook.
pub fn with_silence(
    limits: Limits,
    test: impl Fn(&Silent, &ringmq::broker::BrokerHandle, &crate::Target),
) {
    let silent = Silent::default();
    with_brokers(
        |builder| builder.limits(limits.clone()).hook(silent.clone()),
        |broker, target| test(&silent, broker, target),
    );
}

//! A hook whose opinions can be read off names, for tests.
//!
//! Owns a log of what it was told. `deny`, `ask`, `panic`, `filtered` as a user name or
//! as the first level of a topic say what it does; anything else is allowed. Nobody may
//! read what ends in `secret`, and only NAME what ends in `for-NAME`.

use std::sync::{Arc, Mutex};

use crate::hooks::{
    Chain, Client, Credentials, DeliverRequest, DropReason, Exchange, Grant, Hook, Outgoing,
    Parting, Phases, PublishRequest, Step, SubscribeRequest, Treatment, Verdict,
};
use crate::protocol::{QoS, ReasonCode};

/// The hook; clones share their log.
#[derive(Clone)]
pub struct Rules {
    pub phases: Phases,
    pub memory: std::time::Duration,
    log: Arc<Mutex<Vec<String>>>,
}

impl Rules {
    pub fn new(phases: Phases) -> Self {
        Self {
            phases,
            memory: std::time::Duration::MAX,
            log: Arc::default(),
        }
    }

    pub fn chain(&self) -> Arc<Chain> {
        Arc::new(Chain::new([Arc::new(self.clone()) as Arc<dyn Hook>]))
    }

    /// What it was told since the last look.
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().expect("not poisoned"))
    }

    fn note(&self, what: String) {
        self.log.lock().expect("not poisoned").push(what);
    }
}

fn opinion(name: &str) -> Verdict {
    match name.split('/').next().unwrap_or_default() {
        "deny" => Verdict::Deny(ReasonCode::NotAuthorized),
        "ask" => Verdict::Ask,
        "filtered" => Verdict::AllowFiltered,
        "panic" => panic!("a hook panics on purpose"),
        _ => Verdict::Allow,
    }
}

/// Lets in who says "two" after "one".
struct Counting;

impl Exchange for Counting {
    fn step(&mut self, data: Option<&[u8]>) -> Step {
        match data {
            Some(b"one") => Step::Continue(b"more".to_vec()),
            Some(b"two") => Step::Done(
                Some(b"welcome".to_vec()),
                Grant {
                    user_name: Some("counted".into()),
                    ..Grant::default()
                },
            ),
            Some(b"other") => Step::Done(
                None,
                Grant {
                    user_name: Some("other".into()),
                    ..Grant::default()
                },
            ),
            Some(b"ask") => Step::Ask,
            _ => Step::Deny(ReasonCode::NotAuthorized),
        }
    }
}

impl Hook for Rules {
    fn phases(&self) -> Phases {
        self.phases
    }

    fn memory(&self) -> std::time::Duration {
        self.memory
    }

    fn connect(&self, attempt: &Credentials) -> Verdict {
        opinion(attempt.client_id())
    }

    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        attempt
            .user_name()
            .map_or(Verdict::Next, |name| match name {
                "stranger" => Verdict::Next,
                "renamed" => Verdict::Grant(Box::new(Grant {
                    user_name: Some("another".into()),
                    lasts: Some(std::time::Duration::from_secs(60)),
                    attachment: Some(Arc::new(7_u8)),
                })),
                name => opinion(name),
            })
    }

    fn exchange(&self, _: &Credentials, method: &str) -> Option<Box<dyn Exchange>> {
        (method == "COUNT").then(|| Box::new(Counting) as Box<dyn Exchange>)
    }

    fn authorize_publish(&self, client: &Client, request: &PublishRequest<'_>) -> Verdict {
        self.note(format!("publish {} {}", client.client_id(), request.topic));
        opinion(request.topic)
    }

    fn authorize_subscribe(&self, _: &Client, request: &SubscribeRequest<'_>) -> Verdict {
        opinion(request.matched().as_str())
    }

    fn publish(&self, _: &Client, message: &mut Outgoing<'_>) -> Treatment {
        match message.topic() {
            "drop" => Treatment::Drop,
            "refuse" => Treatment::Refuse(ReasonCode::QuotaExceeded),
            "bad" => panic!("a hook panics on purpose"),
            "rewrite" => {
                message.set_topic("rewritten").expect("a topic name");
                message.set_payload([message.payload(), b"!"].concat());
                Treatment::Next
            }
            _ => Treatment::Next,
        }
    }

    fn deliver(&self, client: &Client, request: &DeliverRequest<'_>) -> Verdict {
        self.note(format!("deliver {} {}", client.client_id(), request.topic));
        let last = request.topic.rsplit('/').next().unwrap_or_default();
        let denied = match last.strip_prefix("for-") {
            Some(whom) => whom != client.client_id(),
            None => last == "secret",
        };
        if denied {
            return Verdict::Deny(ReasonCode::NotAuthorized);
        }
        Verdict::Next
    }

    fn subscribed(&self, client: &Client, filter: &str, granted: QoS) {
        self.note(format!(
            "subscribed {} {filter} {}",
            client.client_id(),
            granted as u8
        ));
    }

    fn unsubscribed(&self, client: &Client, filter: &str) {
        self.note(format!("unsubscribed {} {filter}", client.client_id()));
    }

    fn session_opened(&self, client: &Client) {
        self.note(format!("opened {}", client.client_id()));
    }

    fn session_resumed(&self, client: &Client) {
        self.note(format!("resumed {}", client.client_id()));
    }

    fn session_ended(&self, client: &Client) {
        self.note(format!("ended {}", client.client_id()));
    }

    fn disconnected(&self, client: &Client, parting: Parting) {
        self.note(format!("disconnected {} {parting:?}", client.client_id()));
    }

    fn dropped(&self, client: &Client, topic: &str, reason: DropReason) {
        self.note(format!("dropped {} {topic} {reason:?}", client.client_id()));
    }
}

//! Hooks for the simple cases, each made of one closure.
//!
//! Owns the closures. They run where their phase runs: on a shard, and must not wait;
//! but for [`PasswordCheck`], which runs on a worker thread and may.

use std::time::Duration;

use crate::hooks::{
    Client, Credentials, Hook, Outgoing, Phases, PublishRequest, Question, Reply, SubscribeRequest,
    Treatment, Verdict,
};

/// What a client wants to do.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Access<'a> {
    /// To publish there.
    Publish(PublishRequest<'a>),
    /// To subscribe to that.
    Subscribe(SubscribeRequest<'a>),
}

/// Lets in whom a closure lets in.
pub(super) struct Authenticator<F>(pub(super) F);

impl<F: Fn(&Credentials) -> Verdict + Send + Sync + 'static> Hook for Authenticator<F> {
    fn name(&self) -> &'static str {
        "authenticator"
    }

    fn phases(&self) -> Phases {
        Phases::AUTHENTICATE
    }

    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        (self.0)(attempt)
    }
}

/// Lets in whose password a closure knows.
pub(super) struct PasswordCheck<F>(pub(super) F);

impl<F: Fn(&str, &[u8]) -> bool + Send + Sync + 'static> Hook for PasswordCheck<F> {
    fn name(&self) -> &'static str {
        "password check"
    }

    fn phases(&self) -> Phases {
        Phases::AUTHENTICATE
    }

    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        if attempt.user_name().is_some() && attempt.password().is_some() {
            Verdict::Ask
        } else {
            Verdict::Next
        }
    }

    fn resolve(&self, question: Question, reply: Reply) {
        let Question::Authenticate(attempt) = question else {
            return;
        };
        let password = attempt.password().map_or(&[][..], |p| p.as_bytes());
        let known = (self.0)(attempt.user_name().unwrap_or_default(), password);
        reply.answer(if known { Verdict::Allow } else { Verdict::Next });
    }
}

/// Allows what a closure allows; asked each time.
pub(super) struct Authorizer<F>(pub(super) F);

impl<F: Fn(&Client, Access<'_>) -> Verdict + Send + Sync + 'static> Hook for Authorizer<F> {
    fn name(&self) -> &'static str {
        "authorizer"
    }

    fn phases(&self) -> Phases {
        Phases::AUTHORIZE_PUBLISH | Phases::AUTHORIZE_SUBSCRIBE
    }

    fn memory(&self) -> Duration {
        Duration::ZERO
    }

    fn authorize_publish(&self, client: &Client, request: &PublishRequest<'_>) -> Verdict {
        (self.0)(client, Access::Publish(*request))
    }

    fn authorize_subscribe(&self, client: &Client, request: &SubscribeRequest<'_>) -> Verdict {
        (self.0)(client, Access::Subscribe(*request))
    }
}

/// Tells a closure of clients that are connected.
pub(super) struct OnConnect<F>(pub(super) F);

impl<F: Fn(&Client) + Send + Sync + 'static> Hook for OnConnect<F> {
    fn name(&self) -> &'static str {
        "on connect"
    }

    fn phases(&self) -> Phases {
        Phases::SESSIONS
    }

    fn session_opened(&self, client: &Client) {
        (self.0)(client);
    }

    fn session_resumed(&self, client: &Client) {
        (self.0)(client);
    }
}

/// Lets a closure have each message before it goes out.
pub(super) struct OnPublish<F>(pub(super) F);

impl<F: Fn(&Client, &mut Outgoing<'_>) -> Treatment + Send + Sync + 'static> Hook for OnPublish<F> {
    fn name(&self) -> &'static str {
        "on publish"
    }

    fn phases(&self) -> Phases {
        Phases::PUBLISH
    }

    fn publish(&self, client: &Client, message: &mut Outgoing<'_>) -> Treatment {
        (self.0)(client, message)
    }
}

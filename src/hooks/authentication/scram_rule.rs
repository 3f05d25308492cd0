//! The rule of SCRAM-SHA-256: enhanced authentication of MQTT 5 by keys in a file.
//!
//! Owns the file's current content. Lives on every shard: a server's share of SCRAM
//! costs microseconds, the expensive part is the client's. Other methods are left to
//! other rules.

use std::path::Path;

use super::password_file::{PasswordFile, SCRAM_ITERATIONS};
use super::scram::{Challenge, Decoy, METHOD, NONCE_BYTES, SECRET_BYTES};
use super::scram_keys::ScramKeys;
use crate::hooks::rule_file::RuleFile;
use crate::hooks::secrets::{hmac, random};
use crate::hooks::{Commit, Credentials, Exchange, Grant, Hook, HookError, Phases, Step};
use crate::protocol::ReasonCode;
use std::sync::Arc;

/// Conducts SCRAM-SHA-256.
pub struct ScramRule {
    file: RuleFile<PasswordFile>,
    /// For files without keys.
    secret: [u8; SECRET_BYTES],
}

impl ScramRule {
    /// Reads the file; users without SCRAM keys do not concern this rule.
    pub fn open(path: &Path) -> Result<Self, HookError> {
        Ok(Self {
            file: RuleFile::open(path, true, PasswordFile::parse)?,
            secret: random().map_err(|error| HookError(format!("no random bytes: {error}")))?,
        })
    }

    /// Invented salts come from a real key where there is one: the same after a
    /// restart, so that they do not give themselves away.
    fn decoy(&self, users: &PasswordFile) -> Decoy {
        let (secret, iterations) = match users.first_scram_keys() {
            Some(keys) => (hmac(&keys.server_key, &[b"decoy"]), keys.iterations),
            None => (self.secret, SCRAM_ITERATIONS),
        };
        Decoy::new(secret, iterations)
    }
}

impl Hook for ScramRule {
    fn name(&self) -> &'static str {
        "SCRAM file"
    }

    fn phases(&self) -> Phases {
        Phases::EXCHANGE
    }

    fn exchange(&self, attempt: &Credentials, method: &str) -> Option<Box<dyn Exchange>> {
        (method == METHOD).then(|| {
            let users = self.file.current();
            Box::new(ScramExchange {
                decoy: self.decoy(&users),
                users,
                claimed: attempt.user_name().map(Box::from),
                state: State::First,
            }) as Box<dyn Exchange>
        })
    }

    fn prepare_reload(&self) -> Result<Commit<'_>, HookError> {
        self.file.prepare()
    }
}

enum State {
    /// The client's first message is awaited.
    First,
    /// It was answered; the second is awaited.
    Second(Box<Challenge>),
    Over,
}

struct ScramExchange {
    users: Arc<PasswordFile>,
    decoy: Decoy,
    /// The user name of CONNECT, of the certificate, or of the client that is
    /// connected already: the exchange must be about the same one.
    claimed: Option<Box<str>>,
    state: State,
}

impl ScramExchange {
    fn first(&mut self, message: &[u8]) -> Step {
        let Ok(nonce) = random::<NONCE_BYTES>() else {
            return Step::Deny(ReasonCode::ServerUnavailable);
        };
        let find = |user: &str| -> Option<ScramKeys> { self.users.scram_keys(user) };
        let Some((challenge, answer)) = Challenge::begin(message, &nonce, &self.decoy, find) else {
            return Step::Deny(ReasonCode::NotAuthorized);
        };
        let claimed = self.claimed.as_deref();
        if claimed.is_some_and(|claimed| claimed != challenge.user()) {
            return Step::Deny(ReasonCode::NotAuthorized);
        }
        self.state = State::Second(Box::new(challenge));
        Step::Continue(answer)
    }
}

impl Exchange for ScramExchange {
    fn step(&mut self, data: Option<&[u8]>) -> Step {
        match (std::mem::replace(&mut self.state, State::Over), data) {
            // A client may name the method alone at first.
            (State::First, None) => {
                self.state = State::First;
                Step::Continue(Vec::new())
            }
            (State::First, Some(message)) => self.first(message),
            (State::Second(challenge), Some(message)) => match challenge.finish(message) {
                Some(proof) => {
                    let grant = Grant {
                        user_name: Some(challenge.user().into()),
                        ..Grant::default()
                    };
                    Step::Done(Some(proof), grant)
                }
                None => Step::Deny(ReasonCode::NotAuthorized),
            },
            (State::Second(_), None) | (State::Over, _) => Step::Deny(ReasonCode::NotAuthorized),
        }
    }
}

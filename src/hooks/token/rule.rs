//! The rule of tokens: a JWT as the password of CONNECT.
//!
//! Owns the key files' current content. Looks at the shape of a password on the shard,
//! checks signatures on workers, judges a token's own rights on the shard again. What
//! is no token is left to later rules.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};
use std::sync::Arc;

use super::claims::{self, ClaimNames, TokenRights};
use super::keys::TokenKeys;
use super::verifier;
use crate::hooks::authorization::acl_rules::Coverage;
use crate::hooks::rule_file::RuleFile;
use crate::hooks::{
    Client, Commit, Credentials, DeliverRequest, Grant, Hook, HookError, Phases, PublishRequest,
    Question, Reply, SubscribeRequest, Verdict,
};
use crate::protocol::ReasonCode;

/// The longest token looked at.
const MOST_BYTES: usize = 16 << 10;

/// Where keys come from.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TokenKeyFile {
    /// A public key in PEM, or a shared secret.
    Key(PathBuf),
    /// A JSON Web Key Set.
    Set(PathBuf),
}

/// Judges passwords that are tokens, and by the rights in them.
pub struct TokenRule {
    files: Vec<RuleFile<TokenKeys>>,
    names: ClaimNames,
}

impl TokenRule {
    /// Reads the key files.
    pub fn open(files: &[TokenKeyFile], names: ClaimNames) -> Result<Self, HookError> {
        verifier::install();
        let open = |file: &TokenKeyFile| match file {
            TokenKeyFile::Key(path) => RuleFile::open(path, true, TokenKeys::parse_key),
            TokenKeyFile::Set(path) => RuleFile::open(path, false, TokenKeys::parse_set),
        };
        Ok(Self {
            files: files.iter().map(open).collect::<Result<_, _>>()?,
            names,
        })
    }

    /// Takes up to some hundred microseconds. The error is for the log.
    fn judge(&self, token: &[u8]) -> Result<Grant, String> {
        let header = decode_header(token).map_err(|error| error.to_string())?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.names.leeway;
        validation.validate_nbf = true;
        validation.validate_aud = self.names.audience.is_some();
        if let Some(audience) = &self.names.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".into());
        }
        if let Some(issuer) = &self.names.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".into());
        }
        let mut found = Err("no key fits".to_owned());
        for file in &self.files {
            for key in file.current().candidates(&header) {
                match decode::<Map<String, Value>>(token, key, &validation) {
                    Ok(data) => return self.grant(&data.claims),
                    Err(error) => found = Err(error.to_string()),
                }
            }
        }
        found
    }

    fn grant(&self, claims: &Map<String, Value>) -> Result<Grant, String> {
        let missing = || format!("claim `{}` is no user name", self.names.user_name);
        let rights = claims::rights(claims, &self.names)?;
        Ok(Grant {
            user_name: Some(claims::user_name(claims, &self.names).ok_or_else(missing)?),
            lasts: Some(self.lasts(claims)),
            attachment: rights.map(|rights| Arc::new(rights) as _),
        })
    }

    /// Until `exp` and the leeway.
    fn lasts(&self, claims: &Map<String, Value>) -> Duration {
        let end = claims
            .get("exp")
            .and_then(Value::as_f64)
            .unwrap_or(0.0)
            .max(0.0);
        let end = Duration::try_from_secs_f64(end).unwrap_or(Duration::MAX);
        let end = end.saturating_add(Duration::from_secs(self.names.leeway));
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        end.saturating_sub(now)
    }
}

/// Three parts between dots, the first of which begins like the base64 of `{"`.
fn is_token(password: &[u8]) -> bool {
    let dots = password.iter().filter(|byte| **byte == b'.').count();
    dots == 2 && password.starts_with(b"ey")
}

fn judged(rights: Option<bool>) -> Verdict {
    match rights {
        Some(true) => Verdict::Allow,
        Some(false) | None => Verdict::Deny(ReasonCode::NotAuthorized),
    }
}

impl Hook for TokenRule {
    fn name(&self) -> &'static str {
        "tokens"
    }

    fn phases(&self) -> Phases {
        Phases::AUTHENTICATE
            | Phases::AUTHORIZE_PUBLISH
            | Phases::AUTHORIZE_SUBSCRIBE
            | Phases::DELIVER_FILTERED
    }

    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        match attempt.password() {
            Some(password) if is_token(password.as_bytes()) => {
                if password.as_bytes().len() <= MOST_BYTES {
                    Verdict::Ask
                } else {
                    Verdict::Deny(ReasonCode::BadUserNameOrPassword)
                }
            }
            Some(_) | None => Verdict::Next,
        }
    }

    fn resolve(&self, question: Question, reply: Reply) {
        let Question::Authenticate(attempt) = &question else {
            return reply.answer(Verdict::Next);
        };
        let password = attempt
            .password()
            .map_or(&b""[..], |known| known.as_bytes());
        reply.answer(match self.judge(password) {
            Ok(grant) => Verdict::Grant(Box::new(grant)),
            Err(why) => {
                let (id, peer) = (attempt.client_id(), attempt.peer());
                tracing::debug!("token of {id} from {peer} refused: {why}");
                Verdict::Deny(ReasonCode::BadUserNameOrPassword)
            }
        });
    }

    fn authorize_publish(&self, client: &Client, request: &PublishRequest<'_>) -> Verdict {
        let Some(TokenRights(rules)) = client.attachment() else {
            return Verdict::Next;
        };
        judged(rules.write(client.client_id(), client.user_name(), request.topic))
    }

    fn authorize_subscribe(&self, client: &Client, request: &SubscribeRequest<'_>) -> Verdict {
        let Some(TokenRights(rules)) = client.attachment() else {
            return Verdict::Next;
        };
        let filter = request.matched().as_str();
        match rules.coverage(client.client_id(), client.user_name(), filter) {
            Coverage::Whole => Verdict::Allow,
            Coverage::Part => Verdict::AllowFiltered,
            Coverage::Nothing => judged(None),
        }
    }

    fn deliver(&self, client: &Client, request: &DeliverRequest<'_>) -> Verdict {
        let Some(TokenRights(rules)) = client.attachment() else {
            return Verdict::Next;
        };
        judged(rules.read(client.client_id(), client.user_name(), request.topic))
    }

    fn prepare_reload(&self) -> Result<Commit<'_>, HookError> {
        let prepared = self.files.iter().map(RuleFile::prepare);
        let commits = prepared.collect::<Result<Vec<_>, _>>()?;
        Ok(Box::new(move || {
            commits.into_iter().for_each(|commit| commit())
        }))
    }
}

#[cfg(test)]
impl TokenRule {
    /// What `resolve` finds, for tests.
    pub(super) fn grant_of(&self, token: &str) -> Result<Grant, String> {
        self.judge(token.as_bytes())
    }
}

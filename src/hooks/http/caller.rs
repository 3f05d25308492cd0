//! One question over HTTP.
//!
//! Owns the connections to the third party. Blocks, with a bound: lives on threads of
//! its own, never on a shard. Follows no redirection and no proxy of the environment.

use std::time::Duration;

use ureq::Agent;
use ureq::http::{StatusCode, Uri};

use super::message::Answered;
use super::settings::HttpSettings;
use super::tls::tls;
use crate::hooks::HookError;

/// The largest answer looked at.
const MOST_BYTES: u64 = 64 << 10;

/// Asks.
pub(super) struct Caller {
    agent: Agent,
    url: Uri,
    bearer: Option<String>,
    attempts: u32,
}

/// Whom settings name, or what is wrong with them.
pub(super) fn url(settings: &HttpSettings) -> Result<Uri, HookError> {
    let text = &settings.url;
    let wrong = |what: &str| HookError(format!("{text}: {what}"));
    let url: Uri = text.parse().map_err(|_| wrong("is no URL"))?;
    let host = url.host().unwrap_or_default();
    match url.scheme_str() {
        _ if host.is_empty() => Err(wrong("write http://HOST[:PORT]/PATH or https://...")),
        Some("http" | "https") => Ok(()),
        _ => Err(wrong("write http://HOST[:PORT]/PATH or https://...")),
    }?;
    if url.authority().is_some_and(|it| it.as_str().contains('@')) {
        let what = "everybody can read a password in an URL; --auth-http-bearer takes a file";
        return Err(wrong(what));
    }
    let certifies = settings.authorities.is_some() || settings.certificate.is_some();
    if certifies && url.scheme_str() == Some("http") {
        let what = "nobody shows a certificate there; write https://, or leave out \
                    --auth-http-cafile, --auth-http-cert and --auth-http-key";
        return Err(wrong(what));
    }
    Ok(url)
}

impl Caller {
    /// Reads the files that the settings name.
    pub(super) fn new(settings: &HttpSettings) -> Result<Self, HookError> {
        let url = url(settings)?;
        let mut config = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("ringmq/", env!("CARGO_PKG_VERSION")))
            .max_idle_age(Duration::from_secs(30));
        if url.scheme_str() == Some("https") {
            config = config.tls_config(tls(settings)?);
        }
        Ok(Self {
            agent: config.build().new_agent(),
            url,
            bearer: bearer(settings)?,
            attempts: settings.retries.saturating_add(1),
        })
    }

    /// The answer, or why there is none.
    pub(super) fn ask(&self, body: &[u8]) -> Result<Answered, String> {
        let mut failure = String::new();
        for _ in 0..self.attempts {
            match self.attempt(body) {
                Ok(answered) => return answered,
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }

    /// The outer error is worth another attempt, the inner one is not.
    fn attempt(&self, body: &[u8]) -> Result<Result<Answered, String>, String> {
        let mut request = self.agent.post(&self.url);
        request = request.header("Content-Type", "application/json");
        if let Some(bearer) = &self.bearer {
            request = request.header("Authorization", bearer);
        }
        let mut response = request.send(body).map_err(|error| error.to_string())?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(format!("status {status}"));
        }
        if status != StatusCode::OK {
            return Ok(Err(format!("status {status}")));
        }
        let content = response
            .body_mut()
            .with_config()
            .limit(MOST_BYTES)
            .read_to_vec()
            .map_err(|error| error.to_string())?;
        let answered = serde_json::from_slice(&content);
        Ok(answered.map_err(|error| format!("an answer that is none: {error}")))
    }
}

fn bearer(settings: &HttpSettings) -> Result<Option<String>, HookError> {
    let Some(path) = &settings.bearer else {
        return Ok(None);
    };
    let wrong = |what: &dyn std::fmt::Display| HookError(format!("{}: {what}", path.display()));
    let content = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let token = content.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(&"holds no single word of ASCII characters"));
    }
    Ok(Some(format!("Bearer {token}")))
}

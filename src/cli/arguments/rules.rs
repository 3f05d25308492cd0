//! Who may do what, as options of `ringmq serve`.
//!
//! Owns the names and what fits together; the files are read by `cli/rules.rs`. Runs
//! on the main thread before anything starts; never opens a file.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::limits::number;
use crate::cli::failure::Failure;
use crate::hooks::http::{HttpQuestions, HttpSettings};
use crate::hooks::token::{ClaimNames, TokenKeyFile};

/// The rules as typed.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Who may do what (files are read again at SIGHUP)")]
pub(in crate::cli) struct RawRules {
    /// User names and hashed passwords, as `ringmq passwd` and mosquitto_passwd write
    /// them
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Who may publish and read which topics, as mosquitto's acl_file
    #[arg(long, value_name = "FILE")]
    acl_file: Option<PathBuf>,
    /// Users with keys for SCRAM-SHA-256 (MQTT 5), as `ringmq passwd -H scram-sha-256`
    /// writes them; may be the password file
    #[arg(long, value_name = "FILE")]
    scram_file: Option<PathBuf>,
    /// Accept tokens (JWT) as passwords, signed with this key: a public one in PEM, or a
    /// shared secret; may be repeated
    #[arg(long, value_name = "FILE")]
    jwt_key: Vec<PathBuf>,
    /// The same with the keys of a JSON Web Key Set; may be repeated
    #[arg(long, value_name = "FILE")]
    jwt_jwks: Vec<PathBuf>,
    /// The claim of a token that is the user name [default: sub]
    #[arg(long, value_name = "NAME")]
    jwt_user_claim: Option<String>,
    /// The claim of a token that holds its rights [default: acl]
    #[arg(long, value_name = "NAME")]
    jwt_acl_claim: Option<String>,
    /// What `iss` of a token must be
    #[arg(long, value_name = "TEXT")]
    jwt_issuer: Option<String>,
    /// What `aud` of a token must be or contain
    #[arg(long, value_name = "TEXT")]
    jwt_audience: Option<String>,
    /// Seconds by which clocks may differ from a token's [default: 60]
    #[arg(long, value_name = "SECONDS")]
    jwt_leeway: Option<String>,
    /// Ask this server by POST with JSON who may do what
    #[arg(long, value_name = "URL")]
    auth_http: Option<String>,
    /// Ask it about these only: connect, publish, subscribe [default: all]
    #[arg(long, value_name = "WHAT,...")]
    auth_http_for: Option<String>,
    /// Milliseconds for one answer of it [default: 2000]
    #[arg(long, value_name = "MS")]
    auth_http_timeout: Option<String>,
    /// Further attempts when it does not answer [default: 1]
    #[arg(long, value_name = "N")]
    auth_http_retries: Option<String>,
    /// Seconds for which its answers hold; 0: ask each time [default: 30]
    #[arg(long, value_name = "SECONDS")]
    auth_http_cache: Option<String>,
    /// Authorities (PEM) that it is certified by [default: those of the system]
    #[arg(long, value_name = "FILE")]
    auth_http_cafile: Option<PathBuf>,
    /// The certificate (PEM) that the broker shows it, if it asks
    #[arg(long, value_name = "FILE")]
    auth_http_cert: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(long, value_name = "FILE")]
    auth_http_key: Option<PathBuf>,
    /// A file whose content proves the broker to it (Authorization: Bearer ...)
    #[arg(long, value_name = "FILE")]
    auth_http_bearer: Option<PathBuf>,
}

/// The rules, in the order in which they are asked.
#[derive(Debug, Default)]
pub(crate) struct RulesSettings {
    pub(crate) token_keys: Vec<TokenKeyFile>,
    pub(crate) claims: ClaimNames,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) scram_file: Option<PathBuf>,
    pub(crate) acl_file: Option<PathBuf>,
    pub(crate) http: Option<HttpSettings>,
}

impl RawRules {
    pub(super) fn check(self) -> Result<RulesSettings, Failure> {
        let http = self.http()?;
        let claims = self.claims()?;
        let keys = self.jwt_key.into_iter().map(TokenKeyFile::Key);
        let sets = self.jwt_jwks.into_iter().map(TokenKeyFile::Set);
        Ok(RulesSettings {
            token_keys: keys.chain(sets).collect(),
            claims,
            password_file: self.password_file,
            scram_file: self.scram_file,
            acl_file: self.acl_file,
            http,
        })
    }

    fn claims(&self) -> Result<ClaimNames, Failure> {
        let mut names = ClaimNames::default();
        let given = [
            ("--jwt-user-claim", &self.jwt_user_claim),
            ("--jwt-acl-claim", &self.jwt_acl_claim),
            ("--jwt-issuer", &self.jwt_issuer),
            ("--jwt-audience", &self.jwt_audience),
            ("--jwt-leeway", &self.jwt_leeway),
        ];
        let keys = !self.jwt_key.is_empty() || !self.jwt_jwks.is_empty();
        needs(keys, "--jwt-key or --jwt-jwks", &given)?;
        if let Some(name) = &self.jwt_user_claim {
            names.user_name.clone_from(name);
        }
        if let Some(name) = &self.jwt_acl_claim {
            names.rights.clone_from(name);
        }
        names.issuer.clone_from(&self.jwt_issuer);
        names.audience.clone_from(&self.jwt_audience);
        if let Some(text) = &self.jwt_leeway {
            names.leeway = number("--jwt-leeway", text, &(0..=86_400))?;
        }
        Ok(names)
    }

    fn http(&self) -> Result<Option<HttpSettings>, Failure> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|it| it.display().to_string());
        let given = [
            ("--auth-http-for", &self.auth_http_for),
            ("--auth-http-timeout", &self.auth_http_timeout),
            ("--auth-http-retries", &self.auth_http_retries),
            ("--auth-http-cache", &self.auth_http_cache),
            ("--auth-http-cafile", &path(&self.auth_http_cafile)),
            ("--auth-http-cert", &path(&self.auth_http_cert)),
            ("--auth-http-key", &path(&self.auth_http_key)),
            ("--auth-http-bearer", &path(&self.auth_http_bearer)),
        ];
        needs(self.auth_http.is_some(), "--auth-http", &given)?;
        let Some(url) = &self.auth_http else {
            return Ok(None);
        };
        let mut settings = HttpSettings::new(url);
        if let Some(text) = &self.auth_http_for {
            settings.questions = questions(text)?;
        }
        if let Some(text) = &self.auth_http_timeout {
            let millis = number("--auth-http-timeout", text, &(1..=60_000))?;
            settings.timeout = Duration::from_millis(millis);
        }
        if let Some(text) = &self.auth_http_retries {
            settings.retries = number("--auth-http-retries", text, &(0..=10))?;
        }
        if let Some(text) = &self.auth_http_cache {
            let seconds = number("--auth-http-cache", text, &(0..=86_400))?;
            settings.memory = Duration::from_secs(seconds);
        }
        settings.authorities.clone_from(&self.auth_http_cafile);
        settings.certificate = match (&self.auth_http_cert, &self.auth_http_key) {
            (Some(chain), Some(key)) => Some((chain.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let what = "--auth-http-cert and --auth-http-key are given together";
                return Err(Failure::configuration(format_args!("{what}")));
            }
        };
        settings.bearer.clone_from(&self.auth_http_bearer);
        Ok(Some(settings))
    }
}

/// Options that mean nothing without another one.
fn needs(there: bool, what: &str, given: &[(&str, &Option<String>)]) -> Result<(), Failure> {
    let alone = given.iter().find(|(_, value)| !there && value.is_some());
    alone.map_or(Ok(()), |(option, _)| {
        Err(Failure::configuration(format_args!(
            "{option} needs {what}"
        )))
    })
}

fn questions(text: &str) -> Result<HttpQuestions, Failure> {
    let mut questions = HttpQuestions::default();
    for word in text.split(',') {
        match word.trim() {
            "connect" => questions.connect = true,
            "publish" => questions.publish = true,
            "subscribe" => questions.subscribe = true,
            other => {
                return Err(Failure::configuration(format_args!(
                    "--auth-http-for takes connect, publish and subscribe, not '{other}'"
                )));
            }
        }
    }
    Ok(questions)
}

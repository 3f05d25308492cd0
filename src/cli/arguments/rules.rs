//! Who may do what, as options of `ringmq serve`, for all listeners or for one.
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
#[command(
    next_help_heading = "Who may do what (files are read again at SIGHUP); also after an address"
)]
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
    /// Ask it about these only: connect, publish, subscribe; may be repeated [default: all]
    #[arg(long, value_name = "WHAT,...", value_delimiter = ',')]
    auth_http_for: Vec<String>,
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
    /// Options that mean nothing without another one, which neither these have nor the
    /// own ones of any listener that takes these.
    pub(super) fn check_use<'a>(
        &'a self,
        own: impl Iterator<Item = &'a Self> + Clone,
    ) -> Result<(), Failure> {
        let mut all = own.chain([self]);
        let keys = all.clone().any(Self::has_keys);
        let http = all.any(|rules| rules.auth_http.is_some());
        needs(keys, "--jwt-key or --jwt-jwks", &self.about_tokens())?;
        needs(http, "--auth-http", &self.about_http())?;
        // How a server is known and addressed is said of that one alone.
        let server = self.auth_http.is_some();
        needs(server, "--auth-http", &self.about_server())
    }

    /// A listener's own rules, and where they say nothing those of all listeners.
    pub(super) fn or(self, common: &Self) -> Self {
        // Keys belong together, and who is asked with how it is known and addressed.
        let keys = if self.has_keys() { &self } else { common };
        let (jwt_key, jwt_jwks) = (keys.jwt_key.clone(), keys.jwt_jwks.clone());
        let server = if self.auth_http.is_some() {
            &self
        } else {
            common
        };
        let auth_http = server.auth_http.clone();
        let (cafile, bearer) = (
            server.auth_http_cafile.clone(),
            server.auth_http_bearer.clone(),
        );
        let (cert, key) = (server.auth_http_cert.clone(), server.auth_http_key.clone());
        let tokens = keys.has_keys();
        let asks = auth_http.is_some();
        Self {
            password_file: either(self.password_file, &common.password_file, true),
            acl_file: either(self.acl_file, &common.acl_file, true),
            scram_file: either(self.scram_file, &common.scram_file, true),
            jwt_key,
            jwt_jwks,
            jwt_user_claim: either(self.jwt_user_claim, &common.jwt_user_claim, tokens),
            jwt_acl_claim: either(self.jwt_acl_claim, &common.jwt_acl_claim, tokens),
            jwt_issuer: either(self.jwt_issuer, &common.jwt_issuer, tokens),
            jwt_audience: either(self.jwt_audience, &common.jwt_audience, tokens),
            jwt_leeway: either(self.jwt_leeway, &common.jwt_leeway, tokens),
            auth_http,
            auth_http_for: if self.auth_http_for.is_empty() && asks {
                common.auth_http_for.clone()
            } else {
                self.auth_http_for
            },
            auth_http_timeout: either(self.auth_http_timeout, &common.auth_http_timeout, asks),
            auth_http_retries: either(self.auth_http_retries, &common.auth_http_retries, asks),
            auth_http_cache: either(self.auth_http_cache, &common.auth_http_cache, asks),
            auth_http_cafile: either(self.auth_http_cafile, &cafile, asks),
            auth_http_cert: either(self.auth_http_cert, &cert, asks),
            auth_http_key: either(self.auth_http_key, &key, asks),
            auth_http_bearer: either(self.auth_http_bearer, &bearer, asks),
        }
    }

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

    fn has_keys(&self) -> bool {
        !self.jwt_key.is_empty() || !self.jwt_jwks.is_empty()
    }

    /// The options about tokens besides their keys, and whether they are given.
    fn about_tokens(&self) -> [(&'static str, bool); 5] {
        [
            ("--jwt-user-claim", self.jwt_user_claim.is_some()),
            ("--jwt-acl-claim", self.jwt_acl_claim.is_some()),
            ("--jwt-issuer", self.jwt_issuer.is_some()),
            ("--jwt-audience", self.jwt_audience.is_some()),
            ("--jwt-leeway", self.jwt_leeway.is_some()),
        ]
    }

    /// The options about asking, and whether they are given.
    fn about_http(&self) -> [(&'static str, bool); 4] {
        [
            ("--auth-http-for", !self.auth_http_for.is_empty()),
            ("--auth-http-timeout", self.auth_http_timeout.is_some()),
            ("--auth-http-retries", self.auth_http_retries.is_some()),
            ("--auth-http-cache", self.auth_http_cache.is_some()),
        ]
    }

    /// The options about whom to ask besides the address, and whether they are given.
    fn about_server(&self) -> [(&'static str, bool); 4] {
        [
            ("--auth-http-cafile", self.auth_http_cafile.is_some()),
            ("--auth-http-cert", self.auth_http_cert.is_some()),
            ("--auth-http-key", self.auth_http_key.is_some()),
            ("--auth-http-bearer", self.auth_http_bearer.is_some()),
        ]
    }

    fn claims(&self) -> Result<ClaimNames, Failure> {
        let keys = self.has_keys();
        needs(keys, "--jwt-key or --jwt-jwks", &self.about_tokens())?;
        let mut names = ClaimNames::default();
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
        let server = self.auth_http.is_some();
        needs(server, "--auth-http", &self.about_http())?;
        needs(server, "--auth-http", &self.about_server())?;
        let Some(url) = &self.auth_http else {
            return Ok(None);
        };
        let mut settings = HttpSettings::new(url);
        if !self.auth_http_for.is_empty() {
            settings.questions = questions(&self.auth_http_for)?;
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

/// What is said of one listener, or else of all where it fits.
fn either<T: Clone>(own: Option<T>, common: &Option<T>, fits: bool) -> Option<T> {
    own.or_else(|| common.clone().filter(|_| fits))
}

/// Options that mean nothing without another one.
fn needs(there: bool, what: &str, given: &[(&str, bool)]) -> Result<(), Failure> {
    let alone = given.iter().find(|(_, given)| !there && *given);
    alone.map_or(Ok(()), |(option, _)| {
        Err(Failure::configuration(format_args!(
            "{option} needs {what}"
        )))
    })
}

fn questions(words: &[String]) -> Result<HttpQuestions, Failure> {
    let mut questions = HttpQuestions::default();
    for word in words {
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

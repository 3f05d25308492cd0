//! Whom to ask, about what, and how long to wait.
//!
//! Owns the defaults. Pure; what is wrong with them is said when they are used.

use std::path::PathBuf;
use std::time::Duration;

/// The questions that the third party answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct HttpQuestions {
    /// May a client with these credentials connect?
    pub connect: bool,
    /// May a client publish there?
    pub publish: bool,
    /// May a client subscribe to that?
    pub subscribe: bool,
}

/// How to ask.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HttpSettings {
    /// `http://` or `https://`.
    pub url: String,
    /// What it is asked about; everything by default.
    pub questions: HttpQuestions,
    /// For one attempt, from name resolution to the last byte.
    pub timeout: Duration,
    /// Further attempts where one got no answer.
    pub retries: u32,
    /// For how long an answer holds; zero asks each time.
    pub memory: Duration,
    /// A PEM file with the authorities that certify the server; those of the system
    /// where there is none.
    pub authorities: Option<PathBuf>,
    /// PEM files with the broker's own certificate chain and its key, for servers that
    /// ask for them.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// A file whose content goes into `Authorization: Bearer`.
    pub bearer: Option<PathBuf>,
}

impl HttpSettings {
    /// Everything is asked there.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            questions: HttpQuestions {
                connect: true,
                publish: true,
                subscribe: true,
            },
            // Two attempts fit well into the ten seconds that a client is kept waiting.
            timeout: Duration::from_secs(2),
            retries: 1,
            memory: Duration::from_secs(30),
            authorities: None,
            certificate: None,
            bearer: None,
        }
    }
}

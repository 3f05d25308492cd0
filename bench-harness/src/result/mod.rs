//! What is stored of a measurement: one scenario against one broker, repeated.
//!
//! Pure data with its JSON form; the only thing that reports are made from, so a
//! page drawn from a file says the same as one drawn right after the run.
//! [`StoredResult::new`] judges the repetitions together; nothing here measures.

pub mod distribution;
pub mod environment;
pub mod interval;
pub mod metric;
pub mod named;
pub mod run;
pub mod summary;

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use distribution::Distribution;
pub use environment::{Environment, ProcessFacts};
pub use interval::Interval;
pub use metric::{Better, Metric};
pub use named::Named;
pub use run::Run;
pub use summary::Summary;

/// Changes when a file written before can no longer be read.
pub const FORMAT: u32 = 1;

/// One scenario against one broker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredResult {
    /// [`FORMAT`].
    pub format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario in one sentence.
    pub about: String,
    /// The broker, by the name that comparisons show.
    pub broker: Broker,
    /// When it began, in UTC: `2026-02-03T04:05:06Z`.
    pub started: String,
    /// What was asked for.
    pub settings: Named<String>,
    /// Where it ran.
    pub environment: Environment,
    /// Whether the numbers speak of the broker, not of the generator.
    pub valid: bool,
    /// Why they do not.
    pub invalid: Vec<String>,
    /// What makes them doubtful.
    pub warnings: Vec<String>,
    /// What the broker did wrong.
    pub failures: Vec<String>,
    /// Median and spread of every metric over the repetitions.
    pub summary: Named<Summary>,
    /// Each repetition.
    pub runs: Vec<Run>,
}

/// Who was measured.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Broker {
    /// As comparisons show it.
    pub name: String,
    /// As it or its user tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Host and port.
    pub address: String,
    /// The MQTT version spoken with it.
    pub mqtt: String,
    /// What it is spoken over, where that is not plain TCP: `mqtts`, `ws`, `wss`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
}

impl Broker {
    /// The version spoken, and over what where that is not plain TCP.
    #[must_use]
    pub fn spoken(&self) -> String {
        match &self.transport {
            None => format!("MQTT {}", self.mqtt),
            Some(scheme) => format!("MQTT {} ({scheme})", self.mqtt),
        }
    }
}

impl StoredResult {
    /// Judges repetitions together: one that is invalid or wrong makes the whole
    /// so, and says which it was.
    #[must_use]
    pub fn new(
        scenario: &str,
        about: &str,
        broker: Broker,
        settings: Named<String>,
        environment: Environment,
        runs: Vec<Run>,
    ) -> Self {
        let all = |pick: fn(&Run) -> &Vec<String>| {
            let several = runs.len() > 1;
            let numbered = (1..).zip(&runs);
            let lines = numbered.flat_map(|(number, run): (u32, &Run)| {
                pick(run).iter().map(move |line| {
                    if several {
                        format!("run {number}: {line}")
                    } else {
                        line.clone()
                    }
                })
            });
            lines.collect::<Vec<_>>()
        };
        let invalid = all(|run| &run.invalid);
        Self {
            format: FORMAT,
            scenario: scenario.to_owned(),
            about: about.to_owned(),
            broker,
            started: environment.started.clone(),
            settings,
            environment,
            valid: invalid.is_empty(),
            warnings: all(|run| &run.warnings),
            failures: all(|run| &run.failures),
            summary: summary::summarise(&runs),
            invalid,
            runs,
        }
    }

    /// Whether the broker did all that the scenario promises.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.failures.is_empty()
    }

    /// A metric's median over the repetitions.
    #[must_use]
    pub fn median(&self, key: &str) -> Option<f64> {
        Some(self.summary.get(key)?.median)
    }

    /// Every repetition's samples of a distribution together.
    ///
    /// # Errors
    /// When a stored histogram is damaged.
    pub fn merged(&self, key: &str) -> Result<Option<Distribution>, ReadError> {
        distribution::merge(
            self.runs
                .iter()
                .filter_map(|run| run.distributions.get(key)),
        )
    }

    /// The file's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("names are strings and numbers are finite")
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// When it is not such a result, or of another format.
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        /// What every format has.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_str(text).map_err(ReadError::Json)?;
        if head.format != FORMAT {
            return Err(ReadError::Format(head.format));
        }
        serde_json::from_str(text).map_err(ReadError::Json)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.to_json() + "\n")
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or is not such a result.
    pub fn load(path: &Path) -> Result<Self, ReadError> {
        Self::from_json(&fs::read_to_string(path).map_err(ReadError::Io)?)
    }
}

/// Why a stored result cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The file.
    Io(io::Error),
    /// It is not JSON, or not this JSON.
    Json(serde_json::Error),
    /// It was written in this other format.
    Format(u32),
    /// A histogram in it is damaged.
    Histogram(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(out, "{error}"),
            Self::Json(error) => write!(out, "not a stored result: {error}"),
            Self::Format(found) => write!(
                out,
                "a result of format {found}; this program reads format {FORMAT}"
            ),
            Self::Histogram(why) => write!(out, "a damaged histogram: {why}"),
        }
    }
}

impl std::error::Error for ReadError {}

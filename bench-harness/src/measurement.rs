//! One scenario against one broker, as often as asked: from settings to a stored
//! result.
//!
//! Runs on the calling thread.

use std::fmt;

use crate::encode::version_name;
use crate::layers;
use crate::machine;
use crate::plan::Target;
use crate::progress::Progress;
use crate::result::{Broker, StoredResult};
use crate::scenario::{self, RunError};
use crate::settings::Scenario;

/// What only a freshly started broker can show.
const MEMORY_GROWTH: [&str; 3] = [
    "rss_per_connection",
    "anon_per_connection",
    "rss_per_retained",
];

/// Why there is no result.
#[derive(Debug)]
pub enum MeasureError {
    /// The settings make no plan.
    Settings(String),
    /// A run could not take place.
    Run(RunError),
}

impl fmt::Display for MeasureError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(what) => out.write_str(what),
            Self::Run(error) => write!(out, "{error}"),
        }
    }
}

impl std::error::Error for MeasureError {}

/// What a broker is called in results.
#[must_use]
pub fn broker(name: &str, version: Option<&str>, target: &Target) -> Broker {
    Broker {
        name: name.to_owned(),
        version: version.map(str::to_owned),
        address: target.address.to_string(),
        mqtt: version_name(target.version).to_owned(),
        transport: target
            .connector
            .as_deref()
            .map(|connector| layers::scheme(connector).to_owned()),
    }
}

/// Runs a scenario `repeat` times.
///
/// # Errors
/// When it cannot run at all; what the broker did wrong is in the result.
pub fn measure(
    scenario: &Scenario,
    target: &Target,
    broker: Broker,
    repeat: u32,
    progress: &mut Progress,
) -> Result<StoredResult, MeasureError> {
    let environment = machine::environment(target.pid, broker.version.as_deref());
    let mut runs = Vec::new();
    for number in 1..=repeat {
        // No other run, here or in another process, has these topics.
        let root = format!("bench/{:06x}-{number}", std::process::id());
        let plan = scenario
            .plan(target, &root)
            .map_err(MeasureError::Settings)?;
        let mut head = format!("{} {}", broker.name, scenario.name);
        if repeat > 1 {
            head += &format!(" {number}/{repeat}");
        }
        progress.head(head);
        let mut run = scenario::run(&plan, progress).map_err(MeasureError::Run)?;
        if number > 1 {
            // The broker has memory left from the run before.
            for key in MEMORY_GROWTH {
                run.metrics.remove(key);
            }
        }
        runs.push(run);
    }
    let settings = scenario.stored_settings();
    Ok(StoredResult::new(
        &scenario.name,
        &scenario.about,
        broker,
        settings,
        environment,
        runs,
    ))
}

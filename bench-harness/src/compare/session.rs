//! The rounds of a comparison: every broker once per round, in another order each
//! time.
//!
//! Owns the results while they are gathered, and stores each as soon as it is
//! there: an interrupted comparison keeps what it has.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::generator::{Generator, NoResult};
use super::launch::{Launched, Speech};
use super::ratios::Series;
use crate::affinity::Cores;
use crate::result::StoredResult;

/// Where single results are stored, within the comparison's directory.
pub const RESULTS: &str = "results";

/// The comparison itself, beside them.
pub const COMPARISON: &str = "comparison.json";

/// What is to be compared.
#[derive(Debug)]
pub struct Plan {
    /// Who takes part; the first is what the others are compared with.
    pub entries: Vec<Entry>,
    /// How often each one runs.
    pub rounds: usize,
    /// The scenario.
    pub generator: Generator,
    /// Where brokers may run.
    pub broker_cores: Option<Cores>,
    /// The certificates of brokers that speak TLS, and their key.
    pub certificate: (PathBuf, PathBuf),
    /// Where results go.
    pub directory: PathBuf,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// In the order of the entries.
    pub series: Vec<Series>,
    /// What brokers did wrong.
    pub failures: Vec<String>,
    /// Why runs did not take place.
    pub errors: Vec<String>,
    /// Why numbers of a broker do not speak of the broker. That a floor outruns
    /// the generator is no fault.
    pub invalid: Vec<String>,
    /// What makes numbers doubtful.
    pub warnings: Vec<String>,
}

/// Why a comparison ends early.
#[derive(Debug)]
pub enum Aborted {
    /// The scenario's arguments are wrong.
    Arguments(String),
    /// The results cannot be stored.
    Store(io::Error),
}

/// The order of a round: everyone moves on by one place, and every other round
/// runs backwards, so that nobody always follows the same one.
#[must_use]
pub fn order(round: usize, entries: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..entries).map(|at| (at + round / 2) % entries).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// Runs all rounds; `progress` hears of each run before it begins.
///
/// # Errors
/// See [`Aborted`]; a broker that does not run is a finding.
pub fn run(plan: &Plan, mut progress: impl FnMut(&str)) -> Result<Findings, Aborted> {
    let results = plan.directory.join(RESULTS);
    fs::create_dir_all(&results).map_err(Aborted::Store)?;
    let scratch = Scratch::new().map_err(Aborted::Store)?;
    let mut findings = Findings::default();
    let mut stored: Vec<Option<StoredResult>> = vec![None; plan.entries.len()];
    findings
        .series
        .extend(plan.entries.iter().map(|entry| Series {
            name: entry.name.clone(),
            is_floor: entry.is_floor,
            runs: Vec::new(),
        }));
    for round in 0..plan.rounds {
        for index in order(round, plan.entries.len()) {
            let entry = &plan.entries[index];
            progress(&format!(
                "round {} of {}: {}",
                round + 1,
                plan.rounds,
                entry.name
            ));
            let place = format!("{}, round {}", entry.name, round + 1);
            let run = match run_one(plan, entry, &scratch.0) {
                Ok(result) => {
                    let prefix = |line: &String| format!("{place}: {line}");
                    findings.failures.extend(result.failures.iter().map(prefix));
                    if !entry.is_floor {
                        findings.invalid.extend(result.invalid.iter().map(prefix));
                    }
                    findings.warnings.extend(result.warnings.iter().map(prefix));
                    let run = result.runs.last().cloned();
                    let all = gather(stored[index].take(), result);
                    let path = results.join(format!("{}.json", entry.name));
                    all.save(&path).map_err(Aborted::Store)?;
                    stored[index] = Some(all);
                    run
                }
                Err(NoResult::Arguments(what)) => return Err(Aborted::Arguments(what)),
                Err(NoResult::Failed(what)) => {
                    findings.errors.push(format!("{place}: {what}"));
                    None
                }
            };
            findings.series[index].runs.push(run);
        }
    }
    Ok(findings)
}

fn run_one(plan: &Plan, entry: &Entry, scratch: &Path) -> Result<StoredResult, NoResult> {
    let cores = plan.broker_cores.as_ref();
    let speech = Speech {
        version: plan.generator.version,
        transport: &plan.generator.transport,
        cert: &plan.certificate.0,
        key: &plan.certificate.1,
    };
    let mut broker = Launched::start(entry, scratch, cores, &speech).map_err(NoResult::Failed)?;
    let outcome = plan.generator.run(&entry.name, &broker);
    if let Some(how) = broker.ended() {
        return Err(NoResult::Failed(how));
    }
    outcome
}

/// Adds a run to those of the same broker.
fn gather(earlier: Option<StoredResult>, latest: StoredResult) -> StoredResult {
    let Some(mut earlier) = earlier else {
        return latest;
    };
    earlier.runs.extend(latest.runs);
    StoredResult::new(
        &earlier.scenario,
        &earlier.about,
        earlier.broker,
        earlier.settings,
        earlier.environment,
        earlier.runs,
    )
}

/// The brokers' directories, gone with the comparison.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let name = format!("ringmq-bench-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in the system's own directory for such things is harmless.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_runs_everyone_once_and_places_change() {
        let mut firsts = Vec::new();
        for round in 0..6 {
            let mut order = order(round, 3);
            firsts.push(order[0]);
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2]);
        }
        assert_eq!(firsts, [0, 2, 1, 0, 2, 1]);
    }
}

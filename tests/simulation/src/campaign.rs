//! Many seeds, one after the other: what a whole campaign saw, and what to say about
//! a seed that failed.
//!
//! Owns the sums. The only place that looks at a real clock, to know when to stop.

use std::time::{Duration, Instant};

use crate::alike::difference;
use crate::plan::{Features, Plan};
use crate::run::{Outcome, run, run_readable};
use crate::shrink::shrink;

/// Of so many seeds one is also run with one shard and with many, and compared.
const ALIKE_EVERY: u64 = 8;

/// The sums of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Campaign {
    /// Seeds that ran clean.
    pub clean: u64,
    /// Events in them.
    pub events: u64,
    /// Simulated milliseconds of all their clients.
    pub client_millis: u64,
    /// Messages published.
    pub messages: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Real time.
    pub took: Duration,
}

impl Campaign {
    /// Runs seeds from `first` on until there were `count`, or `limit` has passed.
    ///
    /// # Errors
    /// The first plan that failed.
    pub fn run(first: u64, count: u64, limit: Duration) -> Result<Self, Box<Plan>> {
        let started = Instant::now();
        let mut campaign = Self::default();
        for seed in first..first.saturating_add(count) {
            if started.elapsed() > limit {
                break;
            }
            let plan = Plan::of(seed);
            let outcome = run(&plan);
            let compared = seed % ALIKE_EVERY == 0;
            if outcome.violation.is_some() || (compared && difference(&plan).is_some()) {
                return Err(Box::new(plan));
            }
            campaign.add(&outcome);
        }
        campaign.took = started.elapsed();
        Ok(campaign)
    }

    fn add(&mut self, outcome: &Outcome) {
        self.clean += 1;
        self.events += outcome.events;
        self.client_millis += outcome.client_millis;
        self.messages += outcome.messages as u64;
        self.deliveries += outcome.deliveries as u64;
    }

    /// One line about it.
    #[must_use]
    pub fn summary(&self) -> String {
        let seconds = self.took.as_secs().max(1);
        format!(
            "{} seeds clean in {:.1} s: {} events ({}/s), {} messages, {} deliveries, \
             {} simulated client-hours",
            self.clean,
            self.took.as_secs_f64(),
            self.events,
            self.events / seconds,
            self.messages,
            self.deliveries,
            self.client_millis / 3_600_000,
        )
    }
}

/// What to say about a plan that failed: the property, how to replay it, and the end
/// of the trace of the smallest plan that still fails.
#[must_use]
pub fn report(plan: &Plan) -> String {
    let mut text = String::new();
    if run(plan).violation.is_none() {
        if let Some(violation) = difference(plan) {
            text += &format!(
                "seed {}, `{}`: {}\n",
                plan.seed, violation.property, violation.what
            );
        }
        return text;
    }
    let smallest = shrink(plan);
    let outcome = run_readable(&smallest);
    if let Some(violation) = &outcome.violation {
        text += &format!("property `{}`: {}\n", violation.property, violation.what);
    }
    text += &format!("replay:  {}\n", command(plan));
    text += &format!("smaller: {}\n", command(&smallest));
    text += &format!(
        "features: {:?}\n",
        smallest.features.iter().collect::<Vec<_>>()
    );
    let tail = outcome.lines.len().saturating_sub(60);
    for line in &outcome.lines[tail..] {
        text += line;
        text.push('\n');
    }
    text
}

/// The command that replays a plan with its trace.
#[must_use]
pub fn command(plan: &Plan) -> String {
    let whole = Plan::of(plan.seed);
    let mut command = format!("cargo sim -- --seed {} --trace", plan.seed);
    if plan.features != whole.features {
        command += &format!(" --features {:#x}", plan.features.bits());
    }
    if plan.actions != whole.actions {
        command += &format!(" --actions {}", plan.actions);
    }
    if plan.shards != whole.shards {
        command += &format!(" --shards {}", plan.shards);
    }
    if plan.clients != whole.clients {
        command += &format!(" --clients {}", plan.clients);
    }
    command
}

/// The plan of a seed with parts of it replaced.
#[must_use]
pub fn replace(
    seed: u64,
    features: Option<u64>,
    actions: Option<u32>,
    shards: Option<u16>,
    clients: Option<usize>,
) -> Plan {
    let whole = Plan::of(seed);
    Plan {
        features: features.map_or(whole.features, Features::from_bits),
        actions: actions.unwrap_or(whole.actions),
        shards: shards.unwrap_or(whole.shards),
        clients: clients.unwrap_or(whole.clients),
        ..whole
    }
}

//! The simulation as a test: fresh seeds for a bounded time, seeds that once failed,
//! and the same trace for the same seed.
//!
//! Owns the list of regression seeds. `RINGMQ_SIM_SECONDS` sets the time for fresh
//! seeds (20 by default), `RINGMQ_SIM_FIRST` the first of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringmq_simulation::alike::difference;
use ringmq_simulation::campaign::{Campaign, report};
use ringmq_simulation::plan::{Feature, HOOKS, LATER};
use ringmq_simulation::{Plan, run};

/// Seeds that found a defect once, and which of the later features they had by then.
const REGRESSIONS: &[(u64, &[Feature])] = &[
    (132, &[]),     // what expired between shards was delivered with no time left
    (112_792, &[]), // an UNSUBSCRIBE that came again overtook the first one's Leave
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn fresh_seeds_hold_every_property() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let first = number("RINGMQ_SIM_FIRST")
        .unwrap_or_else(|| now.map_or(1, |since| since.as_secs() * 1_000_000));
    let seconds = number("RINGMQ_SIM_SECONDS").unwrap_or(20);
    println!("seeds from {first} on");
    match Campaign::run(first, u64::MAX, Duration::from_secs(seconds)) {
        Ok(campaign) => println!("{}", campaign.summary()),
        Err(plan) => panic!("seed {} failed\n{}", plan.seed, report(&plan)),
    }
}

#[test]
fn seeds_that_failed_once_stay_clean() {
    for &(seed, later) in REGRESSIONS {
        let mut plan = Plan::of(seed);
        let all = LATER.iter().chain(HOOKS);
        for &feature in all.filter(|feature| !later.contains(feature)) {
            plan.features = plan.features.without(feature);
        }
        assert!(run(&plan).violation.is_none(), "{}", report(&plan));
    }
}

#[test]
fn clients_see_the_same_with_one_shard_and_with_many() {
    for seed in 0..100 {
        let plan = Plan::of(seed);
        if let Some(violation) = difference(&plan) {
            panic!("seed {seed}: {}", violation.what);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        let plan = Plan::of(seed);
        let (first, second) = (run(&plan), run(&plan));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.events, second.events, "seed {seed}");
    }
}

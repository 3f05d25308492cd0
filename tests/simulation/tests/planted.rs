//! Does the checker bite? Known-wrong behaviour is planted in the engine, one piece at
//! a time, and a bounded number of seeds has to notice each.
//!
//! Owns the bound. Runs with the feature `planted-faults` alone, and best with the
//! profile `simulation`:
//! `cargo test --profile simulation --features planted-faults --test planted -- --nocapture`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ringmq::engine::planted::{Fault, plant};
use ringmq_simulation::{Plan, run};

/// Seeds that a fault may go unnoticed for.
const SEEDS: u64 = 400;

/// The first seed that notices what is planted, and how.
fn noticed() -> Option<(u64, String)> {
    (0..SEEDS).find_map(|seed| {
        let plan = Plan::of(seed);
        match catch_unwind(AssertUnwindSafe(|| run(&plan))) {
            Ok(outcome) => outcome.violation.map(|violation| {
                let how = format!("{}: {}", violation.property, violation.what);
                (seed, how)
            }),
            Err(_) => Some((seed, "an assertion of the engine's own".to_owned())),
        }
    })
}

#[test]
fn every_planted_fault_is_noticed() {
    plant(None);
    assert_eq!(noticed(), None, "without a fault nothing may be noticed");
    let mut unnoticed = Vec::new();
    for &fault in Fault::ALL {
        plant(Some(fault));
        match noticed() {
            Some((seed, how)) => println!("{fault:?}: seed {seed}: {how}"),
            None => unnoticed.push(fault),
        }
    }
    plant(None);
    assert!(
        unnoticed.is_empty(),
        "{} faults, not noticed within {SEEDS} seeds: {unnoticed:?}",
        Fault::ALL.len()
    );
}

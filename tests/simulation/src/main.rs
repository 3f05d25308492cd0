//! The simulation on the command line: `cargo sim -- --seeds N [--first SEED]
//! [--seconds S]` runs fresh seeds; `cargo sim -- --seed SEED --trace` replays one.
//!
//! Owns its arguments. Ends with status 1 when a property did not hold.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringmq_simulation::campaign::{Campaign, command, replace, report};
use ringmq_simulation::{Plan, run, run_readable};

fn main() -> ExitCode {
    match arguments() {
        Ok(arguments) if arguments.contains_key("seed") => replay(&arguments),
        Ok(arguments) => campaign(&arguments),
        Err(what) => {
            eprintln!("{what}; known: --seeds N --first SEED --seconds S, or --seed SEED");
            eprintln!(
                "[--trace] [--shrink] [--features MASK] [--actions N] [--shards N] [--clients N]"
            );
            ExitCode::from(2)
        }
    }
}

/// Names and values of the command line; a flag has the value 1.
fn arguments() -> Result<BTreeMap<String, u64>, String> {
    let mut found = BTreeMap::new();
    let mut words = std::env::args().skip(1).filter(|word| word != "--");
    while let Some(word) = words.next() {
        let name = word
            .strip_prefix("--")
            .ok_or_else(|| format!("unexpected `{word}`"))?;
        let value = if matches!(name, "trace" | "shrink") {
            1
        } else {
            let text = words
                .next()
                .ok_or_else(|| format!("--{name} needs a number"))?;
            let parsed = match text.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16),
                None => text.parse(),
            };
            parsed.map_err(|_| format!("`{text}` is no number"))?
        };
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

fn replay(arguments: &BTreeMap<String, u64>) -> ExitCode {
    let small = |name: &str| {
        arguments
            .get(name)
            .map(|&value| u16::try_from(value).expect("a small number"))
    };
    let plan = replace(
        arguments["seed"],
        arguments.get("features").copied(),
        small("actions").map(u32::from),
        small("shards"),
        small("clients").map(usize::from),
    );
    let readable = arguments.contains_key("trace");
    let outcome = if readable {
        run_readable(&plan)
    } else {
        run(&plan)
    };
    println!("features {:?}", plan.features.iter().collect::<Vec<_>>());
    for line in &outcome.lines {
        println!("{line}");
    }
    println!(
        "seed {}: {} events, trace hash {:#018x}",
        plan.seed, outcome.events, outcome.trace_hash
    );
    match outcome.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("property `{}`: {}", violation.property, violation.what);
            if arguments.contains_key("shrink") {
                println!("{}", report(&plan));
            }
            ExitCode::FAILURE
        }
    }
}

fn campaign(arguments: &BTreeMap<String, u64>) -> ExitCode {
    let first = arguments.get("first").copied().unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |since| since.as_secs() * 1_000_000)
    });
    let seconds = arguments
        .get("seconds")
        .copied()
        .unwrap_or(u64::from(u32::MAX));
    let count = match arguments.get("seeds") {
        Some(&count) => count,
        None if arguments.contains_key("seconds") => u64::MAX,
        None => 1_000,
    };
    println!("seeds from {first} on");
    match Campaign::run(first, count, Duration::from_secs(seconds)) {
        Ok(campaign) => {
            println!("{}", campaign.summary());
            ExitCode::SUCCESS
        }
        Err(plan) => {
            let plan: Plan = *plan;
            println!("FAILED: {}", command(&plan));
            println!("{}", report(&plan));
            ExitCode::FAILURE
        }
    }
}

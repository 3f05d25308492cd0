//! A result as a table of words for the terminal.
//!
//! Pure.

use std::fmt::Write as _;

use super::number::grouped;
use crate::result::{StoredResult, Summary};

/// Percentiles of these are in the files, not in the table: they are about the
/// generator, or doubled by another.
const LEFT_OUT: [&str; 2] = ["send_late_", "latency_uncorrected_"];

/// Of those left out, these are shown.
const SHOWN: [&str; 2] = ["send_late_p99_us", "latency_uncorrected_p99_us"];

/// The table, with what is wrong and why at its end.
#[must_use]
pub fn table(result: &StoredResult) -> String {
    let mut rows = vec![
        ("scenario".to_owned(), result.scenario.clone()),
        ("broker".to_owned(), broker(result)),
        ("settings".to_owned(), settings(result)),
    ];
    for (key, summary) in result.summary.iter() {
        let hidden = LEFT_OUT.iter().any(|head| key.starts_with(head));
        if !hidden || SHOWN.contains(&key) {
            rows.push((summary.label.clone(), value(summary, result.runs.len())));
        }
    }
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (label, value) in rows {
        writeln!(out, "{label:width$}  {value}").expect("a String takes everything");
    }
    let verdicts = [
        ("WARNING ", &result.warnings),
        ("WRONG   ", &result.failures),
        ("INVALID ", &result.invalid),
    ];
    for (what, lines) in verdicts {
        for line in lines {
            writeln!(out, "{what} {line}").expect("a String takes everything");
        }
    }
    out
}

/// Name, version, address and protocol in one line.
fn broker(result: &StoredResult) -> String {
    let broker = &result.broker;
    let version = broker.version.as_deref().unwrap_or_default();
    let name = format!("{} {version}", broker.name);
    format!("{} at {}, {}", name.trim(), broker.address, broker.spoken())
}

fn settings(result: &StoredResult) -> String {
    let pairs = result.settings.iter();
    let pairs = pairs.map(|(key, value)| format!("{key} {value}"));
    pairs.collect::<Vec<_>>().join(", ")
}

/// The median; of several runs that differ also the extremes.
fn value(summary: &Summary, runs: usize) -> String {
    let text = |value| grouped(value, summary.digits);
    let median = text(summary.median);
    if runs > 1 && summary.least != summary.greatest {
        format!(
            "{median}  [{} .. {}]",
            text(summary.least),
            text(summary.greatest)
        )
    } else {
        median
    }
}

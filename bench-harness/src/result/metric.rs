//! One number of one run, with the words and digits that it is shown with.
//!
//! Pure.

use serde::{Deserialize, Serialize};

/// A number that was measured or counted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Metric {
    /// For people, with its unit.
    pub label: String,
    /// Finite; counts are exact up to 2^53.
    pub value: f64,
    /// Digits shown after the point.
    pub digits: usize,
}

/// Which way of two is the better one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// More of it.
    Higher,
    /// Less of it.
    Lower,
}

/// Whether more or less of a metric is better; `None` where it is neither.
#[must_use]
pub fn better(key: &str) -> Option<Better> {
    const LOWER: [&str; 4] = [
        "_us",
        "_per_delivery",
        "_us_per_connection",
        "_per_connection",
    ];
    const WRONG: [&str; 8] = [
        "lost",
        "duplicated",
        "reordered",
        "stray",
        "unacknowledged",
        "refused",
        "unsent",
        "connections_lost",
    ];
    if key.starts_with("generator_") || key.starts_with("send_late") {
        None
    } else if key.ends_with("_per_second") {
        Some(Better::Higher)
    } else if LOWER.iter().any(|end| key.ends_with(end))
        || WRONG.contains(&key)
        || key == "broker_rss_peak"
    {
        Some(Better::Lower)
    } else {
        None
    }
}

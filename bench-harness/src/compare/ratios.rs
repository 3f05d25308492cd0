//! What a comparison says: medians, spread, ratios.
//!
//! Pure. A ratio is the median of the ratios within each round, not the ratio of
//! medians: what slows the machine down for a minute slows down both sides of
//! the same round.

use serde::Serialize;

use crate::result::metric::{Better, better};
use crate::result::{Run, Summary};

/// The metrics that a comparison shows, where a scenario has them.
const SHOWN: [&str; 14] = [
    "deliveries_per_second",
    "broker_cpu_us_per_delivery",
    "broker_syscalls_per_delivery",
    "latency_p50_us",
    "latency_p99_us",
    "latency_p999_us",
    "skew_p50_us",
    "skew_p99_us",
    "connections_per_second",
    "broker_cpu_us_per_connection",
    "broker_syscalls_per_connection",
    "rss_per_connection",
    "anon_per_connection",
    "generator_cpu_percent",
];

/// One broker's runs: `None` where it could not run in that round.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// A floor is no peer.
    pub is_floor: bool,
    /// By round.
    pub runs: Vec<Option<Run>>,
}

/// One metric of all brokers.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Comparison {
    /// The metric's key.
    pub metric: String,
    /// For people, with its unit.
    pub label: String,
    /// Digits shown after the point.
    #[serde(skip)]
    pub digits: usize,
    /// The best of the others, floors not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_peer: Option<String>,
    /// In the order of the arguments; those without the metric are left out.
    pub brokers: Vec<Standing>,
}

/// One broker's place.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// The middle of its runs.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
    /// From the least to the greatest, as a share of the median.
    pub spread: f64,
    /// Its value over the first broker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_first: Option<f64>,
    /// Its value over the best peer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_best_peer: Option<f64>,
}

/// Compares every metric that is worth it.
#[must_use]
pub fn compare(all: &[Series]) -> Vec<Comparison> {
    SHOWN.iter().filter_map(|key| metric(key, all)).collect()
}

fn metric(key: &str, all: &[Series]) -> Option<Comparison> {
    let summaries: Vec<(&Series, Summary)> = all
        .iter()
        .filter_map(|series| Some((series, summary(key, series)?)))
        .collect();
    let (_, any) = summaries.first()?;
    let (label, digits) = (any.label.clone(), any.digits);
    let first = &all[0];
    let peers = summaries
        .iter()
        .filter(|(series, _)| !series.is_floor && series.name != first.name);
    let best = match better(key) {
        Some(Better::Higher) => peers.max_by(|a, b| a.1.median.total_cmp(&b.1.median)),
        Some(Better::Lower) => peers.min_by(|a, b| a.1.median.total_cmp(&b.1.median)),
        None => None,
    }
    .map(|(series, _)| *series);
    let brokers = summaries.iter().map(|(series, summary)| Standing {
        name: series.name.clone(),
        median: summary.median,
        least: summary.least,
        greatest: summary.greatest,
        spread: summary.spread(),
        ratio_to_first: ratio(key, series, first),
        ratio_to_best_peer: best.and_then(|best| ratio(key, series, best)),
    });
    Some(Comparison {
        metric: key.to_owned(),
        label,
        digits,
        best_peer: best.map(|series| series.name.clone()),
        brokers: brokers.collect(),
    })
}

fn summary(key: &str, series: &Series) -> Option<Summary> {
    let runs: Vec<Run> = series.runs.iter().flatten().cloned().collect();
    crate::result::summary::summarise(&runs).get(key).cloned()
}

/// The median of one over the other in the rounds that both have run.
fn ratio(key: &str, one: &Series, other: &Series) -> Option<f64> {
    let mut ratios: Vec<f64> = one
        .runs
        .iter()
        .zip(&other.runs)
        .filter_map(|(one, other)| {
            let (one, other) = (one.as_ref()?.value(key)?, other.as_ref()?.value(key)?);
            (other != 0.0).then(|| one / other)
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let middle = ratios.len() / 2;
    match ratios.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(ratios[middle]),
        _ => Some(f64::midpoint(ratios[middle - 1], ratios[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, values: &[Option<f64>]) -> Series {
        let run = |value: &Option<f64>| {
            value.map(|value| {
                let mut run = Run::default();
                run.number("deliveries_per_second", "deliveries/s", value, 0);
                run.number("broker_cpu_us_per_delivery", "CPU", 1.0 / value, 3);
                run
            })
        };
        Series {
            name: name.to_owned(),
            is_floor: name.starts_with("floor"),
            runs: values.iter().map(run).collect(),
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The second round was three times slower for both.
        let all = [
            series("a", &[Some(300.0), Some(100.0), Some(300.0)]),
            series("b", &[Some(600.0), Some(200.0), None]),
        ];
        let comparison = &compare(&all)[0];
        assert_eq!(comparison.brokers[0].median, 300.0);
        assert_eq!(comparison.brokers[1].median, 400.0);
        assert_eq!(comparison.brokers[1].ratio_to_first, Some(2.0));
        assert_eq!(comparison.brokers[0].ratio_to_best_peer, Some(0.5));
    }

    #[test]
    fn the_best_peer_is_neither_the_first_nor_a_floor() {
        let all = [
            series("a", &[Some(900.0)]),
            series("b", &[Some(100.0)]),
            series("c", &[Some(200.0)]),
            series("floor-16", &[Some(1000.0)]),
        ];
        for comparison in compare(&all) {
            assert_eq!(comparison.best_peer.as_deref(), Some("c"));
        }
    }

    #[test]
    fn a_broker_that_never_ran_is_left_out() {
        let all = [series("a", &[Some(1.0)]), series("b", &[None])];
        let comparison = &compare(&all)[0];
        assert_eq!(comparison.brokers.len(), 1);
        assert_eq!(comparison.best_peer, None);
    }
}

//! Repetitions in one line per metric: the median, and how far they lie apart.
//!
//! Pure.

use serde::{Deserialize, Serialize};

use super::{Named, Run};

/// One metric over all repetitions that have it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// For people, with its unit.
    pub label: String,
    /// Digits shown after the point.
    pub digits: usize,
    /// The middle one; between the two middle ones of an even number.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Summary {
    /// From the least to the greatest, as a share of the median.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let width = self.greatest - self.least;
        if width == 0.0 {
            0.0
        } else {
            width / self.median.abs()
        }
    }
}

/// Every metric of the runs, in the order of their first appearance.
#[must_use]
pub fn summarise(runs: &[Run]) -> Named<Summary> {
    let mut all = Named::default();
    for (key, metric) in runs.iter().flat_map(|run| run.metrics.iter()) {
        if all.get(key).is_some() {
            continue;
        }
        let mut values: Vec<f64> = runs.iter().filter_map(|run| run.value(key)).collect();
        values.sort_by(f64::total_cmp);
        let summary = Summary {
            label: metric.label.clone(),
            digits: metric.digits,
            median: median(&values),
            least: values[0],
            greatest: values[values.len() - 1],
        };
        all.set(key, summary);
    }
    all
}

/// The median of sorted values, of which there is at least one.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_between_the_middle_ones() {
        let runs: Vec<Run> = [5, 1, 3, 100]
            .map(|value| {
                let mut run = Run::default();
                run.count("rate", "rate", value);
                run
            })
            .into();
        let of = |count: usize| {
            summarise(&runs[..count])
                .get("rate")
                .cloned()
                .expect("counted")
        };
        assert_eq!((of(3).median, of(3).least, of(3).greatest), (3.0, 1.0, 5.0));
        assert_eq!(of(4).median, 4.0);
        assert_eq!(of(1).spread(), 0.0);
    }
}

//! One repetition: what a scenario fills in while it judges.
//!
//! Pure. A metric is named once, so that every report says the same.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::distribution::PERCENTILES;
use super::{Distribution, Interval, Metric, Named};

/// What one run has found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    /// Numbers, in the order in which they are shown.
    pub metrics: Named<Metric>,
    /// Histograms by key: `latency` (from the intended send time in an open
    /// loop), `latency_uncorrected` (open loop: from the real one), `skew`,
    /// `send_late`.
    pub distributions: Named<Distribution>,
    /// When measuring began: seconds since 1970.
    #[serde(default)]
    pub began: f64,
    /// The run over time; empty where nothing flows.
    pub intervals: Vec<Interval>,
    /// Why the numbers do not speak of the broker.
    pub invalid: Vec<String>,
    /// What makes them doubtful.
    pub warnings: Vec<String>,
    /// What the broker did wrong.
    pub failures: Vec<String>,
}

impl Run {
    /// Adds a whole number.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a run stay below 2^53"
    )]
    pub fn count(&mut self, key: &str, label: &str, value: u64) {
        self.number(key, label, value as f64, 0);
    }

    /// Adds a number with `digits` after the point; one that is not finite (a
    /// share of nothing) is left out.
    pub fn number(&mut self, key: &str, label: &str, value: f64, digits: usize) {
        if value.is_finite() {
            let label = label.to_owned();
            self.metrics.set(
                key,
                Metric {
                    label,
                    value,
                    digits,
                },
            );
        }
    }

    /// Adds a histogram and its percentiles; an empty one is left out.
    pub fn distribution(&mut self, key: &str, label: &str, histogram: &Histogram<u64>) {
        if histogram.is_empty() {
            return;
        }
        for (suffix, name, quantile) in PERCENTILES {
            self.count(
                &format!("{key}_{suffix}_us"),
                &format!("{label} {name}, us"),
                histogram.value_at_quantile(quantile),
            );
        }
        self.count(
            &format!("{key}_samples"),
            &format!("{label} samples"),
            histogram.len(),
        );
        self.distributions
            .set(key, Distribution::new(label, histogram));
    }

    /// Says that something went wrong: the exit code will not be zero.
    pub fn fail(&mut self, what: String) {
        self.failures.push(what);
    }

    /// Says what makes the numbers doubtful.
    pub fn warn(&mut self, what: String) {
        self.warnings.push(what);
    }

    /// Says why the numbers must not be used.
    pub fn invalidate(&mut self, why: String) {
        self.invalid.push(why);
    }

    /// A metric's value.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<f64> {
        Some(self.metrics.get(key)?.value)
    }

    /// A whole number that was counted.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was put in as a count"
    )]
    pub fn counted(&self, key: &str) -> Option<u64> {
        let metric = self.metrics.get(key)?;
        (metric.digits == 0).then_some(metric.value as u64)
    }
}

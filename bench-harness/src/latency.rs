//! Latency histograms: microseconds, three significant digits.
//!
//! Pure. What every scenario records into and every report reads from.

use hdrhistogram::Histogram;

use crate::report::Report;

/// Longer latencies are recorded as this: an hour.
const HIGHEST_MICROS: u64 = 3_600_000_000;

/// An empty histogram.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST_MICROS, 3).expect("the bounds are valid")
}

/// The percentiles that every report shows: suffix of the JSON key, label, quantile.
const PERCENTILES: [(&str, &str, f64); 5] = [
    ("p50", "p50", 0.5),
    ("p90", "p90", 0.9),
    ("p99", "p99", 0.99),
    ("p999", "p99.9", 0.999),
    ("max", "max", 1.0),
];

/// Adds a histogram's percentiles to a report.
pub fn describe(report: &mut Report, key: &str, label: &str, histogram: &Histogram<u64>) {
    if histogram.is_empty() {
        return;
    }
    for (suffix, name, quantile) in PERCENTILES {
        let value = histogram.value_at_quantile(quantile);
        report.count(
            &format!("{key}_{suffix}_us"),
            &format!("{label} {name}, us"),
            value,
        );
    }
    report.count(
        &format!("{key}_samples"),
        &format!("{label} samples"),
        histogram.len(),
    );
}

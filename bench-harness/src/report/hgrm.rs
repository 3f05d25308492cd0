//! Percentile text (`.hgrm`), as HdrHistogram and wrk2 print it and the usual
//! plotters read it. Values are milliseconds.
//!
//! Pure.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

/// Steps per halving of the distance to 100 %, as the original tools print.
const STEPS_PER_HALF: u32 = 5;

/// Histograms hold microseconds; the text shows milliseconds.
const MICROS_PER_VALUE: f64 = 1000.0;

/// The text.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "times and counts stay below 2^53"
)]
pub fn percentiles(histogram: &Histogram<u64>) -> String {
    let mut out = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    for step in histogram.iter_quantiles(STEPS_PER_HALF) {
        let value = step.value_iterated_to() as f64 / MICROS_PER_VALUE;
        let quantile = step.quantile_iterated_to();
        let count = histogram.count_between(0, step.value_iterated_to());
        write!(out, "{value:12.3} {quantile:2.12} {count:10}").expect("a String takes everything");
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile)).expect("as above");
        }
        out.push('\n');
    }
    let rows = [
        (
            "Mean",
            histogram.mean() / MICROS_PER_VALUE,
            "StdDeviation",
            histogram.stdev() / MICROS_PER_VALUE,
        ),
        (
            "Max",
            histogram.max() as f64 / MICROS_PER_VALUE,
            "Total count",
            histogram.len() as f64,
        ),
    ];
    for (first, a, second, b) in rows {
        let digits = if second == "Total count" { 0 } else { 3 };
        writeln!(
            out,
            "#[{first:<7} = {a:12.3}, {second:<14} = {b:12.digits$}]"
        )
        .expect("as above");
    }
    let buckets = (histogram.high() as f64 / 2048.0).log2().ceil() + 1.0;
    writeln!(
        out,
        "#[{:<7} = {buckets:12.0}, {:<14} = {:12}]",
        "Buckets", "SubBuckets", 2048
    )
    .expect("as above");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_ends_at_the_maximum_with_every_sample_counted() {
        let mut histogram = crate::latency::histogram();
        for micros in 1..=1000 {
            histogram.record(micros).expect("it is in range");
        }
        let text = percentiles(&histogram);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| {
                let numbers = line.split_whitespace().map(|word| word.parse());
                numbers.collect::<Result<_, _>>().expect("all are numbers")
            })
            .collect();
        assert_eq!(rows.last().expect("there are rows"), &[1.0, 1.0, 1000.0]);
        let median = rows.iter().find(|row| row[1] == 0.5).expect("it is a step");
        assert_eq!(median, &[0.5, 0.5, 500.0, 2.0]);
        assert!(text.contains("#[Max     =        1.000, Total count    =         1000]"));
    }
}

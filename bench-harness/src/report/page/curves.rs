//! The charts of a page: latency by percentile, throughput and latency over
//! time.
//!
//! Pure.

use super::axis::Axis;
use super::chart::{Chart, Series};
use crate::report::number::{micros, short};
use crate::result::{Distribution, Interval, ReadError, StoredResult};

/// Nines shown at most: beyond six a run would need millions of samples.
const MOST_NINES: u32 = 6;

/// Seconds by which the last interval of a run may outlast it.
const LATE: f64 = 0.2;

/// A histogram's key and the words behind its broker's name.
pub type Kind = (&'static str, &'static str);

/// What is shown of an interval, and its name.
pub type Value<'a> = (&'a str, fn(&Interval) -> f64);

/// Latency by percentile: the horizontal axis stretches towards 100 %, so that
/// each nine takes the same room. A name and a result per broker.
///
/// # Errors
/// When a stored histogram is damaged.
pub fn percentiles(
    results: &[(String, &StoredResult)],
    kinds: &[Kind],
) -> Result<Option<Chart>, ReadError> {
    let mut series = Vec::new();
    let mut most = 0;
    for (index, (name, result)) in results.iter().enumerate() {
        for (number, (key, words)) in kinds.iter().enumerate() {
            let Some(distribution) = result.merged(key)? else {
                continue;
            };
            most = most.max(distribution.samples);
            let single = results.len() == 1;
            series.push(Series {
                name: format!("{name}{words}"),
                points: curve(&distribution)?,
                colour: if single { number } else { index },
                dashed: !single && number > 0,
            });
        }
    }
    if series.is_empty() {
        return Ok(None);
    }
    let nines = most.max(10).ilog10().min(MOST_NINES);
    let mut ticks = vec![
        (0.0, "0 %".to_owned()),
        (0.5_f64.recip().log10(), "50 %".to_owned()),
    ];
    for nine in 1..=nines {
        let percent = 100.0 - 100.0 / 10_f64.powi(nine.cast_signed());
        ticks.push((f64::from(nine), format!("{percent} %")));
    }
    let (low, high) = extent(&series);
    Ok(Some(Chart {
        title: "Latency by percentile".to_owned(),
        x_label: "percentile of deliveries".to_owned(),
        x: Axis::fixed(0.0, f64::from(nines), ticks),
        y: Axis::logarithmic(low, high, micros),
        series,
    }))
}

/// (Nines, microseconds) of a histogram.
#[expect(clippy::cast_precision_loss, reason = "times stay below 2^53")]
fn curve(distribution: &Distribution) -> Result<Vec<(f64, f64)>, ReadError> {
    /// Steps per halving of the distance to 100 %: smooth at any size of screen.
    const STEPS: u32 = 8;
    let histogram = distribution.histogram()?;
    let end = f64::from(MOST_NINES).min((distribution.samples as f64).log10());
    let mut points: Vec<(f64, f64)> = Vec::new();
    for step in histogram.iter_quantiles(STEPS) {
        let nines = -(1.0 - step.quantile_iterated_to()).log10();
        let value = step.value_iterated_to() as f64;
        points.push((nines.clamp(0.0, end), value));
        if nines >= end {
            break;
        }
    }
    Ok(points)
}

/// A value per second of every result's first run.
#[must_use]
pub fn over_time(
    title: &str,
    results: &[(String, &StoredResult)],
    values: &[Value<'_>],
    logarithmic: bool,
) -> Option<Chart> {
    let mut series = Vec::new();
    let mut end = 0.0_f64;
    for (index, (name, result)) in results.iter().enumerate() {
        let intervals = result.runs.first().map_or(&[][..], |run| &run.intervals);
        // What is left at the end of a run is no second of it.
        let whole: Vec<&Interval> = intervals
            .iter()
            .filter(|interval| interval.end - interval.start > 0.5 && interval.published > 0)
            .collect();
        for (number, (words, value)) in values.iter().enumerate() {
            let points: Vec<(f64, f64)> = whole.iter().map(|i| (i.end, value(i))).collect();
            let Some((last, _)) = points.last() else {
                continue;
            };
            end = end.max(*last);
            let single = results.len() == 1;
            series.push(Series {
                name: if single {
                    (*words).to_owned()
                } else {
                    format!("{name} {words}")
                },
                points,
                colour: if single { number } else { index },
                dashed: !single && number > 0,
            });
        }
    }
    // A line needs two points.
    if series.iter().all(|series| series.points.len() < 2) {
        return None;
    }
    let (low, high) = extent(&series);
    Some(Chart {
        title: title.to_owned(),
        x_label: "seconds since measuring began".to_owned(),
        // The last second ends a little late: no further mark for that.
        x: Axis::linear((end - LATE).max(1.0), 10.0, short),
        y: if logarithmic {
            Axis::logarithmic(low, high, micros)
        } else {
            Axis::linear(high, 5.0, short)
        },
        series,
    })
}

/// The least and the greatest value of all points.
pub fn extent<'a>(series: impl IntoIterator<Item = &'a Series>) -> (f64, f64) {
    let values = series.into_iter().flat_map(|series| &series.points);
    values.fold((f64::INFINITY, 0.0), |(low, high), (_, value)| {
        (value.min(low), value.max(high))
    })
}

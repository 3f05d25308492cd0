//! Interval log (`.hlog`), version 1.2 of the HdrHistogram log format: a line
//! per second with its whole histogram (V2, deflated, base64).
//!
//! Pure. Histograms hold microseconds; the third column is in the same unit, so
//! plotters should be told a factor of 1000 for milliseconds.

use std::fmt::Write as _;

use crate::machine::utc;
use crate::result::{Run, StoredResult};

/// The log of one run.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a date of our days, cut to the second"
)]
pub fn log(result: &StoredResult, run: &Run) -> String {
    let began = run.began;
    let mut out = format!(
        "#[Latencies in microseconds: {} of {}, MQTT {}]\n\
         #[Histogram log format version 1.2]\n\
         #[BaseTime: {began:.3} (seconds since epoch)]\n\
         #[StartTime: {began:.3} (seconds since epoch), {}]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
        result.scenario,
        result.broker.name,
        result.broker.mqtt,
        utc(began as u64)
    );
    for interval in &run.intervals {
        writeln!(
            out,
            "{:.3},{:.3},{},{}",
            interval.start,
            interval.end - interval.start,
            interval.max_us,
            interval.histogram
        )
        .expect("a String takes everything");
    }
    out
}

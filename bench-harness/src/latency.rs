//! Latency histograms: microseconds, three significant digits; whole and second
//! by second.
//!
//! Pure. What every scenario records into.

use hdrhistogram::Histogram;

/// Longer latencies are recorded as this: an hour.
const HIGHEST_MICROS: u64 = 3_600_000_000;

/// An empty histogram.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST_MICROS, 3).expect("the bounds are valid")
}

/// A histogram that is cut into intervals. Only the interval is written on the
/// hot path; the sum is made when it ends.
#[derive(Debug)]
pub struct Recorder {
    interval: Histogram<u64>,
    total: Histogram<u64>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            interval: histogram(),
            total: histogram(),
        }
    }
}

impl Recorder {
    /// Records a duration of nanoseconds.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.interval.saturating_record(nanos / 1000);
    }

    /// Ends an interval; what it held stays readable until the next
    /// [`begin`](Self::begin).
    pub fn end(&mut self) -> &Histogram<u64> {
        self.total
            .add(&self.interval)
            .expect("both have the same bounds");
        &self.interval
    }

    /// Begins an interval after [`end`](Self::end).
    pub fn begin(&mut self) {
        self.interval.reset();
    }

    /// Everything of the intervals that have ended.
    #[must_use]
    pub fn total(&self) -> &Histogram<u64> {
        &self.total
    }
}

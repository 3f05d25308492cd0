//! A run second by second.
//!
//! Owned by the traffic scenario. An interval's histogram is kept in its compact
//! form until the run is over: deflating it would take the generator's time.

use std::time::{SystemTime, UNIX_EPOCH};

use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

use super::look::Look;
use crate::latency::Recorder;
use crate::result::{Interval, distribution};

/// One interval before it is put into its stored form.
#[derive(Debug)]
struct Cut {
    from: Look,
    to: Look,
    histogram: Vec<u8>,
}

/// All intervals so far.
#[derive(Debug)]
pub struct Timeline {
    origin: u64,
    began: SystemTime,
    last: Look,
    cuts: Vec<Cut>,
}

/// What is told of the interval that has just ended.
#[derive(Clone, Copy, Debug)]
pub struct Glance {
    /// Messages per second to the broker.
    pub published: f64,
    /// Messages per second from it.
    pub delivered: f64,
    /// Latency, us.
    pub p50: u64,
    /// Latency, us.
    pub p99: u64,
    /// Latency, us.
    pub max: u64,
}

impl Timeline {
    /// Begins at a look.
    #[must_use]
    pub fn start(first: Look) -> Self {
        Self {
            origin: first.at,
            began: SystemTime::now(),
            last: first,
            cuts: Vec::new(),
        }
    }

    /// When it began: seconds since 1970, to the millisecond.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
    pub fn began(&self) -> f64 {
        let since = self.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_millis() as f64 / 1000.0
    }

    /// When the last interval ended.
    #[must_use]
    pub fn last_cut(&self) -> u64 {
        self.last.at
    }

    /// Ends an interval.
    #[expect(clippy::cast_precision_loss, reason = "counts of a second")]
    pub fn cut(&mut self, look: Look, recorder: &mut Recorder) -> Glance {
        let from = std::mem::replace(&mut self.last, look);
        let interval = recorder.end();
        let seconds = (look.at - from.at) as f64 / 1e9;
        let rate = |before: u64, after: u64| (after - before) as f64 / seconds;
        let glance = Glance {
            published: rate(from.counters.published, look.counters.published),
            delivered: rate(from.counters.delivered, look.counters.delivered),
            p50: interval.value_at_quantile(0.5),
            p99: interval.value_at_quantile(0.99),
            max: interval.max(),
        };
        let mut histogram = Vec::new();
        V2Serializer::new()
            .serialize(interval, &mut histogram)
            .expect("a Vec takes everything, and a histogram is far below 4 GiB");
        recorder.begin();
        self.cuts.push(Cut {
            from,
            to: look,
            histogram,
        });
        glance
    }

    /// All intervals in their stored form.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "spans of a run stay below 2^53")]
    pub fn finish(self) -> Vec<Interval> {
        let since = |at: u64| (at - self.origin) as f64 / 1e9;
        let store = |cut: &Cut| {
            let histogram = Deserializer::new()
                .deserialize::<u64, _>(&mut cut.histogram.as_slice())
                .expect("it was written above");
            Interval {
                start: since(cut.from.at),
                end: since(cut.to.at),
                published: cut.to.counters.published - cut.from.counters.published,
                delivered: cut.to.counters.delivered - cut.from.counters.delivered,
                p50_us: histogram.value_at_quantile(0.5),
                p99_us: histogram.value_at_quantile(0.99),
                max_us: histogram.max(),
                broker_cpu_percent: cut.to.broker_percent(&cut.from),
                generator_cpu_percent: cut.to.own_percent(&cut.from),
                histogram: distribution::encode(&histogram),
            }
        };
        self.cuts.iter().map(store).collect()
    }
}

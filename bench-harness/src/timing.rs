//! HOT PATH: what is timed of every message: from when it was meant to be sent,
//! from when it was sent, and how far its subscribers lie apart.
//!
//! Pure. In an open loop a message has two clocks: `latency` starts at the
//! intended send time (corrected for coordinated omission), `uncorrected` at the
//! real one. In a closed loop the real one is all there is.

use std::ops::Range;

use hdrhistogram::Histogram;

use crate::latency::{Recorder, histogram};
use crate::schedule::Schedule;
use crate::skew::Skew;
use crate::stamp::Stamp;
use crate::topology::Source;

/// The timed part of a run.
#[derive(Debug)]
pub struct Timing {
    /// Messages sent (open loop: meant to be sent) then are timed.
    measured: Range<u64>,
    /// Latencies: open loop corrected, closed loop real.
    pub latency: Recorder,
    /// Latencies from the real send time (open loop).
    pub uncorrected: Histogram<u64>,
    /// How late messages were sent (open loop).
    pub lateness: Histogram<u64>,
    /// From the first to the last subscriber of one message.
    pub skew: Histogram<u64>,
    skews: Vec<Option<Skew>>,
}

impl Timing {
    /// Nothing is timed before [`measure`](Self::measure).
    #[must_use]
    pub fn new(publishers: &[Source]) -> Self {
        Self {
            measured: 0..0,
            latency: Recorder::default(),
            uncorrected: histogram(),
            lateness: histogram(),
            skew: histogram(),
            skews: publishers
                .iter()
                .map(|source| Skew::new(source.audience))
                .collect(),
        }
    }

    /// Sets what is timed.
    pub fn measure(&mut self, measured: Range<u64>) {
        self.measured = measured;
    }

    /// A message was handed to its publisher's socket.
    #[inline]
    pub fn sent(&mut self, intended: u64, now: u64) {
        if self.measured.contains(&intended) {
            let late = now.saturating_sub(intended) / 1000;
            self.lateness.saturating_record(late);
        }
    }

    /// A message, no duplicate, has arrived at one subscriber.
    #[inline]
    pub fn arrived(&mut self, stamp: Stamp, schedule: Option<&Schedule>, now: u64) {
        let start = match schedule {
            Some(schedule) => schedule.intended(stamp.publisher, stamp.sequence),
            None => stamp.sent,
        };
        if !self.measured.contains(&start) {
            return;
        }
        self.latency.record(now.saturating_sub(start));
        if schedule.is_some() {
            let real = now.saturating_sub(stamp.sent) / 1000;
            self.uncorrected.saturating_record(real);
        }
        if let Some(skew) = &mut self.skews[stamp.publisher as usize]
            && let Some(nanos) = skew.arrive(stamp.sequence, now)
        {
            self.skew.saturating_record(nanos / 1000);
        }
    }
}

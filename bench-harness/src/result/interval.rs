//! About one second of a run: what flowed and how long it took.
//!
//! Pure data.

use serde::{Deserialize, Serialize};

/// From one look at the counters to the next. The last ones of a run are the
/// time in which what was still under way arrived.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Interval {
    /// Seconds since measuring began.
    pub start: f64,
    /// Seconds since measuring began.
    pub end: f64,
    /// Messages handed to publishers' sockets.
    pub published: u64,
    /// Messages that arrived.
    pub delivered: u64,
    /// Latency, us: median of what arrived.
    pub p50_us: u64,
    /// Latency, us.
    pub p99_us: u64,
    /// Latency, us.
    pub max_us: u64,
    /// Share of one core that the broker used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_cpu_percent: Option<f64>,
    /// Share of one core that the generator used.
    pub generator_cpu_percent: f64,
    /// Latencies of what arrived, as in a
    /// [`Distribution`](super::Distribution).
    pub histogram: String,
}

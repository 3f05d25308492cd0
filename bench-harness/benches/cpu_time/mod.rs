//! CPU time in place of wall time, so that a busy machine does not lengthen what
//! is measured: other processes take the core, not the thread's own clock.

use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use ringmq_bench::process::own_cpu;

/// Nanoseconds that the measuring thread has used.
pub struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        own_cpu().expect("the thread has a clock")
    }

    fn end(&self, start: u64) -> u64 {
        own_cpu().expect("the thread has a clock") - start
    }

    fn add(&self, one: &u64, other: &u64) -> u64 {
        one + other
    }

    fn zero(&self) -> u64 {
        0
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 ns")]
    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        // Nanoseconds, too.
        WallTime.formatter()
    }
}

/// Measures with this clock.
pub fn criterion() -> Criterion<CpuTime> {
    Criterion::default().with_measurement(CpuTime)
}

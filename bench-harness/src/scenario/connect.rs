//! A storm of connections: how fast a broker takes them, from the first SYN to
//! CONNACK.
//!
//! At most a hundred handshakes are under way at once; connections stay open
//! until the last one is up, so that no port is reused while the run lasts.

use hdrhistogram::Histogram;

use super::{RunError, TICK, begin_report, handshake, report_lost_connections};
use crate::clock::Clock;
use crate::engine::{Engine, Handler};
use crate::fault::Fault;
use crate::latency;
use crate::plan::ConnectionPlan;
use crate::process;
use crate::report::Report;

/// Largest packet expected: none at all.
const MAX_PACKET: usize = 1024;

/// Nothing connects for this long: the run is over.
const QUIET: u64 = crate::clock::seconds(10);

/// Times each connection.
struct Stopwatch {
    started: Vec<u64>,
    latency: Histogram<u64>,
}

impl Handler for Stopwatch {
    fn started(&mut self, connection: u32, now: u64) {
        debug_assert_eq!(self.started.len(), connection as usize);
        self.started.push(now);
    }

    fn ready(&mut self, connection: u32, _receive_maximum: u16, now: u64) {
        let started = self.started[connection as usize];
        self.latency
            .saturating_record(now.saturating_sub(started) / 1000);
    }

    fn receive(
        &mut self,
        _connection: u32,
        bytes: &[u8],
        _now: u64,
        _out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        Err(Fault::Unexpected(bytes.first().copied().unwrap_or(0)))
    }

    fn flushed(&mut self, _connection: u32) {}

    fn next_sender(&mut self, _now: u64) -> Option<u32> {
        None
    }

    fn fill(&mut self, _connection: u32, _now: u64, _out: &mut Vec<u8>) {}

    fn next_due(&self) -> Option<u64> {
        None
    }
}

/// Runs the plan.
///
/// # Errors
/// When it cannot run at all; what the broker did wrong is in the report.
pub fn run(plan: &ConnectionPlan) -> Result<Report, RunError> {
    let clock = Clock::start();
    let mut engine = Engine::new(plan.target.address, clock, MAX_PACKET)?;
    let mut stopwatch = Stopwatch {
        started: Vec::new(),
        latency: latency::histogram(),
    };
    for number in 0..plan.connections {
        engine.order(handshake(plan.target.version, "conn", number, &[], 0));
    }
    let cpu = |pid: u32| process::cpu(pid).map_err(|error| RunError::Process(pid, error));
    let cpu_before = plan.target.pid.map(cpu).transpose()?;
    let start = clock.now();
    let mut moved_at = start;
    let mut ready = 0;
    while !engine.is_open() && clock.now() < moved_at + QUIET {
        engine.turn(&mut stopwatch, clock.now() + TICK)?;
        if engine.ready() != ready {
            ready = engine.ready();
            moved_at = clock.now();
        }
    }
    let cpu_after = plan.target.pid.map(cpu).transpose()?;

    let mut report = begin_report("connect", &plan.target);
    report.count("connections", "connections", u64::from(plan.connections));
    report.count("connected", "connected", ready as u64);
    describe_rate(
        &mut report,
        ready,
        moved_at - start,
        cpu_before.zip(cpu_after),
    );
    latency::describe(&mut report, "latency", "SYN to CONNACK", &stopwatch.latency);
    if ready < plan.connections as usize {
        report.fail(format!("{ready} of {} connected", plan.connections));
    }
    report_lost_connections(&mut report, &engine);
    engine.close();
    Ok(report)
}

#[expect(clippy::cast_precision_loss, reason = "a run is far below 2^52 ns")]
fn describe_rate(report: &mut Report, ready: usize, span: u64, cpu: Option<(u64, u64)>) {
    let span = span as f64 / 1e9;
    report.number("seconds", "measured, s", span, 3);
    report.number(
        "connections_per_second",
        "connections/s",
        ready as f64 / span,
        0,
    );
    if let Some((before, after)) = cpu {
        let used = after.saturating_sub(before) as f64 / 1000.0;
        report.number(
            "broker_cpu_us_per_connection",
            "broker CPU us/connection",
            used / ready as f64,
            2,
        );
    }
}

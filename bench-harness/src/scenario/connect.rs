//! A storm of connections: how fast a broker takes them, from the first SYN to
//! CONNACK.
//!
//! A bounded number of handshakes is under way at once; connections stay open
//! until the last one is up, so that no port is reused while the run lasts. With
//! a rate the loop is open: a connection's clock starts when it was meant to
//! begin, so one that had to wait for its turn is charged for it.

use hdrhistogram::Histogram;

use super::look::{Look, Observer};
use super::verdict;
use super::{RunError, TICK, handshake, memory, report_lost_connections, report_memory};
use crate::clock::{Clock, seconds};
use crate::engine::{Engine, Handler};
use crate::fault::Fault;
use crate::latency;
use crate::plan::ConnectPlan;
use crate::progress::Progress;
use crate::result::Run;
use crate::schedule::Schedule;
use crate::traffic::Counters;

/// Largest packet expected: none at all.
const MAX_PACKET: usize = 1024;

/// Nothing connects for this long: the run is over.
const QUIET: u64 = crate::clock::seconds(10);

/// Times each connection.
struct Stopwatch {
    schedule: Option<Schedule>,
    started: Vec<u64>,
    latency: Histogram<u64>,
}

impl Handler for Stopwatch {
    fn started(&mut self, connection: u32, now: u64) {
        debug_assert_eq!(self.started.len(), connection as usize);
        let intended = |schedule: &Schedule| schedule.intended(0, u64::from(connection));
        self.started
            .push(self.schedule.as_ref().map_or(now, intended));
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
pub fn run(plan: &ConnectPlan, progress: &Progress) -> Result<Run, RunError> {
    let clock = Clock::start();
    let mut engine = Engine::new(&plan.target, clock, MAX_PACKET)?;
    engine.allow_handshakes(plan.concurrent);
    let observer = Observer::new(clock, &plan.target);
    let before = memory(&plan.target)?;
    let start = clock.now();
    let mut stopwatch = Stopwatch {
        schedule: plan
            .rate
            .map(|rate| Schedule::new(start, u64::MAX, rate, 1)),
        started: Vec::new(),
        latency: latency::histogram(),
    };
    let first = observer.look(Counters::default())?;
    let moved_at = storm(plan, &mut engine, &mut stopwatch, progress)?;
    let last = observer.look(Counters::default())?;
    let ready = engine.ready();

    let mut run = Run::default();
    run.count("connections", "connections", u64::from(plan.connections));
    run.count("connected", "connected", ready as u64);
    describe_rate(&mut run, ready, moved_at - start, &first, &last);
    observer.remark(&mut run);
    let after = memory(&plan.target)?;
    report_memory(&mut run, before.zip(after), after, ready);
    run.distribution("latency", "SYN to CONNACK", &stopwatch.latency);
    if let Some(why) = verdict::saturated(last.own_percent(&first), last.wait_percent(&first)) {
        run.invalidate(why);
    }
    if ready < plan.connections as usize {
        run.fail(format!("{ready} of {} connected", plan.connections));
    }
    report_lost_connections(&mut run, &engine);
    engine.close(|_| Vec::new());
    Ok(run)
}

/// Orders every connection when it is due, and waits for them; tells when the
/// last one came up.
fn storm(
    plan: &ConnectPlan,
    engine: &mut Engine,
    stopwatch: &mut Stopwatch,
    progress: &Progress,
) -> Result<u64, RunError> {
    let clock = engine.clock();
    let version = plan.target.version;
    let mut moved_at = clock.now();
    let mut next_line = moved_at + seconds(1);
    let mut ready = 0;
    let mut ordered = 0;
    loop {
        let now = clock.now();
        let is_due = |stopwatch: &mut Stopwatch| match &mut stopwatch.schedule {
            Some(schedule) => schedule.advance(now).is_some(),
            None => true,
        };
        while ordered < plan.connections && is_due(stopwatch) {
            engine.order(handshake(version, "conn", ordered, &[], 0));
            ordered += 1;
            moved_at = now;
        }
        let all = ordered == plan.connections;
        if (all && engine.is_open()) || now > moved_at + QUIET {
            return Ok(moved_at);
        }
        let due = match &stopwatch.schedule {
            Some(schedule) if !all => schedule.next_due(),
            _ => None,
        };
        engine.turn(stopwatch, due.unwrap_or(u64::MAX).min(now + TICK))?;
        if engine.ready() != ready {
            ready = engine.ready();
            moved_at = clock.now();
        }
        if now > next_line {
            next_line = now + seconds(1);
            progress.show(|| format!("{ready} of {} connected", plan.connections));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a run is far below 2^52 ns")]
fn describe_rate(run: &mut Run, ready: usize, span: u64, first: &Look, last: &Look) {
    let span = span as f64 / 1e9;
    run.number("seconds", "measured, s", span, 3);
    run.number(
        "connections_per_second",
        "connections/s",
        ready as f64 / span,
        0,
    );
    let mut cost = |key: &str, label: &str, nanos: u64| {
        run.number(key, label, nanos as f64 / 1000.0 / ready as f64, 2);
    };
    if let Some((first, last)) = first.broker.zip(last.broker) {
        cost(
            "broker_cpu_us_per_connection",
            "broker CPU us/connection",
            last.cpu.saturating_sub(first.cpu),
        );
    }
    cost(
        "generator_cpu_us_per_connection",
        "generator CPU us/connection",
        last.own_cpu - first.own_cpu,
    );
    if let Some((first, last)) = first.broker.zip(last.broker)
        && let Some(calls) = last.syscalls_since(&first)
    {
        run.number(
            "broker_syscalls_per_connection",
            "broker system calls/connection",
            calls as f64 / ready as f64,
            2,
        );
    }
    let percent = last.own_percent(first);
    run.number(
        "generator_cpu_percent",
        "generator CPU, % of a core",
        percent,
        1,
    );
}

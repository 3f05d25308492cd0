//! Idle connections: what each one costs the broker's memory.
//!
//! Phases: read the broker's memory; open all connections; let it settle; read
//! again; report. Memory of the kernel (sockets) is not the process's and is not
//! in it.

use super::{RunError, client_id, open_all, report_lost_connections, turn_until};
use crate::clock::Clock;
use crate::encode;
use crate::engine::{Engine, Handler};
use crate::fault::Fault;
use crate::handshake::Handshake;
use crate::plan::IdlePlan;
use crate::process::{self, Memory};
use crate::progress::Progress;
use crate::result::Run;

/// Largest packet expected: none at all.
const MAX_PACKET: usize = 1024;

/// No broker keeps a session in fewer bytes.
const LEAST_PER_CONNECTION: u64 = 200;

/// Nothing may arrive on an idle connection.
struct Silence;

impl Handler for Silence {
    fn ready(&mut self, _connection: u32, _receive_maximum: u16, _now: u64) {}

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
pub fn run(plan: &IdlePlan, progress: &Progress) -> Result<Run, RunError> {
    let pid = plan.pid;
    let read = || process::memory(pid).map_err(|error| RunError::Process(pid, error));
    let clock = Clock::start();
    let mut engine = Engine::new(&plan.target, clock, MAX_PACKET)?;
    let before = read()?;
    for number in 0..plan.connections {
        let filters = if plan.subscribe {
            vec![format!("bench/idle/{number}")]
        } else {
            Vec::new()
        };
        let version = plan.target.version;
        let connect = encode::connect(version, &client_id("idle", number), plan.keep_alive);
        let subscribe = encode::subscribe(version, &filters, 0);
        engine.order(Handshake::new(version, 0, connect, subscribe));
    }
    progress.show(|| "connecting".to_owned());
    open_all(&mut engine, &mut Silence, plan.connections as usize)?;
    let opened = clock.now();
    turn_until(&mut engine, &mut Silence, clock, opened + plan.settle)?;
    let after = read()?;

    let mut run = Run::default();
    run.count("connections", "connections", u64::from(plan.connections));
    #[expect(clippy::cast_precision_loss, reason = "a minute is far below 2^52 ns")]
    run.number("open_seconds", "opened in, s", opened as f64 / 1e9, 3);
    describe_memory(&mut run, before, after, plan.connections);
    if after.resident < before.resident + LEAST_PER_CONNECTION * u64::from(plan.connections) {
        run.warn(
            "the broker hardly grew: it reused memory of earlier connections; measure it \
             freshly started"
                .to_owned(),
        );
    }
    report_lost_connections(&mut run, &engine);
    engine.close(|_| Vec::new());
    Ok(run)
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn describe_memory(run: &mut Run, before: Memory, after: Memory, connections: u32) {
    let per_connection =
        |before: u64, after: u64| (after as f64 - before as f64) / f64::from(connections);
    run.count("rss_before", "RSS before, bytes", before.resident);
    run.count("rss_after", "RSS after, bytes", after.resident);
    run.count("broker_rss_peak", "broker RSS peak, bytes", after.peak);
    run.number(
        "rss_per_connection",
        "RSS per connection, bytes",
        per_connection(before.resident, after.resident),
        0,
    );
    run.number(
        "anon_per_connection",
        "of it anonymous, bytes",
        per_connection(before.anonymous, after.anonymous),
        0,
    );
}

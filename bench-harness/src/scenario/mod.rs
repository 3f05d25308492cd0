//! The scenarios: each drives the engine through its phases and reports.
//!
//! They own the order of things and nothing else; they run on the process's one
//! thread.

pub mod connect;
pub mod idle;
pub mod look;
pub mod replay;
pub mod timeline;
pub mod traffic;
pub mod verdict;

use std::fmt;
use std::io;

use ringmq::protocol::ProtocolVersion;

use crate::clock::{Clock, seconds};
use crate::encode;
use crate::engine::{Engine, Handler};
use crate::fault::Fault;
use crate::handshake::Handshake;
use crate::plan::{Plan, Target};
use crate::process::{self, Memory};
use crate::progress::Progress;
use crate::result::Run;

/// All connections together must be up after this long.
const OPEN_DEADLINE: u64 = seconds(60);

/// How long a turn may wait while a phase is watched.
const TICK: u64 = 100_000_000;

/// Never pings: a run is shorter than one and a half of this (27 hours).
const KEEP_ALIVE: u16 = u16::MAX;

/// Why a scenario could not run at all.
#[derive(Debug)]
pub enum RunError {
    /// The machine failed us.
    Machine(io::Error),
    /// The broker's process cannot be looked at.
    Process(u32, io::Error),
    /// A connection could not be opened.
    Open(u32, Fault),
    /// Not all connections came up in time.
    OpenTimeout {
        /// Those that did.
        ready: usize,
        /// Those that were asked for.
        wanted: usize,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(error) => write!(out, "the generator's machine failed: {error}"),
            Self::Process(pid, error) => write!(out, "cannot look at process {pid}: {error}"),
            Self::Open(number, fault) => write!(out, "connection {number}: {fault}"),
            Self::OpenTimeout { ready, wanted } => write!(
                out,
                "only {ready} of {wanted} connections were up after 60 seconds"
            ),
        }
    }
}

impl std::error::Error for RunError {}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Machine(error)
    }
}

/// Runs a plan.
///
/// # Errors
/// When it cannot run at all; what the broker did wrong is in the run.
pub fn run(plan: &Plan, progress: &Progress) -> Result<Run, RunError> {
    let run = match plan {
        Plan::Traffic(plan) => traffic::run(plan, progress),
        Plan::Replay(plan) => replay::run(plan, progress),
        Plan::Connect(plan) => connect::run(plan, progress),
        Plan::Idle(plan) => idle::run(plan, progress),
    };
    progress.clear();
    run
}

/// Reads the broker's memory, where its process is known.
fn memory(target: &Target) -> Result<Option<Memory>, RunError> {
    let read = |pid| process::memory(pid).map_err(|error| RunError::Process(pid, error));
    target.pid.map(read).transpose()
}

/// Says what connections cost in memory, and what the most of it was.
#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn report_memory(
    run: &mut Run,
    opened: Option<(Memory, Memory)>,
    now: Option<Memory>,
    connections: usize,
) {
    if let Some((before, open)) = opened {
        let each = (open.resident as f64 - before.resident as f64) / connections as f64;
        run.number(
            "rss_per_connection",
            "broker RSS per connection, bytes",
            each,
            0,
        );
    }
    if let Some(now) = now {
        run.count("broker_rss", "broker RSS, bytes", now.resident);
        run.count("broker_rss_peak", "broker RSS peak, bytes", now.peak);
    }
}

/// A handshake with a client id that no other run uses at the same time.
fn handshake(
    version: ProtocolVersion,
    role: &str,
    number: u32,
    filters: &[String],
    qos: u8,
) -> Handshake {
    let connect = encode::connect(version, &client_id(role, number), KEEP_ALIVE);
    Handshake::new(
        version,
        qos,
        connect,
        encode::subscribe(version, filters, qos),
    )
}

fn client_id(role: &str, number: u32) -> String {
    format!("rb-{}-{role}-{number}", std::process::id())
}

/// Turns until every ordered connection is up.
fn open_all<H: Handler>(
    engine: &mut Engine,
    handler: &mut H,
    wanted: usize,
) -> Result<(), RunError> {
    let clock = engine.clock();
    let deadline = clock.now() + OPEN_DEADLINE;
    while !engine.is_open() {
        engine.turn(handler, clock.now() + TICK)?;
        if let Some((number, fault)) = engine.lost().first() {
            return Err(RunError::Open(*number, fault.clone()));
        }
        if clock.now() > deadline {
            let ready = engine.ready();
            return Err(RunError::OpenTimeout { ready, wanted });
        }
    }
    Ok(())
}

/// Turns until an instant.
fn turn_until<H: Handler>(
    engine: &mut Engine,
    handler: &mut H,
    clock: Clock,
    until: u64,
) -> Result<(), RunError> {
    while clock.now() < until {
        engine.turn(handler, until)?;
    }
    Ok(())
}

/// Counts connections that the broker let go.
fn report_lost_connections(run: &mut Run, engine: &Engine) {
    let lost = engine.lost();
    run.count("connections_lost", "connections lost", lost.len() as u64);
    if let Some((number, fault)) = lost.first() {
        run.fail(format!(
            "{} connections lost; the first: connection {number}: {fault}",
            lost.len()
        ));
    }
}

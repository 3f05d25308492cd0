//! Retained messages for newcomers: one client retains a message on each of many
//! topics, then subscribers of all of them come, one after the other.
//!
//! Phases: retain everything; per subscriber: subscribe, and time every message
//! from there; take the messages away again. A newcomer may get messages before
//! its SUBACK, so it subscribes as part of the run, not of the handshake.

use hdrhistogram::Histogram;

use super::look::Observer;
use super::{
    RunError, TICK, handshake, memory, open_all, report_lost_connections, report_memory, verdict,
};
use crate::clock::Clock;
use crate::encode::{self, PublishTemplate, acknowledge};
use crate::engine::{Engine, Handler};
use crate::fault::Fault;
use crate::latency;
use crate::parse::{Packet, Publish, next_packet};
use crate::plan::ReplayPlan;
use crate::progress::Progress;
use crate::result::Run;
use crate::retained::Retainer;
use crate::stamp::Stamp;
use crate::traffic::Counters;

/// The client that retains; the others are newcomers.
const RETAINER: u32 = 0;

/// Everything that takes part.
struct Replay {
    v5: bool,
    qos: u8,
    payload: usize,
    retainer: Retainer,
    /// The newcomer whose turn it is.
    connection: u32,
    /// Its SUBSCRIBE, until it is sent.
    subscribe: Option<Vec<u8>>,
    since: u64,
    last: u64,
    seen: Vec<bool>,
    got: u32,
    duplicated: u64,
    stray: u64,
    latency: Histogram<u64>,
    wake: Option<u32>,
    /// Removals are not acknowledged: nothing but the next turn asks for more.
    again: Option<u64>,
}

/// Runs the plan.
///
/// # Errors
/// When it cannot run at all; what the broker did wrong is in the report.
pub fn run(plan: &ReplayPlan, progress: &Progress) -> Result<Run, RunError> {
    let clock = Clock::start();
    let version = plan.target.version;
    let longest = format!("{}/9999999/999", plan.root);
    let template = PublishTemplate::new(version, &longest, 2, true, plan.payload);
    let max_packet = template.size().next_power_of_two();
    let mut engine = Engine::new(plan.target.address, clock, max_packet)?;
    let mut replay = Replay::new(plan);
    let before = memory(&plan.target)?;
    engine.order(handshake(version, "retain", 0, &[], 0));
    open_all(&mut engine, &mut replay, 1)?;
    let mut run = Run::default();
    replay.wake = Some(RETAINER);
    let started = clock.now();
    work(plan, &mut engine, &mut replay, progress, "retained")?;
    let filled = clock.now() - started;
    let after = memory(&plan.target)?;

    let observer = Observer::new(clock, &plan.target);
    let first = observer.look(Counters::default())?;
    let mut lost = 0;
    let mut spans = latency::histogram();
    for number in 0..plan.subscribers {
        progress.show(|| format!("newcomer {} of {}", number + 1, plan.subscribers));
        engine.order(handshake(version, "new", number, &[], 0));
        open_all(&mut engine, &mut replay, number as usize + 2)?;
        listen(plan, &mut engine, &mut replay, number + 1)?;
        lost += u64::from(plan.topics - replay.got);
        spans.saturating_record((replay.last - replay.since) / 1000);
    }
    let mut last = observer.look(Counters::default())?;
    last.counters.delivered = replay.latency.len();

    let topics = f64::from(plan.topics);
    #[expect(clippy::cast_precision_loss, reason = "a run is far below 2^52 ns")]
    let rate = topics / (filled as f64 / 1e9);
    run.number("retains_per_second", "messages/s retained", rate, 0);
    #[expect(clippy::cast_precision_loss, reason = "a run is far below 2^52 ns")]
    if let Some((before, after)) = before.zip(after) {
        let each = (after.resident as f64 - before.resident as f64) / topics;
        let label = "broker RSS per retained message, bytes";
        run.number("rss_per_retained", label, each, 0);
    }
    last.describe(&first, &mut run);
    observer.remark(&mut run);
    report_memory(&mut run, None, memory(&plan.target)?, 1);
    run.distribution("replay", "all retained messages", &spans);
    run.distribution("latency", "SUBSCRIBE to message", &replay.latency);
    report_faults(&mut run, &replay, lost);
    if let Some(why) = verdict::saturated(last.own_percent(&first), last.wait_percent(&first)) {
        run.invalidate(why);
    }
    replay.retainer.remove_all();
    replay.wake = Some(RETAINER);
    work(plan, &mut engine, &mut replay, progress, "taken away")?;
    report_lost_connections(&mut run, &engine);
    engine.close(|_| Vec::new());
    Ok(run)
}

fn report_faults(run: &mut Run, replay: &Replay, lost: u64) {
    run.count("delivered", "deliveries", replay.latency.len());
    let findings = [
        ("lost", lost),
        ("duplicated", replay.duplicated),
        ("stray", replay.stray),
        ("refused", u64::from(replay.retainer.refused())),
    ];
    for (what, count) in findings {
        run.count(what, what, count);
        if count > 0 {
            run.fail(format!("{count} {what}"));
        }
    }
}

/// Turns until the retainer is done, or nothing moves for the quiet time.
fn work(
    plan: &ReplayPlan,
    engine: &mut Engine,
    replay: &mut Replay,
    progress: &Progress,
    done: &str,
) -> Result<(), RunError> {
    let clock = engine.clock();
    let mut moved_at = clock.now();
    let mut before = replay.retainer.progress();
    while !replay.retainer.is_done() && clock.now() < moved_at + plan.quiet {
        engine.turn(replay, clock.now() + TICK)?;
        let after = replay.retainer.progress();
        if after != before {
            if after / 10_000 != before / 10_000 {
                progress.show(|| format!("{after} of {} {done}", plan.topics));
            }
            moved_at = clock.now();
            before = after;
        }
    }
    Ok(())
}

/// Lets a newcomer subscribe, and turns until it has everything, or nothing
/// arrives for the quiet time.
fn listen(
    plan: &ReplayPlan,
    engine: &mut Engine,
    replay: &mut Replay,
    connection: u32,
) -> Result<(), RunError> {
    let clock = engine.clock();
    let filters = [format!("{}/#", plan.root)];
    let (subscribe, _) = encode::subscribe(plan.target.version, &filters, plan.qos);
    replay.begin(connection, subscribe);
    let mut moved_at = clock.now();
    let mut before = 0;
    while replay.got < plan.topics && clock.now() < moved_at + plan.quiet {
        engine.turn(replay, clock.now() + TICK)?;
        if replay.got != before {
            moved_at = clock.now();
            before = replay.got;
        }
    }
    Ok(())
}

impl Replay {
    fn new(plan: &ReplayPlan) -> Self {
        let version = plan.target.version;
        Self {
            v5: version.has_properties(),
            qos: plan.qos,
            payload: plan.payload,
            retainer: Retainer::new(version, &plan.root, plan.topics, plan.payload),
            connection: RETAINER,
            subscribe: None,
            since: 0,
            last: 0,
            seen: vec![false; plan.topics as usize],
            got: 0,
            duplicated: 0,
            stray: 0,
            latency: latency::histogram(),
            wake: None,
            again: None,
        }
    }

    fn begin(&mut self, connection: u32, subscribe: Vec<u8>) {
        self.connection = connection;
        self.subscribe = Some(subscribe);
        self.seen.fill(false);
        self.got = 0;
        self.wake = Some(connection);
    }

    /// Counts and times a message; `None` where it is not one of ours.
    fn judge(&mut self, connection: u32, publish: Publish<'_>, now: u64) -> Option<()> {
        let stamp = Stamp::read(publish.payload)?;
        // A retained message is delivered with the lower of the two qualities.
        if publish.qos != self.qos.min(1) || publish.payload.len() != self.payload {
            return None;
        }
        let seen = self.seen.get_mut(usize::try_from(stamp.sequence).ok()?)?;
        if connection != self.connection {
            return None;
        }
        if std::mem::replace(seen, true) {
            self.duplicated += 1;
            return Some(());
        }
        self.got += 1;
        self.last = now;
        let micros = now.saturating_sub(self.since) / 1000;
        self.latency.saturating_record(micros);
        Some(())
    }
}

impl Handler for Replay {
    fn ready(&mut self, connection: u32, receive_maximum: u16, _now: u64) {
        if connection == RETAINER {
            self.retainer.limit_in_flight(receive_maximum);
        }
    }

    fn receive(
        &mut self,
        connection: u32,
        bytes: &[u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        if connection == RETAINER {
            self.wake = Some(RETAINER);
            return self.retainer.receive(bytes);
        }
        let mut taken = 0;
        while let Some((packet, size)) = next_packet(&bytes[taken..], self.v5)? {
            taken += size;
            match packet {
                Packet::Publish(publish) => {
                    if publish.qos > 0 {
                        out.extend_from_slice(&acknowledge(0x40, publish.packet_id));
                    }
                    if self.judge(connection, publish, now).is_none() {
                        self.stray += 1;
                    }
                }
                Packet::Other { first: 0x90, body } => {
                    let code = body.last().copied().ok_or(Fault::Malformed)?;
                    if code != self.qos {
                        return Err(Fault::SubscriptionRefused(code));
                    }
                }
                Packet::Other { first, .. } => return Err(Fault::Unexpected(first)),
            }
        }
        Ok(taken)
    }

    fn flushed(&mut self, connection: u32) {
        self.wake = Some(connection);
    }

    fn next_sender(&mut self, now: u64) -> Option<u32> {
        if self.again.is_some_and(|at| at < now) {
            self.again = None;
            return Some(RETAINER);
        }
        self.wake.take()
    }

    fn fill(&mut self, connection: u32, now: u64, out: &mut Vec<u8>) {
        if connection == RETAINER {
            let before = self.retainer.sent();
            self.retainer.fill(now, out);
            if self.retainer.sent() != before {
                self.again = Some(now);
            }
        } else if let Some(subscribe) = self.subscribe.take() {
            out.extend(subscribe);
            self.since = now;
            self.last = now;
        }
    }

    fn next_due(&self) -> Option<u64> {
        self.again
    }
}

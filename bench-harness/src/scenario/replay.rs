//! Retained messages for newcomers: one client retains a message on each of many
//! topics, then subscribers of all of them come, one after the other.
//!
//! Phases: retain everything; per subscriber: subscribe, and time every message
//! from there; take the messages away again, however the run went. A newcomer may
//! get messages before its SUBACK, so it subscribes as part of the run, not of the
//! handshake. It is owed what the broker has acknowledged, and nothing else.

use hdrhistogram::Histogram;

use super::look::{Look, Observer};
use super::{
    RunError, TICK, handshake, memory, open_all, report_lost_connections, report_memory, verdict,
};
use crate::clock::Clock;
use crate::encode::{self, PublishTemplate};
use crate::engine::Engine;
use crate::latency;
use crate::plan::ReplayPlan;
use crate::progress::Progress;
use crate::replay::Replay;
use crate::result::Run;
use crate::retained::{Fate, Remover};
use crate::traffic::Counters;

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
    let mut engine = Engine::new(&plan.target, clock, max_packet)?;
    let owner = engine.order(handshake(version, "retain", 0, &[], 0));
    let mut replay = Replay::new(plan, owner);
    let played = play(plan, &mut engine, &mut replay, progress);
    let taken_away = take_away(plan, &mut engine, &mut replay, owner, progress);
    let mut run = played?;
    if !taken_away? {
        let sent = replay.retainer.sent();
        run.warn(format!(
            "the broker did not say that it has taken the retained messages away: up to {sent} \
             may be left below {}",
            plan.root
        ));
    }
    report_lost_connections(&mut run, &engine);
    engine.close(|_| Vec::new());
    Ok(run)
}

/// Retains, and replays to one newcomer after the other.
fn play(
    plan: &ReplayPlan,
    engine: &mut Engine,
    replay: &mut Replay,
    progress: &Progress,
) -> Result<Run, RunError> {
    let clock = engine.clock();
    let before = memory(&plan.target)?;
    open_all(engine, replay, 1)?;
    replay.begin_to_retain();
    let started = clock.now();
    let all = plan.topics;
    let show = |done| progress.show(|| format!("{done} of {all} retained"));
    let moved_at = work(plan, engine, replay, show, |replay| {
        let retainer = &replay.retainer;
        (!retainer.is_done()).then(|| retainer.answered())
    })?;
    let after = memory(&plan.target)?;

    let observer = Observer::new(clock, &plan.target);
    let first = observer.look(Counters::default())?;
    let owed = replay.retainer.count(Fate::Retained);
    let mut lost = 0;
    let mut spans = latency::histogram();
    for number in 0..plan.subscribers {
        progress.show(|| format!("newcomer {} of {}", number + 1, plan.subscribers));
        let connection = engine.order(handshake(plan.target.version, "new", number, &[], 0));
        open_all(engine, replay, number as usize + 2)?;
        listen(plan, engine, replay, connection, owed)?;
        lost += u64::from(owed - replay.got());
        spans.saturating_record(replay.span());
    }
    let mut last = observer.look(Counters::default())?;
    last.counters.delivered = replay.latency.len();

    let mut run = Run::default();
    report_retaining(&mut run, owed, moved_at - started);
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
    if let Some((before, after)) = before.zip(after) {
        let each = (after.resident as f64 - before.resident as f64) / f64::from(owed);
        let label = "broker RSS per retained message, bytes";
        run.number("rss_per_retained", label, each, 0);
    }
    report_replaying(&mut run, replay, &spans, (&first, &last));
    observer.remark(&mut run);
    report_memory(&mut run, None, memory(&plan.target)?, 1);
    report_faults(&mut run, replay, lost);
    Ok(run)
}

fn report_retaining(run: &mut Run, retained: u32, span: u64) {
    run.count("retained", "messages retained", u64::from(retained));
    #[expect(clippy::cast_precision_loss, reason = "a run is far below 2^52 ns")]
    let rate = f64::from(retained) / (span as f64 / 1e9);
    run.number("retains_per_second", "messages/s retained", rate, 0);
}

fn report_replaying(
    run: &mut Run,
    replay: &Replay,
    spans: &Histogram<u64>,
    (first, last): (&Look, &Look),
) {
    last.describe(first, run);
    run.distribution("replay", "all retained messages", spans);
    run.distribution("latency", "SUBSCRIBE to message", &replay.latency);
    if let Some(why) = verdict::saturated(last.own_percent(first), last.wait_percent(first)) {
        run.invalidate(why);
    }
}

fn report_faults(run: &mut Run, replay: &Replay, lost: u64) {
    run.count("delivered", "deliveries", replay.latency.len());
    let fate = |fate| u64::from(replay.retainer.count(fate));
    let findings = [
        ("lost", lost),
        ("duplicated", replay.duplicated),
        ("stray", replay.stray),
        ("unacknowledged", fate(Fate::Unanswered)),
        ("refused", fate(Fate::Refused)),
        ("unsent", fate(Fate::Unsent)),
    ];
    for (what, count) in findings {
        run.count(what, what, count);
        if count > 0 {
            run.fail(format!("{count} {what}"));
        }
    }
}

/// Turns while there is something `left` to do, which is told by how much is done,
/// until nothing moves for the quiet time or a connection is lost; when it last
/// moved. Each ten thousand of it is shown.
fn work(
    plan: &ReplayPlan,
    engine: &mut Engine,
    replay: &mut Replay,
    show: impl Fn(u32),
    left: impl Fn(&Replay) -> Option<u32>,
) -> Result<u64, RunError> {
    let clock = engine.clock();
    let lost = engine.lost().len();
    let mut moved_at = clock.now();
    let mut before = 0;
    while let Some(after) = left(replay)
        && clock.now() < moved_at + plan.quiet
        && engine.lost().len() == lost
    {
        if after != before {
            if after / 10_000 != before / 10_000 {
                show(after);
            }
            moved_at = clock.now();
            before = after;
        }
        engine.turn(replay, clock.now() + TICK)?;
    }
    if left(replay).is_none() {
        moved_at = clock.now();
    }
    Ok(moved_at)
}

/// Lets a newcomer subscribe, and turns until it has everything that it is owed,
/// or nothing arrives for the quiet time.
fn listen(
    plan: &ReplayPlan,
    engine: &mut Engine,
    replay: &mut Replay,
    connection: u32,
    owed: u32,
) -> Result<(), RunError> {
    let filters = [format!("{}/#", plan.root)];
    let (subscribe, _) = encode::subscribe(plan.target.version, &filters, plan.qos);
    replay.begin_to_listen(connection, subscribe);
    let show = |_| ();
    work(plan, engine, replay, show, |replay| {
        (replay.got() < owed).then(|| replay.got())
    })?;
    Ok(())
}

/// Takes everything away that may have been retained, over a new connection where
/// the old one is lost; whether the broker has confirmed it.
fn take_away(
    plan: &ReplayPlan,
    engine: &mut Engine,
    replay: &mut Replay,
    owner: u32,
    progress: &Progress,
) -> Result<bool, RunError> {
    if replay.retainer.sent() == 0 {
        return Ok(true);
    }
    let is_lost = |engine: &Engine| engine.lost().iter().any(|(number, _)| *number == owner);
    let mut owner = owner;
    if is_lost(engine) {
        owner = engine.order(handshake(plan.target.version, "remove", 0, &[], 0));
        let deadline = engine.clock().now() + plan.quiet;
        while !engine.is_open() && engine.clock().now() < deadline {
            engine.turn(replay, deadline)?;
        }
    }
    replay.begin_to_remove(owner);
    let is_done = |replay: &Replay| replay.remover.as_ref().is_some_and(Remover::is_done);
    let show = |done| progress.show(|| format!("{done} of {} taken away", plan.topics));
    work(plan, engine, replay, show, |replay| {
        let sent = replay.remover.as_ref().map_or(0, Remover::sent);
        (!is_done(replay)).then_some(sent)
    })?;
    Ok(is_done(replay))
}

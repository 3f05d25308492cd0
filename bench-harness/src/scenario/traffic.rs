//! Messages flow, every stream is checked, and the part after the warm-up is
//! measured.
//!
//! Phases: open all connections; warm up; measure; stop sending and wait until
//! everything sent has arrived (or nothing arrives any more); report.

use std::ops::Range;

use super::look::{Look, Observer};
use super::timeline::{Glance, Timeline};
use super::{
    RunError, TICK, handshake, memory, open_all, report_lost_connections, report_memory,
    turn_until, verdict,
};
use crate::clock::seconds;
use crate::encode::{PublishTemplate, forget_retained};
use crate::engine::Engine;
use crate::plan::{Pace, TrafficPlan};
use crate::process::{self, Memory};
use crate::progress::Progress;
use crate::result::Run;
use crate::traffic::Traffic;

/// A window that does not move for this long is written off.
const STALL: u64 = seconds(2);

/// Subscriptions of a connection from which its own memory is little beside theirs.
const MANY_SUBSCRIPTIONS: usize = 100;

/// The length of an interval of the timeline.
const INTERVAL: u64 = seconds(1);

/// Runs the plan.
///
/// # Errors
/// When it cannot run at all; what the broker did wrong is in the report.
pub fn run(plan: &TrafficPlan, progress: &Progress) -> Result<Run, RunError> {
    let clock = crate::clock::Clock::start();
    let topology = &plan.topology;
    let longest = topology.publishers.iter().map(|s| s.topic.as_str());
    let longest = longest.max_by_key(|topic| topic.len()).unwrap_or("");
    let template = PublishTemplate::new(plan.target.version, longest, 2, false, plan.payload);
    let max_packet = template.size().next_power_of_two();
    let mut engine = Engine::new(&plan.target, clock, max_packet)?;
    let mut traffic = Traffic::new(plan);
    let observer = Observer::new(clock, &plan.target);
    let memory_before = memory(&plan.target)?;
    progress.show(|| "connecting".to_owned());
    let wanted = order_connections(plan, &mut engine);
    open_all(&mut engine, &mut traffic, wanted)?;
    let memory_open = memory(&plan.target)?;
    for (number, reader) in (0..).zip(&topology.subscribers) {
        if reader.stalled {
            engine.stop_reading(number)?;
        }
    }

    let start = clock.now();
    let measured = start + plan.warmup..start + plan.warmup + plan.duration;
    traffic.start(start, measured.clone(), plan.pace);
    let (before, after, mut timeline) =
        measure(&observer, &mut engine, &mut traffic, measured, progress)?;
    progress.show(|| "waiting for what is under way".to_owned());
    drain(plan, &observer, &mut engine, &mut traffic, &mut timeline)?;
    timeline.cut(
        observer.look(traffic.counters)?,
        &mut traffic.timing.latency,
    );

    let mut run = Run::default();
    after.describe(&before, &mut run);
    observer.remark(&mut run);
    if let Some(pid) = plan.target.pid {
        run.count(
            "broker_threads",
            "broker threads",
            process::threads(pid) as u64,
        );
    }
    let opened = memory_before.zip(memory_open);
    report_memory(&mut run, opened, memory(&plan.target)?, wanted);
    report_subscriptions(&mut run, plan, opened, wanted);
    describe_times(&mut run, plan, &traffic);
    verdict::judge_shares(&mut run, plan.pace, &before, &after);
    verdict::judge_streams(&mut run, plan, &traffic);
    report_lost_connections(&mut run, &engine);
    run.began = timeline.began();
    run.intervals = timeline.finish();
    close(plan, engine);
    Ok(run)
}

/// Says what a subscription costs in memory, where a connection holds many of them:
/// the connections themselves are in it.
#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn report_subscriptions(
    run: &mut Run,
    plan: &TrafficPlan,
    opened: Option<(Memory, Memory)>,
    connections: usize,
) {
    let readers = &plan.topology.subscribers;
    let subscriptions: usize = readers.iter().map(|reader| reader.filters.len()).sum();
    if subscriptions >= MANY_SUBSCRIPTIONS * connections
        && let Some((before, open)) = opened
    {
        let grown = open.resident as f64 - before.resident as f64;
        run.number(
            "rss_per_subscription",
            "broker RSS per subscription, bytes",
            grown / subscriptions as f64,
            0,
        );
    }
}

fn order_connections(plan: &TrafficPlan, engine: &mut Engine) -> usize {
    let topology = &plan.topology;
    let version = plan.target.version;
    for (number, reader) in (0..).zip(&topology.subscribers) {
        let filters = &reader.filters;
        engine.order(handshake(version, "sub", number, filters, plan.qos));
    }
    for (number, _) in (0..).zip(&topology.publishers) {
        engine.order(handshake(version, "pub", number, &[], plan.qos));
    }
    topology.subscribers.len() + topology.publishers.len()
}

fn measure(
    observer: &Observer,
    engine: &mut Engine,
    traffic: &mut Traffic,
    measured: Range<u64>,
    progress: &Progress,
) -> Result<(Look, Look, Timeline), RunError> {
    let clock = engine.clock();
    let look = |traffic: &Traffic| observer.look(traffic.counters);
    let mut next_stall = clock.now() + STALL;
    let mut turn = |traffic: &mut Traffic, until: u64| {
        if clock.now() >= next_stall {
            traffic.write_off_stuck_windows();
            next_stall = clock.now() + STALL;
        }
        engine.turn(traffic, until.min(next_stall))
    };
    progress.show(|| "warming up".to_owned());
    while clock.now() < measured.start {
        turn(traffic, measured.start)?;
    }
    let before = look(traffic)?;
    let mut timeline = Timeline::start(before);
    while clock.now() < measured.end {
        let next_cut = timeline.last_cut() + INTERVAL;
        if clock.now() >= next_cut && next_cut < measured.end {
            let glance = timeline.cut(look(traffic)?, &mut traffic.timing.latency);
            let left = measured.end.saturating_sub(clock.now()) / seconds(1);
            progress.show(|| line(&glance, left));
        }
        turn(traffic, measured.end.min(timeline.last_cut() + INTERVAL))?;
    }
    let after = look(traffic)?;
    timeline.cut(after, &mut traffic.timing.latency);
    Ok((before, after, timeline))
}

fn line(glance: &Glance, left: u64) -> String {
    format!(
        "{:.0}/s in  {:.0}/s out  p50 {} us  p99 {} us  max {} us  {left} s left",
        glance.published, glance.delivered, glance.p50, glance.p99, glance.max
    )
}

/// Waits for what is under way, until nothing has moved for the quiet time.
fn drain(
    plan: &TrafficPlan,
    observer: &Observer,
    engine: &mut Engine,
    traffic: &mut Traffic,
    timeline: &mut Timeline,
) -> Result<(), RunError> {
    /// Time after the last expected delivery in which duplicates show up.
    const AFTERMATH: u64 = 50_000_000;
    let clock = engine.clock();
    let progress = |traffic: &Traffic| {
        (
            traffic.counters,
            traffic.unacknowledged(),
            traffic.answers(),
        )
    };
    let mut last = progress(traffic);
    let mut moved_at = clock.now();
    while clock.now() < moved_at + plan.quiet {
        let done = traffic.counters.delivered >= traffic.counters.expected
            && traffic.unsent() == 0
            && traffic.unacknowledged() == 0;
        if done {
            return turn_until(engine, traffic, clock, clock.now() + AFTERMATH);
        }
        engine.turn(traffic, clock.now() + TICK)?;
        let current = progress(traffic);
        if current != last {
            last = current;
            moved_at = clock.now();
        }
        if clock.now() >= timeline.last_cut() + INTERVAL {
            let look = observer.look(traffic.counters)?;
            timeline.cut(look, &mut traffic.timing.latency);
        }
    }
    Ok(())
}

fn describe_times(run: &mut Run, plan: &TrafficPlan, traffic: &Traffic) {
    let timing = &traffic.timing;
    run.distribution("latency", "latency", timing.latency.total());
    if matches!(plan.pace, Pace::Rate(_)) {
        run.distribution(
            "latency_uncorrected",
            "uncorrected latency",
            &timing.uncorrected,
        );
        run.distribution("send_late", "sent late", &timing.lateness);
    }
    run.distribution("skew", "fan-out skew", &timing.skew);
}

/// Closes all connections; retained messages are taken away with the last words.
fn close(plan: &TrafficPlan, engine: Engine) {
    let subscribers = plan.topology.subscribers.len();
    engine.close(|number| {
        let publisher = (number as usize).checked_sub(subscribers);
        match publisher.filter(|_| plan.retain) {
            Some(publisher) => {
                let topic = &plan.topology.publishers[publisher].topic;
                forget_retained(plan.target.version, topic)
            }
            None => Vec::new(),
        }
    });
}

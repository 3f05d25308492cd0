//! Fan-out, fan-in and pairs: messages flow, every stream is checked, and the
//! part after the warm-up is measured.
//!
//! Phases: open all connections; warm up; measure; stop sending and wait until
//! everything sent has arrived (or nothing arrives any more); report.

use std::ops::Range;

use super::{
    RunError, TICK, begin_report, handshake, open_all, report_lost_connections, turn_until,
};
use crate::clock::{Clock, seconds};
use crate::encode::PublishTemplate;
use crate::engine::Engine;
use crate::latency;
use crate::plan::{Pace, TrafficPlan};
use crate::process;
use crate::report::Report;
use crate::stream::Losses;
use crate::traffic::{Counters, Traffic};

/// A window that does not move for this long is written off.
const STALL: u64 = seconds(2);

/// Own CPU share above which the generator, not the broker, may be the limit.
const SATURATED_PERCENT: f64 = 90.0;

/// In a closed loop one of the two must be busy; below this share of a core
/// both were waiting.
const WAITING_PERCENT: f64 = 80.0;

/// Subscribers named in a report of losses.
const WORST_SUBSCRIBERS: usize = 5;

/// What was counted at one instant.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: u64,
    counters: Counters,
    own_cpu: u64,
    broker_cpu: Option<u64>,
}

/// Runs the plan.
///
/// # Errors
/// When it cannot run at all; what the broker did wrong is in the report.
pub fn run(plan: &TrafficPlan) -> Result<Report, RunError> {
    let clock = Clock::start();
    let max_packet = PublishTemplate::new(plan.version, &plan.topology.topics[0], 2, plan.payload)
        .size()
        .next_power_of_two();
    let mut engine = Engine::new(plan.target.address, clock, max_packet)?;
    let mut traffic = Traffic::new(plan);
    let wanted = order_connections(plan, &mut engine);
    open_all(&mut engine, &mut traffic, wanted)?;

    let start = clock.now();
    let measured = start + plan.warmup..start + plan.warmup + plan.duration;
    traffic.start(start, measured.clone(), plan.pace);
    let samples = measure(plan, &mut engine, &mut traffic, measured)?;
    traffic.stop();
    drain(plan, &mut engine, &mut traffic)?;

    let mut report = begin_report(plan.scenario, &plan.target);
    describe_plan(&mut report, plan);
    describe_rates(&mut report, plan, samples);
    latency::describe(&mut report, "latency", "latency", &traffic.latency);
    latency::describe(&mut report, "send_late", "sent late", &traffic.lateness);
    judge(&mut report, plan, &traffic);
    report_lost_connections(&mut report, &engine);
    engine.close();
    Ok(report)
}

fn order_connections(plan: &TrafficPlan, engine: &mut Engine) -> usize {
    let topology = &plan.topology;
    for (number, reader) in (0..).zip(&topology.subscribers) {
        let filters = &reader.filters;
        engine.order(handshake(plan.version, "sub", number, filters, plan.qos));
    }
    for (number, _) in (0..).zip(&topology.topics) {
        engine.order(handshake(plan.version, "pub", number, &[], plan.qos));
    }
    topology.subscribers.len() + topology.topics.len()
}

fn measure(
    plan: &TrafficPlan,
    engine: &mut Engine,
    traffic: &mut Traffic,
    measured: Range<u64>,
) -> Result<(Sample, Sample), RunError> {
    let clock = engine.clock();
    let mut next_look = clock.now() + STALL;
    let mut before = None;
    loop {
        let now = clock.now();
        if before.is_none() && now >= measured.start {
            before = Some(sample(plan, clock, traffic)?);
        }
        if let Some(before) = before
            && now >= measured.end
        {
            return Ok((before, sample(plan, clock, traffic)?));
        }
        if now >= next_look {
            traffic.write_off_stuck_windows();
            next_look = now + STALL;
        }
        let phase_end = if before.is_none() {
            measured.start
        } else {
            measured.end
        };
        engine.turn(traffic, phase_end.min(next_look))?;
    }
}

fn sample(plan: &TrafficPlan, clock: Clock, traffic: &Traffic) -> Result<Sample, RunError> {
    let broker_cpu = match plan.target.pid {
        Some(pid) => Some(process::cpu(pid).map_err(|error| RunError::Process(pid, error))?),
        None => None,
    };
    Ok(Sample {
        at: clock.now(),
        counters: traffic.counters,
        own_cpu: process::own_cpu()?,
        broker_cpu,
    })
}

/// Waits for what is under way, until nothing has moved for the quiet time.
fn drain(plan: &TrafficPlan, engine: &mut Engine, traffic: &mut Traffic) -> Result<(), RunError> {
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
        let done = traffic.counters.delivered >= traffic.expected()
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
    }
    Ok(())
}

fn describe_plan(report: &mut Report, plan: &TrafficPlan) {
    let topology = &plan.topology;
    report.count("publishers", "publishers", topology.topics.len() as u64);
    report.count(
        "subscribers",
        "subscribers",
        topology.subscribers.len() as u64,
    );
    report.count("qos", "QoS", u64::from(plan.qos));
    report.count("payload_bytes", "payload, bytes", plan.payload as u64);
    match plan.pace {
        Pace::Window(window) => {
            report.count("window", "window per publisher", u64::from(window));
        }
        Pace::Rate(rate) => report.count("rate", "intended messages/s", rate),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run are far below 2^52"
)]
fn describe_rates(report: &mut Report, plan: &TrafficPlan, (before, after): (Sample, Sample)) {
    let span = (after.at - before.at) as f64;
    let seconds = span / 1e9;
    let delivered = (after.counters.delivered - before.counters.delivered) as f64;
    let published = (after.counters.published - before.counters.published) as f64;
    report.number("seconds", "measured, s", seconds, 3);
    let deliveries = delivered / seconds;
    report.number("deliveries_per_second", "deliveries/s", deliveries, 0);
    let messages = published / seconds;
    report.number("messages_per_second", "messages/s in", messages, 0);

    let mut costs = |key: &str, label: &str, nanos: u64| {
        let each = nanos as f64 / 1000.0 / delivered;
        report.number(
            &format!("{key}_cpu_us_per_delivery"),
            &format!("{label} CPU us/delivery"),
            each,
            3,
        );
        let percent = nanos as f64 / span * 100.0;
        report.number(
            &format!("{key}_cpu_percent"),
            &format!("{label} CPU, %"),
            percent,
            1,
        );
        percent
    };
    let broker = before
        .broker_cpu
        .zip(after.broker_cpu)
        .map(|(first, last)| costs("broker", "broker", last.saturating_sub(first)));
    let generator = costs("generator", "generator", after.own_cpu - before.own_cpu);
    if let Some(pid) = plan.target.pid {
        let threads = process::threads(pid) as u64;
        report.count("broker_threads", "broker threads", threads);
    }
    judge_shares(report, plan.pace, broker, generator);
}

/// Doubts a run whose limit was not the broker.
fn judge_shares(report: &mut Report, pace: Pace, broker: Option<f64>, generator: f64) {
    if generator > SATURATED_PERCENT {
        report.warn(format!(
            "the generator used {generator:.0} % of its core: it may be the limit, not the broker"
        ));
    } else if matches!(pace, Pace::Window(_))
        && broker.is_some_and(|broker| broker.max(generator) < WAITING_PERCENT)
    {
        report.warn(
            "neither broker nor generator was busy: the window is too small, or other \
             processes took the cores"
                .to_owned(),
        );
    }
}

/// Says what was lost, repeated, out of order or never answered.
fn judge(report: &mut Report, plan: &TrafficPlan, traffic: &Traffic) {
    let accounts = traffic.losses();
    let mut sum = Losses::default();
    accounts.iter().for_each(|account| sum.add(*account));
    let answers = traffic.answers();
    let unanswered = traffic.unacknowledged() as u64;
    report.count("published", "messages sent", traffic.counters.published);
    report.count("delivered", "deliveries", traffic.counters.delivered);
    let findings = [
        ("lost", sum.lost),
        ("duplicated", sum.duplicated),
        ("reordered", sum.reordered),
        ("stray", traffic.counters.stray),
        ("unacknowledged", unanswered),
        ("refused", answers.refused),
        ("unexpected_acks", answers.unexpected),
        ("unsent", traffic.unsent()),
    ];
    for (what, count) in findings {
        let label = what.replace('_', " ");
        report.count(what, &label, count);
        if count > 0 && !(what == "lost" && plan.tolerate_loss) {
            report.fail(format!("{count} {label}"));
        }
    }
    let mut troubled: Vec<(usize, &Losses)> = accounts
        .iter()
        .enumerate()
        .filter(|(_, account)| !account.is_clean())
        .collect();
    report.count(
        "subscribers_affected",
        "subscribers affected",
        troubled.len() as u64,
    );
    troubled.sort_by_key(|(_, account)| {
        std::cmp::Reverse(account.lost + account.duplicated + account.reordered)
    });
    for (number, account) in troubled.iter().take(WORST_SUBSCRIBERS) {
        report.warn(format!(
            "subscriber {number}: {} lost, {} duplicated, {} reordered",
            account.lost, account.duplicated, account.reordered
        ));
    }
    let stalls = traffic.counters.stalls;
    report.count("stalls", "windows written off", stalls);
    if stalls > 0 {
        report.warn(format!(
            "{stalls} times a publisher's window did not move for 2 s and was begun anew"
        ));
    }
}

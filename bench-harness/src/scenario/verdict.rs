//! What a traffic run was worth: what the broker did wrong, and whether the
//! numbers speak of the broker at all.
//!
//! Pure.

use super::look::Look;
use crate::plan::{Pace, TrafficPlan};
use crate::readers::Owner;
use crate::result::Run;
use crate::stream::Losses;
use crate::traffic::Traffic;

/// Own share of a core above which the generator, not the broker, may be the
/// limit: what is left is less than the kernel's own variation.
pub const SATURATED_PERCENT: f64 = 90.0;

/// A generator that was running or waiting for a core for this share of the time
/// never waited for the broker.
pub const NEVER_IDLE_PERCENT: f64 = 97.0;

/// A generator that was kept from its core for this share of the time times the
/// machine, not the broker: messages arrived while it could not look.
const KEPT_PERCENT: f64 = 30.0;

/// A generator or broker that was kept from its core longer than this is told of.
const DISTURBED_PERCENT: f64 = 10.0;

/// In a closed loop one of the two must be busy; below this share of a core
/// both were waiting.
const WAITING_PERCENT: f64 = 80.0;

/// Subscribers named in a report of losses.
const WORST_SUBSCRIBERS: usize = 5;

/// Refuses a run whose limit was the generator, and doubts one whose limit was
/// neither.
pub fn judge_shares(run: &mut Run, pace: Pace, before: &Look, after: &Look) {
    let (own, wait) = (after.own_percent(before), after.wait_percent(before));
    let broker = after.broker_percent(before);
    let broker_wait = after.broker_wait_percent(before).unwrap_or(0.0);
    if let Some(reason) = saturated(own, wait) {
        run.invalidate(reason);
    } else if matches!(pace, Pace::Window(_))
        && broker.is_some_and(|broker| (broker + broker_wait).max(own + wait) < WAITING_PERCENT)
    {
        run.warn("neither broker nor generator was busy: the window is too small".to_owned());
    }
    if broker_wait > DISTURBED_PERCENT {
        run.warn(format!(
            "the broker was kept from its cores {broker_wait:.0} % of a core's time: other \
             processes were running there"
        ));
    }
    if wait > DISTURBED_PERCENT && wait <= KEPT_PERCENT {
        run.warn(format!(
            "the generator was kept from its core {wait:.0} % of the time: other processes \
             were running there"
        ));
    }
}

/// Why the numbers of a generator that ran `own` and waited for a core `wait`
/// percent of the time are not the broker's.
#[must_use]
pub fn saturated(own: f64, wait: f64) -> Option<String> {
    if own > SATURATED_PERCENT {
        Some(format!(
            "the generator was saturated: it used {own:.0} % of its core, so it may be the \
             limit, not the broker"
        ))
    } else if own + wait > NEVER_IDLE_PERCENT {
        Some(format!(
            "the generator was saturated: it was never idle ({own:.0} % of the time running, \
             {wait:.0} % kept from its core), so it may be the limit, not the broker"
        ))
    } else if wait > KEPT_PERCENT {
        Some(format!(
            "the generator was kept from its core {wait:.0} % of the time: the latencies are \
             those of a busy machine, not of the broker"
        ))
    } else {
        None
    }
}

/// Says what was lost, repeated, out of order or never answered.
pub fn judge_streams(run: &mut Run, plan: &TrafficPlan, traffic: &Traffic) {
    let accounts = traffic.accounts();
    let mut sum = Losses::default();
    accounts.iter().for_each(|(_, account)| sum.add(*account));
    let answers = traffic.answers();
    run.count("published", "messages sent", traffic.counters.published);
    run.count("delivered", "deliveries", traffic.counters.delivered);
    let findings = [
        ("lost", sum.lost),
        ("duplicated", sum.duplicated),
        ("reordered", sum.reordered),
        ("stray", traffic.counters.stray),
        ("unacknowledged", traffic.unacknowledged() as u64),
        ("refused", answers.refused),
        ("unexpected_acks", answers.unexpected),
        ("unsent", traffic.unsent()),
    ];
    for (what, count) in findings {
        let label = what.replace('_', " ");
        run.count(what, &label, count);
        if count > 0 && !(what == "lost" && plan.tolerate_loss) {
            run.fail(format!("{count} {label}"));
        }
    }
    name_the_worst(run, &accounts);
    let stalls = traffic.counters.stalls;
    run.count("stalls", "windows written off", stalls);
    if stalls > 0 {
        run.warn(format!(
            "{stalls} times a publisher's window did not move for 2 s and was begun anew"
        ));
    }
}

fn name_the_worst(run: &mut Run, accounts: &[(Owner, Losses)]) {
    let mut troubled: Vec<&(Owner, Losses)> = accounts
        .iter()
        .filter(|(_, account)| !account.is_clean())
        .collect();
    run.count(
        "subscribers_affected",
        "subscribers affected",
        troubled.len() as u64,
    );
    troubled.sort_by_key(|(_, account)| {
        std::cmp::Reverse(account.lost + account.duplicated + account.reordered)
    });
    for (name, account) in troubled.iter().take(WORST_SUBSCRIBERS) {
        run.warn(format!(
            "{name}: {} lost, {} duplicated, {} reordered",
            account.lost, account.duplicated, account.reordered
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_without_a_pause_or_a_core_makes_a_run_invalid() {
        assert!(saturated(91.0, 0.0).is_some_and(|why| why.contains("91 % of its core")));
        assert!(saturated(60.0, 38.0).is_some_and(|why| why.contains("38 % kept")));
        assert!(saturated(10.0, 31.0).is_some_and(|why| why.contains("busy machine")));
        assert_eq!(saturated(60.0, 20.0), None);
    }
}

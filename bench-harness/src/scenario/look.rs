//! What can be read of a run at one instant, and what two such looks say.
//!
//! Reads `/proc`; owns the counters of the broker's system calls, where they are
//! asked for.

use super::RunError;
use crate::clock::Clock;
use crate::plan::Target;
use crate::process::{self, Switches};
use crate::result::Run;
use crate::syscalls::Syscalls;
use crate::traffic::Counters;

/// Looks at a run from outside the engine.
#[derive(Debug)]
pub struct Observer {
    clock: Clock,
    pid: Option<u32>,
    /// Where they are asked for: the counters, or why there are none.
    syscalls: Option<Result<Syscalls, String>>,
}

impl Observer {
    /// Begins to count what must be counted from the start.
    #[must_use]
    pub fn new(clock: Clock, target: &Target) -> Self {
        let pid = target.pid;
        Self {
            clock,
            pid,
            syscalls: pid
                .filter(|_| target.count_syscalls)
                .map(Syscalls::count_of),
        }
    }

    /// Looks.
    ///
    /// # Errors
    /// When the broker's process cannot be looked at.
    pub fn look(&self, counters: Counters) -> Result<Look, RunError> {
        let costs = |pid: u32| {
            let read = || {
                Ok(Costs {
                    cpu: process::cpu(pid)?,
                    wait: process::wait(pid),
                    switches: process::switches(pid)?,
                    syscalls: match &self.syscalls {
                        Some(Ok(syscalls)) => Some(syscalls.total()?),
                        Some(Err(_)) | None => None,
                    },
                })
            };
            read().map_err(|error| RunError::Process(pid, error))
        };
        Ok(Look {
            at: self.clock.now(),
            counters,
            own_cpu: process::own_cpu()?,
            own_wait: process::own_wait().unwrap_or(0),
            broker: self.pid.map(costs).transpose()?,
        })
    }

    /// Says what counting system calls did to the run, or why they are not told.
    pub fn remark(&self, run: &mut Run) {
        match &self.syscalls {
            Some(Ok(_)) => run.warn(
                "system calls were counted, which slows each one: take CPU and latency from \
                 a run without --syscalls"
                    .to_owned(),
            ),
            Some(Err(why)) => run.warn(format!("system calls could not be counted: {why}")),
            None => {}
        }
    }
}

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When.
    pub at: u64,
    /// What was counted.
    pub counters: Counters,
    /// CPU nanoseconds of this thread.
    pub own_cpu: u64,
    /// Nanoseconds that this thread was kept waiting for a core.
    pub own_wait: u64,
    /// The broker's costs, where its process is known.
    pub broker: Option<Costs>,
}

/// What a broker's process has used.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// CPU nanoseconds.
    pub cpu: u64,
    /// Nanoseconds that its threads were kept waiting for cores.
    pub wait: u64,
    /// Context switches.
    pub switches: Switches,
    /// System calls, where they are counted.
    pub syscalls: Option<u64>,
}

impl Costs {
    /// System calls since `before`.
    #[must_use]
    pub fn syscalls_since(&self, before: &Self) -> Option<u64> {
        Some(self.syscalls?.saturating_sub(before.syscalls?))
    }
}

impl Look {
    /// The share of a core that this thread used since `before`, percent.
    #[must_use]
    pub fn own_percent(&self, before: &Self) -> f64 {
        percent(self.own_cpu - before.own_cpu, self.at - before.at)
    }

    /// The share of the time that this thread waited for a core, percent.
    #[must_use]
    pub fn wait_percent(&self, before: &Self) -> f64 {
        percent(
            self.own_wait.saturating_sub(before.own_wait),
            self.at - before.at,
        )
    }

    /// The broker's share of one core since `before`, percent.
    #[must_use]
    pub fn broker_percent(&self, before: &Self) -> Option<f64> {
        let (first, last) = (before.broker?, self.broker?);
        let used = last.cpu.saturating_sub(first.cpu);
        Some(percent(used, self.at - before.at))
    }

    /// The share of one core that the broker's threads wanted and did not get
    /// since `before`, percent.
    #[must_use]
    pub fn broker_wait_percent(&self, before: &Self) -> Option<f64> {
        let (first, last) = (before.broker?, self.broker?);
        let waited = last.wait.saturating_sub(first.wait);
        Some(percent(waited, self.at - before.at))
    }

    /// Says what flowed since `before`, and what it cost.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a run stay below 2^53"
    )]
    pub fn describe(&self, before: &Self, run: &mut Run) {
        let seconds = (self.at - before.at) as f64 / 1e9;
        let delivered = (self.counters.delivered - before.counters.delivered) as f64;
        let published = (self.counters.published - before.counters.published) as f64;
        run.number("seconds", "measured, s", seconds, 3);
        let rate = delivered / seconds;
        run.number("deliveries_per_second", "deliveries/s", rate, 0);
        let rate = published / seconds;
        run.number("messages_per_second", "messages/s in", rate, 0);
        let each = |nanos: u64| nanos as f64 / 1000.0 / delivered;
        if let Some((first, last)) = before.broker.zip(self.broker) {
            let used = each(last.cpu.saturating_sub(first.cpu));
            run.number(
                "broker_cpu_us_per_delivery",
                "broker CPU us/delivery",
                used,
                3,
            );
            if let Some(calls) = last.syscalls_since(&first) {
                run.number(
                    "broker_syscalls_per_delivery",
                    "broker system calls/delivery",
                    calls as f64 / delivered,
                    4,
                );
            }
            let switched = |pick: fn(&Switches) -> u64| {
                let count = pick(&last.switches).saturating_sub(pick(&first.switches));
                count as f64 / seconds
            };
            let voluntary = switched(|switches| switches.voluntary);
            run.number(
                "broker_switches_voluntary",
                "broker context switches/s, voluntary",
                voluntary,
                0,
            );
            let involuntary = switched(|switches| switches.involuntary);
            run.number(
                "broker_switches_involuntary",
                "broker context switches/s, forced",
                involuntary,
                0,
            );
        }
        if let Some(percent) = self.broker_percent(before) {
            run.number("broker_cpu_percent", "broker CPU, % of a core", percent, 1);
        }
        if let Some(percent) = self.broker_wait_percent(before) {
            run.number(
                "broker_wait_percent",
                "broker kept from its cores, % of a core",
                percent,
                1,
            );
        }
        let used = each(self.own_cpu - before.own_cpu);
        run.number(
            "generator_cpu_us_per_delivery",
            "generator CPU us/delivery",
            used,
            3,
        );
        let percent = self.own_percent(before);
        run.number(
            "generator_cpu_percent",
            "generator CPU, % of a core",
            percent,
            1,
        );
        let percent = self.wait_percent(before);
        run.number(
            "generator_wait_percent",
            "generator kept from its core, %",
            percent,
            1,
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans of a run stay below 2^53")]
fn percent(part: u64, span: u64) -> f64 {
    part as f64 / span as f64 * 100.0
}

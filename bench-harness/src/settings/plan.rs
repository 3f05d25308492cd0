//! From settings to a plan: the only place where they are checked together.
//!
//! Pure.

use super::{Scenario, Settings, Shape};
use crate::clock::seconds;
use crate::plan::{ConnectPlan, IdlePlan, Pace, Plan, ReplayPlan, Target, TrafficPlan};
use crate::stamp::{MAX_PUBLISHERS, STAMP_BYTES};
use crate::topology::Topology;

/// Largest payload: what an MQTT packet can hold, rounded down.
const MAX_PAYLOAD: usize = 256_000_000;

/// Connections that one run can have: tokens and loopback addresses suffice for
/// more, memory does not.
const MAX_CONNECTIONS: u32 = 10_000_000;

impl Scenario {
    /// A plan whose topics begin with `root`, which no other run may use at the
    /// same time.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn plan(&self, target: &Target, root: &str) -> Result<Plan, String> {
        let settings = self.settings.over(&self.shape.defaults());
        let target = target.clone();
        match self.shape {
            Shape::FanOut
            | Shape::FanIn
            | Shape::Pairs
            | Shape::Shared
            | Shape::Wildcard
            | Shape::Mixed => self
                .traffic_plan(&settings, target, root)
                .map(Plan::Traffic),
            Shape::RetainedReplay => Ok(Plan::Replay(ReplayPlan {
                target,
                qos: settings.qos.unwrap_or(0),
                payload: payload(&settings)?,
                topics: positive("topics", settings.topics)?,
                subscribers: positive("subscribers", settings.subscribers)?,
                root: format!("{root}/retained"),
                quiet: seconds(positive("quiet", settings.quiet)?),
            })),
            Shape::Connect => {
                if settings.rate == Some(0) {
                    return Err("rate must be at least 1".to_owned());
                }
                Ok(Plan::Connect(ConnectPlan {
                    target,
                    connections: connections(&settings)?,
                    rate: settings.rate,
                    concurrent: positive("concurrent", settings.concurrent)?,
                }))
            }
            Shape::Idle => Ok(Plan::Idle(IdlePlan {
                pid: target.pid.ok_or("idle needs --pid, the broker's process")?,
                target,
                connections: connections(&settings)?,
                subscribe: settings.subscribe.unwrap_or(false),
                keep_alive: settings.keep_alive.unwrap_or(0),
                settle: seconds(settings.settle.unwrap_or(0)),
            })),
        }
    }

    fn traffic_plan(
        &self,
        settings: &Settings,
        target: Target,
        root: &str,
    ) -> Result<TrafficPlan, String> {
        let mut topology = Topology::default();
        if self.shape == Shape::Mixed {
            for (number, part) in self.parts.iter().enumerate() {
                // Its own root, so that two parts of one shape do not meet.
                let root = format!("{root}/{number}");
                topology.add(shape_topology(part.shape, &part.settings(), &root)?);
            }
        } else {
            topology = shape_topology(self.shape, settings, root)?;
        }
        if topology.publishers.len() > MAX_PUBLISHERS as usize {
            return Err(format!("at most {MAX_PUBLISHERS} publishers"));
        }
        let pace = match settings.rate {
            Some(rate) => Pace::Rate(positive("rate", Some(rate))?),
            None => Pace::Window(positive("window", settings.window)?),
        };
        Ok(TrafficPlan {
            target,
            qos: settings.qos.unwrap_or(0),
            retain: settings.retain.unwrap_or(false),
            payload: payload(settings)?,
            pace,
            warmup: seconds(settings.warmup.unwrap_or(0)),
            duration: seconds(positive("seconds", settings.seconds)?),
            in_flight: positive("inflight", settings.inflight)?,
            quiet: seconds(positive("quiet", settings.quiet)?),
            tolerate_loss: settings.tolerate_loss.unwrap_or(false),
            topology,
        })
    }
}

fn shape_topology(shape: Shape, settings: &Settings, root: &str) -> Result<Topology, String> {
    let settings = settings.over(&shape.defaults());
    let publishers = || positive("publishers", settings.publishers);
    let subscribers = || positive("subscribers", settings.subscribers);
    Ok(match shape {
        Shape::FanOut => {
            let stalled = settings.stalled.unwrap_or(0);
            Topology::fan_out(root, publishers()?, subscribers()?).with_stalled(stalled)
        }
        Shape::FanIn => Topology::fan_in(root, publishers()?, subscribers()?),
        Shape::Shared => Topology::shared(root, publishers()?, subscribers()?),
        Shape::Pairs => Topology::pairs(root, positive("pairs", settings.pairs)?),
        Shape::Wildcard => {
            let filters = positive("filters", settings.filters)?;
            Topology::wildcard(root, publishers()?, subscribers()?, filters)
        }
        Shape::Mixed | Shape::RetainedReplay | Shape::Connect | Shape::Idle => {
            return Err(format!("{} cannot be a part", shape.name()));
        }
    })
}

fn payload(settings: &Settings) -> Result<usize, String> {
    let bytes = settings.payload.unwrap_or(STAMP_BYTES);
    if (STAMP_BYTES..=MAX_PAYLOAD).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!(
            "payload must be {STAMP_BYTES} to {MAX_PAYLOAD} bytes (the first {STAMP_BYTES} \
             identify the message)"
        ))
    }
}

fn connections(settings: &Settings) -> Result<u32, String> {
    let count = positive("connections", settings.connections)?;
    if count > MAX_CONNECTIONS {
        return Err(format!("at most {MAX_CONNECTIONS} connections"));
    }
    Ok(count)
}

fn positive<N: Default + PartialEq>(name: &str, value: Option<N>) -> Result<N, String> {
    match value {
        Some(value) if value != N::default() => Ok(value),
        _ => Err(format!("{name} must be at least 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::presets;
    use super::*;
    use ringmq::protocol::ProtocolVersion;

    fn target() -> Target {
        Target {
            address: ([127, 0, 0, 1], 1883).into(),
            version: ProtocolVersion::V5,
            pid: Some(1),
            count_syscalls: false,
            connector: None,
        }
    }

    #[test]
    fn every_preset_makes_a_plan_on_a_laptop() {
        for name in presets::names() {
            let scenario = Scenario::find(name).expect("presets are well formed");
            let scenario = scenario.with(&Settings::default(), Some(0.02));
            let plan = scenario
                .expect("it can be scaled")
                .plan(&target(), "bench/test");
            assert!(plan.is_ok(), "{name}: {plan:?}");
        }
    }

    #[test]
    fn nonsense_is_told_by_its_name() {
        let with = |settings: Settings| {
            let scenario = Scenario::find("fan-out").expect("it is a preset");
            let scenario = scenario.with(&settings, None).expect("they are known");
            scenario.plan(&target(), "b").expect_err("it is nonsense")
        };
        let payload = Some(15);
        let error = with(Settings {
            payload,
            ..Settings::default()
        });
        assert!(error.starts_with("payload must be 16"), "{error}");
        let window = Some(0);
        let error = with(Settings {
            window,
            ..Settings::default()
        });
        assert_eq!(error, "window must be at least 1");
    }
}

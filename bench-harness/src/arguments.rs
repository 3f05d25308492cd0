//! The command line: raw arguments, turned into checked plans.
//!
//! Runs nothing.

use std::net::ToSocketAddrs;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::clock::seconds;
use crate::compare::command::CompareArguments;
use crate::encode::Version;
use crate::plan::{ConnectionPlan, Pace, Target, Topology, TrafficPlan};
use crate::stamp::{MAX_PUBLISHERS, STAMP_BYTES};

/// Largest payload: what an MQTT packet can hold, rounded down.
const MAX_PAYLOAD: usize = 256_000_000;

/// A closed loop without a number.
const DEFAULT_WINDOW: u32 = 64;

/// A load generator for MQTT brokers with latency histogram reports.
///
/// Exit code: 0 when every stream was right, 1 when anything was lost, repeated,
/// out of order or refused, 2 for wrong arguments, 3 when it could not run.
#[derive(Parser, Debug)]
#[command(name = "ringmq-bench", version)]
pub struct Arguments {
    /// What to run.
    #[command(subcommand)]
    pub scenario: Scenario,
}

/// The scenarios.
#[derive(Subcommand, Debug)]
pub enum Scenario {
    /// Every subscriber gets every publisher's messages
    FanOut {
        /// Publishing clients, each with a topic of its own
        #[arg(long, default_value_t = 1)]
        publishers: u32,
        /// Subscribing clients
        #[arg(long, default_value_t = 500)]
        subscribers: u32,
        /// The broker.
        #[command(flatten)]
        broker: BrokerArguments,
        /// What flows.
        #[command(flatten)]
        traffic: TrafficArguments,
    },
    /// Few subscribers get many publishers' messages through one wildcard
    FanIn {
        /// Publishing clients, each with a topic of its own
        #[arg(long, default_value_t = 500)]
        publishers: u32,
        /// Subscribing clients
        #[arg(long, default_value_t = 1)]
        subscribers: u32,
        /// The broker.
        #[command(flatten)]
        broker: BrokerArguments,
        /// What flows.
        #[command(flatten)]
        traffic: TrafficArguments,
    },
    /// Publisher n speaks to subscriber n alone
    Pairs {
        /// How many pairs
        #[arg(long, default_value_t = 500)]
        pairs: u32,
        /// The broker.
        #[command(flatten)]
        broker: BrokerArguments,
        /// What flows.
        #[command(flatten)]
        traffic: TrafficArguments,
    },
    /// What an idle connection costs the memory of a freshly started broker
    Idle {
        /// The broker.
        #[command(flatten)]
        broker: BrokerArguments,
        /// How many connections
        #[arg(long, default_value_t = 10_000)]
        connections: u32,
        /// Subscribe each connection to a topic of its own
        #[arg(long)]
        subscribe: bool,
        /// Seconds to wait before memory is read
        #[arg(long, default_value_t = 2)]
        settle: u64,
    },
    /// How fast a broker takes connections
    Connect {
        /// The broker.
        #[command(flatten)]
        broker: BrokerArguments,
        /// How many connections
        #[arg(long, default_value_t = 10_000)]
        connections: u32,
    },
    /// Run a scenario against several brokers in turn, and compare them
    Compare(CompareArguments),
    /// The server behind `compare --floor`
    #[command(hide = true)]
    Floor {
        /// Port on 127.0.0.1
        #[arg(long)]
        port: u16,
        /// Messages in one send at most
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        messages_per_send: u32,
    },
}

/// MQTT versions on the command line.
#[derive(Clone, Copy, ValueEnum, Debug)]
pub enum MqttVersion {
    /// MQTT 3.1.1
    #[value(name = "3.1.1", alias = "4", alias = "3")]
    V311,
    /// MQTT 5.0
    #[value(name = "5.0", alias = "5")]
    V5,
}

impl From<MqttVersion> for Version {
    fn from(version: MqttVersion) -> Self {
        match version {
            MqttVersion::V311 => Self::V311,
            MqttVersion::V5 => Self::V5,
        }
    }
}

/// Where the broker is.
#[derive(Args, Debug)]
pub struct BrokerArguments {
    /// The broker's host
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The broker's port
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// MQTT version
    #[arg(long, value_enum, default_value = "3.1.1")]
    mqtt: MqttVersion,
    /// The broker's process id, to report what it costs
    #[arg(long)]
    pid: Option<u32>,
    /// Print one JSON line instead of the table
    #[arg(long)]
    pub json: bool,
}

/// What flows.
#[derive(Args, Debug)]
pub struct TrafficArguments {
    /// Quality of service of publications and subscriptions
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// Payload bytes, at least 16
    #[arg(long, default_value_t = 64)]
    payload: usize,
    /// Closed loop: at most this many messages per publisher that not all its
    /// subscribers have [default: 64]
    #[arg(long, conflicts_with = "rate")]
    window: Option<u32>,
    /// Open loop: messages per second over all publishers; a message's clock
    /// starts when it was meant to be sent
    #[arg(long)]
    rate: Option<u64>,
    /// Seconds to measure
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Seconds to run before measuring
    #[arg(long, default_value_t = 1)]
    warmup: u64,
    /// Unacknowledged publications per publisher (QoS 1 and 2), where the broker
    /// does not ask for fewer
    #[arg(long, default_value_t = 1000)]
    inflight: u16,
    /// Seconds without any arrival after which what is missing counts as lost
    #[arg(long, default_value_t = 2)]
    quiet: u64,
    /// Report lost messages without failing (a broker may drop at QoS 0)
    #[arg(long)]
    tolerate_loss: bool,
}

impl BrokerArguments {
    /// Checks the address.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn target(&self) -> Result<Target, String> {
        let address = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| format!("--host {}: {error}", self.host))?
            .next()
            .ok_or_else(|| format!("--host {} has no address", self.host))?;
        let version = self.mqtt.into();
        Ok(Target {
            address,
            version,
            pid: self.pid,
        })
    }

    /// A plan that only connects.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn connection_plan(
        &self,
        connections: u32,
        subscribe: bool,
        settle: u64,
    ) -> Result<ConnectionPlan, String> {
        if connections == 0 {
            return Err("--connections must be at least 1".to_owned());
        }
        Ok(ConnectionPlan {
            target: self.target()?,
            connections,
            subscribe,
            settle: seconds(settle),
        })
    }
}

impl TrafficArguments {
    /// A plan with traffic.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn plan(
        &self,
        scenario: &'static str,
        broker: &BrokerArguments,
        topology: Topology,
    ) -> Result<TrafficPlan, String> {
        if topology.topics.is_empty() || topology.subscribers.is_empty() {
            return Err("at least one publisher and one subscriber must take part".to_owned());
        }
        if topology.topics.len() > MAX_PUBLISHERS as usize {
            return Err(format!("at most {MAX_PUBLISHERS} publishers"));
        }
        if !(STAMP_BYTES..=MAX_PAYLOAD).contains(&self.payload) {
            return Err(format!(
                "--payload must be {STAMP_BYTES} to {MAX_PAYLOAD} bytes (the first \
                 {STAMP_BYTES} identify the message)"
            ));
        }
        let at_least_one = |name: &str, value: u64| {
            if value == 0 {
                Err(format!("--{name} must be at least 1"))
            } else {
                Ok(())
            }
        };
        at_least_one("seconds", self.seconds)?;
        at_least_one("inflight", u64::from(self.inflight))?;
        let pace = match self.rate {
            Some(rate) => Pace::Rate(rate),
            None => Pace::Window(self.window.unwrap_or(DEFAULT_WINDOW)),
        };
        match pace {
            Pace::Window(window) => at_least_one("window", u64::from(window))?,
            Pace::Rate(rate) => at_least_one("rate", rate)?,
        }
        let target = broker.target()?;
        Ok(TrafficPlan {
            scenario,
            version: target.version,
            target,
            qos: self.qos,
            payload: self.payload,
            pace,
            warmup: seconds(self.warmup),
            duration: seconds(self.seconds),
            in_flight: self.inflight,
            quiet: seconds(self.quiet),
            tolerate_loss: self.tolerate_loss,
            topology,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}

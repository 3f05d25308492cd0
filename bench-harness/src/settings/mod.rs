//! What can be set of a scenario: the same keys in a file and on the command
//! line.
//!
//! Pure. A value comes from the command line, else from the file (scaled), else
//! from the shape's defaults; [`Scenario::plan`] checks them together.

pub mod file;
pub mod plan;
pub mod presets;
pub mod shape;

use clap::Args;
use serde::{Deserialize, Serialize};

pub use file::{Part, Scenario};
pub use shape::Shape;

use crate::result::Named;

/// Every setting, each one optional.
#[derive(Args, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[command(next_help_heading = "Scenario")]
pub struct Settings {
    /// Publishing clients, each with a topic of its own
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publishers: Option<u32>,
    /// Subscribing clients
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribers: Option<u32>,
    /// Further subscribers, which read nothing once messages flow
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalled: Option<u32>,
    /// Pairs of a publisher and a subscriber
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<u32>,
    /// Wildcard filters that nearly match
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<u32>,
    /// Retained topics
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topics: Option<u32>,
    /// Connections
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Handshakes under way at once
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
    /// Quality of service of publications and subscriptions
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<u8>,
    /// Payload bytes, at least 16
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<usize>,
    /// Retain every publication
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain: Option<bool>,
    /// Closed loop: at most this many messages per publisher that not all its
    /// subscribers have
    #[arg(long, conflicts_with = "rate")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// Open loop: messages (or connections) per second in all; a message's clock
    /// starts when it was meant to be sent
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Seconds to measure
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Seconds to run before measuring
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<u64>,
    /// Unacknowledged publications per publisher (QoS 1 and 2), where the broker
    /// does not ask for fewer
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inflight: Option<u16>,
    /// Seconds without any arrival after which what is missing counts as lost
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<u64>,
    /// Report lost messages without failing (a broker may drop at QoS 0)
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerate_loss: Option<bool>,
    /// Subscribe each idle connection to a topic of its own
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<bool>,
    /// Keep alive of idle connections, which never ping, in seconds; 0 for none
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<u16>,
    /// Seconds to wait before the memory of idle connections is read
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<u64>,
}

impl Settings {
    /// These, and where nothing is set `below`'s. The two paces exclude each
    /// other, so setting one hides the other.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let paced = self.window.is_some() || self.rate.is_some();
        let (window, rate) = if paced {
            (self.window, self.rate)
        } else {
            (below.window, below.rate)
        };
        Self {
            publishers: self.publishers.or(below.publishers),
            subscribers: self.subscribers.or(below.subscribers),
            stalled: self.stalled.or(below.stalled),
            pairs: self.pairs.or(below.pairs),
            filters: self.filters.or(below.filters),
            topics: self.topics.or(below.topics),
            connections: self.connections.or(below.connections),
            concurrent: self.concurrent.or(below.concurrent),
            qos: self.qos.or(below.qos),
            payload: self.payload.or(below.payload),
            retain: self.retain.or(below.retain),
            window,
            rate,
            seconds: self.seconds.or(below.seconds),
            warmup: self.warmup.or(below.warmup),
            inflight: self.inflight.or(below.inflight),
            quiet: self.quiet.or(below.quiet),
            tolerate_loss: self.tolerate_loss.or(below.tolerate_loss),
            subscribe: self.subscribe.or(below.subscribe),
            keep_alive: self.keep_alive.or(below.keep_alive),
            settle: self.settle.or(below.settle),
        }
    }

    /// Those that are set, by name, as text.
    #[must_use]
    pub fn named(&self) -> Named<String> {
        let value = serde_json::to_value(self).expect("plain numbers and booleans");
        // The map is sorted; the order of the fields is the one to show.
        let order = serde_json::to_string(self).expect("as above");
        let mut named: Vec<(String, String)> = value
            .as_object()
            .expect("a struct is an object")
            .iter()
            .map(|(key, value)| (key.clone(), value.to_string()))
            .collect();
        named.sort_by_key(|(key, _)| order.find(&format!("\"{key}\":")));
        named.into_iter().collect()
    }
}

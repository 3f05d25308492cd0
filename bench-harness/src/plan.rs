//! Checked settings of a run: what is done, with whom and how fast.
//!
//! Pure. Built from [`settings`](crate::settings), or by a test.

use std::net::SocketAddr;
use std::sync::Arc;

use ringmq::protocol::ProtocolVersion;
use ringmq::transport::client::Connector;

use crate::topology::Topology;

/// How a publisher is held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Closed loop: so many messages per publisher may be on their way.
    Window(u32),
    /// Open loop: so many messages per second, over all publishers.
    Rate(u64),
}

/// Who the broker is and how to speak to it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The broker's address.
    pub address: SocketAddr,
    /// The version to speak.
    pub version: ProtocolVersion,
    /// The broker's process, if its costs are to be told.
    pub pid: Option<u32>,
    /// Whether that process's system calls are to be counted.
    pub count_syscalls: bool,
    /// TLS and WebSocket, where they are to be spoken.
    pub connector: Option<Arc<Connector>>,
}

/// What a run does.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Messages flow.
    Traffic(TrafficPlan),
    /// Subscribers ask for many retained messages.
    Replay(ReplayPlan),
    /// Clients connect and stay.
    Connect(ConnectPlan),
    /// Clients are connected and do nothing.
    Idle(IdlePlan),
}

/// A run that publishes and receives.
#[derive(Clone, Debug)]
pub struct TrafficPlan {
    /// The broker.
    pub target: Target,
    /// Quality of service of publications and subscriptions.
    pub qos: u8,
    /// Whether every publication is retained.
    pub retain: bool,
    /// Payload bytes, at least [`STAMP_BYTES`](crate::stamp::STAMP_BYTES).
    pub payload: usize,
    /// How publishers are held back.
    pub pace: Pace,
    /// Nanoseconds before measuring begins.
    pub warmup: u64,
    /// Nanoseconds of measuring.
    pub duration: u64,
    /// Unacknowledged publications per publisher (QoS 1 and 2).
    pub in_flight: u16,
    /// Nanoseconds without any arrival after which what is missing is lost.
    pub quiet: u64,
    /// Whether lost messages are merely told.
    pub tolerate_loss: bool,
    /// Who takes part.
    pub topology: Topology,
}

/// A run in which subscribers of `#` get what was retained before.
#[derive(Clone, Debug)]
pub struct ReplayPlan {
    /// The broker.
    pub target: Target,
    /// Quality of service of the subscriptions.
    pub qos: u8,
    /// Payload bytes, at least [`STAMP_BYTES`](crate::stamp::STAMP_BYTES).
    pub payload: usize,
    /// Retained topics.
    pub topics: u32,
    /// Subscribers, one after the other.
    pub subscribers: u32,
    /// What all topics begin with.
    pub root: String,
    /// Nanoseconds without any arrival after which what is missing is lost.
    pub quiet: u64,
}

/// A storm of connections.
#[derive(Clone, Debug)]
pub struct ConnectPlan {
    /// The broker.
    pub target: Target,
    /// How many connections.
    pub connections: u32,
    /// Open loop: connections per second; else as fast as they are taken.
    pub rate: Option<u64>,
    /// Handshakes under way at once.
    pub concurrent: u32,
}

/// Connections that do nothing.
#[derive(Clone, Debug)]
pub struct IdlePlan {
    /// The broker.
    pub target: Target,
    /// The broker's process.
    pub pid: u32,
    /// How many connections.
    pub connections: u32,
    /// Whether each one subscribes to a topic of its own.
    pub subscribe: bool,
    /// Seconds of keep alive; 0 for none.
    pub keep_alive: u16,
    /// Nanoseconds to let the broker settle before memory is read.
    pub settle: u64,
}

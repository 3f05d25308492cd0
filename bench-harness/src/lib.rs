//! The load generator behind `ringmq-bench`: one thread that drives any MQTT
//! broker, checks every subscriber's stream and times every message.
//!
//! `engine` moves bytes, `traffic` (with `publisher`, `stream`, `window`,
//! `schedule`, `in_flight`, `stamp`) decides and judges, `scenario` orders the
//! phases, `latency`, `process` and `report` say what was found. It contains
//! nothing of the broker. `compare` starts brokers in turn and runs a scenario
//! against each; `floor` is the server that shows what the bare kernel costs.

pub mod affinity;
pub mod arguments;
pub mod clock;
pub mod compare;
pub mod connection;
pub mod encode;
pub mod engine;
pub mod fault;
pub mod floor;
pub mod handshake;
pub mod in_flight;
pub mod latency;
pub mod parse;
pub mod plan;
pub mod poller;
pub mod process;
pub mod publisher;
pub mod report;
pub mod result;
pub mod scenario;
pub mod schedule;
pub mod stamp;
pub mod stream;
pub mod traffic;
pub mod window;

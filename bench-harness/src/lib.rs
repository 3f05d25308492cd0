//! The load generator behind `ringmq-bench`: one thread that drives any MQTT
//! broker, checks every subscriber's stream and times every message.
//!
//! `engine` moves bytes, `traffic` (with `publisher`, `stream`, `window`,
//! `schedule`, `in_flight`, `stamp`) decides and judges, `scenario` orders the
//! phases, `latency`, `process` and `report` say what was found. It contains
//! nothing of the broker.

pub mod arguments;
pub mod clock;
pub mod connection;
pub mod encode;
pub mod engine;
pub mod fault;
pub mod handshake;
pub mod in_flight;
pub mod latency;
pub mod parse;
pub mod plan;
pub mod poller;
pub mod process;
pub mod publisher;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod stamp;
pub mod stream;
pub mod traffic;
pub mod window;

//! The load generator behind `ringmq-bench`: one thread that drives any MQTT
//! broker, checks every subscriber's stream and times every message.
//!
//! `settings` become a `plan`; `scenario` orders the phases of a run; `engine`
//! moves bytes; `traffic` (with `publisher`, `readers`, `stream`, `window`,
//! `schedule`, `in_flight`, `stamp`, `timing`) decides and judges; `measurement`
//! repeats and stores a `result`, and `report` shows what is stored. `compare`
//! starts brokers in turn and runs a scenario against each, `floor` is the server
//! that shows what the bare kernel costs. Of the broker it contains nothing but
//! the protocol layer and the client's side of TLS and WebSocket.

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
pub mod layers;
pub mod machine;
pub mod measurement;
pub mod parse;
pub mod plan;
pub mod poller;
pub mod process;
pub mod progress;
pub mod publisher;
pub mod readers;
pub mod replay;
pub mod report;
pub mod result;
pub mod retained;
pub mod scenario;
pub mod schedule;
pub mod settings;
pub mod skew;
pub mod stamp;
pub mod stream;
pub mod syscalls;
pub mod timing;
pub mod topology;
pub mod traffic;
pub mod window;

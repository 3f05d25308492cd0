//! ringmq: a sharded io_uring MQTT broker for Linux, as a library.
//!
//! ```
//! use ringmq::broker::{Broker, Limits};
//!
//! let mut limits = Limits::default();
//! limits.max_inflight = 100;
//!
//! let broker = Broker::builder()
//!     .tcp("127.0.0.1:0") // any free port
//!     .shards(2)
//!     .limits(limits)
//!     .start()?;
//! for address in broker.addresses() {
//!     println!("listening {address}");
//! }
//! // ... serve until it is time to go:
//! broker.shutdown()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Without any cargo feature the crate is `no_std` + `alloc` and holds [`protocol`]
//! and the sans-IO [`client`]; `broker` adds the broker, `tls` and `websocket` what
//! they say for its listeners and for clients, `cli` the `ringmq` binary with all of it.
//! `src/README.md` is the map of the code.
#![cfg_attr(not(any(test, feature = "broker")), no_std)]

extern crate alloc;

pub mod client;
pub mod protocol;
pub mod time;

#[cfg(feature = "broker")]
pub mod broker;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "broker")]
pub mod engine;
#[cfg(feature = "broker")]
pub mod hooks;
#[cfg(feature = "broker")]
pub mod ids;
#[cfg(feature = "broker")]
pub mod message;
#[cfg(feature = "broker")]
pub mod peer;
#[cfg(feature = "broker")]
pub mod routing;
#[cfg(feature = "broker")]
pub mod session;
#[cfg(feature = "broker")]
mod shard;
#[cfg(feature = "broker")]
pub mod transport;

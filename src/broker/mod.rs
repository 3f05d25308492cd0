//! All shards of one process: configuration, start, stop.
//!
//! Owns the threads of the shards and the listening sockets until they are
//! handed out. Lives on the thread of whoever embeds the broker. Never touches a
//! connection or a message. `control` and `cli` see the broker through
//! [`BrokerHandle`] alone.

mod address;
mod bind;
mod builder;
#[cfg(feature = "tls")]
mod certificates;
mod config;
mod doors;
mod error;
mod handle;
mod lifecycle;
mod listener;
#[cfg(feature = "websocket")]
mod page;
mod placement;
mod preflight;
mod unix_socket;

pub use crate::engine::{Limits, Stats};
pub use crate::shard::{Counters, ShardReport};
pub use builder::{Broker, Builder};
pub use config::MAX_SHARDS;
pub use error::{ConfigError, StartError, StopError};
pub use handle::{BoundAddress, BrokerHandle};
pub use listener::{CertificateName, Listener, ListenerKind};

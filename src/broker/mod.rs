//! All shards of one process: configuration, start, stop.
//!
//! Owns the threads of the shards and the listening sockets until they are
//! handed out. Lives on the thread of whoever embeds the broker. Never touches a
//! connection or a message. `control` and `cli` see the broker through
//! [`BrokerHandle`] alone.

mod address;
mod bind;
mod builder;
mod closures;
mod config;
mod error;
mod extension;
mod handle;
mod lifecycle;
mod listener;
mod placement;
mod preflight;
mod remote;
mod unix_socket;
mod workers;

pub use crate::engine::{ClientReport, Limits, Stats};
pub use crate::shard::{Counters, ShardReport};
pub use builder::{Broker, Builder};
pub use closures::Access;
pub use config::MAX_SHARDS;
pub use error::{
    ConfigError, DisconnectError, PublishError, ReloadError, StartError, StopError, SubscribeError,
};
pub use handle::{BoundAddress, BrokerHandle};
pub use listener::{CertificateName, Listener, ListenerKind};
pub use remote::{Ended, Publication, Received, Remote, Subscriber, Subscription, WhenFull};

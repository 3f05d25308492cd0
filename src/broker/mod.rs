//! All shards of one process: configuration, start, stop.
//!
//! Owns the threads of the shards and the listening sockets until they are
//! handed out. Lives on the thread of whoever embeds the broker. Never touches a
//! connection or a message. `control` and `cli` see the broker through
//! [`BrokerHandle`] alone.
//!
//! The shards run on threads of their own, so that a broker goes beside whatever else
//! the process does. Beside tokio, for example:
//!
//! ```
//! use std::time::Duration;
//!
//! use ringmq::broker::{Broker, Publication, Subscription};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Starting and stopping wait for the shards: not on a runtime's own thread.
//!     let broker = tokio::task::spawn_blocking(|| {
//!         Broker::builder().tcp("127.0.0.1:0").shards(2).start()
//!     })
//!     .await??;
//!     let remote = broker.remote();
//!
//!     let orders = remote.subscribe("orders/#", Subscription::default())?;
//!     let worker = tokio::spawn({
//!         let remote = remote.clone();
//!         async move {
//!             while let Ok(order) = orders.recv_async().await {
//!                 let done = Publication::new("done", order.payload());
//!                 if remote.publish_async(&done).await.is_err() {
//!                     break; // the broker has stopped
//!                 }
//!             }
//!         }
//!     });
//!
//!     let done = remote.subscribe("done", Subscription::default())?;
//!     remote.publish_async(&Publication::new("orders/1", "a pizza")).await?;
//!     let received = tokio::time::timeout(Duration::from_secs(10), done.recv_async()).await??;
//!     assert_eq!(received.payload(), b"a pizza");
//!
//!     tokio::task::spawn_blocking(move || broker.shutdown()).await??;
//!     worker.await?;
//!     Ok(())
//! }
//! ```

mod address;
mod bind;
mod builder;
#[cfg(feature = "tls")]
mod certificates;
mod closures;
mod config;
mod doors;
mod error;
mod extension;
mod handle;
mod lifecycle;
mod listener;
#[cfg(feature = "websocket")]
mod page;
mod placement;
mod preflight;
mod publication;
mod remote;
mod subscriber;
mod unix_socket;
mod workers;

pub use crate::engine::{ClientReport, Limits, OverRate, Quotas, Stats};
pub use crate::shard::{Counters, ShardReport};
pub use builder::{Broker, Builder};
pub use closures::Access;
pub use config::MAX_SHARDS;
pub use error::{
    ConfigError, DisconnectError, PublishError, ReloadError, StartError, StopError, SubscribeError,
};
pub use handle::{BoundAddress, BrokerHandle};
pub use listener::{CertificateName, Listener, ListenerKind};
pub use publication::Publication;
pub use remote::Remote;
pub use subscriber::{Ended, Received, Subscriber, Subscription, WhenFull};

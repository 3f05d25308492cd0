//! ringmq: a sharded io_uring MQTT broker.
#![cfg_attr(not(any(test, feature = "broker")), no_std)]

extern crate alloc;

pub mod protocol;

#[cfg(feature = "broker")]
pub mod broker;
#[cfg(feature = "broker")]
pub mod engine;
#[cfg(feature = "broker")]
pub mod ids;
#[cfg(feature = "broker")]
pub mod message;
#[cfg(feature = "broker")]
pub mod routing;
#[cfg(feature = "broker")]
pub mod session;
#[cfg(feature = "broker")]
mod shard;
#[cfg(feature = "broker")]
pub mod time;

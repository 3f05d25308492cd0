//! ringmq: a sharded io_uring MQTT broker.
#![cfg_attr(not(any(test, feature = "broker")), no_std)]

extern crate alloc;

pub mod client;
pub mod protocol;
pub mod time;

#[cfg(feature = "cli")]
#[path = "cli/stand_in.rs"]
pub mod broker;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
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

//! ringmq: a sharded io_uring MQTT broker.
#![cfg_attr(not(any(test, feature = "broker")), no_std)]

extern crate alloc;

#[cfg(feature = "cli")]
#[path = "cli/stand_in.rs"]
pub mod broker;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod client;
pub mod protocol;
pub mod time;

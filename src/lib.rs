//! ringmq: a sharded io_uring MQTT broker.
#![cfg_attr(not(any(test, feature = "broker")), no_std)]

extern crate alloc;

pub mod ids;
pub mod message;
pub mod protocol;
#[cfg(feature = "broker")]
pub mod routing;
pub mod time;

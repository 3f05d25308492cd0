//! ringmq: a sharded io_uring MQTT broker.
#![cfg_attr(not(any(test, feature = "broker")), no_std)]

extern crate alloc;

pub mod protocol;

//! ringmq: a sharded io_uring MQTT broker.
#![cfg_attr(not(feature = "broker"), no_std)]

extern crate alloc;


//! The broker as a library: rules of the embedding process, and its own messages.
//!
//! Owns nothing of the broker. Each promise is kept with one shard and with four, over
//! real sockets: `rules` lets in and keeps out, `faults` breaks the rules' code,
//! `gone` leaves while a rule thinks, `phases` is told of everything, `remote` publishes and subscribes from within, `delays` guesses passwords, `quotas`
//! asks for too much.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a packet that is not the one waited for fails the test, whatever it is"
)]

#[path = "../support/mod.rs"]
mod support;

mod delays;
mod faults;
mod gone;
mod phases;
mod quotas;
mod remote;
mod rules;
mod silent;
mod wait;

use ringmq::broker::{Broker, BrokerHandle, Builder};

use support::broker::Broker as Target;

/// Starts the broker that `build` describes, with one shard and then with four.
fn with_brokers(build: impl Fn(Builder) -> Builder, test: impl Fn(&BrokerHandle, &Target)) {
    for shards in [1, 4] {
        let builder = Broker::builder().tcp("127.0.0.1:0").shards(shards);
        let broker = build(builder).start().expect("the broker starts");
        let address = broker.addresses()[0].socket_address().expect("TCP");
        test(&broker, &Target::at(address));
        broker.shutdown().expect("the broker stops in order");
    }
}

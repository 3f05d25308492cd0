//! One client identifier, claimed by many at once, on every shard.

use std::thread;
use std::time::Duration;

use crate::process::Broker;
use crate::vitals::Vitals;
use crate::wait::{self, PATIENCE};
use crate::wire::{Client, Nothing, PINGRESP, connect};

const CLAIMANTS: usize = 8;
const CLAIMS: usize = 120;
const IDENTIFIERS: [&str; 3] = ["the-one", "the-other", "the-third"];

/// Claims identifiers again and again, with every kind of bad timing, and keeps what
/// was opened.
fn claim(broker: &Broker, claimant: usize) -> Vec<Client> {
    let mut held = Vec::new();
    for number in 0..CLAIMS {
        let id = IDENTIFIERS[(claimant + number) % IDENTIFIERS.len()];
        let mut client = Client::open(broker.address(), 5);
        client.try_send(&connect(5, id));
        match (claimant + number) % 4 {
            // Goes before it is answered.
            0 => {}
            // Goes with a word.
            1 => client.disconnect(),
            // Waits for its answer, which may be that another was faster.
            2 => drop(client.next(PATIENCE)),
            _ => held.push(client),
        }
    }
    held
}

/// Still connected, after everything that came before is read.
fn is_alive(client: &mut Client) -> bool {
    client.try_send(&[0xC0, 0]);
    loop {
        match client.next(PATIENCE) {
            Ok(packet) if packet.kind() == PINGRESP => return true,
            Ok(_) => {}
            Err(Nothing::Closed) => return false,
            Err(Nothing::TimedOut) => panic!("neither alive nor closed"),
        }
    }
}

#[test]
fn a_storm_of_claims_leaves_at_most_one_connection_per_identifier() {
    for shards in [1, 4] {
        let broker = Broker::start(shards, &["--log", "error"]);
        drop(claim(&broker, 0));
        let vitals = Vitals::of(&broker);
        let mut held: Vec<Client> = thread::scope(|scope| {
            let claim = |claimant| {
                let broker = &broker;
                scope.spawn(move || claim(broker, claimant))
            };
            let claimants: Vec<_> = (0..CLAIMANTS).map(claim).collect();
            let held = claimants.into_iter().map(|claimant| claimant.join());
            held.flat_map(|held| held.expect("no claimant panics"))
                .collect()
        });
        vitals.hold(8 << 20, "a storm of claims");
        held.retain_mut(is_alive);
        assert!(held.len() <= IDENTIFIERS.len(), "{} live", held.len());
        // Whoever claims last has it.
        let mut last: Vec<Client> = IDENTIFIERS
            .iter()
            .map(|id| Client::v5(broker.address(), id))
            .collect();
        wait::until("earlier claimants to be told", || {
            held.retain_mut(is_alive);
            held.is_empty()
        });
        for client in &mut last {
            client.subscribe("peace", 1);
        }
        let mut herald = Client::v5(broker.address(), "herald");
        herald.publish("peace", b"at last", false);
        for client in &mut last {
            assert_eq!(client.message().payload, b"at last");
            assert!(client.next(Duration::from_millis(1)).is_err(), "twice");
        }
        drop(last);
        vitals.recover(8 << 20, "a storm of claims");
        broker.stop();
    }
}

//! Peers that speak nonsense, or speak it slowly, or announce what never comes.

use std::time::Duration;

use crate::process::Broker;
use crate::vitals::Vitals;
use crate::wait::{self, PATIENCE};
use crate::wire::{Client, DISCONNECT, Nothing, connect};

const PACKET_TOO_LARGE: u8 = 0x95;

/// The fixed header of the largest packet there is.
const ENDLESS_PUBLISH: [u8; 5] = [0x30, 0xFF, 0xFF, 0xFF, 0x7F];

/// Bytes like any others, and the same in every run.
struct Garbage(u64);

impl Garbage {
    fn next(&mut self) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let count = 1 + self.next() % most;
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

#[test]
fn thousands_of_garbage_connections_leave_nothing_behind() {
    let broker = Broker::start(4, &[]);
    let seed = 0x5EED_0123_4567_89AB;
    println!("seed {seed:#x}");
    let mut garbage = Garbage(seed);
    let mut attack = |count: usize| {
        let mut held = Vec::new();
        for number in 0..count {
            let mut client = Client::open(broker.address(), 5);
            match number % 3 {
                0 => client.try_send(&garbage.bytes(2_000)),
                1 => {
                    // A CONNECT with one byte that is not what it was.
                    let mut almost = connect(5, "almost");
                    let at = usize::try_from(garbage.next() % 24).expect("small");
                    let bit = 1 << (garbage.next() % 8);
                    if let Some(byte) = almost.get_mut(at) {
                        *byte ^= bit;
                    }
                    client.try_send(&almost);
                    client.try_send(&garbage.bytes(100));
                }
                _ => {
                    client.try_send(&connect(5, &format!("garbage-{number}")));
                    client.try_send(&garbage.bytes(500));
                }
            }
            if number % 8 == 0 {
                held.push(client);
            }
        }
        held
    };
    drop(attack(500));
    let vitals = Vitals::of(&broker);
    for _ in 0..5 {
        let held = attack(600);
        vitals.hold(8 << 20, "garbage");
        drop(held);
    }
    vitals.recover(8 << 20, "garbage");
    broker.stop();
}

#[test]
fn what_is_announced_but_never_sent_costs_nothing() {
    // The largest packet is allowed here, so it is waited for.
    let broker = Broker::start(4, &["--max-packet-size", "268435460"]);
    let address = broker.address();
    let announce = |number: usize| {
        let mut client = Client::v5(address, &format!("announces-{number}"));
        client.send(&ENDLESS_PUBLISH);
        client.send(&[0, 1, b't']);
        client.send(&[b'x'; 1_000]);
        client
    };
    drop((0..50).map(announce).collect::<Vec<_>>());
    let vitals = Vitals::of(&broker);
    let waiting: Vec<Client> = (0..400).map(announce).collect();
    vitals.hold(8 << 20, "400 packets of 256 MiB, announced");
    drop(waiting);
    vitals.recover(8 << 20, "400 packets of 256 MiB, announced");
    broker.stop();
}

#[test]
fn a_packet_beyond_the_limit_is_refused_as_soon_as_it_is_announced() {
    let broker = Broker::start(2, &[]);
    let mut client = Client::v5(broker.address(), "announces");
    client.send(&ENDLESS_PUBLISH);
    let farewell = client.expect(DISCONNECT);
    assert_eq!(farewell.body.first(), Some(&PACKET_TOO_LARGE));
    client.expect_closed(PATIENCE);
    // Before CONNECT there is nobody to tell.
    let mut stranger = Client::open(broker.address(), 5);
    stranger.send(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F]);
    stranger.expect_closed(PATIENCE);
    broker.stop();
}

#[test]
fn a_connect_that_drips_in_is_cut_off_in_time_however_many_there_are() {
    let broker = Broker::start(2, &["--connect-timeout", "1"]);
    let vitals = Vitals::of(&broker);
    let mut long = connect(5, "");
    // 90,000 bytes are announced, which is within the limit for CONNECT.
    long.splice(1..2, [0x90, 0xBF, 0x05]);
    let mut dripping: Vec<Client> = (0..300)
        .map(|_| {
            let mut client = Client::open(broker.address(), 5);
            client.send(&long);
            client
        })
        .collect();
    vitals.hold(8 << 20, "300 halves of a CONNECT");
    let brief = Duration::from_millis(1);
    wait::until("the last of them to be cut off", || {
        dripping.retain_mut(|client| {
            client.try_send(b"x");
            client.next(brief) != Err(Nothing::Closed)
        });
        dripping.is_empty()
    });
    vitals.recover(8 << 20, "300 halves of a CONNECT");
    broker.stop();
}

//! A stop in the midst of traffic: what was acknowledged has been delivered.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::process::Broker;
use crate::wait::PATIENCE;
use crate::wire::{Client, Nothing, PUBACK, PUBLISH, puback};

const PUBLISHERS: u32 = 4;

/// Messages that a publisher has under way.
const WINDOW: u16 = 64;

/// Acknowledgements after which the broker is told to stop.
const BEFORE_STOP: usize = 2_000;

/// Publishes until the connection ends; tells the numbers that were acknowledged.
fn publish(address: SocketAddr, publisher: u32, acknowledged: &Sender<(u32, u32)>) {
    let mut client = Client::v5(address, &format!("publisher-{publisher}"));
    let mut under_way = [0_u32; WINDOW as usize];
    let mut next = 0;
    let send = |client: &mut Client, slot: u16, next: &mut u32| {
        let mut payload = vec![0; 200];
        payload[..4].copy_from_slice(&publisher.to_be_bytes());
        payload[4..8].copy_from_slice(&next.to_be_bytes());
        client.try_send(&crate::wire::publish(
            5,
            "load",
            &payload,
            1,
            false,
            slot + 1,
        ));
        *next += 1;
        *next - 1
    };
    for slot in 0..WINDOW {
        under_way[usize::from(slot)] = send(&mut client, slot, &mut next);
    }
    loop {
        match client.next(PATIENCE) {
            Ok(packet) if packet.kind() == PUBACK => {
                let slot = packet.id() - 1;
                let number = under_way[usize::from(slot)];
                acknowledged
                    .send((publisher, number))
                    .expect("the test counts");
                under_way[usize::from(slot)] = send(&mut client, slot, &mut next);
            }
            // DISCONNECT is on its way to the end.
            Ok(_) => {}
            Err(Nothing::Closed) => return,
            Err(Nothing::TimedOut) => panic!("neither an answer nor the end"),
        }
    }
}

/// Takes messages until the connection ends.
fn listen(mut client: Client) -> HashSet<(u32, u32)> {
    let mut heard = HashSet::new();
    loop {
        match client.next(PATIENCE) {
            Ok(packet) if packet.kind() == PUBLISH => {
                let message = client.take_apart(&packet);
                let word = |at: usize| {
                    let bytes = message.payload[at..at + 4].try_into();
                    u32::from_be_bytes(bytes.expect("four bytes"))
                };
                heard.insert((word(0), word(4)));
                client.try_send(&puback(message.id));
            }
            Ok(_) => {}
            Err(Nothing::Closed) => return heard,
            Err(Nothing::TimedOut) => panic!("neither a message nor the end"),
        }
    }
}

#[test]
fn what_was_acknowledged_before_a_stop_under_load_was_delivered() {
    for shards in [1, 4] {
        let options = ["--max-queued-messages", "0", "--max-queued-bytes", "0"];
        let mut broker = Broker::start(shards, &options);
        let address = broker.address();
        let listeners: Vec<_> = (0..3)
            .map(|number| {
                let mut client = Client::v5(address, &format!("listener-{number}"));
                client.subscribe("load", 1);
                thread::spawn(move || listen(client))
            })
            .collect();
        let (sender, acknowledged) = channel();
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let sender = sender.clone();
                thread::spawn(move || publish(address, publisher, &sender))
            })
            .collect();
        drop(sender);
        let mut promised: Vec<(u32, u32)> = acknowledged.iter().take(BEFORE_STOP).collect();
        broker.signal(libc::SIGTERM);
        promised.extend(acknowledged);
        for publisher in publishers {
            publisher.join().expect("no publisher panics");
        }
        for listener in listeners {
            let heard = listener.join().expect("no listener panics");
            let missing: Vec<_> = promised.iter().filter(|it| !heard.contains(it)).collect();
            assert!(
                missing.is_empty(),
                "{} of {} acknowledged messages never came, such as {:?}",
                missing.len(),
                promised.len(),
                missing[0]
            );
        }
        assert_eq!(
            broker.wait_exit(PATIENCE).code(),
            Some(0),
            "{}",
            broker.stderr()
        );
    }
}

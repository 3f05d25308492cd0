//! Clients that are slow, and shards that have more for each other than fits.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use crate::process::Broker;
use crate::wait::PATIENCE;
use crate::wire::{CONNACK, Client, PUBACK, PUBLISH, connect, puback};

fn deaf(address: SocketAddr, id: &str, filter: &str, qos: u8) -> Client {
    let mut client = Client::open(address, 5);
    client.shrink_receive_buffer();
    client.send(&connect(5, id));
    client.expect(CONNACK);
    client.subscribe(filter, qos);
    client
}

#[test]
fn a_subscriber_that_never_reads_slows_nobody_and_stays_within_its_bound() {
    for shards in [1, 4] {
        let options = [
            "--max-queued-bytes",
            "1000000",
            "--max-queued-messages",
            "100",
        ];
        let broker = Broker::start(shards, &options);
        let address = broker.address();
        let never: Vec<Client> = (0..8)
            .map(|number| deaf(address, &format!("deaf-{number}"), "flood", number % 3))
            .collect();
        let mut reader = Client::v5(address, "reader");
        reader.subscribe("flood", 1);
        let mut publisher = Client::v5(address, "publisher");
        let round = |publisher: &mut Client, reader: &mut Client, count: u32| {
            for number in 0..count {
                let mut payload = vec![0; 64 << 10];
                payload[..4].copy_from_slice(&number.to_be_bytes());
                publisher.publish("flood", &payload, false);
                assert_eq!(reader.message().payload, payload);
            }
        };
        // The bounds are filled by 13 MB for each of the eight.
        round(&mut publisher, &mut reader, 200);
        let before = broker.resident();
        round(&mut publisher, &mut reader, 1500);
        let grown = broker.resident().saturating_sub(before);
        assert!(
            grown < 32 << 20,
            "{grown} bytes more, although every bound was reached before"
        );
        drop(never);
        publisher.ping();
        broker.stop();
    }
}

/// One end of a storm: publishes without waiting for anything, and hears as much.
struct Storm {
    client: Client,
    says: String,
}

const PAIRS: usize = 6;
const MESSAGES: u16 = 400;

impl Storm {
    /// Sends acknowledgements before further messages, as a client has to when nothing moves.
    fn speak(mut sender: Client, topic: &str, acknowledgements: &Receiver<u16>) {
        for id in 1..=MESSAGES {
            for heard in acknowledgements.try_iter() {
                sender.send(&puback(heard));
            }
            let mut payload = vec![0; 16 << 10];
            payload[..2].copy_from_slice(&id.to_be_bytes());
            sender.publish_unacknowledged(topic, &payload, 1, id);
        }
        for heard in acknowledgements {
            sender.send(&puback(heard));
        }
    }

    /// Reads until all messages and all acknowledgements are here; the messages in order.
    fn hear(client: &mut Client, acknowledge: &Sender<u16>) {
        let (mut numbers, mut acknowledged) = (Vec::new(), 0);
        while numbers.len() < usize::from(MESSAGES) || acknowledged < MESSAGES {
            let packet = client.next(PATIENCE).expect("progress within the deadline");
            match packet.kind() {
                PUBLISH => {
                    let message = client.take_apart(&packet);
                    numbers.push(u16::from_be_bytes([message.payload[0], message.payload[1]]));
                    acknowledge
                        .send(message.id)
                        .expect("the other half still speaks");
                }
                PUBACK => acknowledged += 1,
                other => panic!("{other:#04x} in the midst of a storm"),
            }
        }
        assert_eq!(numbers, (1..=MESSAGES).collect::<Vec<u16>>());
    }

    fn rage(mut self) -> JoinHandle<()> {
        let sender = self.client.sender();
        let (acknowledge, acknowledgements) = channel();
        thread::spawn(move || {
            let speaker = thread::spawn(move || Self::speak(sender, &self.says, &acknowledgements));
            Self::hear(&mut self.client, &acknowledge);
            drop(acknowledge);
            speaker.join().expect("the broker takes everything");
        })
    }
}

#[test]
fn shards_that_fill_each_others_lanes_make_progress() {
    let options = [
        "--max-queued-bytes",
        "100000000",
        "--max-queued-messages",
        "10000",
    ];
    for shards in [2, 4] {
        let broker = Broker::start(shards, &options);
        let mut storms = Vec::new();
        for number in 0..PAIRS {
            let (east, west) = (format!("east/{number}"), format!("west/{number}"));
            for (id, hears, says) in [("a", &east, &west), ("b", &west, &east)] {
                // 3.1.1 has no receive maximum that would slow the storm down.
                let id = format!("{id}-{number}");
                let mut client = Client::connect(broker.address(), 4, &id);
                client.subscribe(hears, 1);
                storms.push(Storm {
                    client,
                    says: says.clone(),
                });
            }
        }
        let storms: Vec<_> = storms.into_iter().map(Storm::rage).collect();
        for storm in storms {
            storm.join().expect("every storm comes to its end");
        }
        broker.stop();
    }
}

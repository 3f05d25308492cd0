//! A stop that loses nothing that was promised, and always comes to its end.

use std::time::Duration;

use crate::process::Broker;
use crate::wait::PATIENCE;
use crate::wire::{Client, DISCONNECT, Nothing, PUBLISH};

const SERVER_SHUTTING_DOWN: u8 = 0x8B;

#[test]
fn a_version_5_client_hears_that_the_server_shuts_down() {
    for (shards, signal) in [(1, libc::SIGTERM), (4, libc::SIGTERM), (4, libc::SIGINT)] {
        let mut broker = Broker::start(shards, &[]);
        let mut clients: Vec<Client> = (0..8)
            .map(|number| Client::v5(broker.address(), &format!("c{number}")))
            .collect();
        let mut old = Client::connect(broker.address(), 4, "3.1.1");
        broker.signal(signal);
        for client in &mut clients {
            let packet = client.expect(DISCONNECT);
            assert_eq!(packet.body.first(), Some(&SERVER_SHUTTING_DOWN));
            client.expect_closed(PATIENCE);
        }
        // 3.1.1 has no DISCONNECT from the server.
        assert_eq!(
            old.next(PATIENCE).map(|packet| packet.first),
            Err(Nothing::Closed)
        );
        assert_eq!(
            broker.wait_exit(PATIENCE).code(),
            Some(0),
            "{}",
            broker.stderr()
        );
    }
}

#[test]
fn what_is_queued_is_flushed_before_the_end() {
    for shards in [1, 4] {
        let mut broker = Broker::start(shards, &[]);
        let mut subscriber = Client::open(broker.address(), 5);
        subscriber.shrink_receive_buffer();
        subscriber.send(&crate::wire::connect(5, "subscriber"));
        subscriber.expect(crate::wire::CONNACK);
        subscriber.subscribe("queued/#", 0);
        let mut publisher = Client::v5(broker.address(), "publisher");
        for number in 0..200_u32 {
            let mut payload = vec![0; 1000];
            payload[..4].copy_from_slice(&number.to_be_bytes());
            publisher.publish("queued/data", &payload, false);
        }
        broker.signal(libc::SIGTERM);
        for number in 0..200_u32 {
            let packet = subscriber.expect(PUBLISH);
            assert_eq!(packet.message(5).payload[..4], number.to_be_bytes());
        }
        assert_eq!(
            subscriber.expect(DISCONNECT).body.first(),
            Some(&SERVER_SHUTTING_DOWN)
        );
        assert_eq!(
            broker.wait_exit(PATIENCE).code(),
            Some(0),
            "{}",
            broker.stderr()
        );
    }
}

#[test]
fn a_client_that_never_reads_cannot_hold_the_end_up() {
    let mut broker = Broker::start(2, &[]);
    let mut deaf = Client::v5(broker.address(), "deaf");
    deaf.subscribe("noise", 0);
    let mut publisher = Client::v5(broker.address(), "publisher");
    for _ in 0..200 {
        publisher.publish("noise", &[0; 60_000], false);
    }
    broker.signal(libc::SIGTERM);
    let status = broker.wait_exit(Duration::from_secs(30));
    assert_eq!(status.code(), Some(0), "{}", broker.stderr());
}

#[test]
fn connections_without_a_word_do_not_hold_the_end_up() {
    let broker = Broker::start(2, &[]);
    let silent: Vec<Client> = (0..20).map(|_| Client::open(broker.address(), 5)).collect();
    Client::v5(broker.address(), "served").ping();
    broker.stop();
    drop(silent);
}

#[test]
fn a_client_in_the_middle_of_sending_still_gets_what_was_sent_and_learns_why_it_is_closed() {
    const MALFORMED: u8 = 0x81;
    let broker = Broker::start(2, &[]);
    let mut publisher = Client::v5(broker.address(), "publisher");
    for round in 0..2 {
        let mut client = Client::open(broker.address(), 5);
        client.shrink_receive_buffer();
        client.send(&crate::wire::connect(5, &format!("chatty-{round}")));
        client.expect(crate::wire::CONNACK);
        client.subscribe("much", 0);
        for _ in 0..20 {
            publisher.publish("much", &[0; 1000], false);
        }
        publisher.ping();
        // A SUBSCRIBE with reserved flags, and behind it bytes that nobody wants: were
        // the socket just closed, the kernel would reset the stream and forget what
        // the client has not yet taken.
        let mut bytes = vec![0x80, 0];
        bytes.resize(100_000, 0xC0);
        client.send(&bytes);
        for _ in 0..20 {
            client.expect(PUBLISH);
        }
        let packet = client.expect(DISCONNECT);
        assert_eq!(packet.body.first(), Some(&MALFORMED));
        client.expect_closed(PATIENCE);
    }
}

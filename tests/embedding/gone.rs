//! Clients that leave while a rule still thinks about them.
//!
//! Owns nothing. A client is gone at once, before anybody has answered; what it had said
//! before it went still counts.

use std::net::TcpStream;

use ringmq::broker::{Broker, BrokerHandle, Limits, Listener, Subscription};
use ringmq::hooks::Verdict;

use crate::silent::{Silent, slow, with_silence};
use crate::support::authority::Authority;
use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::stream::{Stream, Way};
use crate::support::wire::outgoing::disconnect;
use crate::support::wire::{Connect, Publish, Version, Will};
use crate::wait::until;

fn connections(broker: &BrokerHandle) -> u64 {
    let counts = broker.stats();
    counts.iter().map(|shard| shard.engine.connections).sum()
}

#[test]
fn a_client_that_leaves_before_its_verdict_gives_its_place_back_at_once() {
    let silent = Silent::default();
    for shards in [1, 4] {
        let broker = Broker::builder()
            .tcp("127.0.0.1:0")
            .shards(shards)
            .max_connections(1)
            .hook(silent.clone())
            .start()
            .expect("the broker starts");
        let address = broker.addresses()[0].socket_address().expect("TCP");
        let target = crate::Target::at(address);
        let leaving = Client::start(&target, &slow(&unique("c")));
        let (_, reply) = silent.take();
        assert_eq!(connections(&broker), 1);
        assert!(reply.is_awaited());
        drop(leaving);
        until("it is gone", || connections(&broker) == 0);
        assert!(!reply.is_awaited(), "the hook can know");
        // The only place there is.
        Client::v5(&target).ping();
        reply.answer(Verdict::Allow);
        until("the other one is gone, too", || connections(&broker) == 0);
        broker.shutdown().expect("the broker stops in order");
    }
}

#[test]
fn a_connected_client_that_leaves_is_gone_with_its_will_before_the_verdict() {
    with_silence(Limits::default(), |silent, broker, target| {
        let remote = broker.remote();
        let wills = remote
            .subscribe("will", Subscription::default())
            .expect("a filter");
        let id = unique("c");
        let connect = Connect::v5(&id).will(Will::new("will", "gone"));
        let mut client = Client::connect(target, &connect);
        client.send(subscribe_slow());
        let (who, reply) = silent.take();
        assert_eq!(who, id);
        assert_eq!(remote.clients().len(), 1);
        drop(client);
        until("it is gone", || remote.clients().is_empty());
        assert_eq!(wills.recv().expect("goes on").payload(), b"gone");
        until("the hook can know", || !reply.is_awaited());
        // Its successor waits for an answer of its own.
        let mut next = Client::connect(target, &Connect::v5(&id));
        next.send(subscribe_slow());
        let (_, own) = silent.take();
        reply.answer(Verdict::Deny(ringmq::protocol::ReasonCode::NotAuthorized));
        own.answer(Verdict::Allow);
        assert_eq!(next.expect_suback().reasons, [1]);
    });
}

/// SUBSCRIBE to `slow` at QoS 1, version 5.
fn subscribe_slow() -> Vec<u8> {
    let mut packet = vec![0x82, 10, 0, 7, 0, 0, 4];
    packet.extend_from_slice(b"slow\x01");
    packet
}

#[test]
fn what_was_published_before_the_end_counts_and_the_goodbye_behind_it_too() {
    with_silence(Limits::default(), |silent, broker, target| {
        let remote = broker.remote();
        let inside = remote
            .subscribe("#", Subscription::default())
            .expect("a filter");
        let id = unique("c");
        let connect = Connect::v5(&id).will(Will::new("will", "gone"));
        let mut client = Client::connect(target, &connect);
        client.send_publish(&Publish::new("slow", "last words"));
        client.send(disconnect());
        drop(client);
        let (_, reply) = silent.take();
        // Another one publishes and goes without a word.
        let rude = Connect::v5(&unique("c")).will(Will::new("will", "gone"));
        let mut rude = Client::connect(target, &rude);
        rude.send_publish(&Publish::new("slow", "rude words"));
        let (_, rude_reply) = silent.take();
        drop(rude);
        assert!(reply.is_awaited() && rude_reply.is_awaited());
        reply.answer(Verdict::Allow);
        assert_eq!(inside.recv().expect("goes on").payload(), b"last words");
        rude_reply.answer(Verdict::Allow);
        assert_eq!(inside.recv().expect("goes on").payload(), b"rude words");
        assert_eq!(
            inside.recv().expect("goes on").topic(),
            "will",
            "one of them"
        );
        until("both are gone", || connections(broker) == 0);
        assert_eq!(inside.try_recv().map(|r| r.is_none()), Ok(true));
    });
}

#[test]
fn a_reset_ends_even_who_publishes() {
    with_silence(Limits::default(), |silent, broker, target| {
        let Way::Tcp(address) = *target.way() else {
            panic!("a TCP listener")
        };
        let socket = TcpStream::connect(address).expect("a connection");
        let stream = Stream::Direct(crate::support::stream::Socket::Tcp(
            socket.try_clone().expect("a second handle"),
        ));
        let mut client = Client::on(stream, Version::V5, true);
        client.send_connect(&Connect::v5(&unique("c")));
        assert_eq!(client.expect_connack().code, 0);
        client.send_publish(&Publish::new("slow", "never").qos(1).id(1));
        let (_, reply) = silent.take();
        socket2::SockRef::from(&socket)
            .set_linger(Some(std::time::Duration::ZERO))
            .expect("an open socket");
        drop((client, socket));
        until("it is gone", || connections(broker) == 0);
        assert!(!reply.is_awaited());
    });
}

#[test]
fn the_end_is_noticed_on_every_transport_with_and_without_a_goodbye() {
    let authority = Authority::shared();
    let issued = authority.server("gone", &["localhost"]);
    let silent = Silent::default();
    for shards in [1, 4] {
        let path = std::env::temp_dir().join(unique("gone"));
        let broker = Broker::builder()
            .shards(shards)
            .listener(Listener::tls("127.0.0.1:0").certificate(&issued.certificate, &issued.key))
            .listener(Listener::websocket("127.0.0.1:0"))
            .listener(
                Listener::secure_websocket("127.0.0.1:0")
                    .certificate(&issued.certificate, &issued.key),
            )
            .listener(Listener::unix(&path))
            .hook(silent.clone())
            .start()
            .expect("the broker starts");
        let config = authority.client(None);
        let at = |place: usize| broker.addresses()[place].socket_address().expect("TCP");
        let ways = [
            Way::Tls(at(0), std::sync::Arc::clone(&config)),
            Way::WebSocket(at(1)),
            Way::SecureWebSocket(at(2), config),
            Way::Unix(path),
        ];
        for way in &ways {
            for goodbye in [true, false] {
                let mut stream = Stream::open(way).expect("a connection");
                stream
                    .write_all(&slow(&unique("c")).encode())
                    .expect("an open connection");
                let (_, reply) = silent.take();
                if goodbye {
                    stream.say_goodbye();
                }
                drop(stream);
                until("it is gone", || connections(&broker) == 0);
                assert!(!reply.is_awaited(), "{way:?}");
            }
        }
        broker.shutdown().expect("the broker stops in order");
    }
}

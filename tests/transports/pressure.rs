//! Readers that stop reading, and what they are owed, behind every kind of listener.

use crate::support::authority::Authority;
use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::stream::Way;
use crate::{client, named, serve, wait, ways};

#[test]
fn a_reader_that_pauses_gets_everything_in_order_and_holds_nobody_up() {
    let server = Authority::shared().server("pause", &["localhost"]);
    let mut options: Vec<&str> = server.options().to_vec();
    for kind in ["--tcp", "--tls", "--ws", "--wss"] {
        options.extend([kind, "127.0.0.1:0"]);
    }
    options.extend(["--max-inflight", "0"]);
    let broker = serve(&options, 4);
    let ways = ways(&broker);
    let mut readers: Vec<Client> = ways.iter().map(client).collect();
    for reader in &mut readers {
        reader.subscribe("pause/#", 1);
    }
    let mut publisher = client(&ways[1]);
    // More than the sockets, the wires and the out-buffers of all of them take.
    let sizes = [10, 70_000, 200_000, 1, 16_384];
    for (number, size) in sizes.into_iter().cycle().take(200).enumerate() {
        let payload = format!("{number} {}", "x".repeat(size));
        publisher.publish("pause/x", &payload, 1);
    }
    for (reader, way) in readers.iter_mut().zip(&ways) {
        for (number, size) in sizes.into_iter().cycle().take(200).enumerate() {
            let message = reader.receive();
            let start = format!("{number} ");
            assert!(
                message.payload.starts_with(start.as_bytes()),
                "{number} over {way:?}"
            );
            assert_eq!(message.payload.len(), start.len() + size, "{way:?}");
        }
    }
    broker.stop();
}

#[test]
fn readers_that_never_read_cost_no_more_than_their_bounds() {
    let server = Authority::shared().server("never", &["localhost"]);
    let mut options: Vec<&str> = server.options().to_vec();
    options.extend(["--wss", "127.0.0.1:0", "--tcp", "127.0.0.1:0"]);
    options.extend([
        "--max-outbox-bytes",
        "100000",
        "--max-queued-bytes",
        "100000",
    ]);
    let broker = serve(&options, 2);
    let ways = ways(&broker);
    let (plain, wss) = (&ways[0], &ways[1]);
    assert!(matches!(wss, Way::SecureWebSocket(..)));
    let mut publisher = client(plain);
    // The first round is what the allocator keeps anyway.
    publisher.publish("never/x", &"x".repeat(100_000), 0);
    publisher.ping();
    let before = broker.resident();
    let mut readers: Vec<Client> = (0..40).map(|_| client(wss)).collect();
    for reader in &mut readers {
        reader.subscribe("never/#", 0);
    }
    for _ in 0..500 {
        publisher.publish("never/x", &"x".repeat(100_000), 0);
    }
    publisher.ping();
    // Per reader an out-buffer (once over its bound by a message, and grown by doubling) and a
    // wire of 64 KiB with its overhead.
    let grown = broker.resident().saturating_sub(before);
    assert!(grown < 40 * 1_000_000, "{grown} bytes for 40 readers");
    drop(readers);
    wait::until("their memory to come back or be used again", || {
        named(wss, &unique("after")).ping();
        broker.resident().saturating_sub(before) < 40 * 1_000_000
    });
    broker.stop();
}

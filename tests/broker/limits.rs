//! Limits that are reached, answered and left again.

use std::time::Duration;

use crate::process::{self, Broker};
use crate::vitals::Vitals;
use crate::wait::{self, PATIENCE};
use crate::wire::{CONNACK, Client, connect};

/// Is this client let in? It may also be closed without a word, or told no.
fn is_let_in(client: &mut Client) -> bool {
    client
        .next(PATIENCE)
        .is_ok_and(|packet| packet.kind() == CONNACK && packet.body[1] == 0)
}

#[test]
fn max_connections_is_reached_and_left_again() {
    for shards in [1, 4] {
        let broker = Broker::start(shards, &["--max-connections", "10"]);
        let mut inside: Vec<Client> = (0..10)
            .map(|number| Client::v5(broker.address(), &format!("in-{number}")))
            .collect();
        for number in 0..5 {
            let mut late = Client::open(broker.address(), 5);
            late.try_send(&connect(5, &format!("late-{number}")));
            assert!(!is_let_in(&mut late), "the 11th connection is let in");
        }
        for client in &mut inside {
            client.ping();
        }
        inside.pop().expect("ten clients").disconnect();
        drop(inside.pop().expect("nine clients"));
        for number in 0..2 {
            let next = wait::for_some("a place to become free", PATIENCE, || {
                let mut next = Client::open(broker.address(), 5);
                next.try_send(&connect(5, &format!("next-{number}")));
                is_let_in(&mut next).then_some(next)
            });
            inside.push(next);
        }
        for client in &mut inside {
            client.ping();
        }
        broker.stop();
    }
}

#[test]
fn a_silent_connection_is_closed_after_the_connect_timeout() {
    let broker = Broker::start(2, &["--connect-timeout", "1"]);
    let mut connected = Client::v5(broker.address(), "connected");
    let mut silent = Client::open(broker.address(), 5);
    let mut halfway = Client::open(broker.address(), 5);
    halfway.send(&connect(5, "halfway")[..9]);
    silent.expect_closed(Duration::from_secs(10));
    halfway.expect_closed(Duration::from_secs(10));
    connected.ping();
    broker.stop();
}

#[test]
fn half_a_connect_many_times_costs_nothing_that_stays() {
    let broker = Broker::start(4, &[]);
    let whole = connect(5, "half-of-a-client-identifier");
    let abandon = |count: usize| {
        for number in 0..count {
            let mut client = Client::open(broker.address(), 5);
            client.try_send(&whole[..1 + number % (whole.len() - 1)]);
        }
    };
    abandon(500);
    Client::v5(broker.address(), "between").ping();
    let before = broker.resident();
    abandon(3000);
    let held: Vec<Client> = (0..200)
        .map(|_| {
            let mut client = Client::open(broker.address(), 5);
            client.try_send(&whole[..whole.len() / 2]);
            client
        })
        .collect();
    Client::v5(broker.address(), "after").ping();
    drop(held);
    let grown = broker.resident().saturating_sub(before);
    assert!(
        grown < 16 << 20,
        "{grown} bytes more after 3000 halves of a CONNECT"
    );
    broker.stop();
}

/// Those of these clients that have heard from the broker, taken out of them.
fn take_served(waiting: &mut Vec<Client>) -> Vec<Client> {
    let brief = Duration::from_millis(1);
    waiting
        .extract_if(.., |client| client.next(brief).is_ok())
        .collect()
}

#[test]
fn without_descriptors_accepting_pauses_and_goes_on() {
    // The broker counts on what the limit says, but finds most of it taken already.
    let mut command = process::command(2, &["--log", "warn"]);
    process::limit(&mut command, libc::RLIMIT_NOFILE, 400);
    process::inherit_descriptors(&mut command, 280);
    let broker = Broker::serve(command, 1);
    let vitals = Vitals::of(&broker);
    let mut early = Client::v5(broker.address(), "early");
    let mut waiting: Vec<Client> = (0..200)
        .map(|number| {
            let mut client = Client::open(broker.address(), 5);
            client.send(&connect(5, &format!("client-{number}")));
            client
        })
        .collect();
    let complaint = "Too many open files";
    wait::until("a line about descriptors", || {
        broker.stderr().contains(complaint)
    });
    let served = take_served(&mut waiting);
    assert!(!served.is_empty(), "nobody was served");
    assert!(waiting.len() >= 50, "only {} wait", waiting.len());
    early.ping();
    // As descriptors come back, everybody who waits gets his turn.
    served.into_iter().for_each(Client::disconnect);
    wait::until("everybody to be served", || {
        take_served(&mut waiting)
            .into_iter()
            .for_each(Client::disconnect);
        waiting.is_empty()
    });
    early.ping();
    let log = broker.stderr();
    let lines = log.lines().filter(|line| line.contains(complaint)).count();
    assert!(lines <= 20, "{lines} lines about descriptors:\n{log}");
    vitals.recover(8 << 20, "no descriptors");
    broker.stop();
}

#[test]
fn a_soft_limit_of_descriptors_is_raised_to_what_connections_need() {
    let (soft, hard, clients) = (60, 4_096, 100);
    let mut command = process::command(1, &["--log", "warn"]);
    process::limit_softly(&mut command, libc::RLIMIT_NOFILE, soft, hard);
    let broker = Broker::serve(command, 1);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", broker.id()));
    let limits = limits.expect("a running process");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    assert_eq!(words[3..5], [hard.to_string(), hard.to_string()]);
    let served: Vec<Client> = (0..clients)
        .map(|number| Client::v5(broker.address(), &format!("client-{number}")))
        .collect();
    served.into_iter().for_each(Client::disconnect);
    broker.stop();
}

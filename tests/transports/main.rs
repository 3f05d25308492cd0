//! Every door of a broker process: TLS, WebSocket, Unix domain sockets, PROXY headers, sockets
//! handed over by systemd, and what each listener asks for.
//!
//! Every test starts a broker of its own with the listeners that the promise needs. That MQTT is
//! the same behind all of them is shown by the conformance suite (`RINGMQ_TRANSPORT`).

mod commands;
mod doors;
mod handshake;
mod haproxy;
mod pressure;
#[path = "../broker/process.rs"]
mod process;
mod programs;
mod proxy;
mod rates;
mod reload;
#[path = "../support/mod.rs"]
mod support;
mod systemd;
mod tls;
mod unix;
#[path = "../broker/wait.rs"]
mod wait;
mod websocket;

use std::process::Command;

use process::{Broker, Ended, binary, run};
use support::broker::{announced, unique};
use support::client::Client;
use support::stream::{Stream, Way};
use support::wire::{Connect, Version};

/// A broker with two shards and these options, which make so many listeners.
fn serve(options: &[&str], listeners: usize) -> Broker {
    Broker::serve(command(options), listeners)
}

fn command(options: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(["--shards", "2", "--log", "ringmq=debug"])
        .args(options);
    command
}

/// What a broker says that does not start.
fn refusal(options: &[&str]) -> Ended {
    let mut command = Command::new(binary());
    command.args(["--log", "error"]).args(options);
    run(command)
}

/// How to reach the listeners of a broker.
fn ways(broker: &Broker) -> Vec<Way> {
    let way = |line: &String| announced(line).expect("a listener").expect("its place");
    broker.announced().iter().map(way).collect()
}

/// A client that the broker has let in.
fn client(way: &Way) -> Client {
    named(way, &unique("c"))
}

fn named(way: &Way, name: &str) -> Client {
    let stream = Stream::open(way).unwrap_or_else(|error| panic!("{way:?}: {error}"));
    on(stream, name)
}

/// A client that is let in over this stream.
fn on(stream: Stream, name: &str) -> Client {
    let mut client = Client::on(stream, Version::V5, true);
    client.send_connect(&Connect::v5(name));
    let answer = client.expect_connack();
    assert_eq!(answer.code, 0, "the broker lets {name} in");
    client
}

/// The first block of this language in README.md.
fn readme_block(language: &str) -> String {
    let text = include_str!("../../README.md");
    let begin = format!("```{language}\n");
    let (_, rest) = text.split_once(&begin).expect("README.md has such a block");
    let (block, _) = rest.split_once("```").expect("it ends");
    block.to_owned()
}

/// Waits until the log has a line with all these words.
fn wait_for_line(broker: &Broker, words: &[&str]) -> String {
    wait::for_some(&format!("a line with {words:?}"), wait::PATIENCE, || {
        let log = broker.stderr();
        let mut lines = log.lines();
        let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
        line.map(str::to_owned)
    })
}

//! What a broker says and does when it starts, or refuses to.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use crate::process::{Broker, Ended, binary, run};
use crate::wire::Client;

fn refusal(arguments: &[&str]) -> Ended {
    let mut command = Command::new(binary());
    command.args(["--log", "error"]).args(arguments);
    run(command)
}

/// One line that names the culprit, and this exit code.
fn assert_refused(ended: &Ended, code: i32, named: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let lines: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(lines.len(), 1, "one line on standard error: {ended:?}");
    for name in named {
        assert!(lines[0].contains(name), "`{name}` is missing: {ended:?}");
    }
    assert!(
        !ended.stdout.contains("listening"),
        "nothing listens: {ended:?}"
    );
}

#[test]
fn a_port_in_use_ends_with_1_and_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    assert_refused(&refusal(&["--tcp", &address]), 1, &[&address]);
}

#[test]
fn a_port_of_another_broker_is_in_use_although_ports_are_shared_between_shards() {
    let broker = Broker::start(4, &[]);
    let address = broker.address().to_string();
    assert_refused(
        &refusal(&["--tcp", &address, "--shards", "2"]),
        1,
        &[&address],
    );
    Client::v5(broker.address(), "still-served").ping();
    broker.stop();
}

#[test]
fn a_bad_option_ends_with_2_and_says_what_is_valid() {
    assert_refused(&refusal(&["--shards", "0"]), 2, &["--shards", "0", "1"]);
    assert_refused(&refusal(&["--shards", "many"]), 2, &["--shards", "many"]);
    assert_refused(&refusal(&["--tcp", "nonsense"]), 2, &["nonsense", "PORT"]);
    assert_refused(
        &refusal(&["--max-inflight", "65536"]),
        2,
        &["--max-inflight", "65535"],
    );
    assert_refused(
        &refusal(&["--max-packet-size", "big"]),
        2,
        &["--max-packet-size"],
    );
    assert_refused(&refusal(&["--no-such-option"]), 2, &["--no-such-option"]);
}

#[test]
fn an_address_for_everybody_needs_allow_anonymous() {
    let everybody = ["--tcp", "0.0.0.0:0", "--shards", "1"];
    assert_refused(&refusal(&everybody), 2, &["--allow-anonymous"]);

    let mut command = Command::new(binary());
    command.args(everybody).arg("--allow-anonymous");
    let broker = Broker::serve(command, 1);
    let local = SocketAddr::from(([127, 0, 0, 1], broker.address().port()));
    Client::v5(local, "anybody").ping();
    broker.stop();
}

#[test]
fn every_listener_is_announced_and_serves() {
    let mut command = Command::new(binary());
    command.args([
        "serve",
        "--tcp",
        "127.0.0.1:0",
        "--tcp",
        "127.0.0.2:0",
        "--shards",
        "2",
    ]);
    let broker = Broker::serve(command, 2);
    let addresses = broker.addresses();
    assert_ne!(addresses[0].ip(), addresses[1].ip());
    let mut first = Client::v5(addresses[0], "first");
    let mut second = Client::v5(addresses[1], "second");
    first.subscribe("between/listeners", 1);
    second.publish("between/listeners", b"hello", false);
    assert_eq!(first.message().payload, b"hello");
    broker.stop();
}

#[test]
fn more_shards_than_cores_serve() {
    let broker = Broker::start(9, &[]);
    let mut clients: Vec<Client> = (0..27)
        .map(|number| Client::v5(broker.address(), &format!("client-{number}")))
        .collect();
    for client in &mut clients {
        client.subscribe("all", 1);
    }
    Client::v5(broker.address(), "publisher").publish("all", b"hello", false);
    for client in &mut clients {
        assert_eq!(client.message().payload, b"hello");
    }
    broker.stop();
}

#[test]
fn a_quick_restart_gets_its_port_back() {
    let mut broker = Broker::start(4, &[]);
    for round in 0..3 {
        let address = broker.address();
        let client = Client::v5(address, &format!("round-{round}"));
        broker.stop();
        drop(client);
        let mut command = Command::new(binary());
        command.args(["--tcp", &address.to_string(), "--shards", "4"]);
        broker = Broker::serve(command, 1);
        assert_eq!(broker.address(), address);
    }
    broker.stop();
}

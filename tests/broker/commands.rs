//! `ringmq pub` and `ringmq sub` against `ringmq serve`.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::process::{Broker, Ended, binary, run};
use crate::wait::{self, PATIENCE};

fn client(verb: &str, address: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args([
        verb,
        "-h",
        &address.ip().to_string(),
        "-p",
        &address.port().to_string(),
    ]);
    command.args(arguments);
    command
}

fn succeed(command: Command) -> Ended {
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

/// A running `ringmq sub` and its lines.
struct Subscriber {
    child: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    fn spawn(mut command: Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("the binary can be started");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The pipe is drained even when nobody listens any more.
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .expect("a line of ringmq sub")
    }

    fn exit_code(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let look = || child.try_wait().expect("a child can be waited for");
        wait::for_some("ringmq sub to end", PATIENCE, look).code()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_pub_says_sub_prints() {
    for shards in [1, 4] {
        let broker = Broker::start(shards, &[]);
        let address = broker.address();
        for version in ["mqttv311", "mqttv5"] {
            for qos in ["0", "1", "2"] {
                let say = |topic: &str, text: &str, more: &[&str]| {
                    let arguments = ["-V", version, "-q", qos, "-t", topic, "-m", text];
                    succeed(client("pub", address, &[&arguments, more].concat()));
                };
                say("room/ready", "retained", &["-r"]);
                let arguments = ["-V", version, "-q", qos, "-t", "room/#", "-v", "-C", "3"];
                let mut subscriber = Subscriber::spawn(client("sub", address, &arguments));
                assert_eq!(subscriber.line(), "room/ready retained");
                say("room/a", "first", &[]);
                say("room/b", "second", &[]);
                assert_eq!(subscriber.line(), "room/a first");
                assert_eq!(subscriber.line(), "room/b second");
                assert_eq!(
                    subscriber.exit_code(),
                    Some(0),
                    "-C 3 ends after three messages"
                );
                succeed(client("pub", address, &["-t", "room/ready", "-r", "-n"]));
            }
        }
        broker.stop();
    }
}

#[test]
fn sub_that_waits_in_vain_ends_with_27() {
    let broker = Broker::start(1, &[]);
    let ended = run(client(
        "sub",
        broker.address(),
        &["-t", "silence", "-C", "1", "-W", "1"],
    ));
    assert_eq!(ended.code, Some(27), "{ended:?}");
    broker.stop();
}

#[test]
fn pub_sends_every_line_of_its_input() {
    let broker = Broker::start(2, &[]);
    let address = broker.address();
    succeed(client(
        "pub",
        address,
        &["-t", "lines", "-r", "-q", "1", "-m", "ready"],
    ));
    let arguments = ["-t", "lines", "-q", "1", "-C", "101"];
    let mut subscriber = Subscriber::spawn(client("sub", address, &arguments));
    assert_eq!(subscriber.line(), "ready");
    let mut command = client("pub", address, &["-t", "lines", "-q", "1", "-l"]);
    let mut publisher = command
        .stdin(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let mut stdin = publisher.stdin.take().expect("piped");
    let text: String = (0..100).map(|number| format!("line {number}\n")).collect();
    stdin.write_all(text.as_bytes()).expect("ringmq pub reads");
    drop(stdin);
    for number in 0..100 {
        assert_eq!(subscriber.line(), format!("line {number}"));
    }
    assert_eq!(subscriber.exit_code(), Some(0));
    let ended = || publisher.try_wait().expect("a child can be waited for");
    let status = wait::for_some("ringmq pub to end", Duration::from_secs(20), ended);
    assert_eq!(status.code(), Some(0));
    broker.stop();
}

#[test]
fn without_a_broker_pub_fails_in_one_line() {
    let broker = Broker::start(1, &[]);
    let address = broker.address();
    broker.stop();
    let ended = run(client("pub", address, &["-t", "x", "-m", "y"]));
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

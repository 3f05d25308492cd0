//! `mosquitto_pub` and `mosquitto_sub` as scripts use them.
//!
//! Owns the child processes of a scenario; a subscriber that is dropped is killed. A
//! subscriber is known to be subscribed when it prints the retained message of a topic
//! that it subscribed to last. No takeover here: `mosquitto_sub` connects again by
//! itself, so two with one id take turns for ever.

use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::broker::{Broker, unique};
use crate::foreign::{finish, missing};
use crate::wait::PATIENCE;

type Scenario = (&'static str, fn(&Stage));

const EVERY_VERSION: &[Scenario] = &[
    ("every_qos_to_every_qos", every_qos_to_every_qos),
    ("order_is_kept", order_is_kept),
    ("retained", retained),
    ("will", will),
    (
        "session_resumes_with_its_queue",
        session_resumes_with_its_queue,
    ),
    ("large_payload", large_payload),
    ("unsubscribe", unsubscribe),
    ("wildcards", wildcards),
];
const ONLY_5_0: &[Scenario] = &[
    ("properties", properties),
    ("shared_subscription", shared_subscription),
];

pub fn run(version: &str, shards: usize) {
    run_at(version, || Broker::start(shards));
}

/// The same over another transport.
pub fn run_over(version: &str, transport: &'static str, shards: usize) {
    run_at(version, || Broker::over(transport, shards));
}

fn run_at(version: &str, broker: impl FnOnce() -> Broker) {
    // Without a topic both end with 1 and their usage.
    let there = |name: &str| Command::new(name).arg("--help").output().is_ok();
    if !there("mosquitto_pub") || !there("mosquitto_sub") {
        return missing(
            "mosquitto_pub/sub",
            "install Debian's package mosquitto-clients",
        );
    }
    let broker = broker();
    let five = version == "5.0";
    let version = match version {
        "3.1" => "mqttv31",
        "3.1.1" => "mqttv311",
        _ => "mqttv5",
    };
    let mut failed = Vec::new();
    let further = if five { ONLY_5_0 } else { &[] };
    for (name, scenario) in EVERY_VERSION.iter().chain(further) {
        let stage = Stage {
            broker: &broker,
            version,
            prefix: unique(),
        };
        if catch_unwind(AssertUnwindSafe(|| scenario(&stage))).is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?} (why: above)");
}

/// The world of one scenario: where the broker is and names of its own.
struct Stage<'b> {
    broker: &'b Broker,
    version: &'static str,
    prefix: String,
}

impl Stage<'_> {
    fn topic(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    fn id(&self) -> String {
        self.prefix.replace('/', "-")
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        let Broker { address, path, .. } = self.broker;
        if self.broker.transport == "unix" {
            command.arg("--unix").arg(path);
        } else {
            command.args(["-h", &address.ip().to_string()]);
            command.args(["-p", &address.port().to_string()]);
        }
        if let Some(authority) = &self.broker.authority {
            command.arg("--cafile").arg(authority);
        }
        command.args(["-V", self.version]);
        command.args(arguments);
        command
    }

    /// Publishes; with QoS > 0 it is acknowledged when this returns.
    fn publish(&self, name: &str, payload: &str, qos: u8, more: &[&str]) {
        let topic = self.topic(name);
        let qos = qos.to_string();
        let mut arguments = vec!["-t", &topic, "-q", &qos];
        arguments.extend(if payload.is_empty() {
            ["-n", ""]
        } else {
            ["-m", payload]
        });
        arguments.retain(|argument| !argument.is_empty());
        arguments.extend(more);
        let output = finish(&mut self.command("mosquitto_pub", &arguments), PATIENCE);
        assert!(output.status.success(), "mosquitto_pub: {output:?}");
    }

    /// A subscriber of these filters, known to be subscribed.
    fn subscribe(&self, filters: &[&str], qos: u8, more: &[&str]) -> Subscriber {
        let name = unique();
        self.publish(&name, "ready", 1, &["-r"]);
        let qos = qos.to_string();
        let ready = self.topic(&name);
        let mut arguments = vec!["-q", qos.as_str(), "-F", "%t|%q|%r|%p"];
        arguments.extend(filters.iter().flat_map(|filter| ["-t", filter]));
        arguments.extend(["-t", &ready]);
        arguments.extend(more);
        let subscriber = Subscriber::spawn(self.command("mosquitto_sub", &arguments));
        let first = subscriber.line();
        assert!(first.starts_with(&ready), "got {first}");
        subscriber
    }
}

/// A running `mosquitto_sub`.
struct Subscriber {
    child: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    fn spawn(mut command: Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("mosquitto_sub was found before");
        let (sender, lines) = channel();
        forward(child.stdout.take().expect("piped"), sender);
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .expect("a line of mosquitto_sub")
    }

    fn expect(&self, topic: &str, payload: &str, qos: u8, retain: bool) {
        assert_eq!(
            self.line(),
            format!("{topic}|{qos}|{}|{payload}", u8::from(retain))
        );
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stdout: std::process::ChildStdout, lines: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}

fn every_qos_to_every_qos(stage: &Stage) {
    for granted in 0..=2 {
        let topic = stage.topic("qos");
        let subscriber = stage.subscribe(&[&topic], granted, &[]);
        for qos in 0..=2 {
            stage.publish("qos", &format!("{qos} to {granted}"), qos, &[]);
            subscriber.expect(
                &topic,
                &format!("{qos} to {granted}"),
                qos.min(granted),
                false,
            );
        }
    }
}

fn order_is_kept(stage: &Stage) {
    let topic = stage.topic("order");
    for qos in 0..=2 {
        let subscriber = stage.subscribe(&[&topic], 2, &[]);
        let qos_text = qos.to_string();
        let mut command = stage.command("mosquitto_pub", &["-t", &topic, "-q", &qos_text, "-l"]);
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("it was found before");
        let text: String = (0..300).map(|number| format!("{number}\n")).collect();
        let mut stdin = child.stdin.take().expect("piped");
        stdin
            .write_all(text.as_bytes())
            .expect("mosquitto_pub reads");
        drop(stdin);
        for number in 0..300 {
            subscriber.expect(&topic, &number.to_string(), qos, false);
        }
        assert!(child.wait().expect("a child can be waited for").success());
    }
}

fn retained(stage: &Stage) {
    let topic = stage.topic("retained");
    stage.publish("retained", "kept", 1, &["-r"]);
    let subscriber = Subscriber::spawn(stage.command(
        "mosquitto_sub",
        &["-t", &topic, "-q", "1", "-F", "%t|%q|%r|%p"],
    ));
    subscriber.expect(&topic, "kept", 1, true);
    stage.publish("retained", "", 1, &["-r"]);
    subscriber.expect(&topic, "", 1, false);
    let after = stage.subscribe(&[&topic], 1, &[]);
    stage.publish("retained", "live", 1, &[]);
    after.expect(&topic, "live", 1, false);
}

fn will(stage: &Stage) {
    let topic = stage.topic("will");
    let watcher = stage.subscribe(&[&topic], 2, &[]);
    for qos in ["0", "1", "2"] {
        let will = [
            "--will-topic",
            &topic,
            "--will-payload",
            "gone",
            "--will-qos",
            qos,
        ];
        drop(stage.subscribe(&[&stage.topic("other")], 0, &will));
        watcher.expect(&topic, "gone", qos.parse().expect("a digit"), false);
    }
}

fn session_resumes_with_its_queue(stage: &Stage) {
    let (id, filter) = (stage.id(), stage.topic("session/#"));
    let mut keep = vec!["-c", "-i", &id, "-q", "2", "-t", &filter];
    if stage.version == "mqttv5" {
        keep.extend(["-x", "300"]);
    }
    let mut arguments = keep.clone();
    arguments.push("-E");
    let output = finish(&mut stage.command("mosquitto_sub", &arguments), PATIENCE);
    assert!(output.status.success(), "mosquitto_sub -E: {output:?}");
    for number in 0..10 {
        stage.publish("session/x", &number.to_string(), 1 + number % 2, &[]);
    }
    keep.extend(["-F", "%q|%p", "-C", "10", "-W", "20"]);
    let output = finish(
        &mut stage.command("mosquitto_sub", &keep),
        Duration::from_secs(30),
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for qos in 1..=2_u8 {
        // QoS 2 messages are printed at PUBREL, so the order holds per QoS.
        let of_qos = |line: &&str| line.starts_with(&qos.to_string());
        let wanted: Vec<String> = (0..10)
            .filter(|n| 1 + n % 2 == qos)
            .map(|n| format!("{qos}|{n}"))
            .collect();
        assert_eq!(said.lines().filter(of_qos).collect::<Vec<_>>(), wanted);
    }
}

fn large_payload(stage: &Stage) {
    let payload: String = ('!'..='z').cycle().take(1 << 20).collect();
    let file = crate::process::scratch("interop").join(stage.id());
    std::fs::write(&file, &payload).expect("the target folder is writable");
    let topic = stage.topic("large");
    for qos in ["0", "1", "2"] {
        let subscriber = stage.subscribe(&[&topic], 2, &[]);
        let path = file.to_string_lossy();
        let arguments = ["-t", &topic, "-q", qos, "-f", &path];
        let output = finish(&mut stage.command("mosquitto_pub", &arguments), PATIENCE);
        assert!(output.status.success(), "mosquitto_pub: {output:?}");
        let line = subscriber.line();
        assert!(
            line == format!("{topic}|{qos}|0|{payload}"),
            "{} bytes",
            line.len()
        );
    }
    std::fs::remove_file(&file).expect("it was written above");
}

fn unsubscribe(stage: &Stage) {
    let (id, left, kept) = (stage.id(), stage.topic("left"), stage.topic("kept"));
    let mut keep = vec!["-c", "-i", &id, "-q", "1", "-t", &kept];
    if stage.version == "mqttv5" {
        keep.extend(["-x", "300"]);
    }
    // Subscribed by one run, unsubscribed by the next, which the session shows.
    for change in [["-t", &left, "-E"], ["-U", &left, "-E"]] {
        let arguments = [keep.as_slice(), &change].concat();
        let output = finish(&mut stage.command("mosquitto_sub", &arguments), PATIENCE);
        assert!(output.status.success(), "mosquitto_sub -E: {output:?}");
    }
    stage.publish("left", "unheard", 1, &[]);
    stage.publish("kept", "heard", 1, &[]);
    keep.extend(["-C", "1", "-W", "20"]);
    let output = finish(
        &mut stage.command("mosquitto_sub", &keep),
        Duration::from_secs(30),
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "heard\n");
}

fn wildcards(stage: &Stage) {
    let plus = stage.subscribe(&[&stage.topic("w/+/x")], 1, &[]);
    let hash = stage.subscribe(&[&stage.topic("w/#")], 1, &[]);
    let names = ["w", "w/a", "w/a/x", "w//x", "w/a/x/y", "w/end/x"];
    for name in names {
        stage.publish(name, "x", 1, &[]);
    }
    for name in names {
        hash.expect(&stage.topic(name), "x", 1, false);
    }
    for name in ["w/a/x", "w//x", "w/end/x"] {
        plus.expect(&stage.topic(name), "x", 1, false);
    }
}

fn properties(stage: &Stage) {
    let (topic, answer) = (stage.topic("properties"), stage.topic("answer"));
    let format = "%t|%q|%C|%D|%R|%F|%P|%p";
    let subscriber = stage.subscribe(&[&topic], 1, &["-F", format]);
    let more = [
        ["-D", "publish", "content-type", "text/plain"].as_slice(),
        &["-D", "publish", "correlation-data", "c0rrelation"],
        &["-D", "publish", "response-topic", &answer],
        &["-D", "publish", "payload-format-indicator", "1"],
        &["-D", "publish", "message-expiry-interval", "100"],
        &["-D", "publish", "user-property", "z", "1"],
        &["-D", "publish", "user-property", "a", "2"],
        &["-D", "publish", "user-property", "z", "3"],
    ]
    .concat();
    stage.publish("properties", "hello", 1, &more);
    let wanted = format!("{topic}|1|text/plain|c0rrelation|{answer}|1|z:1 a:2 z:3|hello");
    assert_eq!(subscriber.line(), wanted);
}

fn shared_subscription(stage: &Stage) {
    let filter = format!("$share/group/{}", stage.topic("shared"));
    let members = [(); 3].map(|()| stage.subscribe(&[&filter], 1, &[]));
    for number in 0..30 {
        stage.publish("shared", &number.to_string(), 1, &[]);
    }
    let mut heard: Vec<u32> = Vec::new();
    for member in &members {
        heard.extend((0..10).map(|_| number_of(&member.line())));
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..30).collect::<Vec<u32>>(), "each message once");
}

fn number_of(line: &str) -> u32 {
    let payload = line.rsplit('|').next().expect("at least one part");
    payload.parse().expect("a number")
}

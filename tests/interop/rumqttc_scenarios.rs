//! What an application does with rumqttc, the same for its 3.1.1 and its 5.0 half.
//!
//! Owns the scenarios and the inbox in which a connection's thread drops what
//! happened. The two halves are the sibling files, each with its own types.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a wait takes one kind of event and keeps all others for later"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use crate::broker::{Broker, unique};
use crate::wait::PATIENCE;

/// A message as it came, in the words of no version.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    /// User properties in order; empty for 3.1.1.
    pub user_properties: Vec<(String, String)>,
}

/// What a connection's thread reports.
#[derive(Debug)]
pub enum Event {
    Connected { session_present: bool },
    Message(Message),
    Acknowledged,
    Subscribed(Vec<Option<u8>>),
    Unsubscribed,
    Ended(String),
}

/// How to connect.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    pub id: &'a str,
    pub clean: bool,
    /// Topic, payload, QoS.
    pub will: Option<(&'a str, &'a str, u8)>,
}

/// One of the halves of rumqttc.
pub trait Half {
    /// A client and the thread that drives its connection, until `stop` or the end.
    fn open(address: SocketAddr, options: Options<'_>, stop: Arc<AtomicBool>) -> (Self, Inbox)
    where
        Self: Sized;
    fn subscribe(&self, filter: &str, qos: u8);
    fn unsubscribe(&self, filter: &str);
    fn publish(&self, topic: &str, payload: &[u8], qos: u8, retain: bool);
    fn disconnect(&self);
    /// Does this text tell of a takeover? 3.1.1 has no words for it.
    fn is_takeover(text: &str) -> bool;
}

/// Events in order; those that a wait skipped are kept for the next one.
pub struct Inbox {
    events: Receiver<Event>,
    aside: VecDeque<Event>,
}

impl Inbox {
    pub fn new(events: Receiver<Event>) -> Self {
        Self {
            events,
            aside: VecDeque::new(),
        }
    }

    /// The first event that `wanted` takes; it hands back those that it does not.
    fn wait<T>(&mut self, what: &str, wanted: impl Fn(Event) -> Result<T, Event>) -> T {
        for _ in 0..self.aside.len() {
            let event = self.aside.pop_front().expect("counted");
            match wanted(event) {
                Ok(found) => return found,
                Err(event) => self.aside.push_back(event),
            }
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(patience);
            let event = event.unwrap_or_else(|error| panic!("no {what}: {error}"));
            match wanted(event) {
                Ok(found) => return found,
                Err(Event::Ended(why)) => panic!("no {what}, the connection ended: {why}"),
                Err(event) => self.aside.push_back(event),
            }
        }
    }
}

/// A connected client.
pub struct Client<H> {
    pub half: H,
    inbox: Inbox,
    stop: Arc<AtomicBool>,
    session_present: bool,
}

impl<H: Half> Client<H> {
    pub fn open(address: SocketAddr, options: Options<'_>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (half, mut inbox) = H::open(address, options, Arc::clone(&stop));
        let session_present = inbox.wait("CONNACK", |event| match event {
            Event::Connected { session_present } => Ok(session_present),
            other => Err(other),
        });
        Self {
            half,
            inbox,
            stop,
            session_present,
        }
    }

    pub fn clean(address: SocketAddr, id: &str) -> Self {
        Self::open(
            address,
            Options {
                id,
                clean: true,
                will: None,
            },
        )
    }

    pub fn subscribe(&mut self, filter: &str, qos: u8) {
        self.half.subscribe(filter, qos);
        let granted = self.inbox.wait("SUBACK", |event| match event {
            Event::Subscribed(granted) => Ok(granted),
            other => Err(other),
        });
        assert_eq!(granted, [Some(qos)]);
    }

    fn unsubscribe(&mut self, filter: &str) {
        self.half.unsubscribe(filter);
        self.inbox.wait("UNSUBACK", |event| match event {
            Event::Unsubscribed => Ok(()),
            other => Err(other),
        });
    }

    /// Publishes and waits until the broker has acknowledged it.
    pub fn publish(&mut self, topic: &str, payload: &[u8], qos: u8, retain: bool) {
        self.half.publish(topic, payload, qos, retain);
        if qos > 0 {
            self.acknowledged();
        }
    }

    pub fn acknowledged(&mut self) {
        self.inbox.wait("acknowledgement", |event| match event {
            Event::Acknowledged => Ok(()),
            other => Err(other),
        });
    }

    pub fn next(&mut self) -> Message {
        self.inbox.wait("message", |event| match event {
            Event::Message(message) => Ok(message),
            other => Err(other),
        })
    }

    pub fn expect(&mut self, topic: &str, payload: &[u8], qos: u8, retain: bool) {
        let message = self.next();
        assert_eq!(
            (message.topic.as_str(), message.qos, message.retain),
            (topic, qos, retain)
        );
        assert!(
            message.payload == payload,
            "another payload, {} bytes",
            message.payload.len()
        );
    }

    fn ended(&mut self) -> String {
        self.inbox.wait("end", |event| match event {
            Event::Ended(why) => Ok(why),
            other => Err(other),
        })
    }

    fn disconnect(mut self) {
        self.half.disconnect();
        self.ended();
    }

    /// Ends without DISCONNECT, as a crash would.
    fn break_off(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.ended();
    }
}

/// The world of one scenario: where the broker is and names of its own.
pub struct Stage {
    pub address: SocketAddr,
    prefix: String,
}

impl Stage {
    pub fn topic(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    pub fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix.replace('/', "-"))
    }

    pub fn client<H: Half>(&self, name: &str) -> Client<H> {
        Client::clean(self.address, &self.id(name))
    }
}

type Scenario = (&'static str, fn(&Stage));

/// Runs every scenario on one broker and reports all that failed.
pub fn run<H: Half>(shards: usize, further: &[Scenario]) {
    let broker = Broker::start(shards);
    let own: [Scenario; 9] = [
        ("every_qos_to_every_qos", every_qos_to_every_qos::<H>),
        ("order_is_kept", order_is_kept::<H>),
        ("retained", retained::<H>),
        ("will", will::<H>),
        (
            "session_resumes_with_its_queue",
            session_resumes_with_its_queue::<H>,
        ),
        ("large_payload", large_payload::<H>),
        ("unsubscribe", unsubscribe::<H>),
        ("wildcards", wildcards::<H>),
        ("takeover", takeover::<H>),
    ];
    let mut failed = Vec::new();
    for (name, scenario) in own.iter().chain(further) {
        let stage = Stage {
            address: broker.address,
            prefix: unique(),
        };
        if catch_unwind(AssertUnwindSafe(|| scenario(&stage))).is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?} (why: above)");
}

fn every_qos_to_every_qos<H: Half>(stage: &Stage) {
    let mut publisher = stage.client::<H>("p");
    for granted in 0..=2 {
        let mut subscriber = stage.client::<H>(&format!("s{granted}"));
        let topic = stage.topic(&format!("qos/{granted}"));
        subscriber.subscribe(&topic, granted);
        for qos in 0..=2 {
            publisher.publish(&topic, &[qos, granted], qos, false);
            subscriber.expect(&topic, &[qos, granted], qos.min(granted), false);
        }
        subscriber.disconnect();
    }
    publisher.disconnect();
}

fn order_is_kept<H: Half>(stage: &Stage) {
    let (mut publisher, mut subscriber) = (stage.client::<H>("p"), stage.client::<H>("s"));
    for qos in 0..=2 {
        let topic = stage.topic(&format!("order/{qos}"));
        subscriber.subscribe(&topic, 2);
        for number in 0_u32..300 {
            publisher
                .half
                .publish(&topic, &number.to_be_bytes(), qos, false);
        }
        for number in 0_u32..300 {
            subscriber.expect(&topic, &number.to_be_bytes(), qos, false);
            if qos > 0 {
                publisher.acknowledged();
            }
        }
    }
    publisher.disconnect();
    subscriber.disconnect();
}

fn retained<H: Half>(stage: &Stage) {
    let (mut publisher, mut late) = (stage.client::<H>("p"), stage.client::<H>("l"));
    let topic = stage.topic("retained");
    publisher.publish(&topic, b"kept", 1, true);
    late.subscribe(&stage.topic("+"), 1);
    late.expect(&topic, b"kept", 1, true);
    publisher.publish(&topic, b"", 1, true);
    late.expect(&topic, b"", 1, false);
    let mut after = stage.client::<H>("a");
    after.subscribe(&topic, 1);
    publisher.publish(&topic, b"live", 1, false);
    after.expect(&topic, b"live", 1, false);
}

fn will<H: Half>(stage: &Stage) {
    let mut watcher = stage.client::<H>("w");
    let topic = stage.topic("will");
    watcher.subscribe(&topic, 2);
    let id = stage.id("c");
    for qos in 0..=2 {
        let options = Options {
            id: &id,
            clean: true,
            will: Some((&topic, "gone", qos)),
        };
        Client::<H>::open(stage.address, options).break_off();
        watcher.expect(&topic, b"gone", qos, false);
    }
    let options = Options {
        id: &id,
        clean: true,
        will: Some((&topic, "never", 2)),
    };
    Client::<H>::open(stage.address, options).disconnect();
    watcher.publish(&topic, b"no will came first", 2, false);
    watcher.expect(&topic, b"no will came first", 2, false);
}

fn session_resumes_with_its_queue<H: Half>(stage: &Stage) {
    let mut publisher = stage.client::<H>("p");
    let id = stage.id("s");
    let options = Options {
        id: &id,
        clean: false,
        will: None,
    };
    let mut client = Client::<H>::open(stage.address, options);
    assert!(!client.session_present, "a session from nowhere");
    client.subscribe(&stage.topic("session/#"), 2);
    client.disconnect();
    for number in 0_u8..60 {
        let topic = stage.topic(&format!("session/{}", number % 3));
        publisher.publish(&topic, &[number], 1 + number % 2, false);
    }
    let mut client = Client::<H>::open(stage.address, options);
    assert!(client.session_present, "the session is gone");
    let mut heard: Vec<Message> = (0..60).map(|_| client.next()).collect();
    // Ordered per QoS: a client may hand out QoS 2 messages at PUBREL.
    for qos in 1..=2 {
        let of_qos = heard.extract_if(.., |message| message.qos == qos);
        let numbers: Vec<u8> = of_qos.map(|message| message.payload[0]).collect();
        let wanted: Vec<u8> = (0..60).filter(|number| 1 + number % 2 == qos).collect();
        assert_eq!(numbers, wanted, "QoS {qos}");
    }
    client.disconnect();
    assert!(!Client::<H>::clean(stage.address, &id).session_present);
}

fn large_payload<H: Half>(stage: &Stage) {
    let (mut publisher, mut subscriber) = (stage.client::<H>("p"), stage.client::<H>("s"));
    let topic = stage.topic("large");
    let payload: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    subscriber.subscribe(&topic, 2);
    for qos in 0..=2 {
        publisher.publish(&topic, &payload, qos, false);
        subscriber.expect(&topic, &payload, qos, false);
    }
}

fn unsubscribe<H: Half>(stage: &Stage) {
    let mut client = stage.client::<H>("c");
    let (left, kept) = (stage.topic("left"), stage.topic("kept"));
    client.subscribe(&left, 1);
    client.subscribe(&kept, 1);
    client.unsubscribe(&left);
    client.publish(&left, b"unheard", 1, false);
    client.publish(&kept, b"heard", 1, false);
    client.expect(&kept, b"heard", 1, false);
}

fn wildcards<H: Half>(stage: &Stage) {
    let mut publisher = stage.client::<H>("p");
    let (mut plus, mut hash) = (stage.client::<H>("1"), stage.client::<H>("2"));
    plus.subscribe(&stage.topic("w/+/x"), 1);
    hash.subscribe(&stage.topic("w/#"), 1);
    let topics = ["w", "w/a", "w/a/x", "w//x", "w/a/x/y", "w/end/x"].map(|name| stage.topic(name));
    for topic in &topics {
        publisher.publish(topic, b"x", 1, false);
    }
    for topic in &topics {
        hash.expect(topic, b"x", 1, false);
    }
    for name in ["w/a/x", "w//x", "w/end/x"] {
        plus.expect(&stage.topic(name), b"x", 1, false);
    }
}

fn takeover<H: Half>(stage: &Stage) {
    let mut first = stage.client::<H>("taken");
    let mut second = stage.client::<H>("taken");
    let why = first.ended();
    assert!(H::is_takeover(&why), "ended with {why}");
    let topic = stage.topic("taken");
    second.subscribe(&topic, 1);
    second.publish(&topic, b"mine", 1, false);
    second.expect(&topic, b"mine", 1, false);
}

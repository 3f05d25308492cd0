//! A tiny broker that does wrong on request: it loses, repeats, reorders,
//! garbles or delays exactly the messages that a test names.
//!
//! Owns a listener on a free loopback port and one thread per connection; they
//! end with the test process. Just enough of MQTT 3.1.1 and 5.0 for the
//! generator, and written without its code, so that an error in that is not
//! mirrored here.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What happens to one message on its way to one subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It arrives.
    Deliver,
    /// It does not.
    Lose,
    /// It arrives twice.
    Repeat,
    /// It arrives after the next message.
    Postpone,
    /// Its last byte is missing.
    Cut,
    /// The whole broker waits before it delivers.
    Stall(Duration),
    /// The subscriber's connection is closed instead.
    HangUp,
}

/// Decides by (subscriber, message number of the publisher).
pub type Script = fn(u32, u64) -> Action;

/// How a client is received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Welcome {
    /// CONNACK lets it in.
    Accept,
    /// CONNACK carries this code.
    Refuse(u8),
    /// CONNACK lets it in, and the connection is closed.
    HangUp,
}

/// What a publisher hears of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is acknowledged, where its quality asks for it.
    Acknowledge,
    /// It is acknowledged with this reason (MQTT 5.0), and kept from everybody.
    Refuse(u8),
    /// Nothing; it is delivered all the same.
    Silence,
    /// Its connection is closed instead, and nobody gets it.
    HangUp,
}

/// How the broker answers.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// What happens to deliveries.
    pub script: Script,
    /// What happens to clients, by their number.
    pub welcome: fn(u32) -> Welcome,
    /// What publishers hear, by the message's number.
    pub answer: fn(u64) -> Answer,
}

/// A broker without fault.
pub const GOOD: Manners = Manners {
    script: |_, _| Action::Deliver,
    welcome: |_| Welcome::Accept,
    answer: |_| Answer::Acknowledge,
};

struct Subscriber {
    stream: TcpStream,
    filters: Vec<String>,
    qos: u8,
    v5: bool,
    next_packet_id: u16,
    /// Packets to send after the next one.
    postponed: Vec<u8>,
}

type Subscribers = Arc<Mutex<HashMap<u32, Subscriber>>>;

/// What is retained: by topic, the PUBLISH's first byte and its payload.
pub type Retained = Arc<Mutex<BTreeMap<String, (u8, Vec<u8>)>>>;

/// Starts a broker on a free port; returns its address.
pub fn start(manners: Manners) -> SocketAddr {
    start_at(0, manners)
}

/// Starts a broker on a free port; returns its address and what it retains.
pub fn start_with_retained(manners: Manners) -> (SocketAddr, Retained) {
    let retained = Retained::default();
    (serve(0, manners, Arc::clone(&retained)), retained)
}

/// Starts a broker on this port; returns its address.
pub fn start_at(port: u16, manners: Manners) -> SocketAddr {
    serve(port, manners, Retained::default())
}

fn serve(port: u16, manners: Manners, retained: Retained) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let subscribers = Subscribers::default();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("the listener works");
            let subscribers = Arc::clone(&subscribers);
            let retained = Arc::clone(&retained);
            thread::spawn(move || {
                let mut connection = Connection {
                    stream,
                    subscribers,
                    retained,
                    manners,
                    client: String::new(),
                    v5: false,
                };
                // The end of a connection is the end of its thread.
                let _ = connection.serve();
            });
        }
    });
    address
}

struct Connection {
    stream: TcpStream,
    subscribers: Subscribers,
    retained: Retained,
    manners: Manners,
    client: String,
    v5: bool,
}

impl Connection {
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let (first, body) = read_packet(&mut self.stream)?;
            match first >> 4 {
                1 => self.connect(&body)?,
                3 => self.publish(first, &body)?,
                5 => self.answer(0x62, &body)?,
                6 => self.answer(0x70, &body)?,
                8 => self.subscribe(&body)?,
                12 => self.stream.write_all(&[0xd0, 0])?,
                14 => return Ok(()),
                _ => {}
            }
        }
    }

    fn connect(&mut self, body: &[u8]) -> io::Result<()> {
        self.v5 = body[6] == 5;
        let id_at = if self.v5 { 11 } else { 10 };
        self.client = string(&body[id_at..]).to_owned();
        let welcome = (self.manners.welcome)(self.number());
        let code = match welcome {
            Welcome::Accept | Welcome::HangUp => 0,
            Welcome::Refuse(code) => code,
        };
        let mut connack = vec![0, code];
        if self.v5 {
            connack.push(0);
        }
        self.stream.write_all(&packet(0x20, &connack))?;
        match welcome {
            Welcome::Accept | Welcome::Refuse(_) => Ok(()),
            Welcome::HangUp => self.stream.shutdown(Shutdown::Both),
        }
    }

    /// What its client id ends in; 0 where that is no number, as of a client that
    /// only asks whether the broker is up.
    fn number(&self) -> u32 {
        let number = self.client.rsplit('-').next().expect("split gives one");
        number.parse().unwrap_or(0)
    }

    fn subscribe(&mut self, body: &[u8]) -> io::Result<()> {
        let mut suback = body[..2].to_vec();
        let mut rest = &body[2..];
        if self.v5 {
            suback.push(0);
            rest = &rest[1..];
        }
        let mut filters = Vec::new();
        let mut qos = 0;
        while !rest.is_empty() {
            let filter = string(rest);
            filters.push(filter.to_owned());
            qos = rest[2 + filter.len()] & 3;
            suback.push(qos);
            rest = &rest[3 + filter.len()..];
        }
        let mut subscriber = Subscriber {
            stream: self.stream.try_clone()?,
            filters,
            qos,
            v5: self.v5,
            next_packet_id: 1,
            postponed: Vec::new(),
        };
        // Known before SUBACK leaves, and nothing is delivered before it.
        let mut subscribers = self.subscribers.lock().expect("no thread panics");
        self.stream.write_all(&packet(0x90, &suback))?;
        for (topic, (first, payload)) in &*self.retained.lock().expect("no thread panics") {
            if subscriber.wants(topic) {
                let action = (self.manners.script)(self.number(), sequence(payload));
                let qos = subscriber.qos.min((first >> 1) & 3);
                subscriber.deliver(action, 0x31 | (qos << 1), topic, payload)?;
            }
        }
        subscribers.insert(self.number(), subscriber);
        Ok(())
    }

    fn publish(&mut self, first: u8, body: &[u8]) -> io::Result<()> {
        let topic = string(body);
        let mut rest = &body[2 + topic.len()..];
        let qos = (first >> 1) & 3;
        let packet_id = rest;
        if qos > 0 {
            rest = &rest[2..];
        }
        let payload = if self.v5 { &rest[1..] } else { rest };
        // What takes a retained message away has no number.
        let answer = match payload {
            [] => Answer::Acknowledge,
            _ => (self.manners.answer)(sequence(payload)),
        };
        let kind = if qos == 1 { 0x40 } else { 0x50 };
        match answer {
            Answer::Acknowledge if qos > 0 => {
                self.stream.write_all(&packet(kind, &packet_id[..2]))?;
            }
            Answer::Acknowledge | Answer::Silence => {}
            Answer::Refuse(reason) => {
                let body = [packet_id[0], packet_id[1], reason];
                return self.stream.write_all(&packet(kind, &body));
            }
            Answer::HangUp => return self.stream.shutdown(Shutdown::Both),
        }
        let retains = first & 1 == 1;
        let mut subscribers = self.subscribers.lock().expect("no thread panics");
        if retains {
            let mut retained = self.retained.lock().expect("no thread panics");
            if payload.is_empty() {
                // Nobody is told: no test looks at it.
                retained.remove(topic);
                return Ok(());
            }
            retained.insert(topic.to_owned(), (first, payload.to_vec()));
        }
        let first = first & !1;
        let sequence = sequence(payload);
        let members: Vec<u32> = subscribers
            .iter()
            .filter(|(_, subscriber)| subscriber.shares(topic))
            .map(|(number, _)| *number)
            .collect();
        // Members take turns by the message's number.
        let turn = members.get(usize::try_from(sequence).unwrap_or(0) % members.len().max(1));
        for (number, subscriber) in subscribers.iter_mut() {
            if subscriber.wants(topic) || turn == Some(number) {
                let action = (self.manners.script)(*number, sequence);
                // A subscriber that is gone is the test's business.
                let _ = subscriber.deliver(action, first, topic, payload);
            }
        }
        Ok(())
    }

    fn answer(&mut self, first: u8, body: &[u8]) -> io::Result<()> {
        self.stream.write_all(&packet(first, &body[..2]))
    }
}

impl Subscriber {
    fn wants(&self, topic: &str) -> bool {
        self.filters.iter().any(|filter| matches(filter, topic))
    }

    fn shares(&self, topic: &str) -> bool {
        let shared = |filter: &String| {
            let bare = filter.strip_prefix("$share/bench/");
            bare.is_some_and(|filter| matches(filter, topic))
        };
        self.filters.iter().any(shared)
    }

    fn deliver(&mut self, action: Action, first: u8, topic: &str, bytes: &[u8]) -> io::Result<()> {
        let mut out = Vec::new();
        match action {
            Action::Deliver => out = self.encode(first, topic, bytes),
            Action::Lose => {}
            Action::Repeat => {
                out = self.encode(first, topic, bytes);
                out.extend(self.encode(first, topic, bytes));
            }
            Action::Postpone => {
                self.postponed = self.encode(first, topic, bytes);
                return Ok(());
            }
            Action::Cut => out = self.encode(first, topic, &bytes[..bytes.len() - 1]),
            Action::Stall(time) => {
                thread::sleep(time);
                out = self.encode(first, topic, bytes);
            }
            Action::HangUp => self.stream.shutdown(Shutdown::Both)?,
        }
        out.append(&mut self.postponed);
        self.stream.write_all(&out)
    }

    fn encode(&mut self, first: u8, topic: &str, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(topic.len()).expect("topics are short");
        let mut body = length.to_be_bytes().to_vec();
        body.extend_from_slice(topic.as_bytes());
        if first & 0b110 != 0 {
            body.extend_from_slice(&self.next_packet_id.to_be_bytes());
            self.next_packet_id = self.next_packet_id.checked_add(1).unwrap_or(1);
        }
        if self.v5 {
            body.push(0);
        }
        body.extend_from_slice(payload);
        packet(first, &body)
    }
}

/// The message's number, from its stamp.
fn sequence(payload: &[u8]) -> u64 {
    let low_first = payload[..5].iter().rev();
    low_first.fold(0, |high, low| (high << 8) | u64::from(*low))
}

/// Exact, or a `+` or `#` at the end.
fn matches(filter: &str, topic: &str) -> bool {
    let head = filter.strip_suffix(['+', '#']);
    filter == topic || head.is_some_and(|head| topic.starts_with(head))
}

fn string(bytes: &[u8]) -> &str {
    let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    std::str::from_utf8(&bytes[2..2 + length]).expect("the generator sends text")
}

/// A packet of at most 16,383 bytes.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let low = u8::try_from(body.len() % 128).expect("a remainder by 128 fits");
    let high = u8::try_from(body.len() / 128).expect("packets of a test are small");
    let mut bytes = vec![first];
    if high == 0 {
        bytes.push(low);
    } else {
        bytes.extend_from_slice(&[low | 0x80, high]);
    }
    bytes.extend_from_slice(body);
    bytes
}

fn read_packet(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let first = byte[0];
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((first, body))
}

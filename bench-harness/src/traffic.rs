//! HOT PATH: publishers and subscribers of a run: sends what may be sent, judges
//! what arrives, and times it.
//!
//! Pure: a [`Handler`] of the engine, which owns sockets and clock. Subscribers
//! are connections 0 to S-1, publishers S to S+P-1.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use crate::encode::{PublishTemplate, acknowledge};
use crate::engine::Handler;
use crate::fault::Fault;
use crate::in_flight::InFlight;
use crate::latency;
use crate::parse::{Packet, Publish, next_packet};
use crate::plan::{Pace, TrafficPlan};
use crate::publisher::Publisher;
use crate::schedule::Schedule;
use crate::stamp::Stamp;
use crate::stream::{Losses, Stream, Verdict};
use crate::window::Window;

/// One subscriber's place in the plan.
#[derive(Clone, Copy, Debug)]
struct Subscriber {
    first_publisher: u32,
    publishers: u32,
    first_stream: usize,
}

/// What is counted as it happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Messages handed to publishers' sockets.
    pub published: u64,
    /// Messages that arrived, repetitions not counted.
    pub delivered: u64,
    /// Messages that nobody sent, or that went to the wrong subscriber, or with
    /// the wrong quality of service or size.
    pub stray: u64,
    /// Times that a publisher's window did not move for seconds.
    pub stalls: u64,
}

/// All clients of a run.
#[derive(Debug)]
pub struct Traffic {
    v5: bool,
    qos: u8,
    payload: usize,
    in_flight_limit: u16,
    subscribers: Vec<Subscriber>,
    streams: Vec<Stream>,
    publishers: Vec<Publisher>,
    audience: u32,
    senders: VecDeque<u32>,
    schedule: Option<Schedule>,
    sending: bool,
    measured: std::ops::Range<u64>,
    /// Latencies of the messages sent while measuring.
    pub latency: Histogram<u64>,
    /// How late they were sent (open loop).
    pub lateness: Histogram<u64>,
    /// What is counted as it happens.
    pub counters: Counters,
}

impl Traffic {
    /// Clients that do nothing yet.
    #[must_use]
    pub fn new(plan: &TrafficPlan) -> Self {
        let topology = &plan.topology;
        let mut streams = 0;
        let subscribers = topology
            .subscribers
            .iter()
            .map(|reader| {
                let first_stream = streams;
                streams += reader.publishers as usize;
                Subscriber {
                    first_publisher: reader.first_publisher,
                    publishers: reader.publishers,
                    first_stream,
                }
            })
            .collect();
        let publishers = (0..).zip(&topology.topics).map(|(number, topic)| {
            let window = match plan.pace {
                Pace::Window(limit) => Some(Window::new(limit, topology.audience)),
                Pace::Rate(_) => None,
            };
            let in_flight = (plan.qos > 0).then(|| InFlight::new(plan.in_flight));
            let template = PublishTemplate::new(plan.version, topic, plan.qos, plan.payload);
            Publisher::new(number, plan.version.is_v5(), template, window, in_flight)
        });
        Self {
            v5: plan.version.is_v5(),
            qos: plan.qos,
            payload: plan.payload,
            in_flight_limit: plan.in_flight,
            subscribers,
            streams: std::iter::repeat_with(Stream::default)
                .take(streams)
                .collect(),
            publishers: publishers.collect(),
            audience: topology.audience,
            senders: VecDeque::new(),
            schedule: None,
            sending: false,
            measured: 0..0,
            latency: latency::histogram(),
            lateness: latency::histogram(),
            counters: Counters::default(),
        }
    }

    /// Begins to send: from `start` to the end of `measured`, which is the part
    /// of the run that is timed.
    pub fn start(&mut self, start: u64, measured: std::ops::Range<u64>, pace: Pace) {
        if let Pace::Rate(rate) = pace {
            let publishers = u32::try_from(self.publishers.len()).expect("checked in the plan");
            self.schedule = Some(Schedule::new(start, measured.end, rate, publishers));
        }
        self.measured = measured;
        self.sending = true;
        self.list_all();
    }

    /// Stops sending anything new; what was due before is still sent.
    pub fn stop(&mut self) {
        self.sending = false;
    }

    /// Gives up waiting for windows that have not moved since the last call.
    pub fn write_off_stuck_windows(&mut self) {
        for publisher in &mut self.publishers {
            let sent = publisher.sent();
            if let Some(window) = &mut publisher.window
                && window.write_off_if_stuck(sent)
            {
                self.counters.stalls += 1;
            }
        }
        self.list_all();
    }

    /// Deliveries that must have happened when everything sent has arrived.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.counters.published * u64::from(self.audience)
    }

    /// Messages that are due and not yet sent.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        let behind = |publisher: &Publisher| publisher.due.saturating_sub(publisher.sent());
        self.publishers.iter().map(behind).sum()
    }

    /// Messages sent and not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.publishers.iter().map(Publisher::unacknowledged).sum()
    }

    /// Refused and unexpected acknowledgements.
    #[must_use]
    pub fn answers(&self) -> crate::publisher::Answers {
        let mut sum = crate::publisher::Answers::default();
        for publisher in &self.publishers {
            sum.refused += publisher.answers.refused;
            sum.unexpected += publisher.answers.unexpected;
        }
        sum
    }

    /// Each subscriber's account.
    #[must_use]
    pub fn losses(&self) -> Vec<Losses> {
        let account = |subscriber: &Subscriber| {
            let mut sum = Losses::default();
            for index in 0..subscriber.publishers as usize {
                let publisher = &self.publishers[subscriber.first_publisher as usize + index];
                sum.add(self.streams[subscriber.first_stream + index].account(publisher.sent()));
            }
            sum
        };
        self.subscribers.iter().map(account).collect()
    }

    fn list_all(&mut self) {
        for number in 0..self.publishers.len() {
            self.list(number);
        }
    }

    #[inline]
    fn list(&mut self, publisher: usize) {
        if !self.publishers[publisher].listed {
            self.publishers[publisher].listed = true;
            let connection = publisher + self.subscribers.len();
            self.senders
                .push_back(u32::try_from(connection).expect("connections are numbered by u32"));
        }
    }

    #[inline]
    fn receive_as_subscriber(
        &mut self,
        subscriber: Subscriber,
        bytes: &[u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let mut taken = 0;
        while let Some((packet, size)) = next_packet(&bytes[taken..], self.v5)? {
            taken += size;
            match packet {
                Packet::Publish(publish) => {
                    match publish.qos {
                        0 => {}
                        1 => out.extend_from_slice(&acknowledge(0x40, publish.packet_id)),
                        _ => out.extend_from_slice(&acknowledge(0x50, publish.packet_id)),
                    }
                    if self.judge(subscriber, publish, now).is_none() {
                        self.counters.stray += 1;
                    }
                }
                Packet::Other { first: 0x62, body } => {
                    let id = body.first_chunk::<2>().ok_or(Fault::Malformed)?;
                    out.extend_from_slice(&acknowledge(0x70, u16::from_be_bytes(*id)));
                }
                Packet::Other { first, .. } => return Err(Fault::Unexpected(first)),
            }
        }
        Ok(taken)
    }

    /// Counts and times a message; `None` where it is not one of ours.
    #[inline]
    fn judge(&mut self, subscriber: Subscriber, publish: Publish<'_>, now: u64) -> Option<()> {
        let stamp = Stamp::read(publish.payload)?;
        let index = stamp.publisher.wrapping_sub(subscriber.first_publisher);
        if index >= subscriber.publishers
            || publish.qos != self.qos
            || publish.payload.len() != self.payload
        {
            return None;
        }
        let publisher = &mut self.publishers[stamp.publisher as usize];
        if stamp.sequence >= publisher.sent() {
            return None;
        }
        let stream = &mut self.streams[subscriber.first_stream + index as usize];
        let before = stream.next();
        match stream.receive(stamp.sequence) {
            Verdict::InOrder | Verdict::Ahead(_) => {
                if let Some(window) = &mut publisher.window
                    && window.pass(before, stamp.sequence + 1)
                {
                    self.list(stamp.publisher as usize);
                }
            }
            Verdict::Late => {}
            Verdict::Duplicate => return Some(()),
        }
        self.counters.delivered += 1;
        if self.measured.contains(&stamp.sent) {
            let micros = now.saturating_sub(stamp.sent) / 1000;
            self.latency.saturating_record(micros);
        }
        Some(())
    }

    fn receive_as_publisher(
        &mut self,
        publisher: usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let mut taken = 0;
        while let Some((packet, size)) = next_packet(&bytes[taken..], self.v5)? {
            taken += size;
            self.publishers[publisher].handle(packet, out)?;
        }
        self.list(publisher);
        Ok(taken)
    }
}

impl Handler for Traffic {
    fn ready(&mut self, connection: u32, receive_maximum: u16, _now: u64) {
        if let Some(publisher) = (connection as usize).checked_sub(self.subscribers.len()) {
            let limit = self.in_flight_limit.min(receive_maximum);
            self.publishers[publisher].limit_in_flight(limit);
        }
    }

    #[inline]
    fn receive(
        &mut self,
        connection: u32,
        bytes: &[u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let connection = connection as usize;
        match self.subscribers.get(connection) {
            Some(&subscriber) => self.receive_as_subscriber(subscriber, bytes, now, out),
            None => self.receive_as_publisher(connection - self.subscribers.len(), bytes, out),
        }
    }

    fn flushed(&mut self, connection: u32) {
        if let Some(publisher) = (connection as usize).checked_sub(self.subscribers.len()) {
            self.list(publisher);
        }
    }

    fn next_sender(&mut self, now: u64) -> Option<u32> {
        while let Some(schedule) = &mut self.schedule
            && let Some(publisher) = schedule.advance(now)
        {
            self.publishers[publisher as usize].due += 1;
            self.list(publisher as usize);
        }
        let connection = self.senders.pop_front()?;
        self.publishers[connection as usize - self.subscribers.len()].listed = false;
        Some(connection)
    }

    fn fill(&mut self, connection: u32, now: u64, out: &mut Vec<u8>) {
        if !self.sending && self.schedule.is_none() {
            return;
        }
        let publisher = &mut self.publishers[connection as usize - self.subscribers.len()];
        let before = publisher.sent();
        publisher.fill(self.schedule.as_ref(), now, out, |intended, late| {
            if self.schedule.is_some() && self.measured.contains(&intended) {
                self.lateness.saturating_record(late / 1000);
            }
        });
        self.counters.published += publisher.sent() - before;
    }

    fn next_due(&self) -> Option<u64> {
        self.schedule.as_ref().and_then(Schedule::next_due)
    }
}

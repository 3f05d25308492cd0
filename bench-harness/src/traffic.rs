//! HOT PATH: publishers and subscribers of a run: sends what may be sent, judges
//! what arrives, and times it.
//!
//! Pure: a [`Handler`] of the engine, which owns sockets and clock. Subscribers
//! are connections 0 to S-1, publishers S to S+P-1.

use std::collections::VecDeque;

use crate::encode::{PublishTemplate, acknowledge};
use crate::engine::Handler;
use crate::fault::Fault;
use crate::in_flight::InFlight;
use crate::parse::{Packet, Publish, next_packet};
use crate::plan::{Pace, TrafficPlan};
use crate::publisher::{Answers, Publisher};
use crate::readers::{Owner, Readers};
use crate::schedule::Schedule;
use crate::stamp::Stamp;
use crate::stream::{Losses, Verdict};
use crate::timing::Timing;
use crate::window::Window;

/// What is counted as it happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Messages handed to publishers' sockets.
    pub published: u64,
    /// Deliveries that they must make.
    pub expected: u64,
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
    readers: Readers,
    publishers: Vec<Publisher>,
    audiences: Vec<u32>,
    senders: VecDeque<u32>,
    schedule: Option<Schedule>,
    /// Closed loop: nothing is sent from here on; 0 before the start.
    end: u64,
    /// What is timed.
    pub timing: Timing,
    /// What is counted as it happens.
    pub counters: Counters,
}

impl Traffic {
    /// Clients that do nothing yet.
    #[must_use]
    pub fn new(plan: &TrafficPlan) -> Self {
        let topology = &plan.topology;
        let version = plan.target.version;
        let publishers = (0..).zip(&topology.publishers).map(|(number, source)| {
            let window = match plan.pace {
                Pace::Window(limit) => Some(Window::new(limit, source.audience)),
                Pace::Rate(_) => None,
            };
            let in_flight = (plan.qos > 0).then(|| InFlight::new(plan.in_flight));
            let template =
                PublishTemplate::new(version, &source.topic, plan.qos, plan.retain, plan.payload);
            Publisher::new(
                number,
                version.has_properties(),
                template,
                window,
                in_flight,
            )
        });
        Self {
            v5: version.has_properties(),
            qos: plan.qos,
            payload: plan.payload,
            in_flight_limit: plan.in_flight,
            readers: Readers::new(topology),
            publishers: publishers.collect(),
            audiences: topology.publishers.iter().map(|s| s.audience).collect(),
            senders: VecDeque::new(),
            schedule: None,
            end: 0,
            timing: Timing::new(&topology.publishers),
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
        self.end = measured.end;
        self.timing.measure(measured);
        self.list_all();
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
    pub fn answers(&self) -> Answers {
        let mut sum = Answers::default();
        for publisher in &self.publishers {
            sum.refused += publisher.answers.refused;
            sum.unexpected += publisher.answers.unexpected;
        }
        sum
    }

    /// The account of each subscriber and shared group.
    #[must_use]
    pub fn accounts(&self) -> Vec<(Owner, Losses)> {
        self.readers
            .accounts(|publisher| self.publishers[publisher].sent())
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
            let connection = publisher + self.readers.len();
            self.senders
                .push_back(u32::try_from(connection).expect("connections are numbered by u32"));
        }
    }

    #[inline]
    fn receive_as_subscriber(
        &mut self,
        reader: usize,
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
                    if self.judge(reader, publish, now).is_none() {
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
    fn judge(&mut self, reader: usize, publish: Publish<'_>, now: u64) -> Option<()> {
        let stamp = Stamp::read(publish.payload)?;
        if publish.qos != self.qos || publish.payload.len() != self.payload {
            return None;
        }
        let publisher = self.publishers.get_mut(stamp.publisher as usize)?;
        if stamp.sequence >= publisher.sent() {
            return None;
        }
        let heard = self.readers.hear(reader, stamp.publisher, stamp.sequence)?;
        if heard.verdict == Verdict::Duplicate {
            return Some(());
        }
        // A late one was gone past before, except in a group, where it is none.
        if let Some(window) = &mut publisher.window
            && window.pass(heard.from, stamp.sequence + 1)
        {
            self.list(stamp.publisher as usize);
        }
        self.counters.delivered += 1;
        self.timing.arrived(stamp, self.schedule.as_ref(), now);
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
        if let Some(publisher) = (connection as usize).checked_sub(self.readers.len()) {
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
        match connection.checked_sub(self.readers.len()) {
            None => self.receive_as_subscriber(connection, bytes, now, out),
            Some(publisher) => self.receive_as_publisher(publisher, bytes, out),
        }
    }

    fn flushed(&mut self, connection: u32) {
        if let Some(publisher) = (connection as usize).checked_sub(self.readers.len()) {
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
        self.publishers[connection as usize - self.readers.len()].listed = false;
        Some(connection)
    }

    fn fill(&mut self, connection: u32, now: u64, out: &mut Vec<u8>) {
        // What was due before the end of an open loop is still sent after it.
        if self.schedule.is_none() && now >= self.end {
            return;
        }
        let number = connection as usize - self.readers.len();
        let publisher = &mut self.publishers[number];
        let before = publisher.sent();
        publisher.fill(self.schedule.as_ref(), now, out, |intended| {
            self.timing.sent(intended, now);
        });
        let sent = publisher.sent() - before;
        self.counters.published += sent;
        self.counters.expected += sent * u64::from(self.audiences[number]);
    }

    fn next_due(&self) -> Option<u64> {
        self.schedule.as_ref().and_then(Schedule::next_due)
    }
}

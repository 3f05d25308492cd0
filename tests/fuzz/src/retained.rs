//! The retained store while cursors walk it, against a map.
//!
//! Owns the oracle. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ringmq::ids::ShardId;
use ringmq::message::Message;
use ringmq::protocol::{QoS, TopicFilter};
use ringmq::routing::{Retained, RetainedCursor, Stamp, Stored};
use ringmq::time::Timestamp;

use super::filters::hasher;
use super::input::Input;
use super::naive;

/// Subscriptions that are being answered at a time.
const CURSORS: usize = 4;

const START: u64 = 1_000_000;

/// A subscription that is being answered.
struct Reading {
    filter: String,
    cursor: RetainedCursor,
    /// What was there when it began and has stayed unchanged since.
    staying: BTreeSet<String>,
    /// What was stored since: it comes live.
    later: BTreeSet<String>,
    returned: BTreeSet<String>,
}

struct Run {
    store: Retained,
    now: Timestamp,
    sequence: u64,
    /// What is retained: its expiry.
    map: BTreeMap<String, Option<Timestamp>>,
    readings: Vec<Reading>,
}

/// Takes the bytes as operations.
pub fn run(data: &[u8]) {
    let mut run = Run {
        store: Retained::new(hasher()),
        now: Timestamp::from_millis(START),
        sequence: 0,
        map: BTreeMap::new(),
        readings: Vec::new(),
    };
    let mut input = Input::new(data);
    while run.step(&mut input).is_some() {}
    while let Some(left) = run.readings.len().checked_sub(1) {
        run.pull(left, usize::MAX);
        assert_eq!(
            run.readings.len(),
            left,
            "with steps enough a cursor is done"
        );
    }
    run.forget();
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        let operation = input.byte()?;
        match operation % 8 {
            0..=2 => {
                let topic = input.topic()?;
                let lives = u32::from(operation >> 3 & 7);
                let expiry = (operation & 0x80 != 0).then(|| self.now.plus_seconds(lives));
                self.store(&topic, false, expiry);
            }
            3 => {
                let topic = input.topic()?;
                self.store(&topic, true, None);
            }
            4 if self.readings.len() < CURSORS => self.begin(input.filter()?),
            4 | 5 => {
                let steps = input.below(32)?;
                if !self.readings.is_empty() {
                    self.pull(usize::from(operation >> 3) % self.readings.len(), steps);
                }
            }
            6 => self.store.sweep(self.now, input.below(16)?),
            _ => {
                self.now = self.now.plus_seconds(u32::from(operation >> 3));
                self.expire();
            }
        }
        self.check();
        Some(())
    }

    fn store(&mut self, topic: &str, deletes: bool, expiry: Option<Timestamp>) {
        self.sequence += 1;
        let payload: &[u8] = if deletes { b"" } else { b"payload" };
        let message = Message::new(topic, b"", payload, QoS::AtMostOnce, true, expiry);
        let stamp = Stamp {
            millis: self.now.as_millis(),
            shard: ShardId(0),
            sequence: self.sequence,
        };
        let stored = self.store.store(Rc::new(message), stamp);
        let before = if deletes {
            self.map.remove(topic)
        } else {
            self.map.insert(topic.to_owned(), expiry)
        };
        match stored {
            Stored::Added => assert!(before.is_none() && !deletes),
            Stored::Deleted => assert!(deletes),
            // One that has expired may or may not have been swept.
            Stored::Replaced => assert!(!deletes),
            Stored::Stale => panic!("the newest is refused"),
        }
        for reading in &mut self.readings {
            reading.staying.remove(topic);
            if deletes {
                reading.later.remove(topic);
            } else {
                reading.later.insert(topic.to_owned());
            }
        }
        self.expire();
    }

    /// What has expired stays for nobody.
    fn expire(&mut self) {
        let now = self.now;
        self.map
            .retain(|_, expiry| expiry.is_none_or(|at| at > now));
        for reading in &mut self.readings {
            reading.staying.retain(|topic| self.map.contains_key(topic));
        }
    }

    fn begin(&mut self, filter: String) {
        let topics = self
            .map
            .keys()
            .filter(|topic| naive::matches(&filter, topic));
        self.readings.push(Reading {
            staying: topics.cloned().collect(),
            later: BTreeSet::new(),
            returned: BTreeSet::new(),
            cursor: self.store.cursor(),
            filter,
        });
    }

    fn pull(&mut self, at: usize, mut steps: usize) {
        let reading = &mut self.readings[at];
        let filter = TopicFilter::parse(&reading.filter).expect("well-formed");
        while let Some(message) = self
            .store
            .next(filter, &mut reading.cursor, self.now, &mut steps)
        {
            let topic = message.topic();
            assert!(naive::matches(&reading.filter, topic), "{filter}: {topic}");
            assert!(self.map.contains_key(topic), "{topic} is gone");
            assert!(!reading.later.contains(topic), "{topic} comes live");
            assert!(reading.returned.insert(topic.to_owned()), "{topic} twice");
        }
        if reading.cursor.is_done() {
            let missed: Vec<_> = reading.staying.difference(&reading.returned).collect();
            assert!(missed.is_empty(), "{filter} passes over {missed:?}");
            self.readings.swap_remove(at);
        }
    }

    fn check(&self) {
        assert!(self.store.len() >= self.map.len());
        let least: usize = self.map.keys().map(|topic| topic.len() + 7).sum();
        assert!(self.store.bytes() >= least);
    }

    /// Everything is deleted, and no byte stays counted.
    fn forget(&mut self) {
        self.now = self.now.plus_seconds(100);
        self.expire();
        for topic in self.map.keys().cloned().collect::<Vec<_>>() {
            self.store(&topic, true, None);
        }
        for _ in 0..64 {
            self.store.sweep(self.now, 1_000);
        }
        assert_eq!((self.store.len(), self.store.bytes()), (0, 0));
    }
}

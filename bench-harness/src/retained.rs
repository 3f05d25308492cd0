//! A client that retains a message on each of many topics, and one that takes
//! them away again.
//!
//! Pure. Retains with QoS 1, so that what is acknowledged is there, and remembers
//! what became of each topic: what nobody acknowledged may be there or not. Taking
//! away ends with a PINGREQ, whose answer says that it has happened.

use ringmq::protocol::ProtocolVersion;

use crate::encode::{PINGREQ, PublishTemplate, forget_retained};
use crate::fault::Fault;
use crate::parse::{Packet, next_packet};
use crate::stamp::Stamp;

/// Unacknowledged publications: what every broker takes.
const IN_FLIGHT: u16 = 20;

/// Unsent bytes above which it waits for its socket.
const UNSENT_BYTES: usize = 64 * 1024;

const PUBACK: u8 = 0x40;
const PINGRESP: u8 = 0xd0;

/// What became of a topic's message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It was not sent.
    Unsent,
    /// It was sent and not acknowledged: the broker may have it or not.
    Unanswered,
    /// The broker said that it has it.
    Retained,
    /// The broker said that it does not.
    Refused,
}

/// The client that retains.
#[derive(Debug)]
pub struct Retainer {
    version: ProtocolVersion,
    root: String,
    payload: usize,
    /// By topic.
    fates: Vec<Fate>,
    next: u32,
    /// Packet ids without an answer, and their topics.
    unanswered: Vec<(u16, u32)>,
    last_id: u16,
    limit: u16,
}

impl Retainer {
    /// A client that has retained nothing.
    #[must_use]
    pub fn new(version: ProtocolVersion, root: &str, topics: u32, payload: usize) -> Self {
        Self {
            version,
            root: root.to_owned(),
            payload,
            fates: vec![Fate::Unsent; topics as usize],
            next: 0,
            unanswered: Vec::new(),
            last_id: 0,
            limit: IN_FLIGHT,
        }
    }

    /// Obeys the broker's receive maximum.
    pub fn limit_in_flight(&mut self, receive_maximum: u16) {
        self.limit = IN_FLIGHT.min(receive_maximum);
    }

    /// Whether all of it is sent and answered.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.next as usize == self.fates.len() && self.unanswered.is_empty()
    }

    /// Topics handed to the socket so far.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.next
    }

    /// Topics answered so far.
    #[must_use]
    pub fn answered(&self) -> u32 {
        self.next - u32::try_from(self.unanswered.len()).expect("few are in flight")
    }

    /// What became of a topic's message; `None` where there is no such topic.
    #[must_use]
    pub fn fate(&self, topic: u64) -> Option<Fate> {
        self.fates.get(usize::try_from(topic).ok()?).copied()
    }

    /// How many messages ended so.
    #[must_use]
    pub fn count(&self, fate: Fate) -> u32 {
        let count = self.fates.iter().filter(|other| **other == fate).count();
        u32::try_from(count).expect("topics are counted in 32 bits")
    }

    /// Appends what may be sent now.
    pub fn fill(&mut self, now: u64, out: &mut Vec<u8>) {
        while (self.next as usize) < self.fates.len()
            && out.len() < UNSENT_BYTES
            && self.unanswered.len() < usize::from(self.limit)
        {
            let topic = topic(&self.root, self.next);
            let template = PublishTemplate::new(self.version, &topic, 1, true, self.payload);
            let stamp = Stamp {
                publisher: 0,
                sequence: u64::from(self.next),
                sent: now,
            };
            let id = self.free_id();
            stamp.write(template.append(id, out));
            self.unanswered.push((id, self.next));
            self.fates[self.next as usize] = Fate::Unanswered;
            self.next += 1;
        }
    }

    /// The next packet id that no unanswered publication has.
    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = self.last_id;
            if self.unanswered.iter().all(|(other, _)| *other != id) {
                return id;
            }
        }
    }

    /// Takes acknowledgements; tells how many bytes they were.
    ///
    /// # Errors
    /// What the broker did wrong.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut taken = 0;
        let v5 = self.version.has_properties();
        while let Some((packet, size)) = next_packet(&bytes[taken..], v5)? {
            taken += size;
            match packet {
                Packet::Other {
                    first: PUBACK,
                    body: [high, low, reason @ ..],
                } => {
                    let id = u16::from_be_bytes([*high, *low]);
                    let known = self.unanswered.iter().position(|(other, _)| *other == id);
                    let known = known.ok_or(Fault::Unexpected(PUBACK))?;
                    let (_, topic) = self.unanswered.swap_remove(known);
                    let refused = v5 && reason.first().is_some_and(|reason| *reason >= 0x80);
                    self.fates[topic as usize] = if refused {
                        Fate::Refused
                    } else {
                        Fate::Retained
                    };
                }
                Packet::Other { first, .. } => return Err(Fault::Unexpected(first)),
                Packet::Publish(_) => return Err(Fault::Unexpected(0x30)),
            }
        }
        Ok(taken)
    }
}

/// The client that takes away what another one has retained.
#[derive(Debug)]
pub struct Remover {
    version: ProtocolVersion,
    root: String,
    /// So many topics were tried, from the first one.
    topics: u32,
    next: u32,
    asked: bool,
    done: bool,
}

impl Remover {
    /// Takes away whatever this one has tried to retain, acknowledged or not.
    #[must_use]
    pub fn of(retainer: &Retainer) -> Self {
        Self {
            version: retainer.version,
            root: retainer.root.clone(),
            topics: retainer.sent(),
            next: 0,
            asked: false,
            done: false,
        }
    }

    /// Whether the broker has taken all of it away.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Topics handed to the socket so far.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.next
    }

    /// Appends what may be sent now.
    pub fn fill(&mut self, out: &mut Vec<u8>) {
        while self.next < self.topics && out.len() < UNSENT_BYTES {
            let topic = topic(&self.root, self.next);
            out.extend(forget_retained(self.version, &topic));
            self.next += 1;
        }
        if self.next == self.topics && !self.asked {
            out.extend_from_slice(&PINGREQ);
            self.asked = true;
        }
    }

    /// Takes the answer, and acknowledgements that come late; tells how many bytes
    /// they were.
    ///
    /// # Errors
    /// What the broker did wrong.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut taken = 0;
        let v5 = self.version.has_properties();
        while let Some((packet, size)) = next_packet(&bytes[taken..], v5)? {
            taken += size;
            match packet {
                Packet::Other {
                    first: PINGRESP, ..
                } if self.asked => self.done = true,
                Packet::Other { first: PUBACK, .. } => {}
                Packet::Other { first, .. } => return Err(Fault::Unexpected(first)),
                Packet::Publish(_) => return Err(Fault::Unexpected(0x30)),
            }
        }
        Ok(taken)
    }
}

/// Topics in two levels of a thousand, as those of real devices are.
fn topic(root: &str, number: u32) -> String {
    format!("{root}/{}/{}", number / 1000, number % 1000)
}

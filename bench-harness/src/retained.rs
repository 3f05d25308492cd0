//! One client that retains a message on each of many topics and takes them away
//! again.
//!
//! Pure. Retains with QoS 1, so that what is acknowledged is there.

use ringmq::protocol::ProtocolVersion;

use crate::encode::{PublishTemplate, forget_retained};
use crate::fault::Fault;
use crate::parse::{Packet, next_packet};
use crate::stamp::Stamp;

/// Unacknowledged publications: what every broker takes.
const IN_FLIGHT: u16 = 20;

/// Unsent bytes above which it waits for its socket.
const UNSENT_BYTES: usize = 64 * 1024;

/// The client.
#[derive(Debug)]
pub struct Retainer {
    version: ProtocolVersion,
    root: String,
    payload: usize,
    topics: u32,
    next: u32,
    unacknowledged: u32,
    limit: u16,
    removing: bool,
    refused: u32,
}

impl Retainer {
    /// A client that has retained nothing.
    #[must_use]
    pub fn new(version: ProtocolVersion, root: &str, topics: u32, payload: usize) -> Self {
        Self {
            version,
            root: root.to_owned(),
            payload,
            topics,
            next: 0,
            unacknowledged: 0,
            limit: IN_FLIGHT,
            removing: false,
            refused: 0,
        }
    }

    /// Obeys the broker's receive maximum.
    pub fn limit_in_flight(&mut self, receive_maximum: u16) {
        self.limit = IN_FLIGHT.min(receive_maximum);
    }

    /// Takes everything away again.
    pub fn remove_all(&mut self) {
        self.removing = true;
        self.next = 0;
    }

    /// Whether all of it is sent, and acknowledged where it is to be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.next == self.topics && self.unacknowledged == 0
    }

    /// Topics handed to the socket so far.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.next
    }

    /// Topics done so far.
    #[must_use]
    pub fn progress(&self) -> u32 {
        self.next - self.unacknowledged
    }

    /// Publications that the broker refused.
    #[must_use]
    pub fn refused(&self) -> u32 {
        self.refused
    }

    /// Appends what may be sent now.
    pub fn fill(&mut self, now: u64, out: &mut Vec<u8>) {
        while self.next < self.topics
            && out.len() < UNSENT_BYTES
            && self.unacknowledged < u32::from(self.limit)
        {
            let topic = topic(&self.root, self.next);
            if self.removing {
                out.extend(forget_retained(self.version, &topic));
            } else {
                let template = PublishTemplate::new(self.version, &topic, 1, true, self.payload);
                let stamp = Stamp {
                    publisher: 0,
                    sequence: u64::from(self.next),
                    sent: now,
                };
                // Ids come back in the order in which they were used.
                let id = u16::try_from(self.next % 65_535 + 1).expect("at most 65,535");
                stamp.write(template.append(id, out));
                self.unacknowledged += 1;
            }
            self.next += 1;
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
                Packet::Other { first: 0x40, body } if self.unacknowledged > 0 => {
                    self.unacknowledged -= 1;
                    let refused = v5 && body.get(2).is_some_and(|reason| *reason >= 0x80);
                    self.refused += u32::from(refused);
                }
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

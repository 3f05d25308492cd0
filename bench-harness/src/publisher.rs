//! One publishing client: what it sends, and when it may.
//!
//! Pure; bytes go to the buffer that the engine hands in. Owned by the run's
//! [`Traffic`](crate::traffic::Traffic).

use crate::encode::{PublishTemplate, acknowledge};
use crate::fault::Fault;
use crate::in_flight::InFlight;
use crate::parse::Packet;
use crate::schedule::Schedule;
use crate::stamp::Stamp;
use crate::window::Window;

/// Unsent bytes above which a publisher waits for its socket: the kernel has
/// its buffer full, and more would only be older when it leaves.
const UNSENT_BYTES: usize = 64 * 1024;

/// What a publisher did since the run began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answers {
    /// Acknowledgements with an error code.
    pub refused: u64,
    /// Acknowledgements that nothing waited for.
    pub unexpected: u64,
}

/// A publishing client.
#[derive(Debug)]
pub struct Publisher {
    number: u32,
    v5: bool,
    template: PublishTemplate,
    next: u64,
    /// Messages that have become due (open loop).
    pub due: u64,
    /// Closed loop only.
    pub window: Option<Window>,
    in_flight: Option<InFlight>,
    /// Whether it is in the list of those that may have something to send.
    pub listed: bool,
    /// What the broker answered.
    pub answers: Answers,
}

impl Publisher {
    /// A publisher that has not sent anything; `in_flight` for QoS 1 and 2.
    #[must_use]
    pub fn new(
        number: u32,
        v5: bool,
        template: PublishTemplate,
        window: Option<Window>,
        in_flight: Option<InFlight>,
    ) -> Self {
        Self {
            number,
            v5,
            template,
            next: 0,
            due: 0,
            window,
            in_flight,
            listed: false,
            answers: Answers::default(),
        }
    }

    /// Messages sent.
    #[must_use]
    #[inline]
    pub fn sent(&self) -> u64 {
        self.next
    }

    /// Messages sent and not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.in_flight.as_ref().map_or(0, InFlight::count)
    }

    /// Obeys the broker's receive maximum.
    pub fn limit_in_flight(&mut self, limit: u16) {
        if let Some(in_flight) = &mut self.in_flight {
            *in_flight = InFlight::new(limit);
        }
    }

    /// Appends every message that may be sent now; `sent` is told when each one
    /// was meant to be sent.
    #[inline]
    pub fn fill(
        &mut self,
        schedule: Option<&Schedule>,
        now: u64,
        out: &mut Vec<u8>,
        mut sent: impl FnMut(u64),
    ) {
        while out.len() < UNSENT_BYTES && self.may_send(schedule.is_some()) {
            let packet_id = match &mut self.in_flight {
                None => 0,
                Some(in_flight) => match in_flight.take() {
                    Some(id) => id,
                    None => break,
                },
            };
            let stamp = Stamp {
                publisher: self.number,
                sequence: self.next,
                sent: now,
            };
            stamp.write(self.template.append(packet_id, out));
            if let Some(schedule) = schedule {
                sent(schedule.intended(self.number, self.next));
            }
            self.next += 1;
        }
    }

    /// Takes one packet from the broker.
    ///
    /// # Errors
    /// What the broker did wrong.
    pub fn handle(&mut self, packet: Packet<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Packet::Other { first, body } = packet else {
            return Err(Fault::Unexpected(0x30));
        };
        let Some(in_flight) = &mut self.in_flight else {
            return Err(Fault::Unexpected(first));
        };
        let Some((id, rest)) = body.split_first_chunk::<2>() else {
            return Err(Fault::Malformed);
        };
        let id = u16::from_be_bytes(*id);
        let refused = self.v5 && rest.first().is_some_and(|reason| *reason >= 0x80);
        self.answers.refused += u64::from(refused);
        let known = match first >> 4 {
            4 => in_flight.acknowledged(id),
            5 if refused => in_flight.acknowledged(id),
            5 => {
                out.extend_from_slice(&acknowledge(0x62, id));
                in_flight.received(id)
            }
            7 => in_flight.completed(id),
            _ => return Err(Fault::Unexpected(first)),
        };
        self.answers.unexpected += u64::from(known.is_err());
        Ok(())
    }

    #[inline]
    fn may_send(&self, scheduled: bool) -> bool {
        let due = !scheduled || self.next < self.due;
        due && self.window.as_ref().is_none_or(|w| w.has_room(self.next))
    }
}

//! Messages from the client: which packet identifiers are open, and how many may be.
//!
//! Owns the receiving side of QoS 1 and 2 (MQTT 5.0, sections 4.3.3 and 4.9).
//! Lives on the home shard. Pure.
//!
//! HOT PATH: one call per QoS 1/2 PUBLISH and one per answer.

use crate::protocol::PacketId;

/// What a QoS 2 PUBLISH with this identifier is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receipt {
    /// A new message: publish it.
    New,
    /// Its first copy is still being handed to other shards, and PUBREC follows.
    Open,
    /// Already answered: send PUBREC again, publish nothing [MQTT-4.3.3-10].
    Answered,
}

/// A QoS 2 identifier between PUBLISH and PUBREL.
#[derive(Clone, Copy, Debug)]
struct ExactlyOnce {
    packet_id: PacketId,
    /// PUBREC was sent.
    answered: bool,
    /// Its PUBLISH came on the present connection, so that it uses up a part of the
    /// receive maximum until PUBCOMP.
    counts: bool,
}

/// The receiving state of one client.
#[derive(Debug, Default)]
pub struct Inbound {
    /// Sorted by identifier; at most 65,535 of four bytes.
    exactly_once: Vec<ExactlyOnce>,
    /// PUBLISH packets of the present connection that count against the receive
    /// maximum. Each connection begins anew (MQTT 5.0, section 4.9).
    open: u32,
    /// What the client was told it may have open; zero means no bound (3.x).
    receive_maximum: u16,
}

impl Inbound {
    /// A connection with this receive maximum carries the session.
    pub fn attach(&mut self, receive_maximum: u16) {
        self.receive_maximum = receive_maximum;
    }

    /// The connection is gone: messages without an answer will come again.
    pub fn detach(&mut self) {
        self.open = 0;
        for entry in &mut self.exactly_once {
            entry.counts = false;
        }
    }

    /// Whether one more message exceeds the receive maximum [MQTT-3.3.4-9].
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.receive_maximum > 0 && self.open >= u32::from(self.receive_maximum)
    }

    /// A QoS 1 message is being published; PUBACK follows.
    pub fn open(&mut self) {
        self.open += 1;
    }

    /// PUBACK goes out.
    pub fn close(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// What a QoS 2 PUBLISH with this identifier would be.
    #[must_use]
    pub fn peek(&self, packet_id: PacketId) -> Receipt {
        match self.find(packet_id) {
            Err(_) => Receipt::New,
            Ok(index) if self.exactly_once[index].answered => Receipt::Answered,
            Ok(_) => Receipt::Open,
        }
    }

    /// Stores the identifier of a new QoS 2 message [MQTT-4.3.3-8].
    pub fn store(&mut self, packet_id: PacketId) {
        if let Err(index) = self.find(packet_id) {
            self.open += 1;
            let entry = ExactlyOnce {
                packet_id,
                answered: false,
                counts: true,
            };
            self.exactly_once.insert(index, entry);
        }
    }

    /// PUBREC goes out for this identifier, or would if the client were there.
    pub fn answered(&mut self, packet_id: PacketId) {
        if let Ok(index) = self.find(packet_id) {
            self.exactly_once[index].answered = true;
        }
    }

    /// PUBREL arrived: the identifier is free again. False when it was not open.
    pub fn release(&mut self, packet_id: PacketId) -> bool {
        let Ok(index) = self.find(packet_id) else {
            return false;
        };
        let entry = self.exactly_once.remove(index);
        self.open -= u32::from(entry.counts);
        true
    }

    fn find(&self, packet_id: PacketId) -> Result<usize, usize> {
        self.exactly_once
            .binary_search_by_key(&packet_id, |entry| entry.packet_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).expect("not zero")
    }

    #[test]
    fn a_qos_2_message_is_new_once_until_its_release() {
        let mut inbound = Inbound::default();
        assert_eq!(inbound.peek(id(7)), Receipt::New);
        inbound.store(id(7));
        assert_eq!(inbound.peek(id(7)), Receipt::Open);
        inbound.answered(id(7));
        assert_eq!(inbound.peek(id(7)), Receipt::Answered, "[MQTT-4.3.3-10]");
        assert!(inbound.release(id(7)));
        assert!(!inbound.release(id(7)));
        assert_eq!(inbound.peek(id(7)), Receipt::New);
    }

    #[test]
    fn open_messages_of_both_kinds_count_against_the_receive_maximum() {
        let mut inbound = Inbound::default();
        inbound.attach(2);
        inbound.open();
        assert!(!inbound.is_exhausted());
        inbound.store(id(1));
        assert!(inbound.is_exhausted(), "[MQTT-3.3.4-9]");
        inbound.close();
        assert!(!inbound.is_exhausted());
    }

    #[test]
    fn the_receive_maximum_begins_anew_with_each_connection() {
        let mut inbound = Inbound::default();
        inbound.attach(1);
        inbound.store(id(1));
        inbound.answered(id(1));
        inbound.detach();
        inbound.attach(1);
        assert!(!inbound.is_exhausted(), "MQTT 5.0, section 4.9");
        inbound.store(id(2));
        assert!(inbound.is_exhausted());
        assert!(inbound.release(id(1)), "counts no more, but is known");
        assert!(inbound.is_exhausted());
        assert!(inbound.release(id(2)));
        assert!(!inbound.is_exhausted());
    }
}

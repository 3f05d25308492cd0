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

/// The receiving state of one client.
#[derive(Debug, Default)]
pub struct Inbound {
    /// QoS 2 identifiers between PUBLISH and PUBREL, sorted; the flag tells that
    /// PUBREC was sent. At most 65,535 of four bytes.
    exactly_once: Vec<(PacketId, bool)>,
    /// QoS 1 messages whose PUBACK has not been sent.
    open_at_least_once: u32,
    /// What the client was told it may have open; zero means no bound (3.x).
    receive_maximum: u16,
}

impl Inbound {
    /// A connection with this receive maximum carries the session.
    pub fn attach(&mut self, receive_maximum: u16) {
        self.receive_maximum = receive_maximum;
    }

    /// The connection is gone: QoS 1 messages without PUBACK will come again.
    pub fn detach(&mut self) {
        self.open_at_least_once = 0;
    }

    /// Whether one more message exceeds the receive maximum [MQTT-3.3.4-9].
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        let open = self.exactly_once.len() + self.open_at_least_once as usize;
        self.receive_maximum > 0 && open >= usize::from(self.receive_maximum)
    }

    /// A QoS 1 message is being published; PUBACK follows.
    pub fn open(&mut self) {
        self.open_at_least_once += 1;
    }

    /// PUBACK goes out.
    pub fn close(&mut self) {
        self.open_at_least_once = self.open_at_least_once.saturating_sub(1);
    }

    /// What a QoS 2 PUBLISH with this identifier would be.
    #[must_use]
    pub fn peek(&self, packet_id: PacketId) -> Receipt {
        match self.find(packet_id) {
            Err(_) => Receipt::New,
            Ok(index) if self.exactly_once[index].1 => Receipt::Answered,
            Ok(_) => Receipt::Open,
        }
    }

    /// Stores the identifier of a new QoS 2 message [MQTT-4.3.3-8].
    pub fn store(&mut self, packet_id: PacketId) {
        if let Err(index) = self.find(packet_id) {
            self.exactly_once.insert(index, (packet_id, false));
        }
    }

    /// PUBREC goes out for this identifier, or would if the client were there.
    pub fn answered(&mut self, packet_id: PacketId) {
        if let Ok(index) = self.find(packet_id) {
            self.exactly_once[index].1 = true;
        }
    }

    /// PUBREL arrived: the identifier is free again. False when it was not open.
    pub fn release(&mut self, packet_id: PacketId) -> bool {
        self.find(packet_id)
            .map(|index| self.exactly_once.remove(index))
            .is_ok()
    }

    fn find(&self, packet_id: PacketId) -> Result<usize, usize> {
        self.exactly_once
            .binary_search_by_key(&packet_id, |(id, _)| *id)
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
}

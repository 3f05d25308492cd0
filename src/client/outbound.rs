//! Packet identifiers in use by this client, and what is to be sent again.
//!
//! Owns the messages that the server has not acknowledged. Identifiers are given
//! out in order, so the table is a ring whose places *are* the identifiers:
//! finding one costs nothing. Pure.
//!
//! Everything is bounded: messages by the window, the ring by the 65,535
//! identifiers there are.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::protocol::PacketId;

/// How many identifiers there are, and so the longest ring.
const PACKET_IDS: usize = 65_535;

/// The DUP flag in a PUBLISH's first byte.
const DUP: u8 = 0x08;

/// What a packet identifier is in use for.
#[derive(Debug)]
pub(super) enum Entry {
    /// Nothing any more; the place goes when all before it are free too.
    Free,
    /// A PUBLISH waits for its PUBACK or PUBREC.
    Publish {
        /// The encoded packet; empty where nothing is to be sent again.
        packet: Vec<u8>,
        /// False after a reconnection until there is room in the window.
        sent: bool,
    },
    /// A PUBREL waits for its PUBCOMP.
    Release,
    /// A SUBSCRIBE waits for its SUBACK.
    Subscribe,
    /// An UNSUBSCRIBE waits for its UNSUBACK.
    Unsubscribe,
}

impl Entry {
    const fn is_message(&self) -> bool {
        matches!(self, Self::Publish { .. } | Self::Release)
    }
}

/// The client's own packet identifiers.
///
/// Invariants: `entries.len() <= PACKET_IDS`; the first entry is not free;
/// `unsent <= messages`.
#[derive(Debug)]
pub(super) struct Outbound {
    /// `entries[i]` belongs to the identifier `i` places after `first`.
    entries: VecDeque<Entry>,
    /// Index of the first entry's identifier: the identifier less one.
    first: u16,
    /// QoS 1 and 2 messages not yet done with.
    messages: usize,
    /// Those of them that wait for room in the window.
    unsent: usize,
    /// How many may be under way [MQTT-3.3.4-9].
    window: u16,
}

impl Outbound {
    pub(super) const fn new(window: u16) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            messages: 0,
            unsent: 0,
            window,
        }
    }

    pub(super) const fn set_window(&mut self, window: u16) {
        self.window = window;
    }

    /// How many more messages may start now.
    pub(super) fn quota(&self) -> u16 {
        let under_way = u16::try_from(self.messages).unwrap_or(u16::MAX);
        self.window.saturating_sub(under_way)
    }

    /// Messages not yet done with.
    pub(super) const fn messages(&self) -> usize {
        self.messages
    }

    /// Identifiers in use for anything at all.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The identifier that [`Outbound::push`] gives out next.
    pub(super) fn next_id(&self) -> Option<PacketId> {
        if self.entries.len() >= PACKET_IDS {
            return None;
        }
        let index = (usize::from(self.first) + self.entries.len()) % PACKET_IDS;
        PacketId::new(u16::try_from(index + 1).ok()?)
    }

    /// Puts [`Outbound::next_id`] to use.
    pub(super) fn push(&mut self, entry: Entry) {
        debug_assert!(self.entries.len() < PACKET_IDS);
        self.messages += usize::from(entry.is_message());
        self.entries.push_back(entry);
    }

    /// What `id` is in use for.
    pub(super) fn get(&self, id: PacketId) -> Option<&Entry> {
        self.entries
            .get(self.place(id))
            .filter(|entry| !matches!(entry, Entry::Free))
    }

    /// A QoS 2 message has arrived; its PUBREL is the next step.
    pub(super) fn release(&mut self, id: PacketId) {
        let place = self.place(id);
        if let Some(entry) = self.entries.get_mut(place) {
            debug_assert!(matches!(entry, Entry::Publish { sent: true, .. }));
            *entry = Entry::Release;
        }
    }

    /// `id` has served its purpose.
    pub(super) fn free(&mut self, id: PacketId) {
        self.free_place(self.place(id));
        self.trim();
    }

    /// The connection is new: requests without an answer never get one, and
    /// messages are to be sent again where the server still knows of them
    /// (`session_present`), or for the first time where it does not.
    pub(super) fn restart(&mut self, session_present: bool) {
        self.unsent = 0;
        for place in 0..self.entries.len() {
            match &mut self.entries[place] {
                Entry::Publish { packet, sent } if !packet.is_empty() => {
                    *sent = false;
                    self.unsent += 1;
                    if session_present {
                        // [MQTT-3.3.1-1]
                        packet[0] |= DUP;
                    } else {
                        packet[0] &= !DUP;
                    }
                }
                Entry::Release if session_present => {}
                Entry::Free => {}
                Entry::Publish { .. } | Entry::Release | Entry::Subscribe | Entry::Unsubscribe => {
                    self.free_place(place);
                }
            }
        }
        self.trim();
    }

    /// The identifiers whose PUBREL is to be sent again after a reconnection.
    pub(super) fn releases(&self) -> impl Iterator<Item = PacketId> + '_ {
        let first = usize::from(self.first);
        self.entries
            .iter()
            .enumerate()
            .filter_map(move |(place, entry)| match entry {
                Entry::Release => {
                    PacketId::new(u16::try_from((first + place) % PACKET_IDS + 1).ok()?)
                }
                Entry::Free | Entry::Publish { .. } | Entry::Subscribe | Entry::Unsubscribe => None,
            })
    }

    /// Appends messages that wait to be sent again, oldest first, as far as the
    /// window allows [MQTT-4.6.0-1].
    pub(super) fn resend(&mut self, output: &mut Vec<u8>) {
        if self.unsent == 0 {
            return;
        }
        for entry in &mut self.entries {
            if self.unsent == 0 || self.messages - self.unsent >= usize::from(self.window) {
                return;
            }
            if let Entry::Publish {
                packet,
                sent: sent @ false,
            } = entry
            {
                output.extend_from_slice(packet);
                *sent = true;
                self.unsent -= 1;
            }
        }
    }

    fn place(&self, id: PacketId) -> usize {
        (usize::from(id.get()) - 1 + PACKET_IDS - usize::from(self.first)) % PACKET_IDS
    }

    fn free_place(&mut self, place: usize) {
        if let Some(entry) = self.entries.get_mut(place) {
            self.messages -= usize::from(entry.is_message());
            self.unsent -= usize::from(matches!(entry, Entry::Publish { sent: false, .. }));
            *entry = Entry::Free;
        }
    }

    fn trim(&mut self) {
        while let Some(Entry::Free) = self.entries.front() {
            self.entries.pop_front();
            let next = (usize::from(self.first) + 1) % PACKET_IDS;
            self.first = u16::try_from(next).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(packet: &[u8]) -> Entry {
        Entry::Publish {
            packet: packet.to_vec(),
            sent: true,
        }
    }

    fn push(outbound: &mut Outbound, entry: Entry) -> PacketId {
        let id = outbound.next_id().expect("the ring has room");
        outbound.push(entry);
        id
    }

    #[test]
    fn an_identifier_in_use_is_never_given_out_again() {
        let mut outbound = Outbound::new(u16::MAX);
        let stuck = push(&mut outbound, Entry::Subscribe);
        for _ in 1..PACKET_IDS {
            let id = push(&mut outbound, publish(b""));
            assert_ne!(id, stuck);
            outbound.free(id);
        }
        assert_eq!(outbound.next_id(), None);
        outbound.free(stuck);
        assert!(outbound.is_empty());
        assert_eq!(outbound.next_id(), PacketId::new(1));
    }

    #[test]
    fn the_window_counts_messages_until_their_last_acknowledgement() {
        let mut outbound = Outbound::new(2);
        let first = push(&mut outbound, publish(b"1"));
        let second = push(&mut outbound, publish(b"2"));
        push(&mut outbound, Entry::Subscribe);
        assert_eq!(outbound.quota(), 0);
        outbound.release(first);
        assert_eq!(outbound.quota(), 0);
        outbound.free(first);
        assert_eq!(outbound.quota(), 1);
        outbound.free(second);
        assert_eq!(outbound.quota(), 2);
    }

    #[test]
    fn unacknowledged_messages_are_resent_in_order_and_within_the_window() {
        let mut outbound = Outbound::new(3);
        let released = push(&mut outbound, publish(&[0x34, 1]));
        let first = push(&mut outbound, publish(&[0x32, 2]));
        let second = push(&mut outbound, publish(&[0x32, 3]));
        outbound.release(released);
        outbound.set_window(2);
        outbound.restart(true);
        let mut output = Vec::new();
        outbound.resend(&mut output);
        assert_eq!(outbound.releases().collect::<Vec<_>>(), [released]);
        assert_eq!(output, [0x3a, 2]);
        outbound.free(first);
        outbound.resend(&mut output);
        assert_eq!(output, [0x3a, 2, 0x3a, 3]);
        outbound.free(second);
        outbound.free(released);
        assert_eq!((outbound.messages(), outbound.unsent), (0, 0));
    }

    #[test]
    fn a_server_that_forgot_the_session_gets_messages_as_new() {
        let mut outbound = Outbound::new(9);
        let released = push(&mut outbound, publish(&[0x34, 1]));
        push(&mut outbound, publish(&[0x3a, 2]));
        push(&mut outbound, Entry::Subscribe);
        outbound.release(released);
        outbound.restart(false);
        let mut output = Vec::new();
        outbound.resend(&mut output);
        assert_eq!(output, [0x32, 2]);
        assert_eq!(outbound.messages(), 1);
    }
}

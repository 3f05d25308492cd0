//! HOT PATH: the descriptor table: which socket a connection id means.
//!
//! Owns every connection's socket and what the kernel still holds of it
//! (pending receive, pending poll). Lives on its shard. Knows nothing of MQTT;
//! the engine keeps its own state under the same slot. Never reuses a slot
//! before the kernel has given back the last operation on it.

use std::os::fd::OwnedFd;

use crate::ids::ConnectionId;

/// A receive is in the kernel.
pub(crate) const RECEIVING: u16 = 1;
/// A poll for writability is in the kernel; the connection is not flushed.
pub(crate) const POLLING: u16 = 1 << 1;
/// Waiting on the starved list for a receive buffer.
pub(crate) const STARVED: u16 = 1 << 2;
/// The engine gave the connection up; its outbox may still be draining.
pub(crate) const CLOSING: u16 = 1 << 3;
/// shutdown(2) was called; only completions are awaited.
pub(crate) const SHUT: u16 = 1 << 4;
/// A send of the batch under way offers its bytes.
pub(crate) const SENDING: u16 = 1 << 6;
/// The socket failed: nothing more can be written.
pub(crate) const BROKEN: u16 = 1 << 5;
/// Everything is sent and FIN with it; what still arrives is thrown away until the
/// peer is done, too.
pub(crate) const HALF_SHUT: u16 = 1 << 7;
/// The peer has ended its side; nothing more arrives.
pub(crate) const ENDED: u16 = 1 << 8;
/// It is no plain TCP: its transport is among the shard's `Wraps`.
pub(crate) const WRAPPED: u16 = 1 << 9;
/// Part of its TLS handshake waits in line; nothing is received meanwhile.
pub(crate) const QUEUED: u16 = 1 << 10;
/// Its transport has ended in order, and the engine still has packets of it to handle.
pub(crate) const FINISHED: u16 = 1 << 11;

/// A poll for the peer's end is in the kernel: a verdict is awaited, or was.
pub(crate) const WATCHED: u16 = 1 << 12;

/// One socket and its pending operations: 12 bytes, also while vacant.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: OwnedFd,
    generation: u32,
    flags: u16,
}

const _: () = assert!(size_of::<Option<Connection>>() <= 12);

impl Connection {
    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn set(&mut self, flag: u16) {
        self.flags |= flag;
    }

    pub(crate) fn clear(&mut self, flag: u16) {
        self.flags &= !flag;
    }
}

/// All sockets of one shard, by slot.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Option<Connection>>,
    len: usize,
}

impl Table {
    /// Enters a socket under an id that the engine chose.
    pub(crate) fn insert(&mut self, id: ConnectionId, socket: OwnedFd) {
        let slot = id.slot as usize;
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, || None);
        }
        let place = &mut self.slots[slot];
        debug_assert!(place.is_none(), "a slot is released before it is reused");
        *place = Some(Connection {
            socket,
            generation: id.generation,
            flags: 0,
        });
        self.len += 1;
    }

    /// The connection, unless the id is of an earlier tenant.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let place = self.slots.get(id.slot as usize)?.as_ref()?;
        (place.generation == id.generation).then_some(place)
    }

    /// The connection, unless the id is of an earlier tenant.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let place = self.slots.get_mut(id.slot as usize)?.as_mut()?;
        (place.generation == id.generation).then_some(place)
    }

    /// Takes the connection out; dropping it closes the descriptor.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get(id)?;
        self.len -= 1;
        self.slots[id.slot as usize].take()
    }

    /// How many sockets there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The ids of all connections, for the end of the shard.
    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        let id = |(slot, place): (usize, &Option<Connection>)| {
            let generation = place.as_ref()?.generation;
            Some(ConnectionId {
                slot: u32::try_from(slot).ok()?,
                generation,
            })
        };
        self.slots.iter().enumerate().filter_map(id).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn socket() -> OwnedFd {
        File::open("/dev/null").expect("every Linux has it").into()
    }

    #[test]
    fn a_late_completion_never_meets_the_next_tenant() {
        let mut table = Table::default();
        let first = ConnectionId {
            slot: 3,
            generation: 1,
        };
        let second = ConnectionId {
            slot: 3,
            generation: 2,
        };
        table.insert(first, socket());
        assert!(table.get(second).is_none());
        assert!(table.remove(second).is_none());
        assert!(table.remove(first).is_some());
        table.insert(second, socket());
        assert!(table.get_mut(first).is_none());
        assert_eq!(table.ids(), [second]);
        assert_eq!(table.len(), 1);
    }
}

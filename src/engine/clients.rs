//! The clients of this shard: their connections, their sessions, and how bytes
//! and messages reach them.
//!
//! Owns both tables, the lists of what the shard has to look at, and the totals
//! that bound a shard's memory. Pure. It knows nothing of topics and other shards.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::connection::{Connection, Stage};
use super::limits::{
    FLUSH_FROM, Limits, ListenerPolicy, OUTBOX_FREE, SPARE_BUFFER_BYTES_MAX, SPARE_BUFFERS_MAX,
};
use super::local::Inboxes;
use super::profiles::Profiles;
use super::registry::Registry;
use super::slots::Slots;
use super::stats::Stats;
use crate::hooks::{Chain, Phases};
use crate::ids::{ConnectionId, SessionId};
use crate::protocol::{Packet, ProtocolVersion};
use crate::session::pending::Pending;

/// Connections, sessions, and what is to be done about them.
#[derive(Debug)]
pub struct Clients {
    /// All connections of this shard.
    pub connections: Slots<Connection>,
    /// All sessions at home here.
    pub sessions: Registry,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// The rules of each listener, by [`Origin::listener`](super::Origin::listener).
    pub listeners: Arc<[ListenerPolicy]>,
    /// The counters.
    pub stats: Stats,
    /// The hooks.
    pub chain: Arc<Chain>,
    /// What the hooks know of the sessions' clients.
    pub profiles: Profiles,
    /// Where local subscriptions' messages go.
    pub inboxes: Inboxes,
    /// Whether there may be deliveries to judge.
    pub(super) judges_deliveries: bool,
    /// An out-buffer has grown so far that waiting for more gains nothing.
    pub flush_due: bool,
    /// Connections with something to send, each listed once.
    pub dirty: Vec<ConnectionId>,
    /// Connections to be closed by the shard.
    pub closes: VecDeque<ConnectionId>,
    /// Connections that have input left over.
    pub ready: VecDeque<ConnectionId>,
    /// Connections with nothing to flush that wait for room in the shard's total.
    pub starved: VecDeque<ConnectionId>,
    /// Connections that may be read from again.
    pub resumed: Vec<ConnectionId>,
    /// Messages of shared groups that were denied to a session when their turn came, for
    /// other members. Taken up whenever one session's were sent.
    pub(super) declined: Vec<(SessionId, Pending)>,
    /// Bytes in all out-buffers, each as of its last delivery or its last flush.
    pub outbox_total: usize,
    /// Bytes of memory of all assembly buffers.
    pub assembly_total: usize,
    /// Bytes of messages queued in sessions.
    pub queued_total: usize,
    spare_buffers: Vec<Vec<u8>>,
}

impl Clients {
    /// No clients yet.
    #[must_use]
    pub fn new(
        limits: Arc<Limits>,
        listeners: Arc<[ListenerPolicy]>,
        chain: Arc<Chain>,
        seeds: [u64; 4],
    ) -> Self {
        let judging = Phases::DELIVER | Phases::DELIVER_FILTERED;
        Self {
            judges_deliveries: chain.phases().any_of(judging),
            chain,
            profiles: Profiles::default(),
            inboxes: Inboxes::default(),
            connections: Slots::default(),
            sessions: Registry::new(seeds),
            limits,
            listeners,
            stats: Stats::default(),
            flush_due: false,
            dirty: Vec::new(),
            closes: VecDeque::new(),
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            resumed: Vec::new(),
            declined: Vec::new(),
            outbox_total: 0,
            assembly_total: 0,
            queued_total: 0,
            spare_buffers: Vec::new(),
        }
    }

    /// The connection, if it is still this one and not closing.
    pub fn open_connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections
            .get_mut(id.slot, id.generation)
            .filter(|connection| connection.stage != Stage::Closing)
    }

    /// Whether a connection's out-buffer has room for a message of so many bytes.
    #[must_use]
    pub fn has_room(&self, connection: &Connection, bytes: usize) -> bool {
        let within_total = self.outbox_total < self.limits.shard_outbox_bytes;
        if connection.outbox.is_empty() {
            // However much the others hold, small messages go on: nobody starves.
            within_total || bytes <= OUTBOX_FREE
        } else {
            within_total && connection.outbox.len() < self.limits.max_outbox_bytes
        }
    }

    /// The same for a message that is kept until there is room. Where no flush of the
    /// connection itself will tell, it is listed among the starved.
    pub(super) fn has_room_or_starves(&mut self, id: ConnectionId, bytes: usize) -> bool {
        let Some(connection) = self.connections.get(id.slot, id.generation) else {
            return false;
        };
        let has_room = self.has_room(connection, bytes);
        if !has_room
            && connection.outbox.is_empty()
            && let Some(connection) = self.open_connection(id)
            && !std::mem::replace(&mut connection.starves, true)
        {
            self.starved.push_back(id);
        }
        has_room
    }

    /// A connection that waits for the shard's out-buffers, once there is room.
    pub(super) fn next_starved(&mut self) -> Option<ConnectionId> {
        if self.outbox_total >= self.limits.shard_outbox_bytes {
            return None;
        }
        let id = self.starved.pop_front()?;
        if let Some(connection) = self.open_connection(id) {
            connection.starves = false;
        }
        Some(id)
    }

    /// Whether one of those could go on.
    pub(super) fn may_feed_starved(&self) -> bool {
        !self.starved.is_empty() && self.outbox_total < self.limits.shard_outbox_bytes
    }

    /// Whether the client's packets may still be handled, which mostly means that they
    /// are answered. Answers have a share of the out-buffer beyond that of messages,
    /// so that a subscriber with more messages than it takes is still heard.
    #[must_use]
    pub fn has_room_for_answers(&self, connection: &Connection) -> bool {
        let largest = self.limits.max_packet_size as usize;
        let messages = self.limits.max_outbox_bytes.saturating_add(largest);
        connection.outbox.is_empty()
            || (connection.outbox.len() < messages.saturating_add(self.limits.max_outbox_bytes)
                && self.outbox_total < self.limits.shard_outbox_bytes)
    }

    /// Lets `append` put packets into a connection's out-buffer.
    pub fn write<R>(
        &mut self,
        id: ConnectionId,
        append: impl FnOnce(&mut Connection, &mut Vec<u8>) -> R,
    ) -> Option<R> {
        let connection = self.connections.get_mut(id.slot, id.generation)?;
        if connection.stage == Stage::Closing {
            return None;
        }
        if !connection.outbox.has_buffer() {
            let spare = self.spare_buffers.pop();
            connection.outbox.lend(spare.unwrap_or_default());
        }
        // The buffer is taken out while `append` may look at the whole connection.
        let mut buffer = std::mem::take(connection.outbox.buffer());
        let result = append(connection, &mut buffer);
        *connection.outbox.buffer() = buffer;
        self.written(id);
        Some(result)
    }

    /// Owes a connection, which is owed nothing so far, bytes that others are owed, too.
    pub(super) fn share(&mut self, id: ConnectionId, bytes: &Rc<Vec<u8>>) {
        if let Some(connection) = self.open_connection(id) {
            connection.outbox.share(bytes);
            self.written(id);
        }
    }

    /// Something was put into an out-buffer: counts it, and lists the connection.
    fn written(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id.slot, id.generation) else {
            return;
        };
        // What was sent meanwhile counts no more, so that an out-buffer which is
        // never quite empty is charged with what it holds.
        let held = connection.outbox.held();
        let charged = std::mem::replace(&mut connection.outbox.charged, held);
        self.outbox_total = self.outbox_total - charged + held;
        // Whoever reads too slowly reaches this once, and not again until it has read.
        self.flush_due |= held >= FLUSH_FROM && charged < FLUSH_FROM;
        if held == 0 {
            let buffer = connection.outbox.take_buffer();
            self.spare(buffer);
        } else if !connection.outbox.dirty {
            connection.outbox.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Sends one packet, whatever our bounds: answers are bounded by what they answer.
    pub fn send(&mut self, id: ConnectionId, packet: &Packet<'_>) {
        self.send_bounded(id, |version, out| {
            let encoded = packet.encode(version, out);
            debug_assert!(
                encoded.is_ok(),
                "the broker's own packets are valid: {packet:?}"
            );
        });
    }

    /// Sends a packet that is encoded already.
    pub fn send_encoded(&mut self, id: ConnectionId, packet: &[u8]) {
        self.send_bounded(id, |_, out| out.extend_from_slice(packet));
    }

    /// Sends a packet unless it is larger than the client accepts [MQTT-3.1.2-24].
    fn send_bounded(
        &mut self,
        id: ConnectionId,
        encode: impl FnOnce(ProtocolVersion, &mut Vec<u8>),
    ) {
        let fits = self.write(id, |connection, out| {
            let start = out.len();
            encode(connection.version, out);
            let fits = out.len() - start <= connection.maximum_packet_size as usize;
            if !fits {
                out.truncate(start);
            }
            fits
        });
        if fits == Some(false) {
            self.stats.dropped_too_large += 1;
        }
    }

    /// The out-buffer was found empty: its bytes no longer count, and it is lent to
    /// whoever needs one next.
    pub fn settle_outbox(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id.slot, id.generation) else {
            return;
        };
        if connection.outbox.is_empty() {
            self.outbox_total -= std::mem::take(&mut connection.outbox.charged);
            let buffer = connection.outbox.take_buffer();
            self.spare(buffer);
        }
    }

    fn spare(&mut self, buffer: Vec<u8>) {
        let worth_keeping = (1..=SPARE_BUFFER_BYTES_MAX).contains(&buffer.capacity());
        if worth_keeping && self.spare_buffers.len() < SPARE_BUFFERS_MAX {
            self.spare_buffers.push(buffer);
        }
    }

    /// Marks a connection as closing and lists it for the shard.
    pub fn close(&mut self, id: ConnectionId) {
        if let Some(connection) = self.open_connection(id) {
            connection.stage = Stage::Closing;
            connection.reading_paused = true;
            let unhandled = connection.assembly.take();
            self.assembly_total -= unhandled.map_or(0, |assembly| assembly.footprint());
            self.closes.push_back(id);
        }
    }

    /// Frees a connection's place once its descriptor is gone.
    pub fn release(&mut self, id: ConnectionId) -> Option<Connection> {
        self.connections.get(id.slot, id.generation)?;
        let mut connection = self.connections.remove(id.slot)?;
        self.outbox_total -= std::mem::take(&mut connection.outbox.charged);
        let buffer = connection.outbox.take_buffer();
        self.spare(buffer);
        Some(connection)
    }
}

//! What the shard fetches from the engine after a batch of inputs.
//!
//! Owns nothing. Pure. The order of the calls is on the engine's front page.

use super::Engine;
use super::connection::{Connection, Origin};
use super::input::Arrival;
use super::outbox::Outbox;
use super::peer::PeerBatch;
use crate::ids::{ConnectionId, ShardId};
use crate::protocol::ReasonCode;
use crate::time::Timestamp;

impl Engine {
    /// A batch for another shard. Order per pair of shards has to be kept, and
    /// nothing may be lost.
    pub fn next_peer_batch(&mut self) -> Option<(ShardId, PeerBatch)> {
        // Goes on behind the last one, so that all of a turn's batches are one round of
        // the lanes and not one for each.
        let lanes = self.lanes.len();
        for _ in 0..lanes {
            let lane = &mut self.lanes[self.batch_lane];
            self.batch_lane = (self.batch_lane + 1) % lanes;
            let peer = lane.peer();
            if peer != self.shard
                && let Some(batch) = lane.take_batch()
            {
                return Some((peer, batch));
            }
        }
        None
    }

    /// A connection that leaves for its home shard. No receive is under way on it:
    /// the descriptor and the arrival go there as one item, then `release`.
    pub fn next_handoff(&mut self) -> Option<(ConnectionId, ShardId, Arrival)> {
        while let Some((id, shard, unread)) = self.handoffs.pop_front() {
            let connection = self.clients.connections.get_mut(id.slot, id.generation);
            if let Some(Connection {
                permit,
                origin,
                identity,
                last_seen,
                ..
            }) = connection
                && let Some(permit) = permit.take()
            {
                // Before CONNECT, `last_seen` is the time of acceptance.
                let arrival = Arrival {
                    origin: *origin,
                    identity: identity.take(),
                    unread,
                    accepted_at: *last_seen,
                    permit,
                };
                return Some((id, shard, arrival));
            }
        }
        None
    }

    /// A connection whose out-buffer holds bytes, each listed once until flushed.
    pub fn next_dirty(&mut self) -> Option<ConnectionId> {
        let Some(id) = self.clients.dirty.pop() else {
            self.clients.flush_due = false;
            return None;
        };
        if let Some(connection) = self.clients.connections.get_mut(id.slot, id.generation) {
            connection.outbox.dirty = false;
        }
        Some(id)
    }

    /// The out-buffer of a connection.
    pub fn outbox(&mut self, id: ConnectionId) -> Option<&mut Outbox> {
        self.clients
            .connections
            .get_mut(id.slot, id.generation)
            .map(|connection| &mut connection.outbox)
    }

    /// Where a connection came from.
    #[must_use]
    pub fn origin(&self, id: ConnectionId) -> Option<Origin> {
        let connection = self.clients.connections.get(id.slot, id.generation)?;
        Some(connection.origin)
    }

    /// Why the broker ends a connection, where the broker does.
    #[must_use]
    pub fn parting(&self, id: ConnectionId) -> Option<ReasonCode> {
        let connection = self.clients.connections.get(id.slot, id.generation)?;
        connection.parting
    }

    /// The out-buffer of a connection has just become empty.
    pub fn handle_flushed(&mut self, id: ConnectionId, now: Timestamp) {
        self.clients.settle_outbox(id);
        let Some(connection) = self.clients.open_connection(id) else {
            return;
        };
        if connection.held.by_outbox {
            connection.held.by_outbox = false;
            self.make_ready(id);
        } else if let Some(session) = connection.session() {
            let replays = self.replays.contains_key(&session);
            let queued = self
                .clients
                .sessions
                .at(session)
                .is_some_and(|s| s.outbound.has_unsent());
            if replays || queued {
                self.pump_session(id, session, now);
            }
        }
    }

    /// A connection to close: send what its out-buffer holds, shut down, wait for
    /// the last completion, close the descriptor, then `release`.
    pub fn next_close(&mut self) -> Option<ConnectionId> {
        self.clients.closes.pop_front()
    }

    /// The descriptor of a connection is gone: its place may be used again.
    pub fn release(&mut self, id: ConnectionId) {
        self.candidates.take(id);
        self.questions.forget(id);
        self.clients.release(id);
    }

    /// A connection that may be read from again.
    pub fn next_resumed(&mut self) -> Option<ConnectionId> {
        self.clients.resumed.pop()
    }

    /// When `handle_timeout` should be called, if ever.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}

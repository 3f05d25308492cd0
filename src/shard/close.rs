//! How a connection ends.
//!
//! The closing half of [`Turn`], on its shard: flush what the outbox holds for
//! a bounded time, send FIN, throw away what the peer still sends until it is
//! done (or [`PARTING`] is over), shutdown(2), wait until the kernel has given back
//! every operation, close the descriptor, release the slot, in this order. Closing
//! with a receive pending would send no FIN; closing with unread input would reset
//! the stream and take from the peer what the kernel has not yet delivered, the
//! reason in DISCONNECT first of all. Never keeps a closing connection longer than
//! the linger time and the parting time together.

use std::net::Shutdown;
use std::time::Duration;

use super::connection::{
    BROKEN, CLOSING, ENDED, HALF_SHUT, POLLING, RECEIVING, SHUT, WATCHED, WRAPPED,
};
use super::ring::Operation;
use super::turn::Turn;
use crate::ids::ConnectionId;
use crate::time::Timestamp;

/// How long a closing connection may take to accept its last bytes. A peer that
/// reads needs milliseconds; one that does not is cut, and its bytes are lost.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// How long a peer that was sent everything may take to end its own side.
const PARTING: Duration = Duration::from_millis(500);

impl Turn {
    /// The engine gave the connection up.
    pub(super) fn begin_close(&mut self, id: ConnectionId, now: Timestamp) {
        let Some(connection) = self.table.get_mut(id) else {
            self.engine.release(id);
            return;
        };
        connection.set(CLOSING);
        self.continue_close(id, now);
        if self
            .table
            .get(id)
            .is_some_and(|connection| !connection.has(SHUT | HALF_SHUT))
        {
            let until = now.plus(self.stopping.linger());
            self.lingering.push_back((until, id));
        }
    }

    /// Flushes a closing connection as far as its socket takes it.
    pub(super) fn continue_close(&mut self, id: ConnectionId, now: Timestamp) {
        loop {
            let Some(connection) = self.table.get(id) else {
                return;
            };
            let flushed = self
                .engine
                .outbox(id)
                .is_none_or(|outbox| outbox.is_empty())
                && (!connection.has(WRAPPED) || self.wraps.is_done(id.slot));
            if connection.has(BROKEN | SHUT) {
                self.shut(id);
                return;
            }
            if flushed {
                self.half_shut(id, now);
                return;
            }
            if connection.has(POLLING) {
                return;
            }
            self.send_single(id, now);
        }
    }

    /// Cuts connections whose time to drain is over.
    pub(super) fn end_lingering(&mut self, now: Timestamp) {
        while self
            .lingering
            .front()
            .is_some_and(|(until, _)| *until <= now)
        {
            if let Some((_, id)) = self.lingering.pop_front()
                && self.table.get(id).is_some_and(|c| !c.has(HALF_SHUT))
            {
                self.shut(id);
            }
        }
        while self.parting.front().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, id)) = self.parting.pop_front() {
                self.shut(id);
            }
        }
    }

    /// Ends our direction and waits for the peer to end its own.
    fn half_shut(&mut self, id: ConnectionId, now: Timestamp) {
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        if connection.has(HALF_SHUT) {
            return;
        }
        connection.set(HALF_SHUT);
        if connection.has(ENDED)
            || socket2::SockRef::from(&connection.socket)
                .shutdown(Shutdown::Write)
                .is_err()
        {
            self.shut(id);
            return;
        }
        self.parting.push_back((now.plus(PARTING), id));
        self.discard(id, false);
    }

    /// Receives once more on a connection whose input nobody wants.
    fn discard(&mut self, id: ConnectionId, probably_empty: bool) {
        if let Some(connection) = self.table.get_mut(id)
            && !connection.has(RECEIVING | SHUT)
        {
            connection.set(RECEIVING);
            self.ring
                .arm_receive(id, &connection.socket, probably_empty);
        }
    }

    /// A receive on a closing connection has completed.
    pub(super) fn received_while_closing(&mut self, id: ConnectionId, result: i32) {
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        if result <= 0 {
            connection.set(ENDED);
        }
        match (connection.has(HALF_SHUT), connection.has(ENDED)) {
            (true, true) => self.shut(id),
            (true, false) => self.discard(id, true),
            (false, _) => self.finish_if_idle(id),
        }
    }

    /// Ends both directions, which completes what is pending in the kernel.
    fn shut(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        if !connection.has(SHUT) {
            connection.set(SHUT);
            let outcome = socket2::SockRef::from(&connection.socket).shutdown(Shutdown::Both);
            // A reset socket cannot be shut down; its receive has completed or
            // is about to, the cancel makes sure.
            if outcome.is_err() && connection.has(RECEIVING) {
                self.ring.cancel(Operation::Receive, id);
            }
            if connection.has(POLLING) {
                self.ring.cancel(Operation::Writable, id);
            }
            if connection.has(WATCHED) {
                self.ring.cancel(Operation::Hangup, id);
            }
        }
        self.finish_if_idle(id);
    }

    /// Closes the descriptor once the kernel holds nothing of it.
    pub(super) fn finish_if_idle(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get(id) else {
            return;
        };
        if connection.has(SHUT) && !connection.has(RECEIVING | POLLING | WATCHED) {
            self.unwrap(id);
            self.table.remove(id);
            self.engine.release(id);
        }
    }

    /// Cuts every connection at once; how many there were. Completions that are
    /// still to come find no connection and are ignored.
    pub(super) fn cut_all(&mut self) -> usize {
        let ids = self.table.ids();
        for id in &ids {
            self.unwrap(*id);
            if let Some(connection) = self.table.remove(*id) {
                let _ = socket2::SockRef::from(&connection.socket).shutdown(Shutdown::Both);
            }
            self.engine.release(*id);
        }
        ids.len()
    }
}

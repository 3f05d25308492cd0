//! Whoever waits for a hook's verdict is not read from; here it is noticed all the same
//! that its peer has gone.
//!
//! The watching part of [`Turn`], on its shard: a poll for the end of the stream, armed
//! for no connection but those held by a question. Owns nothing. Takes no bytes for the
//! engine, apart from the goodbye of a transport, which nobody else could read; what the
//! peer had sent before it went still counts.

use std::mem::MaybeUninit;

use socket2::SockRef;

use super::connection::{
    BROKEN, CLOSING, Connection, ENDED, FINISHED, RECEIVING, WATCHED, WRAPPED,
};
use super::ring::Completion;
use super::turn::Turn;
use crate::engine::LostCause;
use crate::ids::ConnectionId;
use crate::time::Timestamp;

impl Turn {
    /// Watches for the end of a connection that waits for a verdict.
    pub(super) fn watch(&mut self, id: ConnectionId) {
        if self.engine.awaits_verdict(id)
            && let Some(connection) = self.table.get_mut(id)
            && !connection.has(WATCHED | RECEIVING | CLOSING | BROKEN)
        {
            connection.set(WATCHED);
            self.ring.arm_hangup(id, &connection.socket);
        }
    }

    /// The peer has ended its side, or the connection has failed.
    pub(super) fn handle_hangup(&mut self, completion: Completion, now: Timestamp) {
        let id = completion.connection();
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        connection.clear(WATCHED);
        if connection.has(CLOSING | BROKEN) {
            self.finish_if_idle(id);
            return;
        }
        // The watch outlives its question; without one the next receive tells.
        if completion.result < 0 || !self.engine.awaits_verdict(id) {
            return;
        }
        if completion.result & i32::from(libc::POLLERR) != 0 {
            let error = SockRef::from(&connection.socket).take_error();
            let errno = error.ok().flatten().and_then(|error| error.raw_os_error());
            self.broken(id, errno.unwrap_or(libc::ECONNRESET), now);
            return;
        }
        if !self.engine.only_its_peer_waits(id) {
            return;
        }
        if has_ended(connection) {
            connection.set(ENDED);
            self.engine.handle_lost(id, LostCause::EndOfStream, now);
            self.fed = true;
        } else if connection.has(WRAPPED) {
            // What is left may be a transport's goodbye alone. One receive tells; then
            // the watch goes on.
            connection.set(RECEIVING);
            self.ring.arm_receive(id, &connection.socket, false);
        }
    }
}

/// Whether nothing more can be received.
fn has_ended(connection: &Connection) -> bool {
    let mut next = [MaybeUninit::uninit()];
    connection.has(FINISHED)
        || SockRef::from(&connection.socket)
            .peek(&mut next)
            .is_ok_and(|bytes| bytes == 0)
}

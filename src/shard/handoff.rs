//! A connection that moves to the shard where its client lives.
//!
//! Owns the descriptor on its way: dropping it closes the connection, and with
//! the engine's part it gives back its place in the connection counts. Crosses
//! from one shard to another through `mesh`. Never moves a socket on which the
//! kernel still holds a receive, whose bytes would be lost.

use std::os::fd::OwnedFd;

use tracing::error;

use super::connection::{POLLING, RECEIVING, Table};
use super::ring::{Operation, Ring};
use super::wrap::Wrapped;
use crate::engine::Arrival;
use crate::ids::ConnectionId;

/// A socket and everything the engine knows of its connection.
#[derive(Debug)]
pub(crate) struct Handoff {
    pub(crate) socket: OwnedFd,
    pub(crate) arrival: Arrival,
    /// What lies between the two, with everything unsent.
    pub(crate) wrapped: Option<Box<Wrapped>>,
}

/// Takes a connection out of this shard's table, ready to cross.
///
/// `None`, and the connection is closed, where it cannot be moved.
pub(crate) fn depart(
    id: ConnectionId,
    arrival: Arrival,
    wrapped: Option<Box<Wrapped>>,
    table: &mut Table,
    ring: &mut Ring,
) -> Option<Handoff> {
    let connection = table.remove(id)?;
    if connection.has(POLLING) {
        // Its late completion finds no such generation and is ignored.
        ring.cancel(Operation::Writable, id);
    }
    if connection.has(RECEIVING) {
        debug_assert!(false, "reading was not re-armed before a hand-off");
        error!("a connection was dropped because a receive was pending at its hand-off");
        return None;
    }
    Some(Handoff {
        socket: connection.socket,
        arrival,
        wrapped,
    })
}

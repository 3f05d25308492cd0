//! The engine's part in a graceful stop.
//!
//! Owns nothing but the flag. Pure; the broker brings all shards through the
//! phases together.

use super::Engine;
use super::connection::Stage;
use crate::hooks::Parting;
use crate::ids::ConnectionId;
use crate::protocol::ReasonCode;
use crate::time::Timestamp;

/// What the broker has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopPhase {
    /// No new connections, publications or subscriptions; acknowledgements are still
    /// taken, so that what was accepted is delivered.
    StopReading,
    /// Every client is told and its connection closed.
    Disconnect,
}

impl Engine {
    /// Enters a phase of the stop.
    pub fn handle_stop(&mut self, phase: StopPhase, _now: Timestamp) {
        self.stopping = true;
        if phase == StopPhase::StopReading {
            return;
        }
        let open: Vec<ConnectionId> = self
            .clients
            .connections
            .iter()
            .filter(|(_, _, connection)| connection.stage != Stage::Closing)
            .map(|(slot, generation, _)| ConnectionId { slot, generation })
            .collect();
        for id in open {
            if let Some(slot) = self
                .clients
                .open_connection(id)
                .and_then(|connection| connection.session())
            {
                self.tell_parting(slot, Parting::Shutdown);
            }
            self.send_disconnect(id, ReasonCode::ServerShuttingDown);
            self.clients.close(id);
        }
    }

    /// Whether everything accepted is where it belongs: nothing open towards other
    /// shards, and nothing queued for a client that is there to take it.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let clients = &self.clients;
        self.internal.is_empty()
            && self.chores.are_done()
            && self.handoffs.is_empty()
            && clients.ready.is_empty()
            && self
                .peers()
                .all(|shard| self.lanes[shard.index()].is_quiet())
            && clients
                .sessions
                .iter()
                .all(|session| session.connection.is_none() || session.outbound.queued() == 0)
            && clients
                .connections
                .iter()
                .all(|(_, _, connection)| connection.outbox.is_empty())
    }
}

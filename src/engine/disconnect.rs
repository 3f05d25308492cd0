//! A connection ends: by DISCONNECT, by a fault, by silence, or by being lost; and
//! what becomes of its session and its will.
//!
//! Owns the order of it. Pure.

use tracing::{debug, info};

use super::Engine;
use super::chores::Ending;
use super::connection::Stage;
use super::input::Fault;
use super::limits::SESSION_WORK;
use super::planted::{Fault as Planted, is_planted};
use super::timers::Timer;
use crate::hooks::{Parting, Phases};
use crate::ids::{ConnectionId, SessionId};
use crate::protocol::{Disconnect, ReasonCode};
use crate::session::pending::Pending;
use crate::time::Timestamp;

/// How the peer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostCause {
    /// It closed the stream.
    EndOfStream,
    /// The kernel reported this error number.
    Io(i32),
    /// What lies between the socket and MQTT (TLS, WebSocket, a PROXY header) failed.
    Transport,
}

impl Engine {
    /// The peer is gone. The connection appears among those to close.
    pub fn handle_lost(&mut self, id: ConnectionId, cause: LostCause, now: Timestamp) {
        let Some(connection) = self.clients.open_connection(id) else {
            return;
        };
        let (peer, session) = (connection.origin.peer, connection.session());
        match session {
            None => {
                debug!(%peer, ?cause, "lost before CONNECT");
                self.clients.close(id);
            }
            Some(session) => {
                self.log_parting(id, session, Parting::Lost);
                self.part(id, session, now);
            }
        }
    }

    /// DISCONNECT arrived.
    pub(super) fn on_disconnect(
        &mut self,
        id: ConnectionId,
        slot: u32,
        disconnect: &Disconnect<'_>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let longest = self.limits.session_expiry_max;
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return Ok(());
        };
        if let Some(interval) = disconnect.session_expiry_interval {
            // Where our own bound made it zero, the client did nothing wrong.
            let interval = interval.min(longest);
            if session.expiry_interval == 0 && interval > 0 {
                return Err(ReasonCode::ProtocolError); // [MQTT-3.14.2-2]
            }
            session.expiry_interval = interval;
        }
        if disconnect.reason == ReasonCode::Success && !is_planted(Planted::WillAfterDisconnect) {
            session.will = None; // [MQTT-3.14.4-3]
        }
        self.log_parting(id, slot, Parting::Packet(disconnect.reason));
        self.part(id, slot, now);
        Ok(())
    }

    /// The peer broke the protocol or one of our bounds: it is told why, where its
    /// protocol can say so, and closed [MQTT-4.13.1-1].
    pub(super) fn fault(&mut self, id: ConnectionId, reason: ReasonCode, now: Timestamp) {
        let Some(connection) = self.clients.open_connection(id) else {
            return;
        };
        connection.parting = Some(reason);
        let (peer, session) = (connection.origin.peer, connection.session());
        let exceeds = matches!(
            reason,
            ReasonCode::MessageRateTooHigh
                | ReasonCode::PacketTooLarge
                | ReasonCode::QuotaExceeded
                | ReasonCode::ReceiveMaximumExceeded
        );
        self.clients.stats.closed_over_limit += u64::from(exceeds);
        match session {
            None => {
                debug!(%peer, ?reason, "closed before CONNECT");
                self.clients.close(id);
            }
            Some(session) => {
                let parting = if reason == ReasonCode::KeepAliveTimeout {
                    Parting::KeepAliveTimeout
                } else {
                    Parting::Fault(reason)
                };
                self.log_parting(id, session, parting);
                self.send_disconnect(id, reason);
                self.part(id, session, now);
            }
        }
    }

    /// One line per connection that ends; and hooks are told.
    pub(super) fn log_parting(&self, id: ConnectionId, slot: u32, parting: Parting) {
        let reason = match parting {
            Parting::Packet(_) => "DISCONNECT",
            Parting::Lost => "connection lost",
            Parting::KeepAliveTimeout => ReasonCode::KeepAliveTimeout.name(),
            Parting::TakenOver => ReasonCode::SessionTakenOver.name(),
            Parting::Shutdown => ReasonCode::ServerShuttingDown.name(),
            Parting::Fault(reason) | Parting::Administrative(reason) => reason.name(),
        };
        if let Some(session) = self.clients.sessions.at(slot)
            && let Some(connection) = self.clients.connections.get(id.slot, id.generation)
        {
            let (client_id, peer) = (&*session.client_id, connection.origin.peer);
            info!(client_id, %peer, reason, "disconnected");
        }
        self.tell_parting(slot, parting);
    }

    /// Tells hooks of a connection that ends.
    pub(super) fn tell_parting(&self, slot: u32, parting: Parting) {
        if self.chain.phases().any_of(Phases::DISCONNECTED)
            && let Some(profile) = self.clients.profiles.get(slot)
        {
            let client = &profile.client;
            self.chain
                .tell(client.listener(), Phases::DISCONNECTED, |hook| {
                    hook.disconnected(client, parting);
                });
        }
    }

    /// Session and connection part; the session goes on as long as was agreed.
    pub(super) fn part(&mut self, id: ConnectionId, slot: u32, now: Timestamp) {
        self.clients.close(id);
        if let Some(session) = self.clients.sessions.at_mut(slot) {
            session.detach(now);
        }
        self.pause_replays(slot);
        self.settle_answers(slot);
        self.announce_presence(slot, false);
        self.attend_absence(slot, now);
    }

    /// Does what is due for a session without a connection, as soon as there is budget
    /// for it and room: a multitude may be lost at once, and each with a will.
    pub(super) fn attend_absence(&mut self, slot: u32, now: Timestamp) {
        if self.has_budget() && self.has_room_for_wills() {
            self.settle_absence(slot, now);
        } else if let Some(id) = self.clients.sessions.id_of(slot) {
            self.chores.put_off(id);
        }
    }

    /// Does what is due for a session without a connection, and arms a timer for
    /// what is due later.
    pub(super) fn settle_absence(&mut self, slot: u32, now: Timestamp) {
        self.work += SESSION_WORK;
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return;
        };
        if session.connection.is_some() {
            return;
        }
        if session.absence.will_at.is_some_and(|at| at <= now) {
            session.absence.will_at = None;
            if let Some(will) = session.will.take()
                && !(is_planted(Planted::DelayedWillNever) && will.delay_interval > 0)
            {
                self.publish_will(slot, *will, now);
            }
        }
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return;
        };
        if session.absence.ends_at.is_some_and(|at| at <= now)
            && !(is_planted(Planted::SessionForEver) && session.expiry_interval > 0)
        {
            self.end_session(slot, now);
            return;
        }
        if let Some(next) = session.absence.next()
            && session.timer_at.is_none_or(|armed| next < armed)
            && let Some(id) = self.clients.sessions.id_of(slot)
        {
            let fires = self.timers.arm(next, now, Timer::Session(id));
            if let Some(session) = self.clients.sessions.at_mut(slot) {
                session.timer_at = Some(fires);
            }
        }
    }

    /// A session's timer fired.
    pub(super) fn session_timer(&mut self, id: SessionId, now: Timestamp) {
        let Some(slot) = self.clients.sessions.slot_of(id) else {
            return;
        };
        let Some(session) = self.clients.sessions.at_mut(slot) else {
            return;
        };
        if session.timer_at.is_some_and(|at| at <= now) {
            session.timer_at = None;
            self.attend_absence(slot, now);
        }
    }

    /// A connection's timer fired: CONNECT is late, or the client is silent.
    pub(super) fn connection_timer(&mut self, id: ConnectionId, now: Timestamp) {
        let connect_timeout = self.limits.connect_timeout;
        let Some(connection) = self.clients.open_connection(id) else {
            return;
        };
        if connection.timer_at.is_none_or(|at| at > now) {
            return;
        }
        connection.timer_at = None;
        let deadline = match connection.stage {
            // A question has a deadline of its own.
            Stage::AwaitingConnect if connection.held.by_verdict => {
                Some(now.plus_seconds(connect_timeout))
            }
            Stage::AwaitingConnect => Some(connection.last_seen.plus_seconds(connect_timeout)),
            // A client that is not read from can not be blamed for its silence.
            Stage::Serving(_) if connection.reading_paused => connection.keep_alive.deadline(now),
            Stage::Serving(_) => connection.keep_alive.deadline(connection.last_seen),
            Stage::Closing => None,
        };
        let expires_at = connection
            .session()
            .and_then(|slot| self.clients.profiles.get(slot)?.expires_at);
        if expires_at.is_some_and(|at| at <= now) {
            self.fault(id, ReasonCode::NotAuthorized, now);
            return;
        }
        let deadline = [deadline, expires_at].into_iter().flatten().min();
        match deadline {
            Some(deadline) if deadline <= now => {
                self.fault(id, ReasonCode::KeepAliveTimeout, now); // [MQTT-3.1.2-22]
            }
            Some(deadline) => self.arm_connection(id, deadline, now),
            None => {}
        }
    }

    /// A session is over: its will, its subscriptions, and what it owed its groups.
    pub(super) fn end_session(&mut self, slot: u32, now: Timestamp) {
        let Some(id) = self.clients.sessions.id_of(slot) else {
            return;
        };
        let replays = self.take_replays(slot);
        self.leave_groups(slot);
        let Some(mut session) = self.clients.sessions.end(slot) else {
            return;
        };
        let names = std::mem::take(&mut session.subscriptions);
        self.chores.put_off_ending(Ending::new(id, names, replays));
        self.finish_endings();
        self.clients.queued_total -= session.outbound.queued_bytes();
        self.clients.drop_inbox(slot);
        if let Some(will) = session.will.take() {
            self.publish_will(slot, *will, now); // [MQTT-3.1.3-9]: with the session at the latest
        }
        if let Some(profile) = self.clients.profiles.remove(slot) {
            let client = &profile.client;
            self.chain
                .tell(client.listener(), Phases::SESSIONS, |hook| {
                    hook.session_ended(client);
                });
        }
        let surrendered: Vec<Pending> = session.outbound.surrender().collect();
        for pending in surrendered {
            if is_planted(Planted::ForgetGiveBack) {
                continue;
            }
            self.give_back(pending, id, now);
        }
        self.pump_internal(now);
    }
}

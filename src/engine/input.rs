//! Bytes come in: packets are cut out of them.
//!
//! Owns the rules of a visit: in which order half packets, fresh bytes and packets
//! left over are handled, how much one connection may do before another's turn,
//! and when reading is held. Pure. Read next: `dispatch`.
//!
//! HOT PATH: packets are handled where they were received; only what is left over
//! is copied.

use super::Engine;
use super::assembly::Assembly;
use super::burst::Burst;
use super::connection::{Connection, Held, Origin, Stage};
use super::dispatch::fault;
use super::limits::{ASSEMBLY_FREE, ConnectionPermit, READY_VISITS_PER_TURN};
use super::planted::{Fault as Planted, is_planted};
use crate::ids::{ConnectionId, ShardId};
use crate::peer::{Identity, Peer};
use crate::protocol::{ReasonCode, Split, split};
use crate::time::Timestamp;

/// A connection could not be taken in; its descriptor is to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The broker is stopping.
    Stopping,
}

/// A connection on its way to its home shard, as one owned item; the descriptor
/// travels with it.
#[derive(Debug)]
pub struct Arrival {
    /// Where it came from.
    pub origin: Origin,
    /// What its peer's certificate says.
    pub identity: Option<Box<Identity>>,
    /// CONNECT and whatever else was received.
    pub unread: Vec<u8>,
    /// When it was accepted: the connect deadline counts from here.
    pub accepted_at: Timestamp,
    /// Its place in the count of connections.
    pub permit: ConnectionPermit,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    /// Handled: go on with the next.
    Continue,
    /// Not handled: it has to wait, for what the connection's `held` tells.
    Wait,
    /// Handled in part: the connection's next visit goes on with it.
    Unfinished,
    /// The connection is closing: nothing after it counts.
    Stop,
    /// Not handled: the connection leaves for this shard.
    Leave(ShardId),
}

/// A packet ends the connection with this reason.
pub(super) type Fault = ReasonCode;

/// What one connection may still do in this visit.
#[derive(Debug)]
pub(super) struct Visit {
    packets: usize,
    /// Deliveries that its packets have caused.
    spent: usize,
    /// How many these may be.
    deliveries: usize,
}

impl Visit {
    fn new(packets: usize, deliveries: usize) -> Self {
        Self {
            packets,
            spent: 0,
            deliveries,
        }
    }

    /// Counts deliveries that a packet caused.
    pub(super) fn spend(&mut self, deliveries: usize) {
        self.spent += deliveries;
    }

    /// Whether the deliveries are used up.
    pub(super) fn is_spent(&self) -> bool {
        self.spent >= self.deliveries
    }

    fn is_over(&self) -> bool {
        self.packets == 0 || self.is_spent()
    }
}

impl Engine {
    /// A connection was accepted.
    ///
    /// # Errors
    /// When the broker is stopping.
    pub fn handle_accepted(
        &mut self,
        origin: Origin,
        permit: ConnectionPermit,
        now: Timestamp,
    ) -> Result<ConnectionId, Refused> {
        if self.stopping {
            return Err(Refused::Stopping);
        }
        Ok(self.admit(origin, permit, now, now))
    }

    /// A connection came over from the shard that accepted it.
    pub fn handle_adopted(&mut self, arrival: Arrival, now: Timestamp) -> ConnectionId {
        let Arrival {
            origin,
            identity,
            unread,
            accepted_at,
            permit,
        } = arrival;
        let id = self.admit(origin, permit, accepted_at, now);
        if let Some(connection) = self.clients.open_connection(id) {
            connection.rate_checked = true;
        }
        self.handle_established(id, None, identity);
        self.handle_bytes(id, &unread, now);
        id
    }

    /// What lies between the socket and MQTT has told who the peer is: its address
    /// behind a trusted proxy, its certificate. Before the first byte of CONNECT.
    pub fn handle_established(
        &mut self,
        id: ConnectionId,
        peer: Option<Peer>,
        identity: Option<Box<Identity>>,
    ) {
        if let Some(connection) = self.clients.open_connection(id) {
            connection.origin.peer = peer.unwrap_or(connection.origin.peer);
            if identity.is_some() {
                connection.identity = identity;
            }
        }
    }

    fn admit(
        &mut self,
        origin: Origin,
        permit: ConnectionPermit,
        accepted_at: Timestamp,
        now: Timestamp,
    ) -> ConnectionId {
        let connection = Connection::new(origin, permit, accepted_at);
        let (slot, generation) = self.clients.connections.insert(connection);
        let id = ConnectionId { slot, generation };
        self.arm_connection(
            id,
            accepted_at.plus_seconds(self.limits.connect_timeout),
            now,
        );
        id
    }

    /// Bytes arrived. All of them are handled or copied; afterwards
    /// [`Engine::wants_read`] tells whether more may be received. The bytes of one
    /// receive may come in several calls.
    pub fn handle_bytes(&mut self, id: ConnectionId, bytes: &[u8], now: Timestamp) {
        let Some(connection) = self.clients.open_connection(id) else {
            // It may be leaving for its home: what was received with its CONNECT, and
            // cut by a transport, travels with it.
            let mut leaving = self.handoffs.iter_mut().rev();
            if let Some((_, _, unread)) = leaving.find(|(leaving, ..)| *leaving == id) {
                unread.extend_from_slice(bytes);
            }
            return;
        };
        if connection.held.any() {
            // The receive that was under way when reading was held brings one
            // buffer at most, in however many pieces.
            let assembly = connection.assembly.get_or_insert_default();
            let before = assembly.footprint();
            assembly.push(bytes);
            self.clients.assembly_total += assembly.footprint() - before;
            return;
        }
        self.visit(id, bytes, now);
    }

    /// Begins a new pass and goes on with what is left over: items of other shards,
    /// chores, packets of connections. They share one budget, and take turns in having
    /// the first go at it. True when there is more.
    pub fn handle_ready(&mut self, now: Timestamp) -> bool {
        self.end_gone_inboxes(now);
        self.work = 0;
        self.clients.flush_due = false;
        self.first_kind = (self.first_kind + 1) % 3;
        for place in 0..3 {
            match (self.first_kind + place) % 3 {
                0 => self.handle_left_items(now),
                1 => {
                    self.do_chores(now);
                    self.pump_local_replays(now);
                }
                _ => self.visit_ready(now),
            }
        }
        let more = self.has_left_items()
            || self.has_chores()
            || self.has_inbox_work()
            || !self.clients.ready.is_empty()
            || self.clients.may_feed_starved();
        // What comes in until the next call has a budget of its own.
        self.work = 0;
        more
    }

    /// Whether this pass has budget for more of anything, and nothing gains by being
    /// sent first. Fresh input that finds none is to wait until the outputs were carried
    /// out.
    #[must_use]
    pub fn has_budget(&self) -> bool {
        self.work < self.limits.deliveries_per_pass && !self.clients.flush_due
    }

    /// One visit for each of the first connections on the list, while the budget lasts.
    fn visit_ready(&mut self, now: Timestamp) {
        for _ in 0..self.clients.starved.len().min(READY_VISITS_PER_TURN) {
            let Some(id) = self.clients.next_starved() else {
                break;
            };
            let connection = self.clients.open_connection(id);
            if let Some(session) = connection.and_then(|connection| connection.session()) {
                self.pump_session(id, session, now);
            }
        }
        for _ in 0..self.clients.ready.len().min(READY_VISITS_PER_TURN) {
            if !self.has_budget() {
                break;
            }
            let Some(id) = self.clients.ready.pop_front() else {
                break;
            };
            if let Some(connection) = self.clients.open_connection(id) {
                connection.held.by_budget = false;
                let held = connection.held.any();
                let session = connection.session();
                // Its packets first: a long queue fills the out-buffer again and
                // again, and an UNSUBSCRIBE or PINGREQ would never find room.
                if !held {
                    self.visit(id, &[], now);
                }
                // What the client is owed does not wait for what it sends.
                if let Some(session) = session {
                    self.pump_session(id, session, now);
                }
            }
        }
    }

    /// Puts a connection on the ready list.
    pub(super) fn make_ready(&mut self, id: ConnectionId) {
        if let Some(connection) = self.clients.open_connection(id)
            && !connection.held.by_budget
        {
            connection.held.by_budget = true;
            self.clients.ready.push_back(id);
        }
    }

    /// Handles packets of one connection until its input, its budget, or somebody's
    /// patience ends.
    fn visit(&mut self, id: ConnectionId, fresh: &[u8], now: Timestamp) {
        let Some(connection) = self.clients.open_connection(id) else {
            return;
        };
        let mut assembly = connection.assembly.take();
        let mut input = fresh;
        let mut visit = Visit::new(self.packets_per_visit, self.limits.deliveries_per_visit);
        let mut flow = Flow::Continue;
        if let Some(assembly) = &mut assembly {
            self.clients.assembly_total -= assembly.footprint();
            flow = self.visit_assembly(id, assembly, &mut input, &mut visit, now);
        }
        if flow == Flow::Continue && !visit.is_over() {
            let (after, used) = self.visit_bytes(id, input, &mut visit, now);
            flow = after;
            input = &input[used..];
        }
        self.work += visit.spent;
        if visit.packets < self.packets_per_visit
            && let Some(connection) = self.clients.open_connection(id)
            && connection.session().is_some()
        {
            // Whole packets are signs of life, half ones are not [MQTT-3.1.2-22].
            connection.last_seen = now;
        }
        match flow {
            Flow::Stop => {}
            Flow::Leave(shard) => self.leave(id, shard, assembly, input),
            Flow::Continue | Flow::Wait | Flow::Unfinished => {
                self.keep_rest(id, assembly, input, now);
                if flow == Flow::Unfinished || flow == Flow::Continue && visit.is_over() {
                    self.make_ready(id);
                }
                self.update_reading(id);
            }
        }
    }

    /// Completes the half packet in the assembly buffer with fresh bytes, and
    /// handles whatever is whole in it.
    fn visit_assembly(
        &mut self,
        id: ConnectionId,
        assembly: &mut Assembly,
        input: &mut &[u8],
        visit: &mut Visit,
        now: Timestamp,
    ) -> Flow {
        while !assembly.is_empty() {
            let (flow, used) = self.visit_bytes(id, assembly.bytes(), visit, now);
            assembly.consume(used);
            if flow != Flow::Continue || visit.is_over() || assembly.is_empty() {
                return flow;
            }
            // What is left is half a packet: as much is added as completes it.
            let missing = match split(assembly.bytes(), u32::MAX) {
                Ok(Split::Incomplete { size: Some(size) }) => size - assembly.len(),
                _ => 1,
            };
            let (more, rest) = input.split_at(missing.min(input.len()));
            if more.is_empty() {
                return Flow::Continue;
            }
            assembly.push(more);
            *input = rest;
        }
        Flow::Continue
    }

    /// Handles whole packets at the front of `bytes`; tells how many bytes they took.
    fn visit_bytes(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        visit: &mut Visit,
        now: Timestamp,
    ) -> (Flow, usize) {
        let mut burst = Burst::default();
        let mut used = 0;
        let outcome = self.visit_packets(id, bytes, &mut used, &mut burst, visit, now);
        self.deliver_burst(&mut burst, now);
        let flow = outcome.unwrap_or_else(|reason| {
            self.fault(id, reason, now);
            Flow::Stop
        });
        (flow, used)
    }

    fn visit_packets<'a>(
        &mut self,
        id: ConnectionId,
        bytes: &'a [u8],
        used: &mut usize,
        burst: &mut Burst<'a>,
        visit: &mut Visit,
        now: Timestamp,
    ) -> Result<Flow, Fault> {
        while *used < bytes.len() && !visit.is_over() {
            let Some(connection) = self.clients.open_connection(id) else {
                return Ok(Flow::Stop);
            };
            let next = split(&bytes[*used..], connection.input_bound).map_err(fault)?;
            let Split::Complete { frame, size } = next else {
                break;
            };
            visit.packets -= 1;
            match self.packet(id, frame, burst, visit, now)? {
                Flow::Continue => *used += size,
                flow @ (Flow::Wait | Flow::Unfinished | Flow::Stop | Flow::Leave(_)) => {
                    return Ok(flow);
                }
            }
        }
        Ok(Flow::Continue)
    }

    /// Sends the connection to its home shard with everything unread.
    fn leave(
        &mut self,
        id: ConnectionId,
        shard: ShardId,
        assembly: Option<Box<Assembly>>,
        input: &[u8],
    ) {
        let mut unread = assembly.map_or_else(Vec::new, |assembly| assembly.bytes().to_vec());
        unread.extend_from_slice(input);
        if is_planted(Planted::CutOnHandoff) {
            unread.pop();
        }
        if let Some(connection) = self.clients.open_connection(id) {
            connection.stage = Stage::Closing;
            connection.reading_paused = true;
            self.handoffs.push_back((id, shard, unread));
        }
    }

    /// Keeps what was not handled, within the shard's total.
    fn keep_rest(
        &mut self,
        id: ConnectionId,
        assembly: Option<Box<Assembly>>,
        input: &[u8],
        now: Timestamp,
    ) {
        let mut rest = assembly.filter(|assembly| !assembly.is_empty());
        if !input.is_empty() {
            match &mut rest {
                Some(assembly) => assembly.push(input),
                None => rest = Some(Box::new(Assembly::of(input))),
            }
        }
        let Some(mut assembly) = rest else { return };
        assembly.trim();
        let footprint = assembly.footprint();
        let over = self.clients.assembly_total + footprint > self.limits.shard_assembly_bytes;
        if over && footprint > ASSEMBLY_FREE {
            self.fault(id, ReasonCode::QuotaExceeded, now);
        } else if let Some(connection) = self.clients.open_connection(id) {
            connection.assembly = Some(assembly);
            self.clients.assembly_total += footprint;
        }
    }

    /// Holds reading for a reason.
    pub(super) fn hold(&mut self, id: ConnectionId, reason: impl FnOnce(&mut Held)) {
        if let Some(connection) = self.clients.open_connection(id) {
            reason(&mut connection.held);
        }
    }

    /// Tells the shard of a connection that may be read from again.
    pub(super) fn update_reading(&mut self, id: ConnectionId) {
        let Some(connection) = self.clients.open_connection(id) else {
            return;
        };
        let pause = connection.held.any();
        if connection.reading_paused && !pause {
            self.clients.resumed.push(id);
        }
        if let Some(connection) = self.clients.open_connection(id) {
            connection.reading_paused = pause;
        }
    }

    /// May a receive be armed for this connection?
    #[must_use]
    pub fn wants_read(&self, id: ConnectionId) -> bool {
        self.clients
            .connections
            .get(id.slot, id.generation)
            .is_some_and(|connection| !connection.reading_paused)
    }
}

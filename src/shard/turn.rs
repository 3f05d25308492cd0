//! HOT PATH: the shard's turn: gather inputs, let the engine think, flush once.
//!
//! Owns the engine and everything it is driven with. Lives on its shard as the
//! one task that touches connections. A turn takes completions of the network
//! ring, items of the mesh and commands, hands them to the engine, and carries
//! its outputs out in this order: peer batches, dirty outboxes, hand-offs,
//! closes, deadline. With nothing to do it waits for a moment in the network ring,
//! then parks in glommio. Never wakes itself in a loop, and gives way from time to
//! time: it asks to come back once glommio has looked at everything else.
//!
//! Read next: `flush` and `close` (the other halves of this type), `ring`.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tracing::info;

use super::clock::Clock;
use super::command::Command;
use super::connection::{
    BROKEN, CLOSING, ENDED, POLLING, QUEUED, RECEIVING, STARVED, Table, WRAPPED,
};
use super::doorbell::{Doorbell, Wakeup};
use super::handoff::{Handoff, depart};
use super::listener::{Accepted, Listeners, Shortage};
use super::mesh::{LaneItem, Mesh};
use super::origin::peer_of;
use super::parked::Place;
use super::ring::{Completion, Operation, Ring};
use super::stop::Stopping;
use super::timer::Alarm;
use super::unwrap::Handshakes;
use super::wrap::{Wrapped, Wraps};
use crate::engine::{Engine, LostCause, Origin};
use crate::hooks::Inquiry;
use crate::ids::{ConnectionId, ShardId};
use crate::time::Timestamp;

/// How long a turn takes inputs before it flushes.
const BUDGET: Duration = Duration::from_micros(500);

/// How long the turn goes on, waiting included, before it gives way to the rest of
/// the shard. All that waits there are timers for which the turn itself looks out,
/// and each look at them costs 10 us or more.
const STAY: Duration = Duration::from_millis(5);

/// How long a shard with nothing to do waits in its own ring before it parks in
/// glommio. Waking it from there costs an epoll's wake-up, from glommio's sleep 20 us more.
const DOZE: Duration = Duration::from_millis(1);

/// Completions between two looks at the clock; each carries at most one buffer.
const COMPLETIONS_PER_LOOK: usize = 16;

/// What the driver of a shard counts; the engine counts what is MQTT's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Turns taken.
    pub turns: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections closed at once because the limit was reached.
    pub over_limit: u64,
    /// How often accepting paused for want of descriptors or memory.
    pub accept_pauses: u64,
    /// Receives that brought bytes.
    pub receives: u64,
    /// Receives that found no buffer and had to wait for one.
    pub receive_starved: u64,
    /// Sends made one by one.
    pub sends_single: u64,
    /// Sends made in batches through the ring.
    pub sends_batched: u64,
    /// Sends that found a socket full.
    pub sends_blocked: u64,
    /// Connections that ended because TLS, WebSocket or a PROXY header was wrong.
    pub transport_errors: u64,
    /// Connections closed at once because they came from no trusted proxy.
    pub untrusted: u64,
    /// Connections handed to another shard.
    pub handoffs_out: u64,
    /// Connections taken over from another shard.
    pub handoffs_in: u64,
    /// How often the network ring's completion queue overflowed.
    pub ring_overflows: u64,
}

/// One shard's engine and its drive.
pub(crate) struct Turn {
    pub(super) shard: ShardId,
    pub(super) engine: Engine,
    pub(super) ring: Ring,
    pub(super) table: Table,
    pub(super) wraps: Wraps,
    pub(super) handshakes: Handshakes,
    /// What a receive held, unwrapped; empty between two receives.
    pub(super) plain: Vec<u8>,
    pub(super) listeners: Listeners,
    pub(super) mesh: Mesh,
    pub(super) commands: flume::Receiver<Command>,
    /// Where the engine's questions go.
    pub(super) questions: flume::Sender<Inquiry>,
    pub(super) stopping: Stopping,
    pub(super) counters: Counters,
    /// Connections to be flushed, each at most once.
    pub(super) dirty: Vec<ConnectionId>,
    /// The list of the flush under way, kept for its capacity.
    pub(super) flushing: Vec<ConnectionId>,
    /// The sends of the batch under way: whose, and how many bytes.
    pub(super) batch: Vec<(ConnectionId, usize)>,
    /// Closing connections whose outbox still drains, by deadline.
    pub(super) lingering: VecDeque<(Timestamp, ConnectionId)>,
    /// Closing connections whose peer is to end its side, too, by deadline.
    pub(super) parting: VecDeque<(Timestamp, ConnectionId)>,
    /// The engine received an input while its outputs were carried out.
    pub(super) fed: bool,
    /// Connections that wait for a receive buffer, first come first served.
    starved: VecDeque<ConnectionId>,
    clock: Clock,
    alarm: Alarm,
    wakeup: Rc<Wakeup>,
    doorbell: Arc<Doorbell>,
}

/// What a turn is built from.
pub(crate) struct Parts {
    pub(crate) shard: ShardId,
    /// Bytes on the wires of transports before they are used sparingly.
    pub(crate) wire_bound: usize,
    pub(crate) engine: Engine,
    pub(crate) ring: Ring,
    pub(crate) mesh: Mesh,
    pub(crate) commands: flume::Receiver<Command>,
    pub(crate) questions: flume::Sender<Inquiry>,
    pub(crate) shortage: Arc<Shortage>,
    pub(crate) clock: Clock,
    pub(crate) wakeup: Rc<Wakeup>,
    pub(crate) doorbell: Arc<Doorbell>,
}

impl Turn {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            shard: parts.shard,
            engine: parts.engine,
            ring: parts.ring,
            table: Table::default(),
            wraps: Wraps::new(parts.wire_bound),
            handshakes: Handshakes::default(),
            plain: Vec::new(),
            listeners: Listeners::new(parts.shard, parts.shortage),
            mesh: parts.mesh,
            commands: parts.commands,
            questions: parts.questions,
            stopping: Stopping::default(),
            counters: Counters::default(),
            dirty: Vec::new(),
            flushing: Vec::new(),
            batch: Vec::new(),
            lingering: VecDeque::new(),
            parting: VecDeque::new(),
            fed: false,
            starved: VecDeque::new(),
            clock: parts.clock,
            alarm: Alarm::new(parts.clock),
            wakeup: parts.wakeup,
            doorbell: parts.doorbell,
        }
    }

    /// Works until there is nothing to do or the budget is used up. Ready only
    /// when the shard was told to exit.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.wakeup.watch(context.waker());
        self.doorbell.unpark();
        self.ring.hold_wakeups();
        let started = Instant::now();
        loop {
            self.counters.turns += 1;
            let (more, now) = self.pass();
            if self.stopping.exit {
                return Poll::Ready(());
            }
            if more {
                self.ring.submit();
            } else if !self.doze() && self.may_park() {
                self.alarm.set(self.next_deadline(), now, context);
                return Poll::Pending;
            }
            if started.elapsed() > STAY {
                self.ring.submit();
                self.alarm.set(self.next_deadline(), now, context);
                self.doorbell.come_back();
                return Poll::Pending;
            }
        }
    }

    /// Hands everything to the kernel and waits a little for inputs. True when there
    /// is something to do.
    fn doze(&mut self) -> bool {
        let deadline = self.next_deadline();
        let at_most = deadline.map_or(DOZE, |at| self.clock.until(at).min(DOZE));
        self.doorbell.park(Place::Ring);
        if self.mesh.is_idle() {
            self.ring.wait(at_most);
        }
        self.doorbell.unpark();
        self.ring.has_work()
            || !self.mesh.is_idle()
            || deadline.is_some_and(|at| at <= self.clock.now())
    }

    /// Lets everyone wake the shard and looks once more whether anything came in
    /// the meantime; then it stays awake.
    fn may_park(&mut self) -> bool {
        self.ring.allow_wakeups();
        self.doorbell.park(Place::Glommio);
        let idle = !self.ring.has_work() && self.mesh.is_idle();
        if !idle {
            self.doorbell.unpark();
            self.ring.hold_wakeups();
        }
        idle
    }

    /// Inputs, then outputs. True when more work is known.
    fn pass(&mut self) -> (bool, Timestamp) {
        let now = self.clock.now();
        let started = Instant::now();
        let mut more = self.gather(started, now);
        more |= self.go_on_with_handshake(now);
        more |= self.take_peers(started, now);
        if self.engine.next_deadline().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
        }
        more |= self.engine.handle_ready(now);
        self.fed = false;
        self.carry_out(now);
        (more | self.fed, now)
    }

    /// Takes completions until there are none or the budget is used up.
    fn gather(&mut self, started: Instant, now: Timestamp) -> bool {
        loop {
            for _ in 0..COMPLETIONS_PER_LOOK {
                let Some(completion) = self.ring.next_completion() else {
                    if self.ring.has_deferred() {
                        // Runs the kernel's deferred work, and arms what was
                        // re-armed since.
                        self.ring.submit();
                        continue;
                    }
                    return false;
                };
                self.handle(completion, now);
                if !self.engine.has_budget() {
                    return true;
                }
            }
            if started.elapsed() > BUDGET {
                return true;
            }
        }
    }

    fn handle(&mut self, completion: Completion, now: Timestamp) {
        match completion.operation() {
            Operation::Receive => self.handle_received(completion, now),
            Operation::Accept => self.handle_accepted(completion, now),
            Operation::Writable => self.handle_writable(completion.connection(), now),
            Operation::Doorbell => {
                if !completion.more() {
                    self.ring.arm_doorbell(self.doorbell.in_ring());
                }
                self.take_commands(now);
            }
            Operation::Hangup => self.handle_hangup(completion, now),
            // Sends are answered within the flush; cancels say nothing.
            Operation::Send | Operation::Cancel => {}
        }
    }

    fn handle_received(&mut self, completion: Completion, now: Timestamp) {
        let id = completion.connection();
        let buffer = self.ring.take_buffer(completion);
        let Some(connection) = self.table.get_mut(id) else {
            // The connection is gone; the buffer is not.
            if let Some(buffer) = buffer {
                self.ring.buffers().give_back(buffer);
            }
            return;
        };
        connection.clear(RECEIVING);
        let closing = connection.has(CLOSING | BROKEN);
        let result = completion.result;
        let len = usize::try_from(result).unwrap_or(0);
        let wrapped = connection.has(WRAPPED);
        if let Some(mut buffer) = buffer {
            if len > 0 && !closing {
                self.counters.receives += 1;
                if wrapped {
                    self.receive_wrapped(id, &mut buffer, len, now);
                } else {
                    self.engine
                        .handle_bytes(id, self.ring.buffers().bytes(&buffer, len), now);
                }
            }
            self.ring.buffers().give_back(buffer);
        }
        if closing {
            self.received_while_closing(id, result);
            return;
        }
        match -result {
            ..0 => self.read(id, !completion.socket_nonempty()),
            0 => {
                if let Some(connection) = self.table.get_mut(id) {
                    connection.set(ENDED);
                }
                self.engine.handle_lost(id, LostCause::EndOfStream, now);
            }
            libc::ENOBUFS => self.starve(id),
            libc::EAGAIN | libc::EINTR | libc::ECANCELED => self.read(id, true),
            errno => self.broken(id, errno, now),
        }
    }

    /// Arms a receive, unless the engine wants no bytes now. Pausing a
    /// publisher is not coming here.
    pub(super) fn read(&mut self, id: ConnectionId, probably_empty: bool) {
        if !self.may_receive(id) {
            self.watch(id);
            return;
        }
        if self.starved.is_empty() {
            self.arm(id, probably_empty);
        } else {
            // Whoever was just served would have the buffers again and again.
            self.queue_for_buffer(id);
        }
    }

    fn may_receive(&self, id: ConnectionId) -> bool {
        let busy = RECEIVING | STARVED | CLOSING | BROKEN | QUEUED;
        let connection = self.table.get(id);
        self.engine.wants_read(id) && connection.is_some_and(|connection| !connection.has(busy))
    }

    fn arm(&mut self, id: ConnectionId, probably_empty: bool) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.set(RECEIVING);
            self.ring
                .arm_receive(id, &connection.socket, probably_empty);
        }
    }

    fn starve(&mut self, id: ConnectionId) {
        self.counters.receive_starved += 1;
        self.queue_for_buffer(id);
    }

    fn queue_for_buffer(&mut self, id: ConnectionId) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.set(STARVED);
            self.starved.push_back(id);
        }
    }

    /// Lets starved connections receive, as many as there are buffers.
    fn feed_starved(&mut self) {
        if self.starved.is_empty() {
            return;
        }
        self.ring.buffers().grow();
        // All buffers are provided but for those of completions that were not
        // looked at yet; who finds none waits again.
        for _ in 0..self.ring.buffers().provided() {
            let Some(id) = self.starved.pop_front() else {
                break;
            };
            if let Some(connection) = self.table.get_mut(id) {
                connection.clear(STARVED);
                if self.may_receive(id) {
                    self.arm(id, false);
                }
            }
        }
        // Those that were armed may have nothing to receive, and the others much.
        self.fed |= !self.starved.is_empty();
    }

    fn handle_accepted(&mut self, completion: Completion, now: Timestamp) {
        let Accepted::Connection { socket, listener } = self.listeners.handle(completion, now)
        else {
            return;
        };
        self.counters.accepted += 1;
        let Some(door) = self.listeners.door(listener) else {
            return;
        };
        let Some(permit) = door.connections.try_acquire() else {
            self.listeners.count_over_limit(now);
            return;
        };
        // Without an address the peer is gone already.
        let Some(peer) = peer_of(&socket) else {
            return;
        };
        let transport = match door.acceptor.as_ref().map(|own| own.accept(peer)) {
            None => None,
            Some(Ok(transport)) => Some(Box::new(Wrapped::new(transport))),
            Some(Err(error)) => {
                self.counters.untrusted += 1;
                info!(shard = %self.shard, %peer, %error, "connection refused");
                return;
            }
        };
        let origin = Origin { peer, listener };
        if let Ok(id) = self.engine.handle_accepted(origin, permit, now) {
            self.table.insert(id, socket);
            if let Some(transport) = transport {
                self.wrap(id, transport);
            }
            self.read(id, false);
        }
    }

    fn handle_writable(&mut self, id: ConnectionId, now: Timestamp) {
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        connection.clear(POLLING);
        if connection.has(CLOSING) {
            self.continue_close(id, now);
        } else {
            self.dirty.push(id);
        }
    }

    /// The socket failed: the engine learns it, nothing more is written.
    pub(super) fn broken(&mut self, id: ConnectionId, errno: i32, now: Timestamp) {
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        let told = connection.has(BROKEN | CLOSING);
        connection.set(BROKEN);
        if !told {
            self.engine.handle_lost(id, LostCause::Io(errno), now);
            self.fed = true;
        }
    }

    /// Takes what peers sent until there is nothing or the budget is used up.
    fn take_peers(&mut self, started: Instant, now: Timestamp) -> bool {
        while let Some((from, item)) = self.mesh.next() {
            match item {
                LaneItem::Batch(batch) => self.engine.handle_peer(from, batch, now),
                LaneItem::Handoff(handoff) => self.adopt(*handoff, now),
            }
            if started.elapsed() > BUDGET || !self.engine.has_budget() {
                return !self.mesh.is_idle();
            }
        }
        false
    }

    fn adopt(&mut self, handoff: Handoff, now: Timestamp) {
        self.counters.handoffs_in += 1;
        let id = self.engine.handle_adopted(handoff.arrival, now);
        self.table.insert(id, handoff.socket);
        if let Some(wrapped) = handoff.wrapped {
            self.wrap(id, wrapped);
        }
        self.read(id, true);
    }

    /// Carries out what the engine decided.
    fn carry_out(&mut self, now: Timestamp) {
        while let Some((to, batch)) = self.engine.next_peer_batch() {
            self.mesh.send(to, LaneItem::Batch(batch));
        }
        // Peers begin with their part while this shard flushes.
        self.mesh.wake_peers();
        self.flush(now);
        self.ask_workers(now);
        while let Some((id, to, arrival)) = self.engine.next_handoff() {
            let wrapped = self.unwrap(id);
            if let Some(handoff) = depart(id, arrival, wrapped, &mut self.table, &mut self.ring) {
                self.counters.handoffs_out += 1;
                self.mesh.send(to, LaneItem::Handoff(Box::new(handoff)));
            }
            self.engine.release(id);
        }
        self.mesh.wake_peers();
        while let Some(id) = self.engine.next_close() {
            self.begin_close(id, now);
        }
        self.end_lingering(now);
        while let Some(id) = self.engine.next_resumed() {
            self.resume(id, now);
        }
        self.feed_starved();
        self.listeners.rearm(now, &mut self.ring);
        self.go_on_stopping(now);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let lingering = self.lingering.front().map(|(at, _)| *at);
        let parting = self.parting.front().map(|(at, _)| *at);
        [
            self.engine.next_deadline(),
            lingering,
            parting,
            self.listeners.next_deadline(),
            self.stopping.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// What was counted so far.
    pub(super) fn counters(&self) -> Counters {
        let (accept_pauses, over_limit) = self.listeners.counts();
        let ring_overflows = self.ring.overflows();
        Counters {
            accept_pauses,
            over_limit,
            ring_overflows,
            ..self.counters
        }
    }

    /// Ends the turn for good, and with it the task that listens for the doorbell.
    pub(crate) fn end(self) {
        self.wakeup.close();
        self.doorbell.come_back();
    }
}

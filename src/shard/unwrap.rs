//! HOT PATH: what arrives on connections that are not plain TCP.
//!
//! The unwrapping part of [`Turn`], on its shard: decrypt, unmask, hand MQTT to the
//! engine. TLS handshakes wait in a line of their own, of which a pass takes one, so
//! that however many clients arrive nobody waits longer than for one handshake's
//! arithmetic. Never sends: what a transport owes its peer leaves with the flush.

use std::collections::VecDeque;

use tracing::debug;

use super::buffer_pool::Buffer;
use super::connection::{BROKEN, CLOSING, FINISHED, QUEUED, WRAPPED};
use super::turn::Turn;
use super::wrap::Wrapped;
use crate::engine::LostCause;
use crate::ids::ConnectionId;
use crate::peer::Peer;
use crate::time::Timestamp;
use crate::transport::{Incoming, Transport, TransportError};

/// Bytes of handshakes that wait for their turn, on one shard: ten thousand usual
/// ones. Beyond it handshakes are gone on with where they arrive, so that a flood
/// costs time but no memory.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// Bytes of the buffer for unwrapped bytes that are kept: a receive and what a record
/// had left before it.
const PLAIN_BYTES_KEPT: usize = 2 * super::buffer_pool::BUFFER_BYTES as usize;

/// TLS handshakes that have arrived and wait for their turn, first come first served.
#[derive(Default)]
pub(super) struct Handshakes {
    line: VecDeque<ConnectionId>,
    bytes: usize,
}

impl Turn {
    /// A connection has a transport from here on.
    pub(super) fn wrap(&mut self, id: ConnectionId, wrapped: Box<Wrapped>) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.set(WRAPPED);
            if wrapped.has_output() {
                self.dirty.push(id);
            }
            self.wraps.insert(id.slot, wrapped);
        }
    }

    /// Takes the first `len` bytes of a buffer for a connection with a transport.
    pub(super) fn receive_wrapped(
        &mut self,
        id: ConnectionId,
        buffer: &mut Buffer,
        len: usize,
        now: Timestamp,
    ) {
        let Some(wrapped) = self.wraps.get_mut(id.slot) else {
            return;
        };
        let bytes = self.ring.buffers().bytes_mut(buffer, len);
        if wrapped.transport.is_handshaking()
            && self.handshakes.bytes + bytes.len() <= WAITING_BYTES_MAX
            && let Some(connection) = self.table.get_mut(id)
        {
            wrapped.waiting.extend_from_slice(bytes);
            self.handshakes.bytes += bytes.len();
            self.handshakes.line.push_back(id);
            connection.set(QUEUED);
            return;
        }
        let (plain, engine) = (&mut self.plain, &mut self.engine);
        let result = receive(&mut wrapped.transport, plain, engine, id, bytes, now);
        self.received_wrapped(id, result, now);
    }

    /// Goes on with the handshake that has waited longest. True when there are more.
    pub(super) fn go_on_with_handshake(&mut self, now: Timestamp) -> bool {
        while let Some(id) = self.handshakes.line.pop_front() {
            let Some(connection) = self.table.get_mut(id) else {
                continue;
            };
            connection.clear(QUEUED);
            let over = connection.has(CLOSING | BROKEN);
            let Some(wrapped) = self.wraps.get_mut(id.slot) else {
                continue;
            };
            let mut bytes = std::mem::take(&mut wrapped.waiting);
            self.handshakes.bytes -= bytes.len();
            if over {
                continue;
            }
            let (plain, engine) = (&mut self.plain, &mut self.engine);
            let result = receive(&mut wrapped.transport, plain, engine, id, &mut bytes, now);
            self.received_wrapped(id, result, now);
            self.read(id, false);
            break;
        }
        !self.handshakes.line.is_empty()
    }

    /// The engine wants bytes of a connection again: they are received, unless its
    /// transport has ended meanwhile.
    pub(super) fn resume(&mut self, id: ConnectionId, now: Timestamp) {
        if self.table.get(id).is_some_and(|c| c.has(FINISHED)) {
            self.engine.handle_lost(id, LostCause::EndOfStream, now);
            self.fed = true;
        } else {
            self.read(id, false);
        }
    }

    /// A connection that is going takes its waiting bytes out of the count.
    pub(super) fn unwrap(&mut self, id: ConnectionId) -> Option<Box<Wrapped>> {
        let wrapped = self.wraps.remove(id.slot)?;
        self.handshakes.bytes -= wrapped.waiting.len();
        Some(wrapped)
    }

    fn received_wrapped(
        &mut self,
        id: ConnectionId,
        result: Result<(), TransportError>,
        now: Timestamp,
    ) {
        if let Err(error) = result {
            let cause = if error.is_orderly() {
                // The end came with bytes that the engine has not all handled yet.
                if !self.engine.wants_read(id)
                    && let Some(connection) = self.table.get_mut(id)
                {
                    connection.set(FINISHED);
                    return;
                }
                LostCause::EndOfStream
            } else {
                self.counters.transport_errors += 1;
                if let Some(origin) = self.engine.origin(id) {
                    debug!(peer = %origin.peer, listener = origin.listener, %error, "transport failed");
                }
                LostCause::Transport
            };
            // What the peer is owed leaves when the engine closes the connection.
            self.engine.handle_lost(id, cause, now);
            return;
        }
        let Some(wrapped) = self.wraps.get_mut(id.slot) else {
            return;
        };
        if wrapped.has_output() {
            self.dirty.push(id);
        } else if wrapped.is_spent()
            && let Some(connection) = self.table.get_mut(id)
        {
            // A PROXY header and nothing else: plain TCP from here on.
            connection.clear(WRAPPED);
            self.wraps.remove(id.slot);
        }
    }
}

/// Unwraps bytes and hands what they hold to the engine, in one piece: what comes
/// together is handled together, however many frames and records it came in, and one
/// visit's budget bounds it.
fn receive(
    transport: &mut Transport,
    plain: &mut Vec<u8>,
    engine: &mut crate::engine::Engine,
    id: ConnectionId,
    bytes: &mut [u8],
    now: Timestamp,
) -> Result<(), TransportError> {
    let result = transport.receive(bytes, &mut |incoming| match incoming {
        Incoming::Established(facts) => {
            engine.handle_established(id, facts.peer.map(Peer::from), facts.identity);
        }
        Incoming::Bytes(bytes) => plain.extend_from_slice(bytes),
    });
    if !plain.is_empty() {
        engine.handle_bytes(id, plain, now);
        plain.clear();
        plain.shrink_to(PLAIN_BYTES_KEPT);
    }
    result
}

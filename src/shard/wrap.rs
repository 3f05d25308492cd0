//! HOT PATH: what lies between a socket and MQTT where it is not plain TCP.
//!
//! Owns the transports of this shard's connections and the wire bytes that their
//! sockets have not taken yet. Lives on its shard, beside the descriptor table: a
//! plain connection has no entry here and pays one bit of its flags. Never
//! interprets MQTT, never touches a socket.

use std::mem;

use crate::engine::Outbox;
use crate::transport::{CloseReason, Transport};

/// Bytes of MQTT that are wrapped at once, and so about the most that waits on the
/// wire of one connection: large, because a frame and a record cost their own.
const CHUNK: usize = 64 * 1024;

/// The same once the wires of a shard hold as much as its out-buffers may: enough
/// to go on, little enough for all slow readers together.
const SMALL_CHUNK: usize = 4 * 1024;

/// Wire buffers that are kept for reuse, as many as one batch of sends uses.
const SPARES: usize = super::ring::SEND_BATCH;

/// A larger buffer goes back to the allocator.
const SPARE_BYTES: usize = 16 * 1024;

/// One connection's transport.
#[derive(Debug)]
pub(crate) struct Wrapped {
    pub(crate) transport: Transport,
    /// Wrapped bytes, of which the first `sent` are gone.
    wire: Vec<u8>,
    sent: usize,
    /// Part of a TLS handshake that waits for its turn.
    pub(super) waiting: Vec<u8>,
    /// Our goodbye is on the wire; nothing follows it.
    closed: bool,
}

impl Wrapped {
    pub(crate) fn new(transport: Transport) -> Self {
        Self {
            transport,
            wire: Vec::new(),
            sent: 0,
            waiting: Vec::new(),
            closed: false,
        }
    }

    fn unsent(&self) -> usize {
        self.wire.len() - self.sent
    }

    /// Whether there is anything to send apart from what the engine has.
    pub(crate) fn has_output(&self) -> bool {
        self.unsent() > 0 || self.transport.has_output()
    }

    /// Whether the transport has nothing more to do and nothing to send.
    pub(crate) fn is_spent(&self) -> bool {
        self.unsent() == 0 && self.transport.is_transparent()
    }

    /// Whether our goodbye has left.
    fn is_done(&self) -> bool {
        self.closed && self.unsent() == 0
    }
}

/// All transports of one shard, by slot.
#[derive(Default)]
pub(crate) struct Wraps {
    by_slot: Vec<Option<Box<Wrapped>>>,
    spares: Vec<Vec<u8>>,
    /// Bytes on all wires.
    unsent: usize,
    /// From here on connections get small chunks.
    bound: usize,
}

impl Wraps {
    /// No transports; `bound`: bytes on all wires before chunks become small.
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            bound,
            ..Self::default()
        }
    }

    pub(crate) fn insert(&mut self, slot: u32, wrapped: Box<Wrapped>) {
        let slot = slot as usize;
        if slot >= self.by_slot.len() {
            self.by_slot.resize_with(slot + 1, || None);
        }
        self.unsent += wrapped.unsent();
        debug_assert!(self.by_slot[slot].is_none(), "one transport per tenant");
        self.by_slot[slot] = Some(wrapped);
    }

    /// Takes a transport out, which then no longer counts.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Box<Wrapped>> {
        let wrapped = self.by_slot.get_mut(slot as usize)?.take()?;
        self.unsent -= wrapped.unsent();
        Some(wrapped)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Wrapped> {
        self.by_slot.get_mut(slot as usize)?.as_deref_mut()
    }

    /// What is to be sent now. Where the wire is empty the transport's own output is
    /// put on it, then a chunk of the out-buffer; with `closing`, our goodbye after
    /// the last of it. The slice stays where it is until this connection's next call.
    pub(crate) fn load(
        &mut self,
        slot: u32,
        outbox: &mut Outbox,
        closing: Option<CloseReason>,
    ) -> &[u8] {
        let Some(wrapped) = self
            .by_slot
            .get_mut(slot as usize)
            .and_then(Option::as_deref_mut)
        else {
            return &[];
        };
        if wrapped.unsent() > 0 || wrapped.closed {
            return &wrapped.wire[wrapped.sent..];
        }
        if outbox.is_empty() && closing.is_none() && !wrapped.transport.has_output() {
            return &[];
        }
        wrapped.wire = self.spares.pop().unwrap_or_default();
        let chunk = if self.unsent < self.bound {
            CHUNK
        } else {
            SMALL_CHUNK
        };
        let plain = outbox.pending();
        let plain = &plain[..plain.len().min(chunk)];
        if plain.is_empty() {
            wrapped.transport.take_output(&mut wrapped.wire);
        } else {
            // Where nothing can be sent any more nobody misses it.
            let _ = wrapped.transport.send(plain, &mut wrapped.wire);
            let len = plain.len();
            outbox.advance(len);
        }
        if outbox.is_empty()
            && let Some(reason) = closing
        {
            wrapped.transport.close(reason, &mut wrapped.wire);
            wrapped.closed = true;
        }
        self.unsent += wrapped.wire.len();
        &wrapped.wire
    }

    /// The socket took `bytes` of what [`Self::load`] gave; true when that was all.
    pub(crate) fn advance(&mut self, slot: u32, bytes: usize) -> bool {
        let Some(wrapped) = self
            .by_slot
            .get_mut(slot as usize)
            .and_then(Option::as_deref_mut)
        else {
            return true;
        };
        let bytes = bytes.min(wrapped.unsent());
        wrapped.sent += bytes;
        self.unsent -= bytes;
        if wrapped.unsent() > 0 {
            return false;
        }
        wrapped.sent = 0;
        let mut wire = mem::take(&mut wrapped.wire);
        if wire.capacity() <= SPARE_BYTES && self.spares.len() < SPARES {
            wire.clear();
            self.spares.push(wire);
        }
        true
    }

    /// Whether a connection still has something of its own to send.
    pub(crate) fn has_output(&mut self, slot: u32) -> bool {
        self.get_mut(slot)
            .is_some_and(|wrapped| wrapped.has_output())
    }

    /// Whether a closing connection's goodbye has left.
    pub(crate) fn is_done(&mut self, slot: u32) -> bool {
        self.get_mut(slot).is_none_or(|wrapped| wrapped.is_done())
    }
}

//! HOT PATH: the one place where outboxes reach the sockets.
//!
//! The sending half of [`Turn`], on its shard. One send per dirty connection and
//! turn: coalescing decides the cost of a message. From four connections up the
//! sends go through the ring in one call (measured 6-14 % cheaper than send(2);
//! for fewer it is dearer). One of the files with `unsafe`. Never waits for a
//! slow reader: a full socket leaves the flush list until it takes bytes again.

use std::mem;
use std::os::fd::AsFd as _;

use super::connection::{BROKEN, CLOSING, POLLING, SENDING, WRAPPED};
use super::goodbye::goodbye;
use super::ring::SEND_BATCH;
use super::turn::Turn;
use crate::engine::Outbox;
use crate::ids::ConnectionId;
use crate::time::Timestamp;

/// From this many dirty connections up a batch through the ring is cheaper.
const BATCH_FROM: usize = 4;

/// How often a flush goes round within one turn: an outbox of several pieces,
/// or one that was refilled the moment it was empty, gets on without another
/// turn, but does not hold up the inputs for long.
const ROUNDS: usize = 4;

impl Turn {
    /// Sends what outboxes hold, once per connection and round.
    pub(super) fn flush(&mut self, now: Timestamp) {
        self.collect_dirty();
        for _ in 0..ROUNDS {
            if self.dirty.is_empty() {
                return;
            }
            mem::swap(&mut self.dirty, &mut self.flushing);
            let flushing = mem::take(&mut self.flushing);
            for part in flushing.chunks(SEND_BATCH) {
                if part.len() < BATCH_FROM {
                    part.iter().for_each(|id| self.send_single(*id, now));
                } else {
                    self.send_batch(part, now);
                }
            }
            self.flushing = flushing;
            self.flushing.clear();
            self.collect_dirty();
        }
        // The rest is the next turn's.
        self.fed |= !self.dirty.is_empty();
    }

    fn collect_dirty(&mut self) {
        while let Some(id) = self.engine.next_dirty() {
            self.dirty.push(id);
        }
    }

    fn send_batch(&mut self, part: &[ConnectionId], now: Timestamp) {
        let mut batch = mem::take(&mut self.batch);
        for id in part {
            let Some(connection) = self.table.get_mut(*id) else {
                continue;
            };
            // A connection listed twice would send the same bytes twice.
            if connection.has(POLLING | BROKEN | CLOSING | SENDING) {
                continue;
            }
            let Some(outbox) = self.engine.outbox(*id) else {
                continue;
            };
            let (bytes, more) = if connection.has(WRAPPED) {
                (self.wraps.load(id.slot, outbox, None), 0)
            } else {
                (outbox.pending(), more(outbox))
            };
            if bytes.is_empty() {
                continue;
            }
            connection.set(SENDING);
            // SAFETY: nothing touches the outboxes' and the wires' bytes before
            // `finish_sends` below: until then only other connections' `outbox`,
            // `pending` and `load` are called, which move no bytes of this one.
            unsafe {
                self.ring
                    .queue_send(batch.len(), connection.socket.as_fd(), bytes, more)
            };
            batch.push((*id, bytes.len()));
        }
        if !batch.is_empty() {
            self.ring.finish_sends();
        }
        self.counters.sends_batched += batch.len() as u64;
        for (index, (id, len)) in batch.iter().enumerate() {
            self.settle(*id, *len, self.ring.send_result(index), now);
        }
        batch.clear();
        self.batch = batch;
    }

    /// One plain send of what the outbox holds, also for closing connections.
    pub(super) fn send_single(&mut self, id: ConnectionId, now: Timestamp) {
        let Some(connection) = self.table.get(id) else {
            return;
        };
        if connection.has(POLLING | BROKEN) {
            return;
        }
        let closing = connection.has(WRAPPED) && connection.has(CLOSING);
        let goodbye = closing.then(|| goodbye(self.engine.parting(id)));
        let Some(outbox) = self.engine.outbox(id) else {
            return;
        };
        let (bytes, more) = if connection.has(WRAPPED) {
            (self.wraps.load(id.slot, outbox, goodbye), 0)
        } else {
            (outbox.pending(), more(outbox))
        };
        if bytes.is_empty() {
            return;
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | more;
        let outcome = socket2::SockRef::from(&connection.socket).send_with_flags(bytes, flags);
        let len = bytes.len();
        self.counters.sends_single += 1;
        let result = match outcome {
            Ok(sent) => i32::try_from(sent).unwrap_or(i32::MAX),
            Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
        };
        self.settle(id, len, result, now);
    }

    /// Books a send's result: `len` bytes were offered.
    fn settle(&mut self, id: ConnectionId, len: usize, result: i32, now: Timestamp) {
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        connection.clear(SENDING);
        let closing = connection.has(CLOSING);
        let wrapped = connection.has(WRAPPED);
        let Ok(sent) = usize::try_from(result) else {
            match -result {
                libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM => self.block(id),
                libc::EINTR if closing => {}
                libc::EINTR => self.dirty.push(id),
                errno => self.broken(id, errno, now),
            }
            return;
        };
        let Some(outbox) = self.engine.outbox(id) else {
            return;
        };
        let empty = if wrapped {
            self.wraps.advance(id.slot, sent)
                && outbox.is_empty()
                && !self.wraps.has_output(id.slot)
        } else {
            outbox.advance(sent);
            outbox.is_empty()
        };
        if empty {
            if !closing {
                self.engine.handle_flushed(id, now);
                self.fed = true;
            }
        } else if sent < len {
            self.block(id);
        } else if !closing {
            // There are further pieces.
            self.dirty.push(id);
        }
    }

    /// Takes a full socket off the flush list until it takes bytes again.
    fn block(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        self.counters.sends_blocked += 1;
        connection.set(POLLING);
        self.ring.arm_writable(id, &connection.socket);
    }
}

/// Has the kernel wait for the next piece where there is one, so that a head leaves
/// with the payload behind it and not as a segment of its own.
fn more(outbox: &Outbox) -> i32 {
    if outbox.pending().len() < outbox.len() {
        libc::MSG_MORE
    } else {
        0
    }
}

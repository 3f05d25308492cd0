//! The bytes that one connection is owed.
//!
//! Owns one contiguous buffer, borrowed from its shard's spare ones while it holds
//! anything, or a part in bytes that are shared with other connections. Pure: the shard sends `pending` and reports with `advance`.
//!
//! HOT PATH: every delivery appends here. One contiguous buffer, because a vectored
//! send of many small parts was measured 25-40 % dearer than this copy.

use std::rc::Rc;

/// Unsent output of one connection.
///
/// Invariant: while there are shared bytes, the buffer is empty.
#[derive(Debug, Default)]
pub struct Outbox {
    buffer: Vec<u8>,
    /// Bytes that many connections are owed, encoded once: the kernel copies them to
    /// each from the same place, which stays in the cache.
    shared: Option<Rc<Vec<u8>>>,
    /// Bytes of `buffer` or `shared` that are sent already; never more than there are.
    sent: usize,
    /// Bytes counted in the shard's total: what it held when it was last written to.
    pub(super) charged: usize,
    /// Whether the connection is on the shard's list of dirty ones.
    pub(super) dirty: bool,
}

impl Outbox {
    fn bytes(&self) -> &[u8] {
        match &self.shared {
            Some(shared) => shared,
            None => &self.buffer,
        }
    }

    /// What is still to be sent.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.bytes()[self.sent..]
    }

    /// Bytes still to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes().len() - self.sent
    }

    /// Whether nothing is left to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kernel took `bytes` of what was pending.
    pub fn advance(&mut self, bytes: usize) {
        let all = self.bytes().len();
        self.sent = (self.sent + bytes).min(all);
        if self.sent == all {
            self.shared = None;
            self.buffer.clear();
            self.sent = 0;
        } else if self.sent > all / 2 {
            // A slow reader's buffer must not grow by what it has read, and a few
            // bytes are not to keep many shared ones.
            self.own_shared();
            self.buffer.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Owes what others are owed, too. Only while there is nothing else to be sent.
    pub(super) fn share(&mut self, bytes: &Rc<Vec<u8>>) {
        debug_assert!(self.is_empty(), "what was there comes first");
        self.shared = Some(Rc::clone(bytes));
        self.sent = 0;
    }

    fn own_shared(&mut self) {
        if let Some(shared) = self.shared.take() {
            self.buffer.extend_from_slice(&shared[self.sent..]);
            self.sent = 0;
        }
    }

    /// The buffer to append encoded packets to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        self.own_shared();
        &mut self.buffer
    }

    /// Whether a buffer is held.
    pub(super) fn has_buffer(&self) -> bool {
        self.buffer.capacity() > 0
    }

    /// Lends the outbox a buffer.
    pub(super) fn lend(&mut self, buffer: Vec<u8>) {
        debug_assert!(!self.has_buffer() && buffer.is_empty());
        self.buffer = buffer;
    }

    /// Takes the buffer back from an outbox; its content is given up.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        self.shared = None;
        self.sent = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_go_first_and_stay_whole_for_the_others() {
        let run = Rc::new(b"abcdef".to_vec());
        let mut outbox = Outbox::default();
        let mut other = Outbox::default();
        outbox.share(&run);
        other.share(&run);
        outbox.advance(1);
        outbox.buffer().extend_from_slice(b"gh");
        assert_eq!(outbox.pending(), b"bcdefgh");
        assert_eq!(other.pending(), b"abcdef");
        other.advance(4);
        assert_eq!(other.pending(), b"ef");
        assert_eq!(
            Rc::strong_count(&run),
            1,
            "a small rest keeps nothing large"
        );
        other.advance(2);
        assert!(other.is_empty());
    }

    #[test]
    fn a_short_send_keeps_the_tail() {
        let mut outbox = Outbox::default();
        outbox.buffer().extend_from_slice(b"abcdef");
        outbox.advance(2);
        assert_eq!(outbox.pending(), b"cdef");
        outbox.advance(2);
        assert_eq!(outbox.pending(), b"ef");
        outbox.buffer().extend_from_slice(b"gh");
        assert_eq!(outbox.pending(), b"efgh");
        outbox.advance(4);
        assert!(outbox.is_empty());
    }
}

//! The bytes that one connection is owed.
//!
//! Owns one contiguous buffer, borrowed from its shard's spare ones while it holds
//! anything. Pure: the shard sends `pending` and reports with `advance`.
//!
//! HOT PATH: every delivery appends here. One contiguous buffer, because a vectored
//! send of many small parts was measured 25-40 % dearer than this copy.

/// Unsent output of one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are sent already; never more than its length.
    sent: usize,
    /// Bytes counted in the shard's total: what it held when it was last written to.
    pub(super) charged: usize,
    /// Whether the connection is on the shard's list of dirty ones.
    pub(super) dirty: bool,
}

impl Outbox {
    /// What is still to be sent.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.buffer[self.sent..]
    }

    /// Bytes still to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() - self.sent
    }

    /// Whether nothing is left to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kernel took `bytes` of what was pending.
    pub fn advance(&mut self, bytes: usize) {
        self.sent = (self.sent + bytes).min(self.buffer.len());
        if self.sent == self.buffer.len() {
            self.buffer.clear();
            self.sent = 0;
        } else if self.sent > self.buffer.len() / 2 {
            // A slow reader's buffer must not grow by what it has read.
            self.buffer.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// The buffer to append encoded packets to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Whether a buffer is held.
    pub(super) fn has_buffer(&self) -> bool {
        self.buffer.capacity() > 0
    }

    /// Takes the buffer back from an outbox; its content is given up.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
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

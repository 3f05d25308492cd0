//! Bytes of a connection that could not be handled where they were received:
//! half a packet, or packets that have to wait.
//!
//! Owns a copy of them, so that the pooled receive buffer goes back at once. Pure.
//! It grows with what has arrived, never to what a header announces.

/// Unhandled input of one connection.
#[derive(Debug, Default)]
pub struct Assembly {
    buffer: Vec<u8>,
    start: usize,
}

impl Assembly {
    /// A copy of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            buffer: bytes.to_vec(),
            start: 0,
        }
    }

    /// What is not handled yet.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Bytes not handled yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Bytes of memory that the buffer takes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether everything is handled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.buffer.len() + bytes.len() > self.buffer.capacity() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The first `bytes` are handled.
    pub fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.buffer.len());
    }

    /// Gives back the memory of what is handled, where that is most of it: the rest
    /// of a large packet's buffer must not stay behind for a few bytes.
    pub fn trim(&mut self) {
        if self.start > self.buffer.len() / 2 {
            *self = Self::of(self.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_consumed_makes_room_for_what_arrives() {
        let mut assembly = Assembly::of(b"abcd");
        assembly.consume(3);
        assembly.push(b"ef");
        assert_eq!(assembly.bytes(), b"def");
        assembly.consume(2);
        assembly.trim();
        assert_eq!((assembly.bytes(), assembly.footprint()), (&b"f"[..], 1));
        assembly.consume(1);
        assert!(assembly.is_empty());
    }
}

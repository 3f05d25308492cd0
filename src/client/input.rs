//! The bytes received and not yet parsed.
//!
//! Owns one growable buffer. It holds at most one packet more than the driver
//! reads at once, because [`Session::handle`](super::Session::handle) refuses a
//! packet above the announced maximum from its fixed header alone. Pure.

use alloc::vec::Vec;

/// What a driver asks the socket for at once, in bytes: large enough that a
/// system call carries many small messages.
const READ_SIZE: usize = 64 * 1024;

/// A buffer between a socket and a session.
///
/// Invariant: `start <= end <= bytes.len()`.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// An empty buffer; it allocates with the first read.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            end: 0,
        }
    }

    /// What has been received and not yet consumed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Room to receive into, never empty; tell [`Input::commit`] how much came.
    ///
    /// `wanted` is the size of the incomplete packet at the start, where known.
    pub fn space(&mut self, wanted: Option<usize>) -> &mut [u8] {
        let held = self.end - self.start;
        let needed = held + READ_SIZE.max(wanted.unwrap_or(0).saturating_sub(held));
        if self.start > 0 && self.start + needed > self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = held;
        }
        if self.bytes.len() < self.start + needed {
            self.bytes.resize(self.start + needed, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Counts `size` bytes as received into [`Input::space`].
    ///
    /// # Panics
    /// When that is more than there was room for.
    pub fn commit(&mut self, size: usize) {
        assert!(
            size <= self.bytes.len() - self.end,
            "more was received than there was room for"
        );
        self.end += size;
    }

    /// Drops `size` bytes at the front: they are done with.
    ///
    /// # Panics
    /// When that is more than [`Input::bytes`] holds.
    pub fn consume(&mut self, size: usize) {
        assert!(
            size <= self.end - self.start,
            "more was consumed than received"
        );
        self.start += size;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Drops everything: the connection it came from is gone.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(input: &mut Input, bytes: &[u8]) {
        input.space(None)[..bytes.len()].copy_from_slice(bytes);
        input.commit(bytes.len());
    }

    #[test]
    fn what_is_not_consumed_stays_in_order() {
        let mut input = Input::new();
        receive(&mut input, b"abcdef");
        input.consume(2);
        receive(&mut input, b"gh");
        assert_eq!(input.bytes(), b"cdefgh");
        input.consume(6);
        assert_eq!(input.bytes(), b"");
    }

    #[test]
    fn a_large_packet_gets_the_room_it_wants() {
        let mut input = Input::new();
        receive(&mut input, b"head");
        assert!(input.space(Some(1_000_000)).len() >= 1_000_000 - 4);
        assert_eq!(input.bytes(), b"head");
    }

    #[test]
    fn a_long_stream_of_small_packets_does_not_grow_the_buffer() {
        let mut input = Input::new();
        for _ in 0..10_000 {
            receive(&mut input, &[7; 300]);
            input.consume(299);
            receive(&mut input, &[7; 10]);
            input.consume(11);
        }
        assert!(input.bytes.len() <= 2 * READ_SIZE);
    }
}

//! Lines out of a stream of bytes.
//!
//! Owns the bytes read and not yet published, bounded by one read and the longest
//! line that MQTT can carry. Pure; never reads by itself.

/// Bytes to read at once.
const READ_SIZE: usize = 64 * 1024;

/// The longest line: what fits into an MQTT packet beside the shortest header.
const LINE_MAX: usize = 268_435_455;

/// Bytes cut into lines. The last line may lack its line feed.
///
/// Invariant: `start <= next <= end <= bytes.len()`; the bytes from `next` to
/// `end` hold no line feed that was looked for already.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    start: usize,
    /// Up to here there is no line feed.
    searched: usize,
    end: usize,
    /// End of the line at the start, if it is complete.
    line: Option<usize>,
    /// Nothing more will come.
    ended: bool,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Whether reading on makes sense: no complete line is left.
    pub(super) const fn wants_more(&self) -> bool {
        self.line.is_none() && !self.ended
    }

    /// Whether all lines are published.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.ended && self.line.is_none()
    }

    /// Room to read into.
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.searched -= self.start;
        self.start = 0;
        let needed = self.end + READ_SIZE;
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Counts `size` bytes as read into [`Lines::space`]; none: the end.
    pub(super) fn commit(&mut self, size: usize) -> Result<(), &'static str> {
        self.end += size;
        self.ended = size == 0;
        self.find();
        if self.line.is_none() && self.end - self.start > LINE_MAX {
            return Err("Error: A line is longer than an MQTT packet can be.");
        }
        Ok(())
    }

    /// The line at the start, without its line feed.
    pub(super) fn next(&self) -> Option<&[u8]> {
        self.line.map(|end| &self.bytes[self.start..end])
    }

    /// The line at the start is published.
    pub(super) fn advance(&mut self) {
        if let Some(end) = self.line.take() {
            self.start = (end + 1).min(self.end);
            self.searched = self.start;
            self.find();
        }
    }

    fn find(&mut self) {
        let found = memchr::memchr(b'\n', &self.bytes[self.searched..self.end]);
        self.line = match found {
            Some(place) => Some(self.searched + place),
            None if self.ended && self.start < self.end => Some(self.end),
            None => None,
        };
        self.searched = self.line.unwrap_or(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::new();
        let mut found = Vec::new();
        for chunk in chunks.iter().chain([&&b""[..]]) {
            lines.space()[..chunk.len()].copy_from_slice(chunk);
            lines.commit(chunk.len()).expect("short lines");
            while let Some(line) = lines.next() {
                found.push(line.to_vec());
                lines.advance();
            }
            assert_eq!(lines.wants_more(), !chunk.is_empty());
        }
        assert!(lines.is_exhausted());
        found
    }

    #[test]
    fn every_line_comes_once_however_it_is_cut() {
        let expected = [&b"a"[..], b"", b"long line", b"end"];
        assert_eq!(lines(&[b"a\n\nlong line\nend"]), expected);
        assert_eq!(
            lines(&[b"a\n", b"\nlong ", b"line", b"\n", b"e", b"nd\n"]),
            expected
        );
        assert_eq!(lines(&[]), Vec::<Vec<u8>>::new());
        assert_eq!(lines(&[b"\n"]), [b""]);
    }
}

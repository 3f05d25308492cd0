//! The bytes that one connection is owed.
//!
//! Owns one contiguous buffer, borrowed from its shard's spare ones while it holds
//! anything, and parts in bytes that are shared with other connections: a run of
//! packets that many are sent alike, or what is large: payloads, each behind a head of
//! its own, and whole packets.
//! Pure: the shard sends `pending` and reports with `advance`.
//!
//! HOT PATH: every delivery appends here. One contiguous buffer for what is small,
//! because a vectored send of many small parts was measured 25-40 % dearer than this
//! copy.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::message::Message;

/// Unsent output of one connection.
///
/// Invariant: while there is a run, the buffer is empty and nothing is referred to.
#[derive(Debug, Default)]
pub struct Outbox {
    buffer: Vec<u8>,
    /// Packets that many connections are owed, encoded once: the kernel copies them to
    /// each from the same place, which stays in the cache.
    run: Option<Rc<Vec<u8>>>,
    /// What is large and belongs between the bytes of the buffer.
    references: Option<Box<References>>,
    /// Bytes of `buffer` or `run` that are sent already; never more than there are.
    sent: usize,
    /// Bytes counted in the shard's total: what it held when it was last written to.
    pub(super) charged: usize,
    /// Whether the connection is on the shard's list of dirty ones.
    pub(super) dirty: bool,
}

/// Bytes that are sent from where they are kept, in their order.
#[derive(Debug, Default)]
struct References {
    /// Never empty but before the first one.
    queue: VecDeque<Reference>,
    /// Bytes of the first one that are sent already.
    sent: usize,
    /// Bytes of all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Reference {
    /// How many bytes of the buffer go before it; they never decrease.
    at: usize,
    to: Large,
}

/// What an out-buffer refers to.
#[derive(Clone, Debug)]
pub(super) enum Large {
    /// The payload of a message.
    Payload(Rc<Message>),
    /// Whole packets.
    Packets(Rc<Vec<u8>>),
}

impl Large {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Payload(message) => message.payload(),
            Self::Packets(packets) => packets,
        }
    }
}

impl Outbox {
    /// What is still to be sent, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let run = self.run.as_ref().map(|run| &run[self.sent..]);
        let mut from = if run.is_some() { 0 } else { self.sent };
        let (first_sent, queue) = match &self.references {
            Some(references) => (references.sent, Some(&references.queue)),
            None => (0, None),
        };
        let tail = queue.and_then(VecDeque::back).map_or(from, |last| last.at);
        let references = queue.into_iter().flatten().enumerate();
        let inner = references.flat_map(move |(place, reference)| {
            let sent = if place == 0 { first_sent } else { 0 };
            let before = &self.buffer[from..reference.at];
            from = reference.at;
            [before, &reference.to.bytes()[sent..]]
        });
        run.into_iter()
            .chain(inner)
            .chain([&self.buffer[tail..]])
            .filter(|piece| !piece.is_empty())
    }

    /// What is to be sent next, in one piece; empty only if nothing is left.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        match (&self.run, &self.references) {
            (None, None) => &self.buffer[self.sent..],
            _ => self.pieces().next().unwrap_or_default(),
        }
    }

    /// Bytes still to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        let references = self.references.as_ref();
        self.bytes().len() - self.sent + references.map_or(0, |it| it.bytes - it.sent)
    }

    /// Bytes that are kept for it: what is referred to counts until the last of it is sent, for
    /// each connection that it is owed to.
    pub(super) fn held(&self) -> usize {
        self.len() + self.references.as_ref().map_or(0, |it| it.sent)
    }

    /// Whether nothing is left to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kernel took `bytes` of what was pending.
    pub fn advance(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.pending().len(), "it was offered that much");
        match &mut self.references {
            Some(references) if references.is_due(self.sent) => {
                if references.advance(bytes) {
                    self.references = None;
                }
            }
            _ => self.sent += bytes,
        }
        let all = self.bytes().len();
        if self.sent == all && self.references.is_none() {
            self.run = None;
            self.buffer.clear();
            self.sent = 0;
        } else if self.sent > all / 2 {
            // A slow reader's buffer must not grow by what it has read, and a few
            // bytes are not to keep many shared ones.
            self.own_run();
            self.buffer.drain(..self.sent);
            if let Some(references) = &mut self.references {
                references.move_up(self.sent);
            }
            self.sent = 0;
        }
    }

    /// Owes what others are owed, too. Only while there is nothing else to be sent.
    pub(super) fn share(&mut self, run: &Rc<Vec<u8>>) {
        debug_assert!(self.is_empty(), "what was there comes first");
        self.run = Some(Rc::clone(run));
        self.sent = 0;
    }

    /// Owes something large behind the first `at` bytes of the buffer, which may be
    /// taken out at the moment.
    pub(super) fn refer(&mut self, at: usize, to: Large) {
        debug_assert!(self.run.is_none(), "the buffer was asked for");
        if to.bytes().is_empty() {
            return;
        }
        let references = self.references.get_or_insert_default();
        references.bytes += to.bytes().len();
        references.queue.push_back(Reference { at, to });
    }

    fn bytes(&self) -> &[u8] {
        match &self.run {
            Some(run) => run,
            None => &self.buffer,
        }
    }

    fn own_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.buffer.extend_from_slice(&run[self.sent..]);
            self.sent = 0;
        }
    }

    /// The buffer to append encoded packets to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        self.own_run();
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
        self.run = None;
        self.references = None;
        self.sent = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer
    }
}

impl References {
    /// Whether the first one is next, when so much of the buffer is sent.
    fn is_due(&self, sent: usize) -> bool {
        self.queue.front().is_some_and(|first| first.at == sent)
    }

    /// So much of the first one is sent; true when that was the last of all.
    fn advance(&mut self, bytes: usize) -> bool {
        self.sent += bytes;
        let first = self.queue.front().map(|first| first.to.bytes().len());
        if first == Some(self.sent) {
            self.queue.pop_front();
            self.bytes -= std::mem::take(&mut self.sent);
        }
        self.queue.is_empty()
    }

    /// So many bytes of the buffer are gone.
    fn move_up(&mut self, bytes: usize) {
        for reference in &mut self.queue {
            reference.at -= bytes;
        }
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

    fn message(payload: &str) -> Rc<Message> {
        let qos = crate::protocol::QoS::AtLeastOnce;
        Rc::new(Message::new("t", &[], payload.as_bytes(), qos, false, None))
    }

    /// An outbox in which two large parts stand between three pieces of its own.
    fn mixed(first: &Rc<Message>, second: &Rc<Message>) -> Outbox {
        let mut outbox = Outbox::default();
        outbox.buffer().extend_from_slice(b"head1 ");
        outbox.refer(6, Large::Payload(Rc::clone(first)));
        outbox.buffer().extend_from_slice(b"head2 ");
        outbox.refer(12, Large::Payload(Rc::clone(second)));
        outbox.buffer().extend_from_slice(b"tail");
        outbox
    }

    #[test]
    fn payloads_are_sent_in_their_places_however_little_is_taken() {
        let (first, second) = (message("FIRST "), message("SECOND "));
        for step in 1..8 {
            let mut outbox = mixed(&first, &second);
            let (mut read, mut left) = (Vec::new(), outbox.len());
            while !outbox.is_empty() {
                assert_eq!(outbox.pieces().map(<[u8]>::len).sum::<usize>(), left);
                let taken = step.min(outbox.pending().len());
                read.extend_from_slice(&outbox.pending()[..taken]);
                outbox.advance(taken);
                left -= taken;
                assert_eq!(outbox.len(), left);
                if read.len() == 8 {
                    outbox.buffer().extend_from_slice(b" more");
                    left += 5;
                }
            }
            let text = String::from_utf8(read).expect("it went in as text");
            let more = if text.ends_with(" more") { " more" } else { "" };
            assert_eq!(text, format!("head1 FIRST head2 SECOND tail{more}"));
            assert_eq!((Rc::strong_count(&first), outbox.held()), (1, 0));
        }
    }

    #[test]
    fn a_payload_counts_until_the_last_of_it_is_sent() {
        let (first, second) = (message("FIRST"), message("SECOND"));
        let mut outbox = mixed(&first, &second);
        assert_eq!(outbox.held(), outbox.len());
        outbox.advance(6);
        outbox.advance(4);
        assert_eq!(outbox.held(), outbox.len() + 4);
        outbox.advance(1);
        assert_eq!((outbox.held(), Rc::strong_count(&first)), (outbox.len(), 1));
        outbox.take_buffer();
        assert_eq!((outbox.held(), Rc::strong_count(&second)), (0, 1));
    }
}

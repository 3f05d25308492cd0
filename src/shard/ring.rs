//! HOT PATH: the shard's own io_uring for sockets, beside glommio's rings.
//!
//! Owns the ring, the receive buffers and completions that were reaped but not
//! yet looked at. Lives on its shard's thread, which must also create it
//! (single issuer). One of the files with `unsafe`. Waits only where it is told to
//! and for how long; beyond that waiting is glommio's, through the eventfd that the
//! kernel signals. Never interprets a byte. Read next: `turn`, which drives it.
//!
//! What the kernel wants, and where it is obeyed:
//! * Task work is deferred, so "no completion" may only be believed when the
//!   ring's task-run flag is clear, too: [`Ring::has_work`].
//! * SEND entries carry MSG_DONTWAIT and so complete inside the submitting
//!   call; [`Ring::finish_sends`] does not return before they have.
//! * An overflowing completion queue loses nothing, but the rest is delivered
//!   only by another call: [`Ring::submit`] makes it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use super::buffer_pool::{BUFFER_BYTES, Buffer, BufferPool, GROUP};
use crate::ids::ConnectionId;

/// Submission entries: one batch of sends and the receives armed before it.
pub(crate) const SUBMISSIONS: u32 = 512;

/// Completion entries: a burst of receives beyond this overflows into kernel
/// memory, which costs time but loses nothing.
pub(crate) const COMPLETIONS: u32 = 4096;

/// Sends per submission; half the queue, so that armed receives fit beside.
pub(crate) const SEND_BATCH: usize = 256;

const _: () = assert!(SEND_BATCH * 2 <= SUBMISSIONS as usize);

/// The bits of a generation that fit beside slot and operation in user data.
const GENERATION_BITS: u32 = 24;

/// What was asked of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Operation {
    /// Accept on a listener; the slot is the listener's index.
    Accept = 1,
    /// Receive into a provided buffer.
    Receive,
    /// Send; the slot is the index in the batch.
    Send,
    /// Wait until the socket takes bytes again.
    Writable,
    /// Cancel another operation; its own completion says nothing.
    Cancel,
    /// Be told whenever the doorbell is rung.
    Doorbell,
    /// Wait until the peer has ended its side.
    Hangup,
}

/// What the kernel did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    user_data: u64,
    /// Zero or more, or a negated errno.
    pub(crate) result: i32,
    flags: u32,
}

impl Completion {
    pub(crate) fn operation(self) -> Operation {
        match self.user_data >> 56 {
            1 => Operation::Accept,
            2 => Operation::Receive,
            3 => Operation::Send,
            4 => Operation::Writable,
            6 => Operation::Doorbell,
            7 => Operation::Hangup,
            _ => Operation::Cancel,
        }
    }

    /// The connection that the operation was for.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the slot")]
    pub(crate) fn connection(self) -> ConnectionId {
        let generation = (self.user_data >> 32) as u32 & ((1 << GENERATION_BITS) - 1);
        ConnectionId {
            slot: self.user_data as u32,
            generation,
        }
    }

    /// Whether a multishot operation goes on.
    pub(crate) fn more(self) -> bool {
        cqueue::more(self.flags)
    }

    /// Whether the socket holds further bytes.
    pub(crate) fn socket_nonempty(self) -> bool {
        cqueue::sock_nonempty(self.flags)
    }
}

fn user_data(operation: Operation, id: ConnectionId) -> u64 {
    debug_assert!(
        id.generation >> GENERATION_BITS == 0,
        "a generation has 24 bits"
    );
    (operation as u64) << 56 | u64::from(id.generation) << 32 | u64::from(id.slot)
}

/// The network ring of one shard.
pub(crate) struct Ring {
    /// Declared before the buffers: the kernel lets go of them when it closes.
    io: IoUring,
    buffers: BufferPool,
    /// Reaped while looking for something else; handled first.
    stash: VecDeque<Completion>,
    /// SEND entries queued since the last [`Self::finish_sends`].
    sends: usize,
    /// Their results by index in the batch.
    send_results: Vec<i32>,
    /// How often the completion queue overflowed.
    overflows: u64,
}

impl Ring {
    /// Creates the ring on the calling thread, which alone may use it.
    /// While the shard is parked, completions signal `wakeup`, an eventfd.
    pub(crate) fn new(wakeup: BorrowedFd<'_>) -> io::Result<Self> {
        let io = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .dontfork()
            .build(SUBMISSIONS)?;
        let mut buffers = BufferPool::new()?;
        buffers.register(&io.submitter())?;
        // Not register_eventfd_async: a socket's receive does not signal it.
        io.submitter().register_eventfd(wakeup.as_raw_fd())?;
        let mut ring = Self {
            io,
            buffers,
            stash: VecDeque::new(),
            sends: 0,
            send_results: vec![0; SEND_BATCH],
            overflows: 0,
        };
        ring.hold_wakeups();
        Ok(ring)
    }

    /// Accepts connections of a listener until cancelled or failed.
    pub(crate) fn arm_accept(&mut self, listener: u32, socket: impl AsFd) {
        let id = ConnectionId {
            slot: listener,
            generation: 0,
        };
        let entry = opcode::AcceptMulti::new(types::Fd(socket.as_fd().as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build();
        self.push(&entry, Operation::Accept, id);
    }

    /// Receives once into a provided buffer. `probably_empty` waits for
    /// readiness first instead of trying a receive that would find nothing.
    pub(crate) fn arm_receive(
        &mut self,
        id: ConnectionId,
        socket: impl AsFd,
        probably_empty: bool,
    ) {
        /// IORING_RECVSEND_POLL_FIRST of the kernel's interface.
        const POLL_FIRST: u16 = 1;
        let socket = types::Fd(socket.as_fd().as_raw_fd());
        let entry = opcode::Recv::new(socket, std::ptr::null_mut(), BUFFER_BYTES)
            .ioprio(if probably_empty { POLL_FIRST } else { 0 })
            .buf_group(GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.push(&entry, Operation::Receive, id);
    }

    /// Completes once when the socket takes bytes again, or has failed.
    pub(crate) fn arm_writable(&mut self, id: ConnectionId, socket: impl AsFd) {
        let socket = types::Fd(socket.as_fd().as_raw_fd());
        let entry = opcode::PollAdd::new(socket, libc::POLLOUT as u32).build();
        self.push(&entry, Operation::Writable, id);
    }

    /// Completes at every ring of the doorbell until it says that it does not go
    /// on. Nobody reads that eventfd: a poll for many events reports every write.
    pub(crate) fn arm_doorbell(&mut self, doorbell: BorrowedFd<'_>) {
        let doorbell = types::Fd(doorbell.as_raw_fd());
        let entry = opcode::PollAdd::new(doorbell, libc::POLLIN as u32)
            .multi(true)
            .build();
        let nobody = ConnectionId {
            slot: 0,
            generation: 0,
        };
        self.push(&entry, Operation::Doorbell, nobody);
    }

    /// Completes once when the peer has ended its side, or the socket has failed; bytes
    /// that arrive do not matter.
    pub(crate) fn arm_hangup(&mut self, id: ConnectionId, socket: impl AsFd) {
        let socket = types::Fd(socket.as_fd().as_raw_fd());
        let entry = opcode::PollAdd::new(socket, libc::POLLRDHUP as u32).build();
        self.push(&entry, Operation::Hangup, id);
    }

    /// Cancels a pending operation, which still completes, with ECANCELED.
    pub(crate) fn cancel(&mut self, operation: Operation, id: ConnectionId) {
        let entry = opcode::AsyncCancel::new(user_data(operation, id)).build();
        self.push(&entry, Operation::Cancel, id);
    }

    /// Queues one send of a batch; its result appears at `index`, which is
    /// below [`SEND_BATCH`].
    ///
    /// # Safety
    /// The bytes stay where they are and unchanged until [`Self::finish_sends`]
    /// returns.
    pub(crate) unsafe fn queue_send(
        &mut self,
        index: usize,
        socket: BorrowedFd<'_>,
        bytes: &[u8],
        flags: i32,
    ) {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let entry = opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), len)
            .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | flags)
            .build();
        let slot = u32::try_from(index).expect("a batch is small");
        self.push(
            &entry,
            Operation::Send,
            ConnectionId {
                slot,
                generation: 0,
            },
        );
        self.sends += 1;
    }

    /// Submits everything and returns when all queued sends have completed.
    pub(crate) fn finish_sends(&mut self) {
        self.submit();
        self.reap();
        while self.sends > 0 {
            // The queue of completions was full, or the kernel took fewer
            // entries than it was given: go on until every send is answered.
            tolerate(self.io.submit_and_wait(1));
            self.reap();
        }
    }

    /// The result of the send at this index of the last batch.
    pub(crate) fn send_result(&self, index: usize) -> i32 {
        self.send_results[index]
    }

    /// The next completion that was reaped or is waiting to be.
    pub(crate) fn next_completion(&mut self) -> Option<Completion> {
        if self.stash.is_empty() {
            self.reap();
        }
        self.stash.pop_front()
    }

    /// The descriptor that an accept brought, owned by the caller from now on.
    /// Called once for a completion.
    pub(crate) fn accepted(completion: Completion) -> Option<OwnedFd> {
        debug_assert_eq!(completion.operation(), Operation::Accept);
        // SAFETY: the result of an accept that is not negative is a descriptor
        // that the kernel made for this completion, which is looked at once.
        (completion.result >= 0).then(|| unsafe { OwnedFd::from_raw_fd(completion.result) })
    }

    /// The buffer that a receive filled, to be given back by the caller.
    pub(crate) fn take_buffer(&mut self, completion: Completion) -> Option<Buffer> {
        cqueue::buffer_select(completion.flags).map(|id| self.buffers.take(id))
    }

    /// The buffers that receives are made into.
    pub(crate) fn buffers(&mut self) -> &mut BufferPool {
        &mut self.buffers
    }

    /// Hands all queued entries to the kernel and runs its deferred work.
    pub(crate) fn submit(&mut self) {
        let queue = self.io.submission();
        let overflowed = queue.cq_overflow();
        let idle = queue.is_empty() && !queue.taskrun() && !overflowed;
        drop(queue);
        if idle {
            return;
        }
        if overflowed {
            self.overflows += 1;
            self.reap();
        }
        tolerate(self.io.submit());
    }

    /// Hands all queued entries to the kernel and waits in the same call until there
    /// is something to do, at most for so long.
    pub(crate) fn wait(&mut self, at_most: Duration) {
        if self.has_work() {
            return;
        }
        let timespec = types::Timespec::from(at_most);
        let arguments = types::SubmitArgs::new().timespec(&timespec);
        tolerate(self.io.submitter().submit_with_args(1, &arguments));
    }

    /// Whether the kernel has something for us that a call would bring in.
    pub(crate) fn has_deferred(&mut self) -> bool {
        let queue = self.io.submission();
        queue.taskrun() || queue.cq_overflow()
    }

    /// Whether there is anything to do before parking.
    pub(crate) fn has_work(&mut self) -> bool {
        !self.stash.is_empty() || self.has_deferred() || !self.io.completion().is_empty()
    }

    /// Lets completions signal the eventfd; then [`Self::has_work`] must be
    /// asked once more before the shard parks.
    pub(crate) fn allow_wakeups(&mut self) {
        self.io.completion().enable_eventfd();
        // The kernel publishes work and then looks at the flag; we write the
        // flag and then look for work. With a full barrier between, one of the
        // two sees the other.
        fence(Ordering::SeqCst);
    }

    /// Keeps completions from signalling the eventfd while the turn runs:
    /// sends that complete inline would signal it, too.
    pub(crate) fn hold_wakeups(&mut self) {
        self.io.completion().disable_eventfd();
    }

    /// How often the completion queue overflowed.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows
    }

    fn push(&mut self, entry: &squeue::Entry, operation: Operation, id: ConnectionId) {
        let entry = entry.clone().user_data(user_data(operation, id));
        // SAFETY: entries either carry no pointer or are sends, whose bytes the
        // caller of `queue_send` keeps in place until they have completed.
        while unsafe { self.io.submission().push(&entry) }.is_err() {
            tolerate(self.io.submit());
            // Where the kernel refuses more because completions pile up, taking
            // them lets it go on.
            self.reap();
        }
    }

    /// Takes all completions that are there.
    fn reap(&mut self) {
        for entry in self.io.completion() {
            let completion = Completion::from(&entry);
            if completion.operation() == Operation::Send {
                self.send_results[completion.connection().slot as usize] = completion.result;
                self.sends -= 1;
            } else {
                self.stash.push_back(completion);
            }
        }
    }
}

impl From<&cqueue::Entry> for Completion {
    fn from(entry: &cqueue::Entry) -> Self {
        Self {
            user_data: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
        }
    }
}

/// Passes over refusals that another attempt heals; any other means that the
/// ring is unusable and with it the shard.
fn tolerate(outcome: io::Result<usize>) {
    let Err(error) = outcome else { return };
    let passing = [
        libc::EINTR,
        libc::EAGAIN,
        libc::EBUSY,
        libc::ENOMEM,
        // Waited long enough.
        libc::ETIME,
    ];
    assert!(
        error
            .raw_os_error()
            .is_some_and(|errno| passing.contains(&errno)),
        "the kernel refuses the network ring: {error}"
    );
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::super::doorbell::Doorbell;
    use super::*;

    fn ring() -> Ring {
        let doorbell = Doorbell::new().expect("an eventfd");
        Ring::new(doorbell.in_glommio()).expect("io_uring is available")
    }

    fn wait(ring: &mut Ring) -> Completion {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        loop {
            ring.submit();
            if let Some(completion) = ring.next_completion() {
                return completion;
            }
            assert!(std::time::Instant::now() < deadline, "nothing completed");
        }
    }

    #[test]
    fn user_data_names_operation_slot_and_generation() {
        let id = ConnectionId {
            slot: u32::MAX,
            generation: (1 << GENERATION_BITS) - 1,
        };
        let completion = Completion {
            user_data: user_data(Operation::Writable, id),
            result: 0,
            flags: 0,
        };
        assert_eq!(completion.operation(), Operation::Writable);
        assert_eq!(completion.connection(), id);
    }

    #[test]
    fn every_ring_of_the_doorbell_ends_a_wait() {
        let mut ring = ring();
        let doorbell = Doorbell::new().expect("an eventfd");
        ring.arm_doorbell(doorbell.in_ring());
        ring.submit();
        assert!(ring.next_completion().is_none());
        for _ in 0..3 {
            std::thread::scope(|scope| {
                scope.spawn(|| doorbell.ring());
                ring.wait(std::time::Duration::from_secs(60));
            });
            let completion = ring.next_completion().expect("the doorbell rang");
            assert_eq!(completion.operation(), Operation::Doorbell);
            assert!(completion.more());
        }
        ring.wait(std::time::Duration::from_millis(1));
        assert!(ring.next_completion().is_none(), "a wait ends by itself");
    }

    #[test]
    fn a_receive_delivers_the_bytes_in_a_pooled_buffer() {
        let mut ring = ring();
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        let id = ConnectionId {
            slot: 7,
            generation: 9,
        };
        ring.arm_receive(id, &ours, true);
        ring.submit();
        assert!(ring.next_completion().is_none());
        theirs.write_all(b"hello").expect("a write");
        let completion = wait(&mut ring);
        assert_eq!(
            (completion.operation(), completion.connection()),
            (Operation::Receive, id)
        );
        assert_eq!(completion.result, 5);
        let buffer = ring
            .take_buffer(completion)
            .expect("bytes come in a buffer");
        assert_eq!(ring.buffers().bytes(&buffer, 5), b"hello");
        ring.buffers().give_back(buffer);
    }

    #[test]
    fn receives_beyond_the_pool_are_told_and_succeed_after_growth() {
        let mut ring = ring();
        let provided = ring.buffers().provided();
        let pairs: Vec<_> = (0..=provided)
            .map(|_| UnixStream::pair().expect("a pair of sockets"))
            .collect();
        for (slot, (ours, theirs)) in (0..).zip(&pairs) {
            (&*theirs).write_all(b"x").expect("a write");
            let id = ConnectionId {
                slot,
                generation: 0,
            };
            ring.arm_receive(id, ours, false);
        }
        let mut starved = Vec::new();
        let mut held = Vec::new();
        for _ in 0..=provided {
            let completion = wait(&mut ring);
            match ring.take_buffer(completion) {
                Some(buffer) => held.push(buffer),
                None => starved.push(completion),
            }
        }
        assert_eq!(starved.len(), 1);
        assert_eq!(starved[0].result, -libc::ENOBUFS);
        assert!(ring.buffers().grow());
        let id = starved[0].connection();
        ring.arm_receive(id, &pairs[id.slot as usize].0, false);
        assert_eq!(wait(&mut ring).result, 1);
    }

    #[test]
    fn a_batch_of_sends_is_complete_when_the_call_returns() {
        let mut ring = ring();
        let pairs: Vec<_> = (0..SEND_BATCH)
            .map(|_| UnixStream::pair().expect("a pair of sockets"))
            .collect();
        let bytes = [b'a'; 100];
        for (index, (ours, _)) in pairs.iter().enumerate() {
            // SAFETY: `bytes` lives in this function beyond `finish_sends`.
            unsafe { ring.queue_send(index, ours.as_fd(), &bytes, 0) };
        }
        ring.finish_sends();
        assert!((0..SEND_BATCH).all(|index| ring.send_result(index) == 100));
        let mut back = [0; 100];
        (&pairs[SEND_BATCH - 1].1)
            .read_exact(&mut back)
            .expect("the bytes are there");
        assert_eq!(back, bytes);
    }

    #[test]
    fn a_full_socket_answers_a_send_instead_of_holding_its_bytes() {
        let mut ring = ring();
        let (ours, _theirs) = UnixStream::pair().expect("a pair of sockets");
        let bytes = vec![0u8; 1 << 20];
        let mut result = 0;
        for _ in 0..100 {
            // SAFETY: `bytes` lives in this function beyond `finish_sends`.
            unsafe { ring.queue_send(0, ours.as_fd(), &bytes, 0) };
            ring.finish_sends();
            result = ring.send_result(0);
            if result < 0 {
                break;
            }
        }
        assert_eq!(result, -libc::EAGAIN);
    }
}

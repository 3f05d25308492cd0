//! HOT PATH: the receive buffers that the kernel picks from.
//!
//! Owns one mapping with all buffers and the ring of descriptions through which
//! they are provided. Lives on its shard, inside `ring`. One of the files with
//! `unsafe`: a buffer is the kernel's while it is provided and ours while we
//! hold its [`Buffer`], which cannot be copied. Never allocates after the start;
//! pages that were never provided cost no memory, so the pool starts small and
//! grows when connections starve.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// Bytes per buffer: one receive takes at most this much.
///
/// Larger buffers mean fewer receives for a publisher that streams; with 16 KiB
/// the cost of the receive itself is lost in the parsing.
pub(crate) const BUFFER_BYTES: u32 = 16 * 1024;

/// Buffers per shard at most; bounds the memory for bytes in flight to 4 MiB.
/// When it is reached connections wait on the starved list, first come first
/// served, and the counter `receive_starved` says so.
pub(crate) const MAX_BUFFERS: u16 = 256;

/// Buffers provided at the start and at each growth.
const GROWTH: u16 = 64;

/// The ring of descriptions is a power of two and growth ends exactly at it.
const _: () = assert!(MAX_BUFFERS.is_power_of_two() && MAX_BUFFERS.is_multiple_of(GROWTH));

/// The group id under which receives find the buffers; the ring has one group.
pub(crate) const GROUP: u16 = 0;

/// A buffer that the kernel filled and that is ours until it is given back.
#[derive(Debug)]
#[must_use = "a buffer that is not given back is lost to the pool"]
pub(crate) struct Buffer(u16);

/// Memory from mmap: page-aligned, zeroed, unmapped when dropped.
struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    fn new(bytes: usize) -> io::Result<Self> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice
        // touches no memory of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { base, bytes })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is exactly the one that mmap returned, and all
        // references into it are bound to borrows of the pool that drops it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// The receive buffers of one shard.
pub(crate) struct BufferPool {
    descriptions: Mapping,
    memory: Mapping,
    tail: u16,
    /// Invariant: `provided <= MAX_BUFFERS`; ids from here on were never used.
    provided: u16,
}

impl BufferPool {
    /// Maps the memory; nothing is provided before [`Self::register`].
    pub(crate) fn new() -> io::Result<Self> {
        let descriptions = Mapping::new(usize::from(MAX_BUFFERS) * size_of::<BufRingEntry>())?;
        let memory = Mapping::new(usize::from(MAX_BUFFERS) * BUFFER_BYTES as usize)?;
        Ok(Self {
            descriptions,
            memory,
            tail: 0,
            provided: 0,
        })
    }

    /// Makes the pool known to the ring and provides the first buffers.
    ///
    /// The caller keeps the pool alive until the ring is closed.
    pub(crate) fn register(&mut self, submitter: &Submitter<'_>) -> io::Result<()> {
        let address = self.descriptions.base.as_ptr() as u64;
        // SAFETY: the mapping is page-aligned, large enough for MAX_BUFFERS
        // descriptions and outlives the ring: `Ring` declares it after the
        // io_uring instance, so it is dropped later.
        unsafe { submitter.register_buf_ring_with_flags(address, MAX_BUFFERS, GROUP, 0) }?;
        self.grow();
        Ok(())
    }

    /// Provides more buffers; false once all are in use.
    pub(crate) fn grow(&mut self) -> bool {
        if self.provided == MAX_BUFFERS {
            return false;
        }
        for id in self.provided..self.provided + GROWTH {
            self.give_back(Buffer(id));
        }
        self.provided += GROWTH;
        true
    }

    /// How many buffers exist so far.
    pub(crate) fn provided(&self) -> usize {
        usize::from(self.provided)
    }

    /// Takes over the buffer that a completion names.
    ///
    /// The caller passes the id of each completion once.
    pub(crate) fn take(&self, id: u16) -> Buffer {
        assert!(id < self.provided, "the kernel picks provided buffers only");
        Buffer(id)
    }

    /// The first `len` bytes that the kernel wrote.
    pub(crate) fn bytes(&self, buffer: &Buffer, len: usize) -> &[u8] {
        let len = len.min(BUFFER_BYTES as usize);
        // SAFETY: `take` checked the id, so the range lies in the mapping, which
        // is initialised (zero or received bytes). The kernel does not write to
        // a buffer between its completion and `give_back`, which consumes the
        // `Buffer` borrowed here; the returned slice borrows the pool, which
        // `give_back` needs mutably.
        unsafe {
            let start = self
                .memory
                .base
                .add(usize::from(buffer.0) * BUFFER_BYTES as usize);
            std::slice::from_raw_parts(start.as_ptr(), len)
        }
    }

    /// The same bytes, to be changed in place.
    pub(crate) fn bytes_mut(&mut self, buffer: &mut Buffer, len: usize) -> &mut [u8] {
        let len = len.min(BUFFER_BYTES as usize);
        // SAFETY: as in `bytes`; and the returned slice borrows both the pool and the
        // one `Buffer` that names this range mutably, so it is the only one.
        unsafe {
            let start = self
                .memory
                .base
                .add(usize::from(buffer.0) * BUFFER_BYTES as usize);
            std::slice::from_raw_parts_mut(start.as_ptr(), len)
        }
    }

    /// Provides the buffer to the kernel again.
    pub(crate) fn give_back(&mut self, buffer: Buffer) {
        let Buffer(id) = buffer;
        let entries = self.descriptions.base.cast::<BufRingEntry>();
        let index = usize::from(self.tail & (MAX_BUFFERS - 1));
        // SAFETY: `index < MAX_BUFFERS`, so the entry lies in the mapping, and
        // `id < MAX_BUFFERS`, so does the buffer. There are at most MAX_BUFFERS
        // buffers and each is provided once at a time (`Buffer` cannot be
        // copied), so the kernel has consumed the entry at this index. The
        // entry's fields are written one by one because the tail shares the
        // memory of the first one.
        unsafe {
            let start = self
                .memory
                .base
                .add(usize::from(id) * BUFFER_BYTES as usize);
            let entry = entries.add(index).as_mut();
            entry.set_addr(start.as_ptr() as u64);
            entry.set_len(BUFFER_BYTES);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the mapping starts with the first entry, in which the tail
        // lies, aligned to two bytes; the kernel only reads it, atomically. The
        // release store makes the entry visible before the new tail.
        unsafe {
            let tail = BufRingEntry::tail(entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_grows_to_its_bound_and_no_further() {
        let mut pool = BufferPool::new().expect("memory for a pool");
        let mut steps = 0;
        while pool.grow() {
            steps += 1;
        }
        assert_eq!(steps, MAX_BUFFERS / GROWTH);
        assert_eq!(pool.provided(), usize::from(MAX_BUFFERS));
        let last = pool.take(MAX_BUFFERS - 1);
        assert_eq!(pool.bytes(&last, usize::MAX).len(), BUFFER_BYTES as usize);
        pool.give_back(last);
        assert_eq!(pool.tail, MAX_BUFFERS + 1);
    }
}

//! What a piece of work allocates: an allocator that counts per thread.
//!
//! Owns the test binary's global allocator, which is the system's one with two
//! thread-local counters around it, so tests beside each other do not disturb.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What is behind every allocation of glibc: a size word, and sizes in steps of 16, at least 32.
fn footprint(size: usize) -> isize {
    let rounded = (size + 8).next_multiple_of(16).max(32);
    isize::try_from(rounded).expect("allocations are smaller than isize::MAX")
}

fn count(calls: usize, bytes: isize) {
    // `try_with`: a thread still frees memory after its counters are gone.
    let _ = CALLS.try_with(|cell| cell.set(cell.get() + calls));
    let _ = BYTES.try_with(|cell| cell.set(cell.get() + bytes));
}

// SAFETY: every call is passed on unchanged to `System`, which upholds the contract; the counters
// are plain thread-local cells, const-initialised, that neither allocate nor unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, footprint(layout.size()));
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -footprint(layout.size()));
        // SAFETY: the caller upholds the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, footprint(size) - footprint(layout.size()));
        // SAFETY: the caller upholds the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// How often `work` allocates on this thread.
pub(super) fn calls_of(work: impl FnOnce()) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

/// Bytes that this thread has allocated and not freed, as the system's allocator rounds them.
pub(super) fn live_bytes() -> isize {
    BYTES.get()
}

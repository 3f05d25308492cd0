//! The protocol layer in a program without an operating system.
//!
//! Owns a bump allocator over one static arena, and a panic handler. Never run by
//! a test: that it builds is the promise, because a dependency that needs std
//! would bring a second panic handler along. What is called here is what has to
//! be linked: every decoder and every encoder.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use ringmq::protocol::{Packet, ProtocolVersion, Split, split};

/// Bytes that all allocations of the program share.
const ARENA_BYTES: usize = 64 * 1024;

/// Gives out an arena from front to back and takes nothing back.
#[repr(align(64))]
struct Bump {
    arena: UnsafeCell<[u8; ARENA_BYTES]>,
    used: AtomicUsize,
}

// SAFETY: the arena is only handed out in disjoint pieces, claimed atomically.
unsafe impl Sync for Bump {}

// SAFETY: a piece lies within the arena, is aligned as asked (the arena itself is
// aligned to 64, and more is refused), and no other call is given the same bytes.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > 64 {
            return core::ptr::null_mut();
        }
        let claim = |used: usize| {
            let start = used.next_multiple_of(layout.align());
            let end = start.checked_add(layout.size())?;
            (end <= ARENA_BYTES).then_some(end)
        };
        match self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
        {
            Ok(used) => {
                let start = used.next_multiple_of(layout.align());
                // SAFETY: `claim` has checked that the piece ends within the arena.
                unsafe { self.arena.get().cast::<u8>().add(start) }
            }
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump {
    arena: UnsafeCell::new([0; ARENA_BYTES]),
    used: AtomicUsize::new(0),
};

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Reads one packet and writes it again; how many bytes that takes, or 0 when
/// there was none.
///
/// # Safety
/// `bytes` points to `len` bytes that stay as they are during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmq_rewrite(bytes: *const u8, len: usize) -> usize {
    // SAFETY: the caller's promise.
    let bytes = unsafe { core::slice::from_raw_parts(bytes, len) };
    let Ok(Split::Complete { frame, .. }) = split(bytes, u32::MAX) else {
        return 0;
    };
    let mut out = Vec::new();
    match Packet::decode(ProtocolVersion::V5, frame) {
        Ok(packet) => packet
            .encode(ProtocolVersion::V5, &mut out)
            .map_or(0, |()| out.len()),
        Err(_) => 0,
    }
}

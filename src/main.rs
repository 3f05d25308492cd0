//! The `ringmq` binary: hands the arguments over to the command line layer.
//!
//! Owns the choice of the allocator, and with it one `unsafe` block. It never decides
//! anything else itself.

use std::process::ExitCode;

/// A message at QoS 1 or 2 is a few allocations, freed in another order than they
/// were made; glibc's allocator spends a third of the CPU of a fan-in at QoS 1 on
/// sorting them. An application that embeds the broker has its own.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Has memory go back to the system 10 ms after it was freed, not a second: trouble
/// that comes in waves would otherwise hold the sum of some of them. No cost was measured.
#[cfg(feature = "mimalloc")]
fn give_back_soon() {
    /// `mi_option_purge_delay` of mimalloc.h, in milliseconds.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: it takes no pointers, and there are no other threads yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 10) };
}

fn main() -> ExitCode {
    #[cfg(feature = "mimalloc")]
    give_back_soon();
    ringmq::cli::run(std::env::args_os())
}

//! The `ringmq` binary: hands the arguments over to the command line layer.
//!
//! Owns the choice of the allocator. It never decides anything else itself.

use std::process::ExitCode;

/// A message at QoS 1 or 2 is a few allocations, freed in another order than they
/// were made; glibc's allocator spends a third of the CPU of a fan-in at QoS 1 on
/// sorting them. An application that embeds the broker has its own.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ringmq::cli::run(std::env::args_os())
}

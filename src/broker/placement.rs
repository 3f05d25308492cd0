//! Which cores the shards run on.
//!
//! Owns nothing; asks the kernel once, on the starting thread, before any shard
//! is pinned. One of the files with `unsafe`. Never pins a thread itself: that
//! is glommio's.

use std::io;

/// The cores that this process may use, in ascending order; never empty.
pub(crate) fn available_cores() -> io::Result<Vec<usize>> {
    // SAFETY: all zeroes are a valid (empty) set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live set of exactly the size that is passed.
    let outcome = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    let most = usize::try_from(libc::CPU_SETSIZE).expect("a positive constant");
    // SAFETY: `core` is below CPU_SETSIZE, the number of bits in the set.
    let cores = (0..most)
        .filter(|core| unsafe { libc::CPU_ISSET(*core, &set) })
        .collect();
    Ok(cores)
}

/// The core of a shard: in turn, so that more shards than cores share them.
pub(crate) fn core_of(shard: usize, cores: &[usize]) -> usize {
    cores[shard % cores.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_at_least_the_core_that_runs_this() {
        let cores = available_cores().expect("the affinity of this process");
        assert!(!cores.is_empty());
        assert!(cores.is_sorted());
    }

    #[test]
    fn more_shards_than_cores_share_them_in_turn() {
        let placed: Vec<_> = (0..5).map(|shard| core_of(shard, &[2, 5])).collect();
        assert_eq!(placed, [2, 5, 2, 5, 2]);
    }
}

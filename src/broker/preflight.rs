//! What is checked before a shard starts, so that the answer is one line.
//!
//! Owns nothing but the knowledge of what a broker needs of its machine:
//! io_uring, locked memory, descriptors. Runs on the starting
//! thread. One of the files with `unsafe`, for resource limits. Raises soft
//! limits to the hard ones and changes nothing else.

use std::fs;
use std::io;

use io_uring::IoUring;

use super::error::StartError;
use crate::shard::{LOCKED_BYTES, OWN_DESCRIPTORS};

/// Descriptors left to the embedder: standard streams, logs, files.
const SPARE_DESCRIPTORS: u64 = 64;

/// Connections at most when only the descriptor limit bounds them: beyond it
/// other settings of the machine give out first.
const MOST_CONNECTIONS: u64 = 1 << 20;

/// The bit of CAP_IPC_LOCK in a capability mask: locked memory is not counted.
const CAP_IPC_LOCK: u32 = 14;

/// Whether the kernel has io_uring as the shards use it, and lets us.
pub(crate) fn check_io_uring() -> Result<(), StartError> {
    let outcome = IoUring::<io_uring::squeue::Entry>::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .build(1);
    let Err(error) = outcome else { return Ok(()) };
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => match disabled_by_sysctl() {
            Some(level @ 1..) => Err(StartError::ForbiddenBySysctl(level)),
            Some(0) | None => Err(StartError::ForbiddenBySeccomp),
        },
        Some(libc::ENOSYS) if kernel_since(5) => Err(StartError::ForbiddenBySeccomp),
        Some(libc::ENOSYS | libc::EINVAL) => Err(StartError::KernelTooOld {
            kernel: kernel_release(),
        }),
        // Locked memory may still be on its way back from an earlier process;
        // the shards wait for it.
        Some(libc::ENOMEM) => Ok(()),
        _ => Err(StartError::System {
            what: "use io_uring",
            source: error,
        }),
    }
}

fn disabled_by_sysctl() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", release.trim())
}

fn kernel_since(major: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release
        .split('.')
        .next()
        .and_then(|text| text.parse().ok())
        .is_some_and(|m: u32| m >= major)
}

/// Whether the shards may lock the memory of their rings.
pub(crate) fn check_locked_memory(shards: usize) -> Result<(), StartError> {
    if has_capability(CAP_IPC_LOCK) {
        return Ok(());
    }
    let need = shards as u64 * LOCKED_BYTES;
    let limit = raise(libc::RLIMIT_MEMLOCK, need).map_err(|source| StartError::System {
        what: "read the limit of locked memory",
        source,
    })?;
    if limit < need {
        return Err(StartError::LockedMemory {
            shards,
            need_kib: need.div_ceil(1024),
            limit_kib: limit / 1024,
        });
    }
    Ok(())
}

fn has_capability(bit: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> bit & 1 == 1)
}

/// How many connections to let in: what was asked for, or what the descriptor
/// limit allows. Raises the soft limit as far as needed.
pub(crate) fn check_descriptors(
    asked: Option<u32>,
    shards: usize,
    listeners: usize,
) -> Result<u32, StartError> {
    let own = SPARE_DESCRIPTORS + shards as u64 * (OWN_DESCRIPTORS + listeners as u64);
    let wanted = asked.map_or(MOST_CONNECTIONS, u64::from);
    let limit = raise(libc::RLIMIT_NOFILE, wanted + own).map_err(|source| StartError::System {
        what: "read the limit of descriptors",
        source,
    })?;
    let room = limit.saturating_sub(own);
    if room == 0 || (asked.is_some() && room < wanted) {
        let connections = asked.map_or(1, u64::from);
        return Err(StartError::Descriptors {
            connections,
            need: connections + own,
            limit,
        });
    }
    Ok(u32::try_from(room.min(wanted)).unwrap_or(u32::MAX))
}

/// Raises a soft limit to `need`, at most to the hard one: the limit now.
fn raise(resource: libc::__rlimit_resource_t, need: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live rlimit that the call fills.
    if unsafe { libc::getrlimit(resource, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur < need && limit.rlim_cur < limit.rlim_max {
        let raised = libc::rlimit {
            rlim_cur: need.min(limit.rlim_max),
            ..limit
        };
        // SAFETY: the pointer is to a live rlimit that the call reads.
        if unsafe { libc::setrlimit(resource, &raw const raised) } == 0 {
            return Ok(raised.rlim_cur);
        }
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_connections_than_descriptors_are_refused_only_when_asked_for() {
        assert!(matches!(
            check_descriptors(Some(u32::MAX), 1, 1),
            Err(StartError::Descriptors { .. })
        ));
        assert!(check_descriptors(None, 1, 1).expect("room for some") > 0);
    }
}

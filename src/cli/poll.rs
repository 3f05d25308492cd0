//! Waiting for several descriptors at once: poll(2).
//!
//! Owns nothing. The client commands wait here and nowhere else, so that one
//! thread listens, pings and sends at the same time. Never used by the broker.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// What to wait for on a descriptor, and after the wait what came.
#[derive(Debug)]
pub(crate) struct Watch<'f> {
    pub(crate) descriptor: BorrowedFd<'f>,
    /// Wait for bytes to read; after the wait: there are some, or the end.
    pub(crate) read: bool,
    /// Wait for room to write; after the wait: there is some, or the end.
    pub(crate) write: bool,
}

/// Waits until something is ready or the time is over; without a timeout, for
/// as long as it takes. A signal ends the wait early with nothing ready.
pub(crate) fn wait(watches: &mut [Watch<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let mut entries: Vec<libc::pollfd> = watches
        .iter()
        .map(|watch| libc::pollfd {
            fd: watch.descriptor.as_raw_fd(),
            events: if watch.read { libc::POLLIN } else { 0 }
                | if watch.write { libc::POLLOUT } else { 0 },
            revents: 0,
        })
        .collect();
    let millis = match timeout {
        None => -1,
        // Rounded up: waking before the deadline would spin.
        Some(timeout) => i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX),
    };
    // SAFETY: the pointer and the count describe the vector, which lives through
    // the call; the descriptors are open because they are borrowed.
    let result = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, millis) };
    if result < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        for entry in &mut entries {
            entry.revents = 0;
        }
    }
    for (watch, entry) in watches.iter_mut().zip(entries) {
        // An error or a hang-up is found by the read or the write that it spoils.
        let broken = entry.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0;
        watch.read = watch.read && (broken || entry.revents & libc::POLLIN != 0);
        watch.write = watch.write && (broken || entry.revents & libc::POLLOUT != 0);
    }
    Ok(())
}

//! Programs of others, and the sockets that they inherit.
//!
//! Owns nothing. Where a program is missing the test that wants it is skipped loudly.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The program of this name, wherever Debian puts such programs.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let further = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(further)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Hands these sockets to the process to be, as its descriptors from 3 on.
pub fn inherit(command: &mut Command, sockets: Vec<OwnedFd>) {
    // SAFETY: dup2 is async-signal-safe and takes no pointer; the closure owns the sockets. Copies
    // above the targets come first, so that none is overwritten before it was copied.
    unsafe {
        command.pre_exec(move || {
            let mut copies = [-1; 8];
            for (copy, socket) in copies.iter_mut().zip(&sockets) {
                *copy = libc::fcntl(socket.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 20);
            }
            for (target, copy) in (3..).zip(copies).take(sockets.len()) {
                if libc::dup2(copy, target) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

//! SIGTERM and SIGINT.
//!
//! Owns the handlers, which only write a byte or set a flag. Lives on the main
//! thread; no other file of the program touches signals.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The two signals that ask a process to stop, as a descriptor to wait on.
#[derive(Debug)]
pub(crate) struct StopSignals {
    wakeup: UnixStream,
}

impl StopSignals {
    /// From here on the signals are kept for whoever waits; the second one, which
    /// says that stopping takes too long, ends the process.
    pub(crate) fn catch() -> io::Result<Self> {
        let (wakeup, sender) = UnixStream::pair()?;
        let impatient = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // The order counts: the first signal arms what the second one meets.
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&impatient))?;
            flag::register(signal, Arc::clone(&impatient))?;
            low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        Ok(Self { wakeup })
    }

    /// Readable once a signal has come.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }

    /// Waits for a signal.
    pub(crate) fn wait(&self) -> io::Result<()> {
        loop {
            match (&self.wakeup).read(&mut [0; 1]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(|_| ()),
            }
        }
    }
}

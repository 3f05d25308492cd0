//! SIGTERM, SIGINT and SIGHUP.
//!
//! Owns the handlers, which only write a byte or set a flag. Lives on the main
//! thread; no other file of the program touches signals.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    /// SIGTERM or SIGINT: stop in order.
    Stop,
    /// SIGHUP: read again what can be read again.
    Reload,
}

/// The signals that a process obeys, as a descriptor to wait on.
#[derive(Debug)]
pub(crate) struct Signals {
    wakeup: UnixStream,
    /// For the handlers: each writes a byte.
    sender: UnixStream,
    /// Set before the byte of a signal that asks to stop.
    stopping: Arc<AtomicBool>,
}

impl Signals {
    /// From here on the signals that stop a process are kept for whoever waits; the
    /// second one, which says that stopping takes too long, ends the process.
    pub(crate) fn catch() -> io::Result<Self> {
        let (wakeup, sender) = UnixStream::pair()?;
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // The order counts: the first signal arms what the second one meets.
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&stopping))?;
            flag::register(signal, Arc::clone(&stopping))?;
            low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        Ok(Self {
            wakeup,
            sender,
            stopping,
        })
    }

    /// SIGHUP is kept, too, instead of ending the process.
    pub(crate) fn with_reload(self) -> io::Result<Self> {
        low_level::pipe::register(SIGHUP, self.sender.try_clone()?)?;
        Ok(self)
    }

    /// Readable once a signal has come.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }

    /// Waits for a signal.
    pub(crate) fn wait(&self) -> io::Result<Request> {
        loop {
            match (&self.wakeup).read(&mut [0; 1]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) if self.stopping.load(Ordering::SeqCst) => return Ok(Request::Stop),
                Ok(_) => return Ok(Request::Reload),
            }
        }
    }
}

//! What systemd hands to the process, and what it is told (sd_listen_fds(3),
//! sd_notify(3)).
//!
//! Owns the inherited sockets until listeners take them. Lives on the main thread.
//! One of the files with `unsafe`, for taking over descriptors. Elsewhere than under
//! systemd it finds nothing and says nothing.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};

use sd_notify::NotifyState;

/// Sockets of the socket unit, with their names (`FileDescriptorName=`).
#[derive(Debug, Default)]
pub(crate) struct Inherited(Vec<(String, OwnedFd)>);

impl Inherited {
    /// Takes over the sockets that were passed to this very process. To be called
    /// once, early.
    pub(crate) fn take_over() -> io::Result<Self> {
        let passed = sd_notify::listen_fds_with_names()?;
        let own = |(descriptor, name)| {
            // SAFETY: systemd passed the descriptor to this process (LISTEN_PID is
            // ours), and nothing else here takes it over: this is called once.
            (name, unsafe { OwnedFd::from_raw_fd(descriptor) })
        };
        Ok(Self(passed.map(own).collect()))
    }

    /// The sockets that an address means: all of them for `systemd`, those of a name
    /// for `systemd:NAME`; `None` where it is an ordinary address.
    pub(crate) fn take(&mut self, address: &str) -> Option<Vec<OwnedFd>> {
        let (word, name) = match address.split_once(':') {
            Some((word, name)) => (word, Some(name)),
            None => (address, None),
        };
        if word != "systemd" {
            return None;
        }
        let mut sockets = Vec::new();
        for (own, socket) in std::mem::take(&mut self.0) {
            if name.is_none_or(|name| name == own) {
                sockets.push(socket);
            } else {
                self.0.push((own, socket));
            }
        }
        Some(sockets)
    }

    /// The names of the sockets that nobody took.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// Every listener is open: units that come after this one may start.
pub(crate) fn tell_ready() {
    tell(NotifyState::Ready);
}

/// The stop has begun.
pub(crate) fn tell_stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}

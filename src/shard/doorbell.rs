//! What wakes a shard: a doorbell that any thread may ring, and a wakeup that
//! brings a parked turn back.
//!
//! Owns two eventfds. The network ring polls that of the [`Doorbell`], so that a
//! ring of it is a completion like any other, wherever the shard waits. The one of
//! [`Wakeup`] is the shard's own: the network ring signals it while the shard is
//! parked in glommio, which reads it. Holds two of the crate's `unsafe` blocks, for
//! making an eventfd and for lending it to glommio. Never blocks the shard: the
//! blocking read waits in glommio's ring. A non-blocking eventfd would not do,
//! glommio's read of it answers EAGAIN at once.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::rc::Rc;
use std::task::Waker;

use glommio::io::BufferedFile;

use super::parked::Parked;

/// An eventfd that wakes one shard from anywhere.
#[derive(Debug)]
pub(crate) struct Doorbell {
    eventfd: File,
    parked: Parked,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            eventfd: eventfd()?,
            parked: Parked::default(),
        })
    }

    /// Wakes the shard. Ringing again before it has woken changes nothing.
    pub(crate) fn ring(&self) {
        signal(&self.eventfd);
    }

    /// Wakes the shard if it sleeps; called after something was put into one of
    /// its lanes.
    pub(crate) fn ring_if_parked(&self) {
        if self.parked.take() {
            self.ring();
        }
    }

    /// The shard is about to sleep: afterwards it must look into its lanes once
    /// more.
    pub(crate) fn park(&self) {
        self.parked.set();
    }

    /// The shard is awake.
    pub(crate) fn unpark(&self) {
        self.parked.clear();
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}

/// Brings the turn task back from where it is parked in glommio.
#[derive(Debug)]
pub(crate) struct Wakeup {
    eventfd: File,
    waker: RefCell<Option<Waker>>,
    closing: Cell<bool>,
}

impl Wakeup {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            eventfd: eventfd()?,
            waker: RefCell::default(),
            closing: Cell::default(),
        })
    }

    /// Remembers the turn task, which then returns Pending.
    pub(crate) fn watch(&self, waker: &Waker) {
        let mut stored = self.waker.borrow_mut();
        if !stored
            .as_ref()
            .is_some_and(|stored| stored.will_wake(waker))
        {
            *stored = Some(waker.clone());
        }
    }

    /// Has the turn task come back once glommio has looked at everything else.
    pub(crate) fn come_back(&self) {
        signal(&self.eventfd);
    }

    /// Ends [`listen`].
    pub(crate) fn close(&self) {
        self.closing.set(true);
        signal(&self.eventfd);
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}

/// Hands every wakeup to the turn task, until [`Wakeup::close`].
pub(crate) async fn listen(wakeup: Rc<Wakeup>) {
    let copy = wakeup
        .eventfd
        .try_clone()
        .expect("a descriptor for the wakeup was reserved");
    // SAFETY: the copied descriptor is owned by nobody else, and the file
    // closes it.
    let file = unsafe { BufferedFile::from_raw_fd(copy.into_raw_fd()) };
    loop {
        file.read_at(0, 8)
            .await
            .expect("reading an eventfd does not fail");
        if wakeup.closing.get() {
            break;
        }
        if let Some(waker) = &*wakeup.waker.borrow() {
            waker.wake_by_ref();
        }
    }
    // Closing is all that is left; there is nobody to tell about a failure.
    let _ = file.close().await;
}

fn eventfd() -> io::Result<File> {
    // SAFETY: eventfd takes no pointers; the result is checked below.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just created and nobody else owns it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

fn signal(mut eventfd: &File) {
    // A write fails only when the counter would overflow, and one that is not zero
    // has woken the shard already.
    let _ = eventfd.write(&1u64.to_ne_bytes());
}

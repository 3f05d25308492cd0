//! What wakes a shard: a doorbell that any thread may ring.
//!
//! Owns two eventfds, for a shard waits in two places: the network ring polls one, and
//! a task reads the other through glommio. Each is written to by itself: an eventfd that
//! the kernel signals because another one was written to is told late, or never
//! (`io_eventfd_signal` puts it off until a grace period of RCU is over). Holds two of the
//! crate's `unsafe` blocks, for making an eventfd and for lending it to glommio. Never
//! blocks the shard: the blocking read waits in glommio's ring. A non-blocking eventfd
//! would not do, glommio's read of it answers EAGAIN at once.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use glommio::io::BufferedFile;

use super::parked::{Parked, Place};

/// Wakes one shard from anywhere.
#[derive(Debug)]
pub(crate) struct Doorbell {
    /// Polled by the network ring; never read.
    in_ring: File,
    /// Read through glommio, and signalled by the network ring while the shard is there.
    in_glommio: File,
    parked: Parked,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            in_ring: eventfd()?,
            in_glommio: eventfd()?,
            parked: Parked::default(),
        })
    }

    /// Tells the shard that there is a command, wherever it is: its ring completes.
    pub(crate) fn ring(&self) {
        signal(&self.in_ring);
        if self.parked.take() == Some(Place::Glommio) {
            signal(&self.in_glommio);
        }
    }

    /// Wakes the shard if it waits; called after something was put into one of
    /// its lanes.
    pub(crate) fn ring_if_parked(&self) {
        match self.parked.take() {
            Some(Place::Ring) => signal(&self.in_ring),
            Some(Place::Glommio) => signal(&self.in_glommio),
            None => {}
        }
    }

    /// Has the turn task come back once glommio has looked at everything else.
    pub(crate) fn come_back(&self) {
        signal(&self.in_glommio);
    }

    /// The shard is about to wait: afterwards it must look into its lanes once
    /// more.
    pub(crate) fn park(&self, place: Place) {
        self.parked.set(place);
    }

    /// The shard is awake.
    pub(crate) fn unpark(&self) {
        self.parked.clear();
    }

    /// What the network ring polls.
    pub(crate) fn in_ring(&self) -> BorrowedFd<'_> {
        self.in_ring.as_fd()
    }

    /// What the network ring signals.
    pub(crate) fn in_glommio(&self) -> BorrowedFd<'_> {
        self.in_glommio.as_fd()
    }
}

/// The turn task, to be woken from glommio.
#[derive(Debug, Default)]
pub(crate) struct Wakeup {
    waker: RefCell<Option<Waker>>,
    closing: Cell<bool>,
}

impl Wakeup {
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

    /// The next time that the doorbell is heard in glommio ends [`listen`].
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.waker.borrow_mut().take();
    }
}

/// Wakes the turn task whenever the doorbell is heard in glommio, until
/// [`Wakeup::close`].
pub(crate) async fn listen(doorbell: Arc<Doorbell>, wakeup: Rc<Wakeup>) {
    let copy = doorbell
        .in_glommio
        .try_clone()
        .expect("a descriptor for the doorbell was reserved");
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

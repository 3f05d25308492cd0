//! What wakes a shard: an eventfd for the kernel and for other threads, a flag
//! and a waker for the tasks of the same shard.
//!
//! Owns the eventfd. [`Doorbell`] may be rung from any thread; [`Wakeup`] lives
//! on its shard alone. Holds two of the crate's `unsafe` blocks, for making an
//! eventfd and for lending it to glommio. Never blocks the shard: the blocking
//! read waits in glommio's ring. A non-blocking eventfd would not do, glommio's
//! read of it answers EAGAIN at once.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
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
        // SAFETY: eventfd takes no pointers; the result is checked below.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just created and nobody else owns it.
        let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Self {
            eventfd: File::from(owned),
            parked: Parked::default(),
        })
    }

    /// Wakes the shard. Ringing again before it has woken changes nothing.
    pub(crate) fn ring(&self) {
        // An eventfd write fails only when the counter would overflow, and a
        // counter that is not zero wakes the shard already.
        let _ = (&self.eventfd).write(&1u64.to_ne_bytes());
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

/// Wakes the turn task from other tasks of the same shard.
#[derive(Debug, Default)]
pub(crate) struct Wakeup {
    waker: RefCell<Option<Waker>>,
    /// The doorbell rang since the turn last asked: commands may be waiting.
    rang: Cell<bool>,
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

    /// Wakes the turn task.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Whether the doorbell rang since the last call.
    pub(crate) fn take_rang(&self) -> bool {
        self.rang.replace(false)
    }

    /// The next ring of the doorbell ends [`listen`].
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.waker.borrow_mut().take();
    }
}

/// Hands every ring of the doorbell to the turn task, until [`Wakeup::close`].
pub(crate) async fn listen(doorbell: Arc<Doorbell>, wakeup: Rc<Wakeup>) {
    let copy = doorbell
        .eventfd
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
        wakeup.rang.set(true);
        wakeup.wake();
    }
    // Closing is all that is left; there is nobody to tell about a failure.
    let _ = file.close().await;
}

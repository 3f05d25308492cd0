//! epoll: waits for readable and writable sockets, to the nanosecond.
//!
//! Owns the epoll descriptor. One of the few files with `unsafe`: the system
//! calls are made directly, since a readiness library's bookkeeping would cost
//! as much as the generator's own work per event.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Events taken from the kernel per wait: enough that a thousand ready
/// subscribers cost one system call.
const EVENTS_PER_WAIT: usize = 1024;

/// An epoll instance, level triggered.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

/// What to wait for besides a hang-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Bytes to read.
    Read,
    /// Bytes to read, or room to write.
    ReadWrite,
}

/// One ready socket.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// What the socket was registered as.
    pub token: u32,
    /// There are bytes, an end of stream or an error to read.
    pub readable: bool,
    /// There is room to write, or an error to fetch.
    pub writable: bool,
}

impl Poller {
    /// An empty set.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is used.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is fresh and nobody else's.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self {
            epoll,
            events: Vec::with_capacity(EVENTS_PER_WAIT),
        })
    }

    /// Begins to watch a socket.
    ///
    /// # Errors
    /// When the kernel is out of memory or watches.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u32, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    /// Changes what is waited for.
    ///
    /// # Errors
    /// When the socket is not watched.
    pub fn modify(&self, fd: BorrowedFd<'_>, token: u32, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    /// Watches a socket no longer.
    ///
    /// # Errors
    /// When the socket is not watched.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest::Read)
    }

    /// Waits until something is ready or `timeout` nanoseconds are over; returns
    /// how many [`event`](Self::event)s there are.
    ///
    /// # Errors
    /// Never in practice; an interrupted wait is an empty one.
    pub fn wait(&mut self, timeout: u64) -> io::Result<usize> {
        let timeout = libc::timespec {
            tv_sec: i64::try_from(timeout / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(timeout % 1_000_000_000).expect("below 10^9"),
        };
        self.events.clear();
        // SAFETY: the event array has room for EVENTS_PER_WAIT entries, the
        // timeout lives through the call, and there is no signal mask. Called by
        // number because older C libraries lack the function.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS_PER_WAIT,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted {
                Ok(0)
            } else {
                Err(error)
            };
        };
        // SAFETY: the kernel has filled the first `count` entries, at most the
        // capacity.
        unsafe { self.events.set_len(count) };
        Ok(count)
    }

    /// One of the events of the last wait.
    #[must_use]
    #[inline]
    pub fn event(&self, index: usize) -> Event {
        const READABLE: i32 = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR;
        const WRITABLE: i32 = libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR;
        let event = self.events[index];
        let flags = event.events.cast_signed();
        #[expect(clippy::cast_possible_truncation, reason = "tokens are u32")]
        let token = event.u64 as u32;
        Event {
            token,
            readable: flags & READABLE != 0,
            writable: flags & WRITABLE != 0,
        }
    }

    fn control(
        &self,
        operation: i32,
        fd: BorrowedFd<'_>,
        token: u32,
        interest: Interest,
    ) -> io::Result<()> {
        let flags = match interest {
            Interest::Read => libc::EPOLLIN,
            Interest::ReadWrite => libc::EPOLLIN | libc::EPOLLOUT,
        };
        let mut event = libc::epoll_event {
            events: flags.cast_unsigned(),
            u64: u64::from(token),
        };
        // SAFETY: the event lives through the call; both descriptors are open.
        check(unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                operation,
                fd.as_raw_fd(),
                &raw mut event,
            )
        })
        .map(drop)
    }
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

//! How many system calls a process makes, where the kernel lets us count them.
//!
//! Owns one perf counter per thread of the process, on the tracepoint that every
//! system call passes. Counting is not free: each call of the machine then takes
//! the kernel's slow entry, so it is done on request only. io_uring's work is no
//! system call; its `io_uring_enter` is one.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::FromRawFd;

/// Where tracefs may be mounted.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// `PERF_TYPE_TRACEPOINT`.
const TYPE_TRACEPOINT: u32 = 2;

/// `perf_event_attr.inherit`: threads that start later are counted, too.
const INHERIT: u64 = 1 << 1;

/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;

/// The first published form of `perf_event_attr`, which every kernel takes.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
}

/// `PERF_ATTR_SIZE_VER0`.
const ATTRIBUTES_BYTES: u32 = 64;
const _: () = assert!(size_of::<Attributes>() == ATTRIBUTES_BYTES as usize);

/// The counters of one process.
#[derive(Debug)]
pub struct Syscalls {
    /// One of each thread that lived when counting began; read together with the
    /// threads which that one has started since.
    threads: Vec<File>,
}

impl Syscalls {
    /// Begins to count. A thread that starts at this very moment may be missed.
    ///
    /// # Errors
    /// Why it cannot be done here, for people.
    pub fn count_of(pid: u32) -> Result<Self, String> {
        let tracepoint = tracepoint()?;
        let threads = fs::read_dir(format!("/proc/{pid}/task"))
            .map_err(|error| format!("process {pid}: {error}"))?
            .flatten()
            .filter_map(|task| task.file_name().to_str()?.parse().ok());
        let mut counters = Vec::new();
        for thread in threads {
            match open(tracepoint, thread) {
                Ok(counter) => counters.push(counter),
                // It has ended since it was listed.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(error) => return Err(format!("perf_event_open: {error}")),
            }
        }
        Ok(Self { threads: counters })
    }

    /// System calls since counting began.
    ///
    /// # Errors
    /// When a counter cannot be read.
    pub fn total(&self) -> io::Result<u64> {
        let mut sum = 0;
        for mut counter in &self.threads {
            let mut count = [0; size_of::<u64>()];
            counter.read_exact(&mut count)?;
            sum += u64::from_ne_bytes(count);
        }
        Ok(sum)
    }
}

/// The number of the tracepoint at the entry of every system call.
fn tracepoint() -> Result<u64, String> {
    let read = |root: &str| fs::read_to_string(format!("{root}/events/raw_syscalls/sys_enter/id"));
    let ids = TRACEFS.iter().filter_map(|root| read(root).ok());
    ids.filter_map(|id| id.trim().parse().ok())
        .next()
        .ok_or_else(|| "tracefs is not mounted, or not for us to read".to_owned())
}

fn open(tracepoint: u64, thread: libc::pid_t) -> io::Result<File> {
    let attributes = Attributes {
        kind: TYPE_TRACEPOINT,
        size: ATTRIBUTES_BYTES,
        config: tracepoint,
        flags: INHERIT,
        ..Attributes::default()
    };
    let (any_core, no_group): (libc::c_int, libc::c_int) = (-1, -1);
    // SAFETY: `attributes` has the layout of `perf_event_attr` up to the size
    // that it states, and lives through the call, which only reads it.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            thread,
            any_core,
            no_group,
            CLOSE_ON_EXEC,
        )
    };
    let descriptor = i32::try_from(descriptor).expect("a descriptor is an int");
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made this descriptor, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_old_and_new_threads_are_counted_or_it_is_said_why_not() {
        const CALLS: u64 = 1000;
        let call = || {
            for _ in 0..CALLS {
                // SAFETY: it takes nothing and cannot fail.
                unsafe { libc::getppid() };
            }
        };
        match Syscalls::count_of(std::process::id()) {
            Ok(syscalls) => {
                let before = syscalls.total().expect("the counters are open");
                call();
                std::thread::spawn(call).join().expect("it does not panic");
                let made = syscalls.total().expect("the counters are open") - before;
                assert!(made >= 2 * CALLS, "{made}");
            }
            Err(why) => assert!(
                why.contains("tracefs") || why.contains("perf_event_open"),
                "{why}"
            ),
        }
    }
}

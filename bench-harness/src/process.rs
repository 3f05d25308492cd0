//! What processes cost: CPU time and memory, of the broker and of the generator.
//!
//! Owns nothing. CPU time comes from the kernel's per-process clock, which counts
//! nanoseconds over all threads, those that have ended and io_uring's workers
//! included (`/proc/PID/task/*/schedstat` forgets a thread that ends, and
//! `/proc/PID/stat` counts in ticks of 10 ms).

use std::fs;
use std::io;

/// Resident memory in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// All of it (`VmRSS`).
    pub resident: u64,
    /// The part that no file backs (`RssAnon`): heap and stacks.
    pub anonymous: u64,
    /// The most it ever was (`VmHWM`).
    pub peak: u64,
}

/// How often all threads of a process, as far as they still live, were taken off
/// their cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Switches {
    /// They waited for something.
    pub voluntary: u64,
    /// Something else had to run.
    pub involuntary: u64,
}

/// Reads a process's resident memory.
///
/// # Errors
/// When there is no such process.
pub fn memory(pid: u32) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| parse_kib(&status, name).ok_or(io::ErrorKind::InvalidData);
    Ok(Memory {
        resident: field("VmRSS:")?,
        anonymous: field("RssAnon:")?,
        peak: field("VmHWM:")?,
    })
}

fn parse_kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Counts a process's context switches.
///
/// # Errors
/// When there is no such process.
pub fn switches(pid: u32) -> io::Result<Switches> {
    let mut sum = Switches::default();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while it is looked at.
        let Ok(status) = fs::read_to_string(task?.path().join("status")) else {
            continue;
        };
        let field = |name: &str| {
            let mut lines = status.lines();
            let value = lines.find_map(|line| line.strip_prefix(name))?;
            value.trim().parse::<u64>().ok()
        };
        sum.voluntary += field("voluntary_ctxt_switches:").unwrap_or(0);
        sum.involuntary += field("nonvoluntary_ctxt_switches:").unwrap_or(0);
    }
    Ok(sum)
}

/// Nanoseconds that a process's living threads were ready to run and had no core,
/// in all.
#[must_use]
pub fn wait(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let of_task = |path: std::path::PathBuf| {
        let line = fs::read_to_string(path.join("schedstat")).ok()?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    tasks
        .flatten()
        .filter_map(|task| of_task(task.path()))
        .sum()
}

/// Threads that a process has now.
#[must_use]
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// CPU nanoseconds that all threads of a process have used.
///
/// # Errors
/// When there is no such process.
pub fn cpu(pid: u32) -> io::Result<u64> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is valid for writing through the call.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    read(clock)
}

/// CPU nanoseconds that the calling thread has used.
///
/// # Errors
/// Never on Linux.
pub fn own_cpu() -> io::Result<u64> {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Nanoseconds that the calling thread was ready to run and had no core; `None`
/// where the kernel does not count it.
#[must_use]
pub fn own_wait() -> Option<u64> {
    let line = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Lets the process open as many descriptors as the system allows it.
pub fn raise_descriptor_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for the calls; a failure leaves things as they
    // are, and running out of descriptors is reported where it happens.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

fn read(clock: libc::clockid_t) -> io::Result<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing through the call.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_charged_for_all_its_threads() {
        let own = std::process::id();
        let (before, thread_before) = (cpu(own), own_cpu());
        let worker = std::thread::spawn(|| {
            let start = own_cpu().expect("the thread has a clock");
            while own_cpu().expect("the thread has a clock") < start + 20_000_000 {}
        });
        worker.join().expect("the worker does not panic");
        let used = cpu(own).expect("we exist") - before.expect("we exist");
        assert!(
            used >= 20_000_000,
            "{used} ns for a worker that burnt 20 ms"
        );
        let mine = own_cpu().expect("we exist") - thread_before.expect("we exist");
        assert!(mine < 20_000_000, "the worker's time is not this thread's");
    }

    #[test]
    fn memory_is_read_from_the_status_page() {
        let memory = memory(std::process::id()).expect("we exist");
        assert!(memory.resident > memory.anonymous && memory.anonymous > 0);
    }
}

//! Which cores a thread or a process may run on.
//!
//! Owns nothing. One of the few files with `unsafe`: the set is the kernel's own
//! structure.

use std::io;

/// A set of cores.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cores(Vec<usize>);

impl Cores {
    /// Parses `0`, `0,2` or `1-3`.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("cores are written like 0 or 0,2 or 1-3, not {text:?}");
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first: usize = first.trim().parse().map_err(|_| wrong())?;
            let last: usize = last.trim().parse().map_err(|_| wrong())?;
            if first > last || last >= libc::CPU_SETSIZE.unsigned_abs() as usize {
                return Err(wrong());
            }
            cores.extend(first..=last);
        }
        cores.sort_unstable();
        cores.dedup();
        Ok(Self(cores))
    }

    /// The cores that the calling thread may use now.
    ///
    /// # Errors
    /// Never in practice.
    pub fn current() -> io::Result<Self> {
        // SAFETY: all zeroes are a valid (empty) set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is valid for writing and as large as is said.
        let outcome = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
        if outcome != 0 {
            return Err(io::Error::last_os_error());
        }
        let most = libc::CPU_SETSIZE.unsigned_abs() as usize;
        // SAFETY: `core` is below CPU_SETSIZE, the number of bits in the set.
        let cores = (0..most).filter(|core| unsafe { libc::CPU_ISSET(*core, &set) });
        Ok(Self(cores.collect()))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Binds the calling thread, and what it starts from now on, to these cores.
    /// Allocates nothing, so that it may be called between fork and exec.
    ///
    /// # Errors
    /// When the machine has none of them.
    pub fn bind(&self) -> io::Result<()> {
        // SAFETY: all zeroes are a valid (empty) set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        for core in &self.0 {
            // SAFETY: cores are below CPU_SETSIZE.
            unsafe { libc::CPU_SET(*core, &mut set) };
        }
        // SAFETY: the set is valid and as large as is said.
        let outcome = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
        if outcome != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl std::fmt::Display for Cores {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, core) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(out, "{comma}{core}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_numbers_lists_and_ranges() {
        let text = |given: &str| Cores::parse(given).map(|cores| cores.to_string());
        assert_eq!(text("0"), Ok("0".to_owned()));
        assert_eq!(text("4,1-2,2"), Ok("1,2,4".to_owned()));
        for wrong in ["", "x", "3-1", "1,", "99999"] {
            assert!(text(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_bound_thread_stays_where_it_was_bound() {
        let worker = std::thread::spawn(|| {
            let all = Cores::current().expect("the affinity of this thread");
            let one = Cores(all.0[..1].to_vec());
            one.bind().expect("a core that we may use");
            assert_eq!(Cores::current().expect("the affinity of this thread"), one);
        });
        worker.join().expect("the worker does not panic");
    }
}

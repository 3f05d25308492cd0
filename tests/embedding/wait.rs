//! Waiting for something that is going to be so.
//!
//! Owns the deadline. Never sleeps longer than until the next look.

use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// Returns as soon as `is_so`; fails the test when it never is.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not so in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

//! Waiting for something that only looking can tell: a condition with a deadline.
//!
//! Owns the one nap between two looks; nobody else sleeps. Never waits without a
//! deadline, and says what it waited for when that passes.
#![allow(dead_code, reason = "two test binaries use it, each its own part")]

use std::time::{Duration, Instant};

/// Long enough for a loaded machine of two cores; a test that needs it has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks until `look` has something to give; panics with `what` when the time is over.
pub fn for_some<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {patience:?} in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Looks until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for_some(what, PATIENCE, || condition().then_some(()));
}

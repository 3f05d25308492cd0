//! The live line: what a run is doing, on a terminal's standard error.
//!
//! Writes nothing anywhere else, so that logs stay readable.

use std::io::{self, IsTerminal, Write};

/// One line that is written over and over.
#[derive(Debug)]
pub struct Progress {
    visible: bool,
    head: String,
}

impl Progress {
    /// A line, if standard error is a terminal.
    #[must_use]
    pub fn of_terminal() -> Self {
        Self {
            visible: io::stderr().is_terminal(),
            head: String::new(),
        }
    }

    /// Nothing is shown.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            visible: false,
            head: String::new(),
        }
    }

    /// What every line begins with: the scenario, the broker, the repetition.
    pub fn head(&mut self, head: String) {
        self.head = head;
    }

    /// Shows what is going on; `what` is only asked where it is shown.
    pub fn show(&self, what: impl FnOnce() -> String) {
        if self.visible {
            // Nobody can be told that standard error is gone.
            let _ = write!(io::stderr(), "\r\x1b[K{}  {}", self.head, what());
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if self.visible {
            // As above.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

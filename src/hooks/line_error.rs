//! What is wrong with a file of rules, and in which line.
//!
//! Owns nothing but the two. Pure; whoever read the file adds its name.

use std::fmt;

/// A file that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there, and what would be right.
    pub what: String,
}

impl LineError {
    pub(super) fn new(line: usize, what: impl fmt::Display) -> Self {
        Self {
            line,
            what: what.to_string(),
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for LineError {}

/// The lines of a file with their numbers, without what ends them; bytes that are no
/// text are an error of their line.
pub(super) fn lines(file: &[u8]) -> impl Iterator<Item = Result<(usize, &str), LineError>> {
    written_lines(file).enumerate().map(|(index, line)| {
        let number = index + 1;
        let text =
            std::str::from_utf8(line).map_err(|_| LineError::new(number, "is not UTF-8 text"))?;
        Ok((number, text.strip_suffix('\r').unwrap_or(text)))
    })
}

/// The same lines as they are written: only the line feed is left out.
pub(super) fn written_lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let file = file.strip_suffix(b"\n").unwrap_or(file);
    file.split(|byte| *byte == b'\n')
}

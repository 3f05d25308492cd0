//! What happened, as a hash that two runs of one seed must share and, when asked
//! for, as lines to read.
//!
//! Owns both. Never influences a run.

/// Characters of a line that are kept.
const LINE: usize = 180;

/// The record of one run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace; with lines to read where `readable`.
    #[must_use]
    pub fn new(readable: bool) -> Self {
        Self {
            hash: 0xCBF2_9CE4_8422_2325,
            lines: readable.then(Vec::new),
        }
    }

    /// Takes numbers into the hash.
    pub fn mix(&mut self, number: u64) {
        self.hash = (self.hash.rotate_left(5) ^ number).wrapping_mul(0x517C_C1B7_2722_0A95);
    }

    /// Takes bytes into the hash.
    pub fn mix_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        self.mix(bytes.len() as u64);
    }

    /// Writes a line, if anybody reads them.
    pub fn line(&mut self, at: u64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let mut line = line();
            if line.len() > LINE {
                line = line.chars().take(LINE).collect();
            }
            lines.push(format!("{:>6}.{:03} {line}", at / 1_000, at % 1_000));
        }
    }

    /// The hash so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, if any were kept.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}

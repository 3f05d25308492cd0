//! A reader over the fuzzer's bytes: numbers, slices, and texts for topics.
//!
//! Owns the way bytes become choices. Never fails and never panics: where the
//! bytes end, everything is `None` and the run is over.

/// What is left of the fuzzer's bytes.
pub struct Input<'a> {
    rest: &'a [u8],
}

/// Levels that filters and topics are made of: few, so that they meet, and every
/// special one.
const LEVELS: [&str; 16] = [
    "a", "b", "c", "", "a", "b", "ab", "$s", "$share", "+", "+", "#", "\u{1}", "!", "é", "a",
];

impl<'a> Input<'a> {
    /// A reader over all of them.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Everything not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// A number below `end`, at most 256.
    pub fn below(&mut self, end: usize) -> Option<usize> {
        self.byte().map(|byte| usize::from(byte) % end)
    }

    /// So many bytes, or as many as there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// One to four levels with slashes between, any of them a wildcard; rarely a
    /// valid filter by chance alone, but often enough.
    pub fn levels(&mut self) -> Option<String> {
        let count = 1 + self.below(4)?;
        let mut levels = Vec::new();
        for _ in 0..count {
            levels.push(LEVELS[self.below(LEVELS.len())?]);
        }
        Some(levels.join("/"))
    }

    /// Levels that make a topic name.
    pub fn topic(&mut self) -> Option<String> {
        let topic = self.levels()?.replace(['+', '#'], "a");
        Some(if topic.is_empty() { "a".into() } else { topic })
    }

    /// Levels that make a filter without a share.
    pub fn filter(&mut self) -> Option<String> {
        let text = self.levels()?;
        let mut levels: Vec<&str> = text.split('/').collect();
        if let Some(hash) = levels.iter().position(|level| *level == "#") {
            levels.truncate(hash + 1);
        }
        if levels[0] == "$share" {
            levels[0] = "a";
        }
        let filter = levels.join("/");
        Some(if filter.is_empty() {
            "+".into()
        } else {
            filter
        })
    }
}

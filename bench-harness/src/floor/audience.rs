//! Who gets what: the floor's only knowledge of topics.
//!
//! Pure. Exact filters are looked up; a filter with a wildcard stands for every
//! topic that begins like its literal part, which is as much as the scenarios of
//! this harness need and as little as a lookup can cost.

use std::collections::HashMap;

/// Filters and the connections behind them.
#[derive(Debug, Default)]
pub struct Audience {
    exact: HashMap<Vec<u8>, Vec<u32>>,
    prefixes: Vec<(Vec<u8>, u32)>,
}

impl Audience {
    /// Adds a filter of a connection.
    pub fn add(&mut self, filter: &[u8], connection: u32) {
        match filter.iter().position(|byte| matches!(byte, b'+' | b'#')) {
            Some(at) => self.prefixes.push((filter[..at].to_vec(), connection)),
            None => self
                .exact
                .entry(filter.to_vec())
                .or_default()
                .push(connection),
        }
    }

    /// Forgets a connection.
    pub fn remove(&mut self, connection: u32) {
        self.exact.retain(|_, connections| {
            connections.retain(|member| *member != connection);
            !connections.is_empty()
        });
        self.prefixes.retain(|(_, member)| *member != connection);
    }

    /// Puts those who want a topic into `into`, in place of what it held.
    #[inline]
    pub fn find(&self, topic: &[u8], into: &mut Vec<u32>) {
        into.clear();
        if let Some(connections) = self.exact.get(topic) {
            into.extend_from_slice(connections);
        }
        for (prefix, connection) in &self.prefixes {
            if topic.starts_with(prefix) {
                into.push(*connection);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_filters_and_prefixes_are_found_until_they_are_removed() {
        let mut audience = Audience::default();
        audience.add(b"a/b", 1);
        audience.add(b"a/+", 2);
        audience.add(b"#", 3);
        let find = |audience: &Audience, topic: &[u8]| {
            let mut found = Vec::new();
            audience.find(topic, &mut found);
            found
        };
        assert_eq!(find(&audience, b"a/b"), [1, 2, 3]);
        assert_eq!(find(&audience, b"c"), [3]);
        audience.remove(1);
        audience.remove(3);
        assert_eq!(find(&audience, b"a/b"), [2]);
    }
}

//! The names of a session's subscriptions.
//!
//! Owns the filter strings, so that a session's end can take them out of the
//! index and a bound on their number can hold. Lives on the home shard. Pure; the
//! options of a subscription are the index's business.

use std::collections::BTreeSet;
use std::ops::Bound::{Included, Unbounded};

/// Up to this many names are kept in a plain list, which costs a client with a
/// handful of subscriptions no tree.
const FEW: usize = 8;

/// What a shared subscription's name begins with.
const SHARE: &str = "$share/";

/// The topic filters (whole, with `$share/...`) that a session subscribed to.
#[derive(Debug)]
pub enum SubscriptionNames {
    /// A short list.
    Few(Vec<Box<str>>),
    /// A long one.
    Many(Box<Many>),
}

/// Many names, and what is counted of them.
#[derive(Debug, Default)]
pub struct Many {
    /// A set in order: the same on every run, whatever a hostile client chooses, and
    /// with the shared subscriptions side by side.
    names: BTreeSet<Box<str>>,
    bytes: usize,
    shared: usize,
}

impl Many {
    fn insert(&mut self, name: Box<str>) {
        self.bytes += name.len();
        self.shared += usize::from(name.starts_with(SHARE));
        self.names.insert(name);
    }

    fn forget(&mut self, name: &str) {
        self.bytes -= name.len();
        self.shared -= usize::from(name.starts_with(SHARE));
    }
}

impl Default for SubscriptionNames {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl SubscriptionNames {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Few(names) => names.len(),
            Self::Many(many) => many.names.len(),
        }
    }

    /// How many of them are shared subscriptions.
    #[must_use]
    pub fn shared_len(&self) -> usize {
        match self {
            Self::Few(_) => self.shared().count(),
            Self::Many(many) => many.shared,
        }
    }

    /// Bytes of all names.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Few(names) => names.iter().map(|name| name.len()).sum(),
            Self::Many(many) => many.bytes,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this filter is among them.
    #[must_use]
    pub fn contains(&self, filter: &str) -> bool {
        match self {
            Self::Few(names) => names.iter().any(|name| &**name == filter),
            Self::Many(many) => many.names.contains(filter),
        }
    }

    /// Adds a filter; false when it was there.
    pub fn insert(&mut self, filter: &str) -> bool {
        if self.contains(filter) {
            return false;
        }
        if let Self::Few(names) = self {
            if names.len() < FEW {
                names.push(filter.into());
                return true;
            }
            let mut many = Box::<Many>::default();
            names.drain(..).for_each(|name| many.insert(name));
            *self = Self::Many(many);
        }
        if let Self::Many(many) = self {
            many.insert(filter.into());
        }
        true
    }

    /// Takes a filter out; false when it was not there.
    pub fn remove(&mut self, filter: &str) -> bool {
        match self {
            Self::Few(names) => {
                let found = names.iter().position(|name| &**name == filter);
                found.map(|index| names.swap_remove(index)).is_some()
            }
            Self::Many(many) => {
                let found = many.names.remove(filter);
                if found {
                    many.forget(filter);
                }
                found
            }
        }
    }

    /// Takes any one out.
    pub fn pop(&mut self) -> Option<Box<str>> {
        match self {
            Self::Few(names) => names.pop(),
            Self::Many(many) => {
                let name = many.names.pop_first()?;
                many.forget(&name);
                Some(name)
            }
        }
    }

    /// The shared subscriptions among them.
    pub fn shared(&self) -> impl Iterator<Item = &str> {
        let (few, many) = match self {
            Self::Few(names) => (&names[..], None),
            Self::Many(many) => (
                &[][..],
                Some(many.names.range::<str, _>((Included(SHARE), Unbounded))),
            ),
        };
        let many = many.into_iter().flatten();
        let few = few.iter().filter(|name| name.starts_with(SHARE));
        few.chain(many.take_while(|name| name.starts_with(SHARE)))
            .map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_set_however_many_there_are() {
        let mut names = SubscriptionNames::default();
        for round in 0..2 {
            for number in 0..40 {
                assert_eq!(names.insert(&format!("a/{number}")), round == 0);
            }
        }
        assert_eq!((names.len(), names.bytes()), (40, 10 * 3 + 30 * 4));
        assert!(names.remove("a/39") && !names.remove("a/39"));
        assert!(!names.contains("a/39") && names.contains("a/0"));
        names.insert("$share/g/t");
        names.insert("$shared/g/t");
        names.insert("$SYS/t");
        assert_eq!(names.shared().collect::<Vec<_>>(), ["$share/g/t"]);
        assert_eq!(names.shared_len(), 1);
        while names.pop().is_some() {}
        assert_eq!((names.len(), names.bytes(), names.shared_len()), (0, 0, 0));
    }
}

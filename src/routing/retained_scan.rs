//! Where a filter goes on in a sorted list of topics: the skip-scan behind retained answers.
//!
//! Owns nothing; pure. Topics are compared in *level order*: as bytes, with `/`
//! replaced by zero, which no topic contains. So a topic comes before everything
//! below it, and everything below it comes before its next sibling.
//!
//! Looking at one topic, [`judge`] says that it matches, or names a lower bound of
//! all later topics that can: a whole subtree that a literal level rules out is
//! skipped in one step. There is no recursion, and hostile shapes such as
//! `+/+/+/...` cost at most one step per topic that is really there.

use std::cmp::Ordering;

/// What stands for `/` in level order.
const SEPARATOR: u8 = 0;

/// The least byte that can follow a level other than a separator: after all of a subtree.
const BEHIND: u8 = 1;

/// A topic (or filter) in level order.
pub(super) fn level_order(topic: &str, key: &mut Vec<u8>) {
    key.clear();
    key.extend(
        topic
            .bytes()
            .map(|byte| if byte == b'/' { SEPARATOR } else { byte }),
    );
}

/// What to do about a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The filter matches.
    Match,
    /// No match before this bound, which is `key[..keep]` and then some; see [`Bound`].
    Seek(Bound),
    /// No match from here to the end.
    Done,
}

/// A topic's key, cut and extended: greater than the key it was made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bound {
    keep: usize,
    then: Then,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    /// Behind everything that starts with the kept levels.
    Behind,
    /// Behind every topic that starts with `$`.
    BehindReserved,
    /// The first topic below the kept levels.
    Below,
    /// The level of the filter (from, to) instead of the rest.
    Level(usize, usize),
}

impl Bound {
    /// Makes the bound out of the key it was found for.
    pub(super) fn apply(self, filter: &str, key: &mut Vec<u8>) {
        key.truncate(self.keep);
        match self.then {
            Then::Behind => key.push(BEHIND),
            Then::BehindReserved => key.push(b'$' + 1),
            Then::Below => key.push(SEPARATOR),
            Then::Level(from, to) => key.extend_from_slice(&filter.as_bytes()[from..to]),
        }
    }
}

/// Compares a topic in level order with a filter.
pub(super) fn judge(filter: &str, key: &[u8]) -> Verdict {
    if key.first() == Some(&b'$') && filter.starts_with(['+', '#']) {
        // [MQTT-4.7.2-1]: a wildcard in the first level matches no topic that starts with `$`.
        return Verdict::Seek(Bound {
            keep: 0,
            then: Then::BehindReserved,
        });
    }
    // Where the next level of the topic starts; `None` behind its last one.
    let mut start = Some(0);
    // Where the topic's level at the filter's last `+` ends: the place to go on from.
    let mut last_plus = None;
    let mut from = 0;
    for level in filter.split('/') {
        let to = from + level.len();
        if level == "#" {
            return Verdict::Match;
        }
        let Some(begin) = start else {
            // The topic is a parent of what the filter asks for.
            return Verdict::Seek(Bound {
                keep: key.len(),
                then: Then::Below,
            });
        };
        let end = key[begin..]
            .iter()
            .position(|byte| *byte == SEPARATOR)
            .map_or(key.len(), |length| begin + length);
        if level == "+" {
            last_plus = Some(end);
        } else {
            match key[begin..end].cmp(level.as_bytes()) {
                Ordering::Less => {
                    return Verdict::Seek(Bound {
                        keep: begin,
                        then: Then::Level(from, to),
                    });
                }
                Ordering::Equal => {}
                Ordering::Greater => return behind(last_plus),
            }
        }
        start = (end < key.len()).then_some(end + 1);
        from = to + 1;
    }
    if start.is_none() {
        Verdict::Match
    } else {
        behind(last_plus)
    }
}

/// Goes on behind the subtree of the last level that may vary.
fn behind(last_plus: Option<usize>) -> Verdict {
    last_plus.map_or(Verdict::Done, |keep| {
        Verdict::Seek(Bound {
            keep,
            then: Then::Behind,
        })
    })
}

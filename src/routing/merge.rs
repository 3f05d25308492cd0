//! HOT PATH: several lists of subscribers made one, with one entry per session.
//!
//! Owns the buffers of the work, which grow to the largest merge and stay.
//! Lives on one shard, pure. A session whose filters overlap gets one entry: the
//! highest QoS [MQTT-3.3.4-2], every subscription identifier [MQTT-3.3.4-4].
//!
//! Session slots are dense, so a plain array says where in the result a session
//! already is; marking its cells with the number of the merge saves clearing it.

use super::subscribers::Match;

/// This bit of [`Match::subscription_ids`] says that the rest is the place of a list.
const LIST: u32 = 1 << 31;

/// The identifiers that a [`Match`] refers to.
///
/// One identifier is the match's own field; of several, `lists` holds at the
/// place named by the field: room, length, identifiers.
pub(super) fn identifiers<'a>(entry: &'a Match, lists: &'a [u32]) -> &'a [u32] {
    match entry.subscription_ids {
        0 => &[],
        inline if inline < LIST => core::slice::from_ref(&entry.subscription_ids),
        list => {
            let place = (list & !LIST) as usize;
            &lists[place + 2..][..lists[place + 1] as usize]
        }
    }
}

#[derive(Clone, Copy)]
struct Mark {
    /// The merge that wrote this mark; an older one means "not in the result".
    merge: u32,
    place: u32,
}

/// The latest merge and the means for the next one.
pub(super) struct Merge {
    /// Indexed by session slot.
    marks: Vec<Mark>,
    current: u32,
    entries: Vec<Match>,
    lists: Vec<u32>,
}

impl Merge {
    pub(super) const fn new() -> Self {
        Self {
            marks: Vec::new(),
            current: 0,
            entries: Vec::new(),
            lists: Vec::new(),
        }
    }

    /// Entries and identifier lists of the latest merge.
    pub(super) fn result(&self) -> (&[Match], &[u32]) {
        (&self.entries, &self.lists)
    }

    /// Merges `lists`, leaving out the `no_local` subscriptions of `publisher`.
    pub(super) fn run<'a>(
        &mut self,
        lists: impl Iterator<Item = &'a [Match]>,
        publisher: Option<u32>,
    ) {
        self.start();
        for list in lists {
            for entry in list {
                if !(entry.no_local && Some(entry.session) == publisher) {
                    self.add(entry);
                }
            }
        }
    }

    fn start(&mut self) {
        self.entries.clear();
        self.lists.clear();
        self.current = self.current.wrapping_add(1);
        if self.current == 0 {
            // The numbers begin anew; no mark may look as if it were of this merge.
            self.marks.fill(Mark { merge: 0, place: 0 });
            self.current = 1;
        }
    }

    fn add(&mut self, entry: &Match) {
        let session = entry.session as usize;
        if session >= self.marks.len() {
            self.marks.resize(session + 1, Mark { merge: 0, place: 0 });
        }
        let mark = &mut self.marks[session];
        if mark.merge == self.current {
            let merged = &mut self.entries[mark.place as usize];
            merged.qos = merged.qos.max(entry.qos);
            merged.retain_as_published |= entry.retain_as_published;
            let ids = join(
                &mut self.lists,
                merged.subscription_ids,
                entry.subscription_ids,
            );
            merged.subscription_ids = ids;
        } else {
            let place = u32::try_from(self.entries.len()).expect("each u32 session comes once");
            *mark = Mark {
                merge: self.current,
                place,
            };
            // What remains here may be delivered to its session whoever published.
            self.entries.push(Match {
                no_local: false,
                ..*entry
            });
        }
    }
}

/// Adds one more identifier (or none) to those of an entry.
fn join(lists: &mut Vec<u32>, ids: u32, more: u32) -> u32 {
    debug_assert!(more < LIST, "a filter's own entry has one identifier");
    match (ids, more) {
        (ids, 0) => ids,
        (0, more) => more,
        (one, more) if one < LIST => {
            let place = lists.len();
            lists.extend([2, 2, one, more]);
            LIST | u32::try_from(place).expect("identifier lists stay below 2^31 words")
        }
        (list, more) => LIST | append(lists, list & !LIST, more),
    }
}

/// Appends to the list at `place`, moving it to the end with twice the room when it is full.
fn append(lists: &mut Vec<u32>, place: u32, id: u32) -> u32 {
    let start = place as usize;
    let (room, len) = (lists[start], lists[start + 1]);
    if len < room {
        lists[start + 2 + len as usize] = id;
        lists[start + 1] += 1;
        return place;
    }
    let moved = lists.len();
    lists.extend([room * 2, len + 1]);
    lists.extend_from_within(start + 2..start + 2 + len as usize);
    lists.push(id);
    lists.resize(moved + 2 + room as usize * 2, 0);
    u32::try_from(moved).expect("identifier lists stay below 2^31 words")
}

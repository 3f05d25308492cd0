//! HOT PATH: the subscribers' side of a run: whose message it is, and whether it
//! was the one to come.
//!
//! Pure. Every subscriber has one [`Stream`] per publisher that it hears. The
//! members of a shared group have one together, since each message goes to one
//! of them; what each member got must still be in order.

use std::collections::BTreeMap;
use std::fmt;

use crate::stream::{Losses, Stream, Verdict};
use crate::topology::Topology;

/// One subscriber's place.
#[derive(Clone, Copy, Debug)]
struct Place {
    first_publisher: u32,
    publishers: u32,
    first_stream: usize,
    member: Option<Member>,
}

/// A subscriber's place in a shared group.
#[derive(Clone, Copy, Debug)]
struct Member {
    group: u32,
    /// Where its own highest sequence numbers stand.
    first_next: usize,
}

/// What a message was to its subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Whether it was expected.
    pub verdict: Verdict,
    /// The message numbers from here up to it have been gone past.
    pub from: u64,
}

/// Whose account it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The subscriber with this number.
    Subscriber(usize),
    /// The shared group with this number.
    Group(u32),
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscriber(number) => write!(out, "subscriber {number}"),
            Self::Group(number) => write!(out, "shared group {number}"),
        }
    }
}

/// All subscribers of a run.
#[derive(Debug)]
pub struct Readers {
    places: Vec<Place>,
    streams: Vec<Stream>,
    /// Of each member of a group and publisher: one past the last message; cut
    /// to 32 bits, which no publisher's count exceeds within hours.
    next_of_member: Vec<u32>,
    reordered_of_reader: BTreeMap<usize, u64>,
}

impl Readers {
    /// Subscribers that have heard nothing.
    #[must_use]
    pub fn new(topology: &Topology) -> Self {
        let mut streams = 0;
        let mut nexts = 0;
        let mut streams_of_group = BTreeMap::new();
        let mut places = Vec::with_capacity(topology.subscribers.len());
        for reader in &topology.subscribers {
            let publishers = reader.publishers as usize;
            let fresh = streams;
            let first_stream = match reader.group {
                Some(group) => *streams_of_group.entry(group).or_insert(fresh),
                None => fresh,
            };
            if first_stream == fresh {
                streams += publishers;
            }
            let member = reader.group.map(|group| {
                let first_next = nexts;
                nexts += publishers;
                Member { group, first_next }
            });
            places.push(Place {
                first_publisher: reader.first_publisher,
                publishers: reader.publishers,
                first_stream,
                member,
            });
        }
        Self {
            places,
            streams: std::iter::repeat_with(Stream::default)
                .take(streams)
                .collect(),
            next_of_member: vec![0; nexts],
            reordered_of_reader: BTreeMap::new(),
        }
    }

    /// How many there are.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Judges a message; `None` where this subscriber must not get it.
    #[inline]
    pub fn hear(&mut self, reader: usize, publisher: u32, sequence: u64) -> Option<Heard> {
        let place = self.places[reader];
        let index = publisher.wrapping_sub(place.first_publisher);
        if index >= place.publishers {
            return None;
        }
        let index = index as usize;
        let stream = &mut self.streams[place.first_stream + index];
        let before = stream.next();
        let verdict = stream.receive(sequence);
        let Some(member) = place.member else {
            let from = before;
            return Some(Heard { verdict, from });
        };
        if verdict != Verdict::Duplicate {
            let next = &mut self.next_of_member[member.first_next + index];
            let cut = u32::try_from(sequence).unwrap_or(u32::MAX);
            if cut < *next {
                *self.reordered_of_reader.entry(reader).or_default() += 1;
            } else {
                *next = cut.saturating_add(1);
            }
        }
        // What other members are to get has not been gone past.
        let from = sequence;
        Some(Heard { verdict, from })
    }

    /// Each subscriber's account, or its group's, when `sent` tells how many
    /// messages a publisher has sent.
    #[must_use]
    pub fn accounts(&self, sent: impl Fn(usize) -> u64) -> Vec<(Owner, Losses)> {
        let mut accounts = Vec::with_capacity(self.places.len());
        let mut group_told = None;
        for (number, place) in self.places.iter().enumerate() {
            let name = Owner::Subscriber(number);
            let Some(member) = place.member else {
                accounts.push((name, self.sum(place, &sent)));
                continue;
            };
            if group_told != Some(member.group) {
                group_told = Some(member.group);
                let mut losses = self.sum(place, &sent);
                // Among members there is no order to keep.
                losses.reordered = 0;
                accounts.push((Owner::Group(member.group), losses));
            }
            let reordered = self.reordered_of_reader.get(&number);
            let losses = Losses {
                reordered: reordered.copied().unwrap_or(0),
                ..Losses::default()
            };
            accounts.push((name, losses));
        }
        accounts
    }

    fn sum(&self, place: &Place, sent: &impl Fn(usize) -> u64) -> Losses {
        let mut sum = Losses::default();
        for index in 0..place.publishers as usize {
            let sent = sent(place.first_publisher as usize + index);
            sum.add(self.streams[place.first_stream + index].account(sent));
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_shares_what_is_sent_and_each_member_keeps_the_order() {
        let mut readers = Readers::new(&Topology::shared("b", 1, 2));
        for (member, sequence) in [(0, 1), (1, 0), (0, 3), (0, 2), (1, 2)] {
            assert!(readers.hear(member, 0, sequence).is_some());
        }
        assert!(readers.hear(0, 1, 0).is_none(), "there is one publisher");
        let accounts = readers.accounts(|_| 6);
        let of = |owner: Owner| {
            let account = accounts.iter().find(|(known, _)| *known == owner);
            let losses = account.expect("it takes part").1;
            [losses.lost, losses.duplicated, losses.reordered]
        };
        assert_eq!(of(Owner::Group(0)), [2, 1, 0]);
        assert_eq!(of(Owner::Subscriber(0)), [0, 0, 1]);
        assert_eq!(of(Owner::Subscriber(1)), [0, 0, 0]);
    }
}

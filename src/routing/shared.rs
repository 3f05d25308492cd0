//! The shared-subscription groups that live on this shard.
//!
//! Owns, per `$share/group/filter`, its members on all shards. Lives on one
//! shard, pure: chooses a member, never delivers. The members of a group are one
//! list with those that are online in front, and messages go round in that part;
//! only where nobody is online do the others take turns (their sessions queue). A
//! message that the chosen member may not have goes round: every other member is tried
//! once, in the order of their names, those that are online first.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::ops::Bound;
use std::rc::Rc;

use ahash::RandomState;

use super::filter_index::{FilterId, FilterIndex};
use crate::ids::{SessionId, ShardId};
use crate::protocol::{SubscriptionOptions, TopicFilter};

/// A session that shares a group's messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// The session's home shard.
    pub shard: ShardId,
    /// The session on its home shard.
    pub session: SessionId,
    /// What it asked for with its subscription.
    pub options: SubscriptionOptions,
    /// The identifier to send along with each message, if any.
    pub subscription_id: Option<NonZeroU32>,
    /// Whether its client is connected.
    pub online: bool,
}

/// A session as a member of groups, whatever it asked for.
type MemberKey = (ShardId, SessionId);

impl Member {
    fn key(&self) -> MemberKey {
        (self.shard, self.session)
    }
}

/// How far a message has come on its way from member to member. It only ever goes on in
/// the order of their names, so that it ends whoever comes and goes meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Round {
    /// The member that was chosen first.
    first: MemberKey,
    /// Whether those that are not connected are tried by now.
    absent: bool,
}

/// Who gets a message in one of the groups that its topic matches.
#[derive(Clone, Copy)]
pub struct GroupChoice<'a> {
    /// The group's name.
    pub group: &'a str,
    /// The filter behind the name.
    pub filter: &'a str,
    /// The member whose turn it is.
    pub member: &'a Member,
    /// How far the message has come.
    pub round: Round,
    members: &'a Group,
}

impl<'a> GroupChoice<'a> {
    fn of(members: &'a Group, member: &'a Member, round: Option<Round>) -> Option<Self> {
        let (group, filter) = members.name.split_once('/')?;
        let begun = Round {
            first: member.key(),
            absent: false,
        };
        Some(Self {
            group,
            filter,
            member,
            round: round.unwrap_or(begun),
            members,
        })
    }

    /// The member to try when this one may not have the message; `None`: nobody may.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.members.next(self.round, self.member.key())
    }

    /// Whether nobody is left to try after this member.
    #[must_use]
    pub fn is_last(self) -> bool {
        // Most messages find their member at once, and then nobody is looked for.
        let begins = self.round.first == self.member.key();
        self.members.members.len() == 1 || (!begins && self.next().is_none())
    }
}

struct Group {
    /// `group/filter`: names hold no `/`, so this names a group like nothing else.
    name: Rc<str>,
    filter: FilterId,
    /// Its place among the groups with this filter.
    place: usize,
    /// Invariant: online members come before all others. Never empty.
    members: Vec<Member>,
    /// In the order in which a message goes round.
    places: BTreeMap<MemberKey, usize>,
    /// How many members are online.
    online: usize,
    /// Counts the choices; taken modulo the members that come into question.
    turn: usize,
}

impl Group {
    /// The member whose turn it is, or the next one that is not `exclude`.
    fn choose(&mut self, exclude: Option<MemberKey>) -> Option<GroupChoice<'_>> {
        let excluded = exclude.and_then(|key| self.places.get(&key).copied());
        let excluded_online = excluded.is_some_and(|place| place < self.online);
        // Only where nobody online is left do the others come into question.
        let candidates = if self.online > usize::from(excluded_online) {
            0..self.online
        } else {
            self.online..self.members.len()
        };
        if candidates.is_empty() {
            return None;
        }
        let turn = self.turn;
        self.turn = self.turn.wrapping_add(1);
        let mut place = candidates.start + turn % candidates.len();
        if Some(place) == excluded {
            place = candidates.start + self.turn % candidates.len();
            self.turn = self.turn.wrapping_add(1);
        }
        let member = self
            .members
            .get(place)
            .filter(|_| Some(place) != excluded)?;
        GroupChoice::of(self, member, None)
    }

    /// The next member that a message has not come to yet, after this one.
    fn next(&self, round: Round, after: MemberKey) -> Option<GroupChoice<'_>> {
        let first = round.first;
        let present = |absent: bool| move |member: &&Member| member.online != absent;
        if !round.absent
            && let Some(member) = self.between(after, first).find(present(false))
        {
            return GroupChoice::of(self, member, Some(round));
        }
        let after = if round.absent { after } else { first };
        let member = self.between(after, first).find(present(true))?;
        let round = Round {
            absent: true,
            ..round
        };
        GroupChoice::of(self, member, Some(round))
    }

    /// The members behind one name and before another, around the end of all names; all
    /// but that one where both are the same.
    fn between(&self, after: MemberKey, before: MemberKey) -> impl Iterator<Item = &Member> {
        let wraps = after >= before;
        let end = if wraps {
            Bound::Unbounded
        } else {
            Bound::Excluded(before)
        };
        let ahead = self.places.range((Bound::Excluded(after), end));
        let around = wraps.then(|| self.places.range(..before));
        ahead
            .chain(around.into_iter().flatten())
            .map(|(_, place)| &self.members[*place])
    }

    /// Adds a member or replaces what it asked for; `true` when it is new.
    fn set(&mut self, member: Member) -> bool {
        let key = member.key();
        let (place, new) = match self.places.get(&key) {
            Some(place) => (*place, false),
            None => (self.members.len(), true),
        };
        if new {
            self.members.push(Member {
                online: false,
                ..member
            });
            self.places.insert(key, place);
        } else {
            self.members[place] = Member {
                online: self.members[place].online,
                ..member
            };
        }
        self.set_online(key, member.online);
        new
    }

    /// Moves a member to the part of the list where it belongs.
    fn set_online(&mut self, key: MemberKey, online: bool) {
        let Some(&place) = self.places.get(&key) else {
            return;
        };
        if self.members[place].online == online {
            return;
        }
        self.members[place].online = online;
        if online {
            self.swap(place, self.online);
            self.online += 1;
        } else {
            self.online -= 1;
            self.swap(place, self.online);
        }
    }

    /// Takes a member out; `false` when it was none.
    fn remove(&mut self, key: MemberKey) -> bool {
        self.set_online(key, false);
        let Some(&place) = self.places.get(&key) else {
            return false;
        };
        self.swap(place, self.members.len() - 1);
        self.members.pop();
        self.places.remove(&key);
        true
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.members.swap(a, b);
        self.places.insert(self.members[a].key(), a);
        self.places.insert(self.members[b].key(), b);
    }
}

/// The groups of this shard.
pub struct SharedGroups {
    index: FilterIndex,
    /// By [`FilterId`]: the groups with this filter. Those in `free_filters` are empty.
    filters: Vec<Vec<Rc<str>>>,
    free_filters: Vec<FilterId>,
    /// By `group/filter`.
    groups: HashMap<Rc<str>, Group, RandomState>,
    /// The groups of every member: sets, since one client may have thousands and leave
    /// them one by one.
    memberships: HashMap<MemberKey, BTreeSet<Rc<str>>, RandomState>,
    /// Buffer for the name of a group.
    name: String,
}

impl SharedGroups {
    /// No groups; `hasher` is keyed, since clients choose names, filters and topics.
    #[must_use]
    pub fn new(hasher: RandomState) -> Self {
        Self {
            index: FilterIndex::new(hasher.clone()),
            filters: Vec::new(),
            free_filters: Vec::new(),
            groups: HashMap::with_hasher(hasher.clone()),
            memberships: HashMap::with_hasher(hasher),
            name: String::new(),
        }
    }

    /// Adds a member to a group, or replaces what it asked for before.
    ///
    /// `filter` is the one behind the group's name. `true`: it is the group's first member.
    pub fn join(&mut self, group: &str, filter: TopicFilter<'_>, member: Member) -> bool {
        set_name(&mut self.name, group, filter);
        let first = !self.groups.contains_key(&*self.name);
        if first {
            self.add_group(filter);
        }
        let Some(found) = self.groups.get_mut(&*self.name) else {
            debug_assert!(false, "the group was found or has just been added");
            return first;
        };
        if found.set(member) {
            let name = Rc::clone(&found.name);
            let names = self.memberships.entry(member.key()).or_default();
            names.insert(name);
        }
        first
    }

    /// Takes a member out. `None`: it was none; `Some(true)`: it was the last one, the group is gone.
    pub fn leave(
        &mut self,
        group: &str,
        filter: TopicFilter<'_>,
        shard: ShardId,
        session: SessionId,
    ) -> Option<bool> {
        set_name(&mut self.name, group, filter);
        let key = (shard, session);
        let found = self.groups.get_mut(&*self.name)?;
        if !found.remove(key) {
            return None;
        }
        if let Entry::Occupied(mut names) = self.memberships.entry(key) {
            names.get_mut().remove(&*self.name);
            if names.get().is_empty() {
                names.remove();
            }
        }
        let gone = found.members.is_empty();
        if gone {
            self.remove_group(filter);
        }
        Some(gone)
    }

    /// Notes that a session's client has come or gone, in all groups of that session.
    /// Returns how many these are.
    pub fn set_online(&mut self, shard: ShardId, session: SessionId, online: bool) -> usize {
        let key = (shard, session);
        let Some(names) = self.memberships.get(&key) else {
            return 0;
        };
        for name in names {
            if let Some(group) = self.groups.get_mut(name) {
                group.set_online(key, online);
            }
        }
        names.len()
    }

    /// Whether no group lives here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Calls `f` with one member of every group whose filter matches `topic`.
    pub fn choose(&mut self, topic: &str, mut f: impl FnMut(GroupChoice<'_>)) {
        if self.groups.is_empty() {
            return;
        }
        for id in self.index.matched(topic) {
            for name in &self.filters[id.index()] {
                let group = self.groups.get_mut(name);
                if let Some(choice) = group.and_then(|group| group.choose(None)) {
                    f(choice);
                }
            }
        }
    }

    /// Chooses anew in one group, for a message that a member gave back.
    ///
    /// `exclude` is passed over; `None` when there is no other member.
    pub fn choose_in(
        &mut self,
        group: &str,
        filter: TopicFilter<'_>,
        exclude: Option<(ShardId, SessionId)>,
    ) -> Option<GroupChoice<'_>> {
        set_name(&mut self.name, group, filter);
        self.groups.get_mut(&*self.name)?.choose(exclude)
    }

    /// Goes on in one group with a message that this member may not have; `None` when no
    /// other may.
    pub fn next_in(
        &mut self,
        group: &str,
        filter: TopicFilter<'_>,
        round: Round,
        after: (ShardId, SessionId),
    ) -> Option<GroupChoice<'_>> {
        set_name(&mut self.name, group, filter);
        self.groups.get(&*self.name)?.next(round, after)
    }

    /// Adds the group that `self.name` names.
    fn add_group(&mut self, filter: TopicFilter<'_>) {
        let id = self.index.find(filter).unwrap_or_else(|| {
            let id = self.free_filters.pop().unwrap_or_else(|| {
                self.filters.push(Vec::new());
                FilterId::from_index(self.filters.len() - 1)
            });
            self.index.insert(filter, id);
            id
        });
        let name: Rc<str> = self.name.as_str().into();
        let names = &mut self.filters[id.index()];
        names.push(Rc::clone(&name));
        let group = Group {
            name: Rc::clone(&name),
            filter: id,
            place: names.len() - 1,
            members: Vec::new(),
            places: BTreeMap::new(),
            online: 0,
            turn: 0,
        };
        self.groups.insert(name, group);
    }

    /// Drops the group that `self.name` names.
    fn remove_group(&mut self, filter: TopicFilter<'_>) {
        let Some(group) = self.groups.remove(&*self.name) else {
            return;
        };
        let names = &mut self.filters[group.filter.index()];
        names.swap_remove(group.place);
        if let Some(moved) = names.get(group.place) {
            if let Some(moved) = self.groups.get_mut(moved) {
                moved.place = group.place;
            }
        } else if names.is_empty() {
            *names = Vec::new();
            self.index.remove(filter);
            self.free_filters.push(group.filter);
        }
    }

    /// Sizes of the tables, for tests that watch for leaks.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (
            self.groups.len(),
            self.memberships.len(),
            self.filters.len() - self.free_filters.len(),
        )
    }
}

/// Writes `group/filter`.
fn set_name(name: &mut String, group: &str, filter: TopicFilter<'_>) {
    debug_assert!(!group.contains('/'));
    name.clear();
    name.push_str(group);
    name.push('/');
    name.push_str(filter.as_str());
}

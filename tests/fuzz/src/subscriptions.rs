//! Operations on the indexes of subscriptions, against a list that is searched from
//! end to end.
//!
//! Owns the oracles. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use ringmq::ids::ShardId;
use ringmq::protocol::{QoS, SubscriptionOptions, TopicFilter};
use ringmq::routing::{Inserted, Interest, Removed, SharedGroups, Subscriptions};

use super::filters::{hasher, member, options, table};
use super::input::Input;
use super::naive;

const SESSIONS: usize = 12;

/// Operations of one run; more of them say nothing new and cost time.
const OPERATIONS: usize = 100;

/// Subscribers that come and go together, enough to outgrow every small form.
const CROWD: u32 = 70;

type Subscription = (SubscriptionOptions, Option<NonZeroU32>);

/// QoS, retain as published, sorted identifiers.
type Answer = BTreeMap<u32, (QoS, bool, Vec<u32>)>;

struct Run {
    index: Subscriptions,
    wanting: Interest,
    asking: Interest,
    /// Filters and who has subscribed to them: no filter without anybody.
    list: BTreeMap<String, BTreeMap<u32, Subscription>>,
    groups: SharedGroups,
    /// Groups and filters, and their members: whether each is online. No group without
    /// anybody.
    members: BTreeMap<(String, String), BTreeMap<u32, bool>>,
}

/// Takes the bytes as operations.
pub fn run(data: &[u8]) {
    let table = table();
    let mut run = Run {
        index: Subscriptions::new(hasher()),
        wanting: Interest::new(Arc::clone(&table), ShardId(1)),
        asking: Interest::new(table, ShardId(0)),
        list: BTreeMap::new(),
        groups: SharedGroups::new(hasher()),
        members: BTreeMap::new(),
    };
    let mut input = Input::new(data);
    for _ in 0..OPERATIONS {
        if run.step(&mut input).is_none() {
            break;
        }
    }
    run.end();
}

/// The levels of a filter, as far as its shape goes.
fn shape(filter: &str) -> Vec<char> {
    let level = |level| match level {
        "+" => '+',
        "#" => '#',
        _ => 'x',
    };
    filter.split('/').map(level).collect()
}

fn parse(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).expect("the input makes well-formed filters")
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        let operation = input.byte()?;
        match operation % 8 {
            0 | 1 => self.insert(input, operation)?,
            2 => {
                let filter = input.filter()?;
                let session = number(input)?;
                self.remove(&filter, session);
            }
            3 => self.forget(number(input)?),
            4 => {
                let filter = input.filter()?;
                let arrives = operation & 0x80 == 0;
                for session in 100..100 + CROWD {
                    if arrives {
                        self.add(&filter, session, options(QoS::AtLeastOnce), None);
                    } else {
                        self.remove(&filter, session);
                    }
                }
            }
            5 => self.group(input, operation)?,
            _ => {
                let topic = input.topic()?;
                let publisher = (operation & 0x80 != 0).then_some(u32::from(operation >> 3 & 7));
                self.publish(&topic, publisher);
            }
        }
        Some(())
    }

    fn insert(&mut self, input: &mut Input<'_>, operation: u8) -> Option<()> {
        let filter = input.filter()?;
        let session = number(input)?;
        let options = SubscriptionOptions {
            no_local: operation & 0x80 != 0,
            retain_as_published: operation & 0x40 != 0,
            ..options(QoS::try_from(operation >> 4 & 3).unwrap_or_default())
        };
        let id = NonZeroU32::new(u32::from(input.byte()? % 4));
        self.check_room(&filter);
        self.add(&filter, session, options, id);
        Some(())
    }

    /// Where so many shapes of wildcard filters may be, another filter finds room if its
    /// shape is among them.
    fn check_room(&self, filter: &str) {
        let filters = self.list.keys();
        let wildcards = filters.filter(|filter| parse(filter).is_wildcard());
        let shapes: BTreeSet<Vec<char>> = wildcards.map(|filter| shape(filter)).collect();
        let has_room = |most| self.index.has_room_for(parse(filter), most);
        let known = !parse(filter).is_wildcard() || shapes.contains(&shape(filter));
        assert_eq!(has_room(shapes.len()), known, "{filter} beside {shapes:?}");
        assert!(has_room(shapes.len() + 1));
    }

    fn add(
        &mut self,
        filter: &str,
        session: u32,
        options: SubscriptionOptions,
        id: Option<NonZeroU32>,
    ) {
        let first_of_filter = !self.list.contains_key(filter);
        if first_of_filter {
            self.list.insert(filter.to_owned(), BTreeMap::new());
        }
        let subscribers = self.list.get_mut(filter).expect("there now");
        let before = subscribers.insert(session, (options, id));
        let inserted = self.index.insert(parse(filter), session, options, id);
        let expected = Inserted {
            new_subscription: before.is_none(),
            first_of_filter,
        };
        assert_eq!(inserted, expected, "{filter} of {session}");
        if first_of_filter {
            self.wanting.add(parse(filter));
        }
    }

    fn remove(&mut self, filter: &str, session: u32) {
        let subscribers = self.list.get_mut(filter);
        let before = subscribers.and_then(|subscribers| subscribers.remove(&session));
        let last_of_filter = self.list.get(filter).is_none_or(BTreeMap::is_empty);
        if last_of_filter {
            self.list.remove(filter);
        }
        let removed = self.index.remove(parse(filter), session);
        let expected = before.map(|_| Removed { last_of_filter });
        assert_eq!(removed, expected, "{filter} of {session}");
        if before.is_some() && last_of_filter {
            self.wanting.remove(parse(filter));
        }
    }

    /// All subscriptions of a session end.
    fn forget(&mut self, session: u32) {
        let own = self.list.iter();
        let own = own.filter(|(_, subscribers)| subscribers.contains_key(&session));
        let filters: Vec<String> = own.map(|(filter, _)| filter.clone()).collect();
        for filter in filters {
            self.remove(&filter, session);
        }
    }

    fn group(&mut self, input: &mut Input<'_>, operation: u8) -> Option<()> {
        let group = if operation & 0x40 == 0 { "g" } else { "h" };
        let session = number(input)?;
        let identity = member(session, true).session;
        if operation & 0x80 != 0 {
            let online = operation & 0x20 != 0;
            self.set_online(session, online);
            return Some(());
        }
        let filter = input.filter()?;
        let key = (group.to_owned(), filter.clone());
        if operation & 0x10 == 0 {
            let first = !self.members.contains_key(&key);
            let online = operation & 0x20 != 0;
            // A session is online everywhere or nowhere.
            self.set_online(session, online);
            let joined = self
                .groups
                .join(group, parse(&filter), member(session, online));
            assert_eq!(joined, first, "{group} {filter}");
            self.members.entry(key).or_default().insert(session, online);
        } else {
            let members = self.members.get_mut(&key);
            let was = members.is_some_and(|members| members.remove(&session).is_some());
            let is_over = self.members.get(&key).is_none_or(BTreeMap::is_empty);
            if is_over {
                self.members.remove(&key);
            }
            let left = self
                .groups
                .leave(group, parse(&filter), ShardId(0), identity);
            let gone = was.then_some(is_over);
            assert_eq!(left, gone, "{group} {filter}");
        }
        Some(())
    }

    fn set_online(&mut self, session: u32, online: bool) {
        let identity = member(session, true).session;
        self.groups.set_online(ShardId(0), identity, online);
        for members in self.members.values_mut() {
            if let Some(known) = members.get_mut(&session) {
                *known = online;
            }
        }
    }

    fn publish(&mut self, topic: &str, publisher: Option<u32>) {
        let mut expected = Answer::new();
        let mut wanted = false;
        let matching = self.list.iter();
        let matching = matching.filter(|(filter, _)| naive::matches(filter, topic));
        for (session, (options, id)) in matching.flat_map(|(_, subscribers)| subscribers) {
            wanted = true;
            if options.no_local && publisher == Some(*session) {
                continue;
            }
            let (qos, retain, ids) =
                expected
                    .entry(*session)
                    .or_insert((options.qos, false, Vec::new()));
            *qos = (*qos).max(options.qos);
            *retain |= options.retain_as_published;
            ids.extend(id.map(NonZeroU32::get));
            ids.sort_unstable();
        }
        let matches = self.index.matches(topic, publisher);
        let mut answer = Answer::new();
        for entry in matches.entries() {
            if entry.no_local && publisher == Some(entry.session) {
                continue;
            }
            let mut ids = matches.subscription_ids(entry).to_vec();
            ids.sort_unstable();
            let terms = (entry.qos, entry.retain_as_published, ids);
            let twice = answer.insert(entry.session, terms);
            assert_eq!(twice, None, "one entry per session for {topic}");
        }
        assert_eq!(answer, expected, "{topic} of {publisher:?}");
        let mut found = false;
        self.asking
            .interested(topic, |shard| found |= shard == ShardId(1));
        assert!(found || !wanted, "{topic} is missed");
        self.choose(topic);
    }

    /// Each group that matches chooses one member, one that is online if any is.
    fn choose(&mut self, topic: &str) {
        let in_question = |(key, members): (&(String, String), &BTreeMap<u32, bool>)| {
            let best = members.values().any(|&online| online);
            let best = members.iter().filter(|&(_, &online)| online == best);
            let sessions: BTreeSet<u32> = best.map(|(session, _)| *session).collect();
            naive::matches(&key.1, topic).then(|| (key.clone(), sessions))
        };
        let expected: BTreeMap<_, _> = self.members.iter().filter_map(in_question).collect();
        let mut chosen = BTreeMap::new();
        self.groups.choose(topic, |choice| {
            let name = (choice.group.to_owned(), choice.filter.to_owned());
            let twice = chosen.insert(name, choice.member.session.slot);
            assert_eq!(twice, None, "one choice per group for {topic}");
        });
        assert!(
            chosen.keys().eq(expected.keys()),
            "{topic}: {chosen:?} of {expected:?}"
        );
        for (name, session) in chosen {
            assert!(expected[&name].contains(&session), "{session} of {name:?}");
        }
    }

    /// Everything goes, and nothing stays behind.
    fn end(&mut self) {
        let all: usize = self.list.values().map(BTreeMap::len).sum();
        assert_eq!(self.index.len(), all);
        let filters: Vec<String> = self.list.keys().cloned().collect();
        assert_eq!(self.index.filters(), filters.len());
        let sessions: BTreeSet<u32> = self
            .list
            .values()
            .flat_map(BTreeMap::keys)
            .copied()
            .collect();
        for session in sessions {
            self.forget(session);
        }
        assert!(self.index.is_empty() && self.index.filters() == 0);
        for ((group, filter), members) in std::mem::take(&mut self.members) {
            for session in members.into_keys() {
                let session = member(session, true).session;
                let left = self
                    .groups
                    .leave(&group, parse(&filter), ShardId(0), session);
                assert!(left.is_some());
            }
        }
        assert!(self.groups.is_empty());
        for filter in filters {
            let topic = filter.replace(['+', '#'], "a");
            let mut found = false;
            self.asking.interested(&topic, |_| found = true);
            assert!(!found, "{topic} finds what is gone");
        }
    }
}

fn number(input: &mut Input<'_>) -> Option<u32> {
    Some(u32::try_from(input.below(SESSIONS)?).unwrap_or_default())
}

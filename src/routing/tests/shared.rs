//! Shared groups: one member per message, in turns, online ones first.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{any_filter, any_topic, cases, filter, hasher, options};
use crate::ids::{SessionId, ShardId};
use crate::protocol::QoS;
use crate::routing::{Member, SharedGroups};

fn session(slot: u32) -> SessionId {
    SessionId {
        slot,
        generation: slot / 3,
    }
}

fn member(slot: u32, online: bool) -> Member {
    Member {
        shard: ShardId(u16::try_from(slot % 4).expect("below four")),
        session: session(slot),
        options: options(QoS::AtLeastOnce),
        subscription_id: None,
        online,
    }
}

/// The slots chosen for one message, by group and filter.
fn chosen(groups: &mut SharedGroups, topic: &str) -> BTreeMap<(String, String), u32> {
    let mut chosen = BTreeMap::new();
    groups.choose(topic, |choice| {
        let name = (choice.group.to_owned(), choice.filter.to_owned());
        let earlier = chosen.insert(name, choice.member.session.slot);
        assert_eq!(earlier, None, "one member of each group");
    });
    chosen
}

/// How often each slot is chosen in so many messages to `t`, which one group matches.
fn turns(groups: &mut SharedGroups, messages: usize) -> BTreeMap<u32, usize> {
    let mut turns = BTreeMap::new();
    for _ in 0..messages {
        for slot in chosen(groups, "t").into_values() {
            *turns.entry(slot).or_insert(0) += 1;
        }
    }
    turns
}

#[test]
fn online_members_take_turns() {
    let mut groups = SharedGroups::new(hasher());
    for slot in 0..5 {
        assert_eq!(
            groups.join("g", filter("t"), member(slot, slot != 2)),
            slot == 0
        );
    }
    let even = BTreeMap::from([(0, 100), (1, 100), (3, 100), (4, 100)]);
    assert_eq!(turns(&mut groups, 400), even);
    let left = member(4, true);
    assert_eq!(
        groups.leave("g", filter("t"), left.shard, left.session),
        Some(false)
    );
    let gone = member(1, true);
    groups.set_online(gone.shard, gone.session, false);
    assert_eq!(
        turns(&mut groups, 400),
        BTreeMap::from([(0, 200), (3, 200)])
    );
}

#[test]
fn members_that_are_offline_take_turns_when_nobody_is_online() {
    let mut groups = SharedGroups::new(hasher());
    for slot in 0..3 {
        groups.join("g", filter("t"), member(slot, false));
    }
    assert_eq!(
        turns(&mut groups, 30),
        BTreeMap::from([(0, 10), (1, 10), (2, 10)])
    );
}

#[test]
fn a_message_given_back_goes_to_another_member() {
    let mut groups = SharedGroups::new(hasher());
    let key = |slot| Some((member(slot, true).shard, session(slot)));
    groups.join("g", filter("t"), member(0, true));
    assert!(
        groups.choose_in("g", filter("t"), key(0)).is_none(),
        "there is no other"
    );
    groups.join("g", filter("t"), member(1, false));
    for _ in 0..10 {
        let other = groups.choose_in("g", filter("t"), key(0));
        assert_eq!(
            other.map(|choice| *choice.member),
            Some(member(1, false)),
            "better one that is offline than none"
        );
    }
    groups.join("g", filter("t"), member(2, true));
    groups.join("g", filter("t"), member(3, true));
    let mut to = BTreeSet::new();
    for _ in 0..20 {
        to.extend(
            groups
                .choose_in("g", filter("t"), key(0))
                .map(|choice| choice.member.session.slot),
        );
    }
    assert_eq!(to, BTreeSet::from([2, 3]));
    assert!(groups.choose_in("g", filter("t"), None).is_some());
    assert!(groups.choose_in("other", filter("t"), None).is_none());
}

#[test]
fn a_message_goes_round_and_comes_to_every_member_once_whoever_is_there_first() {
    let mut groups = SharedGroups::new(hasher());
    for slot in 0..8 {
        groups.join("g", filter("t"), member(slot, slot % 3 != 0));
    }
    for _ in 0..8 {
        let mut tried = Vec::new();
        let mut choice = groups.choose_in("g", filter("t"), None);
        while let Some(this) = choice {
            tried.push(this.member.session.slot);
            let next = this.next();
            assert_eq!(this.is_last(), next.is_none());
            choice = next;
        }
        let (present, absent) = tried.split_at(5);
        assert!(present.iter().all(|slot| slot % 3 != 0), "{tried:?}");
        assert!(absent.iter().all(|slot| slot % 3 == 0), "{tried:?}");
        tried.sort_unstable();
        assert_eq!(tried, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}

#[test]
fn a_round_ends_whoever_comes_and_goes_meanwhile() {
    let mut groups = SharedGroups::new(hasher());
    for slot in 0..6 {
        groups.join("g", filter("t"), member(slot, true));
    }
    let choice = groups.choose_in("g", filter("t"), None).expect("a member");
    let mut round = choice.round;
    let mut key = (choice.member.shard, choice.member.session);
    let mut step = 0;
    loop {
        // Whoever was tried goes, and comes back at once; others change their minds.
        assert_eq!(groups.leave("g", filter("t"), key.0, key.1), Some(false));
        groups.join("g", filter("t"), member(key.1.slot, step % 2 == 0));
        let other = member((step * 5 + 2) % 6, true);
        groups.set_online(other.shard, other.session, step % 3 == 0);
        let Some(next) = groups.next_in("g", filter("t"), round, key) else {
            break;
        };
        round = next.round;
        key = (next.member.shard, next.member.session);
        step += 1;
        assert!(step < 12, "each of them at most twice");
    }
}

#[test]
fn the_same_filter_in_two_groups_and_two_filters_in_one_are_three_groups() {
    let mut groups = SharedGroups::new(hasher());
    for (group, text) in [("g", "a/+"), ("h", "a/+"), ("g", "a/b")] {
        assert!(groups.join(group, filter(text), member(1, true)));
    }
    assert_eq!(chosen(&mut groups, "a/b").len(), 3);
    assert_eq!(chosen(&mut groups, "a/c").len(), 2);
}

#[derive(Clone, Debug)]
enum Operation {
    Join(usize, String, u32, bool),
    Leave(prop::sample::Index),
    LeaveAny(usize, String, u32),
    Online(u32, bool),
    Choose(String),
    GiveBack(prop::sample::Index),
}

const GROUPS: [&str; 3] = ["g", "h", "$"];

fn any_operation() -> impl Strategy<Value = Operation> {
    let (group, slot) = (0..GROUPS.len(), 0..12_u32);
    prop_oneof![
        6 => (group.clone(), any_filter(2), slot.clone(), any::<bool>())
            .prop_map(|(group, filter, slot, online)| Operation::Join(group, filter, slot, online)),
        3 => any::<prop::sample::Index>().prop_map(Operation::Leave),
        1 => (group, any_filter(2), slot.clone())
            .prop_map(|(group, filter, slot)| Operation::LeaveAny(group, filter, slot)),
        3 => (slot, any::<bool>()).prop_map(|(slot, online)| Operation::Online(slot, online)),
        4 => any_topic(2).prop_map(Operation::Choose),
        2 => any::<prop::sample::Index>().prop_map(Operation::GiveBack),
    ]
}

/// The oracle: whether a member is online, by group, filter and slot.
type Naive = BTreeMap<(String, String, u32), bool>;

fn members<'a>(
    naive: &'a Naive,
    group: &'a str,
    text: &'a str,
) -> impl Iterator<Item = (u32, bool)> + Clone + 'a {
    let ours = naive
        .iter()
        .filter(move |((g, t, _), _)| g == group && t == text);
    ours.map(|((.., slot), online)| (*slot, *online))
}

fn leave(
    groups: &mut SharedGroups,
    naive: &mut Naive,
    key: (String, String, u32),
) -> Result<(), TestCaseError> {
    let left = groups.leave(
        &key.0,
        filter(&key.1),
        member(key.2, true).shard,
        session(key.2),
    );
    let expected = naive
        .remove(&key)
        .map(|_| members(naive, &key.0, &key.1).next().is_none());
    prop_assert_eq!(left, expected);
    Ok(())
}

fn check_choice(
    groups: &mut SharedGroups,
    naive: &Naive,
    topic: &str,
) -> Result<(), TestCaseError> {
    let chosen = chosen(groups, topic);
    let names: BTreeSet<_> = naive
        .keys()
        .map(|(group, text, _)| (group.clone(), text.clone()))
        .collect();
    let matching: Vec<_> = names
        .into_iter()
        .filter(|(_, text)| filter(text).matches(topic))
        .collect();
    prop_assert_eq!(chosen.keys().cloned().collect::<Vec<_>>(), matching);
    for ((group, text), slot) in chosen {
        let anyone_online = members(naive, &group, &text).any(|(_, online)| online);
        prop_assert!(members(naive, &group, &text).any(|found| found == (slot, anyone_online)));
    }
    Ok(())
}

fn apply(
    groups: &mut SharedGroups,
    naive: &mut Naive,
    operation: Operation,
) -> Result<(), TestCaseError> {
    match operation {
        Operation::Join(group, text, slot, online) => {
            let first = members(naive, GROUPS[group], &text).next().is_none();
            prop_assert_eq!(
                groups.join(GROUPS[group], filter(&text), member(slot, online)),
                first
            );
            naive.insert((GROUPS[group].to_owned(), text, slot), online);
        }
        Operation::Leave(which) if !naive.is_empty() => {
            let key = (*which.get(&naive.keys().collect::<Vec<_>>())).clone();
            leave(groups, naive, key)?;
        }
        Operation::LeaveAny(group, text, slot) => {
            leave(groups, naive, (GROUPS[group].to_owned(), text, slot))?;
        }
        Operation::Online(slot, online) => {
            groups.set_online(member(slot, online).shard, session(slot), online);
            let of_slot = naive.iter_mut().filter(|((.., other), _)| *other == slot);
            of_slot.for_each(|(_, state)| *state = online);
        }
        Operation::Choose(topic) => check_choice(groups, naive, &topic)?,
        Operation::GiveBack(which) if !naive.is_empty() => {
            let (group, text, slot) = (*which.get(&naive.keys().collect::<Vec<_>>())).clone();
            let exclude = Some((member(slot, true).shard, session(slot)));
            let others = members(naive, &group, &text).filter(|(other, _)| *other != slot);
            let anyone_online = others.clone().any(|(_, online)| online);
            match groups.choose_in(&group, filter(&text), exclude) {
                Some(to) => prop_assert!(
                    others
                        .clone()
                        .any(|other| other == (to.member.session.slot, anyone_online))
                ),
                None => prop_assert_eq!(others.count(), 0),
            }
        }
        Operation::Leave(_) | Operation::GiveBack(_) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn every_matching_group_chooses_one_of_its_members_online_ones_first(
        operations in prop::collection::vec(any_operation(), 0..200),
    ) {
        let (mut groups, mut naive) = (SharedGroups::new(hasher()), Naive::new());
        for operation in operations {
            apply(&mut groups, &mut naive, operation)?;
        }
        while let Some((key, _)) = naive.first_key_value() {
            let key = key.clone();
            leave(&mut groups, &mut naive, key)?;
        }
        prop_assert!(groups.is_empty());
        prop_assert_eq!(groups.sizes(), (0, 0, 0), "nothing is left behind");
    }
}

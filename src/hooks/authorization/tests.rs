//! What the rules promise, against a naive model and by example.
//!
//! Owns a second reading of acl_file: mosquitto's loops, line by line over text. Runs
//! anywhere.

use proptest::prelude::*;

use super::acl_rules::{AclRules, Coverage};
use crate::protocol::TopicFilter;

fn rules(file: &str) -> AclRules {
    AclRules::parse(file.as_bytes()).expect("well-formed")
}

/// mosquitto's loops: replace, match, deny before allow, own lines before patterns.
fn naive(file: &str, id: &str, user: Option<&str>, topic: &str, write: bool) -> bool {
    let mut section: Option<&str> = None;
    let (mut own, mut patterns) = (Vec::new(), Vec::new());
    for line in file.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "user" => section = Some(words[1]),
            "topic" if section == user => own.push((words[1], words[2].to_owned())),
            "pattern" => {
                let whole_level = |level: &str| match level {
                    "%c" => id.to_owned(),
                    "%u" => user.unwrap_or_default().to_owned(),
                    other => other.to_owned(),
                };
                let levels: Vec<String> = words[2].split('/').map(whole_level).collect();
                let usable = |name: Option<&str>| {
                    name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
                };
                let applies = (!words[2].contains("%c") || usable(Some(id)))
                    && (!words[2].contains("%u") || usable(user))
                    // What is replaced never makes a rule for reserved topics.
                    && (words[2].starts_with('$') || !levels[0].starts_with('$'));
                if applies {
                    patterns.push((words[1], levels.join("/")));
                }
            }
            _ => {}
        }
    }
    if id.contains(['+', '#']) || user.is_some_and(|user| user.contains(['+', '#'])) {
        patterns.clear();
    }
    for lines in [own, patterns] {
        let matching = lines.iter().filter(|(_, filter)| {
            let filter = TopicFilter::parse(filter).expect("a filter");
            filter.matches(topic)
        });
        let words: Vec<&str> = matching.map(|(word, _)| *word).collect();
        if words.contains(&"deny") {
            return false;
        }
        if words.contains(&"readwrite") || words.contains(&if write { "write" } else { "read" }) {
            return true;
        }
    }
    false
}

const LEVELS: &[&str] = &["a", "b", "c", "", "$s"];

fn topic() -> impl Strategy<Value = String> {
    let level = prop::sample::select(LEVELS);
    prop::collection::vec(level, 1..4)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("not empty", |topic| !topic.is_empty())
}

fn filter(placeholders: bool) -> impl Strategy<Value = String> {
    let mut choices = vec!["a", "b", "c", "", "+", "+"];
    if placeholders {
        choices.extend(["%c", "%u"]);
    }
    let levels = prop::collection::vec(prop::sample::select(choices), 1..4);
    (levels, 0..3, 0..6)
        .prop_map(|(mut levels, end, start)| {
            if end == 0 {
                levels.push("#");
            }
            if start == 0 {
                levels[0] = "$s";
            }
            levels.join("/")
        })
        .prop_filter("not empty", |filter| !filter.is_empty())
}

fn file() -> impl Strategy<Value = String> {
    let word = || prop::sample::select(vec!["read", "write", "readwrite", "deny"]);
    let line = prop_oneof![
        3 => (word(), filter(false)).prop_map(|(word, filter)| format!("topic {word} {filter}")),
        2 => (word(), filter(true)).prop_map(|(word, filter)| format!("pattern {word} {filter}")),
        1 => prop::sample::select(vec!["user a", "user b"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(line, 0..10).prop_map(|lines| lines.join("\n"))
}

fn client_id() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "c", "+", "#", "a/b", "", "$s", "%u", "b/#"])
        .prop_map(str::to_owned)
}

fn user() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(vec![
        "a", "b", "c", "+", "a/b", "", "%c",
    ]))
    .prop_map(|user| user.map(str::to_owned))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn decisions_are_those_of_the_naive_model(
        file in file(), id in client_id(), user in user(), topic in topic()
    ) {
        let (rules, user) = (rules(&file), user.as_deref());
        prop_assert_eq!(rules.may_read(&id, user, &topic), naive(&file, &id, user, &topic, false));
        prop_assert_eq!(rules.may_write(&id, user, &topic), naive(&file, &id, user, &topic, true));
    }

    /// A filter that is not looked at again lets nothing through that may not be read,
    /// and one that is refused keeps nothing back that may.
    #[test]
    fn coverage_agrees_with_every_topic(
        file in file(), id in client_id(), user in user(), filter in filter(false),
        topics in prop::collection::vec(topic(), 20)
    ) {
        let (rules, user) = (rules(&file), user.as_deref());
        let wanted = TopicFilter::parse(&filter).expect("a filter");
        let coverage = rules.coverage(&id, user, &filter);
        for topic in topics.iter().filter(|topic| wanted.matches(topic)) {
            let readable = rules.may_read(&id, user, topic);
            match coverage {
                Coverage::Whole => prop_assert!(readable, "{topic}"),
                Coverage::Nothing => prop_assert!(!readable, "{topic}"),
                Coverage::Part => {}
            }
        }
        if !wanted.is_wildcard() {
            prop_assert_ne!(coverage, Coverage::Part, "an exact topic is wholly readable or not");
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(file: Vec<u8>) {
        let _ = AclRules::parse(&file);
    }
}

#[test]
fn a_client_cannot_widen_a_pattern_by_its_name() {
    let rules = rules("pattern readwrite dev/%c/#\npattern readwrite own/%u/#\npattern read %c/x");
    assert!(rules.may_write("a", None, "dev/a/state"));
    assert!(rules.may_write("a", None, "dev/a"));
    for id in ["+", "#", "b/+", "a/b", "", "$SYS"] {
        for topic in ["dev/a/state", "dev/a/b/c", "dev//x", "$SYS/x", "dev"] {
            assert!(!rules.may_read(id, None, topic), "{id} reads {topic}");
        }
        let user = Some(id);
        assert!(!rules.may_read("x", user, "own/a/b/c"), "{id}");
        assert!(!rules.may_read("x", user, "own//c"), "{id}");
    }
    assert_eq!(rules.coverage("+", None, "dev/+/#"), Coverage::Nothing);
    assert_eq!(rules.coverage("a", None, "dev/+/#"), Coverage::Part);
    assert_eq!(rules.coverage("a", None, "dev/a/#"), Coverage::Whole);
}

#[test]
fn filters_are_granted_whole_in_part_or_not_at_all() {
    let rules = rules(
        "user u\ntopic read a/#\ntopic deny a/secret\ntopic write w/#\ntopic read exact\n\
         topic readwrite $SYS/#\npattern read p/%u/+",
    );
    for (filter, expected) in [
        ("a/b", Coverage::Whole),
        ("a/b/#", Coverage::Whole),
        ("a/#", Coverage::Part),
        ("a/+", Coverage::Part),
        ("a/secret", Coverage::Nothing),
        ("a/+/b", Coverage::Whole),
        ("#", Coverage::Part),
        ("w/#", Coverage::Nothing),
        ("exact", Coverage::Whole),
        ("exact/#", Coverage::Part),
        ("+", Coverage::Part),
        ("$SYS/broker/#", Coverage::Whole),
        ("p/u/x", Coverage::Whole),
        ("p/u/+", Coverage::Whole),
        ("p/+/+", Coverage::Part),
        ("p/v/+", Coverage::Nothing),
        ("z/#", Coverage::Nothing),
    ] {
        assert_eq!(rules.coverage("c", Some("u"), filter), expected, "{filter}");
    }
    assert_eq!(rules.coverage("c", Some("other"), "#"), Coverage::Part);
    assert_eq!(rules.coverage("c", None, "a/#"), Coverage::Nothing);
}

//! Which texts are topics and filters, and which filter sees which topic.

use proptest::prelude::*;

use crate::protocol::{TopicError, TopicFilter, TopicName};

/// Matching by recursion over characters, written from the specification's prose
/// and without looking at levels as the code under test does.
fn matches_by_the_book(filter: &[u8], topic: &[u8]) -> bool {
    match (filter, topic) {
        (b"#", _) | (b"/#", b"") | ([], []) => true,
        ([b'+', filter @ ..], _) => {
            let end = topic
                .iter()
                .position(|&byte| byte == b'/')
                .unwrap_or(topic.len());
            matches_by_the_book(filter, &topic[end..])
        }
        ([expected, filter @ ..], [found, topic @ ..]) => {
            expected == found && matches_by_the_book(filter, topic)
        }
        _ => false,
    }
}

fn oracle(filter: &str, topic: &str) -> bool {
    let hidden = topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'));
    !hidden && matches_by_the_book(filter.as_bytes(), topic.as_bytes())
}

/// Whether the specification allows the text as a filter that is not shared.
fn is_filter_by_the_book(text: &str) -> bool {
    let levels: Vec<_> = text.split('/').collect();
    !text.is_empty()
        && !text.contains('\0')
        && levels
            .iter()
            .enumerate()
            .all(|(index, level)| match *level {
                "+" => true,
                "#" => index + 1 == levels.len(),
                other => !other.contains(['+', '#']),
            })
}

#[test]
fn the_examples_of_the_specification_hold() {
    // [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.2-1], and the examples beside them.
    let cases = [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/ranking",
            true,
        ),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        ),
        ("sport/tennis/player1/#", "sport/tennis/player10", false),
        ("sport/#", "sport", true),
        ("#", "anything/at/all", true),
        ("#", "/", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+/tennis/#", "sport/tennis", true),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("#", "$SYS/broker", false),
        ("+", "$SYS", false),
        ("$SYS/#", "$SYS/broker", true),
        ("$SYS/#", "$SYS", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("a/$b", "a/$b", true),
        ("a/+", "a/$b", true),
        ("ACCOUNTS", "Accounts", false),
        ("a", "/a", false),
        ("a/", "a", false),
        ("$share/group/sport/+", "sport/tennis", true),
        ("$share/group/#", "$SYS/broker", false),
        ("$share/group/a", "$share/group/a", false),
        ("$share", "$share", true),
    ];
    for (filter, topic, expected) in cases {
        let parsed = TopicFilter::parse(filter).expect(filter);
        assert_eq!(parsed.matches(topic), expected, "{filter} and {topic}");
    }
}

#[test]
fn malformed_filters_are_refused() {
    let cases = [
        ("", TopicError::Empty),
        ("sport/tennis#", TopicError::MisplacedHash),
        ("sport/tennis/#/ranking", TopicError::MisplacedHash),
        ("##", TopicError::MisplacedHash),
        ("#/", TopicError::MisplacedHash),
        ("sport+", TopicError::MisplacedPlus),
        ("+sport", TopicError::MisplacedPlus),
        ("a/+b/c", TopicError::MisplacedPlus),
        ("++", TopicError::MisplacedPlus),
        ("a\0b", TopicError::Nul),
        ("$share/", TopicError::InvalidShare),
        ("$share/group", TopicError::InvalidShare),
        ("$share/group/", TopicError::InvalidShare),
        ("$share//a", TopicError::InvalidShare),
        ("$share/+/a", TopicError::InvalidShare),
        ("$share/gr#up/a", TopicError::InvalidShare),
        ("$share/a/$share/b/c", TopicError::InvalidShare),
        ("$share/g\0/a", TopicError::Nul),
        ("$share/group/a/#/b", TopicError::MisplacedHash),
    ];
    for (text, error) in cases {
        assert_eq!(TopicFilter::parse(text), Err(error), "{text:?}");
    }
    let long = "a".repeat(65_536);
    assert_eq!(TopicFilter::parse(&long), Err(TopicError::TooLong));
    assert!(TopicFilter::parse(&long[1..]).is_ok());
}

#[test]
fn malformed_names_are_refused() {
    let cases = [
        ("", TopicError::Empty),
        ("a/+", TopicError::WildcardInName),
        ("#", TopicError::WildcardInName),
        ("a\0", TopicError::Nul),
    ];
    for (text, error) in cases {
        assert_eq!(TopicName::parse(text), Err(error), "{text:?}");
    }
    let long = "a".repeat(65_536);
    assert_eq!(TopicName::parse(&long), Err(TopicError::TooLong));
    assert!(TopicName::parse(&long[1..]).is_ok());
}

#[test]
fn a_shared_filter_comes_apart() {
    let filter = TopicFilter::parse("$share/group/a/+/#").expect("well-formed");
    let share = filter.share().expect("shared");
    assert_eq!((share.group, share.filter.as_str()), ("group", "a/+/#"));
    assert_eq!(filter.bare(), share.filter);
    assert!(filter.is_wildcard());
    let plain = TopicFilter::parse("a/b").expect("well-formed");
    assert_eq!(
        (plain.share(), plain.bare(), plain.is_wildcard()),
        (None, plain, false)
    );
    assert_eq!(plain.levels().collect::<Vec<_>>(), ["a", "b"]);
    let slash = TopicName::parse("/").expect("well-formed");
    assert_eq!(slash.levels().collect::<Vec<_>>(), ["", ""]);
}

proptest! {
    #![proptest_config(super::random(8192))]

    #[test]
    fn matching_is_what_the_book_says(
        filter in "\\$?[ab+/]{0,7}(/#|#)?",
        topic in "\\$?[ab/]{1,8}",
    ) {
        if let Ok(parsed) = TopicFilter::parse(&filter) {
            prop_assert_eq!(parsed.matches(&topic), oracle(&filter, &topic));
            prop_assert_eq!(parsed.is_wildcard(), filter.contains(['+', '#']));
        }
    }

    #[test]
    fn parsing_is_what_the_book_says(text in "[a$/+#\\x00é]{0,7}") {
        prop_assert_eq!(TopicFilter::parse(&text).is_ok(), is_filter_by_the_book(&text));
        let is_name = !text.is_empty() && !text.contains(['+', '#', '\0']);
        prop_assert_eq!(TopicName::parse(&text).is_ok(), is_name);
    }

    #[test]
    fn sharing_does_not_change_what_matches(
        group in "[a-z$]{1,3}",
        filter in "[ab+/]{0,5}(/#|#)?",
        topic in "[ab/]{1,8}",
    ) {
        let shared = format!("$share/{group}/{filter}");
        match (TopicFilter::parse(&shared), TopicFilter::parse(&filter)) {
            (Ok(shared), Ok(filter)) => {
                prop_assert_eq!(shared.bare(), filter);
                prop_assert_eq!(shared.share().map(|share| share.group), Some(&group[..]));
                prop_assert_eq!(shared.matches(&topic), filter.matches(&topic));
            }
            (shared, filter) => prop_assert_eq!(shared.is_ok(), filter.is_ok()),
        }
    }
}

//! Topics and filters of the simulated clients, and a matcher of its own: naive,
//! recursive, and independent of the broker's.
//!
//! Owns the lists. Pure. Topics below `r/` have one publisher each, topics below
//! `w/` are wills; the others are everybody's.

use crate::plan::{Feature, Plan};
use crate::random::Random;

/// Topics that everybody publishes to.
const OPEN: &[&str] = &["a", "a/b", "a/b/c", "b/c", "topic/with/long/name", "$own/t"];

const WILDCARDS: &[&str] = &[
    "#", "+", "a/#", "a/+", "+/b", "+/+/c", "+/#", "a/b/#", "$own/#", "r/#", "r/+/x", "+/1/#",
];

/// Filters of shared groups, below `a` and `b`.
pub const GROUPS: &[&str] = &["$share/g/a/#", "$share/h/+/c", "$share/i/a/b", "$share/k/#"];

/// A topic for a publication of this client.
pub fn topic(random: &mut Random, client: usize, retain: bool) -> String {
    if retain && random.percent(70) {
        return own_topic(random, client);
    }
    if random.percent(10) {
        return own_topic(random, client);
    }
    (*random.pick(OPEN)).to_owned()
}

fn own_topic(random: &mut Random, client: usize) -> String {
    format!("r/{client}/{}", random.pick(&["x", "y", "z"]))
}

/// A filter for an ordinary subscription.
pub fn filter(random: &mut Random, plan: &Plan) -> String {
    if plan.has(Feature::Wildcards) && random.percent(50) {
        return (*random.pick(WILDCARDS)).to_owned();
    }
    let client = 1 + random.index(plan.clients);
    topic(random, client, true)
}

/// Whether a topic has one publisher alone.
#[must_use]
pub fn has_one_publisher(topic: &str) -> bool {
    topic.starts_with("r/") || topic.starts_with("w/")
}

/// The filter without `$share/group/`.
#[must_use]
pub fn bare(filter: &str) -> &str {
    match filter.strip_prefix("$share/") {
        Some(rest) => rest.split_once('/').map_or("", |(_, filter)| filter),
        None => filter,
    }
}

/// Whether a filter (shared or not) matches a topic.
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    let filter: Vec<&str> = bare(filter).split('/').collect();
    let levels: Vec<&str> = topic.split('/').collect();
    // [MQTT-4.7.2-1]
    !(topic.starts_with('$') && matches!(filter[0], "#" | "+")) && levels_match(&filter, &levels)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter.first(), topic.first()) {
        (Some(&"#"), _) | (None, None) => true,
        (Some(wanted), Some(level)) => {
            (*wanted == "+" || wanted == level) && levels_match(&filter[1..], &topic[1..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matcher_knows_the_specifications_own_examples() {
        for (filter, topic, expected) in [
            ("sport/#", "sport", true),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("$share/g/a/+", "a/b", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }
}

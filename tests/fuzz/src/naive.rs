//! Topics and filters once more, straight from the specification's sentences.
//!
//! Owns an oracle that shares no code with the broker: slow, recursive, obvious.
//! Pure.

/// Whether a text may be a topic name: [MQTT-4.7.3-1], [MQTT-4.7.3-2], [MQTT-3.3.2-2].
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 65_535 && !text.contains(['\0', '+', '#'])
}

/// Whether a text may be a filter, shared or not.
pub fn is_filter(text: &str) -> bool {
    if text.is_empty() || text.len() > 65_535 || text.contains('\0') {
        return false;
    }
    let levels: Vec<&str> = text.split('/').collect();
    if levels[0] != "$share" || levels.len() == 1 {
        return are_levels(&levels);
    }
    // [MQTT-4.8.2-1], [MQTT-4.8.2-2]: a name without wildcards, then a filter that
    // is not shared again.
    let behind = levels.get(2..).unwrap_or_default();
    let shared_again = behind.len() > 1 && behind[0] == "$share";
    !levels[1].is_empty()
        && !levels[1].contains(['+', '#'])
        && !behind.join("/").is_empty()
        && !shared_again
        && are_levels(behind)
}

/// [MQTT-4.7.1-1], [MQTT-4.7.1-2]: a wildcard is a whole level, `#` the last one.
fn are_levels(levels: &[&str]) -> bool {
    levels.iter().enumerate().all(|(at, level)| match *level {
        "+" => true,
        "#" => at + 1 == levels.len(),
        other => !other.contains(['+', '#']),
    })
}

/// Whether a filter that is not shared matches a topic name.
pub fn matches(filter: &str, topic: &str) -> bool {
    // [MQTT-4.7.2-1]
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    match_levels(&filter, &topic)
}

fn match_levels(filter: &[&str], topic: &[&str]) -> bool {
    match (filter.split_first(), topic.split_first()) {
        // `#` stands for the parent too: `a/#` matches `a`.
        (Some((&"#", _)), _) | (None, None) => true,
        (Some((&"+", filter)), Some((_, topic))) => match_levels(filter, topic),
        (Some((level, filter)), Some((same, topic))) => {
            level == same && match_levels(filter, topic)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

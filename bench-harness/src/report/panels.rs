//! Results that were made alike, together: one panel of a picture, one group of
//! columns of a table.
//!
//! Pure. What all results have in common is told once, what differs names the
//! panel.

use super::comparison::names;
use super::number::grouped;
use crate::result::StoredResult;

/// Results of one scenario with the same settings, in the order given.
#[derive(Debug)]
pub struct Panel<'a> {
    /// What sets it apart from the others; empty where it is the only one.
    pub title: String,
    /// Each broker by the name that tells it from the others here.
    pub results: Vec<(String, &'a StoredResult)>,
}

/// The panels, in the order of their first result.
#[must_use]
pub fn panels(results: &[StoredResult]) -> Vec<Panel<'_>> {
    let mut groups: Vec<Vec<&StoredResult>> = Vec::new();
    for result in results {
        let alike = |group: &&mut Vec<&StoredResult>| traits(group[0]) == traits(result);
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(result),
            None => groups.push(vec![result]),
        }
    }
    let common = common_traits(&groups);
    let mut panels = Vec::new();
    for group in groups {
        let own = traits(group[0]);
        let own = own.iter().filter(|own| !common.contains(own));
        let names = names(&group).into_iter().map(|name| spelled_out(&name));
        panels.push(Panel {
            title: own.map(words).collect::<Vec<_>>().join(", "),
            results: names.zip(group.iter().copied()).collect(),
        });
    }
    panels
}

/// What all panels have in common, in words: who publishes to whom, what and how
/// fast.
#[must_use]
pub fn in_common(results: &[StoredResult]) -> String {
    let groups: Vec<Vec<&StoredResult>> = results.iter().map(|result| vec![result]).collect();
    let common = common_traits(&groups);
    let told = common.iter().filter(|(key, _)| TOLD.contains(key));
    told.map(words).collect::<Vec<_>>().join(", ")
}

/// What a reader wants to know first.
const TOLD: [&str; 12] = [
    "scenario",
    "publishers",
    "subscribers",
    "pairs",
    "filters",
    "topics",
    "qos",
    "payload",
    "window",
    "rate",
    "mqtt",
    "over",
];

/// A key with its value.
type Trait<'a> = (&'a str, &'a str);

/// What must be equal for two results to stand side by side.
fn traits(result: &StoredResult) -> Vec<Trait<'_>> {
    let settings = result.settings.iter().map(|(key, value)| (key, &**value));
    let mut traits = vec![("scenario", result.scenario.as_str())];
    traits.extend(settings);
    traits.push(("mqtt", &result.broker.mqtt));
    traits.push(("over", result.broker.transport.as_deref().unwrap_or("tcp")));
    traits
}

fn common_traits<'a>(groups: &[Vec<&'a StoredResult>]) -> Vec<Trait<'a>> {
    let Some((first, others)) = groups.split_first() else {
        return Vec::new();
    };
    let mut common = traits(first[0]);
    common.retain(|own| others.iter().all(|group| traits(group[0]).contains(own)));
    common
}

fn words((key, value): &Trait<'_>) -> String {
    let number = value.parse().map_or_else(
        |_| (*value).to_owned(),
        |number: u32| grouped(f64::from(number), 0),
    );
    let plural = if *value == "1" { "" } else { "s" };
    match *key {
        "scenario" => (*value).to_owned(),
        "mqtt" => format!("MQTT {value}"),
        "over" => match *value {
            "mqtts" => "TLS".to_owned(),
            "ws" => "WebSocket".to_owned(),
            "wss" => "WebSocket over TLS".to_owned(),
            _ => "TCP".to_owned(),
        },
        "qos" => format!("QoS {value}"),
        "payload" => format!("{number} B"),
        "rate" => format!("{number} message{plural}/s"),
        "publishers" | "subscribers" | "pairs" | "filters" | "topics" => {
            format!("{number} {}{plural}", key.trim_end_matches('s'))
        }
        _ => format!("{key} {value}"),
    }
}

/// The floor's short name says little to whoever has not read the manual.
fn spelled_out(name: &str) -> String {
    match name.strip_prefix("floor-") {
        Some("1") => "bare kernel, 1 message per send".to_owned(),
        Some(cap) => format!("bare kernel, {cap} per send"),
        None => name.to_owned(),
    }
}

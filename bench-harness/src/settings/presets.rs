//! The scenarios that the program carries: the files of
//! `bench-harness/scenarios`.
//!
//! Pure.

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*]
    };
}

/// Name and text, in the order in which they are listed.
const PRESETS: &[(&str, &str)] = presets![
    "fan-out",
    "fan-out-many",
    "fan-out-wide",
    "slow-reader",
    "fan-in",
    "pairs",
    "shared",
    "wildcard",
    "million-subscriptions",
    "retained-storm",
    "retained-replay",
    "connect-storm",
    "idle",
    "idle-subscribed",
    "mixed",
    "conn-tcp-1M-5K",
    "fanout-5-1000-5-250K",
    "p2p-50K-50K-50K-50K",
    "sharedsub-50K-500-50K-50K",
];

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// The text of the preset with this name.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    let (_, text) = PRESETS.iter().find(|(known, _)| *known == name)?;
    Some(text)
}

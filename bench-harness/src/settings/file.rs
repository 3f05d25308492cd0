//! Scenario files: a shape, what it is about, its settings, and the parts of a
//! mixed one.
//!
//! Pure, except that a name that is no preset is opened as a file.
//!
//! ```toml
//! about = "Two thousand devices report, one service listens"
//! shape = "fan-in"
//!
//! [settings]
//! publishers = 2000
//! rate = 20000
//! ```

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::presets;
use super::{Settings, Shape};
use crate::result::Named;

/// A scenario before it is checked.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// The preset's name, or the file's.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// What it does.
    pub shape: Shape,
    /// How, defaults included.
    pub settings: Settings,
    /// The shapes of a mixed one.
    pub parts: Vec<Part>,
    /// What its sizes were multiplied by.
    pub scale: Option<f64>,
}

/// One shape of a mixed scenario.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Part {
    /// What it does.
    pub shape: Shape,
    /// Publishing clients.
    pub publishers: Option<u32>,
    /// Subscribing clients.
    pub subscribers: Option<u32>,
    /// Pairs.
    pub pairs: Option<u32>,
    /// Wildcard filters that nearly match.
    pub filters: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Document {
    about: String,
    shape: Shape,
    #[serde(default)]
    settings: Settings,
    #[serde(default, rename = "part")]
    parts: Vec<Part>,
}

impl Scenario {
    /// A preset, or a file where no preset has this name.
    ///
    /// # Errors
    /// What is wrong and where, for people.
    pub fn find(name: &str) -> Result<Self, String> {
        if let Some(text) = presets::text(name) {
            return Self::parse(name, text);
        }
        let path = Path::new(name);
        let text = fs::read_to_string(path).map_err(|error| {
            format!(
                "{name} is neither a scenario file ({error}) nor a preset: {}",
                presets::names().collect::<Vec<_>>().join(", ")
            )
        })?;
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        Self::parse(stem.unwrap_or(name), &text).map_err(|error| format!("{name}: {error}"))
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// What is wrong and on which line, for people.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let document: Document = toml::from_str(text).map_err(|error| error.to_string())?;
        let scenario = Self {
            name: name.to_owned(),
            about: document.about,
            shape: document.shape,
            settings: document.settings,
            parts: document.parts,
            scale: None,
        };
        if scenario.settings.window.is_some() && scenario.settings.rate.is_some() {
            return Err("window and rate exclude each other".to_owned());
        }
        if scenario.shape == Shape::Mixed && scenario.parts.is_empty() {
            return Err("a mixed scenario needs at least one [[part]]".to_owned());
        }
        if scenario.shape != Shape::Mixed && !scenario.parts.is_empty() {
            return Err("only a mixed scenario has parts".to_owned());
        }
        scenario.check_known(&scenario.settings, "")?;
        Ok(scenario)
    }

    /// The scenario with its sizes multiplied, overridden by what the command
    /// line sets, and with defaults for the rest.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn with(mut self, flags: &Settings, scale: Option<f64>) -> Result<Self, String> {
        self.check_known(flags, "--")?;
        let factor = scale.unwrap_or(1.0);
        self.scale = scale;
        if !(factor > 0.0 && factor <= 1000.0) {
            return Err("--scale must be above 0 and at most 1000".to_owned());
        }
        let own = self.settings.over(&self.shape.defaults());
        self.settings = flags.over(&self.shape.scale(&own, factor));
        for part in &mut self.parts {
            let below = part.shape.defaults();
            let own = part.settings().over(&below);
            part.set(&part.shape.scale(&own, factor));
        }
        Ok(self)
    }

    /// What is stored of the settings.
    #[must_use]
    pub fn stored_settings(&self) -> Named<String> {
        let mut named = self.settings.named();
        if let Some(scale) = self.scale {
            named.set("scale", scale.to_string());
        }
        for (number, part) in (1..).zip(&self.parts) {
            let sizes = part.settings().named();
            let sizes = sizes
                .iter()
                .filter(|(key, _)| part.shape.knows(key))
                .map(|(key, value)| format!("{key} {value}"))
                .collect::<Vec<_>>();
            let text = format!("{}: {}", part.shape.name(), sizes.join(", "));
            named.set(&format!("part {number}"), text);
        }
        named
    }

    fn check_known(&self, settings: &Settings, dashes: &str) -> Result<(), String> {
        match settings
            .named()
            .iter()
            .find(|(key, _)| !self.shape.knows(key))
        {
            None => Ok(()),
            Some((key, _)) => Err(format!(
                "{dashes}{key} means nothing to {}, whose shape is {}",
                self.name,
                self.shape.name()
            )),
        }
    }
}

impl Part {
    /// Its sizes.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            publishers: self.publishers,
            subscribers: self.subscribers,
            pairs: self.pairs,
            filters: self.filters,
            ..Settings::default()
        }
    }

    fn set(&mut self, sizes: &Settings) {
        self.publishers = sizes.publishers;
        self.subscribers = sizes.subscribers;
        self.pairs = sizes.pairs;
        self.filters = sizes.filters;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let text = "about = \"x\"\nshape = \"fan-out\"\n\n[settings]\nsubscribers = 3\nsubs = 4\n";
        let error = Scenario::parse("mine", text).expect_err("subs is no setting");
        assert!(error.contains("line 6"), "{error}");
        assert!(error.contains("unknown field `subs`"), "{error}");
        assert!(error.contains("`subscribers`"), "{error}");
    }

    #[test]
    fn what_means_nothing_to_the_shape_is_refused() {
        let text = "about = \"x\"\nshape = \"pairs\"\n[settings]\nsubscribers = 3\n";
        let error = Scenario::parse("mine", text).expect_err("pairs have no such size");
        assert_eq!(
            error,
            "subscribers means nothing to mine, whose shape is pairs"
        );
        let flags = Settings {
            settle: Some(1),
            ..Settings::default()
        };
        let preset = Scenario::find("pairs").expect("it is a preset");
        let error = preset.with(&flags, None).expect_err("as above");
        assert!(error.starts_with("--settle means nothing"), "{error}");
    }

    #[test]
    fn flags_override_the_file_and_are_not_scaled() {
        let flags = Settings {
            rate: Some(77),
            ..Settings::default()
        };
        let preset = Scenario::find("p2p-50K-50K-50K-50K").expect("it is a preset");
        let scenario = preset.with(&flags, Some(0.02)).expect("the flag is known");
        assert_eq!(scenario.settings.pairs, Some(1000));
        assert_eq!(scenario.settings.rate, Some(77));
        assert_eq!(scenario.settings.window, None);
    }

    #[test]
    fn a_scaled_fan_out_keeps_its_publishers_and_its_rate() {
        let preset = Scenario::find("fanout-5-1000-5-250K").expect("it is a preset");
        let scenario = preset
            .with(&Settings::default(), Some(0.02))
            .expect("valid");
        let settings = scenario.settings;
        assert_eq!(settings.publishers, Some(5));
        assert_eq!(settings.subscribers, Some(20));
        assert_eq!(settings.rate, Some(250));
        assert_eq!((settings.qos, settings.payload), (Some(1), Some(16)));
    }

    #[test]
    fn a_scaled_storm_keeps_its_rate_and_is_shorter() {
        let preset = Scenario::find("conn-tcp-1M-5K").expect("it is a preset");
        let scenario = preset
            .with(&Settings::default(), Some(0.02))
            .expect("valid");
        let settings = scenario.settings;
        assert_eq!(settings.connections, Some(20_000));
        assert_eq!(settings.rate, Some(5000));
        assert_eq!(settings.concurrent, Some(1000));
    }

    #[test]
    fn a_name_that_is_nothing_is_told_with_the_presets() {
        let error = Scenario::find("fanout").expect_err("it is none");
        assert!(error.contains("fan-out, "), "{error}");
    }
}

//! Known brokers: how each is started fairly, and where it comes from.
//!
//! Pure. The data are the files in `peers/`, built into the binary; one file per
//! broker, no code per broker.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::words;

/// The files in `peers/`.
const FILES: [&str; 7] = [
    include_str!("../../peers/ringmq.toml"),
    include_str!("../../peers/ringmq-defaults.toml"),
    include_str!("../../peers/mosquitto.toml"),
    include_str!("../../peers/rumqttd.toml"),
    include_str!("../../peers/flashmq.toml"),
    include_str!("../../peers/nanomq.toml"),
    include_str!("../../peers/nats.toml"),
];

/// A broker that is known by name.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// What `--with` calls it.
    pub name: String,
    /// The executable, looked up beside the harness and then in PATH.
    pub program: String,
    /// The command line: `{program}`, `{port}`, `{dir}`, `{threads}`, `{mqtt}` (4
    /// or 5), `{cert}` and `{key}` are filled in.
    pub command: String,
    /// How to get it, in one line.
    pub get: String,
    /// Files that are written into `{dir}` first, filled in likewise.
    #[serde(default)]
    pub file: Vec<ConfigFile>,
    /// What differs where it listens for `mqtts`, `ws` or `wss`.
    #[serde(default)]
    over: BTreeMap<String, Variant>,
}

/// A broker behind another door.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    /// In place of the command line.
    command: Option<String>,
    /// In place of the word `{listen}` in its files.
    listen: Option<String>,
}

/// A file that a broker reads.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Its name within `{dir}`.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl Peer {
    /// The known broker of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|peer| peer.name == name)
    }

    /// The same broker, listening for what `scheme` says; `None` where it is not
    /// known how.
    #[must_use]
    pub fn listening_for(mut self, scheme: &str) -> Option<Self> {
        let variant = self.over.remove(scheme)?;
        if let Some(command) = variant.command {
            self.command = command;
        }
        let listen = variant.listen.unwrap_or_default();
        for file in &mut self.file {
            file.text = words::fill(&file.text, &[("listen", listen.clone())]);
        }
        Some(self)
    }

    /// All of them.
    ///
    /// # Panics
    /// Never: a test parses the files that are built in.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let parse = |text: &str| toml::from_str(text).expect("peer files are tested");
        FILES.into_iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_peer_file_is_built_in_and_whole() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
        let entries = std::fs::read_dir(directory).expect("peers/ is beside the sources");
        assert_eq!(entries.count(), FILES.len(), "each file is listed here");
        let mut names = HashSet::new();
        for peer in Peer::all() {
            words::split(&peer.command).expect("its command is well formed");
            let texts = peer.file.iter().map(|file| file.text.as_str());
            let text = peer.command.clone() + &texts.collect::<String>();
            assert!(text.contains("{port}"), "{}: takes a port", peer.name);
            assert!(peer.command.starts_with("{program}"), "{}", peer.name);
            assert!(!peer.get.is_empty() && !peer.get.contains('\n'));
            for scheme in peer.over.keys() {
                assert!(["mqtt", "mqtts", "ws", "wss"].contains(&scheme.as_str()));
            }
            let plain = peer.clone().listening_for("mqtt");
            let plain = plain.expect("everybody speaks plain MQTT");
            assert!(
                plain
                    .file
                    .iter()
                    .all(|file| !file.text.contains("{listen}"))
            );
            assert!(names.insert(peer.name), "names are different");
        }
    }
}

//! What takes part in a comparison: `--with` and `--floor`, turned into commands.
//!
//! Starts nothing. A broker that is not installed is told apart from a mistake:
//! the first is skipped with a line that says how to get it, the second ends the
//! comparison before it begins.

use std::env;
use std::path::{Path, PathBuf};

use super::peer::{ConfigFile, Peer};
use super::words;

/// How the floor's entries are called, before their cap.
const FLOOR: &str = "floor";

/// One broker of a comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name in tables and files.
    pub name: String,
    /// Its command line, placeholders not filled in yet.
    pub command: Vec<String>,
    /// Files that it reads, to be written into its directory.
    pub files: Vec<ConfigFile>,
    /// Whether it is a floor and not a broker.
    pub is_floor: bool,
}

/// Why there is no entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoEntry {
    /// Not installed: the line says how to get it.
    Missing(String),
    /// A mistake in the arguments.
    Wrong(String),
}

impl Entry {
    /// What `--with` asks for: a known name, `NAME=COMMAND with {port}`, or
    /// `NAME=PROGRAM` for a known broker at an unusual place. It is to listen for
    /// what `scheme` says: `mqtt`, `mqtts`, `ws`, `wss`.
    ///
    /// # Errors
    /// See [`NoEntry`].
    pub fn parse(with: &str, scheme: &str) -> Result<Self, NoEntry> {
        let (name, command) = match with.split_once('=') {
            Some((name, command)) => (name.trim(), Some(command)),
            None => (with.trim(), None),
        };
        let usable = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(usable) {
            return Err(NoEntry::Wrong(format!(
                "--with {with}: a name is made of letters, digits, '-', '_' and '.'"
            )));
        }
        let peer = Peer::find(name);
        match (command, peer) {
            (None, None) => Err(NoEntry::Wrong(unknown(name))),
            (None, Some(peer)) => {
                let program = find_program(&peer.program)
                    .ok_or_else(|| NoEntry::Missing(missing(&peer.name, &peer.get)))?;
                known(peer, &program, scheme)
            }
            (Some(command), peer) => given(name, command, peer, scheme),
        }
    }

    /// The floor with at most `cap` messages per send: this program itself.
    #[must_use]
    pub fn floor(harness: &Path, cap: u32) -> Self {
        let command = [
            harness.display().to_string(),
            FLOOR.to_owned(),
            "--port={port}".to_owned(),
            format!("--messages-per-send={cap}"),
        ];
        Self {
            name: format!("{FLOOR}-{cap}"),
            command: command.to_vec(),
            files: Vec::new(),
            is_floor: true,
        }
    }
}

fn known(peer: Peer, program: &Path, scheme: &str) -> Result<Entry, NoEntry> {
    let name = peer.name.clone();
    let peer = peer.listening_for(scheme).ok_or_else(|| {
        NoEntry::Missing(format!(
            "{name} is skipped, it is not known how it listens for {scheme}: \
             --with '{name}=COMMAND with {{port}}' says it"
        ))
    })?;
    let program = program.display().to_string();
    let command = words::split(&peer.command)
        .map_err(NoEntry::Wrong)?
        .iter()
        .map(|word| words::fill(word, &[("program", program.clone())]))
        .collect();
    Ok(Entry {
        name: peer.name,
        command,
        files: peer.file,
        is_floor: false,
    })
}

fn given(name: &str, command: &str, peer: Option<Peer>, scheme: &str) -> Result<Entry, NoEntry> {
    let words = words::split(command)
        .map_err(|wrong| NoEntry::Wrong(format!("--with {name}=...: {wrong}")))?;
    let places = |place: &str| words.iter().any(|word| word.contains(place));
    let program = find_program(&words[0]).ok_or_else(|| {
        let get = format!("{} is not an executable here", words[0]);
        NoEntry::Missing(missing(name, &get))
    })?;
    match peer {
        Some(peer) if words.len() == 1 => return known(peer, &program, scheme),
        Some(_) | None => {}
    }
    let peer = peer.and_then(|peer| peer.listening_for(scheme));
    let files = peer.map_or_else(Vec::new, |peer| peer.file);
    let in_a_file = places("{dir}") && !files.is_empty();
    if !places("{port}") && !in_a_file {
        return Err(NoEntry::Wrong(format!(
            "--with {name}=...: the command must take its port as {{port}}"
        )));
    }
    let mut command = words;
    command[0] = program.display().to_string();
    Ok(Entry {
        name: name.to_owned(),
        command,
        files,
        is_floor: false,
    })
}

fn unknown(name: &str) -> String {
    let names: Vec<String> = Peer::all().into_iter().map(|peer| peer.name).collect();
    format!(
        "--with {name}: unknown; known are {}, and any other as --with '{name}=COMMAND with {{port}}'",
        names.join(", ")
    )
}

fn missing(name: &str, get: &str) -> String {
    format!("{name} is skipped, it is not installed: {get}")
}

/// The executable of this name: a path as it is, otherwise beside this program
/// or, failing that, in PATH.
fn find_program(name: &str) -> Option<PathBuf> {
    let is_executable = |path: &PathBuf| path.is_file();
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(is_executable);
    }
    let beside = env::current_exe().ok()?.parent().map(Path::to_path_buf);
    let path = env::var_os("PATH").unwrap_or_default();
    // System brokers live where only root's PATH looks.
    let system = [PathBuf::from("/usr/local/sbin"), PathBuf::from("/usr/sbin")];
    beside
        .into_iter()
        .chain(env::split_paths(&path))
        .chain(system)
        .map(|directory| directory.join(name))
        .find(is_executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(with: &str) -> String {
        match Entry::parse(with, "mqtt") {
            Err(NoEntry::Wrong(line)) => line,
            other => panic!("{with}: {other:?}"),
        }
    }

    #[test]
    fn a_command_with_a_port_is_an_entry() {
        let entry = Entry::parse("mine=/bin/sh -c 'serve {port}'", "mqtt").expect("sh exists");
        assert_eq!(entry.name, "mine");
        assert_eq!(entry.command, ["/bin/sh", "-c", "serve {port}"]);
        assert!(!entry.is_floor);
    }

    #[test]
    fn a_known_broker_at_an_unusual_place_keeps_its_settings() {
        let entry = Entry::parse("flashmq=/bin/sh", "mqtt").expect("sh exists");
        assert_eq!(
            entry.command,
            ["/bin/sh", "--config-file", "{dir}/flashmq.conf"]
        );
        assert_eq!(entry.files.len(), 1);
        let own = Entry::parse("flashmq=sh --mine {dir}/flashmq.conf", "mqtt").expect("sh exists");
        assert_eq!(own.command[1..], ["--mine", "{dir}/flashmq.conf"]);
        assert_eq!(own.files.len(), 1);
    }

    #[test]
    fn what_is_not_installed_is_told_with_how_to_get_it() {
        let missing = Entry::parse("mine=/nowhere/broker --port {port}", "mqtt");
        let line =
            "mine is skipped, it is not installed: /nowhere/broker is not an executable here";
        assert_eq!(missing, Err(NoEntry::Missing(line.to_owned())));
    }

    #[test]
    fn mistakes_are_told() {
        assert!(wrong("nonesuch").contains("known are ringmq, "));
        assert!(wrong("mine=/bin/sh").contains("{port}"));
        assert!(wrong("../x=/bin/sh {port}").contains("letters"));
        assert!(wrong("mine='/bin/sh {port}").contains("quote"));
    }
}

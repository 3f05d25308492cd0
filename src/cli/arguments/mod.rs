//! Arguments in two steps: as typed (`raw.rs`), then checked into settings that
//! cannot be wrong (everything else here).
//!
//! Owns the grammar of the command line. Runs once on the main thread before
//! anything starts; never opens a file or a socket, except the payload of
//! `pub -f` and `pub -s`, which `publish.rs` of the layer above reads.

mod connection;
mod limits;
mod listener_options;
mod listeners;
mod passwd;
mod property;
mod publish;
mod quotas;
mod raw;
mod rules;
mod serve;
mod shared_options;
mod subscribe;
#[cfg(test)]
mod tests;
mod transport;
mod url;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

pub(crate) use connection::ConnectionSettings;
pub(crate) use listeners::ListenerSettings;
pub(crate) use passwd::{PasswdSettings, Task};
pub(crate) use publish::{Payload, PublishSettings};
pub(crate) use rules::RulesSettings;
pub(crate) use serve::ServeSettings;
pub(crate) use subscribe::{CHANCE_ALL, Output, Retained, SubscribeSettings};

use super::failure::Failure;
use raw::{RawArguments, RawCommand};

/// What the user wants, checked.
#[derive(Debug)]
pub(crate) enum Command {
    Serve(Box<ServeSettings>),
    Publish(Box<PublishSettings>),
    Subscribe(Box<SubscribeSettings>),
    Passwd(PasswdSettings),
}

/// Why there is no command to run.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// `--help`, `--version`: a text for standard output, and success.
    Asked(String),
    Wrong(Failure),
}

impl From<Failure> for Rejected {
    fn from(failure: Failure) -> Self {
        Self::Wrong(failure)
    }
}

/// Reads the command line, `arguments[0]` being the program's name.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Command, Rejected> {
    let client = match arguments.get(1).and_then(|name| name.to_str()) {
        Some(name @ ("pub" | "sub" | "passwd")) => Some(name.to_owned()),
        _ => None,
    };
    let explain = |failure: Failure| match &client {
        Some(name) => Failure {
            message: format!(
                "{}\n\nUse 'ringmq {name} --help' to see usage.",
                failure.message
            ),
            ..failure
        },
        None => failure,
    };
    let matches = RawArguments::command()
        .try_get_matches_from(arguments)
        .map_err(|error| rejected(&error, client.is_some()))
        .map_err(|rejected| match rejected {
            Rejected::Wrong(failure) => Rejected::Wrong(explain(failure)),
            asked @ Rejected::Asked(_) => asked,
        })?;
    let raw = RawArguments::from_arg_matches(&matches)
        .map_err(|error| rejected(&error, client.is_some()))?;
    // The derived parser flattens `-D a b c -D d e f`; the occurrences still know.
    let properties: Vec<Vec<String>> = matches
        .subcommand()
        .filter(|(name, _)| matches!(*name, "pub" | "sub"))
        .and_then(|(_, matches)| matches.get_occurrences::<String>("property"))
        .map(|all| all.map(|one| one.cloned().collect()).collect())
        .unwrap_or_default();
    let command = match raw.command {
        None => ServeSettings::check(raw.serve).map(|settings| Command::Serve(Box::new(settings))),
        Some(RawCommand::Serve(raw)) => {
            ServeSettings::check(*raw).map(|settings| Command::Serve(Box::new(settings)))
        }
        Some(RawCommand::Pub(raw)) => PublishSettings::check(*raw, &properties)
            .map(|settings| Command::Publish(Box::new(settings))),
        Some(RawCommand::Sub(raw)) => SubscribeSettings::check(*raw, &properties)
            .map(|settings| Command::Subscribe(Box::new(settings))),
        Some(RawCommand::Passwd(raw)) => PasswdSettings::check(raw).map(Command::Passwd),
    };
    Ok(command.map_err(explain)?)
}

/// clap's error as ours: its text in full where help was asked for, else what is
/// wrong, with the valid choices where it has some.
fn rejected(error: &clap::Error, client: bool) -> Rejected {
    use clap::error::ErrorKind;
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return Rejected::Asked(error.render().to_string());
    }
    let words = first_words(error);
    Rejected::Wrong(if client {
        Failure::usage(words)
    } else {
        Failure::configuration(words)
    })
}

/// What clap finds wrong, on one line.
fn first_words(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let words = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    words.strip_prefix("error: ").unwrap_or(&words).to_owned()
}

//! Options that hold for all listeners when given by themselves, and after an address
//! for that listener alone: rules, limits of one client, rates.
//!
//! Owns how they are read after an address: by the definitions of the general options,
//! so that names, values and errors are the same. Runs on the main thread before
//! anything starts; never opens a file.

use clap::{Args, FromArgMatches};

use super::limits::RawClientLimits;
use super::quotas::RawQuotas;
use super::rules::{RawRules, RulesSettings};
use crate::broker::{Limits, Quotas};
use crate::cli::failure::Failure;

/// The options as typed.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::cli) struct RawShared {
    #[command(flatten)]
    pub(super) rules: RawRules,
    #[command(flatten)]
    client: RawClientLimits,
    #[command(flatten)]
    quotas: RawQuotas,
}

/// What holds for the clients of one listener.
#[derive(Debug, Default)]
pub(crate) struct OwnSettings {
    pub(crate) rules: RulesSettings,
    pub(crate) quotas: Quotas,
}

fn parser() -> clap::Command {
    let command = clap::Command::new("listener")
        .no_binary_name(true)
        .disable_help_flag(true);
    RawShared::augment_args(command)
}

impl RawShared {
    /// The options that may follow an address, with the names of their values.
    pub(super) fn names() -> Vec<(String, String)> {
        let parser = parser();
        let arguments = parser.get_arguments().filter_map(|argument| {
            let value = argument.get_value_names()?.first()?;
            // Behind an address a comma begins the next option.
            let value = value.split(',').next().unwrap_or_default();
            Some((argument.get_long()?.to_owned(), value.to_owned()))
        });
        arguments.collect()
    }

    /// Options after an address, such as `message-rate=100`.
    pub(super) fn parse(options: &[&str]) -> Result<Self, Failure> {
        let words = options.iter().map(|option| format!("--{option}"));
        parser()
            .try_get_matches_from(words)
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| Failure::configuration(super::first_words(&error)))
    }

    /// What they change about all clients, given by themselves.
    pub(super) fn apply(&self, limits: &mut Limits) -> Result<(), Failure> {
        self.client.apply(limits)
    }

    /// One listener's own options, and where they say nothing those of all; of the rules
    /// only if it wants those.
    pub(super) fn or(self, common: &Self, general_rules: bool) -> Result<OwnSettings, Failure> {
        let rules = if general_rules {
            self.rules.or(&common.rules)
        } else {
            self.rules
        };
        // Limits of all clients are the broker's already.
        let mut quotas = self.client.quotas()?;
        self.quotas.or(&common.quotas).apply(&mut quotas)?;
        Ok(OwnSettings {
            rules: rules.check()?,
            quotas,
        })
    }
}

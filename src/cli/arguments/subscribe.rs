//! `ringmq sub`: the checked settings.
//!
//! Owns what to subscribe to, what to print and when to stop. Runs on the main
//! thread before anything starts; never prints.

use std::time::Duration;

use super::connection::{ConnectionSettings, check_qos};
use super::raw::RawSubscribe;
use crate::cli::failure::Failure;
use crate::cli::format::Format;
use crate::protocol::{RetainHandling, SubscriptionOptions, TopicFilter};

/// Settings of `ringmq sub`.
#[derive(Debug)]
pub(crate) struct SubscribeSettings {
    pub(crate) connection: ConnectionSettings,
    /// At least one; each is a valid filter.
    pub(crate) filters: Vec<String>,
    pub(crate) unsubscribe: Vec<String>,
    /// Topics that match one of these are not printed.
    pub(crate) filter_out: Vec<String>,
    pub(crate) options: SubscriptionOptions,
    pub(crate) output: Output,
    pub(crate) end_of_line: bool,
    pub(crate) retained: Retained,
    pub(crate) remove_retained: bool,
    pub(crate) exit_after_subscribe: bool,
    /// Exit after so many messages.
    pub(crate) count: Option<u64>,
    /// Exit after that time.
    pub(crate) timeout: Option<Duration>,
    /// Print so many messages of ten thousand.
    pub(crate) chance: u32,
}

/// How a message is printed.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    Payload,
    TopicAndPayload,
    Formatted(Format),
}

/// Which messages count, by their retain flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Retained {
    Both,
    /// `-R`: retained ones are passed over.
    Without,
    /// `--retained-only`: the first other one ends the command.
    Only,
}

/// "All messages" for [`SubscribeSettings::chance`].
pub(crate) const CHANCE_ALL: u32 = 10_000;

impl SubscribeSettings {
    pub(super) fn check(raw: RawSubscribe, properties: &[Vec<String>]) -> Result<Self, Failure> {
        let (connection, url_topic) = ConnectionSettings::check(raw.connection, properties)?;
        let mut filters = raw.topic;
        filters.extend(url_topic);
        if filters.is_empty() {
            return Err(Failure::usage("You must specify a topic to subscribe to."));
        }
        check_filters(&filters, "subscription topic")?;
        check_filters(&raw.filter_out, "filter topic")?;
        check_filters(&raw.unsubscribe, "unsubscribe topic")?;
        let retained = match (raw.no_retained, raw.retained_only) {
            (true, true) => {
                return Err(Failure::usage(
                    "Combining '-R' and '--retained-only' makes no sense.",
                ));
            }
            (true, false) => Retained::Without,
            (false, true) => Retained::Only,
            (false, false) => Retained::Both,
        };
        let output = match raw.format {
            Some(text) => Output::Formatted(Format::parse(&text, raw.pretty)?),
            None if raw.verbose => Output::TopicAndPayload,
            None => Output::Payload,
        };
        let options = SubscriptionOptions {
            qos: check_qos(raw.qos.as_deref(), "QoS given: ")?,
            no_local: raw.no_local,
            retain_as_published: raw.retain_as_published,
            retain_handling: check_retain_handling(raw.retain_handling.as_deref())?,
        };
        Ok(Self {
            connection,
            filters,
            unsubscribe: raw.unsubscribe,
            filter_out: raw.filter_out,
            options,
            output,
            end_of_line: !raw.no_end_of_line,
            retained,
            remove_retained: raw.remove_retained,
            exit_after_subscribe: raw.exit_after_subscribe,
            count: raw.count.as_deref().map(check_count).transpose()?,
            timeout: raw.timeout.as_deref().map(check_timeout).transpose()?,
            chance: raw
                .random_filter
                .as_deref()
                .map_or(Ok(CHANCE_ALL), check_chance)?,
        })
    }
}

fn check_filters(filters: &[String], what: &str) -> Result<(), Failure> {
    match filters
        .iter()
        .find(|filter| TopicFilter::parse(filter).is_err())
    {
        Some(wrong) => Err(Failure::usage(format_args!(
            "Invalid {what} '{wrong}', are all '+' and '#' wildcards correct?"
        ))),
        None => Ok(()),
    }
}

fn check_count(text: &str) -> Result<u64, Failure> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Failure::usage(format_args!(
            "Invalid message count \"{text}\"."
        ))),
    }
}

fn check_timeout(text: &str) -> Result<Duration, Failure> {
    match text.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(Failure::usage(format_args!("Invalid timeout \"{text}\"."))),
    }
}

fn check_retain_handling(text: Option<&str>) -> Result<RetainHandling, Failure> {
    match text {
        None | Some("0") => Ok(RetainHandling::SendAtSubscribe),
        Some("1") => Ok(RetainHandling::SendIfNew),
        Some("2") => Ok(RetainHandling::DoNotSend),
        Some(text) => Err(Failure::usage(format_args!(
            "Invalid retain handling \"{text}\", valid are 0, 1 and 2."
        ))),
    }
}

fn check_chance(text: &str) -> Result<u32, Failure> {
    match text.parse::<f64>() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a percentage in range fits, and its digits beyond the second do not count"
        )]
        Ok(percent) if (0.1..=100.0).contains(&percent) => Ok((percent * 100.0) as u32),
        _ => Err(Failure::usage(
            "--random-filter argument must be between 0.1 and 100.0",
        )),
    }
}

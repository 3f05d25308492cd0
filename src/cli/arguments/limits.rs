//! The broker's bounds as options.
//!
//! Owns the mapping from option names to the fields of [`Limits`], and which
//! values make sense; what each bound means is said where `Limits` is defined. Those of
//! one client may be given for one listener, too, as its [`Quotas`]. Lives on the main
//! thread; never invents a default of its own.

use std::ops::RangeInclusive;

use clap::Args;

use crate::broker::{Limits, Quotas};
use crate::cli::failure::Failure;

/// The largest number where nothing else bounds it.
pub(super) const ANY: u64 = u64::MAX;

/// One line per bound: help, field, option, name of the value, allowed range.
macro_rules! limits {
    ($name:ident: $($(#[doc = $help:literal])+ $field:ident, $option:literal, $unit:literal, $range:expr;)*) => {
        /// The bounds as typed.
        #[derive(Args, Clone, Debug, Default)]
        #[command(next_help_heading = "Limits (the first five also after an address)")]
        pub(in crate::cli) struct $name {
            $(
                $(#[doc = $help])+
                #[arg(long = $option, value_name = $unit)]
                $field: Option<String>,
            )*
        }

        impl $name {
            /// Changes those for which an option was given.
            pub(super) fn apply(&self, limits: &mut Limits) -> Result<(), Failure> {
                $(
                    if let Some(text) = &self.$field {
                        limits.$field = number(concat!("--", $option), text, &$range)?;
                    }
                )*
                Ok(())
            }
        }
    };
}

limits! { RawClientLimits:
    /// Unacknowledged QoS 1 and 2 messages to one client; 0: as many as it accepts
    max_inflight, "max-inflight", "N", 0..=65_535;
    /// Unacknowledged QoS 1 and 2 messages from one client
    receive_maximum, "receive-maximum", "N", 1..=65_535;
    /// QoS 1 and 2 messages waiting for one client; 0: no bound on the number
    max_queued_messages, "max-queued-messages", "N", 0..=ANY;
    /// Bytes of messages waiting for one client; 0: no bound but the shard's
    max_queued_bytes, "max-queued-bytes", "BYTES", 0..=ANY;
    /// Subscriptions of one client
    max_subscriptions, "max-subscriptions", "N", 1..=ANY;
}

impl RawClientLimits {
    /// Those that were given, for the clients of one listener.
    pub(super) fn quotas(&self) -> Result<Quotas, Failure> {
        let mut limits = Limits::default();
        self.apply(&mut limits)?;
        Ok(Quotas {
            max_inflight: given(&self.max_inflight, limits.max_inflight),
            receive_maximum: given(&self.receive_maximum, limits.receive_maximum),
            max_queued_messages: given(&self.max_queued_messages, limits.max_queued_messages),
            max_queued_bytes: given(&self.max_queued_bytes, limits.max_queued_bytes),
            client_subscriptions: given(&self.max_subscriptions, limits.max_subscriptions),
            ..Quotas::default()
        })
    }
}

/// The value of an option that was typed.
fn given<T>(typed: &Option<String>, value: T) -> Option<T> {
    typed.as_ref().map(|_| value)
}

limits! { RawLimits:
    /// Time for a client to send its CONNECT
    connect_timeout, "connect-timeout", "SECONDS", 1..=86_400;
    /// Largest packet from a client
    max_packet_size, "max-packet-size", "BYTES", 64..=268_435_460;
    /// Bytes on their way to one client before QoS 0 is dropped
    max_outbox_bytes, "max-outbox-bytes", "BYTES", 4_096..=ANY;
    /// Longest session expiry interval granted; `never` for no bound
    session_expiry_max, "session-expiry-max", "SECONDS", 0..=4_294_967_295;
    /// Longest keep alive granted to MQTT 5 clients; 0: no bound
    max_keep_alive, "max-keepalive", "SECONDS", 0..=65_535;
    /// Topic aliases per client and direction
    max_topic_alias, "max-topic-alias", "N", 0..=65_535;
    /// Levels of a topic
    max_topic_levels, "max-topic-levels", "N", 1..=65_535;
    /// Bytes of a topic
    max_topic_bytes, "max-topic-bytes", "BYTES", 1..=65_535;
    /// Retained messages
    max_retained_messages, "retained-messages-max", "N", 0..=ANY;
    /// Bytes of retained messages
    max_retained_bytes, "retained-bytes-max", "BYTES", 0..=ANY;
    /// Bytes of half-received packets on one shard
    shard_assembly_bytes, "shard-assembly-bytes", "BYTES", 65_536..=ANY;
    /// Bytes on their way to clients on one shard
    shard_outbox_bytes, "shard-outbox-bytes", "BYTES", 65_536..=ANY;
    /// Bytes of messages waiting for clients on one shard
    shard_queued_bytes, "shard-queued-bytes", "BYTES", 65_536..=ANY;
}

/// A whole number in `range`, with an optional suffix K, M or G (of 1024), or
/// `never` for the largest.
pub(super) fn number<T: TryFrom<u64>>(
    option: &str,
    text: &str,
    range: &RangeInclusive<u64>,
) -> Result<T, Failure> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let value = match text {
        "never" if *range.end() == u64::from(u32::MAX) => Some(*range.end()),
        _ => digits
            .parse::<u64>()
            .ok()
            .and_then(|value| value.checked_mul(factor)),
    };
    value
        .filter(|value| range.contains(value))
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| match (*range.start(), *range.end()) {
            (least, ANY) => Failure::configuration(format_args!(
                "{option} takes a whole number from {least}, not '{text}'"
            )),
            (least, most) => Failure::configuration(format_args!(
                "{option} takes a whole number from {least} to {most}, not '{text}'"
            )),
        })
}

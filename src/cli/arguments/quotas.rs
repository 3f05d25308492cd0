//! How much clients may ask for in a time, as options.
//!
//! Owns the mapping from option names to the fields of [`Quotas`]; what each means is
//! said where `Quotas` is defined. Lives on the main thread; never invents a bound of
//! its own.

use clap::Args;

use super::limits::{ANY, number};
use crate::broker::{OverRate, Quotas};
use crate::cli::failure::Failure;

/// One line per bound: help, field, option, name of the value, largest value.
macro_rules! quotas {
    ($($(#[doc = $help:literal])+ $field:ident, $option:literal, $unit:literal;)*) => {
        /// The bounds as typed.
        #[derive(Args, Clone, Debug, Default)]
        #[command(next_help_heading = "Rates (of each listener, and of each client); also after an address")]
        pub(in crate::cli) struct RawQuotas {
            $(
                $(#[doc = $help])+
                #[arg(long = $option, value_name = $unit)]
                $field: Option<String>,
            )*
            /// What happens to a client that publishes too fast: pause or disconnect [default: pause]
            #[arg(long, value_name = "ACTION")]
            over_rate: Option<String>,
        }

        impl RawQuotas {
            /// A listener's own, and where they say nothing those of all listeners.
            pub(super) fn or(self, common: &Self) -> Self {
                Self {
                    $($field: self.$field.or_else(|| common.$field.clone()),)*
                    over_rate: self.over_rate.or_else(|| common.over_rate.clone()),
                }
            }

            /// Sets the bounds that were given.
            pub(super) fn apply(&self, quotas: &mut Quotas) -> Result<(), Failure> {
                $(
                    if let Some(text) = &self.$field {
                        quotas.$field = Some(number(concat!("--", $option), text, &(1..=ANY))?);
                    }
                )*
                quotas.over_rate = match self.over_rate.as_deref() {
                    None | Some("pause") => OverRate::Pause,
                    Some("disconnect") => OverRate::Disconnect,
                    Some(other) => {
                        return Err(Failure::configuration(format_args!(
                            "--over-rate takes pause or disconnect, not '{other}'"
                        )));
                    }
                };
                Ok(())
            }
        }
    };
}

quotas! {
    /// CONNECT packets per second through one listener
    connects, "connect-rate", "N";
    /// Connections of one client identifier per minute
    client_connects, "client-connect-rate", "N";
    /// PUBLISH packets per second through one listener
    messages, "message-rate", "N";
    /// Bytes of PUBLISH packets per second through one listener
    bytes, "byte-rate", "BYTES";
    /// PUBLISH packets per second of one client
    client_messages, "client-message-rate", "N";
    /// Bytes of PUBLISH packets per second of one client
    client_bytes, "client-byte-rate", "BYTES";
}

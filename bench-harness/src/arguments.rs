//! The command line: raw arguments, and what they say of the broker.
//!
//! Runs nothing.

use std::ffi::OsString;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ringmq::protocol::ProtocolVersion;
use ringmq::transport::client::Connector;

use crate::compare::command::CompareArguments;
use crate::layers::{self, Wanted, WantedTls};
use crate::plan::Target;
use crate::settings::Settings;

/// A load generator for MQTT brokers with latency histogram reports.
///
/// Exit code: 0 when every stream was right, 1 when anything was lost, repeated,
/// out of order or refused, 2 for wrong arguments, 3 when it could not run, 4
/// when the generator was saturated, so that the numbers are not the broker's.
#[derive(Parser, Debug)]
#[command(name = "ringmq-bench", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a scenario: a preset's name or a TOML file
    Run {
        /// The preset or file
        scenario: String,
        /// How.
        #[command(flatten)]
        run: RunArguments,
    },
    /// List the presets
    Scenarios,
    /// Compare stored results: a table, a page, a picture
    Report(ReportArguments),
    /// Run a scenario against several brokers in turn, and compare them
    Compare(CompareArguments),
    /// The server behind `compare --floor`
    #[command(hide = true)]
    Floor {
        /// Port on 127.0.0.1
        #[arg(long)]
        port: u16,
        /// Messages in one send at most
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        messages_per_send: u32,
    },
    /// Every subscriber gets every publisher's messages
    FanOut(RunArguments),
    /// Few subscribers get many publishers' messages through one wildcard
    FanIn(RunArguments),
    /// Publisher n speaks to subscriber n alone
    Pairs(RunArguments),
    /// Each message goes to one member of a shared group
    Shared(RunArguments),
    /// Few of many wildcard filters match
    Wildcard(RunArguments),
    /// Every publication is retained
    RetainedStorm(RunArguments),
    /// Newcomers get many retained messages
    RetainedReplay(RunArguments),
    /// Several shapes side by side
    Mixed(RunArguments),
    /// What an idle connection costs the memory of a freshly started broker
    Idle(RunArguments),
    /// How fast a broker takes connections
    #[command(alias = "connect-storm")]
    Connect(RunArguments),
}

/// What is made of stored results.
#[derive(Args, Debug)]
pub struct ReportArguments {
    /// What `run --output` or `compare --out` has written: the directory, or a file
    #[arg(required = true)]
    pub results: Vec<PathBuf>,
    /// Write a self-contained HTML page
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Write the latencies by percentile as a picture that stands alone
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// The picture's heading
    #[arg(long, requires = "svg", default_value = "Latency by percentile")]
    pub title: String,
    /// Print a Markdown table of these metrics (as result.json names them) instead
    #[arg(long, value_name = "METRIC", num_args = 1..)]
    pub markdown: Vec<String>,
}

/// How a scenario is run.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArguments,
    /// What differs from the scenario.
    #[command(flatten)]
    pub settings: Settings,
    /// Multiply the scenario's clients, filters, topics and rate by this (not
    /// those given here; fan-outs and connection storms keep their rate)
    #[arg(long)]
    pub scale: Option<f64>,
    /// Run it so many times; the table shows medians and extremes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,
    /// Write result.json, report.html, .hlog and .hgrm into this directory
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Print the result as JSON instead of the table
    #[arg(long)]
    pub json: bool,
}

/// MQTT versions on the command line.
#[derive(Clone, Copy, ValueEnum, Debug)]
pub enum MqttVersion {
    /// MQTT 3.1
    #[value(name = "3.1")]
    V31,
    /// MQTT 3.1.1
    #[value(name = "3.1.1", alias = "4", alias = "3")]
    V311,
    /// MQTT 5.0
    #[value(name = "5.0", alias = "5")]
    V5,
}

impl From<MqttVersion> for ProtocolVersion {
    fn from(version: MqttVersion) -> Self {
        match version {
            MqttVersion::V31 => Self::V3_1,
            MqttVersion::V311 => Self::V3_1_1,
            MqttVersion::V5 => Self::V5,
        }
    }
}

/// Where the broker is.
#[derive(Args, Debug)]
#[command(next_help_heading = "Broker")]
pub struct BrokerArguments {
    /// The broker's host
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The broker's port
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// MQTT version
    #[arg(long, value_enum, default_value = "3.1.1")]
    mqtt: MqttVersion,
    /// The broker's process id, to report what it costs
    #[arg(long)]
    pid: Option<u32>,
    /// Count the broker's system calls, where the kernel allows it; slows each one
    #[arg(long, requires = "pid")]
    syscalls: bool,
    /// How to speak to it.
    #[command(flatten)]
    transport: TransportArguments,
    /// What the broker is called in reports
    #[arg(long, default_value = "broker")]
    pub name: String,
    /// The broker's version, for reports
    #[arg(long)]
    pub broker_version: Option<String>,
}

impl BrokerArguments {
    /// Checks the address.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn target(&self) -> Result<Target, String> {
        let address = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| format!("--host {}: {error}", self.host))?
            .next()
            .ok_or_else(|| format!("--host {} has no address", self.host))?;
        let version = self.mqtt.into();
        Ok(Target {
            address,
            version,
            pid: self.pid,
            count_syscalls: self.syscalls,
            connector: self.transport.connector(&self.host, self.port, version)?,
        })
    }
}

/// What lies between the socket and MQTT.
#[derive(Args, Clone, Default, Debug)]
#[command(next_help_heading = "Transport")]
pub struct TransportArguments {
    /// Speak TLS
    #[arg(long)]
    tls: bool,
    /// The authorities that TLS believes, a PEM file [default: the system's]
    #[arg(long, value_name = "FILE", requires = "tls")]
    cafile: Option<PathBuf>,
    /// Let the broker's certificate be for another host
    #[arg(long, requires = "tls")]
    insecure: bool,
    /// Speak MQTT over WebSocket
    #[arg(long)]
    ws: bool,
    /// The WebSocket's path
    #[arg(long, value_name = "PATH", requires = "ws", default_value = "/mqtt")]
    ws_path: String,
}

impl TransportArguments {
    /// What is spoken, as URLs call it: `mqtt`, `mqtts`, `ws`, `wss`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match (self.tls, self.ws) {
            (false, false) => "mqtt",
            (true, false) => "mqtts",
            (false, true) => "ws",
            (true, true) => "wss",
        }
    }

    /// The same once more, for another process of this program.
    #[must_use]
    pub fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        for (flag, given) in [
            ("--tls", self.tls),
            ("--insecure", self.insecure),
            ("--ws", self.ws),
        ] {
            if given {
                words.push(flag.into());
            }
        }
        if let Some(cafile) = &self.cafile {
            words.extend(["--cafile".into(), cafile.into()]);
        }
        if self.ws {
            words.extend(["--ws-path".into(), (&self.ws_path).into()]);
        }
        words
    }

    /// What it takes to speak so with a host; `None` for plain TCP.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn connector(
        &self,
        host: &str,
        port: u16,
        version: ProtocolVersion,
    ) -> Result<Option<Arc<Connector>>, String> {
        if self.ws && !self.ws_path.starts_with('/') {
            return Err(format!("--ws-path {}: it begins with /", self.ws_path));
        }
        let tls = WantedTls {
            authorities: self.cafile.as_deref(),
            any_name: self.insecure,
        };
        let connector = layers::connector(&Wanted {
            host,
            port,
            version,
            tls: self.tls.then_some(tls),
            path: self.ws.then_some(&self.ws_path),
        })?;
        Ok(connector.map(Arc::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}

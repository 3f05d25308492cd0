//! The command line as typed: names, arities and help texts, nothing judged.
//!
//! Owns the option tables. Options of `pub` and `sub` have mosquitto's names and
//! its habits: the next argument is the value, whatever it looks like, and the
//! last one given counts. Lives on the main thread; never decides anything.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

/// ringmq: a sharded io_uring MQTT broker, and its command line clients.
#[derive(Parser, Debug)]
#[command(
    name = "ringmq",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(super) struct RawArguments {
    #[command(subcommand)]
    pub(super) command: Option<RawCommand>,
    #[command(flatten)]
    pub(super) serve: RawServe,
}

#[derive(Subcommand, Debug)]
pub(super) enum RawCommand {
    /// Run the broker; also what `ringmq` does without a command
    Serve(Box<RawServe>),
    /// Publish messages, with the options of mosquitto_pub
    #[command(disable_help_flag = true, args_override_self = true)]
    Pub(Box<RawPublish>),
    /// Subscribe and print messages, with the options of mosquitto_sub
    #[command(disable_help_flag = true, args_override_self = true)]
    Sub(Box<RawSubscribe>),
    /// Create and edit password files, with the options of mosquitto_passwd
    Passwd(super::passwd::RawPasswd),
}

#[derive(Args, Debug, Default)]
pub(super) struct RawServe {
    /// Shards, one core each [default: the cores this process may use]
    #[arg(long, value_name = "N")]
    pub(super) shards: Option<String>,
    /// Connections at once [default: what the limit of descriptors allows]
    #[arg(long, value_name = "N")]
    pub(super) max_connections: Option<String>,
    /// Let clients in without a user name, also on addresses that are not loopback
    #[arg(long)]
    pub(super) allow_anonymous: bool,
    /// What to log, for example `info` or `ringmq=debug`
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub(super) log: String,
    #[command(flatten)]
    pub(super) listeners: super::listeners::RawListeners,
    #[command(flatten)]
    pub(super) shared: super::shared_options::RawShared,
    #[command(flatten)]
    pub(super) limits: super::limits::RawLimits,
}

#[derive(Args, Debug, Default)]
pub(super) struct RawTransport {
    /// Connect to a Unix domain socket
    #[arg(long, value_name = "PATH")]
    pub(super) unix: Option<PathBuf>,
    /// Speak TLS; so do all options of certificates and port 8883 [default port: 8883]
    #[arg(long)]
    pub(super) tls: bool,
    /// Certificates of trusted authorities, PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub(super) cafile: Option<PathBuf>,
    /// A directory of such files
    #[arg(long, value_name = "DIR")]
    pub(super) capath: Option<PathBuf>,
    /// The system's trusted authorities, also beside --cafile
    #[arg(long)]
    pub(super) tls_use_os_certs: bool,
    /// Our certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) cert: Option<PathBuf>,
    /// The key of our certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// Do not compare the host's name with its certificate
    #[arg(long)]
    pub(super) insecure: bool,
    /// Protocol to offer in the TLS handshake (ALPN)
    #[arg(long, value_name = "PROTOCOL")]
    pub(super) tls_alpn: Option<String>,
    /// Speak WebSocket [default port: 8083, with TLS 8084]
    #[arg(long)]
    pub(super) ws: bool,
    /// Path of the WebSocket [default: /mqtt]
    #[arg(long, value_name = "PATH")]
    pub(super) ws_path: Option<String>,
}

#[derive(Args, Debug, Default)]
pub(super) struct RawConnection {
    #[command(flatten)]
    pub(super) transport: RawTransport,
    /// Host to connect to [default: localhost]
    #[arg(short = 'h', long, allow_hyphen_values = true)]
    pub(super) host: Option<String>,
    /// Port to connect to [default: 1883, with TLS 8883]
    #[arg(short, long, allow_hyphen_values = true)]
    pub(super) port: Option<String>,
    /// Address to connect from
    #[arg(short = 'A', value_name = "ADDR", allow_hyphen_values = true)]
    pub(super) bind: Option<String>,
    // Written as an attribute: rustdoc would take the brackets for links.
    #[arg(
        short = 'L',
        long,
        allow_hyphen_values = true,
        help = "User, password, host, port and topic as \
                mqtt://[username[:password]@]host[:port]/topic; also mqtts, ws, wss"
    )]
    pub(super) url: Option<String>,
    /// User name
    #[arg(short, long, allow_hyphen_values = true)]
    pub(super) username: Option<String>,
    /// Password
    #[arg(
        short = 'P',
        long = "pw",
        value_name = "PASSWORD",
        allow_hyphen_values = true
    )]
    pub(super) password: Option<String>,
    /// Client id; without one, the server chooses or a random one is used
    #[arg(short, long, allow_hyphen_values = true)]
    pub(super) id: Option<String>,
    /// Client id made of this prefix and the process id
    #[arg(short = 'I', long, value_name = "PREFIX", allow_hyphen_values = true)]
    pub(super) id_prefix: Option<String>,
    /// Keep alive in seconds; 0 switches it off [default: 60]
    #[arg(short, long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub(super) keepalive: Option<String>,
    /// Keep the session on the server after the connection ends
    #[arg(short = 'c', long)]
    pub(super) disable_clean_session: bool,
    /// Session expiry interval in seconds (MQTT 5); -1 or ∞ never expires
    #[arg(
        short = 'x',
        long = "session-expiry-interval",
        value_name = "SECONDS",
        allow_hyphen_values = true
    )]
    pub(super) session_expiry: Option<String>,
    /// mqttv5, mqttv311 or mqttv31; also 5, 311, 31 [default: mqttv311]
    #[arg(short = 'V', long, value_name = "VERSION", allow_hyphen_values = true)]
    pub(super) protocol_version: Option<String>,
    /// An MQTT 5 property: packet, name and value; a user property has two values
    #[arg(
        short = 'D',
        long,
        num_args = 3..=4,
        value_names = ["PACKET", "NAME", "VALUE"],
        allow_negative_numbers = true,
        action = ArgAction::Append
    )]
    pub(super) property: Vec<String>,
    /// Most QoS 1 and 2 messages under way at once [default: 20]
    #[arg(short = 'M', long, value_name = "N", allow_hyphen_values = true)]
    pub(super) max_inflight: Option<String>,
    /// Topic of the will
    #[arg(long, value_name = "TOPIC", allow_hyphen_values = true)]
    pub(super) will_topic: Option<String>,
    /// Payload of the will
    #[arg(long, value_name = "PAYLOAD", allow_hyphen_values = true)]
    pub(super) will_payload: Option<OsString>,
    /// QoS of the will
    #[arg(long, value_name = "QOS", allow_hyphen_values = true)]
    pub(super) will_qos: Option<String>,
    /// Retain the will
    #[arg(long)]
    pub(super) will_retain: bool,
    /// Accepted for mosquitto's sake: packets always leave at once
    #[arg(long)]
    pub(super) nodelay: bool,
    /// Print every packet
    #[arg(short, long)]
    pub(super) debug: bool,
    /// Print no errors but those about the arguments
    #[arg(long)]
    pub(super) quiet: bool,
    /// Print this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Args, Debug, Default)]
pub(super) struct RawPublish {
    #[command(flatten)]
    pub(super) connection: RawConnection,
    /// Topic to publish to
    #[arg(short, long, allow_hyphen_values = true)]
    pub(super) topic: Option<String>,
    /// Payload
    #[arg(short, long, allow_hyphen_values = true)]
    pub(super) message: Option<OsString>,
    /// Payload from a file
    #[arg(short, long, allow_hyphen_values = true)]
    pub(super) file: Option<OsString>,
    /// A message per line of standard input
    #[arg(short = 'l', long)]
    pub(super) stdin_line: bool,
    /// The whole standard input as one message
    #[arg(short = 's', long)]
    pub(super) stdin_file: bool,
    /// An empty payload
    #[arg(short, long)]
    pub(super) null_message: bool,
    /// QoS: 0, 1 or 2 [default: 0]
    #[arg(short, long, allow_hyphen_values = true)]
    pub(super) qos: Option<String>,
    /// Let the server retain the message
    #[arg(short, long)]
    pub(super) retain: bool,
    /// Publish the same message this many times [default: 1]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) repeat: Option<String>,
    /// Seconds between repetitions [default: 0]
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub(super) repeat_delay: Option<String>,
}

#[derive(Args, Debug, Default)]
pub(super) struct RawSubscribe {
    #[command(flatten)]
    pub(super) connection: RawConnection,
    /// Topic filter to subscribe to; may be repeated
    #[arg(short, long, allow_hyphen_values = true)]
    pub(super) topic: Vec<String>,
    /// Topic filter not to print; may be repeated
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true)]
    pub(super) filter_out: Vec<String>,
    /// Topic filter to unsubscribe from; may be repeated
    #[arg(short = 'U', long, value_name = "FILTER", allow_hyphen_values = true)]
    pub(super) unsubscribe: Vec<String>,
    /// QoS: 0, 1 or 2 [default: 0]
    #[arg(short, long, allow_hyphen_values = true)]
    pub(super) qos: Option<String>,
    /// Print topics too
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// Print messages in this format; see mosquitto_sub(1), "Output format"
    #[arg(short = 'F', value_name = "FORMAT", allow_hyphen_values = true)]
    pub(super) format: Option<String>,
    /// Indent the JSON of %j and %J
    #[arg(long)]
    pub(super) pretty: bool,
    /// Print no end of line after a message
    #[arg(short = 'N')]
    pub(super) no_end_of_line: bool,
    /// Exit after this many messages
    #[arg(short = 'C', value_name = "COUNT", allow_hyphen_values = true)]
    pub(super) count: Option<String>,
    /// Exit with code 27 after this many seconds
    #[arg(short = 'W', value_name = "SECONDS", allow_hyphen_values = true)]
    pub(super) timeout: Option<String>,
    /// Exit once the subscriptions are acknowledged
    #[arg(short = 'E')]
    pub(super) exit_after_subscribe: bool,
    /// Print no retained messages
    #[arg(short = 'R')]
    pub(super) no_retained: bool,
    /// Print retained messages only, and exit at the first other one
    #[arg(long)]
    pub(super) retained_only: bool,
    /// Clear the retained messages that are received
    #[arg(long)]
    pub(super) remove_retained: bool,
    /// Subscribe with "retain as published" (MQTT 5)
    #[arg(long)]
    pub(super) retain_as_published: bool,
    /// Subscribe with "no local" (MQTT 5)
    #[arg(long)]
    pub(super) no_local: bool,
    /// Subscribe with this retain handling: 0, 1 or 2 (MQTT 5) [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) retain_handling: Option<String>,
    /// Print this percentage of the messages, chosen at random [default: 100]
    #[arg(long, value_name = "PERCENT", allow_hyphen_values = true)]
    pub(super) random_filter: Option<String>,
}

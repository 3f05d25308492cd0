//! The table of layers: what each folder of `src` may import and never names.
//!
//! Owns the directions of the house as data; `src/README.md` says why each holds.
//! Pure data, judged by `tests/tidy.rs`.

/// One layer of `src`: a folder, or a file beside `lib.rs`.
pub struct Layer {
    pub name: &'static str,
    /// Our own layers that it may name; itself is understood.
    pub may_import: &'static [&'static str],
    /// Foreign paths that it never names.
    pub never: &'static [&'static [&'static str]],
    /// No `async`, no `.await`: it runs synchronously, in tests and in the simulator.
    pub synchronous: bool,
    /// Shared-nothing must stay visible: no lock, no tokio.
    pub data_plane: bool,
}

/// Without `std`: builds as `core` + `alloc`.
const STD: &[&str] = &["std", "tracing", "ahash", "thiserror"];
/// No file, socket, clock or thread.
const MACHINE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "libc",
    "socket2",
    "io_uring",
    "flume",
    "signal_hook",
];
/// Not even an address.
const NETWORK: &[&str] = &["std::net", "core::net"];
const GLOMMIO: &[&str] = &["glommio"];
const COMMAND_LINE: &[&str] = &["clap", "tracing_subscriber"];
const PURE: &[&[&str]] = &[MACHINE, GLOMMIO, COMMAND_LINE];
const PURE_WITHOUT_ADDRESSES: &[&[&str]] = &[MACHINE, NETWORK, GLOMMIO, COMMAND_LINE];
const NO_STD: &[&[&str]] = &[STD, MACHINE, NETWORK, GLOMMIO, COMMAND_LINE];

const fn pure(
    name: &'static str,
    may_import: &'static [&'static str],
    never: &'static [&'static [&'static str]],
) -> Layer {
    Layer {
        name,
        may_import,
        never,
        synchronous: true,
        data_plane: true,
    }
}

const fn driver(
    name: &'static str,
    may_import: &'static [&'static str],
    never: &'static [&'static [&'static str]],
    data_plane: bool,
) -> Layer {
    Layer {
        name,
        may_import,
        never,
        synchronous: false,
        data_plane,
    }
}

/// From the vocabulary up to the command line.
pub const LAYERS: &[Layer] = &[
    pure("ids", &[], NO_STD),
    pure("time", &[], NO_STD),
    pure("peer", &[], PURE),
    pure("message", &["ids", "time", "protocol"], NO_STD),
    pure("protocol", &["ids", "time", "message"], NO_STD),
    pure("client", &["ids", "time", "message", "protocol"], NO_STD),
    pure(
        "session",
        &["ids", "time", "message", "protocol"],
        PURE_WITHOUT_ADDRESSES,
    ),
    pure(
        "routing",
        &["ids", "time", "message", "protocol"],
        PURE_WITHOUT_ADDRESSES,
    ),
    pure("transport", &["ids", "time", "peer"], PURE),
    driver(
        "hooks",
        &["ids", "time", "peer", "message", "protocol"],
        &[GLOMMIO, COMMAND_LINE],
        true,
    ),
    driver(
        "store",
        &["ids", "time", "message", "protocol"],
        &[COMMAND_LINE],
        true,
    ),
    pure(
        "engine",
        &[
            "ids", "time", "peer", "message", "protocol", "session", "routing", "hooks",
        ],
        PURE,
    ),
    driver(
        "shard",
        &[
            "ids",
            "time",
            "peer",
            "message",
            "protocol",
            "session",
            "routing",
            "engine",
            "hooks",
            "transport",
            "store",
        ],
        &[COMMAND_LINE],
        true,
    ),
    driver(
        "broker",
        &[
            "ids",
            "time",
            "peer",
            "message",
            "protocol",
            "session",
            "routing",
            "engine",
            "hooks",
            "transport",
            "store",
            "shard",
        ],
        &[COMMAND_LINE],
        false,
    ),
    driver(
        "control",
        &["ids", "time", "peer", "message", "protocol", "broker"],
        CONTROL_NEVER,
        false,
    ),
    driver(
        "cli",
        &[
            "ids",
            "time",
            "peer",
            "message",
            "protocol",
            "client",
            "hooks",
            "transport",
            "broker",
            "control",
        ],
        &[GLOMMIO, &["io_uring"]],
        false,
    ),
];
const CONTROL_NEVER: &[&[&str]] = &[GLOMMIO, &["io_uring"], COMMAND_LINE];

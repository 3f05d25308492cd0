//! Why a broker could not be configured, started or stopped.
//!
//! Owns the words that an operator reads: each message is one line that says
//! what is wrong and what to do. One enum per operation. Never raised while the
//! broker serves.

use std::io;

use super::listener::ListenerKind;
use crate::hooks::HookError;
use crate::ids::ShardId;
use crate::protocol::{ReasonCode, TopicError};

/// The settings contradict each other or the machine's nature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A listener's address does not parse or resolve.
    #[error(
        "{kind} listener address {text:?} is not usable: {reason}; write HOST:PORT or HOST, \
         for example 127.0.0.1:{port}, [::1]:{port} or 0.0.0.0", port = .kind.default_port()
    )]
    Address {
        /// What was to be spoken there.
        kind: ListenerKind,
        /// The address as it was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The same address was given twice.
    #[error("listener {0}: its address is given twice")]
    Duplicate(String),
    /// A listener's settings do not fit each other.
    #[error("listener {listener}: {what}")]
    Listener {
        /// Which one, such as `tls 127.0.0.1:8883`.
        listener: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A listener was to take sockets of somebody else, and there are none.
    #[error(
        "the {0} listener was given no socket; start the broker by its socket unit, \
         or name an address (HOST:PORT)"
    )]
    NothingInherited(ListenerKind),
    /// A socket of somebody else cannot be served.
    #[error("a socket handed over for the {kind} listener cannot be used: {what}")]
    Inherited {
        /// What was to be spoken there.
        kind: ListenerKind,
        /// What is wrong with it.
        what: String,
    },
    /// More listeners than can be numbered.
    #[error("{given} listeners are too many; at most {most} are possible")]
    Listeners {
        /// How many were given.
        given: usize,
        /// The limit.
        most: usize,
    },
    /// The number of shards is out of range.
    #[error("{given} shards are not possible; choose 1 to {most}", most = super::MAX_SHARDS)]
    Shards {
        /// How many were asked for.
        given: usize,
    },
    /// Anyone who can reach the machine could connect.
    #[error(
        "listener {0} can be reached from other machines and every client would be let in; \
         listen on a loopback address or allow anonymous clients explicitly (--allow-anonymous)"
    )]
    Exposed(String),
    /// No connection at all would be let in.
    #[error("max connections is 0; choose at least 1")]
    NoConnections,
}

/// The broker could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system administrator switched io_uring off.
    #[error("io_uring is forbidden by sysctl kernel.io_uring_disabled={0}; set it to 0")]
    ForbiddenBySysctl(u8),
    /// Something filters the system call.
    #[error(
        "io_uring is forbidden, most likely by a seccomp profile (the usual one of containers); \
         run with --security-opt seccomp=unconfined or a profile that allows io_uring_setup, \
         io_uring_enter and io_uring_register"
    )]
    ForbiddenBySeccomp,
    /// The kernel lacks what the network ring needs.
    #[error("this kernel ({kernel}) lacks io_uring features of Linux 6.1; use Linux 6.1 or newer")]
    KernelTooOld {
        /// Its release.
        kernel: String,
    },
    /// Not enough memory may be locked.
    #[error(
        "{shards} shards lock {need_kib} KiB of memory but the limit is {limit_kib} KiB; \
         raise it (ulimit -l, LimitMEMLOCK=) or use fewer shards"
    )]
    LockedMemory {
        /// How many shards were to start.
        shards: usize,
        /// What they need.
        need_kib: u64,
        /// What the process may lock.
        limit_kib: u64,
    },
    /// The limit is high enough, but the user's other processes use it up.
    #[error(
        "shard {shard} could not lock its {need_kib} KiB of memory: other processes of this user \
         lock memory, too; raise the limit (ulimit -l, LimitMEMLOCK=) or use fewer shards"
    )]
    LockedMemoryTaken {
        /// The shard that failed.
        shard: ShardId,
        /// What it needs.
        need_kib: u64,
    },
    /// Not enough descriptors for the connections that were asked for.
    #[error(
        "{connections} connections need {need} descriptors but the limit is {limit}; \
         raise it (ulimit -n, LimitNOFILE=) or lower max connections"
    )]
    Descriptors {
        /// The connections that were asked for.
        connections: u64,
        /// Descriptors needed for them and the broker itself.
        need: u64,
        /// What the process may open.
        limit: u64,
    },
    /// Another process listens there.
    #[error("{0} is already in use; stop the process that listens there or choose another address")]
    InUse(String),
    /// Something that is no socket is where a socket is to be.
    #[error(
        "cannot listen on {0}: there is a file that is no socket; remove it or choose another path"
    )]
    NoSocket(String),
    /// A listener cannot be bound for another reason.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address or path.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A shard could not be set up.
    #[error("shard {shard} could not start: {source}")]
    Shard {
        /// Which one.
        shard: ShardId,
        /// Why.
        source: io::Error,
    },
    /// The machine refused something else that the start needs.
    #[error("cannot {what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// The broker stopped, but not in order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// A shard did not answer in time; its thread is left alone.
    #[error("a shard did not answer while {phase}; it was left behind")]
    Unresponsive {
        /// What the shards were asked to do.
        phase: &'static str,
    },
}

/// A message of the process itself was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic, or the response topic, is no topic name.
    #[error("cannot publish: {0}")]
    Topic(#[from] TopicError),
    /// It fits in no packet.
    #[error("cannot publish {size} bytes: a packet holds 256 MiB at most")]
    TooLarge {
        /// Bytes of topic, properties and payload.
        size: usize,
    },
    /// Too much waits for room between the shards already; try again later.
    #[error("cannot publish now: too many messages wait between the shards")]
    Busy,
    /// The broker has stopped, or is stopping.
    #[error("cannot publish: the broker has stopped")]
    Stopped,
}

/// The process was not subscribed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// That is no topic filter.
    #[error("cannot subscribe: {0}")]
    Filter(#[from] TopicError),
    /// The broker refuses the filter, as it would a client's.
    #[error("cannot subscribe: {0}")]
    Refused(ReasonCode),
    /// The broker has stopped.
    #[error("cannot subscribe: the broker has stopped")]
    Stopped,
}

/// A client was not disconnected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectError {
    /// DISCONNECT has no such reason.
    #[error("{0} is no reason to disconnect for")]
    Reason(ReasonCode),
    /// The broker has stopped.
    #[error("cannot disconnect anybody: the broker has stopped")]
    Stopped,
}

/// The rules were not reloaded; the earlier ones stay in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// A hook could not read what it is configured with.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// The hooks have new rules, but a shard has not answered that it knows.
    #[error("a shard did not answer while reloading")]
    Unresponsive,
}

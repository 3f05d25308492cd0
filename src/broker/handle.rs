//! What an embedder, the command line and `control` hold of a running broker.
//!
//! Owns the shards' threads and the way to command them. May be used from any
//! thread. Never reaches into a shard: it asks and waits for the answer.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::doors::{self, Certificates};
use super::error::{ConfigError, ReloadError, StopError};
use super::lifecycle;
use super::listener::ListenerKind;
use super::remote::Remote;
use super::unix_socket::SocketPath;
use crate::engine::ConnectionBudget;
use crate::hooks::Chain;
use crate::shard::{Command, Doorbell, ShardReport};

/// How long a shard may take to answer a question between two turns.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// An address that the broker listens on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundAddress {
    kind: ListenerKind,
    place: BoundPlace,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum BoundPlace {
    Internet(SocketAddr),
    /// Without a path: an inherited socket that has none.
    Unix(Option<PathBuf>),
}

impl BoundAddress {
    pub(crate) fn internet(kind: ListenerKind, address: SocketAddr) -> Self {
        let place = BoundPlace::Internet(address);
        Self { kind, place }
    }

    pub(crate) fn unix(kind: ListenerKind, path: Option<PathBuf>) -> Self {
        let kind = kind.on_unix_socket();
        let place = BoundPlace::Unix(path);
        Self { kind, place }
    }

    /// Address and port, the real one where port 0 was asked for; `None` of a Unix
    /// domain socket.
    #[must_use]
    pub fn socket_address(&self) -> Option<SocketAddr> {
        match self.place {
            BoundPlace::Internet(address) => Some(address),
            BoundPlace::Unix(_) => None,
        }
    }

    /// The path of a Unix domain socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            BoundPlace::Internet(_) => None,
            BoundPlace::Unix(path) => path.as_deref(),
        }
    }

    /// What is spoken there below MQTT.
    #[must_use]
    pub fn kind(&self) -> ListenerKind {
        self.kind
    }
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            BoundPlace::Internet(address) => write!(f, "{} {address}", self.kind),
            BoundPlace::Unix(Some(path)) => write!(f, "{} {}", self.kind, path.display()),
            BoundPlace::Unix(None) => write!(f, "{} (without a name)", self.kind),
        }
    }
}

/// One running shard.
pub(crate) struct ShardHandle {
    pub(crate) commands: flume::Sender<Command>,
    pub(crate) doorbell: Arc<Doorbell>,
    pub(crate) thread: JoinHandle<()>,
}

impl ShardHandle {
    /// Sends a command; a shard that has ended ignores it.
    pub(crate) fn send(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            self.doorbell.ring();
        }
    }
}

/// All running shards.
#[derive(Default)]
pub(crate) struct Shards(pub(crate) Vec<ShardHandle>);

impl Shards {
    /// Asks every shard and waits for all answers: a barrier.
    pub(crate) fn ask<T>(
        &self,
        phase: &'static str,
        deadline: Instant,
        question: impl Fn(flume::Sender<T>) -> Command,
    ) -> Result<Vec<T>, StopError> {
        let (reply, answers) = flume::bounded(self.0.len());
        for shard in &self.0 {
            shard.send(question(reply.clone()));
        }
        drop(reply);
        self.0
            .iter()
            .map(|_| answers.recv_deadline(deadline))
            .collect::<Result<_, _>>()
            .map_err(|_| StopError::Unresponsive { phase })
    }
}

/// A running broker. Dropping it stops the broker, too, and waits for that.
pub struct BrokerHandle {
    pub(crate) shards: Shards,
    pub(crate) remote: Remote,
    pub(crate) chain: Arc<Chain>,
    pub(crate) addresses: Vec<BoundAddress>,
    pub(crate) connections: Arc<ConnectionBudget>,
    pub(crate) stop_timeout: Duration,
    /// What the listeners of TLS show.
    pub(crate) certificates: Vec<Certificates>,
    /// The files of Unix domain sockets.
    pub(crate) paths: Vec<SocketPath>,
}

impl BrokerHandle {
    /// Where the broker listens, in the order of the settings.
    #[must_use]
    pub fn addresses(&self) -> &[BoundAddress] {
        &self.addresses
    }

    /// How many shards run.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.0.len()
    }

    /// How many connections there are now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.in_use()
    }

    /// The counters of every shard, in the order of their ids. Waits for the
    /// turn under way; a shard that does not answer is left out.
    #[must_use]
    pub fn stats(&self) -> Vec<ShardReport> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let question = |reply| Command::Report { reply };
        let mut reports = self
            .shards
            .ask("reporting", deadline, question)
            .unwrap_or_default();
        reports.sort_by_key(|report: &ShardReport| report.shard);
        reports
    }

    /// What can be asked of the broker from other threads and tasks: publish,
    /// subscribe, list and disconnect clients. Cheap to clone.
    #[must_use]
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// How often a hook has panicked; each time was taken for a refusal.
    #[must_use]
    pub fn hook_panics(&self) -> u64 {
        self.chain.panics()
    }

    /// Has all hooks read again what they are configured with; all of them use the new
    /// rules from now on, or none does. What was decided by the old ones is forgotten.
    ///
    /// # Errors
    /// One line that says what is wrong; the earlier rules stay in force.
    pub fn reload(&self) -> Result<(), ReloadError> {
        self.chain.reload()?;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        self.shards
            .ask("reloading", deadline, |reply| Command::Reloaded { reply })
            .map(drop)
            .map_err(|_| ReloadError::Unresponsive)
    }

    /// Reads the certificates, keys, authorities and revocation lists of all listeners
    /// again, for connections from now on; those that are open keep what they began
    /// with. How many listeners were renewed. It reads files: not for a thread that
    /// must not wait.
    ///
    /// # Errors
    /// The first listener with a file that is wrong, and why; then nothing changes on
    /// any listener.
    pub fn reload_certificates(&self) -> Result<usize, ConfigError> {
        doors::reload(&self.certificates)
    }

    /// Stops the broker in order and waits until it has: no more connections,
    /// no more reading, what is under way is finished, clients get what is
    /// queued for them and a goodbye, and the shards end.
    ///
    /// # Errors
    /// When something was left behind; the broker has stopped nevertheless.
    pub fn shutdown(mut self) -> Result<(), StopError> {
        lifecycle::stop(std::mem::take(&mut self.shards), self.stop_timeout)
    }
}

impl Drop for BrokerHandle {
    fn drop(&mut self) {
        let shards = std::mem::take(&mut self.shards);
        if !shards.0.is_empty()
            && let Err(error) = lifecycle::stop(shards, self.stop_timeout)
        {
            tracing::warn!(%error, "the broker did not stop in order");
        }
        // Only now: who looks for the file in the meantime learns that we are there.
        self.paths.clear();
    }
}

impl fmt::Debug for BrokerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerHandle")
            .field("addresses", &self.addresses)
            .field("shards", &self.shards.0.len())
            .finish_non_exhaustive()
    }
}

//! What other threads ask of a shard.
//!
//! Owns the questions and their answers' types. Commands travel through a
//! thread-safe channel and ring the shard's doorbell; glommio's own channels
//! must not be touched by threads that are no executors. Never on the path of a
//! message.

use std::io;
use std::time::Duration;

use super::listener::Door;
use super::turn::Counters;
use crate::engine::{ClientReport, Inbox, Stats};
use crate::hooks::{Answer, Ticket};
use crate::ids::{SessionId, ShardId};
use crate::message::Message;
use crate::protocol::{QoS, ReasonCode};

/// A question to one shard. Every answer is sent once; an asker that has gone
/// away is no error.
pub(crate) enum Command {
    /// Accept connections on these bound sockets.
    Listen {
        doors: Vec<Door>,
        reply: flume::Sender<io::Result<()>>,
    },
    /// Stop accepting; answered when the sockets are closed.
    StopAccepting { reply: flume::Sender<()> },
    /// Stop reading from all clients.
    StopReading { reply: flume::Sender<()> },
    /// Say whether anything is under way.
    Census { reply: flume::Sender<Census> },
    /// Say goodbye to all clients, flush, close; answered when all are gone.
    /// What is not flushed within this time is cut: the answer is how many.
    Disconnect {
        within: Duration,
        reply: flume::Sender<usize>,
    },
    /// Report the counters.
    Report { reply: flume::Sender<ShardReport> },
    /// A worker has found an answer for the engine.
    Verdict { ticket: Ticket, answer: Answer },
    /// The hooks' rules have changed.
    Reloaded { reply: flume::Sender<()> },
    /// Something that the embedding process wants.
    Request(Request),
    /// End the shard.
    Exit,
}

/// What the embedding process wants of one shard.
pub(crate) enum Request {
    /// Publish a message; false without room for it.
    Publish {
        message: Message,
        reply: flume::Sender<bool>,
    },
    /// Subscribe: which session it is, or why not.
    Subscribe {
        filter: Box<str>,
        qos: QoS,
        retained: bool,
        inbox: Box<dyn Inbox>,
        reply: flume::Sender<Result<SessionId, ReasonCode>>,
    },
    /// Give a subscription up.
    Unsubscribe { session: SessionId },
    /// Report on up to `most` clients from this slot on.
    Clients {
        from: u32,
        most: usize,
        reply: flume::Sender<(Vec<ClientReport>, Option<u32>)>,
    },
    /// End a client's connection; whether it was here.
    DisconnectClient {
        client_id: Box<str>,
        reason: ReasonCode,
        reply: flume::Sender<bool>,
    },
}

/// One shard's part of the question whether the mesh is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    /// The engine has nothing open towards its peers and nothing left over.
    pub(crate) quiet: bool,
    /// Items sent to peers so far.
    pub(crate) sent: u64,
    /// Items of peers handled so far.
    pub(crate) received: u64,
}

/// The counters of one shard.
#[derive(Clone, Debug)]
pub struct ShardReport {
    /// Which shard.
    pub shard: ShardId,
    /// Connections whose sockets this shard holds.
    pub sockets: usize,
    /// What the driver counted.
    pub driver: Counters,
    /// What the engine counted.
    pub engine: Stats,
}

//! What hooks are told.
//!
//! Owns nothing. Pure.

use crate::protocol::ReasonCode;

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Parting {
    /// The client sent DISCONNECT, with this reason.
    Packet(ReasonCode),
    /// The connection was lost.
    Lost,
    /// The client was silent for longer than its keep alive allows.
    KeepAliveTimeout,
    /// The client came back on another connection.
    TakenOver,
    /// The client broke the protocol or a bound, for this reason.
    Fault(ReasonCode),
    /// Somebody with the right to do so ended it, for this reason.
    Administrative(ReasonCode),
    /// The broker stops.
    Shutdown,
}

/// Why a message was dropped; one per counter of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DropReason {
    /// The client may not publish there.
    PublishDenied,
    /// A publish hook dropped or refused it.
    Treated,
    /// The client may not receive it.
    DeliverDenied,
    /// QoS 0, and the client's out-buffer was full.
    OutboxFull,
    /// QoS 1 or 2, and the session's queue was full.
    QueueFull,
    /// It is larger than the client accepts.
    TooLarge,
}

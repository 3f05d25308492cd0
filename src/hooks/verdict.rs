//! What a rule answers.
//!
//! Owns nothing but what a permission to connect carries. Pure.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::ReasonCode;

/// A hook's opinion in the phases that decide.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// No opinion: the next hook is asked.
    Next,
    /// Yes, whatever later hooks would say.
    Allow,
    /// Yes, and this is known of the client from now on (authentication; elsewhere
    /// as [`Verdict::Allow`]).
    Grant(Box<Grant>),
    /// Yes, but some of what the filter matches is not for this client: each delivery
    /// to it is put to [`Hook::deliver`](super::Hook::deliver) (subscriptions;
    /// elsewhere as [`Verdict::Allow`]).
    AllowFiltered,
    /// No, whatever later hooks would say. The reason is told where the packet that
    /// answers can carry it, otherwise 0x87 (3.x: what its version has for it).
    Deny(ReasonCode),
    /// It takes time: ask again through [`Hook::resolve`](super::Hook::resolve).
    Ask,
}

/// What authentication has found out about a client.
#[derive(Clone, Default)]
pub struct Grant {
    /// The user name to go by, in place of the one in CONNECT.
    pub user_name: Option<Box<str>>,
    /// How long the permission lasts; then a 5.0 client is disconnected with 0x87,
    /// others are closed. Re-authentication begins a new term.
    pub lasts: Option<Duration>,
    /// Anything that the hook wants to find again in
    /// [`Client::attachment`](super::Client::attachment).
    pub attachment: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("user_name", &self.user_name)
            .field("lasts", &self.lasts)
            .finish_non_exhaustive()
    }
}

/// What becomes of a message in the publish phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Treatment {
    /// It goes on, with whatever was altered.
    Next,
    /// It is dropped and counted; its publisher is told that all is well.
    Drop,
    /// It is dropped, and a publisher of QoS 1 or 2 in 5.0 is told why; others as with
    /// [`Treatment::Drop`].
    Refuse(ReasonCode),
}

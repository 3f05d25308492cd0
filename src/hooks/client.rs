//! A connected client as hooks see it.
//!
//! Owns a copy of what is known of the client; made once per connection, shared by
//! shard and workers, never changed. Pure.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{Credentials, Grant};
use crate::peer::{Identity, Peer};
use crate::protocol::ProtocolVersion;

/// Who a connected client is.
pub struct Client {
    client_id: Box<str>,
    user_name: Option<Box<str>>,
    peer: Peer,
    listener: u16,
    version: ProtocolVersion,
    identity: Option<Arc<Identity>>,
    attachment: Option<Arc<dyn Any + Send + Sync>>,
}

impl Client {
    /// A client that was let in with these credentials. What the rule that let it in
    /// says of its name comes first, then its certificate, then CONNECT.
    #[must_use]
    pub fn new(credentials: &Credentials, grant: Grant) -> Self {
        Self {
            client_id: credentials.client_id().into(),
            user_name: grant
                .user_name
                .or_else(|| credentials.user_name().map(Box::from)),
            peer: credentials.peer(),
            listener: credentials.listener(),
            version: credentials.version(),
            identity: credentials.identity.clone(),
            attachment: grant.attachment,
        }
    }

    /// The same client after it has authenticated itself again.
    #[must_use]
    pub fn renewed(&self, grant: Grant) -> Self {
        Self {
            client_id: self.client_id.clone(),
            user_name: grant.user_name.or_else(|| self.user_name.clone()),
            peer: self.peer,
            listener: self.listener,
            version: self.version,
            identity: self.identity.clone(),
            attachment: grant.attachment,
        }
    }

    /// Its client identifier, never empty.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The user name it goes by, if any.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        self.user_name.as_deref()
    }

    /// Where it comes from.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The listener it came through, by its place in the configuration.
    #[must_use]
    pub fn listener(&self) -> u16 {
        self.listener
    }

    /// The protocol it speaks.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// What its certificate says of it.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// Whether another client is the same one to the rules: by its name, its listener,
    /// and whether anything is attached to it. What is attached is the same again or
    /// newer, and whoever has attached it looks at it.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.listener == other.listener
            && self.user_name == other.user_name
            && self.attachment.is_some() == other.attachment.is_some()
    }

    /// Whether rules that judge by name and listener judge another client alike: what
    /// one was granted need not be looked at again for the other.
    #[must_use]
    pub fn is_judged_like(&self, other: &Self) -> bool {
        self.is_same_as(other) && self.attachment.is_none()
    }

    /// What the rule that let it in has attached, if it is a `T`.
    #[must_use]
    pub fn attachment<T: Any>(&self) -> Option<&T> {
        self.attachment.as_deref()?.downcast_ref()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .field("peer", &self.peer)
            .field("listener", &self.listener)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

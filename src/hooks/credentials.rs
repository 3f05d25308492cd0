//! What a client brings along to be let in.
//!
//! Owns a copy of what CONNECT says, made once per attempt and only where hooks are
//! installed. Pure. The password never shows in a debug line.

use std::fmt;
use std::sync::Arc;

use crate::peer::{Identity, Peer};
use crate::protocol::{Connect, ProtocolVersion};

/// A password's bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<[u8]>);

impl Password {
    /// The bytes; they need not be text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether they are these bytes, found out in a time that depends on the lengths
    /// alone.
    #[must_use]
    pub fn equals(&self, expected: &[u8]) -> bool {
        let differences = self
            .0
            .iter()
            .zip(expected)
            .fold(0, |found, (a, b)| found | (a ^ b));
        self.0.len() == expected.len() && std::hint::black_box(differences) == 0
    }
}

impl From<&[u8]> for Password {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// One attempt to connect, or to authenticate again.
#[derive(Clone, Debug)]
pub struct Credentials {
    client_id: Box<str>,
    user_name: Option<Box<str>>,
    password: Option<Password>,
    method: Option<Box<str>>,
    peer: Peer,
    listener: u16,
    version: ProtocolVersion,
    clean_start: bool,
    again: bool,
    pub(super) identity: Option<Arc<Identity>>,
}

impl Credentials {
    /// What CONNECT says, with the identifier that the client has or is assigned.
    #[must_use]
    pub fn new(
        connect: &Connect<'_>,
        client_id: &str,
        peer: Peer,
        listener: u16,
        identity: Option<Arc<Identity>>,
    ) -> Self {
        let certified = identity.as_ref().and_then(|known| known.user_name.clone());
        Self {
            client_id: client_id.into(),
            user_name: certified.or_else(|| connect.username.map(Box::from)),
            password: connect.password.map(Password::from),
            method: connect.properties.authentication_method.map(Box::from),
            peer,
            listener,
            version: connect.version,
            clean_start: connect.clean_start,
            again: false,
            identity,
        }
    }

    /// The same of a client that is connected and authenticates itself again.
    #[must_use]
    pub fn again(client: &super::Client, method: &str, identity: Option<Arc<Identity>>) -> Self {
        Self {
            client_id: client.client_id().into(),
            user_name: client.user_name().map(Box::from),
            password: None,
            method: Some(method.into()),
            peer: client.peer(),
            listener: client.listener(),
            version: client.version(),
            clean_start: false,
            again: true,
            identity,
        }
    }

    /// The client identifier, never empty: an assigned one where the client left it
    /// to the broker.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The user name: the certificate's where its listener takes it from there,
    /// otherwise CONNECT's.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        self.user_name.as_deref()
    }

    /// The password of CONNECT.
    #[must_use]
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// The authentication method of CONNECT (MQTT 5.0, section 3.1.2.11.9).
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// Where the client comes from.
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

    /// Whether an earlier session is to be discarded.
    #[must_use]
    pub fn clean_start(&self) -> bool {
        self.clean_start
    }

    /// Whether the client is connected already and authenticates itself anew.
    #[must_use]
    pub fn is_again(&self) -> bool {
        self.again
    }

    /// What the client's certificate says.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// Whether a certificate vouches for the user name, so that nothing else need.
    #[must_use]
    pub fn is_certified(&self) -> bool {
        self.identity
            .as_ref()
            .is_some_and(|known| known.user_name.is_some())
    }

    /// Whether the client has brought nothing to be known by.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.user_name.is_none() && self.password.is_none() && self.method.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_equals_itself_alone_and_is_not_shown() {
        let password = Password::from(&b"secret"[..]);
        assert!(password.equals(b"secret"));
        for other in [&b""[..], b"secre", b"secret!", b"Secret"] {
            assert!(!password.equals(other));
        }
        assert_eq!(format!("{password:?}"), "Password(..)");
    }
}

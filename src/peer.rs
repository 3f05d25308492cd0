//! Who is at the other end of a connection, and what it has proved about itself.
//!
//! Owns nothing; plain values that every layer of the broker shares. Pure: no
//! socket, no clock. A peer's address is a claim of the kernel or of a trusted
//! proxy, an identity is what a certificate authority vouches for.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Peer {
    /// A client of the network, or the address that a trusted proxy gave for it.
    Internet(SocketAddr),
    /// A process of this machine, through a Unix domain socket.
    Unix(UnixPeer),
}

const _: () = assert!(size_of::<Peer>() == size_of::<SocketAddr>());

/// A process at the other end of a Unix domain socket, as of its connect(2); the
/// kernel vouches for it (SO_PEERCRED, unix(7)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UnixPeer {
    /// Its process; 0 where it is outside of our process namespace.
    pub process: u32,
    /// Its effective user.
    pub user: u32,
    /// Its effective group.
    pub group: u32,
}

impl Peer {
    /// The peer's address in the network, if it has one.
    #[must_use]
    pub fn socket_address(self) -> Option<SocketAddr> {
        match self {
            Self::Internet(address) => Some(address),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Internet(address)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet(address) => address.fmt(f),
            Self::Unix(peer) => write!(f, "unix:pid={},uid={}", peer.process, peer.user),
        }
    }
}

/// As [`SocketAddr`] has it.
impl<I: Into<IpAddr>> From<(I, u16)> for Peer {
    fn from(address: (I, u16)) -> Self {
        Self::Internet(address.into())
    }
}

/// What a verified client certificate says of its holder, or a trusted proxy of
/// the certificate that it has verified.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// The subject's common name.
    pub common_name: Option<Box<str>>,
    /// The whole subject as RFC 4514 writes it, `CN=sensor,O=Example`.
    pub subject: Option<Box<str>>,
    /// What the listener takes for the user name, in place of CONNECT's; `None`
    /// where certificates do not name users.
    pub user_name: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_written_as_an_operator_looks_for_it() {
        let address: SocketAddr = "[2001:db8::1]:7".parse().expect("an address");
        assert_eq!(Peer::from(address).to_string(), "[2001:db8::1]:7");
        let process = UnixPeer {
            process: 12,
            user: 1000,
            group: 100,
        };
        assert_eq!(Peer::Unix(process).to_string(), "unix:pid=12,uid=1000");
    }
}

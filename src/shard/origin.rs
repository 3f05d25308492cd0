//! Who is at the other end of a socket that was just accepted.
//!
//! Owns nothing; asks the kernel. Runs on the accepting shard, once per connection.
//! Never reads a byte of the connection.

use std::os::fd::OwnedFd;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::peer::{Peer, UnixPeer};

/// The peer as the kernel knows it; `None` where it is gone already.
pub(crate) fn peer_of(socket: &OwnedFd) -> Option<Peer> {
    let address = socket2::SockRef::from(socket).peer_addr().ok()?;
    if let Some(address) = address.as_socket() {
        return Some(Peer::Internet(address));
    }
    let credentials = getsockopt(socket, PeerCredentials).ok()?;
    Some(Peer::Unix(UnixPeer {
        process: credentials.pid().unsigned_abs(),
        user: credentials.uid(),
        group: credentials.gid(),
    }))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_process_is_told_by_its_id_and_a_machine_by_its_address() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair of sockets");
        let own = Peer::Unix(UnixPeer {
            process: std::process::id(),
            user: nix::unistd::geteuid().as_raw(),
            group: nix::unistd::getegid().as_raw(),
        });
        assert_eq!(peer_of(&ours.into()), Some(own));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let client = TcpStream::connect(address).expect("it listens");
        let (accepted, _) = listener.accept().expect("a connection");
        let client = client.local_addr().expect("it is connected");
        assert_eq!(peer_of(&accepted.into()), Some(Peer::Internet(client)));
    }
}

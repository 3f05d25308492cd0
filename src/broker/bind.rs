//! Binding: from a checked place to sockets that all shards may listen on.
//!
//! Owns the sockets until the shards take them. Runs on the starting thread. TCP
//! sockets are one per shard, which share their port by SO_REUSEPORT; a Unix domain
//! socket and an inherited one are a single descriptor on which every shard accepts
//! (unix(7) has no SO_REUSEPORT). Nothing listens here yet: that is the shards'.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::config::{Binding, Door};
use super::error::StartError;
use super::handle::BoundAddress;
use super::unix_socket::{self, SocketPath};

/// How long a port may still be in use by a broker that was killed just now.
const PORT_PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks at such a port.
const PORT_PAUSE: Duration = Duration::from_millis(10);

/// Everything that is bound.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// Per place: one socket for each shard, in the order of the shards.
    pub(crate) sockets: Vec<Vec<Arc<OwnedFd>>>,
    /// Per place: what is announced.
    pub(crate) addresses: Vec<BoundAddress>,
    /// The files to remove in the end.
    pub(crate) paths: Vec<SocketPath>,
}

/// Binds all places of all doors for so many shards.
pub(crate) fn bind(doors: Vec<Door>, shards: usize) -> Result<Bound, StartError> {
    let addresses: Vec<SocketAddr> = doors.iter().flat_map(wanted).collect();
    // An IPv6 wildcard takes IPv4 clients, too, unless they have an address of
    // their own on the same port.
    let dual = |address: SocketAddr| {
        let same = |other: &&SocketAddr| other.is_ipv4() && other.port() == address.port();
        address.port() == 0 || !addresses.iter().any(|other| same(&other))
    };
    for address in &addresses {
        check_port(*address, dual(*address))?;
    }
    let mut bound = Bound::default();
    for Door { listener, bindings } in doors {
        for binding in bindings {
            let (sockets, address) = match binding {
                Binding::Address(address) => {
                    let (sockets, local) = bind_each(address, dual(address), shards)?;
                    (sockets, BoundAddress::internet(listener.kind, local))
                }
                Binding::Path(path) => {
                    let (socket, file) = unix_socket::bind(&path, &listener.file)?;
                    bound.paths.push(file);
                    let address = BoundAddress::unix(listener.kind, Some(path));
                    (shared(socket, shards), address)
                }
                Binding::Inherited(socket, address) => {
                    // Accepted sockets inherit it, see `socket`.
                    let _ = socket2::SockRef::from(&socket).set_tcp_nodelay(true);
                    let address = BoundAddress::internet(listener.kind, address);
                    (shared(socket, shards), address)
                }
                Binding::InheritedUnix(socket, path) => {
                    let address = BoundAddress::unix(listener.kind, path);
                    (shared(socket, shards), address)
                }
            };
            bound.sockets.push(sockets);
            bound.addresses.push(address);
        }
    }
    Ok(bound)
}

/// The addresses of a door that are to be bound.
fn wanted(door: &Door) -> impl Iterator<Item = SocketAddr> {
    door.bindings.iter().filter_map(|binding| match binding {
        Binding::Address(address) => Some(*address),
        Binding::Path(_) | Binding::Inherited(..) | Binding::InheritedUnix(..) => None,
    })
}

fn shared(socket: OwnedFd, shards: usize) -> Vec<Arc<OwnedFd>> {
    std::iter::repeat_n(Arc::new(socket), shards).collect()
}

/// One socket per shard, and the address that they share.
fn bind_each(
    mut address: SocketAddr,
    dual: bool,
    shards: usize,
) -> Result<(Vec<Arc<OwnedFd>>, SocketAddr), StartError> {
    let mut sockets = Vec::with_capacity(shards);
    for _ in 0..shards {
        let socket = socket(address, dual, shards > 1)?;
        // The first shard finds the port, the others share it.
        let local = socket.local_addr().ok().and_then(|local| local.as_socket());
        address = local.unwrap_or(address);
        sockets.push(Arc::new(socket.into()));
    }
    Ok((sockets, address))
}

/// Whether nobody listens on the address. Shards share their port by
/// SO_REUSEPORT, with which a second broker of the same user would bind happily
/// and take half of the connections; a bind without it tells.
fn check_port(address: SocketAddr, dual: bool) -> Result<(), StartError> {
    if address.port() == 0 {
        return Ok(());
    }
    let deadline = Instant::now() + PORT_PATIENCE;
    loop {
        match socket(address, dual, false) {
            // The kernel takes a killed broker's rings apart, and with them its
            // listeners, some time after the process is gone.
            Err(StartError::InUse(_)) if Instant::now() < deadline => {
                thread::sleep(PORT_PAUSE);
            }
            outcome => return outcome.map(drop),
        }
    }
}

/// A socket bound to the address, not yet listening. `dual`: an IPv6 address
/// takes IPv4 clients, too.
fn socket(address: SocketAddr, dual: bool, shared: bool) -> Result<Socket, StartError> {
    let bind = || {
        // Close-on-exec comes with every socket that socket2 makes.
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(!dual)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(shared)?;
        // Accepted sockets inherit it: a turn's output is one send already.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    bind().map_err(|source: io::Error| refusal(address.to_string(), source))
}

/// Why an address or a path could not be bound.
pub(super) fn refusal(address: String, source: io::Error) -> StartError {
    match source.raw_os_error() {
        Some(libc::EADDRINUSE) => StartError::InUse(address),
        _ => StartError::Bind { address, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_in_use_is_found_although_it_is_shared() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let other = socket(address, false, true).expect("a free port");
        other.listen(1).expect("a listener");
        let bound = other
            .local_addr()
            .expect("a bound address")
            .as_socket()
            .expect("an IP");
        assert!(socket(bound, false, true).is_ok(), "sharing hides it");
        assert!(
            matches!(check_port(bound, false), Err(StartError::InUse(a)) if a == bound.to_string())
        );
        drop(other);
        assert!(check_port(bound, false).is_ok());
    }
}

//! Reaching the server: names to addresses, addresses to a connected socket.
//!
//! Owns nothing. Blocks the main thread of a client command until somebody
//! answers or nobody does; never used by the broker.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::arguments::ConnectionSettings;
use super::failure::{Failure, NOT_STARTED};

/// How long one address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A connected socket that never blocks.
pub(crate) fn dial(settings: &ConnectionSettings) -> Result<Socket, Failure> {
    if let Some(path) = &settings.unix {
        return dial_unix(path).map_err(|error| {
            let path = path.display();
            Failure::new(
                NOT_STARTED,
                format_args!("Error: {path}: {}", plain(&error)),
            )
        });
    }
    let addresses = (settings.host.as_str(), settings.port)
        .to_socket_addrs()
        .map_err(|_| Failure::new(NOT_STARTED, "Unable to connect (Lookup error.)."))?;
    let mut last = None;
    for address in addresses {
        match dial_internet(address, settings.bind.as_deref()) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => Failure::new(NOT_STARTED, format_args!("Error: {}", plain(&error))),
        None => Failure::new(NOT_STARTED, "Unable to connect (Lookup error.)."),
    })
}

fn dial_internet(address: SocketAddr, bind: Option<&str>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(bind) = bind {
        let local = (bind, 0)
            .to_socket_addrs()?
            .find(|local| local.is_ipv4() == address.is_ipv4())
            .ok_or(ErrorKind::AddrNotAvailable)?;
        socket.bind(&local.into())?;
    }
    socket.connect_timeout(&address.into(), CONNECT_TIMEOUT)?;
    // Everything leaves in one write already; waiting to fill segments only delays.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn dial_unix(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// An error as perror(3) words it: without Rust's "(os error 111)".
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

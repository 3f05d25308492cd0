//! Addresses as people write them: `0.0.0.0`, `[::1]:1883`, `::`, `localhost:8883`.
//!
//! Owns the grammar. Runs on the starting thread; asks the system's resolver about
//! names. Never binds anything.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// All addresses that `text` stands for, with `port` where it has none.
pub(crate) fn resolve(text: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Ok(host) = bare.unwrap_or(text).parse::<IpAddr>() {
        return Ok(vec![(host, port).into()]);
    }
    // The resolver would take 1883 for the address 0.0.7.91.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it has no host".into());
    }
    let looked_up = if text.contains(':') {
        text.to_socket_addrs()
    } else {
        (text, port).to_socket_addrs()
    };
    let mut addresses = Vec::new();
    for address in looked_up.map_err(|error| error.to_string())? {
        // Some resolvers name an address once per protocol.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err("the name has no address".into());
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_port_is_taken_where_none_is_given() {
        for (text, expected) in [
            ("0.0.0.0", "0.0.0.0:8883"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("::", "[::]:8883"),
            ("[::1]", "[::1]:8883"),
            ("[::1]:0", "[::1]:0"),
        ] {
            let expected: SocketAddr = expected.parse().expect("an address");
            assert_eq!(resolve(text, 8883), Ok(vec![expected]), "{text}");
        }
    }

    #[test]
    fn a_port_alone_is_no_address() {
        for text in ["1883", "", ":1883", "127.0.0.1:65536", "host:port"] {
            assert!(resolve(text, 1883).is_err(), "{text:?}");
        }
    }
}

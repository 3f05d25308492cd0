//! Which peers are believed when they speak for others: the list of trusted proxies.
//!
//! Owns networks in CIDR notation and the word `unix`. Pure: compares addresses,
//! never resolves names.

use std::net::IpAddr;
use std::str::FromStr;

use crate::peer::Peer;

/// A network, one address, or the machine's own processes through Unix sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trusted {
    /// Addresses that agree with this one in the first bits.
    Network {
        /// Any address of the network; IPv4 is never written as IPv6.
        address: IpAddr,
        /// How many bits count: at most 32 for IPv4 and 128 for IPv6.
        bits: u8,
    },
    /// Every process that reaches a Unix domain socket.
    Unix,
}

/// The text is neither an address, nor a network, nor `unix`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no trusted proxy; write an address (10.0.0.7), a network (10.0.0.0/8) or unix")]
pub struct TrustedError(String);

impl FromStr for Trusted {
    type Err = TrustedError;

    fn from_str(text: &str) -> Result<Self, TrustedError> {
        let wrong = || TrustedError(text.to_owned());
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| wrong())?;
        let address = written.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => {
                let bits: u8 = bits.parse().map_err(|_| wrong())?;
                // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
                if written.is_ipv6() && address.is_ipv4() {
                    bits.checked_sub(96).ok_or_else(wrong)?
                } else {
                    bits
                }
            }
        };
        if bits > most {
            return Err(wrong());
        }
        Ok(Self::Network { address, bits })
    }
}

impl Trusted {
    fn covers(self, address: IpAddr) -> bool {
        let Self::Network { address: own, bits } = self else {
            return false;
        };
        match (own, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= u32::from(bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= u32::from(bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Peers that are believed; empty: nobody is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedPeers(Vec<Trusted>);

impl TrustedPeers {
    /// Whether the peer of a connection is trusted.
    #[must_use]
    pub fn contains(&self, peer: Peer) -> bool {
        match peer {
            Peer::Internet(address) => self.contains_address(address.ip()),
            Peer::Unix(_) => self.0.contains(&Trusted::Unix),
        }
    }

    /// Whether somebody at this address is trusted.
    #[must_use]
    pub fn contains_address(&self, address: IpAddr) -> bool {
        self.0.iter().any(|trusted| trusted.covers(address))
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Trusted> for TrustedPeers {
    fn from_iter<I: IntoIterator<Item = Trusted>>(list: I) -> Self {
        Self(list.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::UnixPeer;

    fn list(texts: &[&str]) -> TrustedPeers {
        let trusted = |text: &&str| text.parse::<Trusted>().expect("a trusted proxy");
        texts.iter().map(trusted).collect()
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let list = list(&[
            "10.0.0.0/8",
            "192.168.1.7",
            "2001:db8::/32",
            "::ffff:172.16.0.0/108",
        ]);
        for (address, inside) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("::ffff:10.1.2.3", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(list.contains_address(address), inside, "{address}");
        }
        let process = UnixPeer {
            process: 1,
            user: 0,
            group: 0,
        };
        assert!(!list.contains(Peer::Unix(process)));
    }

    #[test]
    fn a_prefix_of_nothing_is_everything_of_its_family() {
        let list = list(&["0.0.0.0/0", "unix"]);
        assert!(list.contains_address([255, 1, 2, 3].into()));
        assert!(!list.contains_address("2001:db8::1".parse().expect("an address")));
        let process = UnixPeer {
            process: 1,
            user: 0,
            group: 0,
        };
        assert!(list.contains(Peer::Unix(process)));
    }

    #[test]
    fn what_is_no_network_says_what_would_be() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "example.com",
            "::/129",
            "::ffff:1.2.3.4/90",
        ] {
            let error = text.parse::<Trusted>().expect_err(text).to_string();
            assert!(error.contains("10.0.0.0/8"), "{error}");
        }
    }
}

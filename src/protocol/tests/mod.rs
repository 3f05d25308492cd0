//! What the protocol layer promises, as tables and as properties.
//!
//! Owns nothing. Never sleeps, never needs a socket; random cases print the input
//! that fails, and proptest shrinks it. Here: how every test reads and writes one
//! packet; the promises are in the files beside.

mod cases;
mod delivery;
mod hostile;
mod malformed;
mod round_trip;
mod strategies;
mod topics;
mod unwritable;
mod varints;

use proptest::prelude::ProptestConfig;

use crate::protocol::{DecodeError, EncodeError, Packet, ProtocolVersion, Split, split};

/// All versions.
const VERSIONS: [ProtocolVersion; 3] = [
    ProtocolVersion::V3_1,
    ProtocolVersion::V3_1_1,
    ProtocolVersion::V5,
];

/// So many random cases.
fn random(cases: u32) -> ProptestConfig {
    // Interpreted, each takes a thousand times as long.
    ProptestConfig::with_cases(if cfg!(miri) { 2 } else { cases })
}

/// Reads the packet that `bytes` are, all of them.
///
/// A list of filters makes a packet's lifetime invariant, so that a packet can be
/// compared with a static one only if its bytes are leaked.
fn decode(version: ProtocolVersion, bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    match split(bytes, u32::MAX)? {
        Split::Complete { frame, size } => {
            assert_eq!(size, bytes.len(), "bytes after the packet: {bytes:02x?}");
            Packet::decode(version, frame)
        }
        Split::Incomplete { size } => panic!("incomplete ({size:?}): {bytes:02x?}"),
    }
}

/// Writes a packet behind other bytes, which have to survive.
fn encode(version: ProtocolVersion, packet: &Packet<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut out = b"before".to_vec();
    let written = packet.encode(version, &mut out);
    assert_eq!(&out[..6], b"before");
    let bytes = out.split_off(6);
    if written.is_err() {
        assert!(bytes.is_empty(), "half a packet is left: {bytes:02x?}");
    }
    written.map(|()| bytes)
}

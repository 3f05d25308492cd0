//! The packets that the generator sends, as bytes.
//!
//! Pure. Everything here is encoded once per connection; a publisher only
//! patches its [`PublishTemplate`].

use crate::stamp::STAMP_BYTES;

/// The versions that can be driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    V5,
}

impl Version {
    /// Whether packets carry properties.
    #[must_use]
    pub fn is_v5(self) -> bool {
        self == Self::V5
    }

    /// As people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        }
    }
}

/// Filters per SUBSCRIBE: far below what any broker refuses.
const FILTERS_PER_SUBSCRIBE: usize = 64;

/// CONNECT with a clean session and without a will.
#[must_use]
pub fn connect(version: Version, client_id: &str, keep_alive: u16) -> Vec<u8> {
    let mut body = Vec::new();
    string(&mut body, "MQTT");
    body.push(if version.is_v5() { 5 } else { 4 });
    body.push(0b10);
    body.extend_from_slice(&keep_alive.to_be_bytes());
    no_properties(&mut body, version);
    string(&mut body, client_id);
    packet(0x10, &body)
}

/// As many SUBSCRIBE packets as the filters need, and their number.
#[must_use]
pub fn subscribe(version: Version, filters: &[String], qos: u8) -> (Vec<u8>, u16) {
    let mut bytes = Vec::new();
    let mut packets = 0;
    for chunk in filters.chunks(FILTERS_PER_SUBSCRIBE) {
        packets += 1;
        let mut body = Vec::new();
        body.extend_from_slice(&u16::to_be_bytes(packets));
        no_properties(&mut body, version);
        for filter in chunk {
            string(&mut body, filter);
            body.push(qos);
        }
        bytes.extend(packet(0x82, &body));
    }
    (bytes, packets)
}

/// DISCONNECT, normal.
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

/// PUBACK, PUBREC, PUBREL or PUBCOMP (by its first byte) without a reason.
#[must_use]
#[inline]
pub fn acknowledge(first: u8, packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [first, 2, high, low]
}

/// A PUBLISH that lacks its packet id and its stamp.
#[derive(Clone, Debug)]
pub struct PublishTemplate {
    bytes: Vec<u8>,
    packet_id_at: Option<usize>,
    stamp_at: usize,
}

impl PublishTemplate {
    /// A PUBLISH of `payload` bytes, at least [`STAMP_BYTES`].
    #[must_use]
    pub fn new(version: Version, topic: &str, qos: u8, payload: usize) -> Self {
        assert!(payload >= STAMP_BYTES, "a payload has room for its stamp");
        let mut body = Vec::new();
        string(&mut body, topic);
        let id_in_body = (qos > 0).then_some(body.len());
        if qos > 0 {
            body.extend_from_slice(&[0, 0]);
        }
        no_properties(&mut body, version);
        let stamp_in_body = body.len();
        body.resize(body.len() + payload, b'.');
        let bytes = packet(0x30 | (qos << 1), &body);
        let head = bytes.len() - body.len();
        Self {
            bytes,
            packet_id_at: id_in_body.map(|at| at + head),
            stamp_at: stamp_in_body + head,
        }
    }

    /// The whole packet's size.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Appends one packet; returns the place of its payload.
    #[inline]
    pub fn append<'o>(&self, packet_id: u16, out: &'o mut Vec<u8>) -> &'o mut [u8] {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let packet = &mut out[start..];
        if let Some(at) = self.packet_id_at {
            packet[at..at + 2].copy_from_slice(&packet_id.to_be_bytes());
        }
        &mut packet[self.stamp_at..]
    }
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length % 128).expect("a remainder by 128 fits");
        length /= 128;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

fn string(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("our own topics and ids are short");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn no_properties(out: &mut Vec<u8>, version: Version) {
    if version.is_v5() {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Packet, next_packet};
    use crate::stamp::Stamp;

    #[test]
    fn what_a_publisher_sends_is_what_a_subscriber_reads() {
        for version in [Version::V311, Version::V5] {
            for qos in 0..=2 {
                let template = PublishTemplate::new(version, "a/b", qos, 200);
                let stamp = Stamp {
                    publisher: 3,
                    sequence: 7,
                    sent: 11,
                };
                let mut out = vec![1, 2, 3];
                stamp.write(template.append(500, &mut out));
                let (packet, size) = next_packet(&out[3..], version.is_v5())
                    .expect("it is well formed")
                    .expect("it is whole");
                assert_eq!(size, template.size());
                let Packet::Publish(publish) = packet else {
                    panic!("a PUBLISH is a PUBLISH");
                };
                assert_eq!(publish.qos, qos);
                assert_eq!(publish.packet_id, if qos > 0 { 500 } else { 0 });
                assert_eq!(publish.payload.len(), 200);
                assert_eq!(Stamp::read(publish.payload), Some(stamp));
            }
        }
    }
}

//! The packets that the generator sends, as bytes.
//!
//! Pure. Everything here is encoded once per connection, by the protocol layer;
//! a publisher only patches its [`PublishTemplate`], and acknowledgements are
//! four bytes.

use ringmq::protocol::{
    Connect, ConnectProperties, PacketId, ProtocolVersion, Publish, PublishProperties, QoS,
    RetainHandling, Subscribe, SubscriptionOptions, SubscriptionRequest, TopicFilter,
    UserProperties,
};

use crate::stamp::STAMP_BYTES;

/// Filters per SUBSCRIBE: far below what any broker refuses.
const FILTERS_PER_SUBSCRIBE: usize = 64;

/// A version as people write it.
#[must_use]
pub fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::V3_1 => "3.1",
        ProtocolVersion::V3_1_1 => "3.1.1",
        ProtocolVersion::V5 => "5.0",
    }
}

/// CONNECT with a clean session and without a will.
#[must_use]
pub fn connect(version: ProtocolVersion, client_id: &str, keep_alive: u16) -> Vec<u8> {
    let packet = Connect {
        version,
        clean_start: true,
        keep_alive,
        properties: ConnectProperties::default(),
        client_id,
        will: None,
        username: None,
        password: None,
    };
    let mut bytes = Vec::new();
    packet
        .encode(&mut bytes)
        .expect("our own client ids are short");
    bytes
}

/// As many SUBSCRIBE packets as the filters need, and their number.
///
/// # Panics
/// If a filter is none; plans hold only filters that are checked or made here.
#[must_use]
pub fn subscribe(version: ProtocolVersion, filters: &[String], qos: u8) -> (Vec<u8>, u16) {
    let options = SubscriptionOptions {
        qos: quality(qos),
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    };
    let mut bytes = Vec::new();
    let mut packets = 0;
    for chunk in filters.chunks(FILTERS_PER_SUBSCRIBE) {
        packets += 1;
        let requests = chunk.iter().map(|filter| SubscriptionRequest {
            filter: TopicFilter::parse(filter).expect("the plan's filters are valid"),
            options,
        });
        let packet = Subscribe {
            packet_id: PacketId::new(packets).expect("counted from 1"),
            subscription_id: None,
            user_properties: UserProperties::default(),
            filters: requests.collect(),
        };
        packet
            .encode(version, &mut bytes)
            .expect("64 short filters fit");
    }
    (bytes, packets)
}

/// DISCONNECT, normal.
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

/// PINGREQ.
pub const PINGREQ: [u8; 2] = [0xc0, 0];

/// PUBACK, PUBREC, PUBREL or PUBCOMP (by its first byte) without a reason.
#[must_use]
#[inline]
pub fn acknowledge(first: u8, packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [first, 2, high, low]
}

/// Takes a retained message away.
#[must_use]
pub fn forget_retained(version: ProtocolVersion, topic: &str) -> Vec<u8> {
    publish(version, topic, QoS::AtMostOnce, true, &[])
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
    pub fn new(
        version: ProtocolVersion,
        topic: &str,
        qos: u8,
        retain: bool,
        payload: usize,
    ) -> Self {
        assert!(payload >= STAMP_BYTES, "a payload has room for its stamp");
        let qos = quality(qos);
        let bytes = publish(version, topic, qos, retain, &vec![b'.'; payload]);
        let stamp_at = bytes.len() - payload;
        // Between the two: an empty block of properties, where there are any.
        let properties = usize::from(version.has_properties());
        Self {
            packet_id_at: qos.has_packet_id().then(|| stamp_at - properties - 2),
            bytes,
            stamp_at,
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

fn publish(
    version: ProtocolVersion,
    topic: &str,
    qos: QoS,
    retain: bool,
    payload: &[u8],
) -> Vec<u8> {
    let packet = Publish {
        dup: false,
        qos,
        retain,
        topic,
        packet_id: qos.has_packet_id().then(|| {
            // Patched in every copy.
            PacketId::new(1).expect("1 is one")
        }),
        properties: PublishProperties::default(),
        payload,
    };
    let mut bytes = Vec::new();
    packet
        .encode(version, &mut bytes)
        .expect("plans are checked for what fits");
    bytes
}

fn quality(qos: u8) -> QoS {
    QoS::try_from(qos).expect("plans are checked for it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Packet, next_packet};
    use crate::stamp::Stamp;

    #[test]
    fn what_a_publisher_sends_is_what_a_subscriber_reads() {
        for version in [
            ProtocolVersion::V3_1,
            ProtocolVersion::V3_1_1,
            ProtocolVersion::V5,
        ] {
            for qos in 0..=2 {
                let template = PublishTemplate::new(version, "a/b", qos, false, 200);
                let stamp = Stamp {
                    publisher: 3,
                    sequence: 7,
                    sent: 11,
                };
                let mut out = vec![1, 2, 3];
                stamp.write(template.append(500, &mut out));
                let (packet, size) = next_packet(&out[3..], version.has_properties())
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

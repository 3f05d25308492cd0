//! What was read can be written, and reads the same again, in every version.
//!
//! Owns nothing. Pure.

use ringmq::protocol::{
    Delivery, Frame, Packet, ProtocolVersion, Publish, Split, Subscribe, TopicFilter, Unsubscribe,
    split,
};

use super::decode::VERSIONS;
use super::input::Input;

/// Parts of a request that are tried; more of them say nothing new and cost time.
const PARTS: usize = 8;

/// Takes the bytes as one packet: its first byte, then its body.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(first_byte) = input.byte() else {
        return;
    };
    let body = input.rest();
    for version in VERSIONS {
        let frame = Frame { first_byte, body };
        let Ok(packet) = Packet::decode(version, frame) else {
            continue;
        };
        // CONNECT names its own version.
        let version = if let Packet::Connect(connect) = &packet {
            connect.version
        } else {
            version
        };
        let bytes = encode(version, &packet);
        if let Packet::Publish(publish) = &packet {
            delivery(publish);
        }
        parts(version, body, &packet);
        same(version, frame, whole(&bytes));
    }
}

/// A long request that is read in parts says what it says as a whole, wherever it is
/// parted.
fn parts(version: ProtocolVersion, body: &[u8], packet: &Packet<'_>) {
    if let Packet::Subscribe(subscribe) = packet {
        let filters = &subscribe.filters[..];
        let mut from = body.len() - filters.iter().map(|it| it.encoded_len()).sum::<usize>();
        for (place, request) in filters.iter().enumerate().take(PARTS) {
            let rest = Subscribe::requests_from(version, body, from);
            let whole = filters[place..].iter().copied().map(Ok);
            assert!(rest.eq(whole), "from {from}: {packet:?}");
            from += request.encoded_len();
        }
    }
    if let Packet::Unsubscribe(unsubscribe) = packet {
        let filters = &unsubscribe.filters[..];
        let length = |filter: &TopicFilter<'_>| 2 + filter.as_str().len();
        let mut from = body.len() - filters.iter().map(length).sum::<usize>();
        for (place, filter) in filters.iter().enumerate().take(PARTS) {
            let rest = Unsubscribe::filters_from(body, from);
            let whole = filters[place..].iter().copied().map(Ok);
            assert!(rest.eq(whole), "from {from}: {packet:?}");
            from += length(filter);
        }
    }
}

fn encode(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = b"before".to_vec();
    let written = packet.encode(version, &mut out);
    assert_eq!(written, Ok(()), "what was read can be written: {packet:?}");
    assert_eq!(&out[..6], b"before");
    out.split_off(6)
}

fn whole(bytes: &[u8]) -> Frame<'_> {
    match split(bytes, u32::MAX) {
        Ok(Split::Complete { frame, size }) if size == bytes.len() => frame,
        other => panic!("no whole packet: {other:?}"),
    }
}

/// Both frames are the same packet, and writing it is stable from now on.
///
/// A function, so that both packets get one lifetime: lists of filters make it
/// invariant.
fn same<'a>(version: ProtocolVersion, first: Frame<'a>, second: Frame<'a>) {
    let first = Packet::decode(version, first);
    let second = Packet::decode(version, second);
    assert_eq!(first, second);
    if let (Ok(first), Ok(second)) = (first, second) {
        assert_eq!(encode(version, &first), encode(version, &second));
    }
}

/// The broker's own encoder says to a subscriber what the publisher said.
fn delivery(publish: &Publish<'_>) {
    let mut pass_through = Vec::new();
    publish.properties.write_pass_through(&mut pass_through);
    let ids: Vec<u32> = publish.properties.subscription_ids.iter().collect();
    let delivery = Delivery {
        qos: publish.qos,
        dup: publish.dup,
        retain: publish.retain,
        topic: publish.topic,
        pass_through: &pass_through,
        payload: publish.payload,
        message_expiry_interval: publish.properties.message_expiry_interval,
        topic_alias: publish
            .properties
            .topic_alias
            .map(std::num::NonZeroU16::get),
        subscription_ids: &ids,
    };
    for version in VERSIONS {
        if publish.topic.is_empty() && !version.has_properties() {
            continue;
        }
        let mut out = Vec::new();
        let patch = delivery.encode(version, &mut out);
        assert_eq!(out.len(), delivery.encoded_len(version));
        if let Some(id) = publish.packet_id {
            let at = patch.packet_id as usize;
            out[at..at + 2].copy_from_slice(&id.get().to_be_bytes());
        }
        let Ok(Packet::Publish(read)) = Packet::decode(version, whole(&out)) else {
            panic!("a delivery is a PUBLISH: {out:02x?}");
        };
        assert_eq!(
            (read.qos, read.dup, read.retain, read.topic, read.payload),
            (
                publish.qos,
                publish.dup,
                publish.retain,
                publish.topic,
                publish.payload
            )
        );
        assert_eq!(read.packet_id, publish.packet_id);
        if version.has_properties() {
            let mut written = Vec::new();
            read.properties.write_pass_through(&mut written);
            assert_eq!(written, pass_through);
            let read = read.properties;
            assert_eq!(
                read.message_expiry_interval,
                delivery.message_expiry_interval
            );
            assert_eq!(read.topic_alias, publish.properties.topic_alias);
            assert!(read.subscription_ids.iter().eq(ids.iter().copied()));
        }
    }
}

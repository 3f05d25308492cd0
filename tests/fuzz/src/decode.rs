//! Arbitrary bytes are refused or read, in every version; nothing panics, and what
//! is read keeps its promises.
//!
//! Owns nothing. Pure.

use ringmq::protocol::property::RawProperties;
use ringmq::protocol::{
    Connect, Frame, Packet, ProtocolVersion, Split, SubscriptionIds, UserProperties, split,
};

use super::input::Input;
use super::naive;

/// All versions.
pub const VERSIONS: [ProtocolVersion; 3] = [
    ProtocolVersion::V3_1,
    ProtocolVersion::V3_1_1,
    ProtocolVersion::V5,
];

/// Reads the bytes as a stream, as one frame, and as a property block.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(choice) = input.byte() else { return };
    match choice & 3 {
        0 | 1 => {
            let maximum = if choice & 1 == 0 {
                u32::MAX
            } else {
                u32::from(choice >> 2)
            };
            stream(input.rest(), maximum);
        }
        2 => {
            let Some(first_byte) = input.byte() else {
                return;
            };
            let body = input.rest();
            everywhere(Frame { first_byte, body });
        }
        _ => views(input.rest()),
    }
}

/// Cuts packets out of a stream, which must not depend on where it is cut.
fn stream(mut rest: &[u8], maximum: u32) {
    loop {
        match split(rest, maximum) {
            Ok(Split::Complete { frame, size }) => {
                assert!(size <= rest.len() && size <= maximum as usize);
                assert!(rest[..size].ends_with(frame.body) && frame.body.len() < size);
                for cut in [0, 1, 2, size / 2, size - 1] {
                    match split(&rest[..cut.min(size - 1)], maximum) {
                        Ok(Split::Incomplete { size: known }) => {
                            assert!(known.is_none_or(|known| known == size));
                        }
                        other => panic!("a packet that is cut is {other:?}"),
                    }
                }
                everywhere(frame);
                rest = &rest[size..];
            }
            Ok(Split::Incomplete { size }) => {
                let bounds = rest.len() + 1..=maximum as usize;
                assert!(size.is_none_or(|size| bounds.contains(&size)));
                return;
            }
            Err(error) => {
                assert!(error.reason().is_error() && !error.to_string().is_empty());
                return;
            }
        }
    }
}

fn everywhere(frame: Frame<'_>) {
    // It only looks; what it finds is looked at again below.
    let _ = Connect::decode_version(frame);
    for version in VERSIONS {
        match Packet::decode(version, frame) {
            Ok(packet) => sound(&packet),
            Err(error) => assert!(error.reason().is_error() && !error.to_string().is_empty()),
        }
    }
}

/// What the rest of the broker relies on without looking again.
fn sound(packet: &Packet<'_>) {
    match packet {
        Packet::Publish(publish) => {
            assert!(publish.topic.is_empty() || naive::is_name(publish.topic));
            assert_eq!(publish.packet_id.is_some(), publish.qos.has_packet_id());
            assert!(
                !publish.dup || publish.qos.has_packet_id(),
                "[MQTT-3.3.1-2]"
            );
            let properties = &publish.properties;
            assert!(properties.response_topic.is_none_or(naive::is_name));
            no_nul(properties.content_type);
            pairs(&properties.user_properties);
            assert!(properties.subscription_ids.iter().all(|id| id > 0));
            let mut written = Vec::new();
            properties.write_pass_through(&mut written);
            if let Some(whole) = properties.pass_through() {
                assert_eq!(whole, written);
            }
        }
        Packet::Connect(connect) => {
            no_nul(Some(connect.client_id));
            no_nul(connect.username);
            if let Some(will) = &connect.will {
                assert!(naive::is_name(will.topic));
                pairs(&will.properties.user_properties);
            }
            pairs(&connect.properties.user_properties);
        }
        Packet::Subscribe(subscribe) => {
            assert!(!subscribe.filters.is_empty(), "[MQTT-3.8.3-2]");
            for request in &subscribe.filters {
                assert!(naive::is_filter(request.filter.as_str()));
                let _ = request.options.to_byte();
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert!(!unsubscribe.filters.is_empty(), "[MQTT-3.10.3-2]");
            for filter in &unsubscribe.filters {
                assert!(naive::is_filter(filter.as_str()));
            }
        }
        Packet::SubAck(ack) => assert!(ack.reasons().count() == ack.reasons.len()),
        Packet::UnsubAck(ack) => assert!(ack.reasons().count() == ack.reasons.len()),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            no_nul(ack.properties.reason_string);
            pairs(&ack.properties.user_properties);
        }
        Packet::ConnAck(ack) => {
            no_nul(ack.properties.reason_string);
            pairs(&ack.properties.user_properties);
        }
        Packet::Disconnect(disconnect) => {
            no_nul(disconnect.server_reference);
            pairs(&disconnect.properties.user_properties);
        }
        Packet::Auth(auth) => pairs(&auth.properties.user_properties),
        Packet::PingReq | Packet::PingResp => {}
    }
}

/// [MQTT-1.5.4-2]
fn no_nul(text: Option<&str>) {
    assert!(text.is_none_or(|text| !text.contains('\0')));
}

fn pairs(properties: &UserProperties<'_>) {
    for (name, value) in properties.iter() {
        no_nul(Some(name));
        no_nul(Some(value));
    }
}

/// Views over unchecked blocks show less than there is, never more.
fn views(block: &[u8]) {
    let walked: usize = RawProperties::new(block)
        .map(|property| property.bytes.len())
        .sum();
    assert!(walked <= block.len());
    let pairs: usize = UserProperties::of_checked(block)
        .iter()
        .map(|(name, value)| 5 + name.len() + value.len())
        .sum();
    assert!(pairs <= walked);
    assert!(SubscriptionIds::of_checked(block).iter().count() * 2 <= walked);
}

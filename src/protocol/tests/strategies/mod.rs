//! Packets at random, such as the version allows them.
//!
//! Owns nothing. What a packet borrows is leaked: a test process is short-lived,
//! and the packets themselves stay as they are everywhere else.

mod connect;

use std::num::{NonZeroU16, NonZeroU32};

use connect::{connack, connect};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::VERSIONS;
use crate::protocol::{
    Acknowledge, Auth, Disconnect, Packet, PacketId, PacketType, ProtocolVersion, Publish,
    PublishProperties, QoS, ReasonCode, ReasonProperties, RetainHandling, SubAck, Subscribe,
    SubscriptionIds, SubscriptionIdsBuf, SubscriptionOptions, SubscriptionRequest, TopicFilter,
    UnsubAck, Unsubscribe, UserProperties, UserPropertiesBuf, varint,
};

fn leak_str(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn leak_bytes(bytes: Vec<u8>) -> &'static [u8] {
    Box::leak(bytes.into_boxed_slice())
}

/// Any text that a string on the wire may hold.
pub(super) fn text() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => "[^\\x00]{0,12}",
        1 => "[a-z]{120,400}",
    ]
    .prop_map(leak_str)
}

/// Any binary data.
pub(super) fn data() -> impl Strategy<Value = &'static [u8]> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..16),
        1 => vec(any::<u8>(), 100..300),
    ]
    .prop_map(leak_bytes)
}

/// Any topic name.
pub(super) fn topic() -> impl Strategy<Value = &'static str> {
    "[^\\x00+#]{1,24}".prop_map(leak_str)
}

/// Any topic filter, shared ones among them.
pub(super) fn filter() -> impl Strategy<Value = TopicFilter<'static>> {
    let levels = vec(prop_oneof!["[a-c]{0,2}", Just("+".to_owned())], 1..5);
    let share = option::weighted(0.2, "[a-z]{1,4}");
    (levels, any::<bool>(), share).prop_filter_map("empty", |(mut levels, hash, share)| {
        if hash {
            levels.push("#".to_owned());
        }
        let mut filter = levels.join("/");
        if let Some(group) = share {
            filter = format!("$share/{group}/{filter}");
        }
        TopicFilter::parse(leak_str(filter)).ok()
    })
}

fn packet_id() -> impl Strategy<Value = PacketId> + Clone {
    (1..=u16::MAX).prop_map(|id| PacketId::new(id).expect("not zero"))
}

fn non_zero_u16() -> impl Strategy<Value = NonZeroU16> {
    (1..=u16::MAX).prop_map(|value| NonZeroU16::new(value).expect("not zero"))
}

fn non_zero_u32() -> impl Strategy<Value = NonZeroU32> {
    (1..=u32::MAX).prop_map(|value| NonZeroU32::new(value).expect("not zero"))
}

fn subscription_id() -> impl Strategy<Value = NonZeroU32> {
    prop_oneof![1..=300u32, 1..=varint::MAX]
        .prop_map(|value| NonZeroU32::new(value).expect("not zero"))
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ]
}

fn user_properties() -> impl Strategy<Value = UserProperties<'static>> {
    prop_oneof![Just(Vec::new()), vec((text(), text()), 0..4)].prop_map(|pairs| {
        let mut buf = UserPropertiesBuf::new();
        for (name, value) in pairs {
            buf.push(name, value).expect("short");
        }
        Box::leak(Box::new(buf)).as_view()
    })
}

fn subscription_ids() -> impl Strategy<Value = SubscriptionIds<'static>> {
    vec(subscription_id(), 0..4).prop_map(|ids| {
        let mut buf = SubscriptionIdsBuf::new();
        for id in ids {
            buf.push(id).expect("in range");
        }
        Box::leak(Box::new(buf)).as_view()
    })
}

fn reason(packet: PacketType) -> impl Strategy<Value = ReasonCode> {
    let legal: Vec<_> = ReasonCode::ALL
        .iter()
        .copied()
        .filter(|code| code.is_legal_in(packet))
        .collect();
    prop::sample::select(legal)
}

fn reason_properties() -> impl Strategy<Value = ReasonProperties<'static>> {
    (option::of(text()), user_properties()).prop_map(|(reason_string, user_properties)| {
        ReasonProperties {
            reason_string,
            user_properties,
        }
    })
}

/// Method and data; never data alone.
fn authentication() -> impl Strategy<Value = (Option<&'static str>, Option<&'static [u8]>)> {
    option::of((text(), option::of(data())))
        .prop_map(|pair| pair.map_or((None, None), |(method, data)| (Some(method), data)))
}

/// What a message carries, in a PUBLISH and in a will.
fn message_properties() -> impl Strategy<Value = PublishProperties<'static>> {
    (
        option::of(any::<bool>()),
        option::of(any::<u32>()),
        option::of(topic()),
        option::of(data()),
        option::of(text()),
        user_properties(),
    )
        .prop_map(
            |(format, expiry, response_topic, correlation_data, content_type, user)| {
                PublishProperties {
                    payload_format_utf8: format,
                    message_expiry_interval: expiry,
                    response_topic,
                    correlation_data,
                    content_type,
                    user_properties: user,
                    ..PublishProperties::default()
                }
            },
        )
}

fn publish_properties() -> impl Strategy<Value = PublishProperties<'static>> {
    let plain = Just(PublishProperties::default());
    let full = (
        message_properties(),
        option::of(non_zero_u16()),
        subscription_ids(),
    )
        .prop_map(
            |(properties, topic_alias, subscription_ids)| PublishProperties {
                topic_alias,
                subscription_ids,
                ..properties
            },
        );
    prop_oneof![1 => plain, 3 => full]
}

/// Any PUBLISH of the version.
pub(super) fn publish(version: ProtocolVersion) -> impl Strategy<Value = Publish<'static>> {
    (
        (any::<bool>(), any::<bool>(), qos(), packet_id()),
        (topic(), any::<bool>()),
        publish_properties(),
        data(),
    )
        .prop_map(
            move |((dup, retain, qos, id), (topic, nameless), properties, payload)| {
                let properties = if version == ProtocolVersion::V5 {
                    properties
                } else {
                    PublishProperties::default()
                };
                Publish {
                    dup: dup && qos.has_packet_id(),
                    qos,
                    retain,
                    topic: if nameless && properties.topic_alias.is_some() {
                        ""
                    } else {
                        topic
                    },
                    packet_id: Some(id).filter(|_| qos.has_packet_id()),
                    properties,
                    payload,
                }
            },
        )
}

fn acknowledge(
    version: ProtocolVersion,
    packet: PacketType,
) -> impl Strategy<Value = Acknowledge<'static>> {
    (packet_id(), reason(packet), reason_properties()).prop_map(move |(id, reason, properties)| {
        match version {
            ProtocolVersion::V5 => Acknowledge {
                packet_id: id,
                reason,
                properties,
            },
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => {
                Acknowledge::new(id, ReasonCode::Success)
            }
        }
    })
}

fn options(version: ProtocolVersion) -> impl Strategy<Value = SubscriptionOptions> {
    let handling = prop::sample::select(vec![
        RetainHandling::SendAtSubscribe,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ]);
    (qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        move |(qos, no_local, retain_as_published, retain_handling)| match version {
            ProtocolVersion::V5 => SubscriptionOptions {
                qos,
                no_local,
                retain_as_published,
                retain_handling,
            },
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => SubscriptionOptions::with_qos(qos),
        },
    )
}

fn subscribe(version: ProtocolVersion) -> impl Strategy<Value = Subscribe<'static>> {
    let request = (filter(), options(version)).prop_map(|(filter, options)| {
        let no_local = options.no_local && filter.share().is_none();
        SubscriptionRequest {
            filter,
            options: SubscriptionOptions {
                no_local,
                ..options
            },
        }
    });
    (
        packet_id(),
        option::of(subscription_id()),
        user_properties(),
        vec(request, 1..7),
    )
        .prop_map(move |(packet_id, id, user, filters)| {
            let v5 = version == ProtocolVersion::V5;
            Subscribe {
                packet_id,
                subscription_id: id.filter(|_| v5),
                user_properties: if v5 { user } else { UserProperties::EMPTY },
                filters: filters.into_iter().collect(),
            }
        })
}

fn unsubscribe(version: ProtocolVersion) -> impl Strategy<Value = Unsubscribe<'static>> {
    (packet_id(), user_properties(), vec(filter(), 1..7)).prop_map(move |(id, user, filters)| {
        let v5 = version == ProtocolVersion::V5;
        Unsubscribe {
            packet_id: id,
            user_properties: if v5 { user } else { UserProperties::EMPTY },
            filters: filters.into_iter().collect(),
        }
    })
}

fn reasons(packet: PacketType, v5: bool) -> impl Strategy<Value = &'static [u8]> {
    vec(reason(packet), 1..7).prop_map(move |codes| {
        let told = |code: ReasonCode| {
            if v5 {
                code.as_u8()
            } else {
                code.as_u8().min(0x80)
            }
        };
        leak_bytes(codes.into_iter().map(told).collect())
    })
}

fn suback(version: ProtocolVersion) -> impl Strategy<Value = SubAck<'static>> {
    let v5 = version == ProtocolVersion::V5;
    (
        packet_id(),
        reason_properties(),
        reasons(PacketType::SubAck, v5),
    )
        .prop_map(move |(packet_id, properties, reasons)| {
            let properties = if v5 {
                properties
            } else {
                ReasonProperties::default()
            };
            SubAck {
                packet_id,
                properties,
                reasons,
            }
        })
}

fn unsuback(version: ProtocolVersion) -> impl Strategy<Value = UnsubAck<'static>> {
    let v5 = version == ProtocolVersion::V5;
    (
        packet_id(),
        reason_properties(),
        reasons(PacketType::UnsubAck, v5),
    )
        .prop_map(move |(packet_id, properties, reasons)| {
            if v5 {
                UnsubAck {
                    packet_id,
                    properties,
                    reasons,
                }
            } else {
                UnsubAck {
                    packet_id,
                    properties: ReasonProperties::default(),
                    reasons: &[],
                }
            }
        })
}

fn disconnect(version: ProtocolVersion) -> impl Strategy<Value = Disconnect<'static>> {
    let expiry = option::of(any::<u32>());
    let reason = reason(PacketType::Disconnect);
    (reason, expiry, reason_properties(), option::of(text())).prop_map(
        move |(reason, session_expiry_interval, properties, server_reference)| match version {
            ProtocolVersion::V5 => Disconnect {
                reason,
                session_expiry_interval,
                properties,
                server_reference,
            },
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => Disconnect::default(),
        },
    )
}

fn auth() -> impl Strategy<Value = Auth<'static>> {
    let full = (
        reason(PacketType::Auth),
        text(),
        option::of(data()),
        reason_properties(),
    )
        .prop_map(|(reason, method, authentication_data, properties)| Auth {
            reason,
            authentication_method: Some(method),
            authentication_data,
            properties,
        });
    prop_oneof![1 => Just(Auth::default()), 3 => full]
}

/// Any packet of the version.
pub(super) fn packet(version: ProtocolVersion) -> BoxedStrategy<Packet<'static>> {
    let acknowledge = |packet| acknowledge(version, packet);
    let common = prop_oneof![
        connect(version).prop_map(Packet::Connect),
        connack(version).prop_map(Packet::ConnAck),
        publish(version).prop_map(Packet::Publish),
        acknowledge(PacketType::PubAck).prop_map(Packet::PubAck),
        acknowledge(PacketType::PubRec).prop_map(Packet::PubRec),
        acknowledge(PacketType::PubRel).prop_map(Packet::PubRel),
        acknowledge(PacketType::PubComp).prop_map(Packet::PubComp),
        subscribe(version).prop_map(Packet::Subscribe),
        suback(version).prop_map(Packet::SubAck),
        unsubscribe(version).prop_map(Packet::Unsubscribe),
        unsuback(version).prop_map(Packet::UnsubAck),
        Just(Packet::PingReq),
        Just(Packet::PingResp),
        disconnect(version).prop_map(Packet::Disconnect),
    ];
    if version == ProtocolVersion::V5 {
        prop_oneof![14 => common, 1 => auth().prop_map(Packet::Auth)].boxed()
    } else {
        common.boxed()
    }
}

/// Any version with any packet of it.
pub(super) fn versioned_packet() -> impl Strategy<Value = (ProtocolVersion, Packet<'static>)> {
    prop::sample::select(VERSIONS.to_vec())
        .prop_flat_map(|version| packet(version).prop_map(move |packet| (version, packet)))
}

//! CONNECT and CONNACK at random.
//!
//! Owns nothing. They share most of their properties, and so do these strategies.

use proptest::option;
use proptest::prelude::*;

use super::{
    authentication, data, message_properties, non_zero_u16, non_zero_u32, qos, reason, text, topic,
    user_properties,
};
use crate::protocol::{
    ConnAck, ConnAckProperties, Connect, ConnectProperties, PacketType, ProtocolVersion,
    PublishProperties, QoS, ReasonCode, Will,
};

fn will(version: ProtocolVersion) -> impl Strategy<Value = Will<'static>> {
    (
        qos(),
        any::<bool>(),
        topic(),
        data(),
        option::of(any::<u32>()),
        message_properties(),
    )
        .prop_map(
            move |(qos, retain, topic, payload, delay_interval, properties)| {
                if version == ProtocolVersion::V5 {
                    Will {
                        qos,
                        retain,
                        topic,
                        payload,
                        delay_interval,
                        properties,
                    }
                } else {
                    let properties = PublishProperties::default();
                    Will {
                        qos,
                        retain,
                        topic,
                        payload,
                        delay_interval: None,
                        properties,
                    }
                }
            },
        )
}

fn connect_properties() -> impl Strategy<Value = ConnectProperties<'static>> {
    (
        option::of(any::<u32>()),
        option::of(non_zero_u16()),
        option::of(non_zero_u32()),
        option::of(any::<u16>()),
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        user_properties(),
        authentication(),
    )
        .prop_map(
            |(expiry, receive, size, alias, response, problem, user, (method, data))| {
                ConnectProperties {
                    session_expiry_interval: expiry,
                    receive_maximum: receive,
                    maximum_packet_size: size,
                    topic_alias_maximum: alias,
                    request_response_information: response,
                    request_problem_information: problem,
                    user_properties: user,
                    authentication_method: method,
                    authentication_data: data,
                }
            },
        )
}

pub(super) fn connect(version: ProtocolVersion) -> impl Strategy<Value = Connect<'static>> {
    (
        any::<bool>(),
        any::<u16>(),
        connect_properties(),
        text(),
        option::of(will(version)),
        option::of(text()),
        option::of(data()),
    )
        .prop_map(
            move |(clean_start, keep_alive, properties, client_id, will, name, password)| {
                let v5 = version == ProtocolVersion::V5;
                Connect {
                    version,
                    clean_start,
                    keep_alive,
                    properties: if v5 {
                        properties
                    } else {
                        ConnectProperties::default()
                    },
                    client_id,
                    will,
                    username: name,
                    password: password.filter(|_| v5 || name.is_some()),
                }
            },
        )
}

fn connack_properties() -> impl Strategy<Value = ConnAckProperties<'static>> {
    let flags = prop::array::uniform4(option::of(any::<bool>()));
    let maximum_qos = option::of(prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce)]);
    (
        connect_properties(),
        flags,
        maximum_qos,
        prop::array::uniform4(option::of(text())),
        option::of(any::<u16>()),
    )
        .prop_map(
            |(shared, flags, maximum_qos, texts, server_keep_alive)| ConnAckProperties {
                session_expiry_interval: shared.session_expiry_interval,
                receive_maximum: shared.receive_maximum,
                maximum_qos,
                retain_available: flags[0],
                maximum_packet_size: shared.maximum_packet_size,
                assigned_client_identifier: texts[0],
                topic_alias_maximum: shared.topic_alias_maximum,
                reason_string: texts[1],
                user_properties: shared.user_properties,
                wildcard_subscription_available: flags[1],
                subscription_identifiers_available: flags[2],
                shared_subscription_available: flags[3],
                server_keep_alive,
                response_information: texts[2],
                server_reference: texts[3],
                authentication_method: shared.authentication_method,
                authentication_data: shared.authentication_data,
            },
        )
}

pub(super) fn connack(version: ProtocolVersion) -> BoxedStrategy<ConnAck<'static>> {
    if version == ProtocolVersion::V5 {
        return (
            any::<bool>(),
            reason(PacketType::ConnAck),
            connack_properties(),
        )
            .prop_map(|(session_present, reason, properties)| {
                let session_present = session_present && reason == ReasonCode::Success;
                ConnAck {
                    session_present,
                    reason,
                    properties,
                }
            })
            .boxed();
    }
    let reasons = prop::sample::select(vec![
        ReasonCode::Success,
        ReasonCode::UnsupportedProtocolVersion,
        ReasonCode::ClientIdentifierNotValid,
        ReasonCode::ServerUnavailable,
        ReasonCode::BadUserNameOrPassword,
        ReasonCode::NotAuthorized,
    ]);
    (any::<bool>(), reasons)
        .prop_map(move |(present, reason)| {
            let told = version != ProtocolVersion::V3_1 && reason == ReasonCode::Success;
            ConnAck {
                session_present: present && told,
                ..ConnAck::refusal(reason)
            }
        })
        .boxed()
}

//! What an encoder refuses, and that it leaves nothing behind.
//!
//! Owns nothing. A case gives the packet and what its writer is told.

use smallvec::smallvec;

use super::encode;
use crate::protocol::EncodeError::{self, *};
use crate::protocol::ProtocolVersion::{self, V3_1, V3_1_1, V5};
use crate::protocol::{
    Acknowledge, Auth, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, Packet,
    PacketId, Publish, PublishProperties, QoS, ReasonCode, ReasonProperties, SubAck, Subscribe,
    SubscriptionIdsBuf, UnsubAck, Unsubscribe, UserProperties, UserPropertiesBuf, Will,
};

type Case = (ProtocolVersion, Packet<'static>, EncodeError);

const ONE: PacketId = PacketId::MIN;

/// One byte more than a string may have.
fn long() -> &'static str {
    "a".repeat(65_536).leak()
}

fn publishes() -> Vec<Case> {
    let bare = Publish {
        topic: "a",
        ..Publish::default()
    };
    let nameless = Publish { topic: "", ..bare };
    let alias = PublishProperties {
        topic_alias: Some(1.try_into().expect("1")),
        ..PublishProperties::default()
    };
    let publish = |change: &dyn Fn(&mut Publish<'static>)| {
        let mut publish = bare;
        change(&mut publish);
        Packet::Publish(publish)
    };
    vec![
        (V5, publish(&|p| p.packet_id = Some(ONE)), PacketIdMismatch),
        (V5, publish(&|p| p.qos = QoS::AtLeastOnce), PacketIdMismatch),
        (V5, publish(&|p| p.dup = true), DupWithoutQos),
        (V5, Packet::Publish(nameless), MissingTopicName),
        (V5, publish(&|p| p.topic = long()), FieldTooLong),
        (V5, publish(&|p| p.topic = "\0"), NulInString),
        // Before MQTT 5.0 an alias stands for nothing.
        (
            V3_1_1,
            Packet::Publish(Publish {
                properties: alias,
                ..nameless
            }),
            MissingTopicName,
        ),
    ]
}

fn connects() -> Vec<Case> {
    let connect = |change: &dyn Fn(&mut Connect<'static>)| {
        let mut connect = Connect {
            version: V5,
            clean_start: true,
            keep_alive: 0,
            properties: ConnectProperties::default(),
            client_id: "",
            will: None,
            username: None,
            password: None,
        };
        change(&mut connect);
        Packet::Connect(connect)
    };
    let will = Will {
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "",
        payload: b"",
        delay_interval: None,
        properties: PublishProperties::default(),
    };
    let password_alone = connect(&|c| {
        c.version = V3_1_1;
        c.password = Some(b"");
    });
    vec![
        (
            V5,
            connect(&|c| c.properties.authentication_data = Some(b"")),
            MissingAuthenticationMethod,
        ),
        (V5, connect(&|c| c.will = Some(will)), MissingTopicName),
        (V5, password_alone, PasswordWithoutUserName),
        (V5, connect(&|c| c.client_id = long()), FieldTooLong),
        (V5, connect(&|c| c.username = Some("\0")), NulInString),
        (
            V5,
            connect(&|c| c.password = Some(long().as_bytes())),
            FieldTooLong,
        ),
    ]
}

fn answers() -> Vec<Case> {
    let answer_data = ConnAckProperties {
        authentication_data: Some(b""),
        ..ConnAckProperties::default()
    };
    let connack = ConnAck {
        properties: answer_data,
        ..ConnAck::default()
    };
    let taken_over = ConnAck::refusal(ReasonCode::SessionTakenOver);
    let moved = Acknowledge::new(ONE, ReasonCode::ServerMoved);
    let properties = ReasonProperties::default();
    let suback = |reasons| {
        Packet::SubAck(SubAck {
            packet_id: ONE,
            properties,
            reasons,
        })
    };
    let unsuback = |reasons| {
        Packet::UnsubAck(UnsubAck {
            packet_id: ONE,
            properties,
            reasons,
        })
    };
    vec![
        (V5, Packet::ConnAck(taken_over), InvalidReasonCode),
        (V5, Packet::ConnAck(connack), MissingAuthenticationMethod),
        (V5, Packet::PubAck(moved), InvalidReasonCode),
        (V5, suback(&[0x11]), InvalidReasonCode),
        (V5, suback(&[]), NoTopicFilter),
        (V3_1_1, suback(&[]), NoTopicFilter),
        (V5, unsuback(&[1]), InvalidReasonCode),
        (V5, unsuback(&[]), NoTopicFilter),
    ]
}

fn requests_and_goodbyes() -> Vec<Case> {
    let subscribe = Subscribe {
        packet_id: ONE,
        subscription_id: None,
        user_properties: UserProperties::EMPTY,
        filters: smallvec![],
    };
    let unsubscribe = Unsubscribe {
        packet_id: ONE,
        user_properties: UserProperties::EMPTY,
        filters: smallvec![],
    };
    let banned = Disconnect::new(ReasonCode::Banned);
    let again = Auth {
        reason: ReasonCode::ReAuthenticate,
        ..Auth::default()
    };
    vec![
        (V5, Packet::Subscribe(subscribe), NoTopicFilter),
        (V3_1, Packet::Unsubscribe(unsubscribe), NoTopicFilter),
        (V5, Packet::Disconnect(banned), InvalidReasonCode),
        (V3_1_1, Packet::Auth(Auth::default()), NotInVersion),
        (V5, Packet::Auth(again), MissingAuthenticationMethod),
    ]
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let groups = [publishes(), connects(), answers(), requests_and_goodbyes()];
    for (version, packet, error) in groups.into_iter().flatten() {
        assert_eq!(encode(version, &packet), Err(error), "{packet:?}");
    }
}

#[test]
fn a_subscription_identifier_has_four_bytes_at_most() {
    let mut subscribe = Subscribe {
        packet_id: ONE,
        subscription_id: Some((1 << 28).try_into().expect("not zero")),
        user_properties: UserProperties::EMPTY,
        filters: smallvec![],
    };
    let filter = crate::protocol::TopicFilter::parse("a").expect("well-formed");
    subscribe
        .filters
        .push(crate::protocol::SubscriptionRequest {
            filter,
            options: Default::default(),
        });
    assert_eq!(
        encode(V5, &Packet::Subscribe(subscribe)),
        Err(IntegerTooLarge)
    );
}

#[test]
fn builders_refuse_what_no_packet_can_carry() {
    let mut user = UserPropertiesBuf::new();
    user.push("k", "v").expect("short");
    assert_eq!(user.push("k", long()), Err(FieldTooLong));
    assert_eq!(user.push("k\0", "v"), Err(NulInString));
    assert_eq!(user.as_view().iter().collect::<Vec<_>>(), [("k", "v")]);
    let mut ids = SubscriptionIdsBuf::new();
    ids.push(7.try_into().expect("7")).expect("in range");
    let above = u32::MAX.try_into().expect("not zero");
    assert_eq!(ids.push(above), Err(IntegerTooLarge));
    assert_eq!(ids.as_view().iter().collect::<Vec<_>>(), [7]);
}

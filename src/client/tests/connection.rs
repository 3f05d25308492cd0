//! Beginning, life signs and end of a connection.

use super::*;

#[test]
fn nothing_is_sent_before_the_connack() {
    for version in ALL {
        let mut pair = Pair::new(&connect(version), Options::default());
        assert_eq!(
            pair.publish(QoS::AtMostOnce, "t"),
            Err(SendError::NotConnected)
        );
        assert_eq!(pair.session.status(), Status::Connecting);
        pair.accept(ConnAckProperties::default(), false);
        assert_eq!(pair.session.status(), Status::Connected);
        assert_eq!(pair.publish(QoS::AtMostOnce, "t"), Ok(None));
        assert_eq!(pair.take(), ["Publish 0 t"]);
    }
}

#[test]
fn a_refused_connection_is_over() {
    for version in ALL {
        let mut pair = Pair::new(&connect(version), Options::default());
        let connack = Packet::ConnAck(ConnAck::refusal(ReasonCode::NotAuthorized));
        assert_eq!(pair.receive(&connack), Ok(vec!["Refused".to_owned()]));
        assert_eq!(pair.session.status(), Status::Closed);
    }
}

#[test]
fn a_subscription_is_answered() {
    for version in ALL {
        let mut pair = Pair::connected(version);
        let filter = TopicFilter::parse("a/#").expect("a filter");
        let options = SubscriptionOptions::with_qos(QoS::AtLeastOnce);
        let requests = [SubscriptionRequest { filter, options }];
        let packet_id = pair
            .session
            .subscribe(&requests, None, UserProperties::EMPTY)
            .expect("connected");
        let other = pair
            .session
            .unsubscribe(&[filter], UserProperties::EMPTY)
            .expect("connected");
        assert_eq!((packet_id, other), (id(1), id(2)));
        assert_eq!(
            pair.sent(),
            [PacketType::Subscribe, PacketType::Unsubscribe]
        );
        let properties = ReasonProperties::default();
        let suback = SubAck {
            packet_id,
            properties,
            reasons: &[1],
        };
        assert_eq!(
            pair.receive(&Packet::SubAck(suback)),
            Ok(vec!["Subscribed".to_owned()])
        );
        assert_eq!(
            pair.receive(&Packet::SubAck(suback)),
            Ok(vec![]),
            "nobody asked"
        );
        assert!(!pair.session.is_settled(), "the UNSUBACK is missing");
        pair.reconnect(true);
        assert!(pair.session.is_settled(), "its answer never comes");
    }
}

/// [MQTT-3.1.2-20]
#[test]
fn an_idle_connection_is_pinged_and_a_silent_server_is_given_up() {
    for version in ALL {
        let mut pair = Pair::connected(version);
        let second = Duration::from_secs(1);
        assert_eq!(
            pair.session.next_deadline(),
            Some(pair.now.plus(10 * second))
        );
        assert_eq!(pair.wait(9 * second), Ok(false));
        assert_eq!(pair.wait(second), Ok(true));
        assert_eq!(pair.sent(), [PacketType::PingReq]);
        assert_eq!(pair.receive(&Packet::PingResp), Ok(vec!["Pong".to_owned()]));
        assert_eq!(pair.wait(10 * second), Ok(true));
        assert_eq!(pair.wait(9 * second), Ok(false));
        assert_eq!(pair.wait(second), Err(SessionError::KeepAliveTimeout));
        assert_eq!(pair.session.status(), Status::Closed);
        assert_eq!(pair.session.next_deadline(), None);
    }
}

#[test]
fn traffic_one_way_does_not_hide_that_the_other_way_is_dead() {
    let mut pair = Pair::connected(ProtocolVersion::V5);
    for _ in 0..9 {
        assert_eq!(pair.wait(Duration::from_secs(1)), Ok(false));
        pair.receive(&message(QoS::AtMostOnce, 0, "t"))
            .expect("a message");
    }
    assert_eq!(
        pair.wait(Duration::from_secs(1)),
        Ok(true),
        "nothing was sent for 10 s"
    );
}

/// [MQTT-3.1.2-21]
#[test]
fn the_servers_keep_alive_counts() {
    let mut pair = Pair::new(&connect(ProtocolVersion::V5), Options::default());
    let properties = ConnAckProperties {
        server_keep_alive: Some(3),
        ..ConnAckProperties::default()
    };
    pair.accept(properties, false);
    assert_eq!(pair.wait(Duration::from_secs(3)), Ok(true));
    let mut wanted = connect(ProtocolVersion::V3_1_1);
    wanted.keep_alive = 0;
    let mut pair = Pair::new(&wanted, Options::default());
    pair.accept(ConnAckProperties::default(), false);
    assert_eq!(pair.session.next_deadline(), None, "switched off");
}

#[test]
fn a_server_that_never_answers_the_connect_is_given_up() {
    let mut pair = Pair::new(&connect(ProtocolVersion::V5), Options::default());
    let deadline = pair.session.next_deadline().expect("a deadline");
    assert_eq!(
        pair.wait(deadline.since(pair.now)),
        Err(SessionError::ConnectTimeout)
    );
}

#[test]
fn a_server_that_breaks_the_rules_is_told_so_and_left() {
    let broken = |violation| Err(SessionError::Violation(violation));
    for version in ALL {
        let mut pair = Pair::new(&connect(version), Options::default());
        let early = broken(Violation::Unexpected(PacketType::PingResp));
        assert_eq!(pair.receive(&Packet::PingResp), early);
        let mut pair = Pair::connected(version);
        let twice = broken(Violation::Unexpected(PacketType::ConnAck));
        assert_eq!(pair.receive(&Packet::ConnAck(ConnAck::default())), twice);
        let told = if version == ProtocolVersion::V5 { 1 } else { 0 };
        assert_eq!(pair.sent().len(), told, "only MQTT 5 has a reason to give");
        assert_eq!(pair.session.status(), Status::Closed);
    }
    // [MQTT-3.2.2-4]
    let mut wanted = connect(ProtocolVersion::V5);
    wanted.clean_start = true;
    let mut pair = Pair::new(&wanted, Options::default());
    let connack = ConnAck {
        session_present: true,
        ..ConnAck::default()
    };
    assert_eq!(
        pair.receive(&Packet::ConnAck(connack)),
        broken(Violation::SessionPresent)
    );
}

#[test]
fn a_server_keeps_to_the_announced_maxima() {
    let mut wanted = connect(ProtocolVersion::V5);
    wanted.properties.receive_maximum = NonZeroU16::new(1);
    wanted.properties.maximum_packet_size = core::num::NonZeroU32::new(40);
    let mut pair = Pair::new(&wanted, Options::default());
    pair.accept(ConnAckProperties::default(), false);
    pair.receive(&message(QoS::ExactlyOnce, 1, "t"))
        .expect("one is allowed");
    let error = Err(SessionError::Violation(Violation::ReceiveMaximum));
    assert_eq!(pair.receive(&message(QoS::ExactlyOnce, 2, "t")), error);
    pair.reconnect(false);
    let large = Publish {
        topic: "t",
        payload: &[0; 50],
        ..Publish::default()
    };
    let result = pair.receive(&Packet::Publish(large));
    assert_eq!(
        result.map_err(SessionError::reason),
        Err(ReasonCode::PacketTooLarge)
    );
}

/// [MQTT-3.14.4-2]
#[test]
fn after_a_disconnect_nothing_is_sent_or_heard() {
    for version in ALL {
        let mut pair = Pair::connected(version);
        pair.session
            .disconnect(&Disconnect::default())
            .expect("connected");
        assert_eq!(pair.session.status(), Status::Leaving);
        assert_eq!(
            pair.publish(QoS::AtMostOnce, "t"),
            Err(SendError::NotConnected)
        );
        assert_eq!(pair.receive(&message(QoS::AtLeastOnce, 1, "t")), Ok(vec![]));
        assert_eq!(pair.sent(), [PacketType::Disconnect]);
    }
}

#[test]
fn a_server_may_say_goodbye_in_version_5_alone() {
    let goodbye = Packet::Disconnect(Disconnect::new(ReasonCode::ServerShuttingDown));
    let mut pair = Pair::connected(ProtocolVersion::V5);
    assert_eq!(pair.receive(&goodbye), Ok(vec!["Disconnected".to_owned()]));
    assert_eq!(pair.session.status(), Status::Closed);
    let mut pair = Pair::connected(ProtocolVersion::V3_1_1);
    let error = SessionError::Violation(Violation::Unexpected(PacketType::Disconnect));
    assert_eq!(pair.receive(&goodbye), Err(error));
}

#[test]
fn no_bytes_make_a_session_panic() {
    use proptest::prelude::*;
    proptest!(|(version in 0..ALL.len(), bytes in prop::collection::vec(any::<u8>(), 0..200))| {
        let mut pair = Pair::connected(ALL[version]);
        pair.publish(QoS::ExactlyOnce, "t").expect("room");
        let mut rest = &bytes[..];
        while let Ok(progress) = pair.session.handle(rest, pair.now) {
            if progress.consumed == 0 {
                break;
            }
            rest = &rest[progress.consumed..];
        }
        prop_assert!(pair.session.output().len() < 4_000);
    });
}

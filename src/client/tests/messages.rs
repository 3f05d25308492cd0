//! Messages both ways: acknowledgements, windows, aliases, reconnections.

use super::*;

#[test]
fn qos_1_is_done_with_its_puback() {
    for version in ALL {
        let mut pair = Pair::connected(version);
        assert_eq!(pair.publish(QoS::AtLeastOnce, "t"), Ok(Some(id(1))));
        assert_eq!(pair.take(), ["Publish 1 t"]);
        assert!(!pair.session.is_settled());
        let events = pair.receive(&Packet::PubAck(ok(1)));
        assert_eq!(events, Ok(vec!["Published by PubAck success".to_owned()]));
        assert!(pair.session.is_settled());
        // Late and repeated acknowledgements are no news.
        assert_eq!(pair.receive(&Packet::PubAck(ok(1))), Ok(vec![]));
    }
}

#[test]
fn qos_2_goes_through_its_four_packets() {
    for version in ALL {
        let mut pair = Pair::connected(version);
        assert_eq!(pair.publish(QoS::ExactlyOnce, "t"), Ok(Some(id(1))));
        assert_eq!(pair.take(), ["Publish 1 t"]);
        assert_eq!(pair.receive(&Packet::PubComp(ok(1))), Ok(vec![]), "not yet");
        assert_eq!(
            pair.receive(&Packet::PubRec(ok(1))),
            Ok(vec!["Received".to_owned()])
        );
        assert_eq!(pair.take(), ["PubRel 1 success"]);
        assert_eq!(
            pair.receive(&Packet::PubRec(ok(1))),
            Ok(vec![]),
            "once is enough"
        );
        assert_eq!(pair.take(), ["PubRel 1 success"]);
        let events = pair.receive(&Packet::PubComp(ok(1)));
        assert_eq!(events, Ok(vec!["Published by PubComp success".to_owned()]));
        assert!(pair.session.is_settled());
    }
}

#[test]
fn a_refused_qos_2_message_is_done_with() {
    let mut pair = Pair::connected(ProtocolVersion::V5);
    pair.publish(QoS::ExactlyOnce, "t").expect("room");
    let refusal = Acknowledge::new(id(1), ReasonCode::NotAuthorized);
    let events = pair.receive(&Packet::PubRec(refusal));
    assert_eq!(
        events,
        Ok(vec!["Published by PubRec not authorized".to_owned()])
    );
    assert!(pair.session.is_settled());
    assert_eq!(pair.take(), ["Publish 1 t"], "no PUBREL follows");
}

/// [MQTT-3.3.4-9]
#[test]
fn the_window_is_the_smaller_of_both_sides() {
    let options = Options {
        max_inflight: 5,
        ..Options::default()
    };
    let mut pair = Pair::new(&connect(ProtocolVersion::V5), options);
    let properties = ConnAckProperties {
        receive_maximum: NonZeroU16::new(2),
        ..ConnAckProperties::default()
    };
    pair.accept(properties, false);
    pair.publish(QoS::AtLeastOnce, "1").expect("room");
    pair.publish(QoS::ExactlyOnce, "2").expect("room");
    assert_eq!(
        pair.publish(QoS::AtLeastOnce, "3"),
        Err(SendError::WindowFull)
    );
    assert_eq!(
        pair.publish(QoS::AtMostOnce, "3"),
        Ok(None),
        "QoS 0 is not counted"
    );
    pair.receive(&Packet::PubRec(ok(2))).expect("in order");
    assert_eq!(pair.session.quota(), 0, "PUBREC frees nothing");
    pair.receive(&Packet::PubComp(ok(2))).expect("in order");
    assert_eq!(pair.session.quota(), 1);
}

#[test]
fn incoming_messages_are_acknowledged_by_their_qos() {
    for version in ALL {
        let mut pair = Pair::connected(version);
        let heard = Ok(vec!["Message t".to_owned()]);
        assert_eq!(pair.receive(&message(QoS::AtMostOnce, 0, "t")), heard);
        assert_eq!(pair.take(), Vec::<String>::new());
        assert_eq!(pair.receive(&message(QoS::AtLeastOnce, 7, "t")), heard);
        assert_eq!(pair.take(), ["PubAck 7 success"]);
        assert_eq!(pair.receive(&message(QoS::ExactlyOnce, 7, "t")), heard);
        assert_eq!(pair.take(), ["PubRec 7 success"]);
        // [MQTT-4.3.3-10]
        assert_eq!(pair.receive(&message(QoS::ExactlyOnce, 7, "t")), Ok(vec![]));
        assert_eq!(pair.take(), ["PubRec 7 success"]);
        assert_eq!(
            pair.receive(&Packet::PubRel(ok(7))),
            Ok(vec!["Released".to_owned()])
        );
        assert_eq!(pair.take(), ["PubComp 7 success"]);
        assert_eq!(pair.receive(&message(QoS::ExactlyOnce, 7, "t")), heard);
    }
}

#[test]
fn a_message_is_heard_once_across_a_reconnection() {
    for version in ALL {
        let mut pair = Pair::connected(version);
        pair.receive(&message(QoS::ExactlyOnce, 7, "t"))
            .expect("a message");
        pair.reconnect(true);
        assert_eq!(pair.receive(&message(QoS::ExactlyOnce, 7, "t")), Ok(vec![]));
        if version == ProtocolVersion::V3_1 {
            // Its CONNACK cannot say that the session is gone.
            continue;
        }
        pair.reconnect(false);
        let heard = Ok(vec!["Message t".to_owned()]);
        assert_eq!(
            pair.receive(&message(QoS::ExactlyOnce, 7, "t")),
            heard,
            "a new session"
        );
    }
}

/// [MQTT-4.4.0-1], [MQTT-3.3.1-1]
#[test]
fn unacknowledged_packets_are_sent_again_after_a_reconnection() {
    for version in ALL {
        let mut pair = Pair::connected(version);
        for (qos, topic) in [
            (QoS::AtLeastOnce, "1"),
            (QoS::ExactlyOnce, "2"),
            (QoS::ExactlyOnce, "3"),
        ] {
            pair.publish(qos, topic).expect("room");
        }
        pair.receive(&Packet::PubRec(ok(2))).expect("in order");
        pair.take();
        pair.reconnect(true);
        assert_eq!(
            pair.take(),
            ["PubRel 2 success", "Publish 1 1 dup", "Publish 3 3 dup"]
        );
        if version == ProtocolVersion::V3_1 {
            continue;
        }
        pair.reconnect(false);
        assert_eq!(
            pair.take(),
            ["Publish 1 1", "Publish 3 3"],
            "a session without memory"
        );
        assert_eq!(pair.session.inflight(), 2);
    }
}

#[test]
fn without_resending_a_reconnection_starts_empty() {
    let options = Options {
        resend: false,
        ..Options::default()
    };
    let mut pair = Pair::new(&connect(ProtocolVersion::V5), options);
    pair.accept(ConnAckProperties::default(), false);
    pair.publish(QoS::AtLeastOnce, "1").expect("room");
    pair.reconnect(true);
    assert_eq!(pair.take(), Vec::<String>::new());
    assert!(pair.session.is_settled());
}

#[test]
fn aliases_are_resolved_and_checked() {
    let mut wanted = connect(ProtocolVersion::V5);
    wanted.properties.topic_alias_maximum = Some(2);
    let mut pair = Pair::new(&wanted, Options::default());
    pair.accept(ConnAckProperties::default(), false);
    let aliased = |topic, alias| {
        let properties = PublishProperties {
            topic_alias: NonZeroU16::new(alias),
            ..PublishProperties::default()
        };
        Packet::Publish(Publish {
            topic,
            properties,
            ..Publish::default()
        })
    };
    let heard = |topic: &str| Ok(vec![format!("Message {topic}")]);
    assert_eq!(pair.receive(&aliased("long", 2)), heard("long"));
    assert_eq!(pair.receive(&aliased("", 2)), heard("long"));
    assert_eq!(pair.receive(&aliased("other", 2)), heard("other"));
    assert_eq!(pair.receive(&aliased("", 2)), heard("other"));
    let error = SessionError::Violation(Violation::TopicAlias);
    assert_eq!(pair.receive(&aliased("", 1)), Err(error));
    assert_eq!(
        pair.sent(),
        [PacketType::Disconnect],
        "and the server learns why"
    );
    pair.session.reconnect(pair.now);
    pair.accept(ConnAckProperties::default(), true);
    assert_eq!(
        pair.receive(&aliased("", 2)),
        Err(error),
        "aliases end with the connection"
    );
}

/// [MQTT-3.2.2-17]
#[test]
fn outgoing_aliases_keep_to_the_servers_maximum_and_are_resent_by_name() {
    let mut pair = Pair::new(&connect(ProtocolVersion::V5), Options::default());
    let properties = ConnAckProperties {
        topic_alias_maximum: Some(1),
        ..ConnAckProperties::default()
    };
    pair.accept(properties, false);
    let publish = |pair: &mut Pair, topic, alias| {
        let properties = PublishProperties {
            topic_alias: NonZeroU16::new(alias),
            ..PublishProperties::default()
        };
        let qos = QoS::AtLeastOnce;
        pair.session.publish(&Publish {
            qos,
            topic,
            properties,
            ..Publish::default()
        })
    };
    assert_eq!(
        publish(&mut pair, "", 1),
        Err(SendError::TopicAlias),
        "never set"
    );
    assert_eq!(
        publish(&mut pair, "t", 2),
        Err(SendError::TopicAlias),
        "above the maximum"
    );
    publish(&mut pair, "t", 1).expect("allowed");
    publish(&mut pair, "", 1).expect("set");
    assert_eq!(pair.take(), ["Publish 1 t", "Publish 2 "]);
    pair.reconnect(true);
    assert_eq!(pair.take(), ["Publish 1 t dup", "Publish 2 t dup"]);
}

#[test]
fn what_the_server_does_not_accept_is_not_sent() {
    let mut pair = Pair::new(&connect(ProtocolVersion::V5), Options::default());
    let properties = ConnAckProperties {
        maximum_qos: Some(QoS::AtLeastOnce),
        retain_available: Some(false),
        maximum_packet_size: core::num::NonZeroU32::new(50),
        ..ConnAckProperties::default()
    };
    pair.accept(properties, false);
    let refused = Err(SendError::QoSNotSupported(QoS::AtLeastOnce));
    assert_eq!(pair.publish(QoS::ExactlyOnce, "t"), refused);
    let retained = Publish {
        retain: true,
        topic: "t",
        ..Publish::default()
    };
    assert_eq!(
        pair.session.publish(&retained),
        Err(SendError::RetainNotSupported)
    );
    let large = Publish {
        topic: "t",
        payload: &[0; 60],
        qos: QoS::AtLeastOnce,
        ..retained
    };
    let large = Publish {
        retain: false,
        ..large
    };
    let too_large = SendError::PacketTooLarge {
        size: 68,
        maximum: 50,
    };
    assert_eq!(pair.session.publish(&large), Err(too_large));
    assert_eq!(pair.take(), Vec::<String>::new());
    assert!(pair.session.is_settled());
}

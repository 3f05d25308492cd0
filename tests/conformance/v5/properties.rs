//! What the broker hands through unaltered, and what it says to whom (chapters 3.3.2.3, 3.1.2.11.7 and
//! 4.10 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::{ack, subscribe, unsubscribe};
use crate::support::wire::{Connect, Packet, Properties, Publish, Version, first_byte, property};

/// Every property that passes through, in an unusual order.
fn everything() -> Properties {
    Properties::new()
        .user("zebra", "1")
        .binary(property::CORRELATION_DATA, &[0, 255, 128, 0])
        .user("", "")
        .text(property::RESPONSE_TOPIC, "answers/go/here")
        .user("ant", "2")
        .byte(property::PAYLOAD_FORMAT, 1)
        .user("zebra", "1")
        .text(property::CONTENT_TYPE, "text/plain; charset=utf-8")
        .user("zebra", "3")
}

fn assert_everything(got: &Properties) {
    let users = [
        ("zebra", "1"),
        ("", ""),
        ("ant", "2"),
        ("zebra", "1"),
        ("zebra", "3"),
    ];
    assert_eq!(got.users(), users);
    assert_eq!(got.number(property::PAYLOAD_FORMAT), Some(1));
    let data = got.get_binary(property::CORRELATION_DATA);
    assert_eq!(data, Some(&[0_u8, 255, 128, 0][..]));
    let topic = got.get_text(property::RESPONSE_TOPIC);
    assert_eq!(topic, Some("answers/go/here"));
    let content = got.get_text(property::CONTENT_TYPE);
    assert_eq!(content, Some("text/plain; charset=utf-8"));
}

// [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]
fn mqtt_3_3_2_17_properties_pass_unaltered_and_in_order(broker: &Broker) {
    let mut publisher = Client::v5(broker);
    let topic = unique("t");
    let mut subscribers: Vec<Client> = (0..4).map(|_| Client::v5(broker)).collect();
    for subscriber in &mut subscribers {
        subscriber.subscribe(&topic, 2);
    }
    for qos in 0..=2 {
        publisher.publish_with(Publish::new(&topic, "x").qos(qos).with(everything()));
        for subscriber in &mut subscribers {
            let got = subscriber.receive();
            assert_eq!(got.properties.ids().len(), everything().ids().len());
            assert_everything(&got.properties);
        }
    }
}

// [MQTT-3.3.2-17] [MQTT-3.3.2-18]
fn mqtt_3_3_2_17_properties_pass_beside_alias_expiry_and_identifier(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe_options(&topic, 1, Some(123));
    let properties = everything()
        .four(property::MESSAGE_EXPIRY, 1000)
        .two(property::TOPIC_ALIAS, 3)
        .user("last", "one");
    publisher.publish_with(Publish::new(&topic, "x").qos(1).with(properties));
    let got = subscriber.receive().properties;
    assert_eq!(got.users().len(), 6);
    assert_eq!(got.users()[5], ("last", "one"));
    assert_eq!(got.subscription_ids(), [123]);
    assert!(got.has(property::MESSAGE_EXPIRY) && !got.has(property::TOPIC_ALIAS));
}

// [MQTT-3.3.2-17]
fn mqtt_3_3_2_17_properties_wait_with_their_message(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    client.disconnect();
    let publish = Publish::new(&topic, "x").qos(2).with(everything());
    Client::v5(broker).publish_with(publish);
    let mut client = Client::connect(broker, &connect);
    let first = client.expect_publish();
    assert_everything(&first.properties);
    client.vanish();
    let again = Client::connect(broker, &connect).expect_publish();
    assert_eq!(again, first.dup());
}

// [MQTT-3.3.2-4]
fn mqtt_3_3_2_4_payload_format_0_and_bad_payloads_pass(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 0);
    let zero = Properties::new().byte(property::PAYLOAD_FORMAT, 0);
    publisher.publish_with(Publish::new(&topic, [0xFF, 0xFE]).with(zero));
    let got = subscriber.receive();
    assert_eq!(got.payload, [0xFF, 0xFE]);
    // 0 is what its absence means.
    assert!([None, Some(0)].contains(&got.properties.number(property::PAYLOAD_FORMAT)));
}

// [MQTT-3.3.2-17]
fn mqtt_3_3_2_17_many_and_long_user_properties_pass(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V5);
    let topic = unique("t");
    subscriber.subscribe(&topic, 1);
    let long = "v".repeat(60_000);
    let mut properties = Properties::new().user("long", &long);
    for number in 0..500 {
        properties = properties.user(&number.to_string(), "v");
    }
    publisher.publish_with(Publish::new(&topic, "x").qos(1).with(properties.clone()));
    assert_eq!(subscriber.receive().properties.users(), properties.users());
}

// [MQTT-3.3.2-15] [MQTT-3.3.2-16]
fn mqtt_3_3_2_15_a_request_finds_its_answer(broker: &Broker) {
    let (mut requester, mut responder) = pair(broker, Version::V5);
    let (requests, answers) = (unique("q"), unique("a"));
    responder.subscribe(&requests, 1);
    requester.subscribe(&answers, 1);
    let properties = Properties::new()
        .text(property::RESPONSE_TOPIC, &answers)
        .binary(property::CORRELATION_DATA, b"17");
    requester.publish_with(Publish::new(&requests, "?").qos(1).with(properties));
    let request = responder.receive().properties;
    let back = request.get_text(property::RESPONSE_TOPIC);
    let data = request.get_binary(property::CORRELATION_DATA);
    let properties = Properties::new().binary(property::CORRELATION_DATA, data.expect("data"));
    let answer = Publish::new(back.expect("a topic"), "!").qos(1);
    responder.publish_with(answer.with(properties));
    let answer = requester.expect_message("!").properties;
    assert_eq!(
        answer.get_binary(property::CORRELATION_DATA),
        Some(&b"17"[..])
    );
}

// [MQTT-3.3.2-17]
fn mqtt_3_3_2_17_clients_of_all_versions_understand_each_other(broker: &Broker) {
    let topic = unique("t");
    let versions = [Version::V31, Version::V311, Version::V5];
    let mut clients = versions.map(|version| {
        let mut client = Client::connect(broker, &Connect::new(version, &unique("c")));
        client.subscribe(&topic, 2);
        client
    });
    for publisher in 0..3 {
        for qos in 0..=2 {
            let mut publish = Publish::new(&topic, "x").qos(qos);
            if versions[publisher] == Version::V5 {
                publish = publish.with(everything());
            }
            clients[publisher].publish_with(publish);
            for (place, client) in clients.iter_mut().enumerate() {
                let got = client.expect_message("x");
                assert_eq!(got.qos, qos);
                if (publisher, place) == (2, 2) {
                    assert_everything(&got.properties);
                } else {
                    assert!(got.properties.is_empty(), "{got:?}");
                }
            }
        }
    }
}

// [MQTT-3.1.2-29]
fn mqtt_3_1_2_29_no_problem_information_means_none(broker: &Broker) {
    let properties = Properties::new().byte(property::REQUEST_PROBLEM_INFORMATION, 0);
    let connect = Connect::v5(&unique("c")).with(properties);
    let mut client = Client::connect(broker, &connect);
    // Everything that could be worth a reason string: nothing to release, nobody listening,
    // nothing to unsubscribe.
    let nobody = Publish::new(&unique("t"), "x");
    client.send_publish(&nobody.clone().qos(1).id(1));
    client.send_publish(&nobody.qos(2).id(2));
    client.send(ack(first_byte::PUBREL, 2));
    client.send(ack(first_byte::PUBREL, 3));
    client.send(ack(first_byte::PUBREC, 4));
    client.send(subscribe(Version::V5, 5, &[("a", 2)], &Properties::new()));
    client.send(unsubscribe(Version::V5, 6, &["b"], &Properties::new()));
    for _ in 0..7 {
        let properties = match client.answer() {
            Packet::PubAck(ack)
            | Packet::PubRec(ack)
            | Packet::PubRel(ack)
            | Packet::PubComp(ack) => ack.properties,
            Packet::SubAck(ack) | Packet::UnsubAck(ack) => ack.properties,
            other => panic!("an acknowledgement wanted, got {other:?}"),
        };
        assert!(properties.is_empty(), "{properties:?}");
    }
}

// [MQTT-3.1.2-29]
fn mqtt_3_1_2_29_user_properties_of_messages_are_no_problem_information(broker: &Broker) {
    let properties = Properties::new().byte(property::REQUEST_PROBLEM_INFORMATION, 0);
    let connect = Connect::v5(&unique("c")).with(properties);
    let mut client = Client::connect(broker, &connect);
    let topic = unique("t");
    client.subscribe(&topic, 0);
    client.publish_with(Publish::new(&topic, "x").with(everything()));
    assert_everything(&client.receive().properties);
}

// [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3]
// [MQTT-3.7.2-2] [MQTT-3.7.2-3]
fn mqtt_3_4_2_2_acknowledgements_fit_into_the_smallest_packets(broker: &Broker) {
    // The client fails at any packet larger than its maximum: nothing but the bare minimum fits here.
    let mut client = Client::connect(broker, &Connect::v5(&unique("c")).maximum_packet_size(30));
    let topic = unique("t");
    client.send_publish(&Publish::new(&topic, "x").qos(1).id(1));
    client.send_publish(&Publish::new(&topic, "x").qos(2).id(2));
    client.send(ack(first_byte::PUBREL, 2));
    client.send(ack(first_byte::PUBREL, 3));
    client.send(ack(first_byte::PUBREC, 4));
    for _ in 0..5 {
        client.answer();
    }
    client.expect_nothing();
}

// [MQTT-3.14.2-3] [MQTT-3.14.2-4]
fn mqtt_3_14_2_3_disconnect_fits_into_the_smallest_packets(broker: &Broker) {
    let connect = Connect::v5(&unique("c")).maximum_packet_size(30);
    let mut client = Client::connect(broker, &connect);
    client.send_publish(&Publish::new("a/#", "x"));
    client.expect_error(&[0x81, 0x82, 0x90]);
}

promises!(
    mqtt_3_1_2_29_no_problem_information_means_none,
    mqtt_3_1_2_29_user_properties_of_messages_are_no_problem_information,
    mqtt_3_3_2_4_payload_format_0_and_bad_payloads_pass,
    mqtt_3_3_2_15_a_request_finds_its_answer,
    mqtt_3_3_2_17_clients_of_all_versions_understand_each_other,
    mqtt_3_3_2_17_many_and_long_user_properties_pass,
    mqtt_3_3_2_17_properties_pass_beside_alias_expiry_and_identifier,
    mqtt_3_3_2_17_properties_pass_unaltered_and_in_order,
    mqtt_3_3_2_17_properties_wait_with_their_message,
    mqtt_3_4_2_2_acknowledgements_fit_into_the_smallest_packets,
    mqtt_3_14_2_3_disconnect_fits_into_the_smallest_packets,
);

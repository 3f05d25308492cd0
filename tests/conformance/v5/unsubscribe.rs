//! UNSUBSCRIBE and UNSUBACK (chapters 3.10 and 3.11 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::unsubscribe;
use crate::support::wire::reason::{
    MALFORMED_PACKET, NO_SUBSCRIPTION_EXISTED, PROTOCOL_ERROR, SUCCESS,
};
use crate::support::wire::{Connect, Properties, Version, binary, first_byte, packet, property};

fn thrown_out(broker: &Broker, bytes: &[u8], reasons: &[u8]) {
    let mut client = Client::v5(broker);
    client.send(bytes);
    client.expect_error(reasons);
}

// [MQTT-3.10.1-1]
fn mqtt_3_10_1_1_the_flags_of_unsubscribe_must_be_2(broker: &Broker) {
    for flags in [0, 1, 3, 6, 10] {
        let mut bytes = unsubscribe(Version::V5, 1, &["a"], &Properties::new());
        bytes[0] = 0xA0 | flags;
        thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
    }
}

// [MQTT-3.10.3-1]
fn mqtt_3_10_3_1_topic_filters_must_be_utf_8(broker: &Broker) {
    for bad in [&[0xFF_u8][..], &[0xC0, 0x80], b"\0"] {
        let body = [vec![0, 1, 0], binary(bad)].concat();
        let bytes = packet(first_byte::UNSUBSCRIBE, &body);
        thrown_out(broker, &bytes, &[MALFORMED_PACKET]);
    }
}

// [MQTT-3.10.3-2] [MQTT-2.2.1-3]
fn mqtt_3_10_3_2_an_unsubscribe_needs_a_topic_filter(broker: &Broker) {
    let reasons = [PROTOCOL_ERROR, MALFORMED_PACKET];
    let empty = unsubscribe(Version::V5, 1, &[], &Properties::new());
    thrown_out(broker, &empty, &reasons);
    let nameless = unsubscribe(Version::V5, 0, &["a"], &Properties::new());
    thrown_out(broker, &nameless, &reasons);
    let foreign = Properties::new().text(property::CONTENT_TYPE, "no");
    let foreign = unsubscribe(Version::V5, 1, &["a"], &foreign);
    thrown_out(broker, &foreign, &[MALFORMED_PACKET]);
}

// [MQTT-3.10.4-1]
fn mqtt_3_10_4_1_only_the_very_same_filter_is_unsubscribed(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V5);
    let base = unique("t");
    let topic = format!("{base}/a");
    client.subscribe(&format!("{base}/+"), 1);
    for other in ["/#", "/a", "/+/", "/A", ""] {
        let answer = client.unsubscribe(&[&format!("{base}{other}")]);
        assert_eq!(answer.reasons, [NO_SUBSCRIPTION_EXISTED]);
    }
    publisher.publish(&topic, "still", 1);
    client.expect_message("still");
    let answer = client.unsubscribe(&[&format!("{base}/+")]);
    assert_eq!(answer.reasons, [SUCCESS]);
    publisher.publish(&topic, "no more", 1);
    client.expect_nothing();
}

// [MQTT-3.10.4-2]
fn mqtt_3_10_4_2_nothing_new_comes_after_unsuback(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, Version::V5);
    for qos in 0..=2 {
        let topic = unique("t");
        client.subscribe(&topic, qos);
        publisher.publish(&topic, "before", 2);
        client.expect_message("before");
        client.unsubscribe(&[&topic]);
        publisher.publish(&topic, "after", 2);
        client.expect_nothing();
    }
}

// [MQTT-3.10.4-3]
fn mqtt_3_10_4_3_a_delivery_begun_is_completed(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    let mut publisher = Client::v5(broker);
    publisher.publish(&topic, "one", 1);
    publisher.publish(&topic, "two", 2);
    let (one, two) = (client.expect_publish(), client.expect_publish());
    client.unsubscribe(&[&topic]);
    client.vanish();
    let mut client = Client::connect(broker, &connect);
    assert_eq!(client.expect_publish(), one.clone().dup());
    assert_eq!(client.expect_publish(), two.clone().dup());
    client.acknowledge(&one);
    client.acknowledge(&two);
    client.expect_nothing();
}

// [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-2.2.1-6]
fn mqtt_3_10_4_5_unsuback_answers_even_when_nothing_was_there(broker: &Broker) {
    let mut client = Client::v5(broker);
    for id in [1, 255, 256, 65_535] {
        let topic = unique("t");
        client.send(unsubscribe(Version::V5, id, &[&topic], &Properties::new()));
        let answer = client.expect_unsuback();
        assert_eq!(
            (answer.id, answer.reasons),
            (id, vec![NO_SUBSCRIPTION_EXISTED])
        );
    }
}

// [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2]
fn mqtt_3_10_4_6_many_filters_get_one_unsuback_with_a_reason_for_each(broker: &Broker) {
    let mut client = Client::v5(broker);
    let names: Vec<String> = (0..8).map(|_| unique("t")).collect();
    for there in [1, 4, 6] {
        client.subscribe(&names[there], 0);
    }
    let mut filters: Vec<&str> = names.iter().map(String::as_str).collect();
    filters.push(&names[4]);
    let (yes, no) = (SUCCESS, NO_SUBSCRIPTION_EXISTED);
    let wanted = [no, yes, no, no, yes, no, yes, no, no];
    assert_eq!(client.unsubscribe(&filters).reasons, wanted);
}

// [MQTT-3.11.2-1] [MQTT-3.11.2-2]
fn mqtt_3_11_2_1_unsuback_fits_into_the_clients_maximum_packet_size(broker: &Broker) {
    let connect = Connect::v5(&unique("c")).maximum_packet_size(60);
    let mut client = Client::connect(broker, &connect);
    let names: Vec<String> = (0..40).map(|_| unique("t")).collect();
    let filters: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(
        client.unsubscribe(&filters).reasons,
        [NO_SUBSCRIPTION_EXISTED; 40]
    );
}

promises!(
    mqtt_3_10_1_1_the_flags_of_unsubscribe_must_be_2,
    mqtt_3_10_3_1_topic_filters_must_be_utf_8,
    mqtt_3_10_3_2_an_unsubscribe_needs_a_topic_filter,
    mqtt_3_10_4_1_only_the_very_same_filter_is_unsubscribed,
    mqtt_3_10_4_2_nothing_new_comes_after_unsuback,
    mqtt_3_10_4_3_a_delivery_begun_is_completed,
    mqtt_3_10_4_5_unsuback_answers_even_when_nothing_was_there,
    mqtt_3_10_4_6_many_filters_get_one_unsuback_with_a_reason_for_each,
    mqtt_3_11_2_1_unsuback_fits_into_the_clients_maximum_packet_size,
);

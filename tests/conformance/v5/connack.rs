//! CONNACK: session present, refusals and what the broker says it can do (chapter 3.2 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::{
    Connect, Properties, Publish, Version, Will, outgoing::option, property,
};

// [MQTT-3.2.2-2]
fn mqtt_3_2_2_2_a_clean_start_has_no_session_present(broker: &Broker) {
    let connect = Connect::v5(&unique("c")).expiry(60);
    for _ in 0..2 {
        let (client, answer) = Client::handshake(broker, &connect);
        assert!(!answer.session_present);
        client.disconnect();
    }
}

// [MQTT-3.2.2-3] [MQTT-3.1.2-6]
fn mqtt_3_2_2_3_session_present_tells_whether_there_was_one(broker: &Broker) {
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let (client, answer) = Client::handshake(broker, &connect);
    assert!(!answer.session_present);
    client.disconnect();
    let (_client, answer) = Client::handshake(broker, &connect);
    assert!(answer.session_present);
}

// [MQTT-3.2.2-6] [MQTT-3.2.2-7]
fn mqtt_3_2_2_6_a_refusal_has_no_session_present_and_ends_the_connection(broker: &Broker) {
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    Client::connect(broker, &connect).disconnect();
    // The session is there; the reader of CONNACK refuses session present beside an error.
    let unknown = Properties::new()
        .four(property::SESSION_EXPIRY, 60)
        .text(property::AUTHENTICATION_METHOD, "no such method");
    let mut client = Client::start(broker, &connect.clone().with(unknown));
    client.expect_refusal(&[0x8C, 0x87]);
    let (_client, answer) = Client::handshake(broker, &connect);
    assert!(
        answer.session_present,
        "a refused CONNECT touches no session"
    );
}

// [MQTT-3.2.2-9]
fn mqtt_3_2_2_9_what_connack_does_not_deny_can_be_used(broker: &Broker) {
    let topic = unique("t");
    let will = Will::new(&unique("w"), "x").qos(2).retain();
    let connect = Connect::v5(&unique("c")).will(will);
    let (mut client, answer) = Client::handshake(broker, &connect);
    for denied in [
        property::MAXIMUM_QOS,
        property::RETAIN_AVAILABLE,
        property::WILDCARD_AVAILABLE,
        property::SUBSCRIPTION_ID_AVAILABLE,
        property::SHARED_AVAILABLE,
    ] {
        assert_ne!(answer.properties.number(denied), Some(0), "{denied:#04x}");
    }
    client.subscribe_options(&format!("{topic}/#"), 2, Some(7));
    client.subscribe_options(&format!("$share/g/{topic}/+"), 2, Some(8));
    client.publish_with(Publish::new(&format!("{topic}/a"), "x").qos(2).retain());
    let got = [client.receive(), client.receive()];
    assert_eq!(got.map(|each| each.qos), [2, 2]);
    client.publish_with(Publish::new(&format!("{topic}/a"), "").retain());
    client.unsubscribe(&[&format!("{topic}/#"), &format!("$share/g/{topic}/+")]);
    client.disconnect();
}

// [MQTT-3.2.2-19] [MQTT-3.2.2-20]
fn mqtt_3_2_2_19_connack_fits_into_the_clients_maximum_packet_size(broker: &Broker) {
    // The client's reader refuses what is larger. The longest that is bound to be in a CONNACK
    // are the numbers of the server's limits.
    let connect = Connect::v5(&unique("c")).maximum_packet_size(40);
    let mut client = Client::connect(broker, &connect);
    client.ping();
    // The same for a refusal, the place for a reason string.
    let properties = Properties::new()
        .four(property::MAXIMUM_PACKET_SIZE, 20)
        .text(property::AUTHENTICATION_METHOD, "none");
    let mut client = Client::start(broker, &Connect::v5(&unique("c")).with(properties));
    client.expect_refusal(&[0x8C, 0x87]);
}

// [MQTT-3.2.2-17] [MQTT-3.3.2-12]
fn mqtt_3_2_2_17_the_announced_limits_are_kept(broker: &Broker) {
    let (mut client, answer) = Client::handshake(broker, &Connect::v5(&unique("c")));
    let aliases = answer.properties.number(property::TOPIC_ALIAS_MAXIMUM);
    let topic = unique("t");
    client.subscribe_options(&topic, option::NO_RETAINED, None);
    for alias in 1..=aliases.unwrap_or(0).min(50) {
        let alias = u16::try_from(alias).expect("an alias has 16 bits");
        client.publish_with(Publish::new(&topic, "set").alias(alias));
        client.publish_with(Publish::new("", "used").alias(alias));
        assert_eq!(client.receive().text(), "set");
        assert_eq!(client.receive().text(), "used");
    }
    assert_eq!(client.version(), Version::V5);
}

promises!(
    mqtt_3_2_2_2_a_clean_start_has_no_session_present,
    mqtt_3_2_2_3_session_present_tells_whether_there_was_one,
    mqtt_3_2_2_6_a_refusal_has_no_session_present_and_ends_the_connection,
    mqtt_3_2_2_9_what_connack_does_not_deny_can_be_used,
    mqtt_3_2_2_17_the_announced_limits_are_kept,
    mqtt_3_2_2_19_connack_fits_into_the_clients_maximum_packet_size,
);

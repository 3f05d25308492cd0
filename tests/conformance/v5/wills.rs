//! Wills: when they are published and when not (chapters 3.1.2.5, 3.1.3.2 and 3.14 of version 5.0).

use std::time::{Duration, Instant};

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, PATIENCE, let_pass};
use crate::support::wire::outgoing::{disconnect_with, pingreq};
use crate::support::wire::reason::{
    DISCONNECT_WITH_WILL, KEEP_ALIVE_TIMEOUT, MALFORMED_PACKET, SESSION_TAKEN_OVER, SUCCESS,
};
use crate::support::wire::{Connect, Properties, Publish, Will, property};

/// A witness listening to a topic of its own, and a CONNECT with a will for that topic.
fn scene(broker: &Broker) -> (Client, Connect, String) {
    let topic = unique("w");
    let mut witness = Client::v5(broker);
    witness.subscribe(&topic, 2);
    let connect = Connect::v5(&unique("c")).will(Will::new(&topic, "will").qos(1));
    (witness, connect, topic)
}

/// Proves that no will came: a marker to the same topic is the next thing the witness gets.
fn no_will(broker: &Broker, witness: &mut Client, topic: &str) {
    Client::v5(broker).publish(topic, "marker", 1);
    witness.expect_message("marker");
}

// [MQTT-3.1.2-7] [MQTT-3.1.2-8]
fn mqtt_3_1_2_8_a_will_is_published_when_the_connection_just_ends(broker: &Broker) {
    let (mut witness, connect, topic) = scene(broker);
    Client::connect(broker, &connect).vanish();
    let got = witness.expect_message("will");
    assert_eq!((got.topic, got.qos, got.retain), (topic, 1, false));
}

// [MQTT-3.1.2-8] [MQTT-4.13.1-1]
fn mqtt_3_1_2_8_a_will_is_published_when_the_broker_ends_the_connection(broker: &Broker) {
    let (mut witness, connect, _) = scene(broker);
    let mut client = Client::connect(broker, &connect);
    client.send_publish(&Publish::new("a", "x").qos(3).id(1));
    client.expect_error(&[MALFORMED_PACKET]);
    witness.expect_message("will");
}

// [MQTT-3.1.2-8] [MQTT-3.1.2-22]
fn mqtt_3_1_2_8_a_will_is_published_when_the_keep_alive_runs_out(broker: &Broker) {
    let (mut witness, connect, _) = scene(broker);
    let mut client = Client::connect(broker, &connect.keep_alive(1));
    client.expect_error(&[KEEP_ALIVE_TIMEOUT]);
    witness.expect_message("will");
}

// [MQTT-3.14.4-3] [MQTT-3.1.2-10]
fn mqtt_3_14_4_3_a_normal_disconnect_discards_the_will(broker: &Broker) {
    let (mut witness, connect, topic) = scene(broker);
    Client::connect(broker, &connect).disconnect();
    let mut client = Client::connect(broker, &connect);
    client.send(disconnect_with(SUCCESS, &Properties::new()));
    client.expect_end();
    no_will(broker, &mut witness, &topic);
}

// [MQTT-3.1.2-8]
fn mqtt_3_1_2_8_disconnect_with_will_publishes_it(broker: &Broker) {
    let (mut witness, connect, _) = scene(broker);
    for reason in [DISCONNECT_WITH_WILL, 0x80] {
        let mut client = Client::connect(broker, &connect);
        client.send(disconnect_with(reason, &Properties::new()));
        client.expect_end();
        witness.expect_message("will");
    }
}

// [MQTT-3.1.2-10]
fn mqtt_3_1_2_10_a_will_is_published_once(broker: &Broker) {
    let (mut witness, connect, topic) = scene(broker);
    let connect = connect.expiry(60);
    Client::connect(broker, &connect).vanish();
    witness.expect_message("will");
    // The session lives on and ends; the will has gone.
    let mut plain = connect.clone().resume();
    plain.will = None;
    Client::connect(broker, &plain).vanish();
    no_will(broker, &mut witness, &topic);
}

// [MQTT-3.1.2-8]
fn mqtt_3_1_2_8_without_a_will_nothing_is_published(broker: &Broker) {
    let (mut witness, mut connect, topic) = scene(broker);
    connect.will = None;
    Client::connect(broker, &connect).vanish();
    no_will(broker, &mut witness, &topic);
}

// [MQTT-3.1.2-8] [MQTT-3.1.4-3]
fn mqtt_3_1_2_8_a_takeover_publishes_the_will_of_the_old_connection(broker: &Broker) {
    for (clean, expiry) in [(true, 0), (true, 60), (false, 60)] {
        let (mut witness, mut connect, _) = scene(broker);
        connect = connect.expiry(expiry);
        connect.clean = clean;
        let mut old = Client::connect(broker, &connect);
        let new = Client::connect(broker, &connect);
        old.expect_error(&[SESSION_TAKEN_OVER]);
        witness.expect_message("will");
        new.disconnect();
        witness.expect_nothing();
    }
}

// [MQTT-3.1.2-9] [MQTT-3.1.2-12]
fn mqtt_3_1_2_12_a_will_comes_with_its_qos(broker: &Broker) {
    for qos in 0..=2 {
        let (mut witness, mut connect, topic) = scene(broker);
        connect.will = Some(Will::new(&topic, "will").qos(qos));
        Client::connect(broker, &connect).vanish();
        assert_eq!(witness.expect_message("will").qos, qos);
    }
}

// [MQTT-3.1.2-14] [MQTT-3.1.2-15]
fn mqtt_3_1_2_15_a_will_is_retained_if_it_says_so(broker: &Broker) {
    for retained in [false, true] {
        let (mut witness, mut connect, topic) = scene(broker);
        let mut will = Will::new(&topic, "will").qos(1);
        will.retain = retained;
        connect.will = Some(will);
        Client::connect(broker, &connect).vanish();
        witness.expect_message("will");
        if retained {
            // Nobody is told when a will has been retained everywhere: ask until it is there.
            let deadline = Instant::now() + PATIENCE;
            while !is_retained(broker, &topic) {
                assert!(Instant::now() < deadline, "the will is not retained");
            }
            Client::v5(broker).publish_with(Publish::new(&topic, "").qos(1).retain());
        } else {
            assert!(!is_retained(broker, &topic));
        }
    }
}

fn is_retained(broker: &Broker, topic: &str) -> bool {
    let mut client = Client::v5(broker);
    client.subscribe(topic, 0);
    client.ping();
    client.take_set_aside().iter().any(|got| got.retain)
}

// [MQTT-3.1.3-10] [MQTT-3.3.2-4] [MQTT-3.3.2-20]
fn mqtt_3_1_3_10_a_will_carries_its_properties_in_order(broker: &Broker) {
    let (mut witness, mut connect, topic) = scene(broker);
    let properties = Properties::new()
        .user("z", "1")
        .byte(property::PAYLOAD_FORMAT, 1)
        .user("a", "2")
        .text(property::CONTENT_TYPE, "text/plain")
        .four(property::MESSAGE_EXPIRY, 100)
        .text(property::RESPONSE_TOPIC, "answer")
        .user("z", "1")
        .binary(property::CORRELATION_DATA, b"\xFF\0");
    connect.will = Some(Will::new(&topic, "will").with(properties));
    Client::connect(broker, &connect).vanish();
    let got = witness.expect_message("will").properties;
    assert_eq!(got.users(), [("z", "1"), ("a", "2"), ("z", "1")]);
    assert_eq!(got.number(property::PAYLOAD_FORMAT), Some(1));
    assert_eq!(got.get_text(property::CONTENT_TYPE), Some("text/plain"));
    assert_eq!(got.get_text(property::RESPONSE_TOPIC), Some("answer"));
    let data = got.get_binary(property::CORRELATION_DATA);
    assert_eq!(data, Some(&b"\xFF\0"[..]));
    let expiry = got.number(property::MESSAGE_EXPIRY).expect("an expiry");
    assert!((98..=100).contains(&expiry), "{expiry}");
    assert!(!got.has(property::WILL_DELAY));
}

// [MQTT-3.1.2-8]
fn mqtt_3_1_2_8_a_delayed_will_waits_for_its_delay(broker: &Broker) {
    let (mut witness, mut connect, topic) = scene(broker);
    connect = connect.expiry(60);
    connect.will = Some(Will::new(&topic, "will").delay(1));
    let client = Client::connect(broker, &connect);
    let start = Instant::now();
    client.vanish();
    no_will(broker, &mut witness, &topic);
    witness.expect_message("will");
    assert!(start.elapsed() >= Duration::from_millis(900), "too early");
}

// [MQTT-3.1.2-8] [MQTT-4.1.0-2]
fn mqtt_3_1_2_8_a_delayed_will_comes_at_the_latest_when_the_session_ends(broker: &Broker) {
    // At once, as there is no session that could wait.
    let (mut witness, mut connect, topic) = scene(broker);
    connect.will = Some(Will::new(&topic, "will").delay(600));
    Client::connect(broker, &connect).vanish();
    witness.expect_message("will");
    // After one second, when the session expires.
    let connect = connect.expiry(1);
    Client::connect(broker, &connect).vanish();
    witness.expect_publish_within(PATIENCE);
    // At once, as a clean start ends the old session.
    let connect = connect.with(Properties::new()).expiry(600);
    Client::connect(broker, &connect).vanish();
    let _new = Client::connect(broker, &connect);
    witness.expect_message("will");
}

// [MQTT-3.1.3-9]
fn mqtt_3_1_3_9_a_client_that_is_back_in_time_has_no_will(broker: &Broker) {
    let (mut witness, mut connect, topic) = scene(broker);
    connect = connect.expiry(60).resume();
    connect.will = Some(Will::new(&topic, "will").delay(1));
    Client::connect(broker, &connect).vanish();
    let mut client = Client::connect(broker, &connect);
    // Past the first will's delay, in real time.
    let_pass(Duration::from_millis(2200));
    client.ping();
    no_will(broker, &mut witness, &topic);
    client.disconnect();
    no_will(broker, &mut witness, &topic);
}

// [MQTT-3.1.3-9] [MQTT-3.1.4-3]
fn mqtt_3_1_3_9_a_takeover_with_a_delayed_will_does_not_send_it(broker: &Broker) {
    let (mut witness, mut connect, topic) = scene(broker);
    connect = connect.expiry(60).resume();
    connect.will = Some(Will::new(&topic, "will").delay(1));
    let mut old = Client::connect(broker, &connect);
    let mut new = Client::connect(broker, &connect);
    old.expect_error(&[SESSION_TAKEN_OVER]);
    let_pass(Duration::from_millis(2200));
    new.send(pingreq());
    no_will(broker, &mut witness, &topic);
}

// [MQTT-3.1.2-7]
fn mqtt_3_1_2_7_a_refused_connect_leaves_no_will(broker: &Broker) {
    let (mut witness, connect, topic) = scene(broker);
    let refused = Properties::new().text(property::AUTHENTICATION_METHOD, "none");
    let mut client = Client::start(broker, &connect.with(refused));
    client.expect_refusal(&[0x8C, 0x87]);
    no_will(broker, &mut witness, &topic);
}

promises!(
    mqtt_3_1_2_7_a_refused_connect_leaves_no_will,
    mqtt_3_1_2_8_a_delayed_will_comes_at_the_latest_when_the_session_ends,
    mqtt_3_1_2_8_a_delayed_will_waits_for_its_delay,
    mqtt_3_1_2_8_a_takeover_publishes_the_will_of_the_old_connection,
    mqtt_3_1_2_8_a_will_is_published_when_the_broker_ends_the_connection,
    mqtt_3_1_2_8_a_will_is_published_when_the_connection_just_ends,
    mqtt_3_1_2_8_a_will_is_published_when_the_keep_alive_runs_out,
    mqtt_3_1_2_8_disconnect_with_will_publishes_it,
    mqtt_3_1_2_8_without_a_will_nothing_is_published,
    mqtt_3_1_2_10_a_will_is_published_once,
    mqtt_3_1_2_12_a_will_comes_with_its_qos,
    mqtt_3_1_2_15_a_will_is_retained_if_it_says_so,
    mqtt_3_1_3_9_a_client_that_is_back_in_time_has_no_will,
    mqtt_3_1_3_9_a_takeover_with_a_delayed_will_does_not_send_it,
    mqtt_3_1_3_10_a_will_carries_its_properties_in_order,
    mqtt_3_14_4_3_a_normal_disconnect_discards_the_will,
);

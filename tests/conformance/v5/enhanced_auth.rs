//! AUTH and enhanced authentication, by a broker that knows SCRAM-SHA-256 (chapters 3.15 and 4.12 of
//! version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::scram::{METHOD, challenge, first, login, properties, second, start};
use crate::support::wire::outgoing::{auth, disconnect, pingreq, subscribe};
use crate::support::wire::reason::{
    BAD_AUTHENTICATION_METHOD, CONTINUE_AUTHENTICATION, NOT_AUTHORIZED, PACKET_TOO_LARGE,
    PROTOCOL_ERROR, RE_AUTHENTICATE, SUCCESS,
};
use crate::support::wire::{Connect, Packet, Properties, Publish, Version, property};

fn rules() -> [&'static str; 4] {
    let scram = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/rules/scram");
    let acl = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/rules/acl");
    ["--scram-file", scram, "--acl-file", acl]
}

fn alice(broker: &Broker) -> Client {
    let (code, proved, client) = login(broker, "alice", "pencil");
    assert!(code == SUCCESS && proved, "{code:#x}");
    client
}

/// The client's last word, right or wrong.
fn last_word(client: &mut Client, password: &str) -> Vec<u8> {
    last_word_as(CONTINUE_AUTHENTICATION, client, password)
}

fn last_word_as(reason: u8, client: &mut Client, password: &str) -> Vec<u8> {
    let challenge = challenge(client);
    let (last, _) = second("alice", password, &challenge);
    auth(reason, &properties(&last))
}

// [MQTT-4.12.0-2] [MQTT-4.12.0-5] [MQTT-3.15.2-1]
fn mqtt_4_12_0_2_a_challenge_continues_with_the_method_of_connect(broker: &Broker) {
    let mut client = start(broker, "alice");
    // `challenge` insists on reason 0x18 and on the method.
    let last = last_word(&mut client, "pencil");
    client.send(last);
    let answer = client.expect_connack();
    assert_eq!(answer.code, SUCCESS);
    let method = answer.properties.get_text(property::AUTHENTICATION_METHOD);
    assert_eq!(method, Some(METHOD));
    client.publish("open/x", "in", 1);
}

// [MQTT-4.12.0-3]
fn mqtt_4_12_0_3_a_challenge_is_answered_with_continue_alone(broker: &Broker) {
    for reason in [SUCCESS, RE_AUTHENTICATE] {
        let mut client = start(broker, "alice");
        let last = last_word_as(reason, &mut client, "pencil");
        client.send(last);
        client.expect_refusal(&[PROTOCOL_ERROR]);
    }
}

// [MQTT-4.12.0-5]
fn mqtt_4_12_0_5_another_method_than_that_of_connect_is_refused(broker: &Broker) {
    for method in [None, Some("SCRAM-SHA-1"), Some("")] {
        let mut client = start(broker, "alice");
        let challenge = challenge(&mut client);
        let (last, _) = second("alice", "pencil", &challenge);
        let mut changed = Properties::new();
        if let Some(method) = method {
            changed = changed.text(property::AUTHENTICATION_METHOD, method);
        }
        let changed = changed.binary(property::AUTHENTICATION_DATA, last.as_bytes());
        client.send(auth(CONTINUE_AUTHENTICATION, &changed));
        client.read_to_end();
    }
}

// [MQTT-4.12.0-4]
fn mqtt_4_12_0_4_a_wrong_proof_is_refused_and_the_connection_closed(broker: &Broker) {
    let mut client = start(broker, "alice");
    let last = last_word(&mut client, "pen");
    client.send(last);
    let answer = client.expect_connack();
    assert!(answer.code >= 0x80, "{:#x}", answer.code);
    client.expect_end();
}

// [MQTT-3.1.2-30]
fn mqtt_3_1_2_30_nothing_but_auth_and_disconnect_comes_before_connack(broker: &Broker) {
    let mut witness = alice(broker);
    let topic = format!("open/{}", unique("t"));
    witness.subscribe(&topic, 1);
    let publish = Publish::new(&topic, "never").encode(Version::V5);
    let wish = subscribe(Version::V5, 1, &[(&topic, 0)], &Properties::new());
    for early in [publish, wish, pingreq(), disconnect()] {
        let mut client = start(broker, "alice");
        let last = last_word(&mut client, "pencil");
        client.send(early);
        client.try_send(last);
        client.read_to_end();
    }
    // Also where it comes together with CONNECT.
    let connect = Connect::v5(&unique("c")).with(properties(&first("alice")));
    let publish = Publish::new(&topic, "never").encode(Version::V5);
    let mut client = Client::open(broker, Version::V5);
    client.send([connect.encode(), publish].concat());
    client.read_to_end();
    witness.publish(&topic, "marker", 1);
    witness.expect_message("marker");
}

// [MQTT-3.15.2-2] [MQTT-3.15.2-3] [MQTT-3.1.2-24]
fn mqtt_3_15_2_2_no_reason_or_user_property_makes_auth_too_large(broker: &Broker) {
    let begin = |maximum: u32| {
        let wish = properties(&first("alice")).four(property::MAXIMUM_PACKET_SIZE, maximum);
        Client::start(broker, &Connect::v5(&unique("c")).with(wish))
    };
    let mut sizes = [0; 2];
    for (size, maximum) in sizes.iter_mut().zip([1_000_000, 200]) {
        let mut client = begin(maximum);
        match client.next() {
            Packet::Auth(auth) => {
                assert!(!auth.properties.has(property::REASON_STRING));
                assert!(!auth.properties.has(property::USER_PROPERTY));
                let data = auth.properties.get_binary(property::AUTHENTICATION_DATA);
                *size = data.expect("a challenge").len();
            }
            other => panic!("AUTH wanted, got {other:?}"),
        }
    }
    assert_eq!(sizes[0], sizes[1], "the same challenge, whatever the bound");
    // Where not even the bare challenge fits, the client is told instead of left waiting.
    begin(60).expect_refusal(&[PACKET_TOO_LARGE]);
}

// [MQTT-4.12.1-1]
fn mqtt_4_12_1_1_re_authentication_keeps_the_method(broker: &Broker) {
    let mut client = alice(broker);
    client.send(auth(RE_AUTHENTICATE, &properties(&first("alice"))));
    let last = last_word(&mut client, "pencil");
    client.send(last);
    match client.next() {
        Packet::Auth(auth) => {
            assert_eq!(auth.reason, SUCCESS);
            let method = auth.properties.get_text(property::AUTHENTICATION_METHOD);
            assert_eq!(method, Some(METHOD), "[MQTT-4.12.0-5]");
        }
        other => panic!("AUTH wanted, got {other:?}"),
    }
    client.ping();
    let other = Properties::new().text(property::AUTHENTICATION_METHOD, "SCRAM-SHA-1");
    for properties in [other, Properties::new()] {
        let mut client = alice(broker);
        client.send(auth(RE_AUTHENTICATE, &properties));
        client.expect_error(&[PROTOCOL_ERROR, BAD_AUTHENTICATION_METHOD]);
    }
}

// [MQTT-4.12.1-2]
fn mqtt_4_12_1_2_who_fails_to_authenticate_again_is_disconnected(broker: &Broker) {
    let mut client = alice(broker);
    client.send(auth(RE_AUTHENTICATE, &properties(&first("alice"))));
    let last = last_word(&mut client, "pen");
    // Meanwhile everything else goes on under the old terms.
    client.ping();
    client.send(last);
    client.expect_error(&[NOT_AUTHORIZED]);
}

promises_with!(super::rules();
    mqtt_3_1_2_30_nothing_but_auth_and_disconnect_comes_before_connack,
    mqtt_3_15_2_2_no_reason_or_user_property_makes_auth_too_large,
    mqtt_4_12_0_2_a_challenge_continues_with_the_method_of_connect,
    mqtt_4_12_0_3_a_challenge_is_answered_with_continue_alone,
    mqtt_4_12_0_4_a_wrong_proof_is_refused_and_the_connection_closed,
    mqtt_4_12_0_5_another_method_than_that_of_connect_is_refused,
    mqtt_4_12_1_1_re_authentication_keeps_the_method,
    mqtt_4_12_1_2_who_fails_to_authenticate_again_is_disconnected,
);

//! Version 3.1 (`MQIsdp`). It has no numbered statements: the names say what its text asks for.

use crate::support::broker::{Broker, unique};
use crate::support::client::{Client, pair};
use crate::support::wire::outgoing::{ack, subscribe, unsubscribe};
use crate::support::wire::{Connect, Properties, Publish, Version, Will, first_byte, packet, text};

fn all_qos_work(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, Version::V31);
    let topic = unique("t");
    subscriber.subscribe(&topic, 2);
    for qos in 0..=2 {
        publisher.publish(&topic, "x", qos);
        let got = subscriber.expect_message("x");
        assert_eq!((got.qos, got.dup, got.retain), (qos, false, false));
    }
    subscriber.unsubscribe(&[&topic]);
    publisher.publish(&topic, "y", 1);
    subscriber.expect_nothing();
    subscriber.disconnect();
}

fn name_and_level_must_fit_together(broker: &Broker) {
    for (name, level) in [("MQIsdp", 4), ("MQIsdp", 5), ("MQTT", 3), ("MQIsdp", 2)] {
        let connect = Connect::v31(&unique("c"));
        let head = [text(name), vec![level, connect.flags()]].concat();
        let body = [head, connect.after_flags()].concat();
        let mut client = Client::open(broker, Version::V311);
        client.send(packet(first_byte::CONNECT, &body));
        let answer = client.read_to_end();
        let known: [&[u8]; 3] = [&[], &[0x20, 2, 0, 1], &[0x20, 3, 0, 0x84, 0]];
        assert!(known.contains(&answer.as_slice()), "{answer:02x?}");
    }
}

fn a_client_identifier_is_needed(broker: &Broker) {
    for connect in [Connect::v31(""), Connect::v31("").resume()] {
        let mut client = Client::start(broker, &connect);
        assert_eq!(client.expect_connack().code, 2);
        client.expect_end();
    }
}

fn client_identifiers_of_1_to_23_bytes_are_taken(broker: &Broker) {
    let id = unique("c") + "abcdefghijklmnopqrstuvwxyz";
    Client::connect(broker, &Connect::v31(&id[..23])).disconnect();
    // Longer ones may be rejected, as the text says, or taken, as most brokers do.
    let mut client = Client::start(broker, &Connect::v31(&id));
    let code = client.expect_connack().code;
    assert!([0, 2].contains(&code), "{code}");
}

fn the_first_byte_of_connack_is_not_used(broker: &Broker) {
    let connect = Connect::v31(&unique("c")).resume();
    for _ in 0..2 {
        let (client, answer) = Client::handshake(broker, &connect);
        assert!(!answer.session_present, "3.1 knows no session present");
        client.disconnect();
    }
}

fn a_session_is_kept_and_resumed(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v31(&unique("c")).resume();
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    Client::v311(broker).publish(&topic, "open", 1);
    let open = client.expect_publish();
    client.vanish();
    Client::v311(broker).publish(&topic, "queued", 2);
    let mut client = Client::connect(broker, &connect);
    assert_eq!(client.receive(), open.dup());
    client.expect_message("queued");
    client.disconnect();
    // A clean session drops it.
    let clean = Connect {
        clean: true,
        ..connect
    };
    let mut client = Client::connect(broker, &clean);
    Client::v311(broker).publish(&topic, "for nobody", 1);
    client.expect_nothing();
}

fn wills_and_retained_messages_work(broker: &Broker) {
    let topic = unique("t");
    let mut witness = Client::connect(broker, &Connect::v31(&unique("c")));
    witness.subscribe(&topic, 1);
    let connect = Connect::v31(&unique("c")).will(Will::new(&topic, "will").qos(1));
    Client::connect(broker, &connect).vanish();
    witness.expect_message("will");
    Client::connect(broker, &connect).disconnect();
    witness.publish_with(Publish::new(&topic, "kept").qos(1).retain());
    witness.expect_message("kept");
    let mut late = Client::connect(broker, &Connect::v31(&unique("c")));
    late.subscribe(&topic, 1);
    assert!(late.expect_message("kept").retain);
    late.publish_with(Publish::new(&topic, "").qos(1).retain());
}

fn a_second_connection_takes_over(broker: &Broker) {
    let connect = Connect::v31(&unique("c"));
    let mut old = Client::connect(broker, &connect);
    let mut new = Client::connect(broker, &connect);
    old.expect_end();
    new.ping();
}

fn a_repeated_pubrel_or_subscribe_may_carry_dup(broker: &Broker) {
    // 3.1 lets DUP stand in PUBREL, SUBSCRIBE and UNSUBSCRIBE too when they are sent again.
    let mut client = Client::connect(broker, &Connect::v31(&unique("c")));
    let topic = unique("t");
    let none = Properties::new();
    let mut again = subscribe(Version::V31, 1, &[(&topic, 2)], &none);
    again[0] |= 0x08;
    client.send(again);
    assert_eq!(client.expect_suback().reasons, [2]);
    client.send_publish(&Publish::new(&topic, "x").qos(2).id(2));
    client.expect_pubrec(2);
    client.send(ack(first_byte::PUBREL | 0x08, 2));
    client.expect_pubcomp(2);
    client.expect_message("x");
    let mut again = unsubscribe(Version::V31, 3, &[&topic], &none);
    again[0] |= 0x08;
    client.send(again);
    client.expect_unsuback();
}

fn an_unauthenticated_user_name_is_fine_where_anybody_may_come(broker: &Broker) {
    let connect = Connect::v31(&unique("c")).username("name").password(b"x");
    Client::connect(broker, &connect).disconnect();
}

promises!(
    a_client_identifier_is_needed,
    a_repeated_pubrel_or_subscribe_may_carry_dup,
    a_second_connection_takes_over,
    a_session_is_kept_and_resumed,
    all_qos_work,
    an_unauthenticated_user_name_is_fine_where_anybody_may_come,
    client_identifiers_of_1_to_23_bytes_are_taken,
    name_and_level_must_fit_together,
    the_first_byte_of_connack_is_not_used,
    wills_and_retained_messages_work,
);

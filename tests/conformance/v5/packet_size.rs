//! Maximum packet size, both ways (chapters 3.1.2.11.4 and 3.2.2.3.6 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::reason::PACKET_TOO_LARGE;
use crate::support::wire::{Connect, Properties, Publish, Version, property, varint};

/// The largest packet that this broker takes unless told otherwise.
const SERVER_MAXIMUM: u32 = 2_000_000;

/// The first bytes of a PUBLISH that claims this remaining length.
fn claim(remaining: u32) -> Vec<u8> {
    [vec![0x30], varint(remaining), vec![0, 1, b'a', 0]].concat()
}

// [MQTT-3.1.2-24] [MQTT-3.1.2-25]
fn mqtt_3_1_2_25_what_is_too_large_for_a_client_counts_as_delivered(broker: &Broker) {
    for qos in 0..=2 {
        let topic = unique("t");
        let connect = Connect::v5(&unique("c"))
            .maximum_packet_size(100)
            .receive_maximum(1);
        let mut small = Client::connect(broker, &connect);
        let mut large = Client::v5(broker);
        small.subscribe(&topic, qos);
        large.subscribe(&topic, qos);
        let mut publisher = Client::v5(broker);
        let long = "x".repeat(100);
        for payload in ["one", &long, &long, "two"] {
            publisher.publish(&topic, payload, qos);
            large.expect_message(payload);
        }
        small.expect_message("one");
        small.expect_message("two");
        small.expect_nothing();
    }
}

// [MQTT-3.1.2-24]
fn mqtt_3_1_2_24_a_packet_of_exactly_the_maximum_is_sent(broker: &Broker) {
    let topic = unique("t");
    let mut publisher = Client::v5(broker);
    let bare = Publish::new(&topic, "").encode(Version::V5).len();
    let maximum = 90;
    let connect = Connect::v5(&unique("c")).maximum_packet_size(90);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 0);
    for size in [maximum - bare + 1, maximum - bare] {
        publisher.publish(&topic, &"x".repeat(size), 1);
    }
    assert_eq!(client.receive().payload.len(), maximum - bare);
    client.expect_nothing();
}

// [MQTT-3.1.2-24] [MQTT-3.1.2-25]
fn mqtt_3_1_2_25_properties_and_identifiers_count_as_well(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).maximum_packet_size(80);
    let mut client = Client::connect(broker, &connect);
    client.subscribe_options(&topic, 1, Some(268_435_455));
    let mut publisher = Client::v5(broker);
    for length in 0..60 {
        let properties = Properties::new().user("n", &"v".repeat(length));
        publisher.publish_with(Publish::new(&topic, "x").qos(1).with(properties));
    }
    publisher.publish(&topic, "end", 1);
    // The client refuses what is larger than 80; everything that fits has come.
    let mut count = 0;
    while client.receive().text() != "end" {
        count += 1;
    }
    assert!((20..60).contains(&count), "{count} of 60 messages");
}

// [MQTT-3.1.2-25] [MQTT-4.4.0-1]
fn mqtt_3_1_2_25_a_session_with_messages_too_large_for_its_new_connection(broker: &Broker) {
    let topic = unique("t");
    let connect = Connect::v5(&unique("c")).resume().expiry(60);
    let mut client = Client::connect(broker, &connect);
    client.subscribe(&topic, 2);
    let mut publisher = Client::v5(broker);
    let long = "x".repeat(200);
    publisher.publish(&topic, &long, 1);
    publisher.publish(&topic, "sent", 1);
    client.expect_publish();
    client.expect_publish();
    client.vanish();
    publisher.publish(&topic, &long, 2);
    publisher.publish(&topic, "queued", 2);
    let mut client = Client::connect(broker, &connect.maximum_packet_size(100));
    client.expect_message("sent");
    client.expect_message("queued");
    client.expect_nothing();
}

// [MQTT-3.2.2-15]
fn mqtt_3_2_2_15_the_brokers_maximum_is_announced_and_enforced(broker: &Broker) {
    let (mut client, answer) = Client::handshake(broker, &Connect::v5(&unique("c")));
    let announced = answer.properties.number(property::MAXIMUM_PACKET_SIZE);
    assert_eq!(announced, Some(SERVER_MAXIMUM));
    // The fixed header is enough to know.
    client.send(claim(SERVER_MAXIMUM));
    client.expect_error(&[PACKET_TOO_LARGE]);
    let mut client = Client::v5(broker);
    client.send(claim(268_435_455));
    client.expect_error(&[PACKET_TOO_LARGE]);
}

// [MQTT-3.2.2-15]
fn mqtt_3_2_2_15_a_packet_of_exactly_the_brokers_maximum_is_taken(broker: &Broker) {
    let topic = unique("t");
    let bare = Publish::new(&topic, "").encode(Version::V5).len();
    // Four bytes of remaining length instead of one.
    let size = SERVER_MAXIMUM as usize - bare - 3;
    let mut client = Client::v5(broker);
    client.subscribe(&topic, 0);
    let publish = Publish::new(&topic, vec![b'x'; size]);
    assert!(publish.encode(Version::V5).len() <= SERVER_MAXIMUM as usize);
    client.send_publish(&publish);
    assert_eq!(client.receive().payload.len(), size);
}

promises!(
    mqtt_3_1_2_24_a_packet_of_exactly_the_maximum_is_sent,
    mqtt_3_1_2_25_a_session_with_messages_too_large_for_its_new_connection,
    mqtt_3_1_2_25_properties_and_identifiers_count_as_well,
    mqtt_3_1_2_25_what_is_too_large_for_a_client_counts_as_delivered,
    mqtt_3_2_2_15_a_packet_of_exactly_the_brokers_maximum_is_taken,
    mqtt_3_2_2_15_the_brokers_maximum_is_announced_and_enforced,
);

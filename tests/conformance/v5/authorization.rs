//! What a client may not publish, by a broker with rules (chapter 4.3 of version 5.0).

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::reason::{NOT_AUTHORIZED, SUCCESS};
use crate::support::wire::{Publish, Version};

const ACL: [&str; 2] = [
    "--acl-file",
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/rules/acl"),
];

// [MQTT-4.3.3-9]
fn mqtt_4_3_3_9_an_identifier_whose_message_was_refused_means_a_new_message(broker: &Broker) {
    let topic = format!("open/{}", unique("t"));
    let mut reader = Client::v5(broker);
    reader.subscribe(&topic, 2);
    let mut client = Client::v5(broker);
    for round in 0..3 {
        client.send_publish(&Publish::new("closed", "never").qos(2).id(5));
        assert_eq!(client.expect_pubrec(5).reason, NOT_AUTHORIZED);
        // The same identifier, as a first delivery and as a repeated one.
        let payload = round.to_string();
        let mut publish = Publish::new(&topic, &*payload).qos(2).id(5);
        publish.dup = round > 0;
        client.send(publish.encode(Version::V5));
        assert_eq!(client.expect_pubrec(5).reason, SUCCESS);
        client.pubrel(5);
        client.expect_pubcomp(5);
        reader.expect_message(&payload);
    }
    reader.expect_nothing();
}

// [MQTT-3.4.2-1] [MQTT-3.5.2-1]
fn mqtt_3_4_2_1_a_refused_message_is_answered_with_the_reason_at_its_qos(broker: &Broker) {
    let mut client = Client::v5(broker);
    client.send_publish(&Publish::new("closed", "x"));
    client.send_publish(&Publish::new("closed", "x").qos(1).id(7));
    client.send_publish(&Publish::new("closed", "x").qos(2).id(8));
    assert_eq!(client.expect_puback(7).reason, NOT_AUTHORIZED);
    assert_eq!(client.expect_pubrec(8).reason, NOT_AUTHORIZED);
    // The flow is over: nothing waits for PUBREL.
    client.ping();
}

promises_with!(super::ACL;
    mqtt_3_4_2_1_a_refused_message_is_answered_with_the_reason_at_its_qos,
    mqtt_4_3_3_9_an_identifier_whose_message_was_refused_means_a_new_message,
);

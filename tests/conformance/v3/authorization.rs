//! What a client may not publish, by a broker with rules (chapter 3.3.5 of version 3.1.1).

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::{Connect, Version};

const ACL: [&str; 2] = [
    "--acl-file",
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/rules/acl"),
];

// [MQTT-3.3.5-2]
fn mqtt_3_3_5_2_a_message_that_may_not_be_published_is_acknowledged_all_the_same(broker: &Broker) {
    let topic = format!("open/{}", unique("t"));
    let mut reader = Client::v311(broker);
    reader.subscribe("#", 2);
    for version in [Version::V31, Version::V311] {
        let mut client = Client::connect(broker, &Connect::new(version, &unique("c")));
        client.publish("closed", "never", 0);
        client.publish("closed", "never", 1);
        client.publish("closed", "never", 2);
        client.publish(&topic, "marker", 1);
        reader.expect_message("marker");
    }
}

promises_with!(super::ACL;
    mqtt_3_3_5_2_a_message_that_may_not_be_published_is_acknowledged_all_the_same);

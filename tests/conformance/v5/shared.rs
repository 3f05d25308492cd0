//! Shared subscriptions (chapter 4.8.2 of version 5.0).

use std::collections::BTreeSet;

use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::outgoing::{disconnect_with, option, subscribe, unsubscribe};
use crate::support::wire::reason::{MALFORMED_PACKET, SUCCESS, UNSPECIFIED_ERROR};
use crate::support::wire::{Connect, Packet, Properties, Publish, Version, first_byte, property};

/// Members of one group for a topic of its own; each with a session that waits for it.
struct Group {
    topic: String,
    filter: String,
    connects: Vec<Connect>,
    members: Vec<Client>,
}

impl Group {
    fn new(broker: &Broker, size: usize, qos: u8) -> Self {
        let topic = unique("t");
        let filter = format!("$share/{}/{topic}", unique("g"));
        let connects: Vec<Connect> = (0..size)
            .map(|_| Connect::v5(&unique("c")).resume().expiry(60))
            .collect();
        let members = connects
            .iter()
            .map(|connect| {
                let mut client = Client::connect(broker, connect);
                client.subscribe(&filter, qos);
                client
            })
            .collect();
        Self {
            topic,
            filter,
            connects,
            members,
        }
    }

    /// Everything the members have been sent, member by member; nothing is acknowledged.
    fn collect(&mut self) -> Vec<Vec<Publish>> {
        self.members
            .iter_mut()
            .map(|member| {
                member.ping();
                member.take_set_aside()
            })
            .collect()
    }
}

/// Publishes and finds out which of two members got the message, unacknowledged.
fn publish_to_one(broker: &Broker, group: &mut Group, qos: u8) -> (usize, Publish) {
    let topic = group.topic.clone();
    Client::v5(broker).publish(&topic, "x", qos);
    let got = group.collect();
    let takers: Vec<usize> = (0..got.len()).filter(|n| !got[*n].is_empty()).collect();
    assert_eq!(takers.len(), 1, "one member gets the message: {got:?}");
    assert_eq!(got[takers[0]].len(), 1);
    (takers[0], got[takers[0]][0].clone())
}

// [MQTT-4.8.2-1] [MQTT-4.8.2-2]
fn mqtt_4_8_2_1_a_shared_filter_has_a_name_and_a_filter(broker: &Broker) {
    for filter in [
        "$share/",
        "$share//a",
        "$share/g",
        "$share/g/",
        "$share/g+/a",
        "$share/#/a",
        "$share/+/a",
        "$share/g/a#",
        "$share/g/#/b",
    ] {
        let mut client = Client::v5(broker);
        client.send(subscribe(
            Version::V5,
            1,
            &[(filter, 0)],
            &Properties::new(),
        ));
        client.expect_error(&[MALFORMED_PACKET]);
        let mut client = Client::v5(broker);
        client.send(unsubscribe(Version::V5, 1, &[filter], &Properties::new()));
        client.expect_error(&[MALFORMED_PACKET]);
    }
}

// [MQTT-4.8.2-2]
fn mqtt_4_8_2_2_unusual_names_and_filters_are_fine(broker: &Broker) {
    let base = unique("t");
    let mut publisher = Client::v5(broker);
    for (filter, topic) in [
        (format!("$share/g g/{base}/a"), format!("{base}/a")),
        (format!("$share/$/{base}/+/b"), format!("{base}/a/b")),
        (format!("$share/ü/{base}/c/#"), format!("{base}/c")),
        (format!("$share/g//{base}"), format!("/{base}")),
    ] {
        let mut client = Client::v5(broker);
        client.subscribe(&filter, 1);
        publisher.publish(&topic, &filter, 1);
        client.expect_message(&filter);
    }
}

// [MQTT-4.8.2-1]
fn mqtt_4_8_2_1_each_message_goes_to_one_member(broker: &Broker) {
    for qos in 0..=2 {
        let mut group = Group::new(broker, 4, qos);
        let mut publisher = Client::v5(broker);
        for number in 0..40 {
            publisher.publish(&group.topic.clone(), &number.to_string(), 2);
        }
        // The group may live on any shard: its members' pings do not follow what it forwards, so
        // wait for the messages themselves.
        let mut seen = Vec::new();
        let mut takers = 0;
        for got in group.collect() {
            takers += u8::from(!got.is_empty());
            seen.extend(got.iter().map(Publish::text));
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (40, 40), "QoS {qos}");
        assert!(takers > 1, "the work is shared");
    }
}

// [MQTT-4.8.2-1]
fn mqtt_4_8_2_1_groups_and_plain_subscriptions_do_not_disturb_each_other(broker: &Broker) {
    let topic = unique("t");
    let mut clients: Vec<Client> = (0..3).map(|_| Client::v5(broker)).collect();
    clients[0].subscribe(&format!("$share/{}/{topic}", unique("g")), 1);
    clients[1].subscribe(&format!("$share/{}/{topic}", unique("g")), 1);
    clients[2].subscribe(&topic, 1);
    let mut publisher = Client::v5(broker);
    for payload in ["one", "two", "three"] {
        publisher.publish(&topic, payload, 1);
        for client in &mut clients {
            client.expect_message(payload);
        }
    }
    for client in &mut clients {
        client.expect_nothing();
    }
}

// [MQTT-4.8.2-1]
fn mqtt_4_8_2_1_a_client_may_have_both_kinds_for_one_topic(broker: &Broker) {
    let topic = unique("t");
    let mut client = Client::v5(broker);
    client.subscribe_options(&topic, 1, Some(1));
    client.subscribe_options(&format!("$share/g/{topic}"), 1, Some(2));
    Client::v5(broker).publish(&topic, "x", 1);
    let mut ids = [client.receive(), client.receive()].map(|got| got.properties.subscription_ids());
    ids.sort();
    assert_eq!(ids, [[1], [2]]);
    client.expect_nothing();
}

// [MQTT-4.8.2-3]
fn mqtt_4_8_2_3_the_granted_qos_is_respected(broker: &Broker) {
    for granted in 0..=2 {
        let mut group = Group::new(broker, 1, granted);
        for published in 0..=2 {
            Client::v5(broker).publish(&group.topic.clone(), "x", published);
            assert_eq!(group.members[0].receive().qos, published.min(granted));
        }
    }
}

// [MQTT-4.8.2-4]
fn mqtt_4_8_2_4_a_qos_2_delivery_waits_for_its_own_client(broker: &Broker) {
    let mut group = Group::new(broker, 2, 2);
    let (taker, first) = publish_to_one(broker, &mut group, 2);
    group.members.remove(taker).vanish();
    let mut other = group.members.remove(0);
    other.expect_nothing();
    let mut back = Client::connect(broker, &group.connects[taker]);
    let again = back.expect_publish();
    assert_eq!(again, first.dup());
    back.acknowledge(&again);
    other.expect_nothing();
}

// [MQTT-4.8.2-5]
fn mqtt_4_8_2_5_a_qos_2_delivery_begun_is_never_given_to_another(broker: &Broker) {
    let mut group = Group::new(broker, 2, 2);
    let (taker, _) = publish_to_one(broker, &mut group, 2);
    let mut gone = group.members.remove(taker);
    let end = Properties::new().four(property::SESSION_EXPIRY, 0);
    gone.send(disconnect_with(SUCCESS, &end));
    gone.expect_end();
    // The group goes on with the other member; what comes next for it is the next message.
    let mut other = group.members.remove(0);
    Client::v5(broker).publish(&group.topic, "next", 2);
    other.expect_message("next");
    other.expect_nothing();
}

// [MQTT-4.8.2-6]
fn mqtt_4_8_2_6_a_refused_message_goes_to_nobody_else(broker: &Broker) {
    for (qos, refusal) in [(1, first_byte::PUBACK), (2, first_byte::PUBREC)] {
        let mut group = Group::new(broker, 2, qos);
        let (taker, got) = publish_to_one(broker, &mut group, qos);
        let id = got.id.expect("QoS above 0 has one");
        group.members[taker].refuse(refusal, id, UNSPECIFIED_ERROR);
        for each in group.collect() {
            assert!(each.is_empty(), "{each:?}");
        }
        for member in &mut group.members {
            member.expect_nothing();
        }
    }
}

/// QoS 1 has no statement of its own: 4.8.2 leaves it open, and this broker gives the message on.
// [MQTT-4.8.2-4]
fn mqtt_4_8_2_4_an_unacknowledged_qos_1_message_goes_on_when_the_session_ends(broker: &Broker) {
    if !broker.is_ours() {
        return;
    }
    let mut group = Group::new(broker, 2, 1);
    let (taker, _) = publish_to_one(broker, &mut group, 1);
    let mut gone = group.members.remove(taker);
    let end = Properties::new().four(property::SESSION_EXPIRY, 0);
    gone.send(disconnect_with(SUCCESS, &end));
    gone.expect_end();
    group.members[0].expect_message("x");
}

// [MQTT-4.8.2-1]
fn mqtt_4_8_2_1_a_member_that_left_gets_nothing(broker: &Broker) {
    let mut group = Group::new(broker, 2, 1);
    let filter = group.filter.clone();
    assert_eq!(group.members[0].unsubscribe(&[&filter]).reasons, [SUCCESS]);
    let mut publisher = Client::v5(broker);
    for number in 0..10 {
        publisher.publish(&group.topic.clone(), &number.to_string(), 1);
    }
    for number in 0..10 {
        group.members[1].expect_message(&number.to_string());
    }
    group.members[0].expect_nothing();
}

/// Which member gets a message is the broker's choice; this one prefers those who are there.
// [MQTT-4.8.2-1]
fn mqtt_4_8_2_1_members_that_are_there_come_first(broker: &Broker) {
    if !broker.is_ours() {
        return;
    }
    let mut group = Group::new(broker, 3, 1);
    group.members.remove(1).disconnect();
    let mut publisher = Client::v5(broker);
    for number in 0..10 {
        publisher.publish(&group.topic.clone(), &number.to_string(), 1);
    }
    let counts: Vec<usize> = group.collect().iter().map(Vec::len).collect();
    assert_eq!(counts, [5, 5]);
}

// [MQTT-3.3.1-9]
fn mqtt_3_3_1_9_a_shared_subscription_gets_no_retained_messages(broker: &Broker) {
    // By the text of 4.8.2 and 3.8.4: retained messages belong to non-shared subscriptions.
    let topic = unique("t");
    let mut publisher = Client::v5(broker);
    publisher.publish_with(Publish::new(&topic, "kept").qos(1).retain());
    let mut client = Client::v5(broker);
    client.subscribe(&format!("$share/g/{topic}"), 1);
    client.expect_nothing();
    client.subscribe_options(
        &format!("$share/g/{topic}"),
        1 | option::RETAIN_AS_PUBLISHED,
        None,
    );
    client.expect_nothing();
    publisher.publish_with(Publish::new(&topic, "").qos(1).retain());
}

// [MQTT-4.8.2-1]
fn mqtt_4_8_2_1_messages_wait_when_all_members_are_away(broker: &Broker) {
    let mut group = Group::new(broker, 2, 1);
    for member in group.members.drain(..) {
        member.vanish();
    }
    let mut publisher = Client::v5(broker);
    for number in 0..10 {
        publisher.publish(&group.topic, &number.to_string(), 1);
    }
    for connect in &group.connects {
        group.members.push(Client::connect(broker, connect));
    }
    let mut seen = BTreeSet::new();
    for got in group.collect() {
        for publish in got {
            assert!(seen.insert(publish.text()), "twice: {publish:?}");
        }
    }
    assert_eq!(seen.len(), 10);
}

// [MQTT-3.10.4-5]
fn mqtt_3_10_4_5_leaving_a_group_one_is_not_in_is_answered(broker: &Broker) {
    let mut client = Client::v5(broker);
    let filters = ["$share/none/a"];
    client.send(unsubscribe(Version::V5, 5, &filters, &Properties::new()));
    match client.next() {
        Packet::UnsubAck(answer) => assert_eq!((answer.id, answer.reasons), (5, vec![0x11])),
        other => panic!("UNSUBACK wanted, got {other:?}"),
    }
}

promises!(
    mqtt_3_3_1_9_a_shared_subscription_gets_no_retained_messages,
    mqtt_3_10_4_5_leaving_a_group_one_is_not_in_is_answered,
    mqtt_4_8_2_1_a_client_may_have_both_kinds_for_one_topic,
    mqtt_4_8_2_1_a_member_that_left_gets_nothing,
    mqtt_4_8_2_1_a_shared_filter_has_a_name_and_a_filter,
    mqtt_4_8_2_1_each_message_goes_to_one_member,
    mqtt_4_8_2_1_groups_and_plain_subscriptions_do_not_disturb_each_other,
    mqtt_4_8_2_1_members_that_are_there_come_first,
    mqtt_4_8_2_1_messages_wait_when_all_members_are_away,
    mqtt_4_8_2_2_unusual_names_and_filters_are_fine,
    mqtt_4_8_2_3_the_granted_qos_is_respected,
    mqtt_4_8_2_4_a_qos_2_delivery_waits_for_its_own_client,
    mqtt_4_8_2_4_an_unacknowledged_qos_1_message_goes_on_when_the_session_ends,
    mqtt_4_8_2_5_a_qos_2_delivery_begun_is_never_given_to_another,
    mqtt_4_8_2_6_a_refused_message_goes_to_nobody_else,
);

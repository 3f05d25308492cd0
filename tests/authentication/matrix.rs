//! Allowed and denied, in every version and at every QoS: messages, wills, subscriptions, deliveries.
//!
//! Owns the table of what each version is told. `open` may be written and read, `up`
//! written, `down` read, anything else neither.

use crate::files::{Folder, users};
use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::{Connect, Properties, Publish, Version, Will};

const ACL: &str = "\
topic readwrite open/#
topic write up/#
topic read down/#
user admin
topic readwrite #
";

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// Topics, and whether they may be written and read.
const TOPICS: [(&str, bool, bool); 4] = [
    ("open/x", true, true),
    ("up/x", true, false),
    ("down/x", false, true),
    ("closed/x", false, false),
];

fn with_rules(test: impl Fn(&Broker, &mut Client)) {
    let folder = Folder::new();
    let passwords = users(&folder, &[("admin", "a")]);
    let acl = folder.write("acl", ACL);
    let files = ["--password-file", &passwords, "--acl-file", &acl];
    for shards in [1, 4] {
        let options = [&files[..], &["--allow-anonymous"]].concat();
        let broker = Broker::start(shards, &options).expect("a broker of ours");
        let mut admin = crate::files::client(&broker, Version::V5, &unique("a"), "admin", "a");
        test(&broker, &mut admin);
    }
}

fn anybody(version: Version) -> Connect {
    Connect::new(version, &unique("c"))
}

/// What has come to `reader` before its next own message: topics in order.
fn arrived(reader: &mut Client) -> Vec<String> {
    let marker = unique("marker");
    reader.publish("marker", &marker, 1);
    let mut topics = Vec::new();
    loop {
        let publish = reader.receive();
        if publish.text() == marker {
            return topics;
        }
        topics.push(publish.topic);
    }
}

#[test]
fn a_message_is_published_where_it_may_be_and_answered_in_the_words_of_its_version() {
    with_rules(|broker, admin| {
        admin.subscribe("#", 2);
        for version in VERSIONS {
            let mut client = Client::connect(broker, &anybody(version));
            for (topic, writes, _) in TOPICS {
                let fails = version == Version::V5 && !writes;
                let check = |reason: u8| {
                    let expected = if fails { 0x87 } else { 0 };
                    assert_eq!(reason, expected, "{version:?} {topic}");
                };
                client.send_publish(&Publish::new(topic, "x"));
                client.send_publish(&Publish::new(topic, "x").qos(1).id(1));
                check(client.expect_puback(1).reason);
                client.send_publish(&Publish::new(topic, "x").qos(2).id(2));
                check(client.expect_pubrec(2).reason);
                if !fails {
                    client.pubrel(2);
                    client.expect_pubcomp(2);
                }
                let expected = if writes { vec![topic; 3] } else { vec![] };
                assert_eq!(arrived(admin), expected, "{version:?}");
            }
        }
    });
}

#[test]
fn a_will_that_may_not_be_published_is_refused_with_its_connect() {
    with_rules(|broker, admin| {
        admin.subscribe("#", 2);
        for (version, qos) in VERSIONS.iter().flat_map(|v| [0, 1, 2].map(|q| (*v, q))) {
            for (topic, writes, _) in TOPICS {
                let connect = anybody(version).will(Will::new(topic, "gone").qos(qos));
                let mut client = Client::start(broker, &connect);
                let denied = if version == Version::V5 { 0x87 } else { 5 };
                let expected = if writes { 0 } else { denied };
                let code = client.expect_connack().code;
                assert_eq!(code, expected, "{version:?} {qos} {topic}");
                if writes {
                    client.vanish();
                    let will = admin.receive();
                    assert_eq!((&*will.topic, will.qos), (topic, qos));
                }
            }
            assert!(arrived(admin).is_empty(), "no other will");
        }
    });
}

#[test]
fn a_filter_is_granted_or_refused_by_itself_and_brings_what_may_be_read() {
    with_rules(|broker, admin| {
        for (version, qos) in VERSIONS.iter().flat_map(|v| [0, 1, 2].map(|q| (*v, q))) {
            let refused = if version == Version::V5 { 0x87 } else { 0x80 };
            let mut client = Client::connect(broker, &anybody(version));
            let wishes = TOPICS.map(|(topic, ..)| (topic, qos));
            let answer = client.subscribe_with(&wishes, &Properties::new());
            let expected = TOPICS.map(|(.., reads)| if reads { qos } else { refused });
            assert_eq!(answer.reasons, expected, "{version:?} {qos}");
            let granted = client.subscribe_with(&[("+/y", qos)], &Properties::new());
            assert_eq!(granted.reasons, [qos], "in part");
            for place in ["open", "up", "down", "closed"] {
                for last in ["x", "y"] {
                    admin.publish(&format!("{place}/{last}"), "x", qos);
                }
            }
            for topic in ["open/x", "open/y", "down/x", "down/y"] {
                let publish = client.receive();
                assert_eq!((&*publish.topic, publish.qos), (topic, qos), "{version:?}");
            }
            client.expect_nothing();
        }
    });
}

#[test]
fn a_shared_message_goes_to_a_member_that_may_read_it_whatever_it_speaks() {
    with_rules(|broker, admin| {
        let filter = format!("$share/{}/+/z", unique("g"));
        let mut members: Vec<Client> = VERSIONS
            .iter()
            .map(|version| Client::connect(broker, &anybody(*version)))
            .collect();
        for member in &mut members {
            let answer = member.subscribe_with(&[(&filter, 2)], &Properties::new());
            assert_eq!(answer.reasons, [2]);
        }
        // Of four members one may read everything: all of `closed` comes to it.
        let mut all = crate::files::client(broker, Version::V5, &unique("a"), "admin", "a");
        all.subscribe(&filter, 2);
        for number in 0..12_u8 {
            admin.publish("closed/z", &number.to_string(), number % 3);
        }
        let mut seen: Vec<String> = (0..12).map(|_| all.receive().text()).collect();
        seen.sort();
        let mut expected: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        expected.sort();
        assert_eq!(seen, expected);
        for member in &mut members {
            member.expect_nothing();
        }
        // And what all may read is shared by all.
        for number in 0..24_u8 {
            admin.publish("open/z", &number.to_string(), number % 3);
        }
        all.ping();
        let mine = all.take_set_aside().len();
        assert!(mine < 24, "the others have their part");
    });
}

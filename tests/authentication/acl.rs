//! What an acl_file allows and denies, in every version and at every QoS.
//!
//! Owns the matrix. Each promise runs with one shard and with four.

use crate::files::{Folder, client, users};
use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::{Connect, Properties, Publish, Version, Will};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

const ACL: &str = "\
topic read public/#

user alice
topic readwrite a/#
topic deny a/secret
topic write drop/box

user admin
topic readwrite #

pattern readwrite dev/%c/#
pattern read user/%u/+
";

fn each_shard_count(promise: impl Fn(&Broker)) {
    for shards in [1, 4] {
        let folder = Folder::new();
        let passwords = users(&folder, &[("alice", "a"), ("admin", "b"), ("bob", "c")]);
        let acl = folder.write("acl", ACL);
        let options = [
            "--password-file",
            &passwords,
            "--acl-file",
            &acl,
            "--allow-anonymous",
        ];
        promise(&Broker::start(shards, &options).expect("a broker of ours"));
    }
}

fn admin(broker: &Broker) -> Client {
    let mut admin = client(broker, Version::V5, &unique("admin"), "admin", "b");
    admin.subscribe("#", 2);
    admin
}

/// Publishes and returns the reason of the answer; QoS 2 is completed where it goes on.
fn publish(client: &mut Client, topic: &str, qos: u8) -> u8 {
    let id = client.fresh_id();
    let mut publish = Publish::new(topic, topic).qos(qos);
    if qos > 0 {
        publish = publish.id(id);
    }
    client.send_publish(&publish);
    match qos {
        0 => {
            client.ping();
            0
        }
        1 => client.expect_puback(id).reason,
        _ => {
            let reason = client.expect_pubrec(id).reason;
            if reason < 0x80 {
                client.pubrel(id);
                client.expect_pubcomp(id);
            }
            reason
        }
    }
}

#[test]
fn publications_are_allowed_and_denied_at_every_qos_in_every_version() {
    each_shard_count(|broker| {
        let mut admin = admin(broker);
        for version in VERSIONS {
            let id = unique("dev");
            let mut alice = client(broker, version, &id, "alice", "a");
            let own = format!("dev/{id}/state");
            for (topic, allowed) in [
                ("a/x", true),
                ("a/secret", false),
                ("drop/box", true),
                ("z", false),
                ("public/x", false),
                ("dev/other/state", false),
                ("user/alice/x", false),
                (&own, true),
            ] {
                for qos in 0..=2 {
                    let reason = publish(&mut alice, topic, qos);
                    let expected = match (allowed, version, qos) {
                        (false, Version::V5, 1 | 2) => 0x87,
                        // 3.x cannot say it [MQTT-3.3.5-2]: acknowledged and dropped.
                        _ => 0,
                    };
                    assert_eq!(reason, expected, "{topic} {version:?} QoS {qos}");
                    if allowed {
                        assert_eq!(admin.receive().topic, topic);
                    }
                }
            }
        }
        admin.expect_nothing();
    });
}

#[test]
fn subscriptions_are_granted_whole_in_part_or_refused() {
    each_shard_count(|broker| {
        let mut admin = admin(broker);
        for version in VERSIONS {
            let refused = if version == Version::V5 { 0x87 } else { 0x80 };
            // 3.1 knows no refusal: its SUBACK grants, and nothing comes.
            let refused = if version == Version::V31 {
                None
            } else {
                Some(refused)
            };
            let id = unique("dev");
            let mut alice = client(broker, version, &id, "alice", "a");
            let own = format!("dev/{id}/#");
            for (filter, granted) in [
                ("a/x", true),
                ("a/secret", false),
                ("drop/#", false),
                ("#", true),
                ("+/+", true),
                ("dev/other/#", false),
                ("user/alice/+", true),
                ("user/bob/+", false),
                (&own, true),
            ] {
                for qos in 0..=2 {
                    let answer = alice.subscribe_with(&[(filter, qos)], &Properties::new());
                    match (granted, refused) {
                        (true, _) => assert_eq!(answer.reasons, [qos], "{filter} {version:?}"),
                        (false, Some(code)) => assert_eq!(answer.reasons, [code], "{filter}"),
                        (false, None) => {}
                    }
                }
            }
            // # is granted; what it matches and alice may not read does not come.
            let mine = format!("dev/{id}/y");
            for topic in [
                "a/y",
                "a/secret",
                "drop/box",
                "z",
                "user/bob/y",
                "user/alice/y",
                &mine,
            ] {
                for qos in 0..=2 {
                    admin.publish(topic, topic, qos);
                    assert_eq!(admin.receive().topic, topic);
                    if ["a/y", "user/alice/y", &mine].contains(&topic) {
                        assert_eq!(alice.receive().topic, topic, "{version:?}");
                    }
                }
            }
            alice.expect_nothing();
        }
    });
}

#[test]
fn retained_messages_and_shared_subscriptions_are_filtered_too() {
    each_shard_count(|broker| {
        let mut admin = admin(broker);
        for topic in ["a/kept", "a/secret", "z/kept"] {
            admin.publish_with(Publish::new(topic, topic).qos(1).retain());
        }
        let mut alice = client(broker, Version::V5, &unique("r"), "alice", "a");
        alice.subscribe("#", 1);
        assert_eq!(alice.receive().topic, "a/kept");
        alice.expect_nothing();
        alice.unsubscribe(&["#"]);
        let shared = |client: &mut Client, filter: &str| {
            client
                .subscribe_with(&[(filter, 1)], &Properties::new())
                .reasons[0]
        };
        assert_eq!(shared(&mut alice, "$share/g/a/secret"), 0x87);
        assert_eq!(shared(&mut alice, "$share/g/z/#"), 0x87);
        assert_eq!(shared(&mut alice, "$share/g/a/x/#"), 1);
        admin.publish("a/x/1", "shared", 1);
        assert_eq!(alice.receive().topic, "a/x/1");
    });
}

#[test]
fn a_will_needs_the_right_to_publish() {
    each_shard_count(|broker| {
        let mut admin = admin(broker);
        for (topic, allowed) in [("a/will", true), ("z/will", false)] {
            let id = unique("will");
            let connect = Connect::v5(&id).username("alice").password(b"a");
            let mut alice = Client::start(broker, &connect.will(Will::new(topic, "gone")));
            let code = alice.expect_connack().code;
            if allowed {
                assert_eq!(code, 0);
                drop(alice);
                assert_eq!(admin.receive().topic, topic);
            } else {
                assert!(code == 0 || code == 0x87, "{code:#x}");
                drop(alice);
            }
        }
        // A marker behind what must not come.
        admin.publish("marker", "", 1);
        assert_eq!(admin.receive().topic, "marker");
    });
}

#[test]
fn a_session_that_another_user_resumes_brings_him_only_what_he_may_read() {
    each_shard_count(|broker| {
        let mut admin = admin(broker);
        let id = unique("shared");
        let resume = |user: &str, password: &[u8]| {
            let connect = Connect::v5(&id).resume().expiry(600);
            let connect = connect.username(user).password(password);
            Client::handshake(broker, &connect)
        };
        let (mut alice, _) = resume("alice", b"a");
        let answer = alice.subscribe_with(&[("a/x", 1), ("user/+/y", 1)], &Properties::new());
        assert_eq!(answer.reasons, [1, 1]);
        alice.vanish();
        // Queued for alice, fetched by bob.
        for topic in ["a/x", "user/alice/y", "user/bob/y"] {
            admin.publish(topic, "", 1);
        }
        let (mut bob, connack) = resume("bob", b"c");
        assert!(connack.session_present);
        admin.publish("a/x", "", 1);
        admin.publish("user/bob/y", "end", 1);
        bob.expect_message("end");
        bob.expect_nothing();
    });
}

#[test]
fn clients_without_a_name_have_the_rules_at_the_top() {
    each_shard_count(|broker| {
        let mut admin = admin(broker);
        let mut nobody = Client::v5(broker);
        let answer = nobody.subscribe_with(&[("public/#", 1), ("a/#", 1)], &Properties::new());
        assert_eq!(answer.reasons, [1, 0x87]);
        assert_eq!(publish(&mut nobody, "public/x", 1), 0x87);
        admin.publish("public/x", "", 1);
        assert_eq!(nobody.receive().topic, "public/x");
        // Named clients do not have them.
        let mut bob = client(broker, Version::V5, &unique("b"), "bob", "c");
        let answer = bob.subscribe_with(&[("public/#", 1)], &Properties::new());
        assert_eq!(answer.reasons, [0x87]);
    });
}

//! The same acl_file and the same clients, with mosquitto and with ringmq: what each client may
//! publish and read must be the same.
//!
//! Owns the cases. Left out, because the versions of mosquitto differ: names with a slash where a
//! pattern has a placeholder (2.0 takes them for several levels; 2.1, like ringmq, for none).

use std::collections::BTreeSet;

use crate::files::{Folder, users};
use crate::mosquitto::Mosquitto;
use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::{Connect, Properties, Publish, Version};

const ACL: &str = "\
# before any user: clients without a name
topic read anon/#
topic deny anon/private
pattern read shown/%c
topic readwrite anon/+/both

user alice
topic read r/#
topic write w/+
topic readwrite rw
topic deny r/no/#
topic readwrite mixed/#
topic deny mixed/x
topic   read   with blank/x
topic read +/late
topic read $SYS/#
topic readwrite $own/a

user bob
topic own/bob

pattern readwrite c/%c/#
pattern write u/%u/x
pattern deny c/%c/deny
pattern readwrite both/%u/%c
pattern deny mixed/y
pattern read any/+
";

const TOPICS: &[&str] = &[
    "anon/x",
    "anon/private",
    "anon/q/both",
    "shown/c1",
    "shown/c2",
    "r/x",
    "r",
    "r/no",
    "r/no/x",
    "w/x",
    "w/x/y",
    "w",
    "rw",
    "rw/x",
    "mixed/x",
    "mixed/y",
    "mixed/z",
    "with blank/x",
    "q/late",
    "own/bob",
    "c/c1",
    "c/c1/x",
    "c/c1/deny",
    "c/c2/x",
    "u/alice/x",
    "u/bob/x",
    "u//x",
    "both/alice/c1",
    "both/bob/c2",
    "both/bob/c1",
    "any/x",
    "any/",
    "any/x/y",
    "$own/a",
    "$own/b",
    "c",
    "c/",
    "none",
];

/// User name (with password `p`) and client identifier.
const WHO: &[(Option<&str>, &str)] = &[
    (None, "c1"),
    (None, "c9"),
    (Some("alice"), "c1"),
    (Some("alice"), "c2"),
    (Some("bob"), "c2"),
    (Some("bob"), "+x"),
    (Some("bob"), "#"),
    (Some("carol"), "c1"),
    (Some("+"), "c1"),
];

type Decisions = BTreeSet<(usize, &'static str, bool)>;

fn connect(broker: &Broker, user: Option<&str>, id: &str) -> Client {
    let mut connect = Connect::new(Version::V311, id);
    if let Some(user) = user {
        connect = connect.username(user).password(b"p");
    }
    Client::connect(broker, &connect)
}

/// Everything that somebody may publish (`true`) or read (`false`).
fn decisions(broker: &Broker) -> Decisions {
    let mut found = Decisions::new();
    let mut admin = connect(broker, Some("admin"), &unique("admin"));
    admin.subscribe_with(&[("#", 1), ("$own/#", 1)], &Properties::new());
    for (number, (user, id)) in WHO.iter().enumerate() {
        let mut client = connect(broker, *user, id);
        for topic in TOPICS {
            client.publish_with(Publish::new(topic, "to admin").qos(1));
            admin.ping();
            for message in admin.take_set_aside() {
                admin.acknowledge(&message);
                assert_eq!(message.topic, *topic);
                found.insert((number, topic, true));
            }
        }
        client.subscribe_with(&[("#", 1), ("$own/#", 1)], &Properties::new());
        for topic in TOPICS {
            admin.publish_with(Publish::new(topic, "to client").qos(1));
            client.ping();
            for message in client.take_set_aside() {
                client.acknowledge(&message);
                assert_eq!(message.topic, *topic);
                found.insert((number, topic, false));
            }
            // What came back to the administrator does not count.
            admin.ping();
            for message in admin.take_set_aside() {
                admin.acknowledge(&message);
            }
        }
    }
    found
}

#[test]
fn mosquitto_decides_alike() {
    let folder = Folder::new();
    let names = ["alice", "bob", "carol", "+", "admin"];
    let passwords = users(&folder, &names.map(|name| (name, "p")));
    let acl = format!("{ACL}\nuser admin\ntopic readwrite #\ntopic readwrite $own/#\n");
    let acl = folder.write("acl", &acl);
    let lines = format!("allow_anonymous true\npassword_file {passwords}\nacl_file {acl}");
    let Some(mosquitto) = Mosquitto::start(&folder, &lines) else {
        return;
    };
    let theirs = decisions(&mosquitto.broker);
    let options = [
        "--password-file",
        &passwords,
        "--acl-file",
        &acl,
        "--allow-anonymous",
    ];
    let broker = Broker::start(2, &options).expect("a broker of ours");
    let ours = decisions(&broker);
    let show = |(number, topic, write): &(usize, &str, bool)| {
        let (user, id) = WHO[*number];
        let verb = if *write { "publishes" } else { "reads" };
        format!("{user:?} as {id:?} {verb} {topic}")
    };
    let only_ours: Vec<_> = ours.difference(&theirs).map(show).collect();
    let only_theirs: Vec<_> = theirs.difference(&ours).map(show).collect();
    assert!(
        only_ours.is_empty() && only_theirs.is_empty(),
        "only with ringmq: {only_ours:#?}\nonly with mosquitto: {only_theirs:#?}"
    );
    assert!(
        theirs.len() > 60,
        "the cases decide something: {}",
        theirs.len()
    );
}

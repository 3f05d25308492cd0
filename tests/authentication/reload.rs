//! SIGHUP: all files are read again, together or not at all.

use crate::files::{Folder, client, login, passwd, users};
use crate::support::broker::{Broker, unique};
use crate::support::wire::{Properties, Version};

const RELOADED: &str = "serve: rules reloaded";
const KEPT: &str = "rules not reloaded, the earlier ones stay";

#[test]
fn new_passwords_and_rights_hold_from_the_reload_on() {
    let folder = Folder::new();
    let passwords = users(&folder, &[("alice", "old"), ("admin", "a")]);
    let rules = |alice: &str| format!("user admin\ntopic readwrite #\nuser alice\n{alice}\n");
    let acl = folder.write("acl", &rules("topic readwrite one/#"));
    let options = ["--password-file", &passwords, "--acl-file", &acl];
    let broker = Broker::start(2, &options).expect("a broker of ours");
    let mut admin = client(&broker, Version::V5, &unique("admin"), "admin", "a");
    let mut alice = client(&broker, Version::V5, &unique("alice"), "alice", "old");
    alice.subscribe("one/#", 1);
    alice.subscribe("#", 1);
    admin.publish("one/x", "before", 1);
    alice.expect_message("before");

    assert!(
        passwd(&["-b", "-H", "sha512", &passwords, "alice", "new"])
            .status
            .success()
    );
    folder.write("acl", &rules("topic readwrite two/#"));
    assert_eq!(
        login(&broker, Version::V5, "alice", "old"),
        0,
        "not read yet"
    );
    broker.reload();
    broker.wait_for_log(RELOADED, 1);
    assert_eq!(login(&broker, Version::V5, "alice", "old"), 0x86);
    assert_eq!(login(&broker, Version::V5, "alice", "new"), 0);
    // Subscriptions stay; what they may bring is judged by the new rules.
    admin.publish("one/x", "not any more", 1);
    admin.publish("two/x", "after", 1);
    alice.expect_message("after");
    alice.expect_nothing();
    let answer = alice.subscribe_with(&[("one/#", 1)], &Properties::new());
    assert_eq!(answer.reasons, [0x87]);
}

#[test]
fn a_broken_file_keeps_all_the_old_ones_and_says_its_line() {
    let folder = Folder::new();
    let passwords = users(&folder, &[("alice", "old")]);
    let acl = folder.write("acl", "user alice\ntopic one\n");
    let options = ["--password-file", &passwords, "--acl-file", &acl];
    let broker = Broker::start(1, &options).expect("a broker of ours");

    assert!(
        passwd(&["-b", "-H", "sha512", &passwords, "alice", "new"])
            .status
            .success()
    );
    folder.write("acl", "user alice\ntopic one\ntopics two\n");
    broker.reload();
    let line = broker.wait_for_log(KEPT, 1);
    assert!(line.contains(&format!("{acl}:3: ")), "{line}");
    assert_eq!(
        login(&broker, Version::V5, "alice", "old"),
        0,
        "the good file waits, too"
    );
    assert_ne!(login(&broker, Version::V5, "alice", "new"), 0);

    folder.write("acl", "user alice\ntopic one\ntopic two\n");
    broker.reload();
    broker.wait_for_log(RELOADED, 1);
    assert_eq!(login(&broker, Version::V5, "alice", "new"), 0);
    std::fs::remove_file(&acl).expect("our file");
    broker.reload();
    let line = broker.wait_for_log(KEPT, 2);
    assert!(line.contains("No such file"), "{line}");
    assert_eq!(login(&broker, Version::V5, "alice", "new"), 0);
}

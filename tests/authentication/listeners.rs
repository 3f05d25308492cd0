//! Listeners with rules of their own beside each other in one broker.
//!
//! Owns nothing but the names of its users. What one listener's files say must never hold for
//! a client that came through another.

use crate::files::{Folder, client, login, users_in};
use crate::process::{self, Ended};
use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::{Connect, Packet, Properties, Publish, Version, Will, property};
use crate::wait;

/// A broker process and a way to each of its listeners, in the order of the options.
struct House {
    process: process::Broker,
    doors: Vec<Broker>,
}

/// `--tcp 127.0.0.1:0` with each of these options behind it, and options for all.
fn house(listeners: &[&str], general: &[&str]) -> House {
    let mut command = std::process::Command::new(process::binary());
    command.args(["--shards", "2"]).args(general);
    for own in listeners {
        let comma = if own.is_empty() { "" } else { "," };
        command.args(["--tcp", &format!("127.0.0.1:0{comma}{own}")]);
    }
    let process = process::Broker::serve(command, listeners.len());
    let doors = process.addresses().iter().map(|to| Broker::at(*to));
    House {
        doors: doors.collect(),
        process,
    }
}

fn refusal(options: &[&str]) -> Ended {
    let mut command = std::process::Command::new(process::binary());
    command.args(["--log", "error"]).args(options);
    process::run(command)
}

impl House {
    fn reload(&self) {
        self.process.signal(libc::SIGHUP);
    }

    /// Waits until the log holds a line with this so many times; the latest of them.
    fn wait_for_log(&self, text: &str, times: usize) -> String {
        wait::for_some(text, wait::PATIENCE, || {
            let log = self.process.stderr();
            let lines: Vec<_> = log.lines().filter(|line| line.contains(text)).collect();
            (lines.len() >= times)
                .then(|| lines.last().map(|line| (*line).to_owned()))
                .flatten()
        })
    }
}

/// The reason of the answer to a publication; that nobody subscribes to it is none.
fn publish(client: &mut Client, topic: &str) -> u8 {
    let id = client.fresh_id();
    client.send_publish(&Publish::new(topic, "x").qos(1).id(id));
    let reason = client.expect_puback(id).reason;
    if reason == 0x10 { 0 } else { reason }
}

fn granted(client: &mut Client, filter: &str) -> u8 {
    let answer = client.subscribe_with(&[(filter, 1)], &Properties::new());
    answer.reasons[0]
}

#[test]
fn each_listener_knows_its_own_users_and_rights_and_a_third_lets_anybody_in() {
    let folder = Folder::new();
    let staff = users_in(&folder, "staff", &[("alice", "a"), ("both", "s")]);
    let things = users_in(&folder, "things", &[("bob", "b"), ("both", "t")]);
    let staff_acl = folder.write("staff.acl", "user alice\ntopic readwrite #\n");
    let things_acl = folder.write("things.acl", "pattern readwrite things/%u/#\n");
    let house = house(
        &[
            &format!("password-file={staff},acl-file={staff_acl}"),
            &format!("password-file={things},acl-file={things_acl}"),
            "allow-anonymous",
        ],
        &[],
    );
    for version in [Version::V311, Version::V5] {
        // Whoever is unknown to the third, as all are, is let in there: it checks nobody.
        for (user, password, expected) in [
            ("alice", "a", [true, false, true]),
            ("bob", "b", [false, true, true]),
            ("both", "s", [true, false, true]),
            ("both", "t", [false, true, true]),
        ] {
            let doors = house.doors.iter();
            let let_in: Vec<bool> = doors
                .map(|door| login(door, version, user, password) == 0)
                .collect();
            assert_eq!(let_in, expected, "{user} {password} {version:?}");
        }
    }
    let anonymous = |door| Client::start(door, &Connect::v5(&unique("a")));
    let codes = house
        .doors
        .iter()
        .map(|it| anonymous(it).expect_connack().code);
    assert_eq!(codes.collect::<Vec<_>>(), [0x87, 0x87, 0]);

    let mut alice = client(&house.doors[0], Version::V5, &unique("c"), "alice", "a");
    let mut bob = client(&house.doors[1], Version::V5, &unique("c"), "bob", "b");
    let mut open = client(&house.doors[2], Version::V5, &unique("c"), "bob", "any");
    assert_eq!(granted(&mut alice, "#"), 1);
    for (topic, allowed) in [("things/bob/x", 0), ("things/alice/x", 0x87), ("a", 0x87)] {
        assert_eq!(publish(&mut bob, topic), allowed, "{topic}");
        assert_eq!(publish(&mut open, topic), 0, "{topic}");
    }
    assert_eq!(granted(&mut bob, "things/bob/#"), 1);
    assert_eq!(granted(&mut bob, "other"), 0x87);
    assert_eq!(granted(&mut open, "other"), 1);
    house.process.stop();
}

#[test]
fn what_is_said_for_all_holds_where_a_listener_says_nothing_else() {
    let folder = Folder::new();
    let general = users_in(&folder, "users", &[("alice", "general")]);
    let own = users_in(&folder, "own", &[("alice", "own")]);
    let acl = folder.write("acl", "user alice\ntopic readwrite general/#\n");
    let own_acl = folder.write("own.acl", "user alice\ntopic readwrite own/#\n");
    let house = house(
        &[
            "",
            &format!("password-file={own}"),
            &format!("acl-file={own_acl}"),
            "general-rules=no",
            &format!("general-rules=no,password-file={own}"),
        ],
        &["--password-file", &general, "--acl-file", &acl],
    );
    for (door, (passwords, topics)) in house.doors.iter().zip([
        (["general"].as_slice(), ["general/x"].as_slice()),
        (&["own"], &["general/x"]),
        (&["general"], &["own/x"]),
        (&["general", "own", "any"], &["general/x", "own/x"]),
        (&["own"], &["general/x", "own/x"]),
    ]) {
        for password in ["general", "own", "any"] {
            let code = login(door, Version::V5, "alice", password);
            let expected = if passwords.contains(&password) {
                0
            } else {
                0x86
            };
            assert_eq!(code, expected, "{password}");
        }
        let mut alice = client(door, Version::V5, &unique("c"), "alice", passwords[0]);
        for topic in ["general/x", "own/x"] {
            let expected = if topics.contains(&topic) { 0 } else { 0x87 };
            assert_eq!(publish(&mut alice, topic), expected, "{topic}");
        }
    }
    house.process.stop();
}

#[test]
fn a_session_is_judged_by_the_listener_that_its_client_came_through_last() {
    let folder = Folder::new();
    let acl = folder.write("acl", "topic readwrite open/#\n");
    let house = house(&["", &format!("acl-file={acl}")], &[]);
    let (free, strict) = (&house.doors[0], &house.doors[1]);
    let mut publisher = Client::v5(free);
    let id = unique("moves");
    let come = |door| Client::handshake(door, &Connect::v5(&id).resume().expiry(600));
    let (mut first, _) = come(free);
    assert_eq!(granted(&mut first, "#"), 1);
    publisher.publish("secret/1", "seen", 1);
    first.expect_message("seen");
    assert_eq!(publish(&mut first, "secret/own"), 0);
    assert_eq!(first.receive().topic, "secret/own");

    // Taken over through the other one: the subscription stays, what it brings is judged.
    let (mut second, connack) = come(strict);
    assert!(connack.session_present);
    publisher.publish("secret/2", "not seen", 1);
    publisher.publish("open/2", "open", 1);
    second.expect_message("open");
    assert_eq!(
        publish(&mut second, "secret/own"),
        0x87,
        "remembered no longer"
    );
    second.vanish();

    // Queued while nobody is there: by the rules of then, which were the strict ones.
    publisher.publish("secret/3", "lost", 1);
    publisher.publish("open/3", "queued", 1);
    let (mut third, _) = come(free);
    third.expect_message("queued");
    publisher.publish("secret/4", "free again", 1);
    third.expect_message("free again");
    third.vanish();

    // Queued by the free rules, and fetched through the strict listener: judged once more.
    publisher.publish("secret/5", "fetched by nobody", 1);
    publisher.publish("open/5", "fetched", 1);
    let (mut fourth, _) = come(strict);
    fourth.expect_message("fetched");
    fourth.expect_nothing();
    house.process.stop();
}

#[test]
fn a_session_does_not_go_on_where_a_third_party_would_have_to_be_asked_about_it_again() {
    let (url, _) = crate::http::third_party();
    let asking = format!("auth-http={url},auth-http-for=connect,auth-http-for=subscribe");
    let house = house(&["", &asking, &asking], &[]);
    let mut publisher = Client::v5(&house.doors[0]);
    let id = unique("worker");
    let come = |door: usize, user: &str| {
        let connect = Connect::v5(&id).resume().expiry(600).username(user);
        Client::handshake(&house.doors[door], &connect.password(b"secret"))
    };
    // Granted where nobody is asked, fetched by one who may read down/# alone.
    let (mut backend, _) = come(0, "backend");
    assert_eq!(granted(&mut backend, "#"), 1);
    backend.vanish();
    publisher.publish("secret", "queued", 1);
    let (mut alice, connack) = come(1, "alice");
    assert!(!connack.session_present);
    publisher.publish("secret", "live", 1);
    alice.expect_nothing();

    // Her own session stays, but not through a listener that may be told otherwise.
    assert_eq!(granted(&mut alice, "down/#"), 1);
    alice.vanish();
    publisher.publish("down/x", "hers", 1);
    let (mut alice, connack) = come(1, "alice");
    assert!(connack.session_present);
    alice.expect_message("hers");
    assert!(!come(2, "alice").1.session_present);
    house.process.stop();
}

#[test]
fn a_will_is_judged_by_the_listener_of_who_left_it() {
    let folder = Folder::new();
    let acl = folder.write("acl", "topic write wills/strict\ntopic read #\n");
    let house = house(&["", &format!("acl-file={acl}")], &[]);
    let (free, strict) = (&house.doors[0], &house.doors[1]);
    let mut reader = Client::v5(free);
    reader.subscribe("wills/#", 1);
    let leave = |door, topic: &str| {
        let connect = Connect::v5(&unique("w")).will(Will::new(topic, topic).qos(1));
        let mut client = Client::start(door, &connect);
        let code = client.expect_connack().code;
        if code == 0 {
            client.vanish();
        }
        code
    };
    assert_eq!(leave(strict, "wills/other"), 0x87);
    assert_eq!(leave(strict, "wills/strict"), 0);
    reader.expect_message("wills/strict");
    assert_eq!(leave(free, "wills/other"), 0);
    reader.expect_message("wills/other");

    // Left where it is allowed, due when it is not any more.
    let delayed = |topic: &str| {
        let will = Will::new(topic, topic).qos(1).delay(3_600);
        let connect = Connect::v5(&unique("w")).will(will).expiry(1);
        Client::connect(strict, &connect).vanish();
    };
    delayed("wills/strict");
    folder.write("acl", "topic read #\n");
    house.reload();
    house.wait_for_log("rules reloaded", 1);
    // It is due with the session's end, a second later; another one of then tells that.
    let connect = Connect::v5(&unique("w")).expiry(2);
    Client::connect(
        free,
        &connect.will(Will::new("wills/end", "end").qos(1).delay(3_600)),
    )
    .vanish();
    reader.expect_message("end");
    house.process.stop();
}

#[test]
fn a_reload_is_for_the_files_of_all_listeners_or_for_none() {
    let folder = Folder::new();
    let one = users_in(&folder, "one", &[("alice", "old")]);
    let two = users_in(&folder, "two", &[("bob", "old")]);
    let acl = folder.write("two.acl", "user bob\ntopic readwrite a\n");
    let house = house(
        &[
            &format!("password-file={one}"),
            &format!("password-file={two},acl-file={acl}"),
        ],
        &[],
    );
    let mut bob = client(&house.doors[1], Version::V5, &unique("c"), "bob", "old");
    assert_eq!([publish(&mut bob, "a"), publish(&mut bob, "b")], [0, 0x87]);

    // One file is broken, all others wait.
    users_in(&folder, "one", &[("alice", "new")]);
    folder.write("two.acl", "user bob\ntopic readwrite b\nnonsense\n");
    house.reload();
    let line = house.wait_for_log("rules not reloaded", 1);
    assert!(line.contains(&format!("{acl}:3: ")), "{line}");
    assert_eq!(login(&house.doors[0], Version::V5, "alice", "new"), 0x86);
    assert_eq!([publish(&mut bob, "a"), publish(&mut bob, "b")], [0, 0x87]);

    folder.write("two.acl", "user bob\ntopic readwrite b\n");
    house.reload();
    house.wait_for_log("rules reloaded", 1);
    assert_eq!(login(&house.doors[0], Version::V5, "alice", "new"), 0);
    assert_eq!([publish(&mut bob, "a"), publish(&mut bob, "b")], [0x87, 0]);
    house.process.stop();
}

#[test]
fn scram_tokens_and_a_third_party_are_for_the_listeners_that_name_them() {
    let folder = Folder::new();
    let keys = folder.path("keys");
    let made = crate::files::passwd(&["-c", "-b", "-H", "scram-sha-256", &keys, "carol", "c"]);
    assert!(made.status.success(), "{made:?}");
    let secret = folder.write("secret", &format!("{}\n", crate::tokens::SECRET));
    let (url, asked) = crate::http::third_party();
    let house = house(
        &[
            &format!("scram-file={keys}"),
            &format!("jwt-key={secret},jwt-issuer=us,jwt-leeway=0"),
            &format!(
                "auth-http={url},auth-http-for=connect,auth-http-for=publish,auth-http-cache=0"
            ),
            &format!(
                "password-file={}",
                users_in(&folder, "users", &[("dave", "d")])
            ),
        ],
        &[],
    );
    let method = Properties::new().text(property::AUTHENTICATION_METHOD, "SCRAM-SHA-256");
    for (number, door) in house.doors.iter().enumerate() {
        let connect = Connect::v5(&unique("s")).with(method.clone());
        match (number, Client::start(door, &connect).next()) {
            (0, Packet::Auth(_)) => {}
            (1.., Packet::ConnAck(answer)) => assert_eq!(answer.code, 0x8C),
            (_, other) => panic!("listener {number} answers {other:?}"),
        }
    }
    let end = crate::tokens::in_seconds(600);
    let token = |issuer: &str| {
        let claims = format!(r#"{{"sub":"erin","iss":"{issuer}","exp":{end}}}"#);
        crate::tokens::token(&claims)
    };
    let (ours, theirs) = (token("us"), token("them"));
    for (user, password, expected) in [
        ("any", ours.as_str(), [0x86, 0, 0x86, 0x86]),
        ("any", &theirs, [0x86; 4]),
        ("alice", "secret", [0x86, 0x86, 0, 0x86]),
        ("dave", "d", [0x86, 0x86, 0x86, 0]),
    ] {
        let doors = house.doors.iter();
        let codes: Vec<u8> = doors
            .map(|door| login(door, Version::V5, user, password))
            .collect();
        assert_eq!(codes, expected, "{user}");
    }
    let mut alice = client(
        &house.doors[2],
        Version::V5,
        &unique("c"),
        "alice",
        "secret",
    );
    assert_eq!(publish(&mut alice, "up/x"), 0);
    assert_eq!(publish(&mut alice, "z"), 0x87);
    assert_eq!(granted(&mut alice, "z"), 1, "it is not asked about that");
    let mut dave = client(&house.doors[3], Version::V5, &unique("c"), "dave", "d");
    assert_eq!(publish(&mut dave, "z"), 0);
    let asked = asked.lock().expect("nobody panics with it");
    let about = |question: &String| question.contains(r#""listener":2"#);
    assert!(asked.iter().all(about), "{asked:?}");
    house.process.stop();
}

#[test]
fn what_is_wrong_stops_the_start_with_a_line_that_says_where() {
    let folder = Folder::new();
    let broken = folder.write("broken", "alice:$6$nonsense\n");
    let missing = folder.path("missing");
    let open = "--tcp 0.0.0.0:0 --tcp 127.0.0.1:0,password-file=";
    let good = users_in(&folder, "good", &[]);
    for (options, words) in [
        (
            format!("--tcp 127.0.0.1:0,password-file={broken}"),
            [format!("{broken}:1: "), String::new()],
        ),
        (
            format!("--tcp 127.0.0.1:0 --tls 127.0.0.1:0,acl-file={missing}"),
            [missing.clone(), "No such file".into()],
        ),
        // Another listener's users are no reason to let anybody into this one.
        (
            format!("{open}{good}"),
            ["tcp 0.0.0.0:0".into(), "--allow-anonymous".into()],
        ),
        (
            "--tcp 127.0.0.1:0,jwt-issuer=us".into(),
            [
                "--tcp 127.0.0.1:0: --jwt-issuer".into(),
                "--jwt-jwks".into(),
            ],
        ),
        (
            "--tcp 127.0.0.1:0,auth-http-cache=1".into(),
            [
                "--tcp 127.0.0.1:0: --auth-http-cache".into(),
                "--auth-http".into(),
            ],
        ),
        (
            "--auth-http-cache 1 --tcp 127.0.0.1:0".into(),
            ["--auth-http-cache needs".into(), "--auth-http".into()],
        ),
        (
            "--tcp 127.0.0.1:0,password-file".into(),
            [
                "--tcp 127.0.0.1:0: ".into(),
                "--password-file <FILE>".into(),
            ],
        ),
        (
            "--tcp 127.0.0.1:0,passwords=x".into(),
            [
                "no listener option 'passwords'".into(),
                "password-file=FILE".into(),
            ],
        ),
        (
            "--tcp 127.0.0.1:0,general-rules=perhaps".into(),
            ["general-rules".into(), "yes or no".into()],
        ),
    ] {
        let ended = refusal(&options.split(' ').collect::<Vec<_>>());
        assert_eq!(ended.code, Some(2), "{options}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{options}: {ended:?}");
        for word in words {
            assert!(ended.stderr.contains(&word), "{word}: {ended:?}");
        }
    }
}

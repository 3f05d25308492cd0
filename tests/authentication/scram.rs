//! SCRAM-SHA-256 as enhanced authentication (MQTT 5.0, section 4.12), with the files that the broker reads.
//!
//! Owns nothing; the client's side is in `support/scram.rs`.

use crate::files::{Folder, passwd};
use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::scram::{challenge, first, login, properties, second, start};
use crate::support::wire::outgoing::auth;
use crate::support::wire::{Connect, Packet, Properties, property, reason};

fn broker(folder: &Folder) -> Broker {
    let path = folder.path("users");
    let create = ["-c", "-b", "-H", "scram-sha-256", &path, "alice", "pencil"];
    assert!(passwd(&create).status.success());
    let other = [
        "-b",
        "-H",
        "scram-sha-256",
        "-I",
        "9000",
        &path,
        "bob",
        "pen",
    ];
    assert!(passwd(&other).status.success());
    let acl = folder.write("acl", "user alice\ntopic readwrite a/#\n");
    let options = ["--scram-file", &path, "--acl-file", &acl];
    Broker::start(2, &options).expect("a broker of ours")
}

#[test]
fn who_knows_the_password_is_let_in_and_the_server_proves_itself() {
    let folder = Folder::new();
    let broker = broker(&folder);
    let (code, proved, mut client) = login(&broker, "alice", "pencil");
    assert!(code == 0 && proved, "{code:#x}");
    // The user name of the exchange is the client's.
    client.subscribe("a/#", 1);
    client.publish("a/x", "hello", 1);
    client.expect_message("hello");
    let (code, proved, _) = login(&broker, "bob", "pen");
    assert!(code == 0 && proved, "{code:#x}");
}

#[test]
fn wrong_passwords_and_unknown_users_fail_alike() {
    let folder = Folder::new();
    let broker = broker(&folder);
    let (wrong, proved, _) = login(&broker, "alice", "pen");
    assert!(wrong >= 0x80 && !proved);
    let (unknown, proved, _) = login(&broker, "nobody", "pencil");
    assert!(unknown == wrong && !proved);
    // An unknown user's salt is the same each time.
    let salt = |client: &mut Client| {
        let challenge = challenge(client);
        challenge.split_once(",s=").expect("a salt").1.to_owned()
    };
    let (mut one, mut two) = (start(&broker, "nobody"), start(&broker, "nobody"));
    assert_eq!(salt(&mut one), salt(&mut two));
}

#[test]
fn what_is_not_the_method_is_refused() {
    let folder = Folder::new();
    let broker = broker(&folder);
    let connect = Connect::v5(&unique("s"))
        .with(Properties::new().text(property::AUTHENTICATION_METHOD, "SCRAM-SHA-1"));
    let mut client = Client::start(&broker, &connect);
    assert_eq!(
        client.expect_connack().code,
        reason::BAD_AUTHENTICATION_METHOD
    );

    let connect = Connect::v5(&unique("s")).with(properties("p=tls-unique,,n=alice,r=x"));
    assert!(Client::start(&broker, &connect).expect_connack().code >= 0x80);
    // A user name in CONNECT that is another one than the exchange's.
    let connect = Connect::v5(&unique("s")).with(properties(&first("alice")));
    let mut client = Client::start(&broker, &connect.username("bob"));
    assert!(client.expect_connack().code >= 0x80);
}

#[test]
fn a_connected_client_authenticates_again_as_itself_alone() {
    let folder = Folder::new();
    let broker = broker(&folder);
    let (code, _, mut client) = login(&broker, "alice", "pencil");
    assert_eq!(code, 0);
    client.send(auth(reason::RE_AUTHENTICATE, &properties(&first("alice"))));
    let challenge = challenge(&mut client);
    let (last, expected) = second("alice", "pencil", &challenge);
    client.send(auth(reason::CONTINUE_AUTHENTICATION, &properties(&last)));
    match client.next() {
        Packet::Auth(auth) => {
            assert_eq!(auth.reason, reason::SUCCESS);
            let data = auth.properties.get_binary(property::AUTHENTICATION_DATA);
            assert_eq!(data, Some(expected.as_bytes()));
        }
        other => panic!("AUTH wanted, got {other:?}"),
    }
    client.subscribe("a/#", 0);
    client.send(auth(reason::RE_AUTHENTICATE, &properties(&first("bob"))));
    match client.next() {
        Packet::Disconnect(disconnect) => assert!(disconnect.reason >= 0x80),
        other => panic!("DISCONNECT wanted, got {other:?}"),
    }
}

//! SCRAM-SHA-256 as enhanced authentication (MQTT 5.0, section 4.12), spoken by a client of its own.
//!
//! Owns the client's side of RFC 5802, written from the RFC.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::files::{Folder, passwd};
use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::outgoing::auth;
use crate::support::wire::{Connect, Packet, Properties, property, reason};

const METHOD: &str = "SCRAM-SHA-256";

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn properties(data: &str) -> Properties {
    Properties::new()
        .text(property::AUTHENTICATION_METHOD, METHOD)
        .binary(property::AUTHENTICATION_DATA, data.as_bytes())
}

fn first(user: &str) -> String {
    format!("n,,n={user},r=fyko+d2lbbFgONRv9qkxdawL")
}

/// The client's second message and what the server must answer to it.
fn second(user: &str, password: &str, challenge: &str) -> (String, String) {
    let part = |name: &str| {
        let mut parts = challenge.split(',');
        parts
            .find_map(|part| part.strip_prefix(name))
            .expect("a part of the challenge")
    };
    let (nonce, salt) = (part("r="), STANDARD.decode(part("s=")).expect("base64"));
    assert!(
        nonce.starts_with("fyko+d2lbbFgONRv9qkxdawL") && nonce.len() > 40,
        "{nonce}"
    );
    let iterations = part("i=").parse().expect("a number");
    let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), &salt, iterations);
    let client_key = mac(&salted, "Client Key");
    let unproved = format!("c=biws,r={nonce}");
    let said = first(user);
    let message = format!("{},{challenge},{unproved}", &said[3..]);
    let signature = mac(&Sha256::digest(&client_key), &message);
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(a, b)| a ^ b)
        .collect();
    let server = mac(&mac(&salted, "Server Key"), &message);
    let last = format!("{unproved},p={}", STANDARD.encode(proof));
    (last, format!("v={}", STANDARD.encode(server)))
}

fn challenge(client: &mut Client) -> String {
    match client.next() {
        Packet::Auth(auth) => {
            assert_eq!(auth.reason, reason::CONTINUE_AUTHENTICATION);
            assert_eq!(
                auth.properties.get_text(property::AUTHENTICATION_METHOD),
                Some(METHOD)
            );
            let data = auth.properties.get_binary(property::AUTHENTICATION_DATA);
            String::from_utf8(data.expect("a challenge").into()).expect("text")
        }
        other => panic!("AUTH wanted, got {other:?}"),
    }
}

fn start(broker: &Broker, user: &str) -> Client {
    let connect = Connect::v5(&unique("s")).with(properties(&first(user)));
    Client::start(broker, &connect)
}

/// Tries to log in; the CONNACK's code, and whether the server proved itself.
fn login(broker: &Broker, user: &str, password: &str) -> (u8, bool, Client) {
    let mut client = start(broker, user);
    let challenge = challenge(&mut client);
    let (last, expected) = second(user, password, &challenge);
    client.send(auth(reason::CONTINUE_AUTHENTICATION, &properties(&last)));
    let answer = client.expect_connack();
    let data = answer.properties.get_binary(property::AUTHENTICATION_DATA);
    let proved = data == Some(expected.as_bytes());
    (answer.code, proved, client)
}

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

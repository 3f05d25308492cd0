//! Tokens (JWT) as passwords against the real broker.
//!
//! Owns a signer for HS256; the other algorithms are tested beside the code.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::files::{Folder, client, login, users};
use crate::support::broker::{Broker, unique};
use crate::support::client::Client;
use crate::support::wire::{Packet, Properties, Version};

pub const SECRET: &str = "a secret of thirty-two bytes, at the very least";

pub fn token(claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!(
        "{}.{}",
        encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        encode(claims)
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(message.as_bytes());
    let signed = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{message}.{signed}")
}

pub fn in_seconds(seconds: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("after 1970").as_secs() + seconds
}

fn broker(folder: &Folder, more: &[&str]) -> Broker {
    let key = folder.write("secret", &format!("{SECRET}\n"));
    let options = [&["--jwt-key", &key, "--jwt-leeway", "0"], more].concat();
    Broker::start(2, &options).expect("a broker of ours")
}

#[test]
fn a_token_says_who_the_client_is_and_what_it_may() {
    let folder = Folder::new();
    let broker = broker(&folder, &[]);
    let end = in_seconds(600);
    let claims = format!(
        r#"{{"sub":"alice","exp":{end},"acl":{{"publish":["up/%u/#"],"subscribe":["down/#"],"deny":["down/x"]}}}}"#
    );
    for version in [Version::V311, Version::V5] {
        let mut client = client(&broker, version, &unique("t"), "whatever", &token(&claims));
        let answer = client.subscribe_with(&[("down/#", 1), ("up/#", 1)], &Properties::new());
        let refused = if version == Version::V5 { 0x87 } else { 0x80 };
        assert_eq!(answer.reasons, [1, refused]);
        client.publish("up/alice/x", "allowed", 1);
        if version == Version::V5 {
            let id = client.fresh_id();
            let publish = crate::support::wire::Publish::new("up/whatever/x", "")
                .qos(1)
                .id(id);
            client.send_publish(&publish);
            assert_eq!(client.expect_puback(id).reason, 0x87);
        }
    }
    for claims in [
        format!(r#"{{"sub":"alice","exp":{}}}"#, in_seconds(0) - 10),
        r#"{"sub":"alice"}"#.to_owned(),
        format!(r#"{{"exp":{end}}}"#),
    ] {
        assert_eq!(
            login(&broker, Version::V5, "alice", &token(&claims)),
            0x86,
            "{claims}"
        );
    }
    let mut forged = token(&claims);
    forged.replace_range(40..41, if &forged[40..41] == "A" { "B" } else { "A" });
    assert_eq!(login(&broker, Version::V5, "alice", &forged), 0x86);
    assert_eq!(
        login(&broker, Version::V5, "alice", "no token at all"),
        0x86
    );
}

#[test]
fn a_connection_ends_with_its_token() {
    let folder = Folder::new();
    let broker = broker(&folder, &[]);
    let claims = format!(r#"{{"sub":"alice","exp":{}}}"#, in_seconds(2));
    let mut client: Client = client(&broker, Version::V5, &unique("t"), "alice", &token(&claims));
    match client.next() {
        Packet::Disconnect(disconnect) => assert_eq!(disconnect.reason, 0x87),
        other => panic!("DISCONNECT wanted, got {other:?}"),
    }
    client.expect_end();
}

#[test]
fn who_has_no_token_may_have_a_password_and_the_acl_file_judges_both() {
    let folder = Folder::new();
    let passwords = users(&folder, &[("bob", "secret")]);
    let acl = folder.write("acl", "user alice\ntopic a\nuser bob\ntopic b\n");
    let more = ["--password-file", &passwords, "--acl-file", &acl];
    let broker = broker(&folder, &more);
    let claims = format!(r#"{{"sub":"alice","exp":{}}}"#, in_seconds(600));
    for (user, password, own, other) in [
        ("alice", token(&claims), "a", "b"),
        ("bob", "secret".to_owned(), "b", "a"),
    ] {
        let mut client = client(&broker, Version::V5, &unique("t"), user, &password);
        let answer = client.subscribe_with(&[(own, 1), (other, 1)], &Properties::new());
        assert_eq!(answer.reasons, [1, 0x87], "{user}");
    }
    assert_eq!(login(&broker, Version::V5, "bob", "wrong"), 0x86);
}

//! A client's side of SCRAM-SHA-256 as enhanced authentication, written from RFC 5802.
//!
//! Owns no connection. Its nonce is always the same, which is the server's good luck and
//! nobody's harm.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::broker::{Broker, unique};
use super::client::Client;
use super::wire::outgoing::auth;
use super::wire::{Connect, Packet, Properties, property, reason};

/// Its name.
pub const METHOD: &str = "SCRAM-SHA-256";

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Method and data, as CONNECT and AUTH carry them.
pub fn properties(data: &str) -> Properties {
    Properties::new()
        .text(property::AUTHENTICATION_METHOD, METHOD)
        .binary(property::AUTHENTICATION_DATA, data.as_bytes())
}

/// The client's first message.
pub fn first(user: &str) -> String {
    format!("n,,n={user},r=fyko+d2lbbFgONRv9qkxdawL")
}

/// The client's second message and what the server must answer to it.
pub fn second(user: &str, password: &str, challenge: &str) -> (String, String) {
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

/// The server's first message.
pub fn challenge(client: &mut Client) -> String {
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

/// Begins to log in.
pub fn start(broker: &Broker, user: &str) -> Client {
    let connect = Connect::v5(&unique("s")).with(properties(&first(user)));
    Client::start(broker, &connect)
}

/// Tries to log in; the CONNACK's code, and whether the server proved itself.
pub fn login(broker: &Broker, user: &str, password: &str) -> (u8, bool, Client) {
    let mut client = start(broker, user);
    let challenge = challenge(&mut client);
    let (last, expected) = second(user, password, &challenge);
    client.send(auth(reason::CONTINUE_AUTHENTICATION, &properties(&last)));
    let answer = client.expect_connack();
    let data = answer.properties.get_binary(property::AUTHENTICATION_DATA);
    let proved = data == Some(expected.as_bytes());
    (answer.code, proved, client)
}

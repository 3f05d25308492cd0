//! What tokens promise: who signed, with what, until when, and for what.
//!
//! Owns a signer, and keys that openssl made. Runs anywhere.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, rand::SystemRandom, signature};
use serde_json::{Value, json};

use super::*;
use crate::hooks::rule_file::tests::Scratch;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef";

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/keys/", $name))
    };
}

fn der(pem: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(pem).expect("text");
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD
        .decode(body)
        .expect("base64")
}

fn sign(algorithm: &str, message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let curve = |algorithm, pem: &[u8]| {
        let key = signature::EcdsaKeyPair::from_pkcs8(algorithm, &der(pem), &random);
        let signed = key.expect("a key").sign(&random, message);
        signed.expect("random bytes").as_ref().to_vec()
    };
    match algorithm {
        "HS256" => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message)
            .as_ref()
            .into(),
        "HS512" => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, SECRET), message)
            .as_ref()
            .into(),
        "ES256" => curve(
            &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            pem!("jwt-p256.pem"),
        ),
        "ES384" => curve(
            &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            pem!("jwt-p384.pem"),
        ),
        "EdDSA" => {
            signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(pem!("jwt-ed25519.pem")))
                .expect("a key")
                .sign(message)
                .as_ref()
                .into()
        }
        "RS256" | "PS256" => {
            let key = ring::rsa::KeyPair::from_pkcs8(&der(pem!("jwt-rsa.pem"))).expect("a key");
            let mut signed = vec![0; key.public().modulus_len()];
            let padding: &dyn signature::RsaEncoding = match algorithm {
                "RS256" => &signature::RSA_PKCS1_SHA256,
                _ => &signature::RSA_PSS_SHA256,
            };
            key.sign(padding, &random, message, &mut signed)
                .expect("signed");
            signed
        }
        _ => Vec::new(),
    }
}

fn token_with(header: &Value, signed_as: &str, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signed = URL_SAFE_NO_PAD.encode(sign(signed_as, message.as_bytes()));
    format!("{message}.{signed}")
}

fn token(algorithm: &str, claims: &Value) -> String {
    token_with(&json!({"alg": algorithm, "typ": "JWT"}), algorithm, claims)
}

fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(now.as_secs()).expect("fits") + seconds
}

fn good() -> Value {
    json!({"sub": "alice", "exp": in_seconds(600)})
}

fn rule(name: &str, key: &[u8], names: ClaimNames) -> (TokenRule, Scratch) {
    let file = Scratch::new(&format!("token-{name}"), key);
    let files = [TokenKeyFile::Key(file.0.clone())];
    (TokenRule::open(&files, names).expect("a key"), file)
}

fn with_secret(name: &str, names: ClaimNames) -> (TokenRule, Scratch) {
    rule(name, SECRET, names)
}

const KEYS: &[(&str, &[u8], &[&str])] = &[
    ("secret", SECRET, &["HS256", "HS512"]),
    ("rsa", pem!("jwt-rsa.pub.pem"), &["RS256", "PS256"]),
    ("p256", pem!("jwt-p256.pub.pem"), &["ES256"]),
    ("p384", pem!("jwt-p384.pub.pem"), &["ES384"]),
    ("ed25519", pem!("jwt-ed25519.pub.pem"), &["EdDSA"]),
];

#[test]
fn every_algorithm_is_accepted_with_its_own_key_alone() {
    for (name, key, own) in KEYS {
        let (rule, _file) = rule(name, key, ClaimNames::default());
        for algorithm in [
            "HS256", "HS512", "RS256", "PS256", "ES256", "ES384", "EdDSA",
        ] {
            let granted = rule.grant_of(&token(algorithm, &good()));
            assert_eq!(
                granted.is_ok(),
                own.contains(&algorithm),
                "{name}: {algorithm}"
            );
            if let Ok(grant) = granted {
                assert_eq!(grant.user_name.as_deref(), Some("alice"));
                let left = grant.lasts.expect("an end").as_secs();
                assert!((600..=660).contains(&left), "{left}");
                assert!(grant.attachment.is_none());
            }
        }
    }
}

#[test]
fn a_changed_token_an_unsigned_one_and_a_public_key_as_secret_are_refused() {
    let (rule, _file) = with_secret("forged", ClaimNames::default());
    let genuine = token("HS256", &good());
    let (message, signed) = genuine.rsplit_once('.').expect("three parts");
    let other = token("HS256", &json!({"sub": "root", "exp": in_seconds(600)}));
    let (other_message, _) = other.rsplit_once('.').expect("three parts");
    assert!(rule.grant_of(&genuine).is_ok());
    for forged in [
        format!("{other_message}.{signed}"),
        format!("{message}."),
        format!("{message}.{}", &signed[1..]),
        token_with(&json!({"alg": "none"}), "none", &good()),
        token_with(&json!({"alg": "HS512"}), "HS256", &good()),
        "ey..".to_owned(),
        "ey.a.b".to_owned(),
    ] {
        assert!(rule.grant_of(&forged).is_err(), "{forged}");
    }
    // The classical confusion: HMAC keyed with the text of the public key.
    let public = pem!("jwt-rsa.pub.pem");
    let (rule, _file) = self::rule("confused", public, ClaimNames::default());
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&json!({"alg": "HS256"})), encode(&good()));
    let signed = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, public),
        message.as_bytes(),
    );
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed));
    assert!(rule.grant_of(&forged).is_err());
}

#[test]
fn times_issuers_and_audiences_are_checked() {
    let names = ClaimNames {
        issuer: Some("us".into()),
        audience: Some("mqtt".into()),
        leeway: 10,
        ..ClaimNames::default()
    };
    let (rule, _file) = with_secret("times", names);
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims =
            json!({"sub": "a", "exp": in_seconds(5), "iss": "us", "aud": ["x", "mqtt"]});
        change(&mut claims);
        rule.grant_of(&token("HS256", &claims)).is_ok()
    };
    assert!(claims(&|_| {}));
    assert!(
        claims(&|it| it["exp"] = in_seconds(-5).into()),
        "within the leeway"
    );
    assert!(!claims(&|it| it["exp"] = in_seconds(-20).into()));
    assert!(!claims(&|it| it["exp"] = Value::Null));
    assert!(!claims(&|it| it["exp"] = "tomorrow".into()));
    assert!(
        claims(&|it| it["nbf"] = in_seconds(5).into()),
        "within the leeway"
    );
    assert!(!claims(&|it| it["nbf"] = in_seconds(60).into()));
    assert!(!claims(&|it| it["iss"] = "them".into()));
    assert!(!claims(&|it| it["iss"] = Value::Null));
    assert!(!claims(&|it| it["aud"] = "http".into()));
    assert!(!claims(&|it| it["aud"] = Value::Null));
    assert!(
        !claims(&|it| it["sub"] = Value::Null),
        "the user name is missing"
    );
    assert!(!claims(&|it| it["sub"] = 7.into()));
    assert!(!claims(&|it| it["sub"] = "".into()));
}

#[test]
fn rights_in_a_token_are_all_it_has() {
    let names = ClaimNames {
        user_name: "name".into(),
        ..ClaimNames::default()
    };
    let (rule, _file) = with_secret("rights", names);
    let granted = |acl: Value| {
        let claims = json!({"name": "u", "exp": in_seconds(60), "acl": acl});
        rule.grant_of(&token("HS256", &claims))
    };
    let grant =
        granted(json!({"pub": ["a/%c/#"], "subscribe": ["b/+"], "all": ["%u/c"], "deny": ["b/x"]}));
    let attachment = grant.expect("well-formed").attachment.expect("rights");
    let TokenRights(rules) = attachment.downcast_ref().expect("of this kind");
    for (topic, write, read) in [
        ("a/id/x", true, false),
        ("a/other/x", false, false),
        ("b/1", false, true),
        ("b/x", false, false),
        ("u/c", true, true),
        ("z", false, false),
    ] {
        assert_eq!(rules.may_write("id", Some("u"), topic), write, "{topic}");
        assert_eq!(rules.may_read("id", Some("u"), topic), read, "{topic}");
    }
    for wrong in [
        json!("a"),
        json!(["a"]),
        json!({"publish": "a"}),
        json!({"publish": [1]}),
        json!({"publish": ["a/#/b"]}),
        json!({"publish": ["a/x%c"]}),
        json!({"publsh": ["a"]}),
        Value::Null,
    ] {
        assert!(granted(wrong.clone()).is_err(), "{wrong}");
    }
}

fn set_of(keys: Value) -> Result<TokenKeys, String> {
    let text = json!({ "keys": keys }).to_string();
    TokenKeys::parse_set(text.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn a_set_chooses_by_name_and_pins_algorithms() {
    let secret = URL_SAFE_NO_PAD.encode(SECRET);
    let point = der(pem!("jwt-p256.pub.pem"));
    let point = &point[point.len() - 64..];
    let (x, y) = (
        URL_SAFE_NO_PAD.encode(&point[..32]),
        URL_SAFE_NO_PAD.encode(&point[32..]),
    );
    let keys = json!([
        {"kty": "oct", "k": secret, "kid": "one", "alg": "HS256"},
        {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "two", "use": "sig"},
        {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "three", "use": "enc"},
        {"kty": "new", "kid": "four"},
    ]);
    let text = json!({ "keys": keys }).to_string();
    let file = Scratch::new("token-set", text.as_bytes());
    let rule = TokenRule::open(&[TokenKeyFile::Set(file.0.clone())], ClaimNames::default());
    let rule = rule.expect("a set");
    let granted = |algorithm: &str, kid: Option<&str>| {
        let header = json!({"alg": algorithm, "kid": kid});
        rule.grant_of(&token_with(&header, algorithm, &good()))
            .is_ok()
    };
    assert!(granted("HS256", Some("one")) && granted("HS256", None));
    assert!(granted("ES256", Some("two")));
    assert!(
        !granted("HS512", Some("one")),
        "pinned to another algorithm"
    );
    assert!(!granted("ES256", Some("one")));
    assert!(!granted("ES256", Some("three")), "not for signatures");
    assert!(!granted("HS256", Some("five")));
}

#[test]
fn what_is_wrong_with_a_key_file_is_said() {
    for (file, said) in [
        (
            &b"short"[..],
            "line 1: neither a PEM key nor a secret of 32 bytes",
        ),
        (pem!("jwt-rsa.pem"), "line 1: is a private key"),
        (
            b"\n-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "line 2: no public key",
        ),
    ] {
        let error = TokenKeys::parse_key(file).expect_err(said).to_string();
        assert!(error.starts_with(said), "{error}");
    }
    let error = TokenKeys::parse_set(b"{\n\"keys\": 1}").expect_err("no array");
    assert!(error.to_string().starts_with("line 2: no JWKS"), "{error}");
    assert!(set_of(json!([])).expect_err("empty").contains("no key"));
    assert!(
        set_of(json!([{"kty": "oct", "k": "AAAA"}]))
            .expect_err("short")
            .contains("32 bytes")
    );
}

//! SCRAM-SHA-256 for MQTT 5 (section 4.12): the server's side of one exchange.
//!
//! Owns the state between the client's two messages (RFC 5802, section 5; vectors of
//! RFC 7677 below). Pure: keys and the server's random bytes are handed in. An
//! unknown user gets a salt and an iteration count that look real and fails where a
//! wrong password fails. Channel binding is not offered.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::scram_keys::{self, ScramKeys};
use super::scram_message::{ClientFinal, ClientFirst};
use crate::hooks::secrets::{DIGEST_BYTES, Digest256, equal, hmac};

/// The authentication method's name in CONNECT and AUTH.
pub const METHOD: &str = scram_keys::NAME;

/// Random bytes of the server's part of the nonce: 18 make 24 characters.
pub const NONCE_BYTES: usize = 18;

/// Bytes of the secret that unknown users' salts are made of.
pub const SECRET_BYTES: usize = 32;

/// Bytes of an invented salt, as `ringmq passwd` makes them.
const SALT_BYTES: usize = 16;

/// Makes up keys for unknown users, the same for the same name each time.
#[derive(Clone, Debug)]
pub struct Decoy {
    secret: [u8; SECRET_BYTES],
    iterations: NonZeroU32,
}

impl Decoy {
    /// `iterations` should be what real users have.
    #[must_use]
    pub const fn new(secret: [u8; SECRET_BYTES], iterations: NonZeroU32) -> Self {
        Self { secret, iterations }
    }

    fn keys(&self, user: &str) -> ScramKeys {
        let salt = hmac(&self.secret, &[b"salt", user.as_bytes()]);
        let key = hmac(&self.secret, &[b"key", user.as_bytes()]);
        ScramKeys {
            iterations: self.iterations,
            salt: salt[..SALT_BYTES].into(),
            stored_key: key,
            server_key: key,
        }
    }
}

/// What the client has to prove, between its two messages.
#[derive(Debug)]
pub struct Challenge {
    user: Box<str>,
    keys: ScramKeys,
    known: bool,
    gs2_header: Box<str>,
    /// The whole nonce, the client's part and the server's.
    nonce: Box<str>,
    /// `client-first-message-bare,server-first-message`
    heard_and_said: Box<str>,
}

impl Challenge {
    /// Reads the client's first message and makes the server's. `find` looks a user
    /// up. `None`: not SCRAM, or somebody who wants to be taken for another.
    pub fn begin(
        message: &[u8],
        random: &[u8; NONCE_BYTES],
        decoy: &Decoy,
        find: impl FnOnce(&str) -> Option<ScramKeys>,
    ) -> Option<(Self, Vec<u8>)> {
        let first = ClientFirst::parse(message)?;
        let user = stringprep::saslprep(&first.user).ok()?;
        let other = first.authorized_as.as_ref();
        if other.is_some_and(|other| *other != first.user) {
            return None;
        }
        let found = find(&user);
        let known = found.is_some();
        let keys = found.unwrap_or_else(|| decoy.keys(&user));
        let nonce = format!("{}{}", first.nonce, STANDARD.encode(random));
        let salt = STANDARD.encode(&keys.salt);
        let said = format!("r={nonce},s={salt},i={}", keys.iterations);
        let challenge = Self {
            heard_and_said: format!("{},{said}", first.bare).into(),
            gs2_header: first.gs2_header.into(),
            nonce: nonce.into(),
            user: user.into(),
            keys,
            known,
        };
        Some((challenge, said.into_bytes()))
    }

    /// Who claims to be proving itself.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Judges the client's second message: the server's own proof for the client, or
    /// `None` if the client has not proved that it knows the password.
    #[must_use]
    pub fn finish(&self, message: &[u8]) -> Option<Vec<u8>> {
        let last = ClientFinal::parse(message)?;
        let proof = Digest256::try_from(&last.proof[..]).ok()?;
        let proved = [&*self.heard_and_said, ",", last.without_proof].map(str::as_bytes);
        let signature = hmac(&self.keys.stored_key, &proved);
        let mut client_key = [0; DIGEST_BYTES];
        for (byte, (a, b)) in client_key.iter_mut().zip(proof.iter().zip(&signature)) {
            *byte = a ^ b;
        }
        let knows = equal(&Sha256::digest(client_key), &self.keys.stored_key);
        let same = last.nonce == &*self.nonce && last.binding == self.gs2_header.as_bytes();
        (knows && same && self.known).then(|| {
            let own = hmac(&self.keys.server_key, &proved);
            format!("v={}", STANDARD.encode(own)).into_bytes()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";

    fn iterations() -> NonZeroU32 {
        NonZeroU32::new(4096).expect("not zero")
    }

    fn decoy() -> Decoy {
        Decoy::new([7; SECRET_BYTES], iterations())
    }

    fn keys(user: &str) -> Option<ScramKeys> {
        let salt = STANDARD.decode(SALT).expect("base64");
        (user == "user").then(|| ScramKeys::create(b"pencil", &salt, iterations()))
    }

    /// A challenge with the nonce of RFC 7677, section 3, which is not the base64 of
    /// any bytes that this server would draw.
    fn of_the_rfc() -> Challenge {
        let (mut challenge, said) =
            Challenge::begin(CLIENT_FIRST.as_bytes(), &[0; NONCE_BYTES], &decoy(), keys)
                .expect("well-formed");
        let drawn = "rOprNGfwEbeRWgbNEkqOAAAAAAAAAAAAAAAAAAAAAAAA";
        let of_rfc = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let said = String::from_utf8(said).expect("text");
        assert_eq!(said, format!("r={drawn},s={SALT},i=4096"));
        challenge.nonce = of_rfc.into();
        challenge.heard_and_said = challenge.heard_and_said.replace(drawn, of_rfc).into();
        challenge
    }

    const RFC_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_exchange_of_rfc_7677_succeeds_to_the_byte() {
        let challenge = of_the_rfc();
        assert_eq!(challenge.user(), "user");
        let answer = challenge.finish(RFC_FINAL.as_bytes()).expect("proved");
        assert_eq!(answer, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn any_change_of_the_proof_the_nonce_or_the_binding_fails() {
        let challenge = of_the_rfc();
        for (from, to) in [
            ("p=dHzb", "p=dHzc"),
            ("%hvY", "%hvZ"),
            ("c=biws", "c=eSws"),
            (",p=", ",x=y,p="),
        ] {
            let message = RFC_FINAL.replacen(from, to, 1);
            assert_ne!(message, RFC_FINAL);
            assert_eq!(challenge.finish(message.as_bytes()), None, "{message}");
        }
    }

    #[test]
    fn an_unknown_user_is_challenged_alike_and_fails_at_the_end() {
        let first = |user: &str| {
            let message = format!("n,,n={user},r=abc");
            Challenge::begin(message.as_bytes(), &[0; NONCE_BYTES], &decoy(), keys)
                .expect("well-formed")
        };
        let (challenge, said) = first("nobody");
        let (_, again) = first("nobody");
        let (_, other) = first("nobody2");
        assert_eq!(said, again, "the same salt each time");
        assert_ne!(said, other);
        assert!(
            String::from_utf8(said)
                .expect("text")
                .ends_with("==,i=4096")
        );
        // Not even who knows the invented keys gets in.
        let proved = format!("{},c=biws,r={}", challenge.heard_and_said, challenge.nonce);
        let signature = hmac(&challenge.keys.stored_key, &[proved.as_bytes()]);
        let message = format!(
            "c=biws,r={},p={}",
            challenge.nonce,
            STANDARD.encode(signature)
        );
        assert_eq!(challenge.finish(message.as_bytes()), None);
    }

    #[test]
    fn nobody_is_taken_for_another() {
        let begin = |message: &str| {
            Challenge::begin(message.as_bytes(), &[0; NONCE_BYTES], &decoy(), keys).is_some()
        };
        assert!(begin("n,a=user,n=user,r=abc"));
        assert!(!begin("n,a=root,n=user,r=abc"));
    }
}

//! The keys that tokens are checked with.
//!
//! Owns keys and, for each, the algorithms that it may be used with: what a token's
//! head says chooses among these and never widens them, so that a public key is never
//! taken for a shared secret. Pure; read at start and at reloads.

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
pub use jsonwebtoken::{Algorithm, DecodingKey};
use jsonwebtoken::{AlgorithmFamily, Header};

use crate::hooks::line_error::LineError;

/// Keys of a JWKS file; a token without key identifier costs up to so many checks.
const MOST_KEYS: usize = 64;

/// A shorter secret could be found by trying, from one token (RFC 7518, section 3.2).
const LEAST_SECRET_BYTES: usize = 32;

struct Key {
    id: Option<String>,
    key: DecodingKey,
    algorithms: Vec<Algorithm>,
}

/// What one key file holds.
pub struct TokenKeys {
    keys: Vec<Key>,
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.keys.iter().map(|key| (&key.id, &key.algorithms));
        f.debug_list().entries(shown).finish()
    }
}

impl TokenKeys {
    /// A public key in PEM (RSA, P-256, P-384, Ed25519), or a shared secret: any other
    /// content, as it is but for one line end behind it.
    pub fn parse_key(file: &[u8]) -> Result<Self, LineError> {
        let text = String::from_utf8_lossy(file);
        let begin = text
            .lines()
            .position(|line| line.starts_with("-----BEGIN "));
        let (key, algorithms) = match begin {
            Some(line) => public_key(file, &text, line + 1)?,
            None => secret(file)?,
        };
        let id = None;
        Ok(Self {
            keys: vec![Key {
                id,
                key,
                algorithms,
            }],
        })
    }

    /// A JSON Web Key Set (RFC 7517). Keys that are not for signatures, or of kinds
    /// that are not known, are passed over.
    pub fn parse_set(file: &[u8]) -> Result<Self, LineError> {
        let set: JwkSet = serde_json::from_slice(file).map_err(|error| {
            LineError::new(error.line().max(1), format_args!("no JWKS: {error}"))
        })?;
        if set.keys.len() > MOST_KEYS {
            let what = format!("holds {} keys; at most {MOST_KEYS}", set.keys.len());
            return Err(LineError::new(1, what));
        }
        let mut keys = Vec::new();
        for (place, jwk) in set.keys.iter().enumerate() {
            if jwk
                .common
                .public_key_use
                .as_ref()
                .is_some_and(|it| *it != PublicKeyUse::Signature)
            {
                continue;
            }
            let algorithms = algorithms_of(jwk);
            if algorithms.is_empty() {
                continue;
            }
            let key = DecodingKey::from_jwk(jwk)
                .map_err(|error| LineError::new(1, format_args!("key {}: {error}", place + 1)))?;
            if key.family() == AlgorithmFamily::Hmac
                && key
                    .try_get_as_bytes()
                    .is_ok_and(|it| it.len() < LEAST_SECRET_BYTES)
            {
                let what = format!(
                    "key {}: a secret has {LEAST_SECRET_BYTES} bytes or more",
                    place + 1
                );
                return Err(LineError::new(1, what));
            }
            let id = jwk.common.key_id.clone();
            keys.push(Key {
                id,
                key,
                algorithms,
            });
        }
        if keys.is_empty() {
            return Err(LineError::new(
                1,
                "holds no key that signatures can be checked with",
            ));
        }
        Ok(Self { keys })
    }

    /// The keys that a token with this head may have been signed with.
    pub(super) fn candidates(&self, header: &Header) -> impl Iterator<Item = &DecodingKey> {
        let fits = |key: &&Key| {
            let named = match (&header.kid, &key.id) {
                (Some(wanted), Some(id)) => wanted == id,
                // A key file has no names; a token need not have one.
                (_, None) | (None, _) => true,
            };
            named && key.algorithms.contains(&header.alg)
        };
        self.keys.iter().filter(fits).map(|key| &key.key)
    }
}

fn public_key(
    file: &[u8],
    text: &str,
    line: usize,
) -> Result<(DecodingKey, Vec<Algorithm>), LineError> {
    if text.contains("PRIVATE KEY-----") {
        let what = "is a private key; the broker checks with the public one \
                    (openssl pkey -pubout), the private one stays where tokens are signed";
        return Err(LineError::new(line, what));
    }
    let curve = |key: DecodingKey| {
        // An uncompressed point: one byte, then two coordinates.
        let bytes = key.try_get_as_bytes().map_or(0, <[u8]>::len);
        let algorithm = match bytes {
            65 => Algorithm::ES256,
            97 => Algorithm::ES384,
            _ => return None,
        };
        Some((key, vec![algorithm]))
    };
    let rsa = || DecodingKey::from_rsa_pem(file).ok();
    let ed = || DecodingKey::from_ed_pem(file).ok();
    let ec = || DecodingKey::from_ec_pem(file).ok();
    rsa()
        .map(|key| (key, AlgorithmFamily::Rsa.algorithms().to_vec()))
        .or_else(|| ed().map(|key| (key, vec![Algorithm::EdDSA])))
        .or_else(|| ec().and_then(curve))
        .ok_or_else(|| {
            let known = "RSA, P-256, P-384 and Ed25519";
            LineError::new(
                line,
                format_args!("no public key in PEM of a known kind: {known}"),
            )
        })
}

fn secret(file: &[u8]) -> Result<(DecodingKey, Vec<Algorithm>), LineError> {
    let secret = file.strip_suffix(b"\n").unwrap_or(file);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    if secret.len() < LEAST_SECRET_BYTES {
        let what = format!(
            "neither a PEM key nor a secret of {LEAST_SECRET_BYTES} bytes or more \
             (openssl rand -base64 48 makes one)"
        );
        return Err(LineError::new(1, what));
    }
    let algorithms = AlgorithmFamily::Hmac.algorithms().to_vec();
    Ok((DecodingKey::from_secret(secret), algorithms))
}

/// By the kind of key, narrowed by its `alg`.
fn algorithms_of(jwk: &Jwk) -> Vec<Algorithm> {
    let by_kind = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms().to_vec(),
        AlgorithmParameters::OctetKey(_) => AlgorithmFamily::Hmac.algorithms().to_vec(),
        AlgorithmParameters::EllipticCurve(key) => on_curve(&key.curve),
        AlgorithmParameters::OctetKeyPair(key) => on_curve(&key.curve),
        // Kinds that a later version of the crate may know are none of ours.
        AlgorithmParameters::Other(_) | _ => Vec::new(),
    };
    let pinned = |algorithm: &Algorithm| match jwk.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::UNKNOWN_ALGORITHM) => false,
        Some(named) => named.to_string().parse() == Ok(*algorithm),
    };
    by_kind.into_iter().filter(pinned).collect()
}

fn on_curve(curve: &EllipticCurve) -> Vec<Algorithm> {
    match curve {
        EllipticCurve::P256 => vec![Algorithm::ES256],
        EllipticCurve::P384 => vec![Algorithm::ES384],
        EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
        EllipticCurve::P521 | _ => Vec::new(),
    }
}

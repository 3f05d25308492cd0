//! Signatures of tokens, by `ring`.
//!
//! Owns nothing; gives `jsonwebtoken` its arithmetic. Runs on workers. Never signs.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as BadSignature, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::{hmac, signature};

/// Makes `ring` the arithmetic of tokens in this process, unless the process has
/// chosen another already.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Somebody else's choice serves as well.
        let _ = PROVIDER.install_default();
    });
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: never_sign,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

fn never_sign(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if algorithm.family() != key.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(ByRing {
        algorithm: *algorithm,
        key: key.clone(),
    }))
}

struct ByRing {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for ByRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for ByRing {
    fn verify(&self, message: &[u8], signed: &Vec<u8>) -> Result<(), BadSignature> {
        let bad = |_| BadSignature::new();
        let bytes = || self.key.try_get_as_bytes().map_err(|_| BadSignature::new());
        let symmetric = |algorithm| {
            let key = hmac::Key::new(algorithm, bytes()?);
            hmac::verify(&key, message, signed).map_err(bad)
        };
        let curve = |algorithm: &'static dyn signature::VerificationAlgorithm| {
            let key = signature::UnparsedPublicKey::new(algorithm, bytes()?);
            key.verify(message, signed).map_err(bad)
        };
        let rsa = |algorithm: &'static signature::RsaParameters| match self.key.kind() {
            DecodingKeyKind::SecretOrDer(der) => {
                let key = signature::UnparsedPublicKey::new(algorithm, der);
                key.verify(message, signed).map_err(bad)
            }
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let key = signature::RsaPublicKeyComponents { n, e };
                key.verify(algorithm, message, signed).map_err(bad)
            }
        };
        match self.algorithm {
            Algorithm::HS256 => symmetric(hmac::HMAC_SHA256),
            Algorithm::HS384 => symmetric(hmac::HMAC_SHA384),
            Algorithm::HS512 => symmetric(hmac::HMAC_SHA512),
            Algorithm::ES256 => curve(&signature::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => curve(&signature::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => curve(&signature::ED25519),
            Algorithm::RS256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => rsa(&signature::RSA_PSS_2048_8192_SHA512),
            // What a later version of the crate may add.
            _ => Err(BadSignature::new()),
        }
    }
}

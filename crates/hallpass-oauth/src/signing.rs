//! Keys that sign JSON Web Tokens (RFC 7515): ES256, RS256 and Ed25519.
//!
//! Signatures come from `ring`, whose random source can't be supplied from outside: it takes its own
//! one alone, which asks the operating system. So the [`Entropy`](hallpass_core::Entropy) port fills
//! everything that is visible in a token (`jti`), and `ring` makes ECDSA nonces, RSA blinding and
//! fresh P-256 keys.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_core::{Diagnostic, Remedy};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use serde_json::Value;

/// A signature algorithm by its registered name (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A private key that signs tokens: the port for keys that stay elsewhere, as in a security module, or
/// that need other cryptography than `ring`'s.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The algorithm of its signatures.
    fn algorithm(&self) -> Algorithm;

    /// The signature of `message`, in the form of RFC 7518 §3 and RFC 8037 §3.1.
    ///
    /// # Errors
    ///
    /// When the key can't sign now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError>;
}

/// The compact form (RFC 7515 §7.1) of `claims` under `header`.
pub(crate) fn sign_token(
    key: &dyn Signer,
    header: &Value,
    claims: &Value,
) -> Result<String, SigningError> {
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(token)
}

/// A key in memory.
pub(crate) enum Key {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Key {
    /// Reads a PKCS#8 document and takes its algorithm from the kind of key.
    pub(crate) fn from_pkcs8(document: &[u8]) -> Option<Self> {
        Self::es256(document)
            .map(Self::Es256)
            .or_else(|| {
                Some(Self::EdDsa(
                    Ed25519KeyPair::from_pkcs8_maybe_unchecked(document).ok()?,
                ))
            })
            .or_else(|| Some(Self::Rs256(RsaKeyPair::from_pkcs8(document).ok()?)))
    }

    pub(crate) fn es256(document: &[u8]) -> Option<EcdsaKeyPair> {
        let random = SystemRandom::new();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document, &random).ok()
    }
}

impl Signer for Key {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::Es256,
            Self::Rs256(_) => Algorithm::Rs256,
            Self::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(key) => {
                let signature = key.sign(&random, message).map_err(|_| SigningError)?;
                Ok(signature.as_ref().to_vec())
            }
            Self::EdDsa(key) => Ok(key.sign(message).as_ref().to_vec()),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| SigningError)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.algorithm().as_str())
    }
}

/// The operating system gave no randomness to sign with, or a [`Signer`] did not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token could not be signed")]
pub struct SigningError;

impl Diagnostic for SigningError {
    /// Such a machine is not well.
    fn remedy(&self) -> Remedy {
        Remedy::Report
    }
}

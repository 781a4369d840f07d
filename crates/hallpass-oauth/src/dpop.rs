//! Proofs of possession (RFC 9449): each request carries a fresh signature by the key that its token
//! is bound to.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use hallpass_core::{
    AccessToken, Diagnostic, DpopKey, Entropy, Remedy, ServerMetadata, Timestamp, url_without_query,
};
use http::{HeaderValue, Method, Request};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    assertion::unique,
    signing::{Key, Signer, SigningError, sign_token},
};

/// A P-256 key that signs proofs with ES256, the one algorithm that every server of RFC 9449 has.
/// `Debug` shows its public half's thumbprint.
pub struct ProofKey {
    key: Box<dyn Signer>,
    jwk: Value,
    thumbprint: String,
}

impl ProofKey {
    /// Makes a key, in the form it is stored in. `ring` makes keys only from the operating system's
    /// randomness.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<DpopKey, SigningError> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_| SigningError)?;
        Ok(DpopKey::new(STANDARD.encode(document.as_ref())))
    }

    /// Reads a stored key.
    ///
    /// # Errors
    ///
    /// When it is not a P-256 key. The tokens bound to it are lost with it.
    pub fn open(key: &DpopKey) -> Result<Self, ProofKeyError> {
        let document = STANDARD.decode(key.expose()).map_err(|_| ProofKeyError)?;
        let document = Zeroizing::new(document);
        let key = Key::es256(&document).ok_or(ProofKeyError)?;
        // An uncompressed point: 0x04, x, y (SEC 1 §2.3.3).
        let (x, y) = match key.public_key().as_ref() {
            [4, point @ ..] if point.len() == 64 => point.split_at(32),
            _ => return Err(ProofKeyError),
        };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638 §3.2: these members, in this order, without a space.
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Ok(Self {
            thumbprint: sha256(canonical.as_bytes()),
            jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }),
            key: Box::new(Key::Es256(key)),
        })
    }

    /// Whether a server's metadata allows ES256 proofs (RFC 9449 §5.1).
    pub fn is_accepted_by(metadata: &ServerMetadata) -> bool {
        let listed = metadata.dpop_signing_alg_values_supported.as_deref();
        listed.is_none_or(|listed| listed.iter().any(|name| name == "ES256"))
    }

    /// The public half's thumbprint (RFC 7638): a token's `cnf.jkt`.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The value of the `DPoP` header for one request.
    ///
    /// # Errors
    ///
    /// When signing fails: the operating system gives no randomness.
    pub fn proof(
        &self,
        request: Proof<'_>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<HeaderValue, SigningError> {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk });
        let mut claims = json!({
            "jti": unique(entropy),
            "htm": request.method.as_str(),
            "htu": target(request.url),
            "iat": now.as_unix_seconds(),
        });
        if let Some(token) = request.access_token {
            claims["ath"] = json!(sha256(token.expose().as_bytes()));
        }
        if let Some(nonce) = request.nonce {
            claims["nonce"] = json!(nonce);
        }
        let proof = sign_token(&*self.key, &header, &claims)?;
        let mut proof = HeaderValue::from_str(&proof).map_err(|_| SigningError)?;
        proof.set_sensitive(true);
        Ok(proof)
    }

    /// Puts a fresh proof into a request to the token endpoint, which carries no token. Each try has
    /// its own: a proof is good once (RFC 9449 §11.1).
    ///
    /// # Errors
    ///
    /// When signing fails: the operating system gives no randomness.
    pub fn prove(
        &self,
        request: &mut Request<Bytes>,
        endpoint: &Url,
        nonce: Option<&str>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(), SigningError> {
        let proof = Proof {
            method: request.method(),
            url: endpoint,
            access_token: None,
            nonce,
        };
        let proof = self.proof(proof, now, entropy)?;
        request.headers_mut().insert("dpop", proof);
        Ok(())
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProofKey({})", self.thumbprint)
    }
}

/// What one proof is for (RFC 9449 §4.2). Each request needs a new one, also after a redirect and when
/// the same request is sent again.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's URL; query and fragment don't count.
    pub url: &'a Url,
    /// The token the request carries; `None` at the token endpoint.
    pub access_token: Option<&'a AccessToken>,
    /// The last nonce of that origin (RFC 9449 §8, §9).
    pub nonce: Option<&'a str>,
}

/// `htu`: the URL without query and fragment.
fn target(url: &Url) -> String {
    url_without_query(url).into()
}

fn sha256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, bytes))
}

/// A stored key that can't be read. It does not repeat the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key that the tokens are bound to is not a P-256 key")]
pub struct ProofKeyError;

impl Diagnostic for ProofKeyError {
    /// A new key needs a new grant.
    fn remedy(&self) -> Remedy {
        Remedy::SignIn
    }
}

//! `private_key_jwt`: a client that authenticates with a signature (RFC 7523 §2.2, OpenID Connect
//! Core §9).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_core::{
    ClientId, ClientSigningKey, Diagnostic, Entropy, Hint, Issuer, Remedy, Timestamp,
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::json;

use crate::signing::{Algorithm, Key, Signer, SigningError, sign_token};

/// A client's private key. `Debug` shows the algorithm alone.
#[derive(Debug)]
pub struct ClientKey {
    key: Box<dyn Signer>,
    id: Option<String>,
}

impl ClientKey {
    /// Reads a PKCS#8 key in PEM (`BEGIN PRIVATE KEY`): P-256, Ed25519, or RSA of 2048 to 4096 bits.
    /// The kind of key decides the algorithm.
    ///
    /// # Errors
    ///
    /// When there is no such key in the text.
    pub fn from_pem(pem: &str) -> Result<Self, ClientKeyError> {
        let document = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| ClientKeyError { is_pem: false })?;
        let key = Key::from_pkcs8(document.secret_pkcs8_der());
        let key = key.ok_or(ClientKeyError { is_pem: true })?;
        Ok(Self::from_signer(key))
    }

    /// A key that is elsewhere.
    pub fn from_signer(key: impl Signer + 'static) -> Self {
        Self {
            key: Box::new(key),
            id: None,
        }
    }

    /// The key that a client was configured with, read as by [`from_pem`](Self::from_pem).
    ///
    /// # Errors
    ///
    /// When there is no such key in the text.
    pub fn open(configured: &ClientSigningKey) -> Result<Self, ClientKeyError> {
        let mut key = Self::from_pem(configured.pem.expose())?;
        key.id.clone_from(&configured.id);
        Ok(key)
    }

    /// Names the key (`kid`, RFC 7515 §4.1.4) for a server that knows several.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The algorithm it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// A fresh assertion that `client` is itself, for [`ClientAuthentication::assertion`] and one
    /// request: it is good for a minute, and its `jti` is never repeated.
    ///
    /// The audience is the issuer (draft-ietf-oauth-rfc7523bis §4): an assertion for an endpoint's
    /// URL could be used at another server.
    ///
    /// [`ClientAuthentication::assertion`]: crate::ClientAuthentication::assertion
    ///
    /// # Errors
    ///
    /// When signing fails: the operating system gives no randomness.
    pub fn assertion(
        &self,
        client: &ClientId,
        audience: &Issuer,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<String, SigningError> {
        let mut header = json!({ "typ": "JWT", "alg": self.algorithm().as_str() });
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let issued = now.as_unix_seconds();
        let claims = json!({
            "iss": client.as_str(),
            "sub": client.as_str(),
            "aud": audience.as_str(),
            "iat": issued,
            "exp": issued.saturating_add(LIFETIME),
            "jti": unique(entropy),
        });
        sign_token(&*self.key, &header, &claims)
    }
}

/// Seconds that an assertion is valid: a request takes one, clocks differ by some.
const LIFETIME: i64 = 60;

/// 128 bits, as a `jti`.
pub(crate) fn unique(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A text without a usable key. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}",
    if *.is_pem {
        "the private key is neither P-256 nor Ed25519 nor RSA of 2048 to 4096 bits"
    } else {
        "there is no `BEGIN PRIVATE KEY` block in the client's key"
    }
)]
pub struct ClientKeyError {
    is_pem: bool,
}

impl Diagnostic for ClientKeyError {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }

    fn hints(&self) -> Vec<Hint> {
        vec![Hint::text(
            "`openssl pkcs8 -topk8 -nocrypt -in key.pem` writes a key in this form",
        )]
    }
}

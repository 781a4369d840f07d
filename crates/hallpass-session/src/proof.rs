//! What authorises a request to the resource: the token, and a proof of possession for one that is
//! bound to a key (RFC 9449 §7).

use std::{
    error::Error,
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

use hallpass_core::{AuthScheme, Clock, DpopKey, Entropy, Remedy};
use hallpass_oauth::{Proof, ProofKey, dpop_nonce};
use http::{HeaderMap, HeaderName, Method, header::AUTHORIZATION};
use url::Url;

use crate::{shared::Shared, token::Token};

/// The header that carries a proof.
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The key of a token, opened when it first signs.
#[derive(Debug, Default)]
pub(crate) struct OpenedKey(OnceLock<Option<ProofKey>>);

impl OpenedKey {
    fn get(&self, kept: Option<&DpopKey>) -> Option<&ProofKey> {
        self.0.get_or_init(|| ProofKey::open(kept?).ok()).as_ref()
    }
}

/// The resource's last nonce (RFC 9449 §9). The token endpoint's is another one, and kept apart.
#[derive(Debug, Default)]
pub(crate) struct ResourceNonce(Mutex<Option<String>>);

impl ResourceNonce {
    fn get(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn put(&self, nonce: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
    }
}

impl Shared {
    pub(crate) fn authorize(
        &self,
        token: &Token,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
    ) -> Result<(), ProofError> {
        headers.remove(DPOP);
        if token.scheme() == AuthScheme::Dpop {
            let proof = sign(self, token, method, url)?;
            headers.insert(DPOP, proof);
        }
        headers.insert(AUTHORIZATION, token.authorization().clone());
        Ok(())
    }

    pub(crate) fn record_response(&self, token: &Token, headers: &HeaderMap) {
        if token.scheme() == AuthScheme::Dpop
            && let Some(nonce) = dpop_nonce(headers)
        {
            self.resource_nonce.put(nonce);
        }
    }
}

fn sign(
    shared: &Shared,
    token: &Token,
    method: &Method,
    url: &Url,
) -> Result<http::HeaderValue, ProofError> {
    let Some(key) = token.opened_key().get(token.dpop_key()) else {
        return Err(ProofError { source: None });
    };
    let nonce = shared.resource_nonce.get();
    let of = Proof {
        method,
        url,
        access_token: Some(token.access_token()),
        nonce: nonce.as_deref(),
    };
    let (clock, entropy): (&dyn Clock, &dyn Entropy) = (&*shared.clock, &*shared.entropy);
    key.proof(of, clock.now(), entropy)
        .map_err(|error| ProofError {
            source: Some(Box::new(error)),
        })
}

/// No proof of possession could be made for a token that is bound to a key.
#[derive(Debug)]
pub struct ProofError {
    /// `None`: the key is not there, or is no key.
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ProofError {
    /// What to do about it: a lost key needs a new grant.
    pub fn remedy(&self) -> Remedy {
        match self.source {
            Some(_) => Remedy::Retry,
            None => Remedy::SignIn,
        }
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Some(_) => "the proof of possession for a request could not be signed",
            None => "the key that the token is bound to is lost",
        })
    }
}

impl Error for ProofError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

//! The headers that authorize a request to the resource: the token, and a proof of possession for a
//! token that is bound to a key (RFC 9449 §7).

use std::{
    error::Error,
    fmt,
    sync::{Mutex, PoisonError},
};

use hallpass_core::{AuthScheme, Remedy};
use hallpass_oauth::{Proof, dpop_nonce};
use http::{HeaderMap, HeaderName, Method, header::AUTHORIZATION};
use url::Url;

use crate::{context::Context, token::Token};

/// The header that carries a proof.
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The resource's last nonce (RFC 9449 §9). The token endpoint has its own.
#[derive(Debug, Default)]
pub(crate) struct ResourceNonce(Mutex<Option<String>>);

impl ResourceNonce {
    fn get(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Keeps the nonce of a response to a request with a bound token.
    pub(crate) fn update(&self, token: &Token, headers: &HeaderMap) {
        if token.scheme() == AuthScheme::Dpop
            && let Some(nonce) = dpop_nonce(headers)
        {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
        }
    }
}

/// Sets the `Authorization` header, and for a bound token the `DPoP` header.
pub(crate) fn authorize(
    context: &Context,
    resource_nonce: &ResourceNonce,
    token: &Token,
    method: &Method,
    url: &Url,
    headers: &mut HeaderMap,
) -> Result<(), ProofError> {
    headers.remove(DPOP);
    if token.scheme() == AuthScheme::Dpop {
        let key = token.proof_key().ok_or(ProofError { source: None })?;
        let nonce = resource_nonce.get();
        let claims = Proof {
            method,
            url,
            access_token: Some(token.access_token()),
            nonce: nonce.as_deref(),
        };
        let proof = key.proof(claims, context.now(), &*context.ports.entropy);
        let proof = proof.map_err(|error| ProofError {
            source: Some(Box::new(error)),
        })?;
        headers.insert(DPOP, proof);
    }
    headers.insert(AUTHORIZATION, token.authorization().clone());
    Ok(())
}

/// A proof of possession for a bound token could not be signed.
#[derive(Debug)]
pub struct ProofError {
    /// `None`: the key is missing or invalid.
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

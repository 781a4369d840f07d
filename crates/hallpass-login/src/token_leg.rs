//! One request to the token endpoint: with a proof where tokens are to be bound to a key, repeated
//! where the server says that it has not looked at it.

use std::time::Duration;

use bytes::Bytes;
use hallpass_core::{AuthScheme, DpopKey, DpopSetting, HttpError, Remedy, http::ExchangePolicy};
use hallpass_oauth::{Proof, ProofKey, SigningError, TokenError, TokenErrorClass, TokenResponse};
use http::Request;
use url::Url;

use crate::{LoginError, LoginErrorKind, login::Login};

/// How often a request is repeated that the server did not process.
const MOST_REPEATS: u32 = 2;
/// The longest wait between two of them: a person looks at a browser meanwhile, and codes are
/// short-lived.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The key that tokens will be bound to, as it is kept and as it signs.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) kept: DpopKey,
    pub(crate) key: ProofKey,
}

/// Why no tokens came.
#[derive(Debug)]
pub(crate) enum NoTokens {
    Http(HttpError),
    Token(TokenError),
    Signing(SigningError),
}

impl Login<'_> {
    /// A fresh key, where the resource takes nothing but bound tokens: on a `DPoP` challenge without
    /// a bearer one beside it (RFC 9449 §7.1), where the resource's metadata or a setting says so,
    /// and where the grant before was bound.
    pub(crate) fn binding(&self) -> Result<Option<Binding>, LoginError> {
        let demanded = self.ask.settings.dpop == DpopSetting::Always
            || self.discovered.demands_bound_tokens(self.ask.challenges)
            || self
                .record_before()
                .and_then(|record| record.grant.as_ref())
                .is_some_and(|grant| grant.scheme == AuthScheme::Dpop);
        if !demanded {
            return Ok(None);
        }
        let metadata = &self.discovered.server;
        if !ProofKey::is_accepted_by(metadata) {
            let what = format!(
                "{} takes no DPoP proofs that are signed with ES256",
                metadata.issuer
            );
            return Err(LoginError::new(
                LoginErrorKind::Request,
                Remedy::Report,
                what,
            ));
        }
        let failed = || {
            let what = "no key for DPoP proofs could be made";
            LoginError::new(LoginErrorKind::Request, Remedy::Retry, what)
        };
        let kept = ProofKey::generate().map_err(|error| failed().with_source(error))?;
        let key = ProofKey::open(&kept).map_err(|error| failed().with_source(error))?;
        Ok(Some(Binding { kept, key }))
    }

    /// Sends what `build` makes and reads the tokens. It is made anew for each try.
    pub(crate) async fn tokens(
        &self,
        endpoint: &Url,
        build: impl Fn() -> Result<Request<Bytes>, SigningError>,
        binding: Option<&Binding>,
    ) -> Result<TokenResponse, NoTokens> {
        let mut nonce: Option<String> = None;
        let mut repeats = 0;
        loop {
            let mut request = build().map_err(NoTokens::Signing)?;
            if let Some(binding) = binding {
                let method = request.method().clone();
                let of = Proof {
                    method: &method,
                    url: endpoint,
                    access_token: None,
                    nonce: nonce.as_deref(),
                };
                // Every try has its own: a proof is good once (RFC 9449 §11.1).
                let proof = binding
                    .key
                    .proof(of, self.host.clock.now(), &*self.host.entropy)
                    .map_err(NoTokens::Signing)?;
                request.headers_mut().insert("dpop", proof);
            }
            let policy = ExchangePolicy::authorization_server();
            let answer = self.host.http.fetch(request, policy).await;
            let answer = answer.map_err(NoTokens::Http)?;
            let tokens = TokenResponse::from_http(&answer).and_then(|tokens| match binding {
                Some(_) => tokens.must_be_dpop(),
                None => Ok(tokens),
            });
            let error = match tokens {
                Ok(tokens) => return Ok(tokens),
                Err(error) => error,
            };
            if error.code() == Some("use_dpop_nonce") && binding.is_some() && nonce.is_none() {
                // RFC 9449 §8: the same request, once, with the nonce in a new proof.
                nonce = error.dpop_nonce().map(str::to_owned);
                if nonce.is_some() {
                    continue;
                }
            }
            if error.class() != TokenErrorClass::NotProcessed || repeats == MOST_REPEATS {
                return Err(NoTokens::Token(error));
            }
            repeats += 1;
            let wait = match error.retry_after() {
                Some(after) => after.wait(self.host.clock.now()),
                None => Duration::from_secs(1),
            };
            if wait > LONGEST_WAIT {
                return Err(NoTokens::Token(error));
            }
            self.host.clock.sleep(wait).await;
        }
    }
}

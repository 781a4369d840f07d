//! One request to the token endpoint: with a proof where tokens are to be bound to a key, repeated
//! where the server says that it has not looked at it.

use bytes::Bytes;
use hallpass_core::{AuthScheme, DpopKey, DpopSetting, HttpError, Remedy, http::RequestOptions};
use hallpass_oauth::{ProofKey, SigningError, TokenError, TokenResponse};
use http::Request;
use url::Url;

use crate::{LoginError, LoginErrorKind, login::Login};

/// The key that tokens will be bound to, as it is kept and as it signs.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) kept: DpopKey,
    pub(crate) key: ProofKey,
}

/// Why no tokens came.
#[derive(Debug)]
pub(crate) enum TokenRequestError {
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
    ) -> Result<TokenResponse, TokenRequestError> {
        let asked = match binding {
            Some(_) => AuthScheme::Dpop,
            None => AuthScheme::Bearer,
        };
        let mut nonce: Option<String> = None;
        let mut repeats = 0;
        loop {
            let mut request = build().map_err(TokenRequestError::Signing)?;
            if let Some(Binding { key, .. }) = binding {
                let (now, entropy) = (self.host.clock.now(), &*self.host.entropy);
                key.prove(&mut request, endpoint, nonce.as_deref(), now, entropy)
                    .map_err(TokenRequestError::Signing)?;
            }
            let policy = RequestOptions::authorization_server(&self.ask.key.server);
            let answer = self.host.http.fetch(request, policy).await;
            let answer = answer.map_err(TokenRequestError::Http)?;
            let error = match TokenResponse::from_http(&answer, asked) {
                Ok(tokens) => return Ok(tokens),
                Err(error) => error,
            };
            if binding.is_some()
                && nonce.is_none()
                && let Some(wanted) = error.dpop_nonce_challenge()
            {
                nonce = Some(wanted.to_owned());
                continue;
            }
            let Some(wait) = error.retry_delay(repeats, self.host.clock.now()) else {
                return Err(TokenRequestError::Token(error));
            };
            repeats += 1;
            self.host.clock.sleep(wait).await;
        }
    }
}

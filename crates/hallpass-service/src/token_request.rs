//! One request to a token endpoint, built anew for each try: with a proof where tokens are to be
//! bound to a key, repeated where the server says that it has not looked at it.

use bytes::Bytes;
use hallpass_core::{AuthScheme, HttpError, Remedy, ServerUrl, http::RequestOptions};
use hallpass_oauth::{SigningError, TokenError, TokenResponse};
use http::{Request, Response};
use url::Url;

use crate::{ServiceError, ServiceErrorKind, ServiceLogin, binding::Binding};

/// Why no tokens came.
#[derive(Debug)]
pub(crate) enum TokenRequestError {
    Request(ServiceError),
    Http(HttpError),
    Token(TokenError),
    Signing(SigningError),
}

impl TokenRequestError {
    pub(crate) fn into_error(self, kind: ServiceErrorKind, what: String) -> ServiceError {
        match self {
            Self::Request(error) => error,
            Self::Http(error) => ServiceError::new(ServiceErrorKind::Network, error.remedy(), what)
                .with_source(error),
            Self::Token(error) => {
                // Nobody can sign in here: what a person would sign in for is a matter of
                // configuration.
                let remedy = match error.remedy() {
                    Remedy::SignIn => Remedy::Configure,
                    remedy => remedy,
                };
                let hint = error.hint();
                ServiceError::new(kind, remedy, what)
                    .with_hint(hint)
                    .with_source(error)
            }
            Self::Signing(error) => {
                let what = "the proof for the token request could not be signed";
                ServiceError::new(ServiceErrorKind::Request, Remedy::Retry, what).with_source(error)
            }
        }
    }
}

impl ServiceLogin {
    /// Sends what `build` makes for a sign-in to `server`, and reads the tokens.
    pub(crate) async fn tokens(
        &self,
        server: &ServerUrl,
        endpoint: &Url,
        build: impl Fn() -> Result<Request<Bytes>, ServiceError>,
        binding: Option<&Binding>,
    ) -> Result<TokenResponse, TokenRequestError> {
        let asked = match binding {
            Some(_) => AuthScheme::Dpop,
            None => AuthScheme::Bearer,
        };
        let mut nonce: Option<String> = None;
        loop {
            let proven = || {
                let mut request = build().map_err(TokenRequestError::Request)?;
                if let Some(Binding { key, .. }) = binding {
                    let (now, entropy) = (self.clock.now(), &*self.entropy);
                    key.prove(&mut request, endpoint, nonce.as_deref(), now, entropy)
                        .map_err(TokenRequestError::Signing)?;
                }
                Ok(request)
            };
            let answer = self.answer(server, proven).await?;
            let error = match TokenResponse::from_http(&answer, asked) {
                Ok(tokens) => return Ok(tokens),
                Err(error) => error,
            };
            match error.dpop_nonce_challenge() {
                Some(wanted) if binding.is_some() && nonce.is_none() => {
                    nonce = Some(wanted.to_owned());
                }
                _ => return Err(TokenRequestError::Token(error)),
            }
        }
    }

    /// Sends what `build` makes, again after a while where the server has not processed it.
    pub(crate) async fn answer(
        &self,
        server: &ServerUrl,
        build: impl Fn() -> Result<Request<Bytes>, TokenRequestError>,
    ) -> Result<Response<Bytes>, TokenRequestError> {
        let mut repeats = 0;
        loop {
            let policy = RequestOptions::authorization_server(server);
            let answer = self.http.fetch(build()?, policy).await;
            let answer = answer.map_err(TokenRequestError::Http)?;
            // Only whether it is to be sent again: whoever asked reads the answer.
            let Err(error) = TokenResponse::from_http(&answer, AuthScheme::Bearer) else {
                return Ok(answer);
            };
            let Some(wait) = error.retry_delay(repeats, self.clock.now()) else {
                return Ok(answer);
            };
            repeats += 1;
            tracing::debug!("the token endpoint is not ready");
            self.clock.sleep(wait).await;
        }
    }
}

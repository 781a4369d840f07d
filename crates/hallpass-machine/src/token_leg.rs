//! One request to a token endpoint, built anew for each try: with a proof where tokens are to be
//! bound to a key, repeated where the server says that it has not looked at it.

use bytes::Bytes;
use hallpass_core::{AuthScheme, HttpError, Remedy, ServerUrl, http::ExchangePolicy};
use hallpass_oauth::{SigningError, TokenError, TokenResponse};
use http::{Request, Response};
use url::Url;

use crate::{MachineError, MachineErrorKind, MachineLogin, binding::Binding};

/// Why no tokens came.
#[derive(Debug)]
pub(crate) enum NoTokens {
    Request(MachineError),
    Http(HttpError),
    Token(TokenError),
    Signing(SigningError),
}

impl NoTokens {
    pub(crate) fn into_error(self, kind: MachineErrorKind, what: String) -> MachineError {
        match self {
            Self::Request(error) => error,
            Self::Http(error) => MachineError::new(MachineErrorKind::Network, error.remedy(), what)
                .with_source(error),
            Self::Token(error) => {
                // Nobody can sign in here: what a person would sign in for is a matter of
                // configuration.
                let remedy = match error.remedy() {
                    Remedy::SignIn => Remedy::Configure,
                    remedy => remedy,
                };
                let hint = error.hint();
                MachineError::new(kind, remedy, what)
                    .with_hint(hint)
                    .with_source(error)
            }
            Self::Signing(error) => {
                let what = "the proof for the token request could not be signed";
                MachineError::new(MachineErrorKind::Request, Remedy::Retry, what).with_source(error)
            }
        }
    }
}

impl MachineLogin {
    /// Sends what `build` makes for a sign-in to `server`, and reads the tokens.
    pub(crate) async fn tokens(
        &self,
        server: &ServerUrl,
        endpoint: &Url,
        build: impl Fn() -> Result<Request<Bytes>, MachineError>,
        binding: Option<&Binding>,
    ) -> Result<TokenResponse, NoTokens> {
        let asked = match binding {
            Some(_) => AuthScheme::Dpop,
            None => AuthScheme::Bearer,
        };
        let mut nonce: Option<String> = None;
        loop {
            let proven = || {
                let mut request = build().map_err(NoTokens::Request)?;
                if let Some(Binding { key, .. }) = binding {
                    let (now, entropy) = (self.clock.now(), &*self.entropy);
                    key.prove(&mut request, endpoint, nonce.as_deref(), now, entropy)
                        .map_err(NoTokens::Signing)?;
                }
                Ok(request)
            };
            let answer = self.answer(server, proven).await?;
            let error = match TokenResponse::from_http(&answer, asked) {
                Ok(tokens) => return Ok(tokens),
                Err(error) => error,
            };
            match error.wanted_nonce() {
                Some(wanted) if binding.is_some() && nonce.is_none() => {
                    nonce = Some(wanted.to_owned());
                }
                _ => return Err(NoTokens::Token(error)),
            }
        }
    }

    /// Sends what `build` makes, again after a while where the server has not processed it.
    pub(crate) async fn answer(
        &self,
        server: &ServerUrl,
        build: impl Fn() -> Result<Request<Bytes>, NoTokens>,
    ) -> Result<Response<Bytes>, NoTokens> {
        let mut repeats = 0;
        loop {
            let policy = ExchangePolicy::authorization_server(server);
            let answer = self.http.fetch(build()?, policy).await;
            let answer = answer.map_err(NoTokens::Http)?;
            // Only whether it is to be sent again: whoever asked reads the answer.
            let Err(error) = TokenResponse::from_http(&answer, AuthScheme::Bearer) else {
                return Ok(answer);
            };
            let Some(wait) = error.repeat_after(repeats, self.clock.now()) else {
                return Ok(answer);
            };
            repeats += 1;
            tracing::debug!("the token endpoint is not ready");
            self.clock.sleep(wait).await;
        }
    }
}

//! One request to a token endpoint, built anew for each try: with a proof where tokens are to be
//! bound to a key, repeated where the server says that it has not looked at it.

use std::time::Duration;

use bytes::Bytes;
use hallpass_core::{HttpError, Remedy, http::ExchangePolicy};
use hallpass_oauth::{Proof, SigningError, TokenError, TokenErrorClass, TokenResponse};
use http::{HeaderName, Request, Response};
use url::Url;

use crate::{MachineError, MachineErrorKind, MachineLogin, binding::Binding};

/// How often a request is repeated that the server did not process.
const MOST_REPEATS: u32 = 2;
/// The longest wait between two of them: whoever waits for the token waits for this.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

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
    /// Sends what `build` makes and reads the tokens.
    pub(crate) async fn tokens(
        &self,
        endpoint: &Url,
        build: impl Fn() -> Result<Request<Bytes>, MachineError>,
        binding: Option<&Binding>,
    ) -> Result<TokenResponse, NoTokens> {
        let mut nonce: Option<String> = None;
        loop {
            let proven = || {
                let mut request = build().map_err(NoTokens::Request)?;
                if let Some(binding) = binding {
                    self.prove(endpoint, &mut request, binding, nonce.as_deref())?;
                }
                Ok(request)
            };
            let answer = self.answer(proven).await?;
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
            return Err(NoTokens::Token(error));
        }
    }

    /// Sends what `build` makes, again after a while where the server has not processed it.
    pub(crate) async fn answer(
        &self,
        build: impl Fn() -> Result<Request<Bytes>, NoTokens>,
    ) -> Result<Response<Bytes>, NoTokens> {
        let mut repeats = 0;
        loop {
            let policy = ExchangePolicy::authorization_server();
            let answer = self.http.fetch(build()?, policy).await;
            let answer = answer.map_err(NoTokens::Http)?;
            let Err(error) = TokenResponse::from_http(&answer) else {
                return Ok(answer);
            };
            if error.class() != TokenErrorClass::NotProcessed || repeats == MOST_REPEATS {
                return Ok(answer);
            }
            repeats += 1;
            let wait = match error.retry_after() {
                Some(after) => after.wait(self.clock.now()),
                None => Duration::from_secs(1),
            };
            if wait > LONGEST_WAIT {
                return Ok(answer);
            }
            tracing::debug!("the token endpoint is not ready");
            self.clock.sleep(wait).await;
        }
    }

    /// Puts a fresh proof into a request: one is good once (RFC 9449 §11.1).
    fn prove(
        &self,
        endpoint: &Url,
        request: &mut Request<Bytes>,
        binding: &Binding,
        nonce: Option<&str>,
    ) -> Result<(), NoTokens> {
        let of = Proof {
            method: request.method(),
            url: endpoint,
            access_token: None,
            nonce,
        };
        let proof = binding
            .key
            .proof(of, self.clock.now(), &*self.entropy)
            .map_err(NoTokens::Signing)?;
        request
            .headers_mut()
            .insert(HeaderName::from_static("dpop"), proof);
        Ok(())
    }
}

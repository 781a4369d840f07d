//! The refresh request itself, with a proof of possession where the grant has a key (RFC 9449 §5).

use hallpass_core::{
    Grant, Issuer, Record, Registration, Timestamp, TokenEndpointAuthMethod, record::SignInCause,
};
use hallpass_oauth::{TokenRequest, TokenResponse};
use url::Url;

use crate::{
    backoff::Backoff,
    counters::AtomicCounters,
    error::SignInNeed,
    grant_status,
    refresh_engine::RefreshEngine,
    refresh_outcome::RefreshOutcome,
    token_client::{DpopSigner, Endpoint, OAuthClient, Retry, TokenRequestError},
};

/// A refresh request that is ready to be sent.
pub(super) struct Prepared<'a> {
    grant: TokenRequest,
    endpoint: &'a Url,
    issuer: &'a Issuer,
    registration: Registration,
    dpop: Option<DpopSigner>,
}

/// The refresh request, or why a sign-in is needed instead.
pub(super) fn prepare<'a>(
    engine: &RefreshEngine,
    record: &'a Record,
    grant: &Grant,
    now: Timestamp,
) -> Result<Prepared<'a>, SignInNeed> {
    let context = &engine.context;
    let mut request =
        TokenRequest::refresh(grant).ok_or(SignInNeed::Ended(SignInCause::NoRefreshToken))?;
    if context.settings.refresh_scope {
        request = request.with_scopes_of(grant);
    }
    let endpoint = record.metadata.token_endpoint.as_ref();
    let endpoint = endpoint.ok_or(SignInNeed::NoTokenEndpoint)?;
    let registration =
        grant_status::registration(record, &context.settings).ok_or(SignInNeed::NoClient)?;
    if grant_status::secret_has_expired(&registration, now) {
        return Err(SignInNeed::SecretExpired);
    }
    if registration.auth_method == TokenEndpointAuthMethod::PrivateKeyJwt
        && context.client_key.is_none()
    {
        return Err(SignInNeed::SettingChanged("client".to_owned()));
    }
    // The server accepts the refresh token only with its key.
    let dpop = match &grant.dpop_key {
        Some(key) => {
            let signer = DpopSigner::open(key).ok_or(SignInNeed::DpopKeyUnreadable)?;
            Some(signer.with_nonce(engine.dpop_nonce().clone()))
        }
        None => None,
    };
    Ok(Prepared {
        grant: request,
        endpoint,
        issuer: &record.issuer,
        registration,
        dpop,
    })
}

impl Prepared<'_> {
    pub(super) fn endpoint(&self) -> &Url {
        self.endpoint
    }
}

/// Posts the refresh token. It is posted once more when the server asks for its nonce in the proof: the
/// server has not processed the refresh token then (RFC 9449 §8).
pub(super) async fn post(engine: &RefreshEngine, prepared: Prepared<'_>) -> RefreshOutcome {
    let context = &engine.context;
    let key = context.client_key.as_deref();
    let endpoint = Endpoint {
        url: prepared.endpoint,
        client: OAuthClient::new(&prepared.registration).with_key(key, prepared.issuer),
        dpop: prepared.dpop.as_ref(),
        retry: Retry::Never,
    };
    let client = context.token_client();
    let result = client.request_token(&endpoint, &prepared.grant).await;
    record_post(&context.counters, &context.backoff, &result);
    if let Some(nonce) = prepared.dpop.as_ref().and_then(DpopSigner::nonce) {
        *engine.dpop_nonce() = Some(nonce);
    }
    RefreshOutcome::from_result(result, &context.key, context.now())
}

/// Records that the refresh was posted. A request that could not be signed was not sent.
fn record_post(
    counters: &AtomicCounters,
    backoff: &Backoff,
    result: &Result<TokenResponse, TokenRequestError>,
) {
    if !matches!(result, Err(TokenRequestError::Signing(_))) {
        counters.posted.increment();
        backoff.record_post();
    }
}

#[cfg(test)]
mod tests {
    use hallpass_core::{HttpError, http::HttpErrorKind, http::RequestTarget};
    use hallpass_oauth::SigningError;

    use super::*;

    #[test]
    fn request_that_could_not_be_signed_is_not_recorded_as_posted() {
        let (counters, backoff) = (AtomicCounters::default(), Backoff::default());
        backoff.retry_refused();
        record_post(&counters, &backoff, &Err(SigningError.into()));
        assert_eq!(counters.snapshot().posted, 0);
        assert!(backoff.retries_refused());

        let url = Url::parse("https://as.example.com/token").unwrap();
        let target = RequestTarget::AuthorizationServer;
        let lost = HttpError::new(HttpErrorKind::Interrupted, target, &url);
        record_post(&counters, &backoff, &Err(lost.into()));
        assert_eq!(counters.snapshot().posted, 1);
        assert!(!backoff.retries_refused());
    }
}

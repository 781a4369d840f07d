//! The refresh request itself, with a proof of possession where the grant has a key (RFC 9449 §5).

use hallpass_core::{
    Grant, Issuer, Record, Registration, Timestamp, TokenEndpointAuthMethod, record::SignInCause,
};
use hallpass_oauth::TokenRequest;
use url::Url;

use crate::{
    error::SignInNeed,
    grant_status,
    refresh_engine::RefreshEngine,
    refresh_outcome::RefreshOutcome,
    token_client::{DpopSigner, Endpoint, OAuthClient, Retry},
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
    let ended = || SignInNeed::Ended(SignInCause::NoRefreshToken);
    let request = TokenRequest::refresh(grant).ok_or_else(ended)?;
    let endpoint = record.metadata.token_endpoint.as_ref().ok_or_else(ended)?;
    let registration = grant_status::registration(record, &context.settings).ok_or_else(ended)?;
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
            let signer = DpopSigner::open(key).ok_or_else(ended)?;
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
    context.counters.posted.increment();
    let client = context.token_client();
    let result = client.request_token(&endpoint, &prepared.grant).await;
    if let Some(nonce) = prepared.dpop.as_ref().and_then(DpopSigner::nonce) {
        *engine.dpop_nonce() = Some(nonce);
    }
    RefreshOutcome::from_result(result, &context.key, context.now())
}

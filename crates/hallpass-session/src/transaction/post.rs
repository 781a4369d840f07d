//! The refresh request itself, with a proof of possession where the grant has a key (RFC 9449 §5).

use bytes::Bytes;
use hallpass_core::{
    AuthScheme, Grant, Issuer, Record, Registration, Timestamp, TokenEndpointAuthMethod,
    http::RequestOptions, record::SignInCause,
};
use hallpass_oauth::{ProofKey, TokenRequest};
use http::Request;
use url::Url;

use crate::{
    error::SignInNeed, grant_status, refresh_engine::RefreshEngine, refresh_outcome::RefreshOutcome,
};

/// A refresh request that is ready to be sent.
pub(super) struct Prepared<'a> {
    grant: TokenRequest,
    endpoint: &'a Url,
    issuer: &'a Issuer,
    registration: Registration,
    key: Option<ProofKey>,
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
    let key = grant
        .dpop_key
        .as_ref()
        .map(ProofKey::open)
        .transpose()
        .map_err(|_| ended())?;
    Ok(Prepared {
        grant: request,
        endpoint,
        issuer: &record.issuer,
        registration,
        key,
    })
}

impl Prepared<'_> {
    pub(super) fn endpoint(&self) -> &Url {
        self.endpoint
    }

    /// The type of token that the request asks for.
    fn scheme(&self) -> AuthScheme {
        match self.key {
            Some(_) => AuthScheme::Dpop,
            None => AuthScheme::Bearer,
        }
    }

    /// The request, with its own client assertion: a server accepts an assertion once.
    fn request(&self, engine: &RefreshEngine) -> Request<Bytes> {
        let client = engine.context.authenticate(&self.registration, self.issuer);
        self.grant.clone().into_http(self.endpoint, &client)
    }
}

/// Posts, and posts once more when the server asks for its nonce in the proof: it has not processed
/// the refresh token then (RFC 9449 §8).
pub(super) async fn post(engine: &RefreshEngine, prepared: Prepared<'_>) -> RefreshOutcome {
    let context = &engine.context;
    let mut is_nonce_retry = false;
    loop {
        let mut request = prepared.request(engine);
        if let Some(key) = &prepared.key {
            sign(engine, key, prepared.endpoint, &mut request);
        }
        context.counters.posted.increment();
        let policy = RequestOptions::authorization_server(&context.key.server);
        let result = context.http.fetch(request, policy).await;
        let outcome =
            RefreshOutcome::from_result(result, prepared.scheme(), &context.key, context.now());
        if prepared.key.is_none() {
            return outcome;
        }
        if let Some(nonce) = outcome.dpop_nonce() {
            *engine.dpop_nonce() = Some(nonce.to_owned());
        }
        if is_nonce_retry || !outcome.is_nonce_challenge() {
            return outcome;
        }
        is_nonce_retry = true;
    }
}

/// Puts a fresh proof into `request`.
fn sign(engine: &RefreshEngine, key: &ProofKey, endpoint: &Url, request: &mut Request<Bytes>) {
    let context = &engine.context;
    let nonce = engine.dpop_nonce().clone();
    let (now, entropy) = (context.now(), &*context.entropy);
    if let Err(error) = key.prove(request, endpoint, nonce.as_deref(), now, entropy) {
        // The server will refuse the request and say why.
        tracing::warn!(%error, "could not sign a proof of possession");
    }
}

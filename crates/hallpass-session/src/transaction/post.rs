//! The refresh request itself, with a proof of possession where the grant has a key (RFC 9449 §5).

use bytes::Bytes;
use hallpass_core::{
    AuthScheme, Grant, Issuer, Record, Registration, Timestamp, TokenEndpointAuthMethod,
    http::RequestOptions, record::SignInCause,
};
use hallpass_oauth::{ProofKey, TokenRequest};
use http::Request;
use url::Url;

use crate::{error::SignInNeed, grant_status, refresh_outcome::RefreshOutcome, shared::Shared};

/// A refresh request that is ready to be sent.
pub(super) struct Prepared<'a> {
    grant: TokenRequest,
    endpoint: &'a Url,
    issuer: &'a Issuer,
    registration: Registration,
    key: Option<ProofKey>,
}

/// The refresh request, or why there can't be one.
pub(super) fn prepare<'a>(
    shared: &Shared,
    record: &'a Record,
    grant: &Grant,
    now: Timestamp,
) -> Result<Prepared<'a>, SignInNeed> {
    let ended = || SignInNeed::Ended(SignInCause::NoRefreshToken);
    let request = TokenRequest::refresh(grant).ok_or_else(ended)?;
    let endpoint = record.metadata.token_endpoint.as_ref().ok_or_else(ended)?;
    let registration = grant_status::registration(record, &shared.settings).ok_or_else(ended)?;
    if grant_status::secret_has_expired(&registration, now) {
        return Err(SignInNeed::SecretExpired);
    }
    if registration.auth_method == TokenEndpointAuthMethod::PrivateKeyJwt
        && shared.client_key.is_none()
    {
        return Err(SignInNeed::SettingChanged("client".to_owned()));
    }
    // Without the key the refresh token is worth nothing.
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

    /// The request, with a client's assertion of its own: a signed one is good once.
    fn request(&self, shared: &Shared) -> Request<Bytes> {
        let client = shared.authenticate(&self.registration, self.issuer);
        self.grant.clone().into_http(self.endpoint, &client)
    }
}

/// Posts, and posts once more when the server asks for its nonce in the proof: it has not looked at
/// the refresh token then (RFC 9449 §8).
pub(super) async fn post(shared: &Shared, prepared: Prepared<'_>) -> RefreshOutcome {
    let mut is_nonce_retry = false;
    loop {
        let mut request = prepared.request(shared);
        if let Some(key) = &prepared.key {
            sign(shared, key, prepared.endpoint, &mut request);
        }
        shared.counters.posted.increment();
        let policy = RequestOptions::authorization_server(&shared.key.server);
        let result = shared.http.fetch(request, policy).await;
        let outcome =
            RefreshOutcome::from_result(result, prepared.scheme(), &shared.key, shared.now());
        if prepared.key.is_none() {
            return outcome;
        }
        if let Some(nonce) = outcome.dpop_nonce() {
            shared.memory().dpop_nonce = Some(nonce.to_owned());
        }
        if is_nonce_retry || !outcome.is_nonce_challenge() {
            return outcome;
        }
        is_nonce_retry = true;
    }
}

/// Puts a fresh proof into `request`.
fn sign(shared: &Shared, key: &ProofKey, endpoint: &Url, request: &mut Request<Bytes>) {
    let nonce = shared.memory().dpop_nonce.clone();
    let (now, entropy) = (shared.now(), &*shared.entropy);
    if let Err(error) = key.prove(request, endpoint, nonce.as_deref(), now, entropy) {
        // The server will refuse the request and say why.
        tracing::warn!(%error, "a proof of possession could not be signed");
    }
}

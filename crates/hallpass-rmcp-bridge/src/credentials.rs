//! From a record to rmcp's stored credentials, and back.
//!
//! rmcp's token answer is a type of the crate `oauth2`, which reads and writes it as the JSON of RFC
//! 6749 §5.1. So it is read and written here as that.

use bytes::Bytes;
use hallpass_core::{
    AuthScheme, ClientId, CredentialKey, Grant, Issuer, Record, Registration, Scopes,
    ServerMetadata, ServerSettings, State, Timestamp,
    record::{GrantKind, RegistrationOrigin},
};
use hallpass_oauth::TokenResponse;
use rmcp::transport::auth::StoredCredentials;
use serde_json::{Map, Value};

/// What rmcp may know of a record; `None` when there is no client in it.
pub(crate) fn from_record(record: &Record) -> Option<StoredCredentials> {
    let client = record.registration.as_ref()?;
    let grant = record.grant.as_ref().filter(|_| record.is_signed_in());
    // rmcp would send a bound token as a bearer token (RFC 9449 §7.1).
    let grant = grant.filter(|grant| grant.scheme == AuthScheme::Bearer);
    let answer = grant.and_then(|grant| serde_json::from_value(answer_for(grant)).ok());
    let scopes = grant.map(Grant::scopes);
    let credentials = StoredCredentials::new(
        client.client_id.to_string(),
        answer,
        scopes
            .into_iter()
            .flat_map(Scopes::iter)
            .map(str::to_owned)
            .collect(),
        grant.and_then(|grant| u64::try_from(grant.obtained_at.as_unix_seconds()).ok()),
    );
    Some(credentials.with_issuer(Some(record.issuer.as_str().to_owned())))
}

/// A grant as the token endpoint's answer that would have given it.
pub(crate) fn answer_for(grant: &Grant) -> Value {
    let mut answer = Map::new();
    let mut enter = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    enter("access_token", grant.access_token.expose().into());
    enter("token_type", "bearer".into());
    if let Some(end) = grant.expires_at {
        let lifetime = end.saturating_since(grant.obtained_at);
        enter("expires_in", lifetime.as_secs().into());
    }
    if let Some(token) = &grant.refresh_token {
        enter("refresh_token", token.expose().into());
    }
    if !grant.scopes().is_empty() {
        enter("scope", grant.scopes().to_string().into());
    }
    Value::Object(answer)
}

/// The record that holds what rmcp says on top of what `base`, the one for the same issuer, holds
/// beyond that.
pub(crate) fn to_record(
    credentials: &StoredCredentials,
    key: &CredentialKey,
    issuer: Issuer,
    base: Option<&Record>,
    now: Timestamp,
) -> Result<Record, String> {
    let mut record = base.cloned().unwrap_or_else(|| {
        let settings = ServerSettings::default().fingerprint();
        Record::new(key.clone(), ServerMetadata::new(issuer), settings)
    });
    let id = ClientId::new(credentials.client_id.as_str());
    let is_known = |client: &Registration| client.client_id == id;
    if !record.registration.as_ref().is_some_and(is_known) {
        let is_document = id.as_str().starts_with("https://");
        let origin = if is_document {
            RegistrationOrigin::MetadataDocument
        } else {
            RegistrationOrigin::Dynamic
        };
        record.registration = Some(Registration::new(origin, id));
        record.grant = None;
    }
    record.pending_refresh = None;
    record.grant = grant(credentials, record.grant.take(), now)?;
    record.state = match record.grant {
        Some(_) => State::SignedIn,
        None => State::Registered,
    };
    Ok(record)
}

fn grant(
    credentials: &StoredCredentials,
    old: Option<Grant>,
    now: Timestamp,
) -> Result<Option<Grant>, String> {
    let Some(answer) = &credentials.token_response else {
        return Ok(None);
    };
    let answer = serde_json::to_vec(answer).map_err(|error| error.to_string())?;
    let answer = http::Response::new(Bytes::from(answer));
    // rmcp can't prove that it has a key.
    let answer =
        TokenResponse::from_http(&answer, AuthScheme::Bearer).map_err(|error| error.to_string())?;
    let received = credentials.token_received_at;
    let received = received.and_then(|seconds| i64::try_from(seconds).ok());
    let received = received.map_or(now, Timestamp::from_unix_seconds);
    let scopes: Scopes = credentials
        .granted_scopes
        .iter()
        .map(String::as_str)
        .collect();
    let mut grant = match old {
        Some(old) => {
            // rmcp puts the old refresh token into an answer that has none, where that is right.
            let has_refresh_token = answer.has_refresh_token();
            let mut grant = answer.renew(&old, received);
            if !has_refresh_token {
                grant.refresh_token = None;
            }
            if grant.access_token == old.access_token {
                (grant.obtained_at, grant.expires_at) = (old.obtained_at, old.expires_at);
            }
            grant.requested_scopes = grant.requested_scopes.union(&scopes);
            grant.dpop_key = None;
            grant
        }
        None => answer.into_grant(GrantKind::AuthorizationCode, &scopes, None, received),
    };
    if !scopes.is_empty() {
        grant.granted_scopes = Some(scopes);
    }
    Ok(Some(grant))
}

/// The issuer that rmcp names. A server of MCP 2025-03-26 that publishes no metadata has none but
/// its own origin.
pub(crate) fn issuer(
    credentials: &StoredCredentials,
    key: &CredentialKey,
) -> Result<Issuer, String> {
    let text = match &credentials.issuer {
        Some(issuer) => issuer.clone(),
        None => key.server.url().origin().ascii_serialization(),
    };
    Issuer::parse(&text).map_err(|error| error.to_string())
}

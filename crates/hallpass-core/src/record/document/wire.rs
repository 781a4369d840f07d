//! The shape of a credential document. Kept apart from the words themselves, so that none of those can be
//! serialized elsewhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    AccessToken, Account, AuthScheme, ClientId, ClientSecret, CredentialKey, DpopKey, Issuer,
    RefreshToken, RegistrationAccessToken, Resource, Scopes, ServerMetadata, ServerUrl,
    SettingsFingerprint, Timestamp, TokenEndpointAuthMethod,
    record::{
        Generation, Grant, GrantKind, PendingRefresh, PostEnd, Record, Refusal, Registration,
        RegistrationManagement, RegistrationOrigin, State, UnknownFields,
    },
};

/// A secret on its way into or out of a document; wiped when it is dropped.
type Secret = Zeroizing<String>;

#[derive(Serialize, Deserialize)]
pub(super) struct DocumentWire {
    pub(super) version: u32,
    pub(super) server: ServerUrl,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(super) tenant: Box<str>,
    /// The user.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(super) subject: Box<str>,
    /// Under the name that it had when the format was made.
    #[serde(rename = "profile")]
    pub(super) account: Account,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) active: Option<Issuer>,
    pub(super) last_generation: Generation,
    pub(super) records: Vec<RecordWire>,
    #[serde(flatten)]
    pub(super) unknown: UnknownFields,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RecordWire {
    issuer: Issuer,
    generation: Generation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration: Option<RegistrationWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant: Option<GrantWire>,
    metadata: ServerMetadata,
    #[serde(default)]
    settings: SettingsFingerprint,
    /// Under the name that it had when the format was made.
    #[serde(rename = "fence", default, skip_serializing_if = "Option::is_none")]
    pending_refresh: Option<PendingRefreshWire>,
    #[serde(flatten)]
    state: State,
    /// Absent in what an older version wrote.
    #[serde(default, skip_serializing_if = "is_zero")]
    sign_ins: u64,
    #[serde(flatten)]
    unknown: UnknownFields,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The pause after a post by a version that wrote none down.
const PAUSE_OF_OLDER_VERSIONS: Duration = Duration::from_secs(7);

#[derive(Serialize, Deserialize)]
struct PendingRefreshWire {
    posts: u32,
    since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Timestamp>,
    #[serde(default)]
    ended: PostEnd,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refusal: Option<Box<Refusal>>,
    #[serde(flatten)]
    unknown: UnknownFields,
}

#[derive(Serialize, Deserialize)]
struct RegistrationWire {
    origin: RegistrationOrigin,
    client_id: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_expires_at: Option<Timestamp>,
    auth_method: TokenEndpointAuthMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redirect_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Scopes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant_types: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    declined_grant_types: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proven_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<Url>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<Secret>,
    #[serde(flatten)]
    unknown: UnknownFields,
}

#[derive(Serialize, Deserialize)]
struct GrantWire {
    kind: GrantKind,
    access_token: Secret,
    scheme: SchemeWire,
    obtained_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Secret>,
    requested_scopes: Scopes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    granted_scopes: Option<Scopes>,
    #[serde(default, skip_serializing_if = "Scopes::is_empty")]
    refused_scopes: Scopes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<Resource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dpop_key: Option<Secret>,
    #[serde(flatten)]
    unknown: UnknownFields,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum SchemeWire {
    Bearer,
    DPoP,
}

impl From<&Record> for RecordWire {
    fn from(record: &Record) -> Self {
        Self {
            issuer: record.issuer.clone(),
            generation: record.generation,
            registration: record.registration.as_ref().map(RegistrationWire::from),
            grant: record.grant.as_ref().map(GrantWire::from),
            metadata: record.metadata.clone(),
            settings: record.settings.clone(),
            pending_refresh: record
                .pending_refresh
                .as_ref()
                .map(|pending| PendingRefreshWire {
                    posts: pending.posts,
                    since: pending.since,
                    last: Some(pending.last),
                    ended: pending.ended,
                    not_before: Some(pending.not_before),
                    refusal: pending.refusal.clone(),
                    unknown: record.unknown_of_pending_refresh.clone(),
                }),
            state: record.state.clone(),
            sign_ins: record.sign_ins,
            unknown: record.unknown.clone(),
        }
    }
}

impl RecordWire {
    pub(super) fn into_record(self, key: &CredentialKey) -> Record {
        let (pending_refresh, unknown_of_pending_refresh) = self
            .pending_refresh
            .map(|wire| {
                let pending_refresh = PendingRefresh {
                    posts: wire.posts,
                    since: wire.since,
                    // What an older version wrote lacks these.
                    last: wire.last.unwrap_or(wire.since),
                    ended: wire.ended,
                    not_before: wire
                        .not_before
                        .unwrap_or_else(|| wire.since.saturating_add(PAUSE_OF_OLDER_VERSIONS)),
                    refusal: wire.refusal,
                };
                (pending_refresh, wire.unknown)
            })
            .unzip();
        Record {
            key: key.clone(),
            issuer: self.issuer,
            generation: self.generation,
            registration: self.registration.map(Registration::from),
            grant: self.grant.map(Grant::from),
            metadata: self.metadata,
            settings: self.settings,
            pending_refresh,
            state: self.state,
            sign_ins: self.sign_ins,
            unknown_of_pending_refresh: unknown_of_pending_refresh.unwrap_or_default(),
            unknown: self.unknown,
        }
    }
}

impl From<&Registration> for RegistrationWire {
    fn from(registration: &Registration) -> Self {
        let management = registration.management.as_ref();
        Self {
            origin: registration.origin,
            client_id: registration.client_id.clone(),
            client_secret: registration
                .client_secret
                .as_ref()
                .map(|secret| seal(secret.expose())),
            secret_expires_at: registration.secret_expires_at,
            auth_method: registration.auth_method.clone(),
            redirect_uri: registration.redirect_uri.clone(),
            scopes: registration.scopes.clone(),
            grant_types: registration.grant_types.clone(),
            declined_grant_types: registration.declined_grant_types.clone(),
            proven_at: registration.proven_at,
            registration_client_uri: management.map(|management| management.uri.clone()),
            registration_access_token: management.map(|m| seal(m.token.expose())),
            unknown: registration.unknown.clone(),
        }
    }
}

impl From<RegistrationWire> for Registration {
    fn from(wire: RegistrationWire) -> Self {
        let management = wire
            .registration_client_uri
            .zip(wire.registration_access_token);
        Self {
            origin: wire.origin,
            client_id: wire.client_id,
            client_secret: wire
                .client_secret
                .map(|secret| ClientSecret::new(unseal(secret))),
            secret_expires_at: wire.secret_expires_at,
            auth_method: wire.auth_method,
            redirect_uri: wire.redirect_uri,
            scopes: wire.scopes,
            grant_types: wire.grant_types,
            declined_grant_types: wire.declined_grant_types,
            proven_at: wire.proven_at,
            management: management.map(|(uri, token)| RegistrationManagement {
                uri,
                token: RegistrationAccessToken::new(unseal(token)),
            }),
            unknown: wire.unknown,
        }
    }
}

impl From<&Grant> for GrantWire {
    fn from(grant: &Grant) -> Self {
        Self {
            kind: grant.kind,
            access_token: seal(grant.access_token.expose()),
            scheme: match grant.scheme {
                AuthScheme::Bearer => SchemeWire::Bearer,
                AuthScheme::Dpop => SchemeWire::DPoP,
            },
            obtained_at: grant.obtained_at,
            expires_at: grant.expires_at,
            refresh_token: grant
                .refresh_token
                .as_ref()
                .map(|token| seal(token.expose())),
            requested_scopes: grant.requested_scopes.clone(),
            granted_scopes: grant.granted_scopes.clone(),
            refused_scopes: grant.refused_scopes.clone(),
            resource: grant.resource.clone(),
            dpop_key: grant.dpop_key.as_ref().map(|key| seal(key.expose())),
            unknown: grant.unknown.clone(),
        }
    }
}

impl From<GrantWire> for Grant {
    fn from(wire: GrantWire) -> Self {
        Self {
            kind: wire.kind,
            access_token: AccessToken::new(unseal(wire.access_token)),
            scheme: match wire.scheme {
                SchemeWire::Bearer => AuthScheme::Bearer,
                SchemeWire::DPoP => AuthScheme::Dpop,
            },
            obtained_at: wire.obtained_at,
            expires_at: wire.expires_at,
            refresh_token: wire
                .refresh_token
                .map(|token| RefreshToken::new(unseal(token))),
            requested_scopes: wire.requested_scopes,
            granted_scopes: wire.granted_scopes,
            refused_scopes: wire.refused_scopes,
            resource: wire.resource,
            dpop_key: wire.dpop_key.map(|key| DpopKey::new(unseal(key))),
            unknown: wire.unknown,
        }
    }
}

fn seal(secret: &str) -> Secret {
    Zeroizing::new(secret.to_owned())
}

fn unseal(mut secret: Secret) -> String {
    std::mem::take(&mut *secret)
}

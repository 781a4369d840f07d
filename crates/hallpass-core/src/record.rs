//! What is kept for one account at one authorization server.
//!
//! A record holds everything that a later refresh needs, so a warm start needs no discovery. It is
//! written by [`document`] and nowhere else.

pub mod document;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    AccessToken, AuthScheme, ClientId, ClientSecret, CredentialKey, DpopKey, Issuer, RefreshToken,
    RegistrationAccessToken, Resource, Scopes, ServerMetadata, SettingsFingerprint, Timestamp,
    TokenEndpointAuthMethod,
};

/// Counts the versions of a credential's records. Grows with every save, over all issuers of the credential.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// From its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Fields that a newer version wrote, which survive a rewrite. They may hold secrets, so that `Debug`
/// shows their names alone.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct UnknownFields(Map<String, Value>);

impl fmt::Debug for UnknownFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One account at one authorization server.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Whose it is.
    pub key: CredentialKey,
    /// The exact issuer. The record is never sent to another.
    pub issuer: Issuer,
    /// Which version this is; given by the store.
    pub generation: Generation,
    /// Who the client is there.
    pub registration: Option<Registration>,
    /// What was granted. Cleared by signing out; the registration stays.
    pub grant: Option<Grant>,
    /// The server's metadata when the grant was obtained.
    pub metadata: ServerMetadata,
    /// The settings the record was made under.
    pub settings: SettingsFingerprint,
    /// What is known of refreshes that returned no token.
    pub pending_refresh: Option<PendingRefresh>,
    /// Where the account stands.
    pub state: State,
    /// How many sign-ins were saved here: tells a new sign-in from a refresh.
    pub sign_ins: u64,
    /// Fields of the pending refresh that a newer version wrote.
    pub(crate) unknown_of_pending_refresh: UnknownFields,
    /// Fields that a newer version wrote. They survive a rewrite.
    pub(crate) unknown: UnknownFields,
}

impl Record {
    /// A record for an account that nothing is known of but its authorization server.
    pub fn new(
        key: CredentialKey,
        metadata: ServerMetadata,
        settings: SettingsFingerprint,
    ) -> Self {
        Self {
            key,
            issuer: metadata.issuer.clone(),
            generation: Generation::default(),
            registration: None,
            grant: None,
            metadata,
            settings,
            pending_refresh: None,
            state: State::Registered,
            sign_ins: 0,
            unknown_of_pending_refresh: UnknownFields::default(),
            unknown: UnknownFields::default(),
        }
    }

    /// Notes that its refresh token is about to be posted, if `attempt` is for this generation and its post is
    /// not noted yet. Whether it did.
    pub fn mark(&mut self, attempt: &RefreshAttempt) -> bool {
        let pending = self.pending_refresh.as_ref();
        let posts = pending.map_or(0, |pending| pending.posts);
        let fits = self.issuer == attempt.issuer
            && self.generation == attempt.generation
            && posts < attempt.posts;
        if fits {
            self.pending_refresh = Some(PendingRefresh {
                posts: attempt.posts,
                since: pending
                    .filter(|pending| pending.posts > 0)
                    .map_or(attempt.last, |pending| pending.since),
                last: attempt.last,
                ended: PostEnd::Unknown,
                not_before: attempt.not_before,
                refusal: pending.and_then(|pending| pending.refusal.clone()),
            });
            self.state = State::OutcomeUnknown;
        }
        fits
    }

    /// Whether the record has a grant that a session may use.
    pub fn is_signed_in(&self) -> bool {
        self.grant.is_some() && matches!(self.state, State::SignedIn | State::OutcomeUnknown)
    }
}

/// A client at one authorization server.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// How it came about.
    pub origin: RegistrationOrigin,
    /// The client's identifier.
    pub client_id: ClientId,
    /// Its secret, if it is confidential.
    pub client_secret: Option<ClientSecret>,
    /// When the secret ends (RFC 7591 §3.2.1); `None`: never, or there is none.
    pub secret_expires_at: Option<Timestamp>,
    /// How it authenticates at the token endpoint.
    pub auth_method: TokenEndpointAuthMethod,
    /// The redirect URI it was registered with. A login uses this one or registers again.
    pub redirect_uri: Option<String>,
    /// The scopes it was registered for, if the server said so.
    pub scopes: Option<Scopes>,
    /// The grants that it was registered for; `None`: not known.
    pub grant_types: Option<Vec<String>>,
    /// The grants that it asked for and that the server did not register. No login registers again
    /// for them.
    pub declined_grant_types: Vec<String>,
    /// When a sign-in with it last led to a grant; `None`: never, not known, or a later sign-in ended
    /// without a callback.
    pub proven_at: Option<Timestamp>,
    /// Where and with what the registration is managed (RFC 7592 §3).
    pub management: Option<RegistrationManagement>,
    /// Fields that a newer version wrote.
    pub(crate) unknown: UnknownFields,
}

impl Registration {
    /// A public client of this identifier.
    pub fn new(origin: RegistrationOrigin, client_id: ClientId) -> Self {
        Self {
            origin,
            client_id,
            client_secret: None,
            secret_expires_at: None,
            auth_method: TokenEndpointAuthMethod::None,
            redirect_uri: None,
            scopes: None,
            grant_types: None,
            declined_grant_types: Vec::new(),
            proven_at: None,
            management: None,
            unknown: UnknownFields::default(),
        }
    }

    /// Whether it is known that the client was not registered for a grant.
    pub fn lacks_grant(&self, grant_type: &str) -> bool {
        let types = self.grant_types.as_ref();
        types.is_some_and(|types| types.iter().all(|known| known != grant_type))
    }
}

/// How a client was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RegistrationOrigin {
    /// By hand, and configured.
    PreRegistered,
    /// Its identifier is the URL of its metadata document.
    MetadataDocument,
    /// By dynamic registration (RFC 7591).
    Dynamic,
}

/// How a dynamic registration is managed (RFC 7592).
#[derive(Debug, Clone, PartialEq)]
pub struct RegistrationManagement {
    /// `registration_client_uri`.
    pub uri: Url,
    /// `registration_access_token`.
    pub token: RegistrationAccessToken,
}

/// What a server granted.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// The grant type that obtained it.
    pub kind: GrantKind,
    /// The access token.
    pub access_token: AccessToken,
    /// The scheme it is used with.
    pub scheme: AuthScheme,
    /// When it was obtained.
    pub obtained_at: Timestamp,
    /// When the access token ends; `None`: the server did not say.
    pub expires_at: Option<Timestamp>,
    /// What obtains the next one.
    pub refresh_token: Option<RefreshToken>,
    /// The scopes that were asked for.
    pub requested_scopes: Scopes,
    /// The scopes that were granted; `None`: those asked for (RFC 6749 §5.1).
    pub granted_scopes: Option<Scopes>,
    /// The scopes that the server refused a request for, and that no user was asked for. The next sign-in
    /// that a user starts requests them as well.
    pub refused_scopes: Scopes,
    /// The `resource` that every request for this grant carries; `None`: left out by a setting.
    pub resource: Option<Resource>,
    /// The key the tokens are bound to (RFC 9449).
    pub dpop_key: Option<DpopKey>,
    /// Fields that a newer version wrote.
    pub(crate) unknown: UnknownFields,
}

impl Grant {
    /// A bearer grant obtained now by the authorization code grant, of which nothing more is known.
    pub fn new(kind: GrantKind, access_token: AccessToken, obtained_at: Timestamp) -> Self {
        Self {
            kind,
            access_token,
            scheme: AuthScheme::Bearer,
            obtained_at,
            expires_at: None,
            refresh_token: None,
            requested_scopes: Scopes::none(),
            granted_scopes: None,
            refused_scopes: Scopes::none(),
            resource: None,
            dpop_key: None,
            unknown: UnknownFields::default(),
        }
    }

    /// The scopes of the access token: the granted ones, else the requested ones.
    pub fn scopes(&self) -> &Scopes {
        self.granted_scopes
            .as_ref()
            .unwrap_or(&self.requested_scopes)
    }
}

/// The grant type that obtained a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GrantKind {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 8628.
    DeviceCode,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 7523 §2.1.
    JwtBearer,
}

/// What is known of the posts of the current refresh token since the last one that brought a token.
/// Written before each post, so that it holds when the process dies, and read by every process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRefresh {
    /// How often the refresh token was posted without a known outcome.
    pub posts: u32,
    /// When the first of them was about to be sent.
    pub since: Timestamp,
    /// When the last request was about to be sent.
    pub last: Timestamp,
    /// How the last request ended.
    pub ended: PostEnd,
    /// No process posts the refresh token before this moment.
    pub not_before: Timestamp,
    /// The server's refusal, where the last request ended with one.
    pub refusal: Option<Box<Refusal>>,
}

impl PendingRefresh {
    /// A post that is about to be sent now.
    pub fn new(now: Timestamp, not_before: Timestamp) -> Self {
        Self {
            posts: 1,
            since: now,
            last: now,
            ended: PostEnd::Unknown,
            not_before,
            refusal: None,
        }
    }

    /// The refusal that the last request ended with. It counts as lost where it was an answer of success
    /// without a token, as a web page is.
    pub fn refused(&self) -> Option<&Refusal> {
        let is_last = matches!(self.ended, PostEnd::Refused | PostEnd::Lost);
        self.refusal.as_deref().filter(|_| is_last)
    }

    /// Since when the server refuses the refresh, if it does.
    pub fn refused_since(&self) -> Option<Timestamp> {
        self.refused()
            .map(|refusal| refusal.since.unwrap_or(self.last))
    }
}

/// A refresh token that is about to be posted. A store may keep this beside the sealed records, in columns of its
/// own: it holds no secret and nothing that a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshAttempt {
    /// The issuer of the record whose refresh token is posted.
    pub issuer: Issuer,
    /// The generation of that record.
    pub generation: Generation,
    /// How often the token was posted without a known outcome, with this post.
    pub posts: u32,
    /// When it is posted.
    pub last: Timestamp,
    /// No process posts it again before this moment.
    pub not_before: Timestamp,
}

/// How the last post of a refresh token ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PostEnd {
    /// It is on its way, or its process died.
    #[default]
    Unknown,
    /// The connection broke, or the answer could not be read.
    Lost,
    /// The server was silent until the time limit.
    Silent,
    /// The server answered that it failed.
    Doubtful,
    /// The server has not looked at the request.
    NotProcessed,
    /// The server refused the request, not the token.
    Refused,
}

/// A refresh that the server refused for a reason that the user or the operator has to remove
/// (RFC 6749 §5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The answer's status.
    pub status: u16,
    /// The server's `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The server's words, cleaned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How often it was refused in a row.
    pub count: u32,
    /// When it was refused first. `None` in a record of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The settings that the request was made with, as
    /// [`refresh_digest`](crate::ServerSettings::refresh_digest) gives them. With others it is worth
    /// another try.
    pub settings: String,
}

/// Where an account stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "cause", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// There is a client, and no sign-in yet.
    Registered,
    /// There is a grant.
    SignedIn,
    /// There is a grant, and a refresh whose outcome is unknown.
    OutcomeUnknown,
    /// The user has to sign in.
    #[serde(rename = "sign-in-needed")]
    SignInRequired(SignInCause),
}

/// Why the user has to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SignInCause {
    /// The server refused the refresh token.
    RefreshRefused,
    /// A refresh was interrupted, and the server refuses the token it may have replaced.
    RefreshOutcomeUnknown,
    /// The access token ended and there is no refresh token.
    NoRefreshToken,
    /// A setting the grant depends on has changed.
    SettingsChanged,
    /// The server is protected by another authorization server now.
    IssuerChanged,
    /// Fresh tokens are refused as well.
    TokenRefused,
    /// The user signed out.
    SignedOut,
}

impl fmt::Display for SignInCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RefreshRefused => "the authorization server refused the refresh token",
            Self::RefreshOutcomeUnknown => {
                "a refresh was interrupted, and its refresh token is no longer accepted"
            }
            Self::NoRefreshToken => "the access token has ended, and there is no refresh token",
            Self::SettingsChanged => "a setting that the credentials depend on has changed",
            Self::IssuerChanged => "another authorization server protects the server now",
            Self::TokenRefused => "the server refuses even a fresh token",
            Self::SignedOut => "signed out",
        })
    }
}

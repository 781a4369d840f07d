//! What a user may set for one server, as plain data.

use std::{collections::BTreeMap, num::NonZeroU32};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    ClientId, ClientPrivateKey, ClientSecret, Issuer, Resource, Scopes, ServerMetadata,
    TokenEndpointAuthMethod,
};

/// The settings of one server. The default is what a good server needs: nothing.
///
/// How to reach the network (certificates, headers, proxy) is the HTTP client's configuration, not
/// this one's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerSettings {
    /// Which `resource` to ask for (RFC 8707).
    pub resource: ResourceSetting,
    /// The scopes to ask for, instead of those the server names.
    pub scopes: Option<Scopes>,
    /// Which authorization server to use: one of several that the MCP server names, or the one that it may
    /// name.
    pub issuer: Option<Issuer>,
    /// Take any authorization server that the MCP server's metadata names for one that the user named.
    /// Without it, what could be used at another authorization server is sent to a named one alone: a
    /// service's secret, an assertion, a code where the sign-in page is another operator's.
    pub issuer_from_resource: bool,
    /// Issuers that a metadata document found elsewhere may claim (RFC 8414 §3.3 would refuse it). Such a
    /// document may be any server's, so its endpoints on other hosts than the issuer's don't count as
    /// named by the user.
    pub trusted_issuers: Vec<Issuer>,
    /// Where the protected resource's metadata is, when the server does not say.
    pub resource_metadata_url: Option<Url>,
    /// Where the authorization server's metadata is, when it can't be derived from the issuer.
    pub server_metadata_url: Option<Url>,
    /// The endpoints of a server that publishes no metadata.
    pub endpoints: Option<ExplicitEndpoints>,
    /// Fall back to the discovery of MCP 2025-03-26 without every candidate having answered 404.
    pub legacy_discovery: bool,
    /// Who the client is.
    pub client: ClientSetting,
    /// The name shown on the consent page when the client registers itself.
    pub client_name: Option<String>,
    /// Further parameters of the authorization request, for an odd server: `audience`, `prompt`,
    /// `access_type`. One without a value leaves out what a login would send by itself (RFC 6749
    /// §3.1).
    pub authorize_parameters: Vec<(String, String)>,
    /// Where the callback of a login arrives.
    pub callback: CallbackSetting,
    /// Whether the server's silence about PKCE is an obstacle.
    pub pkce: PkceSetting,
    /// When tokens are bound to a key.
    pub dpop: DpopSetting,
    /// Whether a refresh names the scopes of its sign-in. RFC 6749 §6 has a refresh without `scope` ask
    /// for all that were granted; some servers issue a token of other scopes then.
    pub refresh_scope: bool,
    /// How often one refresh token is posted at most while the outcome stays unknown; `None`: until
    /// the server answers. For a server that punishes a second use with more than the end of the grant.
    pub max_refresh_attempts: Option<NonZeroU32>,
}

/// Which `resource` the authorization, token and refresh requests carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ResourceSetting {
    /// The `resource` of the protected resource's metadata, else the server's canonical URL.
    #[default]
    Published,
    /// This one.
    Exactly {
        /// The value to send, byte for byte.
        resource: Resource,
        /// Send it even when it is neither the server's URL nor published by its metadata.
        allow_mismatch: bool,
    },
    /// None at all, for a server that refuses the parameter.
    Omitted,
}

/// Endpoints that the user names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExplicitEndpoints {
    /// Where a user signs in.
    pub authorization: Option<Url>,
    /// Where grants become tokens.
    pub token: Url,
    /// Where clients register.
    pub registration: Option<Url>,
    /// Where tokens are revoked.
    pub revocation: Option<Url>,
}

impl PreRegisteredClient {
    /// A public client, or one whose secret is set next.
    pub fn new(id: ClientId) -> Self {
        Self {
            id,
            secret: None,
            auth_method: None,
            issuer: None,
        }
    }
}

impl ExplicitEndpoints {
    /// A token endpoint alone, which is all that a machine needs.
    pub fn new(token: Url) -> Self {
        Self {
            authorization: None,
            token,
            registration: None,
            revocation: None,
        }
    }
}

/// Who the client is to the authorization server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientSetting {
    /// A client that was registered by hand.
    pub pre_registered: Option<PreRegisteredClient>,
    /// The URL of the client's own metadata document, used where the server supports those.
    pub metadata_document: Option<Url>,
    /// The key of a client that proves itself with a signature (`private_key_jwt`). It signs for a
    /// pre-registered client, and for a metadata document that publishes its public half. It is not
    /// stored with the credentials: each process that refreshes needs it.
    pub key: Option<ClientSigningKey>,
}

/// A private key that a client signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSigningKey {
    /// The key.
    pub pem: ClientPrivateKey,
    /// Its name (`kid`, RFC 7515 §4.1.4), for a server that knows several.
    pub id: Option<String>,
}

/// A client that was registered by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreRegisteredClient {
    /// The identifier.
    pub id: ClientId,
    /// The secret of a confidential client.
    pub secret: Option<ClientSecret>,
    /// How to authenticate; `None` negotiates from the server's metadata.
    pub auth_method: Option<TokenEndpointAuthMethod>,
    /// The authorization server it is registered with; no other gets identifier or secret.
    pub issuer: Option<Issuer>,
}

/// Where the callback of a login arrives on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbackSetting {
    /// The host as it stands in the redirect URI: `127.0.0.1`, `[::1]` or `localhost`.
    pub host: String,
    /// The port; `None` takes any free one (RFC 8252 §7.3).
    pub port: Option<u16>,
    /// The path, with its leading slash; `None` takes [`DEFAULT_PATH`](Self::DEFAULT_PATH), and for a client
    /// that registers itself one below it for each issuer.
    pub path: Option<String>,
}

impl CallbackSetting {
    /// The path of a redirect URI that is registered by hand.
    pub const DEFAULT_PATH: &str = "/callback";
}

impl Default for CallbackSetting {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: None,
            path: None,
        }
    }
}

/// What the server's silence about PKCE means. A challenge is always sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PkceSetting {
    /// A server that does not list S256 is refused, as MCP demands.
    #[default]
    MustBeAdvertised,
    /// The server is taken to support S256 although it does not say so.
    AssumeS256,
}

/// When tokens are bound to a key that the client proves to hold (RFC 9449).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DpopSetting {
    /// Where the server demands it: by its challenge, or by its metadata.
    #[default]
    WhenDemanded,
    /// Always. A server that gives a bearer token instead is refused.
    Always,
}

macro_rules! setters {
    ($struct:ident { $($with:ident $field:ident: $type:ty,)* }) => {
        impl $struct {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $with(mut self, $field: impl Into<$type>) -> Self {
                    self.$field = $field.into();
                    self
                }
            )*
        }
    };
}

setters! {
    ServerSettings {
        with_resource resource: ResourceSetting,
        with_scopes scopes: Option<Scopes>,
        with_issuer issuer: Option<Issuer>,
        with_issuer_from_resource issuer_from_resource: bool,
        with_trusted_issuers trusted_issuers: Vec<Issuer>,
        with_resource_metadata_url resource_metadata_url: Option<Url>,
        with_server_metadata_url server_metadata_url: Option<Url>,
        with_endpoints endpoints: Option<ExplicitEndpoints>,
        with_legacy_discovery legacy_discovery: bool,
        with_client client: ClientSetting,
        with_client_name client_name: Option<String>,
        with_authorize_parameters authorize_parameters: Vec<(String, String)>,
        with_callback callback: CallbackSetting,
        with_pkce pkce: PkceSetting,
        with_dpop dpop: DpopSetting,
        with_refresh_scope refresh_scope: bool,
        with_max_refresh_attempts max_refresh_attempts: Option<NonZeroU32>,
    }
}

setters! {
    ExplicitEndpoints {
        with_authorization authorization: Option<Url>,
        with_token token: Url,
        with_registration registration: Option<Url>,
        with_revocation revocation: Option<Url>,
    }
}

setters! {
    ClientSetting {
        with_pre_registered pre_registered: Option<PreRegisteredClient>,
        with_metadata_document metadata_document: Option<Url>,
        with_key key: Option<ClientSigningKey>,
    }
}

setters! {
    PreRegisteredClient {
        with_id id: ClientId,
        with_secret secret: Option<ClientSecret>,
        with_auth_method auth_method: Option<TokenEndpointAuthMethod>,
        with_issuer issuer: Option<Issuer>,
    }
}

setters! {
    CallbackSetting {
        with_host host: String,
        with_port port: Option<u16>,
        with_path path: Option<String>,
    }
}

/// What the settings were when a record was made, one digest for each setting that a credential
/// depends on. When one differs, the user has to sign in again, and is told which.
///
/// The digests are of public values: no secret enters them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SettingsFingerprint(BTreeMap<String, String>);

impl ServerSettings {
    /// The URLs that the user named: issuers, metadata and endpoints. Requests and browsers may be sent to
    /// their origins, on whatever network these are.
    pub fn named_urls(&self) -> impl Iterator<Item = &Url> {
        let endpoints = self.endpoints.as_ref();
        let urls = [
            self.resource_metadata_url.as_ref(),
            self.server_metadata_url.as_ref(),
            endpoints.and_then(|endpoints| endpoints.authorization.as_ref()),
            endpoints.map(|endpoints| &endpoints.token),
            endpoints.and_then(|endpoints| endpoints.registration.as_ref()),
            endpoints.and_then(|endpoints| endpoints.revocation.as_ref()),
        ];
        let issuers = self.named_issuers().map(Issuer::url);
        urls.into_iter().flatten().chain(issuers)
    }

    /// The issuers that the user named.
    fn named_issuers(&self) -> impl Iterator<Item = &Issuer> {
        let client = self.client.pre_registered.as_ref();
        let of_client = client.and_then(|client| client.issuer.as_ref());
        let named = self.issuer.iter().chain(of_client);
        named.chain(&self.trusted_issuers)
    }

    /// Whether the user, and not the MCP server alone, named the authorization server `found`: by its
    /// issuer, its endpoints, the URL of its metadata, or by taking any that the MCP server names. A
    /// trusted issuer counts only without [endpoints elsewhere](Self::endpoint_elsewhere).
    pub fn names_issuer(&self, found: &ServerMetadata) -> bool {
        if self.endpoint_elsewhere(found).is_some() {
            return false;
        }
        self.issuer_from_resource
            || self.endpoints.is_some()
            || self.server_metadata_url.is_some()
            || self
                .named_issuers()
                .any(|issuer| issuer.eq_ignoring_trailing_slash(&found.issuer))
    }

    /// The first endpoint of `found` that gets what a client proves itself with and is on another host
    /// than the issuer, where the metadata may be of any server: it claims one of the
    /// [trusted issuers](Self::trusted_issuers), and the user named neither the endpoints nor where the
    /// metadata is.
    pub fn endpoint_elsewhere<'a>(&self, found: &'a ServerMetadata) -> Option<&'a Url> {
        let is_of_issuer = |issuer: &Issuer| issuer.eq_ignoring_trailing_slash(&found.issuer);
        // Legacy discovery reads the metadata of the MCP server's origin, whatever the issuer is.
        let is_read_there =
            !self.legacy_discovery && self.issuer.as_ref().is_some_and(is_of_issuer);
        let is_located =
            self.endpoints.is_some() || self.server_metadata_url.is_some() || is_read_there;
        if is_located || !self.trusted_issuers.iter().any(is_of_issuer) {
            return None;
        }
        let endpoints = [
            &found.token_endpoint,
            &found.revocation_endpoint,
            &found.device_authorization_endpoint,
            &found.pushed_authorization_request_endpoint,
        ];
        let mut named = endpoints.into_iter().flatten();
        named.find(|endpoint| endpoint.host() != found.issuer.url().host())
    }

    /// The fingerprint of these settings. Settings that a credential does not depend on (the
    /// callback, the client's shown name, where metadata is found) do not enter it.
    pub fn fingerprint(&self) -> SettingsFingerprint {
        let mut digests = BTreeMap::new();
        let mut enter = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                digests.insert(name.to_owned(), short_digest(&value));
            }
        };
        enter(
            "resource",
            match &self.resource {
                ResourceSetting::Published => None,
                ResourceSetting::Exactly { resource, .. } => {
                    Some(format!("={}", resource.as_str()))
                }
                ResourceSetting::Omitted => Some("none".to_owned()),
            },
        );
        enter("scopes", self.scopes.as_ref().map(ToString::to_string));
        enter("issuer", self.issuer.as_ref().map(ToString::to_string));
        enter(
            "endpoints",
            self.endpoints
                .as_ref()
                .map(|endpoints| endpoints.token.to_string()),
        );
        enter(
            "client",
            self.client.pre_registered.as_ref().map(|client| {
                let method = client
                    .auth_method
                    .as_ref()
                    .map_or("", |method| method.as_str());
                format!("{} {method}", client.id)
            }),
        );
        enter(
            "client_metadata",
            self.client
                .metadata_document
                .as_ref()
                .map(ToString::to_string),
        );
        enter(
            "dpop",
            (self.dpop == DpopSetting::Always).then(|| "always".to_owned()),
        );
        SettingsFingerprint(digests)
    }

    /// A digest of everything in these settings that a refresh request depends on. The client's secret
    /// and key enter it, so it is kept only where those may be kept: in a sealed record.
    pub fn refresh_digest(&self) -> String {
        let mut text = String::new();
        for (name, digest) in &self.fingerprint().0 {
            text.extend([name, "=", digest, "\n"]);
        }
        if self.refresh_scope {
            text.push_str("refresh_scope\n");
        }
        let client = self.client.pre_registered.as_ref();
        if let Some(secret) = client.and_then(|client| client.secret.as_ref()) {
            text.extend(["secret=", secret.expose(), "\n"]);
        }
        if let Some(key) = &self.client.key {
            text.extend(["key=", key.pem.expose(), "\n"]);
        }
        short_digest(&Zeroizing::new(text))
    }
}

impl SettingsFingerprint {
    /// The name of the first setting whose value differs between the two.
    pub fn difference<'a>(&'a self, other: &'a SettingsFingerprint) -> Option<&'a str> {
        let names = self.0.keys().chain(other.0.keys());
        names
            .map(String::as_str)
            .find(|name| self.0.get(*name) != other.0.get(*name))
    }
}

/// The first 64 bits of SHA-256: enough to notice a change, or to tell issuers apart.
pub(crate) fn short_digest(value: &str) -> String {
    let digest = Sha256::digest(value.as_bytes());
    let head = digest
        .iter()
        .take(8)
        .fold(0_u64, |head, byte| head << 8 | u64::from(*byte));
    format!("{head:016x}")
}

#[cfg(test)]
mod tests;

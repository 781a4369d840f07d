//! What discovery comes to.

use hallpass_core::{
    AuthScheme, Challenge, PkceSetting, Resource, ResourceMetadata, Scopes, ServerMetadata,
    ServerSettings,
};

use crate::Attempt;

/// An MCP server's authorization server, and all that a sign-in has to know about both.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovered {
    /// The protected resource's metadata (RFC 9728), where there is any.
    pub resource_metadata: Option<ResourceMetadata>,
    /// Where that metadata is, if the server's challenge named another origin than the server's own.
    pub resource_metadata_origin: Option<String>,
    /// The `resource` that every request of this credential carries (RFC 8707), byte for byte;
    /// `None` only when [`ResourceSetting::Omitted`](hallpass_core::ResourceSetting::Omitted) says
    /// so.
    pub resource: Option<Resource>,
    /// The authorization server.
    pub server: ServerMetadata,
    /// Where `server` came from.
    pub source: MetadataSource,
    /// Every try in order, the used ones included.
    pub attempts: Vec<Attempt>,
    /// Whether a better candidate was not used for a fault that may pass (no answer, 429, 5xx).
    /// Another issuer than before is then no proof that the server has moved to another
    /// authorization server.
    pub is_provisional: bool,
}

/// Where an authorization server's metadata came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetadataSource {
    /// A document at an RFC 8414 URL.
    Rfc8414,
    /// A document at an OpenID Connect Discovery URL.
    OpenId,
    /// A document at the MCP server's own origin, the fallback of MCP 2025-03-26.
    Legacy,
    /// No document: the endpoints that MCP 2025-03-26 has a client guess at the MCP server's origin.
    Guessed,
    /// The endpoints that the user named.
    Explicit,
}

impl Discovered {
    /// The scopes to ask for: the configured ones, else those of the first challenge that names
    /// any (RFC 6750 §3), else all that the resource lists (RFC 9728 §2), else none.
    pub fn scopes(&self, challenges: &[Challenge], settings: &ServerSettings) -> Scopes {
        if let Some(scopes) = &settings.scopes {
            return scopes.clone();
        }
        let challenged = challenges
            .iter()
            .filter_map(|challenge| challenge.scope.as_ref())
            .find(|scopes| !scopes.is_empty());
        if let Some(scopes) = challenged {
            return scopes.clone();
        }
        let listed = self
            .resource_metadata
            .as_ref()
            .and_then(|metadata| metadata.scopes_supported.as_deref());
        listed
            .unwrap_or_default()
            .iter()
            .map(String::as_str)
            .collect()
    }

    /// Whether a code may be asked for although the server does not list PKCE's S256.
    ///
    /// The setting waives it; a server of MCP 2025-03-26 and named endpoints waive the silence, not
    /// a list that lacks S256.
    pub fn pkce_waived(&self, settings: &ServerSettings) -> bool {
        let is_silent = self.server.code_challenge_methods_supported.is_none();
        settings.pkce == PkceSetting::AssumeS256
            || is_silent
                && matches!(
                    self.source,
                    MetadataSource::Legacy | MetadataSource::Guessed | MetadataSource::Explicit
                )
    }

    /// Whether there is a metadata document that says what the authorization server can do.
    pub fn has_server_document(&self) -> bool {
        !matches!(
            self.source,
            MetadataSource::Guessed | MetadataSource::Explicit
        )
    }

    /// Whether the resource takes nothing but tokens that are bound to a key: by a `DPoP` challenge
    /// without a bearer one beside it (RFC 9449 §7.1), or by its metadata (RFC 9728 §2).
    pub fn demands_bound_tokens(&self, challenges: &[Challenge]) -> bool {
        let challenged = |scheme| {
            challenges
                .iter()
                .any(|challenge| challenge.scheme == scheme)
        };
        let metadata = self.resource_metadata.as_ref();
        challenged(AuthScheme::Dpop) && !challenged(AuthScheme::Bearer)
            || metadata.is_some_and(|metadata| metadata.dpop_bound_access_tokens_required)
    }
}

//! The two metadata documents, as data. Reading them from the network is `hallpass-discovery`'s job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::{
    AddressClass, Hint, Issuer, Resource, ServerUrl, TokenEndpointAuthMethod, is_loopback,
};

/// A protected resource's metadata (RFC 9728 §2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResourceMetadata {
    /// The resource's identifier, byte for byte as published.
    pub resource: Resource,
    /// The issuers that protect it, in the resource's order of preference.
    #[serde(default)]
    pub authorization_servers: Vec<Issuer>,
    /// The scopes to ask for where a challenge names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes_supported: Option<Vec<String>>,
    /// A name to show to users: [`sanitize_line`](crate::sanitize_line) before showing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// Whether only DPoP-bound tokens are accepted (RFC 9449).
    #[serde(default)]
    pub dpop_bound_access_tokens_required: bool,
    /// Everything else in the document.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ResourceMetadata {
    /// Metadata that says nothing but which resource it is for.
    pub fn new(resource: Resource) -> Self {
        Self {
            resource,
            authorization_servers: Vec::new(),
            scopes_supported: None,
            resource_name: None,
            dpop_bound_access_tokens_required: false,
            other: Map::new(),
        }
    }
}

/// An authorization server's metadata (RFC 8414 §2, OpenID Connect Discovery 1.0 §3).
///
/// This is what a record keeps of a server, so that a refresh needs no discovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the members of RFC 8414 and its extensions"
)]
pub struct ServerMetadata {
    /// The issuer, exactly as the document has it.
    pub issuer: Issuer,
    /// Where a user signs in (RFC 6749 §3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<Url>,
    /// Where grants become tokens (RFC 6749 §3.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<Url>,
    /// Where clients register (RFC 7591).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<Url>,
    /// Where tokens are revoked (RFC 7009).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<Url>,
    /// Where a device grant starts (RFC 8628).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_authorization_endpoint: Option<Url>,
    /// Where authorization requests are pushed (RFC 9126).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<Url>,
    /// Whether only pushed authorization requests are accepted (RFC 9126 §5).
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
    /// The scopes the server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes_supported: Option<Vec<String>>,
    /// The grants the server knows; absent means authorization code and implicit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_types_supported: Option<Vec<String>>,
    /// How clients may authenticate at the token endpoint; absent means `client_secret_basic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_methods_supported: Option<Vec<TokenEndpointAuthMethod>>,
    /// The algorithms a client's assertion may be signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    /// The PKCE methods (RFC 7636); absent means that the server does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// Whether callbacks carry `iss` (RFC 9207 §3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// Whether a client identifier may be the URL of a metadata document.
    #[serde(default)]
    pub client_id_metadata_document_supported: bool,
    /// The algorithms of DPoP proofs (RFC 9449 §5.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_signing_alg_values_supported: Option<Vec<String>>,
    /// Whether tokens are issued only bound to a key: by the document, or by an answer of an endpoint
    /// that refused a request without a proof.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dpop_bound_access_tokens_required: bool,
    /// Everything else in the document.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ServerMetadata {
    /// Metadata that names the issuer and nothing else.
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            authorization_endpoint: None,
            token_endpoint: None,
            registration_endpoint: None,
            revocation_endpoint: None,
            device_authorization_endpoint: None,
            pushed_authorization_request_endpoint: None,
            require_pushed_authorization_requests: false,
            scopes_supported: None,
            grant_types_supported: None,
            token_endpoint_auth_methods_supported: None,
            token_endpoint_auth_signing_alg_values_supported: None,
            code_challenge_methods_supported: None,
            authorization_response_iss_parameter_supported: false,
            client_id_metadata_document_supported: false,
            dpop_signing_alg_values_supported: None,
            dpop_bound_access_tokens_required: false,
            other: Map::new(),
        }
    }

    /// The endpoints as settings, which take the place of the metadata as a whole and help only together.
    ///
    /// A value is left out where there is none, where its query or its user may hold a secret, or where it
    /// leads into another network than the issuer: endpoints that the user sets may be on any. Without a
    /// registration endpoint the user has to name a client.
    pub fn endpoint_settings(&self) -> Hint {
        let is_open = |url: &Url| {
            url.query().is_none() && url.username().is_empty() && url.password().is_none()
        };
        let is_fit = |url: &Url| is_open(url) && leads_to_no_other_network(self.issuer.url(), url);
        let shown = |url: &Url| is_fit(url).then(|| url.as_str().to_owned());
        let value = |url: &Option<Url>| url.as_ref().and_then(shown);
        let mut settings = BTreeMap::from([
            (
                "endpoints.authorization",
                value(&self.authorization_endpoint),
            ),
            ("endpoints.token", value(&self.token_endpoint)),
        ]);
        if self.registration_endpoint.is_some() {
            let registration = value(&self.registration_endpoint);
            settings.insert("endpoints.registration", registration);
        } else {
            settings.insert("client", None);
        }
        if let Some(revocation) = value(&self.revocation_endpoint) {
            settings.insert("endpoints.revocation", Some(revocation));
        }
        Hint::Settings { settings }
    }

    /// The metadata with `to` in the place of the endpoint `from`, which redirects there. `None` where
    /// `to` may lead into a network that is none of the server's: it has to be a name with `https`, the
    /// same address, or this machine where `from` is on it.
    pub fn with_moved_endpoint(mut self, from: &Url, to: &Url) -> Option<Self> {
        let is_fit = match to.host()? {
            _ if is_loopback(to) => is_loopback(from),
            Host::Domain(_) => to.scheme() == "https" && leads_to_no_other_network(from, to),
            address => from.host() == Some(address) && to.scheme() >= from.scheme(),
        };
        if !is_fit {
            return None;
        }
        for endpoint in [&mut self.token_endpoint, &mut self.registration_endpoint] {
            if endpoint.as_ref() == Some(from) {
                *endpoint = Some(to.clone());
            }
        }
        Some(self)
    }

    /// Whether the server says that it knows a grant type. A server that says nothing knows
    /// `authorization_code` and `implicit` (RFC 8414 §2).
    pub fn supports_grant(&self, grant_type: &str) -> bool {
        match &self.grant_types_supported {
            Some(types) => types.iter().any(|known| known == grant_type),
            None => matches!(grant_type, "authorization_code" | "implicit"),
        }
    }

    /// Whether the server lists PKCE's S256, the only method MCP allows.
    pub fn supports_s256(&self) -> bool {
        let methods = self
            .code_challenge_methods_supported
            .as_deref()
            .unwrap_or_default();
        methods.iter().any(|method| method == "S256")
    }

    /// Whether the server lists a scope.
    pub fn supports_scope(&self, scope: &str) -> bool {
        self.scopes_supported
            .as_deref()
            .unwrap_or_default()
            .iter()
            .any(|known| known == scope)
    }
}

/// Whether `to` is public, or in a network that `from` is in, as far as their texts tell.
fn leads_to_no_other_network(from: &Url, to: &Url) -> bool {
    ServerUrl::parse(from.as_str())
        .is_ok_and(|from| AddressClass::Public.check_navigation(to, &from).is_ok())
}

/// Serde for words that are parsed texts: a string on the outside, checked on the way in.
macro_rules! serde_as_text {
    ($($word:ty: $read:expr),*) => {$(
        impl Serialize for $word {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $word {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $read(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(
    // `hallpass-discovery` reads documents from the network with `parse`; this is for stored records.
    Issuer: Issuer::parse_any_characters,
    Resource: Resource::parse_any_spelling,
    ServerUrl: ServerUrl::parse,
    crate::Account: crate::Account::parse
);

impl Serialize for crate::Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for crate::Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_server(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_in_another_network_is_no_value_of_a_hint() {
        for (issuer, token, is_fit) in [
            ("https://as.example", "https://login.example/t", true),
            ("https://as.example", "https://10.0.0.5/t", false),
            ("https://as.example", "https://db.internal/t", false),
            ("https://as.example", "https://169.254.169.254/t", false),
            ("https://10.0.0.5", "https://10.0.0.5/t", true),
            ("http://127.0.0.1:1", "http://127.0.0.1:1/t", true),
        ] {
            let mut metadata = ServerMetadata::new(issuer.parse().unwrap());
            metadata.token_endpoint = token.parse().ok();
            let hint = metadata.endpoint_settings().to_string();
            assert_eq!(hint.contains(token), is_fit, "{hint}");
        }
    }

    #[test]
    fn moved_endpoint_leads_into_no_other_network() {
        for (from, to, is_fit) in [
            ("https://as.example/t", "https://as.example/u", true),
            ("https://as.example/t", "https://other.example/t", true),
            ("https://as.example/t", "http://as.example/t", false),
            ("https://as.example/t", "https://127.0.0.1/t", false),
            ("https://as.example/t", "https://localhost./t", false),
            ("https://as.example/t", "https://x.localhost/t", false),
            ("https://as.example/t", "https://10.0.0.1/t", false),
            ("https://as.example/t", "https://db.internal/t", false),
            ("https://as.example/t", "https://printer.local/t", false),
            ("https://as.internal/t", "https://login.internal/t", true),
            ("http://127.0.0.1:1/t", "http://localhost:2/t", true),
            ("http://127.0.0.1:1/t", "https://as.example/t", true),
            ("http://127.0.0.1:1/t", "http://as.example/t", false),
            ("http://127.0.0.1:1/t", "http://169.254.169.254/t", false),
            ("http://localhost/t", "http://10.0.0.1/t", false),
            ("http://10.0.0.1/t", "http://10.0.0.1/u", true),
            ("http://10.0.0.1/t", "https://10.0.0.1/t", true),
            ("https://10.0.0.1/t", "http://10.0.0.1/t", false),
            ("http://10.0.0.1/t", "http://10.0.0.2/t", false),
            ("http://10.0.0.1/t", "http://127.0.0.1/t", false),
        ] {
            let parse = |text: &str| Url::parse(text).unwrap();
            let mut metadata = ServerMetadata::new("https://as.example".parse().unwrap());
            metadata.token_endpoint = Some(parse(from));
            let moved = metadata.with_moved_endpoint(&parse(from), &parse(to));
            let expected = is_fit.then(|| Some(parse(to)));
            assert_eq!(moved.map(|it| it.token_endpoint), expected, "{from} {to}");
        }
    }
}

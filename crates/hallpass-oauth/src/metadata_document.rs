//! A client that is described by a document at its own identifier (client ID metadata documents,
//! draft-ietf-oauth-client-id-metadata-document).

use hallpass_core::Scopes;
use serde_json::{Value, json};
use url::Url;

/// What a host publishes at the URL that is its client identifier.
#[derive(Debug, Clone, Copy)]
pub struct ClientMetadataDocument<'a> {
    /// Where the document is published, which is the client's identifier.
    pub client_id: &'a Url,
    /// The name that the user sees on the consent page.
    pub client_name: &'a str,
    /// The redirect URIs. A loopback URI without a port stands for every port (RFC 8252 §7.3) at
    /// servers that follow it; name a fixed port as well for those that don't.
    pub redirect_uris: &'a [String],
    /// The scopes the client will ever ask for; none leaves the field out.
    pub scopes: &'a Scopes,
}

impl ClientMetadataDocument<'_> {
    /// The document, to be served as `application/json`. The client is public: a
    /// published document holds no secret.
    pub fn to_json(self) -> Value {
        let mut document = json!({
            "client_id": self.client_id.as_str(),
            "client_name": self.client_name,
            "application_type": "native",
            "redirect_uris": self.redirect_uris,
            "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        });
        if !self.scopes.is_empty() {
            document["scope"] = json!(self.scopes.to_string());
        }
        document
    }
}

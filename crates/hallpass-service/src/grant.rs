//! What a service sends to get a token, as plain data.

use std::sync::Arc;

use hallpass_core::PreRegisteredClient;
use hallpass_oauth::ClientKey;
use url::Url;

use crate::AssertionSource;

/// A service: its grant, and the key it signs with, if it has one. Its identifier and secret are in the
/// server's settings, as those of any pre-registered client.
#[derive(Debug, Clone)]
pub struct ServiceClient {
    /// The grant.
    pub grant: ServiceGrant,
    /// The key of a client that authenticates by `private_key_jwt` (RFC 7523 §2.2).
    pub key: Option<Arc<ClientKey>>,
}

impl ServiceClient {
    /// A service without a key.
    pub fn new(grant: ServiceGrant) -> Self {
        Self { grant, key: None }
    }

    /// Adds the key for client assertions.
    #[must_use]
    pub fn with_key(mut self, key: ClientKey) -> Self {
        self.key = Some(Arc::new(key));
        self
    }
}

/// The grant of a service.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ServiceGrant {
    /// The client's own secret or key (RFC 6749 §4.4).
    ClientCredentials,
    /// A JWT that the platform of a workload signed (RFC 7523 §2.1).
    JwtBearer(Arc<dyn AssertionSource>),
    /// A user's ID token, which the enterprise's identity provider exchanges for an assertion
    /// that the authorization server takes (RFC 8693,
    /// draft-ietf-oauth-identity-assertion-authz-grant).
    IdentityAssertion(Box<IdentityProvider>),
}

/// An enterprise's identity provider.
#[derive(Debug, Clone)]
pub struct IdentityProvider {
    /// Its token endpoint.
    pub token_endpoint: Url,
    /// The client at the provider, which is another one than at the authorization server. Its `issuer` is
    /// ignored: the endpoint says which provider it is.
    pub client: PreRegisteredClient,
    /// Where the user's ID token comes from.
    pub id_token: Arc<dyn AssertionSource>,
}

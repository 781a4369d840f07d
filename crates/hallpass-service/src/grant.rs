//! What a machine shows, as plain data.

use std::sync::Arc;

use hallpass_core::PreRegisteredClient;
use hallpass_oauth::ClientKey;
use url::Url;

use crate::AssertionSource;

/// A machine: what it shows to the authorization server, and the key it signs with, if it has one.
/// Its identifier and secret stand in the server's settings, as those of any pre-registered client.
#[derive(Debug, Clone)]
pub struct ServiceClient {
    /// What it shows.
    pub grant: ServiceGrant,
    /// The key of a client that authenticates by `private_key_jwt` (RFC 7523 §2.2).
    pub key: Option<Arc<ClientKey>>,
}

impl ServiceClient {
    /// A machine without a key.
    pub fn new(grant: ServiceGrant) -> Self {
        Self { grant, key: None }
    }

    /// The same machine with a key, which it signs client assertions with.
    #[must_use]
    pub fn with_key(mut self, key: ClientKey) -> Self {
        self.key = Some(Arc::new(key));
        self
    }
}

/// What a machine shows to get a token.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ServiceGrant {
    /// Itself: the client's secret or key (RFC 6749 §4.4).
    ClientCredentials,
    /// A JWT that its platform signed, for a workload (RFC 7523 §2.1).
    JwtBearer(Arc<dyn AssertionSource>),
    /// A person's ID token, which the enterprise's identity provider exchanges for an assertion
    /// that the authorization server takes (RFC 8693,
    /// draft-ietf-oauth-identity-assertion-authz-grant).
    IdentityAssertion(Box<IdentityProvider>),
}

/// An enterprise's identity provider.
#[derive(Debug, Clone)]
pub struct IdentityProvider {
    /// Where it exchanges tokens.
    pub token_endpoint: Url,
    /// Who the client is there, which is another client than at the authorization server. Its
    /// `issuer` is not looked at: the endpoint says which provider it is.
    pub client: PreRegisteredClient,
    /// Where the person's ID token comes from.
    pub id_token: Arc<dyn AssertionSource>,
}

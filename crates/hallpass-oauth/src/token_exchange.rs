//! Token exchange (RFC 8693), as enterprise-managed authorization uses it: an identity provider turns
//! a user's ID token into an identity assertion (ID-JAG) that an authorization server takes as a
//! JWT bearer grant.

use std::fmt;

use bytes::Bytes;
use hallpass_core::{Issuer, Resource, Scopes, Timestamp};
use http::{Request, Response};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{
    client_auth::ClientAuthentication,
    form::Form,
    token::{TokenError, TokenRequest, grant_type},
};

/// A request to an identity provider for an assertion.
#[derive(Clone, Copy)]
pub struct IdentityAssertionRequest<'a> {
    /// The ID token that the provider issued when the user signed in.
    pub id_token: &'a str,
    /// The authorization server that the assertion is for.
    pub audience: &'a Issuer,
    /// The resource that the access token will be for.
    pub resource: Option<&'a Resource>,
    /// The scopes that the access token is to have; none leaves the parameter out.
    pub scopes: &'a Scopes,
}

impl IdentityAssertionRequest<'_> {
    /// The request to send to the identity provider's token endpoint, as a client of that provider.
    pub fn into_http(self, endpoint: &Url, client: &ClientAuthentication<'_>) -> Request<Bytes> {
        let form = Form::for_grant(grant_type::TOKEN_EXCHANGE)
            .with("subject_token", self.id_token)
            .with("subject_token_type", ID_TOKEN)
            .with("requested_token_type", ID_JAG)
            .with("audience", self.audience.as_str())
            .with_resource(self.resource)
            .with_scopes(self.scopes);
        client.post_form(form, endpoint)
    }
}

impl fmt::Debug for IdentityAssertionRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityAssertionRequest")
            .field("audience", self.audience)
            .field("resource", &self.resource)
            .field("scopes", self.scopes)
            .finish_non_exhaustive()
    }
}

/// An identity assertion authorization grant. `Debug` does not show it.
pub struct IdentityAssertion {
    assertion: SecretString,
    expires_at: Option<Timestamp>,
}

impl IdentityAssertion {
    /// Reads the identity provider's answer, received at `now` (RFC 8693 §2.2.1).
    ///
    /// # Errors
    ///
    /// When the provider refused, or issued a token of another type: that is no assertion, and may
    /// be something that no other server should see.
    pub fn from_http(response: &Response<Bytes>, now: Timestamp) -> Result<Self, TokenError> {
        let answer = TokenError::check(response)?;
        if answer.text("issued_token_type") != Some(ID_JAG) {
            let why = "the issued token is not an identity assertion";
            return Err(TokenError::unreadable(response, why));
        }
        let Some(assertion) = answer.text("access_token") else {
            return Err(TokenError::unreadable(response, "no access token"));
        };
        Ok(Self {
            assertion: SecretString::from(assertion.to_owned()),
            expires_at: answer
                .duration("expires_in")
                .map(|lifetime| now.saturating_add(lifetime)),
        })
    }

    /// When the assertion ends, if the provider said so.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The token request that spends it at the authorization server it was issued for
    /// (RFC 7523 §2.1), with the `resource` that the assertion was asked for. Spend it again only
    /// where the server has not looked at the request.
    #[must_use]
    pub fn redeem(&self, scopes: &Scopes, resource: Option<&Resource>) -> TokenRequest {
        TokenRequest::jwt_bearer(self.assertion.expose_secret(), scopes, resource)
    }
}

impl fmt::Debug for IdentityAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityAssertion")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// RFC 8693 §3.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// draft-ietf-oauth-identity-assertion-authz-grant.
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

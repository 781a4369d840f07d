//! The request to the token endpoint.

use bytes::Bytes;
use hallpass_core::{Grant, Resource, Scopes};
use http::Request;
use url::Url;

use crate::{client_auth::ClientAuthentication, form::Form};

/// A grant on its way to the token endpoint, without the client's authentication. `Debug` shows the names of
/// the parameters, never a value.
#[derive(Debug, Clone)]
pub struct TokenRequest(Form);

impl TokenRequest {
    /// RFC 6749 §4.1.3 with RFC 7636 §4.5. Reached by
    /// [`PendingAuthorization::redeem`](crate::PendingAuthorization::redeem) alone.
    pub(crate) fn authorization_code(
        code: &str,
        redirect_uri: &str,
        verifier: &str,
        resource: Option<&Resource>,
    ) -> Self {
        Self(
            Form::for_grant("authorization_code")
                .with("code", code)
                .with("redirect_uri", redirect_uri)
                .with("code_verifier", verifier)
                .with_resource(resource),
        )
    }

    /// RFC 6749 §6 with the grant's own `resource` (RFC 8707 §2.2). No scope is sent, which asks for
    /// all that were granted.
    ///
    /// `None` when the grant holds no refresh token.
    pub fn refresh(grant: &Grant) -> Option<Self> {
        let refresh_token = grant.refresh_token.as_ref()?;
        Some(Self(
            Form::for_grant("refresh_token")
                .with("refresh_token", refresh_token.expose())
                .with_resource(grant.resource.as_ref()),
        ))
    }

    /// The same refresh with the scopes that the sign-in requested, for a server that needs them named.
    #[must_use]
    pub fn with_scopes_of(self, grant: &Grant) -> Self {
        Self(self.0.with_scopes(&grant.requested_scopes))
    }

    /// RFC 8628 §3.4.
    pub(crate) fn device_code(device_code: &str, resource: Option<&Resource>) -> Self {
        Self(
            Form::for_grant(grant_type::DEVICE_CODE)
                .with("device_code", device_code)
                .with_resource(resource),
        )
    }

    /// RFC 6749 §4.4: the client acts for itself. There is no refresh token: send the request again at expiry.
    pub fn client_credentials(scopes: &Scopes, resource: Option<&Resource>) -> Self {
        Self(
            Form::for_grant("client_credentials")
                .with_scopes(scopes)
                .with_resource(resource),
        )
    }

    /// RFC 7523 §2.1: an assertion of another party, sent as it is. A refused assertion is not sent
    /// again: read a new one for the next request.
    pub fn jwt_bearer(assertion: &str, scopes: &Scopes, resource: Option<&Resource>) -> Self {
        Self(
            Form::for_grant(grant_type::JWT_BEARER)
                .with("assertion", assertion)
                .with_scopes(scopes)
                .with_resource(resource),
        )
    }

    /// The request to send to `endpoint`, without following redirects.
    pub fn into_http(self, endpoint: &Url, client: &ClientAuthentication<'_>) -> Request<Bytes> {
        client.post_form(self.0, endpoint)
    }
}

/// The grant types that have a URI for a name.
pub(crate) mod grant_type {
    /// RFC 8628 §3.4.
    pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
    /// RFC 7523 §2.1.
    pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    /// RFC 8693 §2.1.
    pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
}

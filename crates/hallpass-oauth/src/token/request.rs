//! What goes to the token endpoint.

use bytes::Bytes;
use hallpass_core::{Grant, Resource};
use http::Request;
use url::Url;

use crate::{client_auth::ClientAuthentication, form::Form};

/// A grant on its way to the token endpoint, without the client's proof. `Debug` shows the names of
/// the parameters, never a value.
#[derive(Debug)]
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
            Form::of_grant("authorization_code")
                .with("code", code)
                .with("redirect_uri", redirect_uri)
                .with("code_verifier", verifier)
                .with_optional("resource", resource.map(Resource::as_str)),
        )
    }

    /// RFC 6749 §6 with the grant's own `resource` (RFC 8707 §2.2). No scope is sent, which asks for
    /// all that were granted.
    ///
    /// `None` when the grant holds no refresh token.
    pub fn refresh(grant: &Grant) -> Option<Self> {
        let refresh_token = grant.refresh_token.as_ref()?;
        Some(Self(
            Form::of_grant("refresh_token")
                .with("refresh_token", refresh_token.expose())
                .with_optional("resource", grant.resource.as_ref().map(Resource::as_str)),
        ))
    }

    /// The request to send to `endpoint`, without following redirects.
    pub fn into_http(self, endpoint: &Url, client: &ClientAuthentication<'_>) -> Request<Bytes> {
        client.post_form(self.0, endpoint)
    }
}

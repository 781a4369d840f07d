//! Telling a server that a token is no longer needed (RFC 7009).

use std::fmt;

use bytes::Bytes;
use hallpass_core::{AccessToken, RefreshToken};
use http::{Request, Response};
use url::Url;

use crate::{answer::Answer, client_auth::ClientAuthentication, form::Form, token::TokenError};

/// A request to revoke one token (RFC 7009 §2.1). Revoke the refresh token first: most servers end
/// its access tokens with it.
pub struct RevocationRequest<'a> {
    token: &'a str,
    hint: &'static str,
}

impl<'a> RevocationRequest<'a> {
    /// Revokes a refresh token.
    pub fn for_refresh_token(token: &'a RefreshToken) -> Self {
        Self {
            token: token.expose(),
            hint: "refresh_token",
        }
    }

    /// Revokes an access token.
    pub fn of_access_token(token: &'a AccessToken) -> Self {
        Self {
            token: token.expose(),
            hint: "access_token",
        }
    }

    /// The request to send to `endpoint`, without following redirects.
    pub fn into_http(self, endpoint: &Url, client: &ClientAuthentication<'_>) -> Request<Bytes> {
        let form = Form::default()
            .with("token", self.token)
            .with("token_type_hint", self.hint);
        client.post_form(form, endpoint)
    }
}

impl fmt::Debug for RevocationRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationRequest({})", self.hint)
    }
}

/// Reads the answer to a [`RevocationRequest`]. Any 2xx is success, also for a token that the server
/// never knew (RFC 7009 §2.2).
///
/// # Errors
///
/// A [`TokenError`] for every other status. What it was asked for is not done, and may be asked for
/// again when its class is [`NotProcessed`](crate::TokenErrorClass::NotProcessed).
pub fn revocation_from_http(response: &Response<Bytes>) -> Result<(), TokenError> {
    if response.status().is_success() {
        return Ok(());
    }
    match TokenError::of(response, &Answer::read(response)) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

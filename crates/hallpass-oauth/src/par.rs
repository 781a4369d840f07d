//! Pushed authorization requests (RFC 9126): the parameters go to the server first, and the browser
//! carries a reference to them.

use bytes::Bytes;
use http::{Request, Response};
use url::Url;

use crate::{
    authorization::with_parameters, callback::PendingAuthorization,
    client_auth::ClientAuthentication, form::Form, token::TokenError,
};

impl PendingAuthorization {
    /// The request that pushes this login's parameters, `resource` among them, to the server's
    /// `pushed_authorization_request_endpoint` (RFC 9126 §2.1). Redirects are not to be followed.
    pub fn push(&self, endpoint: &Url, client: &ClientAuthentication<'_>) -> Request<Bytes> {
        client.post_form(self.form.clone(), endpoint)
    }

    /// Takes the answer to [`push`](Self::push): from now on [`url`](Self::url) holds the reference
    /// instead of the parameters (RFC 9126 §4).
    ///
    /// # Errors
    ///
    /// A [`TokenError`] (RFC 9126 §2.3 gives errors the form of the token endpoint's) when there is no
    /// reference in the answer. The login stays as it was.
    pub fn pushed(&mut self, response: &Response<Bytes>) -> Result<(), TokenError> {
        let answer = TokenError::check(response)?;
        let Some(reference) = answer.text("request_uri") else {
            return Err(TokenError::unreadable(response, "no `request_uri`"));
        };
        let client_id = self.form.iter().find(|(name, _)| *name == "client_id");
        let form = Form::default()
            .with("client_id", client_id.map_or("", |(_, id)| id))
            .with("request_uri", reference);
        self.url = with_parameters(&self.endpoint, &form);
        Ok(())
    }
}

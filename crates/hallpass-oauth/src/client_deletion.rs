//! Deleting a registration (RFC 7592 §2.3).

use bytes::Bytes;
use hallpass_core::record::RegistrationManagement;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use zeroize::Zeroizing;

use crate::{form::uri, registration::RegistrationError};

/// The request that deletes a client's registration. Redirects are not to be followed.
pub fn unregister(management: &RegistrationManagement) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::DELETE;
    *request.uri_mut() = uri(&management.uri);
    let text = Zeroizing::new(format!("Bearer {}", management.token.expose()));
    // An invalid header value is left out; the server then answers 401.
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    request
}

/// Reads the answer to [`unregister`]. The registration is removed after a 2xx, and where the server
/// does not find it (404, 410).
///
/// # Errors
///
/// When the server no longer accepts the registration's token (401, RFC 7592 §2.3), which does not
/// say whether the client is gone. When the registration stays: the server does not delete clients
/// (403, 405), or can't at the moment.
pub fn unregistered_from_http(response: &Response<Bytes>) -> Result<(), RegistrationError> {
    match response.status() {
        status if status.is_success() => Ok(()),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
        _ => Err(RegistrationError::not_removed(response)),
    }
}

//! Taking a registration back (RFC 7592 §2.3).

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
    // A token that can't stand in a header was never one: without it the server says 401.
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    request
}

/// Reads the answer to [`unregister`]. A server that no longer knows the client (401 or 404,
/// RFC 7592 §2.3) has nothing left to delete.
///
/// # Errors
///
/// When the registration is still there: the server does not delete (403, 405), or is not well.
pub fn unregistered_from_http(response: &Response<Bytes>) -> Result<(), RegistrationError> {
    match response.status() {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
        _ => Err(RegistrationError::still_registered(response)),
    }
}

//! The device authorization grant (RFC 8628): a user signs in on another device.

use std::{fmt, time::Duration};

use bytes::Bytes;
use hallpass_core::{Resource, Scopes, Timestamp, is_loopback};
use http::{Request, Response};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{
    client_auth::ClientAuthentication,
    form::Form,
    token::{TokenError, TokenErrorClass, TokenRequest},
};

/// A request for a device code (RFC 8628 §3.1).
#[derive(Debug, Clone, Copy)]
pub struct DeviceAuthorizationRequest<'a> {
    /// The scopes to ask for; none leaves the parameter out.
    pub scopes: &'a Scopes,
    /// What the token is to be good for; `None` leaves the parameter out.
    pub resource: Option<&'a Resource>,
}

impl DeviceAuthorizationRequest<'_> {
    /// The request to send to the `device_authorization_endpoint`, without following redirects.
    pub fn into_http(self, endpoint: &Url, client: &ClientAuthentication<'_>) -> Request<Bytes> {
        let form = Form::default()
            .with_scopes(self.scopes)
            .with_resource(self.resource);
        // A device request of a Basic client needs no body; RFC 8628 §3.1 asks for the identifier
        // only of clients that do not authenticate.
        client.post_form(form, endpoint)
    }
}

/// A login that waits for the user on another device (RFC 8628 §3.2). `Debug` shows no code.
pub struct DeviceAuthorization {
    device_code: SecretString,
    user_code: String,
    verification_uri: Url,
    verification_uri_complete: Option<Url>,
    expires_at: Timestamp,
    interval: Duration,
    resource: Option<Resource>,
}

impl DeviceAuthorization {
    /// Reads the answer to a [`DeviceAuthorizationRequest`] that asked for `resource`, received at
    /// `now`.
    ///
    /// # Errors
    ///
    /// When the server refused, or a user could not use the answer: no code, a code that
    /// can't be typed, an address that is no https URL.
    pub fn from_http(
        response: &Response<Bytes>,
        resource: Option<&Resource>,
        now: Timestamp,
    ) -> Result<Self, TokenError> {
        let answer = TokenError::check(response)?;
        let unreadable = |why| Err(TokenError::unreadable(response, why));
        let Some(device_code) = answer.text("device_code") else {
            return unreadable("no `device_code`");
        };
        let user_code = answer.text("user_code").unwrap_or_default();
        if !is_typeable(user_code) {
            return unreadable("no `user_code` that a user could type");
        }
        // Google and Microsoft said `verification_url` before RFC 8628 did.
        let uri = answer
            .text("verification_uri")
            .or_else(|| answer.text("verification_url"));
        let Some(verification_uri) = uri.and_then(page) else {
            return unreadable("no `verification_uri` that a browser may be sent to");
        };
        let seconds = |name, default| {
            answer
                .duration(name)
                .unwrap_or(Duration::from_secs(default))
        };
        Ok(Self {
            device_code: SecretString::from(device_code.to_owned()),
            user_code: user_code.to_owned(),
            verification_uri,
            verification_uri_complete: answer.text("verification_uri_complete").and_then(page),
            expires_at: now.saturating_add(seconds("expires_in", 600)),
            interval: seconds("interval", 5).clamp(MIN_INTERVAL, MAX_INTERVAL),
            resource: resource.cloned(),
        })
    }

    /// The code that the user types.
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// The page where the user types it.
    pub fn verification_uri(&self) -> &Url {
        &self.verification_uri
    }

    /// The same with the code in it, for a link or a QR code.
    pub fn verification_uri_complete(&self) -> Option<&Url> {
        self.verification_uri_complete.as_ref()
    }

    /// When the code ends.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// How long to wait before the next poll.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The request that asks whether the user has finished (RFC 8628 §3.4). The answer is a
    /// [`TokenResponse`](crate::TokenResponse).
    pub fn poll(&self) -> TokenRequest {
        TokenRequest::device_code(self.device_code.expose_secret(), self.resource.as_ref())
    }

    /// Whether to ask again after `error`, once [`interval`](Self::interval) has passed. Slows down
    /// when the server says so (RFC 8628 §3.5), or is not well.
    pub fn handle_poll_error(&mut self, error: &TokenError) -> bool {
        let pending = match error.code() {
            Some("authorization_pending") => return true,
            Some("slow_down") => true,
            _ => matches!(
                error.class(),
                TokenErrorClass::NotProcessed | TokenErrorClass::Unknown
            ),
        };
        if pending {
            self.interval = (self.interval + Duration::from_secs(5)).min(MAX_INTERVAL);
        }
        pending
    }
}

impl fmt::Debug for DeviceAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceAuthorization")
            .field("verification_uri", &self.verification_uri.as_str())
            .field("expires_at", &self.expires_at)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

const MIN_INTERVAL: Duration = Duration::from_secs(1);
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// Whether a user can type a code, and takes it for one (RFC 8628 §6.1): groups of letters and digits.
fn is_typeable(code: &str) -> bool {
    (1..=32).contains(&code.chars().count())
        && code
            .split(['-', ' '])
            .all(|group| !group.is_empty() && group.chars().all(char::is_alphanumeric))
}

/// A page that a user may be sent to. User information before the host would look like the host.
fn page(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let fits = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    let has_user_info = !url.username().is_empty() || url.password().is_some();
    (fits && !has_user_info).then_some(url)
}

//! Requests with a token that may be bound to a key (RFC 9449 §7).

use hallpass_core::AuthScheme;
use hallpass_session::{Session, Token};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::{Authorization, Response};

/// Authorises each hop with a token, and a proof of its own where the token is bound to a key.
pub(crate) struct ByToken<'a> {
    pub(crate) session: &'a Session,
    pub(crate) token: &'a Token,
}

impl Authorization for ByToken<'_> {
    fn authorize(
        &self,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let authorized = self.session.authorize(self.token, method, url, headers);
        authorized.map_err(Box::from)
    }

    fn record_response(&self, _: &Url, headers: &HeaderMap) {
        self.session.record_response(self.token, headers);
    }
}

/// Whether the server wants nothing but its nonce in the proof, and gives it.
pub(crate) fn asks_for_nonce(response: &Response) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        && response.headers().contains_key("dpop-nonce")
        && hallpass_discovery::challenges(response.headers())
            .iter()
            .any(|challenge| {
                challenge.scheme == AuthScheme::Dpop
                    && challenge.error.as_deref() == Some("use_dpop_nonce")
            })
}

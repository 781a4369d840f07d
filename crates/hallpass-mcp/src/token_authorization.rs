//! Requests with a token that may be bound to a key (RFC 9449 §7).

use hallpass_session::{Session, Token};
use http::{HeaderMap, Method};
use url::Url;

use crate::Authorization;

/// Authorizes each hop with a token, and with a proof of its own where the token is bound to a key.
#[derive(Debug)]
pub struct TokenAuthorization<'a> {
    session: &'a Session,
    token: &'a Token,
}

impl<'a> TokenAuthorization<'a> {
    /// Authorizes with `token`, which `session` has given.
    pub fn new(session: &'a Session, token: &'a Token) -> Self {
        Self { session, token }
    }
}

impl Authorization for TokenAuthorization<'_> {
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

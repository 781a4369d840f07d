//! The token endpoint's answer, read as real servers write it.

use std::{fmt, time::Duration};

use bytes::Bytes;
use hallpass_core::{
    AccessToken, AuthScheme, Grant, RefreshToken, Resource, Scopes, Timestamp, record::GrantKind,
};
use http::Response;

use super::error::{TokenError, dpop_nonce};

/// A token and what the server said about it (RFC 6749 §5.1). `Debug` shows no token.
pub struct TokenResponse {
    access_token: AccessToken,
    scheme: AuthScheme,
    expires_in: Option<Duration>,
    refresh_token: Option<RefreshToken>,
    scopes: Option<Scopes>,
    dpop_nonce: Option<String>,
}

impl TokenResponse {
    /// Reads an answer of the token endpoint.
    ///
    /// Only an access token has to be there. Status 201 is as good as 200; a missing `token_type` is
    /// `Bearer`; `expires_in` may be a string or a fraction; an empty refresh token or scope is
    /// none; unknown fields are ignored; a form-encoded body is read when it says that
    /// it is one. An `error` beside a 2xx is an error.
    ///
    /// `requested` is the type of token that the request asked for: [`AuthScheme::Dpop`] where it carried
    /// a proof of a key, else [`AuthScheme::Bearer`]. A token of another type is an error (RFC 9449
    /// §5): a stolen bearer token could be used without the key, and the client has no key for a bound
    /// token that it did not ask for.
    ///
    /// # Errors
    ///
    /// A [`TokenError`] for every answer without a usable access token.
    pub fn from_http(
        response: &Response<Bytes>,
        requested: AuthScheme,
    ) -> Result<Self, TokenError> {
        let answer = TokenError::check(response)?;
        let unreadable = |why| Err(TokenError::unreadable(response, why));
        if !answer.is_object() {
            return unreadable("not JSON");
        }
        let Some(access_token) = answer.text("access_token") else {
            return unreadable("no access token");
        };
        // RFC 6749 appendix A.12; anything else can't stand in a header.
        if !is_visible(access_token) {
            return unreadable("an access token of impossible characters");
        }
        let scheme = match answer.text("token_type") {
            None => AuthScheme::Bearer,
            Some(name) if name.eq_ignore_ascii_case("bearer") => AuthScheme::Bearer,
            Some(name) if name.eq_ignore_ascii_case("dpop") => AuthScheme::Dpop,
            // RFC 6749 §7.1: a client must not use a token of a type it does not understand.
            Some(_) => return unreadable("a token type that is neither Bearer nor DPoP"),
        };
        if scheme != requested {
            return Err(TokenError::wrong_type(response, scheme));
        }
        Ok(Self {
            access_token: AccessToken::new(access_token),
            scheme,
            expires_in: answer.duration("expires_in"),
            refresh_token: answer.text("refresh_token").map(RefreshToken::new),
            scopes: answer.scopes("scope"),
            dpop_nonce: dpop_nonce(response.headers()),
        })
    }

    /// The scheme the token is used with.
    pub fn scheme(&self) -> AuthScheme {
        self.scheme
    }

    /// Whether a refresh token came along.
    pub fn has_refresh_token(&self) -> bool {
        self.refresh_token.is_some()
    }

    /// The nonce that the next proof to this server has to hold (RFC 9449 §8.2).
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.dpop_nonce.as_deref()
    }

    /// The grant of a first answer: `requested` and `resource` are what the request asked for. A
    /// DPoP grant gets its key from the caller.
    #[must_use]
    pub fn into_grant(
        self,
        kind: GrantKind,
        requested: &Scopes,
        resource: Option<&Resource>,
        now: Timestamp,
    ) -> Grant {
        let mut grant = Grant::new(kind, self.access_token, now);
        grant.scheme = self.scheme;
        grant.expires_at = self.expires_in.map(|lifetime| now.saturating_add(lifetime));
        grant.refresh_token = self.refresh_token;
        grant.requested_scopes = requested.clone();
        grant.granted_scopes = self.scopes;
        grant.resource = resource.cloned();
        grant
    }

    /// The grant after a refresh of `old`: what the answer does not mention stays as it was
    /// (RFC 6749 §6), except the expiry, which belonged to the old token.
    #[must_use]
    pub fn renew(self, old: &Grant, now: Timestamp) -> Grant {
        let mut grant = old.clone();
        grant.access_token = self.access_token;
        grant.scheme = self.scheme;
        grant.obtained_at = now;
        grant.expires_at = self.expires_in.map(|lifetime| now.saturating_add(lifetime));
        grant.refresh_token = self.refresh_token.or(grant.refresh_token);
        grant.granted_scopes = self.scopes.or(grant.granted_scopes);
        grant
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("scheme", &self.scheme)
            .field("expires_in", &self.expires_in)
            .field("has_refresh_token", &self.has_refresh_token())
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// `1*VSCHAR`.
fn is_visible(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

//! Scheme, host and port, and the headers that belong to one of them.

use std::fmt;

use hallpass_core::{Diagnostic, Remedy};
use http::HeaderMap;
use url::Url;

/// The scheme, host and port of an http or https URL (RFC 6454 §4).
///
/// The port is always known: the scheme's default one when the URL names none. Two origins are
/// equal when all three parts are, the host compared as the URL standard writes it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of `url`; `None` when it is neither http nor https.
    pub fn from_url(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }

    /// Reads `https://host` or `http://host:port`. What follows the port is left out.
    ///
    /// # Errors
    ///
    /// When the text is no absolute http or https URL.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        Url::parse(text.trim())
            .ok()
            .and_then(|url| Self::from_url(&url))
            .ok_or(OriginError(()))
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host; an IPv6 address in its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the origin's root.
    pub(crate) fn root(&self) -> Option<Url> {
        Url::parse(&format!("{self}/")).ok()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (self.scheme.as_str(), self.port) {
            ("http", 80) | ("https", 443) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

/// A text that is no origin. The text is not repeated, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an origin: an absolute http or https URL was expected")]
pub struct OriginError(());

impl Diagnostic for OriginError {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

/// Headers that go to one origin and to no other, whatever redirects.
///
/// A header that the request itself carries stands; these fill in what is absent.
#[derive(Clone, PartialEq, Eq)]
pub struct OriginHeaders {
    /// The origin that gets the headers.
    pub origin: Origin,
    /// The headers. Their values are treated as secrets: `Debug` shows names only.
    pub headers: HeaderMap,
}

impl fmt::Debug for OriginHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginHeaders")
            .field("origin", &self.origin)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests;

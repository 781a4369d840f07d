//! A proxy that demands credentials, or other ones.

use std::fmt;

use crate::Proxy;

/// A proxy that asked for credentials, or did not take those it was given (RFC 9110 §15.5.8,
/// RFC 1929).
///
/// It is the [source](std::error::Error::source) of an [`HttpError`](hallpass_core::HttpError) of
/// kind `ProxyAuthentication`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyRefused {
    proxy: String,
    had_credentials: bool,
}

impl ProxyRefused {
    pub(crate) fn new(proxy: &Proxy) -> Self {
        Self {
            proxy: proxy.to_string(),
            had_credentials: proxy.credentials.is_some(),
        }
    }

    /// The proxy's URL without its credentials.
    pub fn proxy(&self) -> &str {
        &self.proxy
    }

    /// Whether it was given any credentials.
    pub fn had_credentials(&self) -> bool {
        self.had_credentials
    }

    /// What the person can do about it.
    pub fn hint(&self) -> &'static str {
        if self.had_credentials {
            "check the proxy's user name and password; special characters in its URL are \
             percent-encoded"
        } else {
            "put the user name and the password into the proxy's URL: http://user:password@host:port"
        }
    }
}

impl fmt::Display for ProxyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.had_credentials {
            "does not take the credentials that are configured"
        } else {
            "wants credentials, and none are configured"
        };
        write!(f, "the proxy {} {what}", self.proxy)
    }
}

impl std::error::Error for ProxyRefused {}

impl hallpass_core::Diagnostic for ProxyRefused {
    fn remedy(&self) -> hallpass_core::Remedy {
        hallpass_core::Remedy::Configure
    }

    fn hints(&self) -> Vec<hallpass_core::Hint> {
        vec![hallpass_core::Hint::text(self.hint())]
    }
}

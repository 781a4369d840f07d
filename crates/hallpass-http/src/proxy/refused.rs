//! A proxy that demands credentials, or other ones.

use hallpass_core::{Diagnostic, Hint, Remedy};

use crate::Proxy;

/// A proxy that asked for credentials, or did not take those it was given (RFC 9110 §15.5.8,
/// RFC 1929).
///
/// It is the [source](std::error::Error::source) of an [`HttpError`](hallpass_core::HttpError) of
/// kind `ProxyAuthentication`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the proxy {proxy} {}",
    if *.had_credentials {
        "does not take the credentials that are configured"
    } else {
        "wants credentials, and none are configured"
    },
)]
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
}

impl Diagnostic for ProxyRefused {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }

    fn hints(&self) -> Vec<Hint> {
        vec![Hint::text(if self.had_credentials {
            "check the proxy's user name and password; special characters in its URL are \
             percent-encoded"
        } else {
            "put the user name and the password into the proxy's URL: http://user:password@host:port"
        })]
    }
}

//! How a request is authorized, hop by hop.

use std::error::Error;

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use url::Url;

/// Adds to each hop of a request what authorizes it.
///
/// It is asked once for the first request and once more for each redirect that is followed, because
/// a DPoP proof (RFC 9449 §4.2) names the method and the URL and may be used once. All hops are on
/// one origin.
///
/// A header's fixed value is an authorization too; [`Anonymous`] sends none.
pub trait Authorization: Send + Sync {
    /// Sets the headers for sending `method` to `url`.
    ///
    /// # Errors
    ///
    /// When no proof can be made. The request is not sent then.
    fn authorize(
        &self,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
    ) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// Sees the headers of each hop's response, redirects included: a server hands out a DPoP nonce
    /// with any of them (RFC 9449 §8.2).
    fn record_response(&self, url: &Url, headers: &HeaderMap) {
        let _ = (url, headers);
    }
}

/// Sends no `Authorization`, which is how the first challenge is obtained.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

impl Authorization for Anonymous {
    fn authorize(
        &self,
        _: &Method,
        _: &Url,
        _: &mut HeaderMap,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

impl Authorization for HeaderValue {
    /// Sends this value as `Authorization` on each hop.
    fn authorize(
        &self,
        _: &Method,
        _: &Url,
        headers: &mut HeaderMap,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut value = self.clone();
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(())
    }
}

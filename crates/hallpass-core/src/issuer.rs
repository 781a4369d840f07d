//! The issuer identifier of an authorization server (RFC 8414 §2, RFC 9207).

use url::Url;

use crate::{
    UrlError, is_loopback, redacted_url, sanitize_line,
    settings::short_digest,
    url_text::{has_url_characters, url_text},
};

/// What an issuer's text has to be.
const ISSUER: &str = "an issuer identifier (RFC 8414 §2)";

/// An authorization server's issuer identifier: the received text beside the parsed URL.
///
/// Two issuers are equal when their texts are: RFC 9207 §2.4 forbids any normalization, so issuers
/// that differ by a slash differ.
#[derive(Clone)]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Reads an issuer identifier.
    ///
    /// # Errors
    ///
    /// When it is not an `https` URL (or `http` to a loopback host), holds a query, a fragment or user
    /// information (RFC 8414 §2), or a character that a URL can't hold (RFC 3986 §2).
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let issuer = Self::parse_any_characters(text)?;
        // Hosts show this text to the user before consent.
        if !has_url_characters(text) {
            let reason = "a URL is of printable ASCII characters (RFC 3986 §2)";
            return Err(UrlError::new(text, ISSUER, reason));
        }
        Ok(issuer)
    }

    /// Reads an issuer identifier from a record. An earlier version did not check the characters, and
    /// its records can still be used, listed and forgotten.
    pub(crate) fn parse_any_characters(text: &str) -> Result<Self, UrlError> {
        let url =
            Url::parse(text).map_err(|error| UrlError::new(text, ISSUER, error.to_string()))?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            let reason = "its scheme is not https (http is for loopback hosts)";
            return Err(UrlError::new(&redacted_url(&url), ISSUER, reason));
        }
        let has_user_info = !url.username().is_empty() || url.password().is_some();
        if has_user_info || url.query().is_some() || url.fragment().is_some() {
            let reason = "it holds a query, a fragment or user information";
            return Err(UrlError::new(&redacted_url(&url), ISSUER, reason));
        }
        let text = text.to_owned();
        Ok(Self { text, url })
    }

    /// The parsed form, to build well-known URLs from.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The first 64 bits of the text's SHA-256, as 16 hexadecimal digits: a name for the issuer in a path.
    pub fn short_digest(&self) -> String {
        short_digest(&self.text)
    }

    /// Whether both texts are the same but for one slash after a bare origin.
    ///
    /// Real servers publish `https://as.example` in one document and `https://as.example/` in the
    /// other; this is the one difference that discovery tolerates. It is never used for the `iss`
    /// of a callback.
    pub fn eq_ignoring_trailing_slash(&self, other: &Issuer) -> bool {
        let bare = |issuer: &Issuer| match issuer.text.strip_suffix('/') {
            Some(bare) if issuer.url.path() == "/" => bare.to_owned(),
            _ => issuer.text.clone(),
        };
        bare(self) == bare(other)
    }
}

impl PartialEq for Issuer {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Issuer {}

impl PartialOrd for Issuer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Issuer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl std::hash::Hash for Issuer {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

url_text!(Issuer, sanitize_line);

#[cfg(test)]
mod tests;

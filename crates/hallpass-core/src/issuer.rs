//! The issuer identifier of an authorization server (RFC 8414 §2, RFC 9207).

use std::{fmt, str::FromStr};

use url::Url;

use crate::{Remedy, quote, sanitize_line, server_url::is_loopback};

/// An authorization server's issuer identifier: the received text beside the parsed URL.
///
/// Two issuers are equal when their texts are: RFC 9207 §2.4 forbids any normalisation, so issuers
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
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        let issuer = Self::of_any_characters(text)?;
        // `Url::parse` accepts white space, control characters and other alphabets. Hosts show this
        // text to the user before consent.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IssuerError {
                text: text.to_owned(),
                reason: Reason::Characters,
            });
        }
        Ok(issuer)
    }

    /// Reads an issuer identifier from a record. An earlier version did not check the characters, and
    /// its records can still be used, listed and forgotten.
    pub(crate) fn of_any_characters(text: &str) -> Result<Self, IssuerError> {
        let refuse = |reason| {
            Err(IssuerError {
                text: text.to_owned(),
                reason,
            })
        };
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return refuse(Reason::Syntax(error)),
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            return refuse(Reason::Scheme);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse(Reason::Parts);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(IssuerError {
                text: "…".to_owned(),
                reason: Reason::Parts,
            });
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    /// The exact text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parsed form, to build well-known URLs from.
    pub fn url(&self) -> &Url {
        &self.url
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

impl fmt::Display for Issuer {
    /// For people and logs. The exact text is [`as_str`](Self::as_str).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&sanitize_line(&self.text))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({self})")
    }
}

impl FromStr for Issuer {
    type Err = IssuerError;

    fn from_str(text: &str) -> Result<Self, IssuerError> {
        Self::parse(text)
    }
}

/// A text that can't be an issuer identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not an issuer identifier (RFC 8414 §2): {reason}",
    quote(text)
)]
pub struct IssuerError {
    text: String,
    reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("{0}")]
    Syntax(url::ParseError),
    #[error("its scheme is not https (http is for loopback hosts)")]
    Scheme,
    #[error("it holds a query, a fragment or user information")]
    Parts,
    #[error("a URL is of printable ASCII characters (RFC 3986 §2)")]
    Characters,
}

impl IssuerError {
    /// What to do about it: the value has to be changed where it is published or configured.
    pub fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

crate::impl_diagnostic!(IssuerError);

#[cfg(test)]
mod tests;

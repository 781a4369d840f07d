//! The URL of an MCP server.

use std::borrow::Cow;

use url::{Host, Url};

use crate::{UrlError, is_within_domain, url_text::url_text};

/// What a server's text has to be.
const SERVER_URL: &str = "the URL of an MCP server";

/// The URL of an MCP server in canonical form, checked once.
///
/// It is absolute, `https` (or `http` to a loopback host, as for development), carries no user
/// information and no fragment. Its text is the canonical URI of the MCP authorization
/// specification: lower-case scheme and host, no default port, and no slash after a bare origin. It is
/// also the default `resource` (RFC 8707). `Display` has `?…` in place of the query, which may hold a key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerUrl {
    text: String,
    url: Url,
}

impl ServerUrl {
    /// Reads a server's URL.
    ///
    /// # Errors
    ///
    /// Says which part of the text can't be a server's URL, and never repeats a password in it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let refused = |reason: &str| UrlError::new(&redacted(text), SERVER_URL, reason);
        let url = Url::parse(text.trim()).map_err(|error| refused(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("it holds a user name or a password"));
        }
        if url.fragment().is_some() {
            return Err(refused("it holds a fragment (`#`)"));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                let reason = "plain http is for loopback hosts only, use https to reach another";
                return Err(refused(reason));
            }
            _ => return Err(refused("its scheme is not https")),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused("it names no host"));
        }
        let mut canonical = url.to_string();
        if url.path() == "/" && url.query().is_none() {
            canonical.pop();
        }
        Ok(Self {
            text: canonical,
            url,
        })
    }

    /// The parsed form, to send requests to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether `other` has this server's scheme, host and port.
    pub fn same_origin(&self, other: &Url) -> bool {
        self.url.origin() == other.origin()
    }
}

url_text!(ServerUrl, without_query);

/// Whether a URL's host is this machine: `localhost`, a name below it (RFC 6761), 127.0.0.0/8 or
/// `::1`. Decided by the text alone; nothing is resolved.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_within_domain(name, "localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A URL's text for users and logs: with `?…` in place of its query, which may hold a key.
pub(crate) fn without_query(text: &str) -> Cow<'_, str> {
    match text.split_once('?') {
        Some((before, query)) if !query.is_empty() => Cow::Owned(format!("{before}?…")),
        _ => Cow::Borrowed(text),
    }
}

/// The text without its query and what stands between `://` and `@`, for error messages. Of a text
/// that is not a URL the end of the password is unknown: an odd one may hold any of `/?#`.
fn redacted(text: &str) -> String {
    if let Some((scheme, rest)) = text.split_once("://")
        && rest.contains('@')
        && Url::parse(text.trim()).is_err()
    {
        return format!("{scheme}://…");
    }
    let text = without_query(text);
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.into_owned();
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) => format!("{scheme}://…{}", &rest[at..]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests;

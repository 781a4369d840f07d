//! The `resource` of RFC 8707: what a token is good for.

use std::{fmt, str::FromStr};

use url::Url;

use crate::{Remedy, ServerUrl, server_url::without_query};

/// A resource indicator (RFC 8707 §2): an absolute URI without a fragment, as it was published.
///
/// The text is never re-serialised: `http://localhost:3000` and `http://localhost:3000/` are
/// different resources to a server that compares bytes, and stay different here.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    text: String,
    url: Url,
}

impl Resource {
    /// Reads a resource indicator and keeps its text.
    ///
    /// # Errors
    ///
    /// When the text is not an absolute URI, holds a fragment, which RFC 8707 §2 forbids, or reads
    /// otherwise once it is parsed: dot segments, backslashes, `127.1`. The parsed form is compared with
    /// the server, and the text is sent; what they mean must be the same to everyone who reads it.
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        let resource = Self::of_any_spelling(text)?;
        if reads_as_parsed(text, &resource.url) {
            return Ok(resource);
        }
        Err(ResourceError {
            text: text.to_owned(),
            reason: Reason::ReadsOtherwise,
        })
    }

    /// Reads a resource indicator from a record. An earlier version did not check the spelling, and its
    /// records can still be listed and forgotten.
    pub(crate) fn of_any_spelling(text: &str) -> Result<Self, ResourceError> {
        let refuse = |reason| {
            Err(ResourceError {
                text: text.to_owned(),
                reason,
            })
        };
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return refuse(Reason::Syntax(error)),
        };
        // `Url::parse` forgives white space and control characters; what we send must not hold any.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse(Reason::NotAUri);
        }
        if url.fragment().is_some() {
            return refuse(Reason::Fragment);
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    /// The exact text, which is what goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this resource is the URL of `server` and nothing above it.
    pub fn is_server(&self, server: &ServerUrl) -> bool {
        ServerUrl::parse(&self.text).is_ok_and(|named| named == *server)
    }

    /// Whether this resource identifies `server` (RFC 9728 §3.3, read for MCP).
    ///
    /// Compared after parsing: same scheme, host and port; the path equal or an ancestor of the
    /// server's on a segment boundary, one trailing slash apart; the query equal or absent.
    ///
    /// # Errors
    ///
    /// A [`ResourceMismatch`] that names both strings and which part differs.
    pub fn matches_server(&self, server: &ServerUrl) -> Result<(), ResourceMismatch> {
        let theirs = server.url();
        let differs = if self.url.scheme() != theirs.scheme() {
            Some("scheme")
        } else if self.url.host() != theirs.host() {
            Some("host")
        } else if self.url.port_or_known_default() != theirs.port_or_known_default() {
            Some("port")
        } else if !self.url.username().is_empty() || self.url.password().is_some() {
            Some("user information")
        } else if !covers(self.url.path(), theirs.path()) {
            Some("path")
        } else if self.url.query().is_some() && self.url.query() != theirs.query() {
            Some("query")
        } else {
            None
        };
        match differs {
            None => Ok(()),
            Some(part) => Err(ResourceMismatch {
                resource: self.text.clone(),
                server: Box::new(server.clone()),
                part,
            }),
        }
    }
}

impl From<&ServerUrl> for Resource {
    /// The canonical URI of the server is its resource where nothing else is published.
    fn from(server: &ServerUrl) -> Self {
        Self {
            text: server.as_str().to_owned(),
            url: server.url().clone(),
        }
    }
}

impl fmt::Display for Resource {
    /// For people and logs: with `?…` in place of the query, which may be the server's own and hold
    /// a key. The whole text is [`as_str`](Self::as_str).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_query(&self.text))
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resource({self})")
    }
}

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        Self::parse(text)
    }
}

/// A text that can't be a resource indicator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a resource indicator (RFC 8707 §2): {reason}",
    crate::quote(text)
)]
pub struct ResourceError {
    text: String,
    reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("{0}")]
    Syntax(url::ParseError),
    #[error("it holds characters that a URI can't")]
    NotAUri,
    #[error("it holds a fragment (`#`)")]
    Fragment,
    #[error(
        "it reads otherwise once it is parsed: dot segments, backslashes or an odd host (RFC 3986 §6)"
    )]
    ReadsOtherwise,
}

impl ResourceError {
    /// Whether the text is a resource indicator that reads otherwise once it is parsed.
    pub fn reads_otherwise(&self) -> bool {
        matches!(self.reason, Reason::ReadsOtherwise)
    }

    /// What to do about it: the server or the setting has to change.
    pub fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

crate::impl_diagnostic!(ResourceError);

/// A resource that does not identify the server it was found for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the resource `{resource}` does not identify the server `{server}`: the {part} differs (RFC 9728 §3.3)"
)]
pub struct ResourceMismatch {
    resource: String,
    server: Box<ServerUrl>,
    part: &'static str,
}

impl ResourceMismatch {
    /// The resource, as published or configured.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The server's canonical URL.
    pub fn server(&self) -> &str {
        self.server.as_str()
    }

    /// The part of the URL that differs: `scheme`, `host`, `port`, `path`, `query`…
    pub fn part(&self) -> &'static str {
        self.part
    }

    /// What to do about it: only a setting can allow the mismatch.
    pub fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

crate::impl_diagnostic!(ResourceMismatch);

/// Whether `text` and `url`, which was parsed from it, say the same: but for the case of scheme and host,
/// the default port and the slash after a bare host.
fn reads_as_parsed(text: &str, url: &Url) -> bool {
    let scheme = url.scheme();
    let Some((head, rest)) = text.split_once(':') else {
        return false;
    };
    if !head.eq_ignore_ascii_case(scheme) {
        return false;
    }
    let parsed = &url.as_str()[scheme.len() + 1..];
    let Some(rest) = rest.strip_prefix("//") else {
        return escaped(rest) == escaped(parsed);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path_and_query) = rest.split_at(end);
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let host = host.to_ascii_lowercase();
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    let parsed_host = format!("{}{port}", url.host_str().unwrap_or_default());
    if host != parsed_host.to_ascii_lowercase() {
        return false;
    }
    // A user name never identifies a server; its spelling does not matter.
    let has_user = !url.username().is_empty() || url.password().is_some();
    if user.is_some() != has_user {
        return false;
    }
    let slash = if path_and_query.starts_with('/') || url.path().is_empty() {
        ""
    } else {
        "/"
    };
    let query = url
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let parsed = format!("{}{query}", url.path());
    escaped(&format!("{slash}{path_and_query}")) == escaped(&parsed)
}

/// Percent-encodes the characters that the parser encodes: they read the same.
fn escaped(text: &str) -> String {
    const ENCODED: &str = "\"'<>^`{|}";

    let escape = |letter: char| {
        if ENCODED.contains(letter) {
            format!("%{:02X}", u32::from(letter))
        } else {
            letter.to_string()
        }
    };
    text.chars().map(escape).collect()
}

/// Whether `ancestor` equals `path` or is a prefix of it that ends on a segment boundary.
fn covers(ancestor: &str, path: &str) -> bool {
    let ancestor = ancestor.strip_suffix('/').unwrap_or(ancestor);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;

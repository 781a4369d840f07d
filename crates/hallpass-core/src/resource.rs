//! The `resource` of RFC 8707: what a token is good for.

use url::Url;

use crate::{
    Diagnostic, Remedy, ServerUrl, UrlError,
    server_url::without_query,
    url_text::{READS_OTHERWISE, has_url_characters, url_text},
};

/// What a resource's text has to be.
const RESOURCE: &str = "a resource indicator (RFC 8707 §2)";

/// A resource indicator (RFC 8707 §2): an absolute URI without a fragment, as it was published.
///
/// The text is never re-serialized: `http://localhost:3000` and `http://localhost:3000/` are
/// different resources to a server that compares bytes, and stay different here. `Display` has `?…` in
/// place of the query, which may be the server's own and hold a key.
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
    /// the server, and the text is sent; what they mean must be the same to every reader.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let resource = Self::parse_any_spelling(text)?;
        if reads_as_parsed(text, &resource.url) {
            return Ok(resource);
        }
        Err(UrlError::new(text, RESOURCE, READS_OTHERWISE))
    }

    /// Reads a resource indicator from a record. An earlier version did not check the spelling, and its
    /// records can still be listed and forgotten.
    pub(crate) fn parse_any_spelling(text: &str) -> Result<Self, UrlError> {
        let refused = |reason: &str| Err(UrlError::new(text, RESOURCE, reason));
        let url =
            Url::parse(text).map_err(|error| UrlError::new(text, RESOURCE, error.to_string()))?;
        if !has_url_characters(text) {
            return refused("it holds characters that a URI can't");
        }
        if url.fragment().is_some() {
            return refused("it holds a fragment (`#`)");
        }
        let text = text.to_owned();
        Ok(Self { text, url })
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

url_text!(Resource, without_query);

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
}

impl Diagnostic for ResourceMismatch {
    /// Only a setting can allow the mismatch.
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

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

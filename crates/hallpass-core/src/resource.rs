//! The `resource` of RFC 8707: what a token is good for.

use url::Url;

use crate::{
    Diagnostic, Remedy, ServerUrl, UrlError,
    server_url::without_query,
    url_text::{has_url_characters, url_text},
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
    /// When the text is not an absolute URI, or holds a fragment, which RFC 8707 §2 forbids.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
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

/// Whether `ancestor` equals `path` or is a prefix of it that ends on a segment boundary.
fn covers(ancestor: &str, path: &str) -> bool {
    let ancestor = ancestor.strip_suffix('/').unwrap_or(ancestor);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;

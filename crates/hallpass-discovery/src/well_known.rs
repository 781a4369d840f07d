//! Where metadata documents are: the URLs that RFC 9728 §3.1, RFC 8414 §3.1 and OpenID Connect
//! Discovery 1.0 §4 derive from an identifier.

use hallpass_core::{Issuer, ServerUrl, is_loopback};
use url::Url;

use crate::MetadataSource;

/// Where a server's metadata may be when nothing says where: path-inserted, then at the root.
pub(crate) fn resource_metadata_urls(server: &ServerUrl) -> Vec<Url> {
    let path = server.url().path();
    // RFC 9728 §3.1 removes a slash that follows the host, and keeps path and query.
    let path = if path == "/" { "" } else { path };
    let query = server.url().query();
    let at = |path: &str, query: Option<&str>| {
        let mut url = server.url().clone();
        url.set_path(&format!("{PROTECTED_RESOURCE}{path}"));
        url.set_query(query);
        url
    };
    let mut candidates = vec![at(path, query)];
    // The letter keeps a slash at the end of the path; many servers publish without it.
    if let Some(bare) = path.strip_suffix('/') {
        candidates.push(at(bare, query));
    }
    candidates.push(at("", None));
    candidates.dedup();
    candidates
}

/// Whether the metadata of `server` at `url` may be that of all below a path: it stands at the
/// well-known URI of the server's origin, with or without an inserted path (RFC 9728 §3.1).
pub(crate) fn is_of_origin(server: &ServerUrl, url: &Url) -> bool {
    let inserted = url.path().strip_prefix(PROTECTED_RESOURCE);
    let is_well_known = inserted.is_some_and(|path| path.is_empty() || path.starts_with('/'));
    server.same_origin(url) && is_well_known
}

/// Where an issuer's metadata may be, in the order that MCP gives them. For an issuer with a path
/// the root's documents are another issuer's, and are not asked for.
pub(crate) fn server_metadata_urls(issuer: &Issuer) -> Vec<(Url, MetadataSource)> {
    let path = issuer.url().path();
    // RFC 8414 §3.1 and OpenID Connect Discovery §4 remove a slash at the end.
    let path = path.strip_suffix('/').unwrap_or(path);
    let at = |path: &str| {
        let mut url = issuer.url().clone();
        url.set_path(path);
        url
    };
    let mut candidates = vec![
        (
            at(&format!("{AUTHORIZATION_SERVER}{path}")),
            MetadataSource::Rfc8414,
        ),
        (
            at(&format!("{OPENID_CONFIGURATION}{path}")),
            MetadataSource::OpenId,
        ),
    ];
    if !path.is_empty() {
        candidates.push((
            at(&format!("{path}{OPENID_CONFIGURATION}")),
            MetadataSource::OpenId,
        ));
    }
    candidates
}

/// Whether a document at `url` may be an OpenID provider's, judged by the URL.
pub(crate) fn metadata_source(url: &Url) -> MetadataSource {
    if url.path().contains(OPENID_CONFIGURATION) {
        MetadataSource::OpenId
    } else {
        MetadataSource::Rfc8414
    }
}

/// What makes a URL one that no request may go to, if anything does.
pub(crate) fn objection(url: &Url) -> Option<&'static str> {
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        "http" => return Some("plain http is for loopback hosts only"),
        _ => return Some("its scheme is not https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("it holds a user name or a password");
    }
    if url.fragment().is_some() {
        return Some("it holds a fragment (`#`)");
    }
    None
}

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";

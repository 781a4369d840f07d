//! Finds the authorization server's metadata (RFC 8414, OpenID Connect Discovery 1.0), or does
//! without: explicit endpoints, and what MCP 2025-03-26 did.

use hallpass_core::{
    ExplicitEndpoints, Hint, Issuer, ResourceMetadata, ServerMetadata, ServerSettings, ServerUrl,
    redacted_url,
};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    MetadataSource,
    attempt::Document,
    document,
    error::{DiscoveryErrorKind, RequestFailure},
    reader::{Reader, value},
    well_known,
};

/// An authorization server, and where its metadata came from.
pub(crate) type Server = (ServerMetadata, MetadataSource);

/// The issuers to try, in order: the configured one, else those that the metadata names.
pub(crate) fn issuers(
    settings: &ServerSettings,
    server: &ServerUrl,
    metadata: Option<&ResourceMetadata>,
) -> Result<Vec<Issuer>, RequestFailure> {
    let listed = metadata.map_or(&[][..], |metadata| &metadata.authorization_servers);
    let Some(configured) = &settings.issuer else {
        if listed.is_empty() {
            let text = format!(
                "the metadata of {} names no usable authorization server in \
                 `authorization_servers` (RFC 9728 §2)",
                value(server.as_str())
            );
            return Err(
                RequestFailure::new(DiscoveryErrorKind::NoAuthorizationServer, text)
                    .with_settings(&["issuer", "legacy_discovery"]),
            );
        }
        return Ok(listed.to_vec());
    };
    let is_listed = listed
        .iter()
        .any(|issuer| issuer.eq_ignoring_trailing_slash(configured));
    if listed.is_empty() || is_listed || settings.trusted_issuers.contains(configured) {
        return Ok(vec![configured.clone()]);
    }
    let names: Vec<String> = listed
        .iter()
        .take(MAX_ISSUERS)
        .map(|issuer| value(issuer.as_str()))
        .collect();
    let text = format!(
        "the configured `issuer` {} is not among the `authorization_servers` of {}: {} \
         (RFC 9728 §2)",
        value(configured.as_str()),
        value(server.as_str()),
        names.join(", ")
    );
    let fault = RequestFailure::new(DiscoveryErrorKind::IssuerNotListed, text);
    let fault = match listed {
        [only] => fault.with_setting("issuer", only.as_str()),
        _ => fault.with_settings(&["issuer"]),
    };
    Err(fault.with_setting("trusted_issuers", configured.as_str()))
}

/// Reads the metadata of the first of `issuers` that has any.
pub(crate) async fn from_issuers(
    settings: &ServerSettings,
    issuers: &[Issuer],
    reader: &mut Reader<'_>,
) -> Result<Server, RequestFailure> {
    let issuers = &issuers[..issuers.len().min(MAX_ISSUERS)];
    let mut faults = Vec::new();
    for issuer in issuers {
        for (url, source) in well_known::server_metadata_urls(issuer) {
            let read = reader
                .read(Document::AuthorizationServer, &url, |object, notes| {
                    checked(object, &url, settings, &[issuer], notes)
                })
                .await;
            match read {
                Ok(metadata) => return Ok((metadata, source)),
                Err(fault) => {
                    let stop = fault.concerns_the_origin();
                    faults.push(fault);
                    if stop {
                        break;
                    }
                }
            }
        }
    }
    let plain = faults
        .iter()
        .all(|fault| fault.kind == DiscoveryErrorKind::ServerMetadataNotFound);
    let names: Vec<String> = issuers
        .iter()
        .map(|issuer| value(issuer.as_str()))
        .collect();
    let answers: Vec<&str> = faults.iter().map(|fault| fault.text.as_str()).collect();
    let text = format!(
        "no metadata of the authorization server {} (RFC 8414 §3, OpenID Connect Discovery §4): {}",
        names.join(", "),
        answers.join(", ")
    );
    let nothing = RequestFailure::new(DiscoveryErrorKind::ServerMetadataNotFound, text);
    let fault = if plain {
        None
    } else {
        RequestFailure::most_significant(faults)
    };
    let settings = ["server_metadata_url", "endpoints"];
    Err(fault.unwrap_or(nothing).or_settings(&settings))
}

/// Reads the metadata at the URL that the user named.
///
/// The issuer is one that is expected, or the one whose metadata belongs at that URL, or trusted.
pub(crate) async fn at_named_url(
    settings: &ServerSettings,
    expected: &[Issuer],
    url: &Url,
    reader: &mut Reader<'_>,
) -> Result<Server, RequestFailure> {
    if let Some(objection) = well_known::objection(url) {
        let text = format!(
            "the configured `server_metadata_url` {} can't be asked: {objection} (RFC 8414 §3)",
            value(url.as_str())
        );
        return Err(RequestFailure::new(DiscoveryErrorKind::Settings, text)
            .with_settings(&["server_metadata_url"]));
    }
    let expected: Vec<&Issuer> = expected.iter().collect();
    let read = reader
        .read(Document::AuthorizationServer, url, |object, notes| {
            checked(object, url, settings, &expected, notes)
        })
        .await;
    match read {
        Ok(metadata) => Ok((metadata, well_known::metadata_source(url))),
        Err(mut fault) => {
            if fault.kind == DiscoveryErrorKind::ServerMetadataNotFound {
                fault.text = format!(
                    "no authorization server metadata at the configured `server_metadata_url`: {}",
                    fault.text
                );
            }
            Err(fault.or_settings(&["server_metadata_url"]))
        }
    }
}

/// What MCP 2025-03-26 did: the MCP server's origin is its own authorization server, and where it
/// has no metadata its endpoints are `/authorize`, `/token` and `/register`.
///
/// `asked_for` says whether something asked for OAuth: a challenge, or the setting. Without, a
/// server that has nothing anywhere is one without OAuth.
pub(crate) async fn legacy(
    settings: &ServerSettings,
    server: &ServerUrl,
    asked_for: bool,
    reader: &mut Reader<'_>,
) -> Result<Server, RequestFailure> {
    let origin = server.url().origin().ascii_serialization();
    let issuer = Issuer::parse(&origin).map_err(|error| {
        RequestFailure::new(
            DiscoveryErrorKind::ServerMetadataNotFound,
            error.to_string(),
        )
    })?;
    let Some((url, _)) = well_known::server_metadata_urls(&issuer).into_iter().next() else {
        return Err(no_oauth(server));
    };
    let read = reader
        .read(Document::AuthorizationServer, &url, |object, notes| {
            checked(object, &url, settings, &[&issuer], notes)
        })
        .await;
    let fault = match read {
        Ok(metadata) => return Ok((metadata, MetadataSource::Legacy)),
        Err(fault) => fault,
    };
    let is_nowhere = match fault.kind {
        DiscoveryErrorKind::ServerMetadataNotFound => {
            fault.is_not_found() || settings.legacy_discovery
        }
        DiscoveryErrorKind::NotJson => settings.legacy_discovery,
        _ => false,
    };
    if !is_nowhere {
        return Err(fault.or_settings(&["endpoints", "legacy_discovery"]));
    }
    if !asked_for {
        return Err(no_oauth(server));
    }
    let at = |path: &str| {
        let mut url = server.url().clone();
        url.set_path(path);
        url.set_query(None);
        url
    };
    let mut metadata = ServerMetadata::new(issuer);
    metadata.authorization_endpoint = Some(at("/authorize"));
    metadata.token_endpoint = Some(at("/token"));
    metadata.registration_endpoint = Some(at("/register"));
    Ok((metadata, MetadataSource::Guessed))
}

/// The server whose endpoints the user named. Nothing is asked.
///
/// Its issuer is the configured one. The MCP server's metadata may name one on the host of the token
/// endpoint alone: what a client signs for another issuer must not come to that endpoint.
pub(crate) fn explicit(
    settings: &ServerSettings,
    endpoints: &ExplicitEndpoints,
    listed: &[Issuer],
) -> Result<Server, RequestFailure> {
    let named = [
        ("endpoints.authorization", endpoints.authorization.as_ref()),
        ("endpoints.token", Some(&endpoints.token)),
        ("endpoints.registration", endpoints.registration.as_ref()),
        ("endpoints.revocation", endpoints.revocation.as_ref()),
    ];
    let refuse = |name: &'static str, url: &Url, problem: &str| {
        let text = format!(
            "the configured `{name}` {} can't be used: {problem} (RFC 6749 §3.1, §3.2)",
            value(url.as_str())
        );
        RequestFailure::new(DiscoveryErrorKind::Settings, text).with_settings(&[name])
    };
    for (name, url) in named {
        if let Some(url) = url
            && let Some(objection) = well_known::objection(url)
        {
            return Err(refuse(name, url, objection));
        }
    }
    let is_here = |issuer: &&Issuer| issuer.url().host() == endpoints.token.host();
    let named = settings.issuer.as_ref();
    let issuer = match named.or_else(|| listed.iter().find(is_here)) {
        Some(issuer) => issuer.clone(),
        None => Issuer::parse(&endpoints.token.origin().ascii_serialization())
            .map_err(|_| refuse("endpoints.token", &endpoints.token, "it has no origin"))?,
    };
    let mut metadata = ServerMetadata::new(issuer);
    metadata
        .authorization_endpoint
        .clone_from(&endpoints.authorization);
    metadata.token_endpoint = Some(endpoints.token.clone());
    metadata
        .registration_endpoint
        .clone_from(&endpoints.registration);
    metadata
        .revocation_endpoint
        .clone_from(&endpoints.revocation);
    Ok((metadata, MetadataSource::Explicit))
}

/// Reads a document and checks its issuer (RFC 8414 §3.3): identical to one that is `expected`, but
/// for one slash after a bare origin, which real servers differ by; or trusted by the user. Where
/// nothing is expected the document may be that of the issuer whose metadata belongs at `at`.
fn checked(
    object: Map<String, Value>,
    at: &Url,
    settings: &ServerSettings,
    expected: &[&Issuer],
    notes: &mut Vec<String>,
) -> Result<ServerMetadata, RequestFailure> {
    let metadata = document::authorization_server(object, at, notes)?;
    let claimed = &metadata.issuer;
    let is_expected = expected
        .iter()
        .any(|issuer| issuer.eq_ignoring_trailing_slash(claimed));
    let belongs_here = || {
        let candidates = well_known::server_metadata_urls(claimed);
        expected.is_empty() && candidates.iter().any(|(url, _)| url == at)
    };
    if is_expected || settings.trusted_issuers.contains(claimed) || belongs_here() {
        return Ok(metadata);
    }
    let expected = if expected.is_empty() {
        "the one that this URL is built from".to_owned()
    } else {
        let names: Vec<String> = expected
            .iter()
            .map(|issuer| value(issuer.as_str()))
            .collect();
        names.join(" or ")
    };
    let text = format!(
        "the metadata at {} claims the issuer {} where {expected} is expected (RFC 8414 §3.3)",
        redacted_url(at),
        value(claimed.as_str())
    );
    Err(
        RequestFailure::new(DiscoveryErrorKind::IssuerMismatch, text)
            .with_setting("trusted_issuers", claimed.as_str())
            .with_hint(Hint::text(
                "only if that issuer is right: the server may be misconfigured, or an impostor",
            )),
    )
}

fn no_oauth(server: &ServerUrl) -> RequestFailure {
    let text = format!(
        "{} shows no trace of OAuth: nothing asks for a token, and there is no metadata \
         (RFC 9728 §3, RFC 8414 §3)",
        value(server.as_str())
    );
    let hint = Hint::text("check the URL, if the server does want a sign-in");
    RequestFailure::new(DiscoveryErrorKind::NoOAuth, text)
        .with_hint(hint)
        .with_settings(&["issuer", "endpoints", "legacy_discovery"])
}

/// How many of a resource's authorization servers are tried before it counts as having none.
const MAX_ISSUERS: usize = 8;

//! Finds the protected resource's metadata (RFC 9728).

use hallpass_core::{Challenge, ResourceMetadata, ServerSettings, ServerUrl, is_loopback};
use url::Url;

use crate::{
    attempt::Document,
    document,
    error::{DiscoveryErrorKind, RequestFailure},
    reader::{Reader, value},
    resource_choice, well_known,
};

/// What came of looking for the metadata.
pub(crate) enum Candidate {
    /// The metadata, which is the server's own; and its origin, where a challenge named another one than
    /// the server's.
    Metadata(Box<ResourceMetadata>, Option<String>),
    /// There is none, for all that the answers say.
    Nothing {
        /// What to report when nothing else leads further.
        fault: RequestFailure,
        /// Whether the answers are those of a server older than RFC 9728: nothing named a place,
        /// and every place to guess answered 404.
        looks_legacy: bool,
    },
}

/// Looks for the metadata where the settings, else the challenges say, else at the well-known URLs.
///
/// # Errors
///
/// When metadata was found that must not be used, or when the answers are such that asking again
/// may find some.
pub(crate) async fn find(
    settings: &ServerSettings,
    server: &ServerUrl,
    challenges: &[Challenge],
    reader: &mut Reader<'_>,
) -> Result<Candidate, RequestFailure> {
    let mut faults = Vec::new();
    let named = match &settings.resource_metadata_url {
        Some(url) => {
            check_setting(url)?;
            Some(vec![url.clone()])
        }
        None => named_by(challenges, server, reader, &mut faults),
    };
    let candidates = match &named {
        // MCP: what the challenge names is used, and nothing is guessed beside it.
        Some(urls) => urls.clone(),
        // A server whose endpoints the user had to name publishes no metadata.
        None if settings.endpoints.is_some() => Vec::new(),
        None => well_known::resource_metadata_urls(server),
    };
    for url in &candidates {
        let read = reader
            .read(Document::ProtectedResource, url, |object, notes| {
                let metadata = document::protected_resource(object, url, notes)?;
                resource_choice::accept(&settings.resource, server, url, &metadata.resource)?;
                Ok(metadata)
            })
            .await;
        match read {
            Ok(metadata) => {
                let is_elsewhere =
                    settings.resource_metadata_url.is_none() && !server.same_origin(url);
                let origin = is_elsewhere.then(|| url.origin().ascii_serialization());
                return Ok(Candidate::Metadata(Box::new(metadata), origin));
            }
            Err(fault) if fault.is_refusal() => return Err(fault),
            Err(fault) => {
                let stop = fault.concerns_the_origin();
                faults.push(fault);
                if stop {
                    break;
                }
            }
        }
    }
    let looks_legacy = named.is_none() && faults.iter().all(RequestFailure::is_not_found);
    let is_passing = faults.iter().any(RequestFailure::is_passing);
    let fault = summary(settings, server, faults);
    // After a fault that may pass, "there is none" would be a guess.
    if is_passing && !settings.legacy_discovery {
        return Err(fault);
    }
    Ok(Candidate::Nothing {
        fault,
        looks_legacy,
    })
}

/// The usable URLs that the challenges name; `None` when they name none at all.
fn named_by(
    challenges: &[Challenge],
    server: &ServerUrl,
    reader: &mut Reader<'_>,
    faults: &mut Vec<RequestFailure>,
) -> Option<Vec<Url>> {
    let mut texts: Vec<&str> = Vec::new();
    for challenge in challenges {
        if let Some(text) = challenge.resource_metadata.as_deref()
            && !text.is_empty()
            && !texts.contains(&text)
            && texts.len() < MAX_NAMED
        {
            texts.push(text);
        }
    }
    if texts.is_empty() {
        return None;
    }
    let mut urls = Vec::new();
    for text in texts {
        match check_named(text, server) {
            Ok(url) => urls.push(url),
            Err(fault) => {
                reader.refuse(Document::ProtectedResource, text, fault.text.clone());
                faults.push(fault);
            }
        }
    }
    // Who runs the server's origin is asked first.
    urls.sort_by_key(|url| !server.same_origin(url));
    Some(urls)
}

/// Checks the URL that a challenge names (RFC 9728 §5.1).
///
/// It may be on another origin: MCP has the client use what the challenge names. The challenge came
/// from the server, so the server vouches for the place. It is https, or a loopback server's loopback
/// URL; the HTTP client sends it nothing of the server's, judges its address as one that the server
/// named (§7.7), and follows redirects on its origin alone. Its document has to name the server's URL
/// exactly (§3.3). The user may name any URL.
fn check_named(text: &str, server: &ServerUrl) -> Result<Url, RequestFailure> {
    let refuse = |problem: &str, instead: Option<&Url>| {
        let fault = RequestFailure::new(
            DiscoveryErrorKind::ChallengeRefused,
            format!(
                "the challenge of {} names {} as `resource_metadata`, which is not asked: \
                 {problem}",
                value(server.as_str()),
                value(text)
            ),
        );
        match instead {
            Some(url) => fault.with_setting("resource_metadata_url", url.as_str()),
            None => fault.with_settings(&["resource_metadata_url"]),
        }
    };
    let url =
        Url::parse(text).map_err(|_| refuse("it is not an absolute URL (RFC 9728 §5.1)", None))?;
    if let Some(objection) = well_known::objection(&url) {
        // The usual cause: a server behind a proxy that does not know that it is reached by https.
        let mut secure = url.clone();
        let is_secured = url.scheme() == "http" && secure.set_scheme("https").is_ok();
        let problem = format!("{objection} (RFC 9728 §3)");
        return Err(refuse(&problem, is_secured.then_some(&secure)));
    }
    let is_loopback_only = url.scheme() == "http" && !is_loopback(server.url());
    if !server.same_origin(&url) && is_loopback_only {
        let problem = "it is on another origin (RFC 9728 §3, §7.3)";
        return Err(refuse(problem, Some(&url)));
    }
    Ok(url)
}

fn check_setting(url: &Url) -> Result<(), RequestFailure> {
    match well_known::objection(url) {
        None => Ok(()),
        Some(objection) => Err(RequestFailure::new(
            DiscoveryErrorKind::Settings,
            format!(
                "the configured `resource_metadata_url` {} can't be asked: {objection} \
                 (RFC 9728 §3)",
                value(url.as_str())
            ),
        )
        .with_settings(&["resource_metadata_url"])),
    }
}

/// The fault that stands for all candidates: the one that tells most, or that there is nothing.
fn summary(
    settings: &ServerSettings,
    server: &ServerUrl,
    faults: Vec<RequestFailure>,
) -> RequestFailure {
    let plain = faults
        .iter()
        .all(|fault| fault.kind == DiscoveryErrorKind::ResourceMetadataNotFound);
    let names: &[&str] = if settings.resource_metadata_url.is_some() {
        &["resource_metadata_url"]
    } else {
        &[
            "issuer",
            "resource_metadata_url",
            "endpoints",
            "legacy_discovery",
        ]
    };
    let answers: Vec<&str> = faults.iter().map(|fault| fault.text.as_str()).collect();
    let text = format!(
        "no protected resource metadata for {} (RFC 9728 §3): {}",
        value(server.as_str()),
        answers.join(", ")
    );
    let nothing = RequestFailure::new(DiscoveryErrorKind::ResourceMetadataNotFound, text);
    let fault = if plain {
        None
    } else {
        RequestFailure::most_significant(faults)
    };
    fault.unwrap_or(nothing).or_settings(names)
}

/// How many URLs of one answer are considered: a server has one place for its metadata.
const MAX_NAMED: usize = 4;

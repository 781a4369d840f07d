//! The one choice of `resource` (RFC 8707 §2, RFC 9728 §3.3): an explicit setting, else the
//! metadata's own, else the server's canonical URL.

use hallpass_core::{Hint, Resource, ResourceMetadata, ResourceSetting, ServerUrl, redacted_url};
use url::Url;

use crate::{
    error::{DiscoveryErrorKind, RequestFailure},
    reader::value,
    well_known,
};

/// Whether the metadata at `at` that publishes `published` may be used for `server` (RFC 9728 §3.3).
///
/// An ancestor of the server's URL counts where it stands at the well-known URI of the server's origin:
/// that is the word of who runs the origin. Another document may be the word of one tenant, and has to
/// name the server itself.
///
/// A user who sets exactly the published value has seen the mismatch and allowed it.
pub(crate) fn accept(
    setting: &ResourceSetting,
    server: &ServerUrl,
    at: &Url,
    published: &Resource,
) -> Result<(), RequestFailure> {
    let problem = match published.matches_server(server) {
        Err(mismatch) => format!("the {} differs", mismatch.part()),
        Ok(()) if published.is_server(server) || well_known::is_of_origin(server, at) => {
            return Ok(());
        }
        Ok(()) => format!(
            "it is not the server's URL, and the metadata is at {}, not at the server's well-known URL",
            redacted_url(at)
        ),
    };
    if let ResourceSetting::Exactly {
        resource,
        allow_mismatch,
    } = setting
        && (*allow_mismatch || resource == published)
    {
        return Ok(());
    }
    let exact = published.as_str();
    let published = value(exact);
    let text = format!(
        "the metadata's `resource` {published} does not identify the server {}: {problem} \
         (RFC 9728 §3.3)",
        value(server.as_str()),
    );
    Err(
        RequestFailure::new(DiscoveryErrorKind::ResourceMismatch, text)
            .with_setting("resource", exact)
            .with_hint(Hint::text(
                "only if that name is right: the server may be misconfigured, or an impostor; its \
                 operator has to publish the URL that people use",
            )),
    )
}

/// The `resource` that every request of this credential carries; `None` when the user left it out.
pub(crate) fn choose(
    setting: &ResourceSetting,
    server: &ServerUrl,
    metadata: Option<&ResourceMetadata>,
) -> Result<Option<Resource>, RequestFailure> {
    let published = metadata.map(|metadata| &metadata.resource);
    let (resource, allow_mismatch) = match setting {
        ResourceSetting::Omitted => return Ok(None),
        ResourceSetting::Published => {
            return Ok(Some(published.map_or_else(|| server.into(), Clone::clone)));
        }
        ResourceSetting::Exactly {
            resource,
            allow_mismatch,
        } => (resource, *allow_mismatch),
    };
    if allow_mismatch || resource.is_server(server) || published == Some(resource) {
        return Ok(Some(resource.clone()));
    }
    let published = match published {
        Some(published) => format!("its metadata publishes {}", value(published.as_str())),
        None => "it publishes no other".to_owned(),
    };
    let text = format!(
        "the configured `resource` {} is not the server {}, and {published} (RFC 8707 §2)",
        value(resource.as_str()),
        value(server.as_str()),
    );
    Err(
        RequestFailure::new(DiscoveryErrorKind::ResourceSetting, text)
            .with_hint(Hint::text(
                "leave out the configured resource, if the server's own name is right",
            ))
            .with_settings(&["allow_mismatch"]),
    )
}

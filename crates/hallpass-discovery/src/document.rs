//! Makes the core's documents out of JSON, tolerantly: a member that can't be used is ignored
//! with a note, unless nothing works without it.

use hallpass_core::{Hint, Issuer, Resource, ResourceMetadata, ServerMetadata, redacted_url};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    error::{DiscoveryErrorKind, RequestFailure},
    reader::value,
    well_known,
};

/// Reads protected resource metadata (RFC 9728 §2). Whether it is the right one is not judged here.
pub(crate) fn protected_resource(
    object: Map<String, Value>,
    at: &Url,
    notes: &mut Vec<String>,
) -> Result<ResourceMetadata, RequestFailure> {
    let mut members = Members { object, notes };
    let resource = members.required("resource", at, "RFC 9728 §2")?;
    let resource = Resource::parse(&resource).map_err(|error| {
        let resource = value(&resource);
        if error.reads_otherwise() {
            let text = format!(
                "the metadata's `resource` {resource} reads otherwise once it is parsed: dot segments, \
                 backslashes or an odd host (RFC 3986 §6)"
            );
            return RequestFailure::new(DiscoveryErrorKind::ResourceMismatch, text).with_hint(
                Hint::text("its operator has to publish the URL that people use"),
            );
        }
        let problem = "is not an absolute URI without a fragment (RFC 8707 §2)";
        invalid(at, format!("its `resource` {resource} {problem}"))
    })?;
    let mut metadata = ResourceMetadata::new(resource);
    for text in members.list("authorization_servers").unwrap_or_default() {
        match Issuer::parse(&text) {
            Ok(issuer) if text.len() <= MAX_LENGTH => {
                if !metadata.authorization_servers.contains(&issuer) {
                    metadata.authorization_servers.push(issuer);
                }
            }
            _ => members.note(format!(
                "ignored {} of `authorization_servers`, which is no issuer (RFC 8414 §2)",
                value(&text)
            )),
        }
    }
    metadata.scopes_supported = members.words("scopes_supported");
    metadata.resource_name = members.text("resource_name");
    metadata.dpop_bound_access_tokens_required = members.flag("dpop_bound_access_tokens_required");
    metadata.other = members.object;
    Ok(metadata)
}

/// Reads an authorization server's metadata (RFC 8414 §2). Whether its `issuer` is the right one is
/// not judged here.
pub(crate) fn authorization_server(
    object: Map<String, Value>,
    at: &Url,
    notes: &mut Vec<String>,
) -> Result<ServerMetadata, RequestFailure> {
    let mut members = Members { object, notes };
    let issuer = members.required("issuer", at, "RFC 8414 §2")?;
    let issuer = Issuer::parse(&issuer).map_err(|_| {
        let issuer = value(&issuer);
        let problem = "is not an https URL in printable ASCII without query, fragment and user name (RFC 8414 §2)";
        invalid(at, format!("its `issuer` {issuer} {problem}"))
    })?;
    let mut metadata = ServerMetadata::new(issuer);
    let registration = members.object.get("registration_endpoint").cloned();
    metadata.registration_endpoint = members.optional_endpoint("registration_endpoint");
    metadata.revocation_endpoint = members.optional_endpoint("revocation_endpoint");
    metadata.device_authorization_endpoint =
        members.optional_endpoint("device_authorization_endpoint");
    metadata.pushed_authorization_request_endpoint =
        members.optional_endpoint("pushed_authorization_request_endpoint");
    metadata.require_pushed_authorization_requests =
        members.flag("require_pushed_authorization_requests");
    metadata.scopes_supported = members.words("scopes_supported");
    metadata.grant_types_supported = members.words("grant_types_supported");
    metadata.token_endpoint_auth_methods_supported = members
        .words("token_endpoint_auth_methods_supported")
        .map(|methods| methods.into_iter().map(Into::into).collect());
    metadata.token_endpoint_auth_signing_alg_values_supported =
        members.words("token_endpoint_auth_signing_alg_values_supported");
    metadata.code_challenge_methods_supported = members.words("code_challenge_methods_supported");
    metadata.authorization_response_iss_parameter_supported =
        members.flag("authorization_response_iss_parameter_supported");
    metadata.client_id_metadata_document_supported =
        members.flag("client_id_metadata_document_supported");
    metadata.dpop_signing_alg_values_supported = members.words("dpop_signing_alg_values_supported");
    metadata.dpop_bound_access_tokens_required = members.flag("dpop_bound_access_tokens_required");
    let named = [
        members.text("authorization_endpoint"),
        members.text("token_endpoint"),
    ];
    match endpoints(&mut metadata, &named, at) {
        Ok(()) => {
            metadata.other = members.object;
            Ok(metadata)
        }
        Err(failure) => {
            let registration = registration.as_ref().and_then(Value::as_str);
            metadata.registration_endpoint = registration.and_then(|text| meant_endpoint(text, at));
            let named = named.map(|text| meant_endpoint(&text?, at));
            [metadata.authorization_endpoint, metadata.token_endpoint] = named;
            Err(failure.with_hint(metadata.endpoint_settings()))
        }
    }
}

/// Takes over the endpoints that everything hangs on. Without a token endpoint nothing that Hallpass does
/// is possible (RFC 8414 §2 lets only servers of the implicit grant leave it out).
fn endpoints(
    metadata: &mut ServerMetadata,
    [authorization, token]: &[Option<String>; 2],
    at: &Url,
) -> Result<(), RequestFailure> {
    let checked = |name: &str, text: &Option<String>, section: &str| {
        let text = text.as_deref().filter(|text| !text.is_empty());
        text.map(endpoint).transpose().map_err(|problem| {
            let text = format!(
                "the `{name}` {} in the document at {} can't be used: {problem} ({section})",
                value(text.unwrap_or_default()),
                redacted_url(at)
            );
            RequestFailure::new(DiscoveryErrorKind::EndpointRefused, text)
        })
    };
    metadata.authorization_endpoint =
        checked("authorization_endpoint", authorization, "RFC 6749 §3.1")?;
    metadata.token_endpoint = checked("token_endpoint", token, "RFC 6749 §3.2")?;
    match metadata.token_endpoint {
        Some(_) => Ok(()),
        None => Err(invalid(at, "it names no `token_endpoint` (RFC 8414 §2)")),
    }
}

/// What an endpoint of a document that can't be used may mean: itself, or a relative one at the origin of
/// the document. A hint makes it the user's own choice, so it has to be on the document's host: a user
/// would trust any other host without a question.
fn meant_endpoint(text: &str, at: &Url) -> Option<Url> {
    let url = endpoint(text).or_else(|problem| at.join(text).map_err(|_| problem));
    let is_here = |url: &Url| text.starts_with('/') && url.origin() == at.origin();
    url.ok()
        .filter(|url| Url::parse(text).is_ok() || is_here(url))
        .filter(|url| url.host() == at.host())
        .filter(|url| well_known::objection(url).is_none())
}

fn invalid(at: &Url, problem: impl std::fmt::Display) -> RequestFailure {
    RequestFailure::new(
        DiscoveryErrorKind::InvalidDocument,
        format!(
            "the document at {} can't be used: {problem}",
            redacted_url(at)
        ),
    )
}

/// The members of a document that have not been read yet.
struct Members<'a> {
    object: Map<String, Value>,
    notes: &'a mut Vec<String>,
}

impl Members<'_> {
    /// Notes what does not matter. A document may hold any number of such things; a few tell enough.
    fn note(&mut self, note: String) {
        const MAX_NOTES: usize = 16;
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }

    /// Takes a member out; `null` is the same as none.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name).filter(|value| !value.is_null())
    }

    fn required(&mut self, name: &str, at: &Url, section: &str) -> Result<String, RequestFailure> {
        match self.take(name) {
            Some(Value::String(text)) if !text.is_empty() && text.len() <= MAX_LENGTH => Ok(text),
            Some(Value::String(_)) => Err(invalid(
                at,
                format!("its `{name}` is empty or endless ({section})"),
            )),
            Some(_) => Err(invalid(at, format!("its `{name}` is no text ({section})"))),
            None => Err(invalid(at, format!("it has no `{name}` ({section})"))),
        }
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let Value::String(text) = self.take(name)? else {
            self.note(format!("ignored `{name}`: no text"));
            return None;
        };
        Some(text)
    }

    fn flag(&mut self, name: &str) -> bool {
        match self.take(name) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(Value::String(text)) if text == "true" || text == "false" => {
                self.note(format!("took the text of `{name}` for a boolean"));
                text == "true"
            }
            Some(_) => {
                self.note(format!("ignored `{name}`: neither true nor false"));
                false
            }
        }
    }

    /// A list of texts, or one text alone, which is taken for a list of one.
    fn list(&mut self, name: &str) -> Option<Vec<String>> {
        match self.take(name)? {
            Value::Array(values) => {
                let all = values.len();
                let texts: Vec<String> = values
                    .into_iter()
                    .filter_map(|value| match value {
                        Value::String(text) => Some(text),
                        _ => None,
                    })
                    .collect();
                if texts.len() < all {
                    self.note(format!(
                        "ignored {} of `{name}`: no text",
                        all - texts.len()
                    ));
                }
                Some(texts)
            }
            Value::String(text) => {
                self.note(format!("took the text of `{name}` for a list"));
                Some(vec![text])
            }
            _ => {
                self.note(format!("ignored `{name}`: no list"));
                None
            }
        }
    }

    /// A list of words; a text alone is taken for several with spaces between.
    fn words(&mut self, name: &str) -> Option<Vec<String>> {
        let split = self.object.get(name).is_some_and(Value::is_string);
        let list = self.list(name)?;
        if split {
            let words = list.iter().flat_map(|text| text.split_ascii_whitespace());
            return Some(words.map(Into::into).collect());
        }
        Some(list)
    }

    /// An endpoint that discovery can do without.
    fn optional_endpoint(&mut self, name: &str) -> Option<Url> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        match endpoint(&text) {
            Ok(url) => Some(url),
            Err(problem) => {
                self.note(format!("ignored `{name}` {}: {problem}", value(&text)));
                None
            }
        }
    }
}

fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match well_known::objection(&url) {
        Some(objection) => Err(objection.to_owned()),
        None => Ok(url),
    }
}

/// The longest identifier that is believed, in bytes: errors repeat identifiers in full.
const MAX_LENGTH: usize = 2048;
